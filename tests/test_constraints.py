"""Constrained weights: the real number of the formula, rounded once to the weights' dtype."""

from __future__ import annotations

import json
import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reference_impl import constraints
from reference_impl.backend import epsilon, set_epsilon
from reference_impl.config import READINGS, reading_as
from reference_impl.constraints import MaxNorm, MinMaxNorm, NonNeg, RadialConstraint, UnitNorm
from reference_impl.ops.formats import FORMATS, Format
from reference_impl.ops.norm_scaling import Desired, NormScale
from reference_impl.ops.rounding import round_fraction


def get_format(name: str) -> Format:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return FORMATS[name]


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def definition(
    w: Any, axes: tuple[int, ...], format: Format, least: float, most: float, rate: float
) -> list[float]:
    """Each element by the formula, to 80 digits, rounded once.

    No case below has a value that is a midpoint, or within 1e-70 of one.
    """
    wide = w.astype(np.float64)
    result = []
    with localcontext() as context:
        context.prec = 80
        for index in np.ndindex(w.shape):
            part = tuple(slice(None) if axis in axes else i for axis, i in enumerate(index))
            square = sum((Fraction(v) ** 2 for v in wide[part].reshape(-1).tolist()), Fraction(0))
            norm = decimal(square).sqrt()
            rest = (1 - decimal(Fraction(rate))) * norm
            desired = decimal(Fraction(rate)) * min(max(norm, Decimal(least)), Decimal(most)) + rest
            value = Decimal(float(wide[index])) * desired / (Decimal(epsilon()) + norm)
            result.append(round_fraction(Fraction(value), format))
    return result


CASES = [
    (MaxNorm(1.0), 0, 1, 1),
    (MaxNorm(3), 0, 3, 1),
    (MaxNorm(math.inf), 0, math.inf, 1),
    (MaxNorm(0), 0, 0, 1),
    (UnitNorm(), 1, 1, 1),
    (MinMaxNorm(0.5, 1.5, 0.3), 0.5, 1.5, 0.3),
    (MinMaxNorm(0.5, 1.5, 1.75), 0.5, 1.5, 1.75),
    (MinMaxNorm(2, 3, 0), 2, 3, 0),
    (MinMaxNorm(), 0, 1, 1),
]
AXES = [
    ((4,), 0),
    ((3, 4), 0),
    ((3, 4), -1),
    ((2, 3, 2), [0, 1]),
    ((2, 3, 2, 2), (0, 1, 2)),
    ((2, 3), None),
    ((2, 3), []),
]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_norms_are_constrained_by_the_formula(shape: tuple[int, ...], axis: Any, name: str) -> None:
    """Small integers, so that many norms are rational and at a bound; reals, small and large."""
    format = get_format(name)
    random = np.random.default_rng(7)
    axes = range(len(shape)) if axis is None else [a % len(shape) for a in np.atleast_1d(axis)]
    kinds = [
        random.integers(-3, 4, shape) * 1.0,
        random.standard_normal(shape) * 0.01,
        random.standard_normal(shape) * 300,
    ]
    for values in kinds:
        w = values.astype(format.dtype)
        for constraint, least, most, rate in CASES:
            made = type(constraint)(**{**constraint.get_config(), "axis": axis})
            constrained = made(w)
            assert constrained.dtype == format.dtype
            assert constrained.shape == shape
            expected = definition(w, tuple(int(a) for a in axes), format, least, most, rate)
            assert constrained.astype(np.float64).reshape(-1).tolist() == expected, made


def test_an_enclosure_that_does_not_decide_is_narrowed() -> None:
    """Started at 8 bits, too few for any float32, against the bits that are taken."""
    values = np.random.default_rng(3).standard_normal(40)
    desired = Desired.of(0.0, 1.0, 1.0, epsilon())
    ready, started = (NormScale(values, desired, FORMATS["float32"]) for _ in range(2))
    for value in values.tolist():
        started.enclose(8)
        assert started.apply(value) == ready.apply(value)


def test_norms_worked_by_hand() -> None:
    """A column of norm 5, and one within the bound; epsilon enters the last digits."""
    w = np.array([[3.0, 0.5], [4.0, 0.0]])
    tiny = Fraction(epsilon())
    expected = [[Fraction(6) / (5 + tiny), Fraction(1, 4) / (Fraction(1, 2) + tiny)],
                [Fraction(8) / (5 + tiny), Fraction(0)]]  # fmt: skip
    made = MaxNorm(2)(w)
    for i, j in np.ndindex(2, 2):
        assert made[i, j] == round_fraction(expected[i][j], FORMATS["float64"])


def test_axis_0_of_a_kernel_is_its_height_alone() -> None:
    kernel = np.zeros((2, 2, 1, 1), np.float32)
    kernel[:, 0] = 3
    kernel[:, 1] = 4
    by_height = UnitNorm()(kernel)[:, :, 0, 0]
    assert by_height.tolist() == [[np.float32(math.sqrt(0.5))] * 2] * 2
    whole = UnitNorm([0, 1, 2])(kernel).astype(np.float64)
    assert abs(np.sum(whole**2) - 1) < 1e-6


def test_a_square_that_overflows_the_dtype_does_not_matter() -> None:
    """4 times 250**2 is beyond float16; the norm is 500."""
    assert MaxNorm(2)(np.full((4,), 250, np.float16)).tolist() == [1, 1, 1, 1]
    assert UnitNorm()(np.array([3e200, 4e200])).tolist() == [0.6, 0.8]
    small = UnitNorm()(np.array([5e-324, 0]))
    exact = Fraction(5e-324) / (Fraction(5e-324) + Fraction(epsilon()))
    assert small.tolist() == [round_fraction(exact, FORMATS["float64"]), 0]


@pytest.mark.parametrize(
    "constraint", [MaxNorm(), UnitNorm(), MinMaxNorm(), MinMaxNorm(0.1, 1, 0.5)]
)
def test_zeros_stay_zeros_of_their_sign(constraint: Any) -> None:
    made = constraint(np.array([0.0, -0.0, 0.0]))
    assert str(made.tolist()) == "[0.0, -0.0, 0.0]"
    made = constraint(np.array([0.0, -0.0, 3.0], np.float32))
    assert str(made[:2].tolist()) == "[0.0, -0.0]"


def test_values_that_are_not_finite_follow_ieee_arithmetic() -> None:
    """Within the slice of an infinity or a NaN, and in no other."""
    w = np.array([[math.inf, math.nan, 3], [1, 1, 4]], np.float32)
    assert str(UnitNorm()(w)[:, :2].tolist()) == "[[nan, nan], [0.0, nan]]"
    assert str(MaxNorm()(w)[:, :2].tolist()) == "[[nan, nan], [0.0, nan]]"
    assert str(MinMaxNorm(rate=0.5)(w)[:, :2].tolist()) == "[[nan, nan], [nan, nan]]"
    assert UnitNorm()(w)[:, 2].tolist() == UnitNorm()(w[:, 2:])[:, 0].tolist()


@pytest.mark.parametrize("dtype", FORMATS)
def test_what_is_negative_becomes_zero(dtype: str) -> None:
    format = get_format(dtype)
    w = np.array([-1, -0.0, 0, 2.5, -math.inf, math.inf, math.nan, -(2.0**-14)], format.dtype)
    made = NonNeg()(w)
    assert made.dtype == format.dtype
    assert str(made.astype(float).tolist()) == "[0.0, -0.0, 0.0, 2.5, 0.0, inf, nan, 0.0]"


def test_the_weights_are_left_as_they_were() -> None:
    for constraint in (MaxNorm(), UnitNorm(), MinMaxNorm(), NonNeg()):
        w = np.array([[3.0, -4.0], [0.1, 2.0]])
        w.flags.writeable = False
        made = constraint(w)
        assert not np.shares_memory(made, w)
    for shape in [(0,), (2, 0), (0, 2)]:
        assert MaxNorm()(np.zeros(shape)).shape == shape


def test_epsilon_is_that_of_the_moment() -> None:
    before = epsilon()
    set_epsilon(0.5)
    try:
        assert UnitNorm()(np.array([0.0, 1.5])).tolist() == [0, 0.75]
    finally:
        set_epsilon(before)


RINGS = {
    2: [[0, 0], [0, 0]],
    3: [[4, 4, 4], [4, 0, 4], [4, 4, 4]],
    4: [[15, 15, 15, 15], [15, 5, 5, 15], [15, 5, 5, 15], [15, 15, 15, 15]],
    5: [[18] * 5, [18, 12, 12, 12, 18], [18, 12, 6, 12, 18], [18, 12, 12, 12, 18], [18] * 5],
    1: [[0]],
}


@pytest.mark.parametrize("n", RINGS)
def test_rings_have_one_value_each(n: int) -> None:
    """As tf_keras 2.21 makes them of the numbers 0, 1, 2, ...; every channel by itself."""
    kernel = np.arange(n * n * 6.0).reshape(n, n, 2, 3)
    made = RadialConstraint()(kernel)
    for i, j in np.ndindex(2, 3):
        assert made[:, :, i, j].tolist() == (6 * np.array(RINGS[n]) + 3 * i + j).tolist()
    with pytest.raises(ValueError, match="in_channels, filters"):
        RadialConstraint()(np.zeros((2, 3, 1, 1)))


# Names and configurations.

NORM_DEFAULTS = {
    "max_norm": {"max_value": 2, "axis": 0},
    "MaxNorm": {"max_value": 2, "axis": 0},
    "non_neg": {},
    "NonNeg": {},
    "unit_norm": {"axis": 0},
    "UnitNorm": {"axis": 0},
    "min_max_norm": {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0},
    "MinMaxNorm": {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0},
}
OLD_NAMES = {"maxnorm": MaxNorm, "nonneg": NonNeg, "unitnorm": UnitNorm}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("name", NORM_DEFAULTS)
def test_names_have_their_defaults_and_survive_their_configuration(name: str, reading: str) -> None:
    with reading_as(reading):
        made = constraints.get(name)
        assert made.get_config() == NORM_DEFAULTS[name]
        config = json.loads(json.dumps(constraints.serialize(made)))
        assert config["module"] == "keras.constraints"
        again = constraints.get(config)
        assert type(again) is type(made)
        assert again.get_config() == made.get_config()


@pytest.mark.parametrize("axis", [None, 1, [0, 1], (0, 2)])
def test_axes_survive_json(axis: Any) -> None:
    stored = json.loads(json.dumps(constraints.serialize(MaxNorm(0.5, axis))))
    again = constraints.get(stored)
    w = np.arange(24.0).reshape(2, 3, 4)
    assert again(w).tolist() == MaxNorm(0.5, axis)(w).tolist()


@pytest.mark.parametrize("name", OLD_NAMES)
def test_old_names_belong_to_keras_2(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        constraints.get(name)
    with reading_as("keras2"):
        assert type(constraints.get(name)) is OLD_NAMES[name]
        assert type(constraints.get("radial_constraint")) is RadialConstraint
        with pytest.raises(ValueError, match="'constraint'"):
            constraints.get("constraint")
    stored = constraints.serialize(RadialConstraint())
    assert type(constraints.get(stored)) is RadialConstraint


def test_the_base_class_changes_nothing() -> None:
    w = np.array([1.0, -2.0])
    assert constraints.get("constraint")(w).tolist() == [1, -2]


def test_a_constraint_of_the_users_own() -> None:
    class Halved(constraints.Constraint):
        def __call__(self, weights: Any) -> Any:
            return weights / 2

    assert constraints.get(Halved)(np.array([4.0])).tolist() == [2]
    assert constraints.get(np.abs) is np.abs


WRONG_VALUES = {
    "max_value": lambda: MaxNorm(-1),
    "max_value of nan": lambda: MaxNorm(math.nan),
    "min_value": lambda: MinMaxNorm(-0.5),
    "max_value below": lambda: MinMaxNorm(2, 1),
    "rate": lambda: MinMaxNorm(rate=math.inf),
    "absent axis": lambda: MaxNorm(axis=2)(np.ones((2, 2))),
    "absent negative axis": lambda: UnitNorm(axis=-3)(np.ones((2, 2))),
    "axis twice": lambda: UnitNorm(axis=[0, -2])(np.ones((2, 2))),
    "no axes": lambda: UnitNorm()(np.float32(3)),
    "name": lambda: constraints.get("max_nrom"),
}
WRONG_TYPES = {
    "max_value": lambda: MaxNorm("2"),
    "truth": lambda: MaxNorm(True),
    "rate": lambda: MinMaxNorm(rate=None),
    "axis": lambda: UnitNorm(0.5),
    "axes": lambda: UnitNorm([0, "1"]),
    "weights": lambda: UnitNorm()("abc"),
    "complex weights": lambda: NonNeg()(np.array([1j])),
}


@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_wrong_values_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="; expected "):
        WRONG_VALUES[wrong]()


@pytest.mark.parametrize("wrong", WRONG_TYPES)
def test_wrong_types_are_refused(wrong: str) -> None:
    with pytest.raises(TypeError, match="; expected "):
        WRONG_TYPES[wrong]()
