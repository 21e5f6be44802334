"""What tf.keras makes of a saved model, call by call, in a process of its own.

Started as ``python -m conformance.implementations.keras_model MODEL MODE INPUTS OUTPUTS``: MODE is
``eager``, ``graph`` or ``jit``, INPUTS an ``.npz`` of arrays ``0``, ``1``, ... and OUTPUTS the
``.npz`` to write: per call k of a layer, ``k.inputs`` and ``k.outputs``, and ``calls``, a JSON list
of the layers' names.  Where a layer's output is the model's, it is that of the model itself.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


def main(arguments: list[str]) -> None:
    """Run the model and write what each layer was given and made of it."""
    import tensorflow as tf

    path, mode, inputs, outputs = arguments
    model = tf.keras.models.load_model(path, compile=False)
    with np.load(inputs, allow_pickle=False) as given:
        arrays = [tf.constant(given[str(index)]) for index in range(len(given.files))]
    calls = _calls(model)
    ends = [tensor for _, *pair in calls for tensor in pair]
    values = _run(tf, tf.keras.Model(model.inputs, ends), mode, arrays)
    predicted = dict(zip(map(id, model.outputs), _run(tf, model, mode, arrays), strict=True))
    found: dict[str, Any] = {"calls": json.dumps([name for name, *_ in calls])}
    for index, (_, _, output) in enumerate(calls):
        found[f"{index}.inputs"] = values[2 * index]
        found[f"{index}.outputs"] = predicted.get(id(output), values[2 * index + 1])
    np.savez(outputs, **found)


def _calls(model: Any) -> list[tuple[str, Any, Any]]:
    """Every call of a layer in the model: the layer's name, the symbolic input and output."""
    nodes_by_depth = getattr(model, "_functional", model)._nodes_by_depth  # Keras has no public one
    nodes = [
        node for depth in sorted(nodes_by_depth, reverse=True) for node in nodes_by_depth[depth]
    ]
    calls = []
    for node in nodes:
        if node.input_tensors:
            (source,), (result,) = node.input_tensors, node.outputs
            calls.append((node.operation.name, source, result))
    return calls


def _run(tf: Any, model: Any, mode: str, arrays: list[Any]) -> list[Any]:
    function = model if mode == "eager" else tf.function(model, jit_compile=mode == "jit")
    results = function(arrays[0] if len(arrays) == 1 else arrays)
    return [np.asarray(result) for result in tf.nest.flatten(results)]


if __name__ == "__main__":
    main(sys.argv[1:])
