"""Activations at certified sums: rounded once whatever the bounds leave undecided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from adversarial import ALL_FORMATS, PROBLEMS, make_operands
from exact_convolution import exact_convolution
from numpy.typing import NDArray

from reference_impl.ops.convolution import convolution_sums
from reference_impl.ops.double_double import Pair
from reference_impl.ops.evaluation import CertifiedActivation, evaluate
from reference_impl.ops.formats import FLOAT32, FORMATS, Format
from reference_impl.ops.rounding import round_fraction
from reference_impl.ops.sums import Sums

Float64Array = NDArray[np.float64]
Bounds = tuple[Float64Array, Float64Array]


def outwards(low: Float64Array, high: Float64Array) -> Bounds:
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


class NeverExpanded:
    """An activation that bounds or exact arithmetic decide."""

    def expand(self, _: Pair) -> None:
        return None


class Rectifier(NeverExpanded):
    axis = None
    commutes_with_rounding = True

    def enclose(self, low: Float64Array, high: Float64Array) -> Bounds:
        return np.maximum(low, 0.0), np.maximum(high, 0.0)

    def resolve(self, values: Sequence[Fraction | float], format: Format) -> list[float]:
        raise AssertionError("is exact on rounded values")

    def exact(self, values: list[Fraction]) -> list[Fraction]:
        return [max(value, Fraction(0)) for value in values]


class Third(NeverExpanded):
    """A third of the argument."""

    axis = None
    commutes_with_rounding = False

    def enclose(self, low: Float64Array, high: Float64Array) -> Bounds:
        return outwards(low / 3, high / 3)

    def resolve(self, values: Sequence[Fraction | float], format: Format) -> list[float]:
        return [round_fraction(value, format) for value in self.exact(fractions(values))]

    def exact(self, values: list[Fraction]) -> list[Fraction]:
        return [value / 3 for value in values]


class Spread(NeverExpanded):
    """Twice the difference between each element and the first of its row; halves the row."""

    axis = -1
    commutes_with_rounding = False

    def enclose(self, low: Float64Array, high: Float64Array) -> Bounds:
        width = low.shape[-1] // 2
        first_low, first_high = low[..., :1], high[..., :1]
        bounds = outwards(low - first_high, high - first_low)
        return 2 * bounds[0][..., :width], 2 * bounds[1][..., :width]

    def resolve(self, values: Sequence[Fraction | float], format: Format) -> list[float]:
        return [round_fraction(value, format) for value in self.exact(fractions(values))]

    def exact(self, values: list[Fraction]) -> list[Fraction]:
        return [2 * (value - values[0]) for value in values[: len(values) // 2]]


def fractions(values: Sequence[Fraction | float]) -> list[Fraction]:
    assert all(isinstance(value, Fraction) for value in values)
    return [Fraction(value) for value in values]


ACTIVATIONS = (Rectifier(), Third(), Spread())


def get_format(name: str) -> Format:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return FORMATS[name]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("name", ALL_FORMATS)
def test_values_are_rounded_once(name: str, activation: Rectifier | Third | Spread) -> None:
    format = get_format(name)
    unit = Fraction(2) ** (2 * format.quantum_exponent)
    for kind in ("normal", "full-integers", "midpoints", "cancelling", "near-subnormal"):
        for seed, problem in enumerate(PROBLEMS[:9]):
            x, w, b = make_operands(kind, problem, format, np.random.default_rng(seed))
            sums = convolution_sums(x, w, b, problem.axes)
            certified = evaluate(sums, activation, format)
            exact = exact_convolution(x, w, b, problem.axes, format.quantum_exponent)
            arguments = [value * unit for value in exact]
            width = sums.shape[-1] if activation.axis else len(arguments)
            rows = (arguments[i : i + width] for i in range(0, len(arguments), width))
            expected = [round_fraction(v, format) for row in rows for v in activation.exact(row)]
            got = certified.value.astype(np.float64).reshape(-1)
            assert got.tolist() == expected
            assert certified.value.dtype == format.dtype


def test_rows_are_those_of_the_presented_array() -> None:
    """After the channels move, the last axis is another one."""
    problem = PROBLEMS[0]
    x, w, b = make_operands("midpoints", problem, FLOAT32, np.random.default_rng(0))
    sums = convolution_sums(x, w, b, problem.axes).moveaxis(-1, 1)
    activation = Spread()
    got = evaluate(sums, activation, FLOAT32).value
    exact = sums.exact(np.arange(math.prod(sums.shape)))
    width = sums.shape[-1]
    for row in range(len(exact) // width):
        values = activation.exact(fractions(exact[row * width : (row + 1) * width]))
        expected = [round_fraction(value, FLOAT32) for value in values]
        assert got.reshape(-1, width // 2)[row].tolist() == expected


def test_undecided_elements_are_counted() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0]])
    assert evaluate(Sums.of_array(values), None, FLOAT32).resolved == 0
    assert evaluate(Sums.of_array(values), Rectifier(), FLOAT32).resolved == 0
    third = evaluate(Sums.of_array(values), Third(), FORMATS["float64"])
    assert third.resolved == 4
    assert third.value.tolist() == [[1 / 3, 2 / 3, 1.0, 4 / 3]]
    assert evaluate(Sums.of_array(values), Spread(), FORMATS["float64"]).resolved == 2


def test_special_values_pass_through_the_bounds() -> None:
    values = np.array([[math.nan, math.inf, -math.inf, 6.0]], np.float32)
    got = evaluate(Sums.of_array(values), Third(), FLOAT32).value[0]
    assert math.isnan(got[0])
    assert got[1:].tolist() == [math.inf, -math.inf, 2.0]


def test_the_bound_is_half_a_spacing() -> None:
    certified = evaluate(Sums.of_array(np.array([1.0, 3.0, 0.0, math.inf])), None, FLOAT32)
    assert certified.bound.tolist() == [2.0**-24, 2.0**-23, 2.0**-150, 0.0]


def test_the_protocol_admits_these_activations() -> None:
    """Checked by mypy: the classes above are what `evaluate` asks for."""
    activations: tuple[CertifiedActivation, ...] = ACTIVATIONS
    assert [activation.axis for activation in activations] == [None, None, -1]
