"""What layers of one kind have in common where an explanation must know it.

Everything else asks the layer.  A new kind of layer is a new entry of `FAMILIES`, and writers for
it in `conformance.explain.code`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

from reference_impl.engine.keras_tensor import KerasTensor
from reference_impl.layers.convolutional import Conv
from reference_impl.layers.core import Flatten
from reference_impl.layers.pooling import MaxPooling

if TYPE_CHECKING:
    from conformance.explain.subject import Shape, Subject

_LONG: Final = 2**40


@dataclass(frozen=True)
class Family:
    """One kind of layer.

    Attributes:
        name: the key of the writers of equivalent code.
        oracle: the oracle's class of such layers.
        window: the window's lengths of a layer.
        padded: what stands in the padding, as a picture shows it.
        work: the cost of the outputs, in words and numbers.
    """

    name: str
    oracle: type
    window: Callable[[Any], tuple[int, ...]] = lambda layer: ()
    padded: str = ""
    work: Callable[[Subject], str] = lambda subject: "moves elements, computes nothing"


def _products(subject: Subject) -> str:
    """Multiply-adds: outputs times taps times channels, and how many meet an input."""
    per_window = prod(subject.weights["kernel"][:-1])
    filters, outputs = subject.weights["kernel"][-1], _windows(subject)
    total = outputs * per_window * filters
    met = _met(subject) * per_window // prod(subject.window) * filters
    return f"{total:,} multiply-adds{_of_which(met, total)}{_per(subject)}"


def _comparisons(subject: Subject) -> str:
    """Comparisons: one less than the taps of each window."""
    total = _windows(subject) * (prod(subject.window) - 1) * subject.channels
    return f"{total:,} comparisons at most{_per(subject)}"


def _windows(subject: Subject) -> int:
    """Number of windows, all axes and the batch (1 if free) together."""
    return _batch(subject) * prod(max(axis.output, 0) for axis in subject.geometry)


def _met(subject: Subject) -> int:
    """Number of taps of all windows that meet an input."""
    return _batch(subject) * prod(int(axis.inputs_met.sum()) for axis in subject.axes)


def _batch(subject: Subject) -> int:
    return 1 if subject.input_shape[0] is None else subject.input_shape[0]


def _of_which(met: int, total: int) -> str:
    return "" if met == total else f", {total - met:,} of them on padding"


def _per(subject: Subject) -> str:
    return " for each element of the batch" if subject.input_shape[0] is None else ""


CONVOLUTION: Final = Family("convolution", Conv, lambda layer: layer.kernel_size, "0", _products)
POOLING: Final = Family("pooling", MaxPooling, lambda layer: layer.pool_size, "-∞", _comparisons)
FLATTEN: Final = Family("flatten", Flatten)
INPUT: Final = Family("input", KerasTensor)

FAMILIES: Final = (CONVOLUTION, POOLING, FLATTEN, INPUT)
"""The kinds of the documented layers."""


def family_of(layer: Any) -> Family:
    """The kind of a layer of the oracle.

    Raises:
        TypeError: if it is of none.
    """
    for family in FAMILIES:
        if isinstance(layer, family.oracle):
            return family
    raise TypeError(f"explain: argument `layer` is {layer!r}; expected a layer of reference_impl")


def is_too_short(layer: Any, shape: Shape) -> bool:
    """Whether a layer that refuses a shape takes it with longer spatial axes."""
    rank = getattr(layer, "rank", 0)
    if not rank or len(shape) != rank + 2:
        return False
    first = 2 if layer.data_format == "channels_first" else 1
    longer = list(shape)
    longer[first : first + rank] = [_LONG] * rank
    try:
        layer.compute_output_shape(tuple(longer))
    except ValueError:
        return False
    return True
