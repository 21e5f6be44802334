"""The definition of the convolution in loops over exact integers, and a test of one rounding.

Written from the formulas alone; nothing here comes from the code under test.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import Format
from reference_impl.ops.geometry import WindowAxis

Array = NDArray[Any]


def units(values: Array, quantum: int) -> list[int | float]:
    """Each finite value as an integer multiple of ``2**quantum``; NaN and infinities as floats."""
    result: list[int | float] = []
    for value in values.astype(np.float64).reshape(-1).tolist():
        if math.isfinite(value):
            n, d = value.as_integer_ratio()
            result.append((n << -quantum) // d)
        else:
            result.append(value)
    return result


def exact_convolution(
    x: Array, w: Array, bias: Array | None, axes: tuple[WindowAxis, ...], quantum: int
) -> Iterator[int | float]:
    """Every output in C order as an integer multiple of ``2**(2 quantum)``, or NaN or infinite."""
    x_units, w_units = units(x, quantum), units(w, quantum)
    filters = w.shape[-1]
    b_units = [0] * filters if bias is None else units(bias, 2 * quantum)
    for n in range(x.shape[0]):
        for position in itertools.product(*(range(axis.output) for axis in axes)):
            products = list(_pairs(x, w, axes, n, position))
            for f in range(filters):
                yield _add(
                    [_multiply(x_units[i] if i >= 0 else 0, w_units[k + f]) for i, k in products],
                    b_units[f],
                )


def _pairs(
    x: Array, w: Array, axes: tuple[WindowAxis, ...], n: int, position: tuple[int, ...]
) -> Iterator[tuple[int, int]]:
    """Flat indices of the input (-1 for padding) and of the kernel's first filter, per product."""
    for taps in itertools.product(*(range(axis.window) for axis in axes)):
        where = [
            o * axis.stride + t * axis.dilation - axis.pad_before
            for o, t, axis in zip(position, taps, axes, strict=True)
        ]
        inside = all(0 <= i < axis.length for i, axis in zip(where, axes, strict=True))
        for c in range(x.shape[-1]):
            i = _flat((n, *where, c), x.shape) if inside else -1
            yield i, _flat((*taps, c, 0), w.shape)


def _flat(index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    flat = 0
    for i, length in zip(index, shape, strict=True):
        flat = flat * length + i
    return flat


def _multiply(a: int | float, b: int | float) -> int | float:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    return (a if isinstance(a, float) else float((a > 0) - (a < 0))) * (
        b if isinstance(b, float) else float((b > 0) - (b < 0))
    )


def _add(products: list[int | float], bias: int | float) -> int | float:
    terms = [*products, bias]
    special = [term for term in terms if isinstance(term, float)]
    if special:
        return math.fsum(special) if len(set(special)) == 1 else math.nan
    return sum(terms)


def check_rounding(value: float, exact: int | float, format: Format) -> str | None:
    """Why `value` is not `exact` (in units of ``2**(2 quantum)``) rounded once; None if it is.

    Decides by the definition of rounding to nearest with ties to even: the exact number lies
    between the midpoints on either side of the value, on a midpoint only if the value is even.
    """
    if isinstance(exact, float):
        agrees = value == exact or (math.isnan(value) and math.isnan(exact))
        return None if agrees else f"{value} instead of {exact}"
    if math.isnan(value):
        return "NaN instead of a number"
    if exact < 0 or (exact == 0 and math.copysign(1.0, value) < 0):
        if exact == 0:
            return "-0 for an exact zero"
        value, exact = -value, -exact
    if value < 0 or math.copysign(1.0, value) < 0:
        return "wrong sign"
    low, high, even = _midpoints(value, format)
    if low < exact < high or (even and exact in (low, high)):
        return None
    return f"{value!r} for {exact} * 2**{2 * format.quantum_exponent}"


def _midpoints(value: float, format: Format) -> tuple[float | int, float | int, bool]:
    """What rounds to a non-negative value: between which limits, and whether limits belong."""
    p, quantum = format.precision, format.quantum_exponent
    unit = -2 * quantum
    top = 1 << format.max_exponent + unit
    gap = 1 << format.max_exponent - p + unit
    if math.isinf(value):
        return top - gap // 2, math.inf, True
    n, d = value.as_integer_ratio()
    significand_exponent = max(n.bit_length() - d.bit_length() + 1, quantum + p) - p
    if value and math.ldexp(1.0, significand_exponent + p - 1) > value > 0:
        significand_exponent = max(significand_exponent - 1, quantum)
    spacing = 1 << significand_exponent + unit
    exact = (n << unit) // d
    even = (exact // spacing) % 2 == 0
    below = spacing
    if exact == spacing << p - 1 and significand_exponent > quantum:
        below = spacing // 2
    if exact == 0:
        return -spacing, spacing // 2, True
    return exact - below // 2, exact + spacing // 2, even
