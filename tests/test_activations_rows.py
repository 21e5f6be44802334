"""softmax, log_softmax, sparsemax and glu against their definitions on fractions, bit by bit."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from real_functions import exp, log, nearest

import reference_impl as keras
from reference_impl import activations
from reference_impl.ops.evaluation import evaluate
from reference_impl.ops.formats import FORMATS
from reference_impl.ops.sums import Sums

INF, NAN = math.inf, math.nan
FLOATS = ("float16", "float32", "float64")


def softmax(row):
    total = sum(map(exp, row))
    return [exp(x) / total for x in row]


def log_softmax(row):
    least = min(row)
    total = least + log(sum((exp(x - least) for x in row), Fraction(0)))
    return [x - total for x in row]


def sparsemax(row):
    """By trying every set of elements for the one that is exactly the part above its tau."""
    for size in range(1, len(row) + 1):
        for chosen in itertools.combinations(range(len(row)), size):
            tau = (sum(row[i] for i in chosen) - 1) / size
            if [i for i, x in enumerate(row) if x > tau] == list(chosen):
                return [max(x - tau, Fraction(0)) for x in row]
    raise AssertionError("a solution exists for every row")


def glu(row):
    half = len(row) // 2
    return [a * exp(b) / (1 + exp(b)) for a, b in zip(row[:half], row[half:], strict=True)]


DEFINITIONS = {"softmax": softmax, "log_softmax": log_softmax, "sparsemax": sparsemax, "glu": glu}


@cache
def rows_of(name: str) -> np.ndarray:
    """Rows of four: random of several sizes, dyadic, with equal elements, far apart, subnormal."""
    draw = random.Random(name)
    made = [[draw.gauss(0, scale) for _ in range(4)] for scale in (1e-3, 0.1, 1, 1, 3, 8, 30, 90)]
    made += [[draw.randrange(-8, 9) / 4 for _ in range(4)] for _ in range(6)]
    made += [[0.0] * 4, [2.5] * 4, [1.0, 1.0, -3.0, 1.0], [5.0, 5.0, 5.0, -2.0], [0, 1, 0, 1]]
    made += [[300.0, -300.0, 299.5, 0.0], [-87.0, 0.0, -104.0, -9.0], [1.0, 0.0, -17.5, -10.25]]
    quantum = 2.0 ** FORMATS[name].quantum_exponent
    made += [[quantum, -quantum, 0.0, 3 * quantum], [1.0, 1.0 - quantum, 0.5, 0.5 + quantum]]
    return np.array(made, name)


def expected(activation: str, rows: np.ndarray, name: str) -> list[list[float]]:
    exact = (DEFINITIONS[activation]([Fraction(x) for x in row]) for row in rows.tolist())
    return [[nearest(value, name) for value in row] for row in exact]


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("activation", DEFINITIONS)
def test_values_are_the_real_ones_rounded_once(activation, name):
    rows = rows_of(name)
    values = getattr(activations, activation)(rows)
    assert values.dtype == rows.dtype
    assert values.tolist() == expected(activation, rows, name)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("activation", DEFINITIONS)
def test_resolved_values_are_the_real_ones_rounded_once(activation, name):
    certified = activations.certified(getattr(activations, activation))
    rows = rows_of("float64")
    resolved = [
        certified.resolve([Fraction(x) for x in row], FORMATS[name]) for row in rows.tolist()
    ]
    assert resolved == expected(activation, rows, name)


@pytest.mark.parametrize("activation", DEFINITIONS)
def test_bounds_hold_for_every_row_between_two(activation):
    certified = activations.certified(getattr(activations, activation))
    rows = rows_of("float64")
    definition = DEFINITIONS[activation]
    draw = random.Random(activation)
    for size in (0.0, 2.0**-50, 2.0**-20, 0.3):
        radius = np.array([[draw.random() * size for _ in row] for row in rows])
        ends = np.stack([rows - radius, rows, rows + radius], axis=-1)
        low, high = certified.enclose(ends[..., 0], ends[..., 2])
        for row, lower, upper in zip(ends.tolist(), low, high, strict=True):
            for choice in (0, 2, 0, 2), (2, 0, 2, 0), (2, 2, 2, 2), (1, 1, 1, 1), (2, 2, 0, 0):
                inside = [Fraction(end[where]) for end, where in zip(row, choice, strict=True)]
                assert_between(lower, definition(inside), upper)


def assert_between(lower, values, upper):
    slack = Fraction(1, 2**1100)
    for low, value, high in zip(lower.tolist(), values, upper.tolist(), strict=True):
        assert value + slack >= low
        assert value - slack <= high


@pytest.mark.parametrize("activation", DEFINITIONS)
def test_bounds_are_narrow_where_the_row_is_known(activation):
    """So narrow that a float32 is left undecided less than once in 10,000."""
    certified = activations.certified(getattr(activations, activation))
    rows = np.array([[0.3, -1.25, 2.0, 0.75], [-7.0, 1.0, 0.5, 1.5], [20.0, 0.0, -20.0, 3.0]])
    low, high = certified.enclose(rows, rows.copy())
    assert (high - low <= 1e-12 * np.maximum(np.abs(low), 2.0**-900)).all() or (
        activation == "sparsemax" and (high - low <= 1e-13).all()
    )


def test_the_limits_of_a_certain_element_keep_their_digits():
    """-exp(-40) and not 0, as ``ln(1 - exp(-40))`` computed at once would give."""
    given = np.array([[0.0, -40.0]], np.float32)
    assert activations.log_softmax(given).tolist() == expected("log_softmax", given, "float32")
    assert activations.log_softmax(given)[0, 0] < 0


def test_ties_are_broken_by_terms_however_small():
    """-257 is a midpoint of bfloat16; the logarithm of 1 + exp(-257) puts the value below it."""
    certified = activations.certified(activations.log_softmax)
    row = [Fraction(0), Fraction(-257)]
    assert certified.resolve(row, FORMATS["bfloat16"]) == [0.0, -258.0]
    gated = activations.certified(activations.glu)
    row = [Fraction(257), Fraction(-257), Fraction(10**6), Fraction(10**6)]
    assert gated.resolve(row, FORMATS["bfloat16"]) == [256.0, -256.0]


SPECIAL = {
    "softmax": [
        ([0, 1, NAN, 2], [NAN] * 4),
        ([-INF, 0, 0, -INF], [0, 0.5, 0.5, 0]),
        ([1, INF, 0, -INF], [0, 1, 0, 0]),
        ([1, INF, INF, -INF], [0, NAN, NAN, 0]),
        ([-INF] * 4, [NAN] * 4),
        ([INF, NAN, 0, 0], [NAN] * 4),
        ([7, -INF, -INF, -INF], [1, 0, 0, 0]),
    ],
    "log_softmax": [
        ([0, 1, NAN, 2], [NAN] * 4),
        ([1, INF, 0, -INF], [-INF, 0, -INF, -INF]),
        ([1, INF, INF, -INF], [-INF, NAN, NAN, -INF]),
        ([-INF] * 4, [NAN] * 4),
        ([7, -INF, -INF, -INF], [0, -INF, -INF, -INF]),
    ],
    "sparsemax": [
        ([0, 1, NAN, 2], [NAN] * 4),
        ([-INF, 0, 0.5, -INF], [0, 0.25, 0.75, 0]),
        ([1, INF, 0, -INF], [0, 1, 0, 0]),
        ([1, INF, INF, -INF], [0, NAN, NAN, 0]),
        ([-INF] * 4, [NAN] * 4),
    ],
    "glu": [
        ([1, NAN, 0, 0], [0.5, NAN]),
        ([1, 1, NAN, 0], [NAN, 0.5]),
        ([INF, -INF, 0, -3], [INF, -INF]),
        ([INF, -INF, -INF, -INF], [NAN, NAN]),
        ([2, -3, INF, -INF], [2, 0]),
        ([0, INF, 5, INF], [0, INF]),
        ([INF, 1, NAN, 0], [NAN, 0.5]),
    ],
}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("activation", SPECIAL)
def test_special_values_are_the_limits(activation, name):
    function = getattr(activations, activation)
    given, wanted = (np.array(rows, name) for rows in zip(*SPECIAL[activation], strict=True))
    assert np.array_equal(function(given), wanted, equal_nan=True)


@pytest.mark.parametrize("activation", SPECIAL)
def test_special_rows_leave_the_others_alone(activation):
    function = getattr(activations, activation)
    plain = rows_of("float32")
    special = np.array([SPECIAL[activation][0][0]], np.float32)
    mixed = np.concatenate([plain[:5], special, plain[5:]])
    assert np.array_equal(np.delete(function(mixed), 5, 0), function(plain))


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "sparsemax", "glu"])
def test_numbers_beyond_float64_are_resolved_exactly(activation):
    """Sums of float64 products may exceed float64; bounds then reach to infinity."""
    certified = activations.certified(getattr(activations, activation))
    low = np.array([[1e308, 0.0, 1.7e308, 1.0]])
    high = np.array([[1e308, 0.0, INF, 1.0]])
    lower, upper = certified.enclose(low, high)
    exact = [Fraction(10**308), Fraction(0), Fraction(10**309), Fraction(1)]
    values = certified.resolve(exact, FORMATS["float64"])
    wanted = {"softmax": [0, 0, 1, 0], "sparsemax": [0, 0, 1, 0], "glu": [1e308, 0.0]}
    assert values == wanted.get(activation, [-INF, -INF, 0, -INF])
    assert (lower[0] <= values).all()
    assert (upper[0] >= values).all()


@pytest.mark.parametrize("activation", DEFINITIONS)
def test_bounds_hold_where_sums_are_hardly_known(activation):
    """Beside huge elements, the bounds of small ones reach far beyond them, and beyond float64."""
    certified = activations.certified(getattr(activations, activation))
    rows = np.array([[2.0, -200.0, 1.0, 0.0], [-5.0, 3.0, -90.0, 8.0]])
    if activation == "sparsemax":  # of exponentials, the definition takes too long there
        rows = np.array([[2.0, -1e33, 1.0, 0.0], [2e3, -9e33, 130.0, -3e15]])
    definition = DEFINITIONS[activation]
    for size in (1e10, 1e17, 1e30, 1e305, 1.7e308):
        low, high = certified.enclose(rows - size, rows + size)
        for row, lower, upper in zip(rows.tolist(), low, high, strict=True):
            assert_between(lower, definition([Fraction(x) for x in row]), upper)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparsemax_of_sums_beside_huge_ones_is_that_of_the_sums(dtype):
    """The share of the largest is 1, though its sum is small beside the errors of the others."""
    layer = keras.layers.Conv1D(4, 1, activation="sparsemax", use_bias=False, dtype=dtype)
    x = np.array([[[2.0, -1e33, 1.0, 0.0], [-5.0, 3.0, 3.5, -3e38]]], dtype)
    layer.build(x.shape)
    layer.set_weights([np.eye(4, dtype=dtype)[np.newaxis]])
    assert layer(x).tolist() == [[[1.0, 0.0, 0.0, 0.0], [0.0, 0.25, 0.75, 0.0]]]


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "sparsemax"])
@pytest.mark.parametrize("axis", [0, 1, -2, 2])
def test_the_axis_is_the_one_along_which_it_acts(activation, axis):
    function = getattr(activations, activation)
    given = np.array([[[0.5, 1.0], [2.0, -1.0], [0.25, 3.0]]], np.float32)
    moved = function(np.moveaxis(given, axis, -1))
    assert np.array_equal(function(given, axis=axis), np.moveaxis(moved, -1, axis))


@pytest.mark.parametrize("axis", [(0, 1), [1, 0], (-1, 0), None])
def test_several_axes_are_taken_as_one(axis):
    given = np.arange(6, dtype=np.float32).reshape(2, 3) / 4
    for function in (activations.softmax, activations.log_softmax):
        assert np.array_equal(function(given, axis=axis), function(given.reshape(-1)).reshape(2, 3))


def test_glu_halves_the_axis():
    given = np.arange(24, dtype=np.float32).reshape(2, 4, 3) / 8
    values = activations.glu(given, axis=1)
    assert values.shape == (2, 2, 3)
    gate = activations.sigmoid(given[:, 2:].astype(np.float64))
    assert np.abs(values - given[:, :2] * gate).max() < 2.0**-22, "half an ulp of values below 4"


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "sparsemax", "glu"])
@pytest.mark.parametrize("shape", [(0, 4), (2, 0, 4), (1, 4)])
def test_empty_arrays_give_empty_arrays(activation, shape):
    values = getattr(activations, activation)(np.zeros(shape, np.float32))
    assert values.shape == (*shape[:-1], 2 if activation == "glu" else 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: activations.glu(x, axis=0), ValueError, "glu.*3 elements.*even"),
        (lambda x: activations.softmax(x, axis=2), ValueError, "softmax.*`axis` is 2.*-2 to 1"),
        (lambda x: activations.softmax(x, axis=1.5), TypeError, "`axis` is 1.5 of type float"),
        (lambda x: activations.softmax(x, axis=(0, 0)), ValueError, "distinct axes"),
        (lambda x: activations.sparsemax(x, axis=None), TypeError, "`axis` is None"),
        (lambda x: activations.softmax(x[0, 0]), ValueError, "`axis`"),
        (lambda x: activations.softmax(x[0, 0], axis=None), ValueError, "`axis`"),
        (lambda x: activations.softmax(x.astype(int)), TypeError, "dtype int64; expected"),
    ],
)
def test_refusals_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call(np.zeros((3, 4), np.float32))


def test_whole_rows_are_resolved_where_one_element_is_undecided():
    """Equal elements make 1/3, whose bounds differ in float64 always and in float32 never."""
    sums = Sums.of_array(np.zeros((5, 3)))
    softmax_certified = activations.certified(activations.softmax)
    assert evaluate(sums, softmax_certified, FORMATS["float64"]).resolved == 15
    assert evaluate(sums, softmax_certified, FORMATS["float32"]).resolved == 0
