"""Operands are what their specification says, to the bit, and fit for what they are used for."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import math
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.cases.operands import (
    FLOATING_DTYPES,
    INTEGER_DTYPES,
    KINDS,
    Operands,
    operands,
)
from conformance.cases.recipes import NUMBERS, Numbers, split_mix

CASE = Case.of("Conv2D", (2, 5, 4, 3), filters=5, kernel_size=(3, 2))
POOL = Case.of("MaxPooling2D", (2, 5, 4, 3))


HAS_BFLOAT16 = importlib.util.find_spec("ml_dtypes") is not None


def convolutions() -> list[Case]:
    """The convolutions of the grid that observe values and whose operands can be made here."""
    return [
        case
        for case in grid("standard")
        if case.observe == "output"
        and facts(case).is_convolution
        and (HAS_BFLOAT16 or case.dtype != "bfloat16")
    ]


def inputs_of(case: Case) -> np.ndarray[Any, Any]:
    made = operands(case).inputs
    assert made is not None
    return made


# A second derivation of the specification, on Python integers and fractions.


def read_words(text: str, count: int) -> list[int]:
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    result = []
    for position in range(count):
        z = (key + (position + 1) * 0x9E3779B97F4A7C15) % 2**64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        result.append(z ^ (z >> 31))
    return result


def sign(v: int) -> int:
    return -1 if v & 1 else 1


def top(v: int, bits: int) -> int:
    return v >> (64 - bits)


def high(v: int, below: int) -> int:
    return ((v >> 32) * below) >> 32


def low(v: int, below: int) -> int:
    return (((v & 0xFFFFFFFF) >> 1) * below) >> 31


def power(exponent: int) -> Fraction:
    return Fraction(2**exponent) if exponent >= 0 else Fraction(1, 2**-exponent)


Element = Callable[[int, Numbers], Fraction | float]


def read_grid(v: int, n: Numbers) -> Fraction:
    return sign(v) * top(v, n.input_bits) * power(1 - n.input_bits)


def read_grid_bias(v: int, n: Numbers) -> Fraction:
    return sign(v) * (1 + top(v, n.input_bits)) * power(1 - n.input_bits)


def read_uniform(v: int, n: Numbers) -> Fraction:
    return sign(v) * top(v, n.precision) * power(1 - n.precision)


def read_positive(v: int, n: Numbers) -> Fraction:
    return Fraction(1 + top(v, n.precision)) * power(1 - n.precision)


def read_mantissa(v: int, n: Numbers) -> Fraction:
    return power(0) + top(v, n.precision - 1) * power(1 - n.precision)


def read_wide(v: int, n: Numbers) -> Fraction:
    exponent = low(v, 2 * n.wide_exponent + 1) - n.wide_exponent
    return sign(v) * read_mantissa(v, n) * power(exponent)


def read_near_one(v: int, n: Numbers) -> Fraction:
    return power(0) + top(v, n.precision // 2) * power(1 - n.precision)


def read_huge(v: int, n: Numbers) -> Fraction:
    return sign(v) * read_mantissa(v, n) * power(n.max_exponent - 2)


def read_subnormal(v: int, n: Numbers) -> Fraction:
    return sign(v) * top(v, n.precision - 1) * power(n.quantum_exponent)


def read_small(v: int, n: Numbers) -> Fraction:
    return Fraction(sign(v) * top(v, n.small_bits))


def read_special(v: int, n: Numbers, period: int, entries: int) -> Fraction | float:
    if low(v, period):
        return read_grid(v, n)
    quantum, normal = power(n.quantum_exponent), power(1 - n.max_exponent)
    largest = (2**n.precision - 1) * power(n.max_exponent + 1 - n.precision)
    table: list[Fraction | float]
    table = [math.nan, math.inf, -math.inf, -0.0, 0.0, quantum, -quantum, normal, largest, -largest]
    return table[high(v, entries)]


def read_tails(v: int, n: Numbers) -> Fraction:
    end = 10 if n.precision == 53 else 7
    if low(v, 2) == 0:
        return sign(v) * top(v, n.precision) * power(end - n.precision)
    exponent = high(v, end + n.precision + 2) - n.precision - 2
    return sign(v) * read_mantissa(v, n) * power(exponent)


def read_beyond_tails(v: int, n: Numbers, last: int) -> Fraction:
    first = 10 if n.precision == 53 else 7
    near = low(v, 8)
    exponent = max(last - near, first) if near < 4 else first + high(v, last - first + 1)
    return sign(v) * read_mantissa(v, n) * power(exponent)


def read_odd(v: int, n: Numbers) -> Fraction:
    return sign(v) * (1 + (2 * top(v, n.precision - 2) + 1) * power(1 - n.precision))


INPUTS: dict[str, Element] = {
    "one_weight": read_odd,
    "tails": read_tails,
    "slopes": read_tails,
    "far_slopes": lambda v, n: read_beyond_tails(v, n, n.max_exponent - 8),
    "integers": read_grid,
    "unused_infinity": read_grid,
    "small": read_small,
    "reals": read_uniform,
    "positive": read_positive,
    "negative": lambda v, n: -read_positive(v, n),
    "wide": read_wide,
    "cancellation": read_near_one,
    "huge": read_huge,
    "subnormal": read_subnormal,
    "specials": lambda v, n: read_special(v, n, 64, 8),
    "lowest": lambda v, n: -math.inf if low(v, 4) else -abs(read_grid_bias(v, n)),
}
MARKED = ("kernel_mark", "input_mark", "upstream_mark")
BIASES: dict[str, Element] = {
    **dict.fromkeys(MARKED, lambda v, n: 0.0),
    "one_weight": lambda v, n: 0.0,
    "edges": lambda v, n: 0.0,
    "unused_infinity": lambda v, n: 0.0,
    "idle_infinity": lambda v, n: 0.0,
    "odd_bias": lambda v, n: 1 + (2 * top(v, n.precision - 3) + 1) * power(1 - n.precision),
    "one_power": lambda v, n: 0.0,
    "one_product": lambda v, n: 0.0,
    "tails": lambda v, n: 0.0,
    "slopes": lambda v, n: 0.0,
    "far_tails": lambda v, n: 0.0,
    "far_slopes": lambda v, n: 0.0,
    "integers": read_grid_bias,
    "small": lambda v, n: Fraction(sign(v) * (1 + top(v, n.small_bits))),
    "reals": read_uniform,
    "positive": read_positive,
    "negative": lambda v, n: -read_positive(v, n),
    "constant": read_uniform,
    "wide": read_wide,
    "cancellation": lambda v, n: read_uniform(v, n) * power(-(n.precision // 2)),
    "huge": lambda v, n: read_uniform(v, n) * power(n.max_exponent - 3),
    "overflow": read_uniform,
    "subnormal": read_subnormal,
    "specials": read_grid_bias,
    "lowest": read_grid_bias,
}
KERNELS: dict[str, Element] = {
    "odd_bias": lambda v, n: Fraction(sign(v)),
    **dict.fromkeys(
        ("one_power", "one_product"),
        lambda v, n: sign(v) * (1 + (2 * top(v, n.precision - 2) + 1) * power(1 - n.precision)),
    ),
    "reals": read_uniform,
    "positive": read_positive,
    "negative": read_positive,
    "wide": read_wide,
    "huge": read_uniform,
    "subnormal": lambda v, n: Fraction(sign(v) * (1 + high(v, 3))),
}


def read_weights(v: list[int], filters: int, bits: tuple[int, int, int]) -> list[int]:
    """Sparse small integers: the budget of the sum's and the input's bits, the largest weight."""
    sum_bits, input_bits, largest = bits
    taps = len(v) // filters
    budget = (2**sum_bits - 2**input_bits) // (2**input_bits - 1)
    period = math.ceil(Fraction(4 * taps, budget)) if largest * taps > budget else 1
    result = []
    spent = [0] * filters
    for position, word in enumerate(v):
        magnitude = 1 + high(word, largest) if low(word, period) == 0 else 0
        spent[position % filters] += magnitude
        kept = largest * taps <= budget or spent[position % filters] <= budget
        result.append(sign(word) * magnitude * kept)
    return result


def read_marked(array: str, case: Case, count: int, n: Numbers) -> list[float]:
    """Numbers from one on; zeros with a one at the seed in the array that the kind is named of."""
    if array == case.operands.removesuffix("_mark"):
        return [float(position == case.seed % count) for position in range(count)]
    return [float(1 + position % (2**n.precision - 1)) for position in range(count)]


_OF_ONE_TAP = (
    *("tails", "slopes", "far_tails", "far_slopes", "one_weight", "edges"),
    "unused_infinity",
)


def read_kernel(kind: str, v: list[int], filters: int, n: Numbers) -> list[Any]:
    if kind in KERNELS:
        return [KERNELS[kind](word, n) for word in v]
    if kind in _OF_ONE_TAP:
        taps = len(v) // filters
        first = low(v[0], taps)
        places = itertools.product(range(taps), range(filters))
        return [float(tap == (first + f) % taps) for tap, f in places]
    if kind == "constant":
        return [read_mantissa(v[position % filters], n) for position in range(len(v))]
    if kind == "overflow":
        scale = n.precision - 2
        return [
            (-1) ** (position % filters) * (3 * 2**scale + top(word, scale)) * power(-scale)
            for position, word in enumerate(v)
        ]
    if kind == "cancellation":
        taps = len(v) // filters
        values = [sign(word) * read_positive(word, n) for word in v]
        for tap, f in itertools.product(range(taps), range(filters)):
            if tap % 2:
                values[tap * filters + f] = -values[(tap - 1) * filters + f]
            elif tap == taps - 1:
                values[tap * filters + f] *= power(-(n.precision // 2))
        return values
    small, grid = (n.precision, n.small_bits, n.small_weight), (n.sum_bits, n.input_bits, 3)
    return read_weights(v, filters, small if kind == "small" else grid)


def read_edge(i: int, v: int, n: Numbers) -> Fraction | float:
    """The element at position i."""
    s, normal = 1 - 2 * (i % 2), power(1 - n.max_exponent)
    if i < 48:
        c, exponent = ((Fraction(1, 2), -1), (Fraction(1), 0), (Fraction(3), 1), (Fraction(6), 2))[
            i // 12
        ]
        step = power(exponent + 1 - n.precision)
        before = step / 2 if c == power(exponent) else step
        near = power(-(n.precision // 2))
        around = (c, c + step, c - before, c * (1 + near), c * (1 - near), c * Fraction(15, 16))
        return s * around[i // 2 % 6]
    quantum = power(n.quantum_exponent)
    if i < 50:
        return s * 0.0
    if i < 56:
        return s * (quantum, normal, normal - quantum)[(i - 50) // 2]
    if i < 64:
        return read_subnormal(v, n)
    exponent = n.precision + low(v, n.max_exponent - n.precision)
    return sign(v) * read_mantissa(v, n) * power(-exponent)


def _alone(kind: str, v: int) -> Fraction:
    if kind == "odd_bias":
        return power(-2 - high(v, 2))
    return (
        power(-high(v, 4))
        if kind in ("one_power", "idle_infinity")
        else Fraction(3 + 2 * high(v, 3), 8)
    )


def read_inputs(kind: str, v: list[int], shape: tuple[int, ...], n: Numbers) -> list[Any]:
    if kind == "constant":
        return [read_mantissa(v[0], n)] * len(v)
    if kind == "overflow":
        sample = len(v) // shape[0]
        return [
            (-1) ** (position // sample) * read_mantissa(word, n) * power(n.max_exponent)
            for position, word in enumerate(v)
        ]
    if kind == "edges":
        return [read_edge(position, word, n) for position, word in enumerate(v)]
    if kind == "far_tails":
        largest = (2 - power(1 - n.precision)) * power(n.max_exponent)
        return [largest, -largest, *(read_beyond_tails(w, n, n.max_exponent) for w in v[2:])]
    if kind in ("one_power", "one_product", "odd_bias", "idle_infinity"):
        size = len(v) // shape[0]
        places = [sample * size + low(v[sample * size], size) for sample in range(shape[0])]
        return [
            sign(word) * _alone(kind, word) if position in places else 0.0
            for position, word in enumerate(v)
        ]
    return [INPUTS[kind](word, n) for word in v]


def to_float(value: Fraction | float, v: int) -> float:
    """The value as a float; a zero that was computed has the sign of its word."""
    if value == 0 and not isinstance(value, float):
        return math.copysign(0.0, sign(v))
    return float(value)


def read(case: Case) -> dict[str, list[float]]:
    """All elements of the operands of a convolution, row by row, without NumPy."""
    known, n = facts(case), NUMBERS[case.dtype]
    assert case.inputs is not None
    shapes: dict[str, tuple[Any, ...]] = {
        "inputs": case.inputs,
        "kernel": (*known.window, known.channels, known.config["filters"]),
        "bias": (known.config["filters"],),
    }
    kind = KINDS[case.operands].base or case.operands
    damping = KINDS[case.operands].damping * ((known.products.bit_length() + 1) // 2)
    result = {}
    for role, shape in shapes.items():
        text = f"{role}/{'x'.join(map(str, shape))}/{kind}/{case.dtype}/{case.seed}"
        v = read_words(text, math.prod(shape))
        if kind in MARKED and role != "bias":
            values = read_marked(role.removesuffix("s"), case, len(v), n)
        elif role == "inputs":
            values = read_inputs(kind, v, shape, n)
        elif role == "kernel":
            values = [value * power(-damping) for value in read_kernel(kind, v, shape[-1], n)]
        else:
            values = [BIASES[kind](word, n) * power(-damping) for word in v]
        result[role] = [to_float(value, word) for value, word in zip(values, v, strict=True)]
    return result


def same(array: np.ndarray[Any, Any], values: list[float]) -> bool:
    return array.astype(np.float64).tobytes() == np.array(values).tobytes()


PLAIN_KINDS = [kind for kind in KINDS if KINDS[kind].base in (None, kind)]


def with_placed(array: np.ndarray[Any, Any], values: list[float]) -> list[float]:
    """The values, with the one infinity that the kind places among them."""
    (placed,) = np.flatnonzero(np.isinf(array))
    return [*values[:placed], float(array.flat[placed]), *values[placed + 1 :]]


@pytest.mark.parametrize("dtype", FLOATING_DTYPES)
@pytest.mark.parametrize("kind", PLAIN_KINDS)
def test_operands_follow_from_the_specification(kind: str, dtype: str) -> None:
    """Byte for byte, against a second derivation on integers and fractions."""
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    for case in (CASE, CASE.replace(inputs=(2, 5, 4, 9), kernel_size=3, filters=4, seed=7)):
        expected = read(case.replace(operands=kind, dtype=dtype))
        made = operands(case.replace(operands=kind, dtype=dtype))
        assert made.inputs is not None
        arrays = {"inputs": made.inputs, **made.weights}
        if KINDS[kind].place:
            role, what = KINDS[kind].place.split(":")
            assert what == "infinity"
            expected[role] = with_placed(arrays[role], expected[role])
        for role, array in arrays.items():
            assert same(array, expected[role]), role


def test_the_upstream_gradient_of_slopes_is_signs() -> None:
    """In its own words, one for each output; of other kinds it follows the kernel's recipe."""
    case = CASE.replace(observe="gradients", operands="slopes")
    shape = facts(case).output_shape
    text = f"upstream/{'x'.join(map(str, shape))}/slopes/float32/0"
    expected = [float(sign(word)) for word in read_words(text, math.prod(map(int, shape)))]
    made = operands(case).upstream
    assert made is not None
    assert same(made, expected)
    assert set(operands(case.replace(operands="tails")).upstream.ravel()) == {0.0, 1.0}


def test_the_upstream_gradient_is_marked_at_the_seed() -> None:
    """Counted with its channels last, whatever the layout."""
    given = {"filters": 2, "kernel_size": 2, "data_format": "channels_first"}
    case = Case.of("Conv1D", (1, 3, 4), observe="gradients", operands="upstream_mark", **given)
    made = operands(case.replace(seed=3)).upstream
    assert made is not None
    assert made.tolist() == [[[0, 0, 0], [0, 1, 0]]]


@pytest.mark.parametrize("dtype", INTEGER_DTYPES)
def test_integers_are_numbered_or_marked(dtype: str) -> None:
    case = Case.of("MaxPooling1D", (1, 75, 2), dtype=dtype, seed=151)
    numbered = inputs_of(case.replace(operands="kernel_mark")).ravel()
    assert numbered.tolist() == [1 + i % np.iinfo(dtype).max for i in range(150)]
    marked = inputs_of(case.replace(operands="input_mark")).ravel()
    assert np.flatnonzero(marked).tolist() == [1]
    assert marked[1] == 1


def test_sparse_weights_follow_from_the_specification() -> None:
    """So many products that weights are dropped."""
    case = Case.of("Conv1D", (1, 9, 128), filters=2, kernel_size=9)
    assert same(operands(case).weights["kernel"], read(case)["kernel"])
    assert np.any(operands(case).weights["kernel"] == 0)


def test_words_are_those_of_splitmix64() -> None:
    """The first outputs from state 0, as published with the generator."""
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    assert split_mix(0, 4).tolist() == expected


def test_long_streams_continue_short_ones() -> None:
    assert split_mix(5, 5000)[:4096].tolist() == split_mix(5, 4096).tolist()


DIGEST = "a07695652fbd88c72247eca0d78cf62a2bf581a007cd0606d9f5559b61da4a01"


def test_operands_never_change() -> None:
    """Stored expectations depend on every byte of these."""
    digest = hashlib.sha256()
    for kind, dtype in itertools.product(KINDS, ("float16", "float32", "float64")):
        made = operands(CASE.replace(operands=kind, dtype=dtype))
        assert made.inputs is not None
        for array in (made.inputs, *made.weights.values()):
            canonical = np.where(np.isnan(array), np.asarray(np.nan, array.dtype), array)
            digest.update(canonical.astype(array.dtype.newbyteorder("<")).tobytes())
    for dtype in INTEGER_DTYPES:
        digest.update(inputs_of(POOL.replace(dtype=dtype)).tobytes())
    assert digest.hexdigest() == DIGEST


def units(array: np.ndarray[Any, Any], unit: float) -> np.ndarray[Any, Any]:
    """The array in whole units, exactly."""
    scaled = array.astype(np.float64) / unit
    assert np.all(scaled == np.rint(scaled))
    return scaled


def test_sums_of_integers_stay_within_the_accumulator() -> None:
    """Sum of absolute products and bias: at most 2**24 (2**53), over every case of the grid."""
    for case in convolutions():
        if KINDS[case.operands].base != "integers" and case.operands not in ("integers", "small"):
            continue
        n = NUMBERS[case.dtype]
        small = case.operands == "small"
        bits, total = (n.small_bits, n.precision) if small else (n.input_bits, n.sum_bits)
        made = operands(case).weights
        weights = {role: np.abs(array.astype(np.float64)) for role, array in made.items()}
        finite = np.where(np.isfinite(weights["kernel"]), weights["kernel"], 0)
        damping = 0 if small else (facts(case).products.bit_length() + 1) // 2
        per_filter = units(finite, 2.0**-damping).reshape(-1, finite.shape[-1]).sum(axis=0)
        bias = 0 if "bias" not in weights else 2**bits
        assert np.all(per_filter * (2**bits - 1) + bias <= 2**total), case


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3, 128, 512])
def test_sums_of_integers_are_the_same_in_any_order(dtype: str, channels: int) -> None:
    case = Case.of("Conv1D", (1, 9, channels), filters=4, kernel_size=9, dtype=dtype)
    made = operands(case)
    assert made.inputs is not None
    accumulator = np.float64 if dtype == "float64" else np.float32
    x = made.inputs.reshape(-1, 1)
    products: np.ndarray[Any, Any] = x * made.weights["kernel"].reshape(-1, 4).astype(accumulator)
    exact = [sum(Fraction(float(p)) for p in products[:, f]) for f in range(4)]
    for order in (slice(None), slice(None, None, -1), np.argsort(products[:, 0])):
        assert np.add.accumulate(products[order], dtype=accumulator)[-1].tolist() == exact


def test_integers_use_all_their_bits() -> None:
    """So that operands rounded to fewer bits give other products."""
    for dtype, n in NUMBERS.items():
        if dtype == "bfloat16":
            continue
        scaled = units(inputs_of(CASE.replace(dtype=dtype)), 2.0 ** (1 - n.input_bits))
        assert np.any(scaled % 2 == 1)
        assert np.abs(scaled).max() >= 2 ** (n.input_bits - 1)


def test_weights_are_zero_only_where_exactness_needs_it() -> None:
    for case in convolutions():
        if case.operands == "integers":
            kernel = operands(case).weights["kernel"]
            share = np.count_nonzero(kernel) / max(kernel.size, 1)
            assert share == 1 or facts(case).products > 500 or kernel.size == 0, case
            assert share > 0.08 or kernel.size == 0, case


@pytest.mark.parametrize(("kind", "value"), [("one_nan", math.nan), ("one_infinity", math.inf)])
def test_one_input_is_replaced(kind: str, value: float) -> None:
    plain, changed = inputs_of(CASE), inputs_of(CASE.replace(operands=kind))
    different = ~(plain == changed)
    assert np.count_nonzero(different) == 1
    assert np.array_equal(np.abs(changed[different]), [value], equal_nan=True)


def test_the_spike_is_far_above_the_rest() -> None:
    plain, changed = inputs_of(CASE), inputs_of(CASE.replace(operands="spike"))
    assert np.abs(changed[plain != changed]).tolist() == [2.0**30]


@pytest.mark.parametrize("kind", ["kernel_nan", "kernel_infinity", "idle_infinity"])
def test_one_weight_is_replaced(kind: str) -> None:
    made = operands(CASE.replace(operands=kind))
    assert made.inputs is not None
    assert np.count_nonzero(~np.isfinite(made.weights["kernel"])) == 1
    assert np.isfinite(made.inputs).all()


def gauge_and_sum(case: Case) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Sum of absolute products, and sum, of one whole window in float64."""
    made = operands(case)
    assert made.inputs is not None
    kernel = made.weights["kernel"].astype(np.float64)
    x = made.inputs.astype(np.float64).reshape(-1)
    w = kernel.reshape(-1, kernel.shape[-1])
    return np.abs(x) @ np.abs(w), x @ w


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_cancelling_sums_are_tiny_beside_their_terms(dtype: str) -> None:
    case = Case.of("Conv1D", (1, 6, 4), filters=3, kernel_size=6, operands="cancellation")
    gauge, total = gauge_and_sum(case.replace(dtype=dtype))
    assert np.all(np.abs(total) < gauge * 2.0 ** (1 - NUMBERS[dtype].precision // 2))
    assert np.all(total != 0)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_huge_sums_stay_finite_and_overflowing_ones_do_not(dtype: str) -> None:
    case = Case.of("Conv1D", (1, 6, 40), filters=3, kernel_size=6, dtype=dtype)
    greatest = float(np.finfo(dtype).max)
    gauge, _ = gauge_and_sum(case.replace(operands="huge"))
    assert np.all(gauge + np.abs(operands(case).weights["bias"].astype(float)) < greatest)
    assert np.all(gauge > greatest / 64)
    made = operands(case.replace(operands="overflow"))
    assert made.inputs is not None
    least = np.abs(made.inputs.astype(float)).min() * np.abs(made.weights["kernel"]).min()
    assert least > greatest


def test_signs_are_as_the_kinds_say() -> None:
    positive, negative = (operands(CASE.replace(operands=k)) for k in ("positive", "negative"))
    assert positive.inputs is not None
    assert negative.inputs is not None
    assert min(a.min() for a in (positive.inputs, *positive.weights.values())) > 0
    assert negative.inputs.max() < 0 < negative.weights["kernel"].min()


def test_subnormal_inputs_are_subnormal() -> None:
    for dtype in ("float16", "float32", "float64"):
        inputs = np.abs(inputs_of(CASE.replace(operands="subnormal", dtype=dtype)))
        assert inputs.max() < np.finfo(dtype).smallest_normal
        assert np.count_nonzero(inputs) > inputs.size // 2


def test_specials_hold_every_special_value() -> None:
    inputs = inputs_of(POOL.replace(inputs=(2, 9, 8, 7), operands="specials"))
    info = np.finfo("float32")
    for value in (np.inf, -np.inf, info.max, -info.max, info.smallest_subnormal):
        assert np.any(inputs == value)
    assert np.isnan(inputs).any()
    assert np.any((inputs == 0) & np.signbit(inputs))
    assert np.any((inputs == 0) & ~np.signbit(inputs))


def test_lowest_leaves_windows_of_minus_infinity() -> None:
    inputs = inputs_of(POOL.replace(operands="lowest"))
    assert 0.6 < np.mean(inputs == -np.inf) < 0.9


FLAGS: dict[str, Callable[[np.ndarray[Any, Any]], bool]] = {
    "strided": lambda a: not a.flags.c_contiguous and min(a.strides) > 0,
    "reversed": lambda a: max(a.strides) < 0,
    "fortran": lambda a: a.flags.f_contiguous and not a.flags.c_contiguous,
    "readonly": lambda a: not a.flags.writeable,
    "sliced": lambda a: a.flags.c_contiguous and a.base is not None and len(a.base) == len(a) + 2,
}


@pytest.mark.parametrize("layout", list(FLAGS))
def test_layouts_change_the_memory_and_no_value(layout: str) -> None:
    plain, laid_out = operands(CASE), operands(CASE.replace(operands=layout))
    assert plain.inputs is not None
    assert laid_out.inputs is not None
    for one, other in zip(
        (plain.inputs, plain.weights["kernel"]),
        (laid_out.inputs, laid_out.weights["kernel"]),
        strict=True,
    ):
        assert FLAGS[layout](other)
        assert np.array_equal(one, other)


def test_broadcast_shows_one_sample_as_the_batch() -> None:
    inputs = inputs_of(CASE.replace(operands="broadcast"))
    assert inputs.strides[0] == 0
    assert np.array_equal(inputs[1], inputs_of(CASE)[0])


def test_contiguous_operands_own_their_memory_and_are_made_anew() -> None:
    """What an implementation does to them cannot reach the next one."""
    first = inputs_of(CASE)
    first[...] = 0
    assert np.any(inputs_of(CASE) != 0)


def test_streams_differ_by_role_shape_kind_dtype_and_seed() -> None:
    variants = [CASE, CASE.replace(seed=1), CASE.replace(operands="reals")]
    variants += [CASE.replace(dtype="float64"), CASE.replace(inputs=(2, 4, 5, 3))]
    prefixes = {tuple(inputs_of(case).reshape(-1)[:4].tolist()) for case in variants}
    assert len(prefixes) == len(variants)


def test_the_same_operands_for_other_strides_and_paddings() -> None:
    """Arguments that change no shape change no operand: cases are comparable."""
    other = operands(CASE.replace(strides=2, padding="same", activation="relu"))
    assert np.array_equal(other.weights["kernel"], operands(CASE).weights["kernel"])


@pytest.mark.parametrize("dtype", INTEGER_DTYPES)
def test_integer_dtypes_range_over_all_their_values(dtype: str) -> None:
    info = np.iinfo(dtype)
    inputs = inputs_of(Case.of("Flatten", (2, 30, 30), dtype=dtype))
    assert inputs.dtype == dtype
    width = int(info.max) - int(info.min)
    assert int(inputs.min()) < int(info.min) + width // 50
    assert int(inputs.max()) > int(info.max) - width // 50


def test_integer_kinds() -> None:
    flat = Case.of("Flatten", (2, 60), dtype="int16")
    made = {
        kind: inputs_of(flat.replace(operands=kind))
        for kind in ("small", "negative", "lowest", "specials")
    }
    assert set(made["small"].reshape(-1).tolist()) <= set(range(-7, 8))
    assert made["negative"].max() < 0
    assert 0.6 < np.mean(made["lowest"] == -(2**15)) < 0.9
    assert {-(2**15), 2**15 - 1, 0, 1} <= set(made["specials"].reshape(-1).tolist())
    unsigned = inputs_of(flat.replace(operands="small", dtype="uint8"))
    assert unsigned.max() == 7


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (CASE.replace(operands="foo"), "operands 'foo' are unknown: expected one of integers, "),
        (CASE.replace(dtype="float8"), "no such operands of dtype 'float8': expected one of float"),
        (POOL.replace(dtype="int8", operands="reals"), "operands 'reals' need a floating-point"),
        (POOL.replace(dtype="uint8", operands="negative"), "operands 'negative' need a floating"),
        (CASE.replace(dtype="int32"), "no such operands of dtype 'int32'"),
    ],
)
def test_what_cannot_be_made_is_named(case: Case, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        operands(case)


def test_bfloat16_without_its_package_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match="'bfloat16' needs the package ml_dtypes"):
        operands(CASE.replace(dtype="bfloat16"))


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("inputs", [(0, 5, 4, 3), (2, 5, 4, 0), (2, 0, 4, 3)])
def test_empty_arrays_have_their_shape(kind: str, inputs: tuple[int, ...]) -> None:
    made = operands(CASE.replace(inputs=inputs, operands=kind))
    assert made.inputs is not None
    assert made.inputs.shape == inputs
    assert made.weights["kernel"].shape == (3, 2, inputs[-1], 5)


def test_no_array_where_the_shape_is_free_or_absent() -> None:
    for case in (CASE.replace(inputs=(None, 5, 4, 3)), Case.of("Input", shape=(3,))):
        assert operands(case).inputs is None
        assert operands(case).weights == {}


def test_weights_have_the_shapes_that_the_arguments_imply() -> None:
    first = CASE.replace(inputs=(2, 7, 5, 4), data_format="channels_first", use_bias=False)
    assert {k: v.shape for k, v in operands(first).weights.items()} == {"kernel": (3, 2, 7, 5)}
    conv1d = Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=[5])
    shapes = {role: array.shape for role, array in operands(conv1d).weights.items()}
    assert shapes == {"kernel": (5, 3, 4), "bias": (4,)}
    assert operands(POOL).weights == {}


def test_every_case_of_the_grid_has_operands() -> None:
    """Also where arguments are ill-formed: then the input alone, if there is one."""
    pytest.importorskip("ml_dtypes")
    for case in grid("standard"):
        made = operands(case)
        if case.observe == "output":
            assert isinstance(made, Operands)
            assert made.inputs is not None
            assert made.inputs.shape == case.inputs
            assert made.inputs.dtype.name == case.dtype
            assert bool(made.weights) == facts(case).is_convolution
