"""What a layer's ``call`` is made of: found by calling it on symbolic tensors.

A ``call`` made of layers and of operators works on symbolic tensors as on arrays, and the calls in
it are recorded: a graph, which says the shapes of the outputs and can be differentiated.  Where it
does anything else with its inputs, only the shapes are found, by calling it on arrays of zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from reference_impl.config import uncertified
from reference_impl.engine import calling
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import numpy_dtype
from reference_impl.engine.graph import Graph, graph_between
from reference_impl.engine.keras_tensor import KerasTensor, symbolic
from reference_impl.engine.structure import flatten, map_structure
from reference_impl.showing import shown

_LENGTHS: Final = (2, 3)
"""What stands for free lengths: a length of the output that differs between them is free."""


@contextmanager
def _recording(training: bool | None) -> Iterator[None]:
    """Symbolic calls in the block leave no traces in their layers."""
    nodes: list[Any] = []
    with calling.within(calling.Context(training, nodes)):
        try:
            yield
        finally:
            for node in reversed(nodes):
                node.layer.inbound_nodes.remove(node)


def traced(layer: Layer, given: Any, keywords: Mapping[str, Any]) -> tuple[Graph, Any]:
    """The graph that ``call`` makes of symbolic tensors, and the structure of its outputs.

    Raises:
        Exception: whatever ``call`` raises.
        TypeError: if it returns something else than symbolic tensors.
    """
    training = keywords.get("training")
    with _recording(training):
        fresh = map_structure(_fresh, (given, dict(keywords)))
        with calling.scope(layer):
            outputs = layer.call(*fresh[0], **fresh[1])
        found = flatten(outputs)
        if not found or not all(isinstance(item, KerasTensor) for item in found):
            raise TypeError(f"`call` of {layer.name!r} returned {shown(outputs)}")
        return graph_between(symbolic(fresh), found), outputs


def _fresh(item: Any) -> Any:
    if isinstance(item, KerasTensor):
        return KerasTensor(item.shape, item.dtype, item.sparse)
    return item


def inferred(layer: Layer, given: Any, keywords: Mapping[str, Any]) -> Any:
    """Shapes and dtypes of the outputs for symbolic tensors, as fresh symbolic tensors.

    Raises:
        NotImplementedError: if the layer has no ``call``.
        ValueError: if ``call`` fails on symbolic tensors and on arrays of zeros alike.
    """
    try:
        _, outputs = traced(layer, given, keywords)
    except Exception:
        return _of_zeros(layer, given, keywords)
    return map_structure(_fresh, outputs)


def _of_zeros(layer: Layer, given: Any, keywords: Mapping[str, Any]) -> Any:
    """The shapes that outputs for arrays of zeros have."""
    try:
        first, second = (_called_on_zeros(layer, given, keywords, n) for n in _LENGTHS)
    except Exception as error:
        kind = NotImplementedError if isinstance(error, NotImplementedError) else ValueError
        raise kind(
            f"{type(layer).__name__} {layer.name!r}: the output's shape is not known, since `call` "
            f"fails on symbolic tensors and on arrays of zeros ({type(error).__name__}: "
            f"{shown(str(error))}); expected `compute_output_shape`"
        ) from error
    others = iter(flatten(second))
    return map_structure(lambda item: _common(np.asarray(item), np.asarray(next(others))), first)


def _called_on_zeros(layer: Layer, given: Any, keywords: Mapping[str, Any], length: int) -> Any:
    def zeros(item: Any) -> Any:
        if not isinstance(item, KerasTensor):
            return item
        shape = [length if n is None else n for n in item.shape]
        return np.zeros(shape, numpy_dtype(item.dtype))

    arrays, others = map_structure(zeros, (given, dict(keywords)))
    kept = [*layer._activity_losses]
    context = calling.Context(keywords.get("training"), [])
    with uncertified(), calling.within(context), calling.scope(layer):
        outputs = layer.call(*arrays, **others)
    layer._activity_losses = kept
    return outputs


def _common(first: Any, second: Any) -> KerasTensor:
    """A symbolic tensor whose shape fits two arrays."""
    shape = tuple(n if n == m else None for n, m in zip(first.shape, second.shape, strict=True))
    return KerasTensor(shape, first.dtype.name)
