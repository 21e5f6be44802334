"""The source itself on an installed Keras, every layer's output by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.models.candidates import Array
from conformance.models.errors import ModelError
from conformance.models.program_candidate import CallableCandidate
from conformance.models.source import output_name


class KerasCandidate(CallableCandidate):
    """A model file loaded and run by Keras, on the backend that it was imported with.

    Args:
        path: the file.
        name: what to call it.
        mode: ``eager``, or on TensorFlow ``graph`` or ``jit``: the whole model in one function.

    Raises:
        ModelError: if Keras cannot load it.
    """

    def __init__(self, path: Path, name: str = "tf.keras", mode: str = "eager") -> None:
        import keras

        try:
            self._model = keras.models.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            raise ModelError(
                f"{path}: Keras cannot load it ({str(error).splitlines()[0]})"
            ) from error
        super().__init__(self._run if mode == "eager" else self._compiled(mode == "jit"), name)
        self.implementation = name
        self.maker = f"keras {keras.__version__} ({keras.backend.backend()})"

    def _run(self, *inputs: Any) -> dict[str, Any]:
        """Each layer's output."""
        import keras

        outputs: dict[str, Any] = {}
        self._walk(self._model, "", [*inputs] if len(inputs) > 1 else inputs[0], outputs)
        return {name: keras.ops.convert_to_numpy(made) for name, made in outputs.items()}

    def _compiled(self, jit: bool) -> Any:
        """The same in a function of TensorFlow's."""
        import tensorflow as tf

        def traced(*inputs: Any) -> dict[str, Any]:
            outputs: dict[str, Any] = {}
            self._walk(self._model, "", [*inputs] if len(inputs) > 1 else inputs[0], outputs)
            return outputs

        function = tf.function(traced, jit_compile=jit)

        def run(*inputs: Array) -> dict[str, Any]:
            made = function(*map(tf.constant, inputs))
            return {name: made[name].numpy() for name in made}

        return run

    def _walk(self, model: Any, prefix: str, given: Any, outputs: dict[str, Any]) -> Any:
        """Run a graph, models within it layer by layer too, and note each layer's output."""
        import keras

        graph = getattr(model, "_functional", None) or model

        def calling(operation: Any) -> Any:
            def called(*arguments: Any, **keywords: Any) -> Any:
                if isinstance(operation, keras.Model):
                    return self._walk(
                        operation, f"{prefix}{operation.name}/", arguments[0], outputs
                    )
                made = operation(*arguments, **keywords)
                if not isinstance(operation, keras.layers.InputLayer):
                    _note(prefix + operation.name, keras.tree.flatten(made), outputs)
                return made

            return called

        flat = graph._standardize_inputs(given)
        return graph._run_through_graph(flat, operation_fn=calling)


def _note(name: str, made: Sequence[Any], outputs: dict[str, Any]) -> None:
    """Note the outputs of a layer, one or several, behind those of its earlier calls."""
    first = output_name(name, 0) if len(made) > 1 else name
    count, own = 1, name
    while first in outputs:
        count += 1
        own = f"{name}#{count}"
        first = output_name(own, 0) if len(made) > 1 else own
    names = [own] if len(made) == 1 else [output_name(own, n) for n in range(len(made))]
    outputs.update(zip(names, made, strict=True))
