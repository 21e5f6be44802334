"""Operations of Keras between layers (``keras.ops``) that the oracle does not have.

An installed Keras computes them; what only moves elements moves their errors alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from conformance.models.operation import Operation
from conformance.models.stand_in import DECLARED, Opaque, free_where_they_differ
from reference_impl.engine.keras_tensor import KerasTensor

ACTIVATIONS: Final = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Silu": "silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu",
    "Selu": "selu",
    "Exp": "exponential",
    "Mish": "mish",
}
"""Operations that are activations, without numbers of their own."""

_MOVING: Final = frozenset(
    {"GetItem", "Split", "Concatenate", "Transpose", "Reshape", "Squeeze", "ExpandDims", "Stack"}
    | {"Flip", "Repeat", "Tile", "Roll", "Swapaxes", "Moveaxis", "BroadcastTo", "Unstack"}
)
_MODULE: Final = re.compile(r"keras\.src\.ops\.[a-z_]+")


def is_operator_of_keras(module: str, name: str) -> bool:
    """Whether an installed Keras has such an operation."""
    if _MODULE.fullmatch(module) is None:
        return False
    from conformance.models.foreign import operation_class

    return operation_class(module, name) is not None


class Operator(Opaque):
    """An operation of Keras, with the arguments of its call."""

    module: str = ""
    call_arguments: Any = None

    def _shapes_on(self, taken: Sequence[KerasTensor]) -> list[Any]:
        """As the file declares them, else what zeros give; free where two lengths differ."""
        declared = self.declared()
        if all(declared):
            return declared
        shapes = [tensor.shape for tensor in taken]
        return [
            shape or free_where_they_differ(partial(self.shape_on, shapes, output=index))
            for index, shape in enumerate(declared)
        ]

    def output_operation(self, ndim: int, output: int) -> Operation:
        """What Keras computes."""
        own = {key: value for key, value in self.config.items() if key != DECLARED}
        compute = partial(self._computed, own, output)
        settings = {"compute": compute, "moves": self.class_name in _MOVING}
        return Operation("elsewhere", settings)

    def _computed(self, config: Mapping[str, Any], output: int, arrays: Sequence[Any]) -> Any:
        from conformance.models.foreign import operate

        left = iter(arrays)
        arguments, keywords = (_filled(part, left) for part in self.call_arguments)
        made = operate(self.module, self.class_name, config, arguments, keywords)
        return np.asarray(made[output], np.float64)


def operator(module: str, name: str, entry: Mapping[str, Any]) -> type[Operator]:
    """The class that stands in for an entry of a configuration."""
    calls = entry.get("inbound_nodes") or [{}]
    first = calls[0] if isinstance(calls[0], Mapping) else {}
    arguments = [first.get("args") or [], first.get("kwargs") or {}]
    members = {"class_name": name, "module": module, "call_arguments": arguments}
    return type(name, (Operator,), members)


def _filled(value: Any, arrays: Iterator[Any]) -> Any:
    """Written arguments, arrays in place of tensors.

    Raises:
        ValueError: if one is neither a tensor, a number, a text nor a slice.
    """
    if isinstance(value, Mapping):
        return _object(value, arrays)
    if isinstance(value, (list, tuple)):
        return [_filled(item, arrays) for item in value]
    return value


def _object(value: Mapping[str, Any], arrays: Iterator[Any]) -> Any:
    kind, config = value.get("class_name"), value.get("config")
    if kind is None:
        return {key: _filled(item, arrays) for key, item in value.items()}
    if kind == "__keras_tensor__":
        return next(arrays)
    if kind == "__slice__" and isinstance(config, Mapping):
        return slice(*(config.get(part) for part in ("start", "stop", "step")))
    if kind == "__ellipsis__":
        return Ellipsis
    raise ValueError(f"an argument of class {kind!r}; expected tensors, numbers and slices")
