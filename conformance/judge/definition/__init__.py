"""The second derivation: what the documentation defines, as plain loops over exact numbers.

Written from the documentation's text, apart from the oracle and sharing nothing with it, so that
an error would have to be made twice to go unseen.  `output` gives the correctly rounded output of
a case, `output_shape` its shape, `forbidden` why a case must be rejected.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from conformance.judge.definition.rounding import FORMATS
from conformance.layers.registry import LAYERS

if TYPE_CHECKING:
    from conformance.cases.case import Case

__all__ = ["Operands", "forbidden", "gradients", "output", "output_shape"]

Array = np.ndarray[Any, Any]


class Operands(Protocol):
    """The arrays of a case: the layer's input, and its weights by name."""

    @property
    def inputs(self) -> Any:
        """The input array; None where the case has none."""

    @property
    def weights(self) -> dict[str, Array]:
        """``kernel`` and, where used, ``bias``; empty for layers without weights."""

    @property
    def upstream(self) -> Any:
        """The gradient with respect to the output; None where no gradients are observed."""


@lru_cache(maxsize=16)  # what derives an expectation asks, and what computes its value again
def forbidden(case: Case) -> str | None:
    """Why the case must be rejected, as ``argument=value: what is allowed``; None if it is valid.

    Without an input only the constructor's arguments are looked at.
    """
    return next(LAYERS[case.layer].objections(case), None)


def output_shape(case: Case) -> tuple[int | None, ...]:
    """The shape of the case's output, batch axis included; None where a length is free."""
    return LAYERS[case.layer].output_shape(case)


def output(case: Case, operands: Operands) -> Array:
    """The case's output: the real-number value of the definition, rounded once to its dtype.

    Raises:
        ValueError: if the case must be rejected, with the reason.
    """
    reason = forbidden(case)
    if reason is not None:
        raise ValueError(reason)
    values = LAYERS[case.layer].output(case, operands)
    dtype = _dtype_of_results(case, operands)
    wide = np.float64 if dtype.name in FORMATS else dtype
    shape = [size for size in output_shape(case) if size is not None]
    return np.array(values, wide).astype(dtype).reshape(shape)


def gradients(case: Case, operands: Operands) -> dict[str, Array]:
    """The gradients with respect to ``inputs`` and each weight, rounded once to the dtype.

    Raises:
        ValueError: if an operand of a convolution is NaN or infinite.
    """
    found = LAYERS[case.layer].gradients(case, operands)
    dtype = _dtype_of_results(case, operands)
    return {name: array.astype(dtype) for name, array in found.items()}


def _dtype_of_results(case: Case, operands: Operands) -> np.dtype[Any]:
    """The inputs' dtype in the byte order of the machine; what carries bfloat16 stays as it is."""
    dtype: np.dtype[Any] = operands.inputs.dtype
    return dtype if case.dtype == "bfloat16" else dtype.newbyteorder("=")
