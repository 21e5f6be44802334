"""The layers' gradients: against the differentiated definition, by properties, and by hand."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import partial
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

import reference_impl
from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.cases.operands import operands
from conformance.judge import definition
from conformance.judge.activations import ACTIVATIONS
from conformance.judge.definition.rounding import FORMATS, round_fraction
from conformance.judge.equality import same_values
from reference_impl import activations
from reference_impl.ops.activations.derivatives import pull_back
from reference_impl.ops.activations.slopes import sign_of_exponentials, slope_at_infinity
from reference_impl.ops.sums import Sums

layers = reference_impl.layers

Array = np.ndarray[Any, Any]


def can_be_made(case: Case) -> bool:
    """Whether the case's dtype is available here."""
    if case.dtype != "bfloat16":
        return True
    try:
        import ml_dtypes
    except ImportError:
        return False
    return bool(ml_dtypes)


CASES = tuple(c for c in grid("standard") if c.observe == "gradients" and can_be_made(c))


def built(layer: Any, inputs: Array, *weights: Array) -> Any:
    """The layer, built on the inputs' shape, with these weights if any are given."""
    layer.build(inputs.shape)
    if weights:
        layer.set_weights(list(weights))
    return layer


def gradients_of(case: Case) -> tuple[dict[str, Array], dict[str, Array]]:
    """The gradients of a case by the layer, and by the definition."""
    given = operands(case)
    assert given.inputs is not None
    layer = getattr(layers, case.layer)(**case.keywords, dtype=case.dtype)
    built(layer, given.inputs, *given.weights.values())
    return layer.gradients(given.inputs, given.upstream), definition.gradients(case, given)


def assert_same(case: Case) -> None:
    """The layer's gradients are those of the definition, bit for bit but for the sign of zero."""
    ours, exact = gradients_of(case)
    assert ours.keys() == exact.keys(), case
    for name in exact:
        assert same_values(ours[name], exact[name]), f"{name} of {case}"


@pytest.mark.parametrize("part", range(8))
def test_the_grids_gradients_are_the_differentiated_definition(part: int) -> None:
    """Every geometry, dtype, kind of operands and activation of the grid, correctly rounded."""
    assert len(CASES) > 800
    for case in CASES[part::8]:
        assert_same(case)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_all_small_convolutions(padding: str, dtype: str) -> None:
    """Every length, window, stride and dilation up to a size, in one dimension."""
    for n, k, s, d in product(range(1, 7), range(1, 4), range(1, 4), range(1, 3)):
        if (s > 1 and d > 1) or (padding == "valid" and n <= (k - 1) * d):
            continue
        sizes = {"filters": 2, "kernel_size": k, "strides": s, "dilation_rate": d}
        fields = {"padding": padding, "dtype": dtype, "operands": "reals", "observe": "gradients"}
        assert_same(Case.of("Conv1D", (2, n, 2), **sizes, **fields))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_all_small_poolings(padding: str) -> None:
    """Every length, window and stride up to a size, with ties."""
    for n, k, s in product(range(1, 8), range(1, 5), range(1, 4)):
        if padding == "same" or n >= k:
            sizes = {"pool_size": k, "strides": s, "padding": padding, "operands": "small"}
            assert_same(Case.of("MaxPooling1D", (2, n, 2), observe="gradients", **sizes))


def exact_dot(left: Array, right: Array) -> Fraction:
    """The sum of products, as a fraction."""
    pairs = zip(left.ravel().tolist(), right.ravel().tolist(), strict=True)
    return sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("strides", "dilation"), [((1, 1), (1, 1)), ((2, 3), 1), (1, (3, 2))])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_convolution_and_its_gradients_are_adjoint(
    data_format: str, strides: Any, dilation: Any, padding: str
) -> None:
    """``<conv(x, w), u> = <x, dx> = <w, dw>``, exactly, since small integers are not rounded."""
    random = np.random.default_rng(5)
    layer = layers.Conv2D(
        4, (3, 2), strides, padding, data_format, dilation, use_bias=False, dtype="float64"
    )
    shape = (2, 3, 8, 7) if data_format == "channels_first" else (2, 8, 7, 3)
    x = random.integers(-9, 10, shape).astype(float)
    w = random.integers(-9, 10, (3, 2, 3, 4)).astype(float)
    y = built(layer, x, w)(x)
    u = random.integers(-9, 10, y.shape).astype(float)
    found = layer.gradients(x, u)
    assert exact_dot(y, u) == exact_dot(x, found["inputs"]) == exact_dot(w, found["kernel"])


def test_the_gradient_of_the_bias_adds_up_the_upstream() -> None:
    """``db[f] = sum u[n, o, f]``, rounded once: float16 would lose the small ones."""
    x = np.zeros((1, 4, 1), np.float16)
    layer = built(layers.Conv1D(1, 1, dtype="float16"), x)
    u = np.array([2048.0, 1.0, 1.0, 1.0], np.float16).reshape(1, 4, 1)
    assert layer.gradients(x, u)["bias"].tolist() == [2052.0]


def test_ties_go_to_the_first_of_the_window_in_row_major_order() -> None:
    """Clause maxpooling.gradients.ties, +0 and -0 being equal, and NaN taking what it is first."""
    x = np.array([[1.0, 3.0, 3.0], [3.0, 0.0, -0.0]], np.float32).reshape(1, 2, 3, 1)
    u = np.array([10.0, 1.0], np.float32).reshape(1, 1, 2, 1)
    layer = layers.MaxPooling2D(2, strides=1)
    assert layer.gradients(x, u)["inputs"].reshape(2, 3).tolist() == [[0, 11, 0], [0, 0, 0]]
    zeros = np.array([-0.0, 0.0, math.nan, math.nan], np.float32).reshape(1, 4, 1)
    pairs = layers.MaxPooling1D(2).gradients(zeros, np.ones((1, 2, 1), np.float32))
    assert pairs["inputs"].ravel().tolist() == [1, 0, 1, 0]


def test_windows_of_minus_infinity_have_a_largest_element() -> None:
    """The padding, which is no element, never gets the gradient."""
    x = np.full((1, 3, 1), -np.inf, np.float32)
    layer = layers.MaxPooling1D(2, strides=2, padding="same")
    found = layer.gradients(x, np.array([1.0, 2.0], np.float32).reshape(1, 2, 1))
    assert found["inputs"].ravel().tolist() == [1, 0, 2]


def test_overlapping_windows_are_added_up_and_rounded_once() -> None:
    """Three windows share one maximum: 2048 + 1 + 1 is 2050 in float16, added one by one 2048."""
    x = np.array([0.0, 0.0, 1.0, 0.0, 0.0], np.float16).reshape(1, 5, 1)
    u = np.array([2048.0, 1.0, 1.0], np.float16).reshape(1, 3, 1)
    found = layers.MaxPooling1D(3, 1, dtype="float16").gradients(x, u)["inputs"]
    assert found.ravel().tolist() == [0, 0, 2050, 0, 0]


@pytest.mark.parametrize(("dtype", "half"), [("float32", -24), ("float64", -53), ("float64", -1)])
@pytest.mark.parametrize("least", [-30, -70, -120])
@pytest.mark.parametrize("exponent", [-20, 0, 120, 1020])
def test_the_terms_of_an_element_are_added_up_exactly_whatever_their_sizes(
    dtype: str, half: int, least: int, exponent: int
) -> None:
    """The smallest of three decides a rounding, whether float64 holds their sum or does not."""
    top = min(exponent, np.finfo(dtype).maxexp - 1)
    x = np.array([0, 0, 1, 0, 0], dtype).reshape(1, 5, 1)
    for sizes in permutations((0, half, least)):
        u = np.exp2(np.array(sizes, np.float64) + top).astype(dtype).reshape(1, 3, 1)
        found = layers.MaxPooling1D(3, 1, dtype=dtype).gradients(x, u)["inputs"].ravel()
        exact = sum(map(Fraction, u.ravel().tolist()), Fraction(0))
        assert found.tolist() == [0, 0, round_fraction(exact, FORMATS[dtype]), 0, 0]


def test_flatten_puts_the_gradient_back() -> None:
    """Clause flatten.gradients.inputs: the inverse of the order in which the inputs were listed."""
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for data_format in ("channels_last", "channels_first"):
        layer = layers.Flatten(data_format)
        assert np.array_equal(layer.gradients(x, layer(x))["inputs"], x)


@pytest.mark.parametrize("shape", [(0, 4, 5, 3), (2, 0, 5, 3), (2, 4, 0, 3)])
def test_gradients_of_empty_outputs_are_zeros(shape: tuple[int, ...]) -> None:
    """Clauses conv.gradients.empty and maxpooling.gradients.empty."""
    x = np.zeros(shape, np.float32)
    layer = built(layers.Conv2D(4, (3, 2), padding="same"), x)
    found = layer.gradients(x, np.zeros((*shape[:3], 4), np.float32))
    assert {name: array.shape for name, array in found.items()} == {
        "inputs": shape,
        "kernel": (3, 2, 3, 4),
        "bias": (4,),
    }
    assert not any(array.any() for array in found.values())
    pooled = layers.MaxPooling2D(2, 1, "same").gradients(x, np.zeros(shape, np.float32))
    assert pooled["inputs"].shape == shape


def test_infinities_reach_only_what_they_are_terms_of() -> None:
    """The zeros between strided outputs, which are no terms, do not turn an infinity into NaN."""
    x = np.ones((1, 5, 1), np.float32)
    kernel = np.array([math.inf, 1.0], np.float32).reshape(2, 1, 1)
    layer = built(layers.Conv1D(1, 2, strides=3, use_bias=False), x, kernel)
    found = layer.gradients(x, np.array([2.0, 0.0], np.float32).reshape(1, 2, 1))
    assert np.array_equal(found["inputs"].ravel(), [np.inf, 2, 0, np.nan, 0], equal_nan=True)


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("relu", (-1.0, 0.0, 1.0), (0.0, 0.0, 1.0)),
        ("relu6", (0.0, 5.0, 6.0), (0.0, 1.0, 0.0)),
        ("leaky_relu", (0.0, 1.0), (0.2, 1.0)),
        ("hard_tanh", (-1.0, 0.0, 1.0, 1.5), (1.0, 1.0, 1.0, 0.0)),
        ("hard_sigmoid", (-3.0, 0.0, 3.0), (0.0, 1 / 6, 0.0)),
        ("sparse_sigmoid", (-1.0, 0.0, 1.0), (0.0, 0.5, 0.0)),
        ("hard_silu", (-3.0, 3.0), (0.0, 1.0)),
        ("hard_shrink", (-0.5, 0.5, 0.75), (0.0, 0.0, 1.0)),
        ("soft_shrink", (-0.5, 0.5, 0.75), (0.0, 0.0, 1.0)),
        ("elu", (0.0,), (1.0,)),
        ("selu", (0.0,), (1.0507009873554805,)),
        ("tanh", (0.0,), (1.0,)),
        ("sigmoid", (0.0,), (0.25,)),
        ("softplus", (0.0,), (0.5,)),
        ("mish", (0.0,), (0.6,)),
        ("gelu", (0.0,), (0.5,)),
    ],
)
def test_conventions_at_kinks(
    name: str, at: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    """The derivatives chosen where the one-sided ones differ, and those known exactly."""
    sums = Sums.of_array(np.array(at))
    found = pull_back(sums, np.ones(len(at)), activations.certified(activations.get(name)))
    assert found.tolist() == list(expected)


ELEMENTWISE = sorted(name for name, one in ACTIVATIONS.items() if not one.rowwise)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivatives_are_rounded_once_to_float64(name: str) -> None:
    """By two derivations, at arguments from tiny to huge of both signs."""
    random = np.random.default_rng(11)
    x = np.concatenate([random.standard_normal(24) * 3, [0.0, 1e-9, -1e-9, 40.0, -40.0, 800.0]])
    x = np.concatenate([x, [-800.0, 1e30, -1e30, 2.0**-140, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0]])
    u = random.standard_normal(len(x)) * 2.0 ** random.integers(-60, 60, len(x))
    found = pull_back(Sums.of_array(x), u, activations.certified(activations.get(name)))
    exact = [[Fraction(value) for value in values.tolist()] for values in (x, u)]
    assert found.tolist() == ACTIVATIONS[name].pulled_back(*exact, len(x), len(x))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivatives_at_infinities_are_limits(name: str) -> None:
    """They agree with the derivative far out, where that has settled."""
    certified = activations.certified(activations.get(name))
    infinite = np.array([-math.inf, math.inf, math.nan])
    found = pull_back(Sums.of_array(infinite), np.ones(3), certified)
    far = pull_back(Sums.of_array(np.array([-1e200, 1e200])), np.ones(2), certified)
    assert np.isnan(found[2])
    assert found[:2].tolist() == far.tolist()
    assert name not in ("tanh", "silu") or slope_at_infinity(name, math.inf) == found[1]


def test_only_trainable_weights_have_gradients() -> None:
    """A frozen layer passes the gradient on and has none of its own."""
    x = np.ones((1, 3, 2), np.float32)
    layer = built(layers.Conv1D(2, 2), x)
    u = np.ones((1, 2, 2), np.float32)
    assert list(layer.gradients(x, u)) == ["inputs", "kernel", "bias"]
    layer.trainable = False
    assert list(layer.gradients(x, u)) == ["inputs"]


def test_the_operands_are_left_as_they_were() -> None:
    """Nothing is written to, and nothing returned is a view of an operand."""
    x = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    u = np.ones((1, 12), np.float32)
    found = layers.Flatten().gradients(x, u)["inputs"]
    found[...] = 7
    assert x.ravel().tolist() == list(range(12))
    assert u.tolist() == [[1.0] * 12]


def test_what_has_no_gradient_is_refused() -> None:
    """A wrong shape, integers, and activations without a known derivative, each named."""
    x = np.ones((1, 3, 2), np.float32)
    with pytest.raises(ValueError, match=r"argument `upstream` has the shape \(1, 3\)"):
        layers.Flatten().gradients(x, np.ones((1, 3), np.float32))
    with pytest.raises(TypeError, match="int32"):
        layers.Flatten(dtype="int32").gradients(np.ones((1, 2), np.int32), np.ones((1, 2)))
    foreign = built(layers.Conv1D(2, 2, activation=np.cbrt), x)
    with pytest.raises(ValueError, match="whose derivative is not known"):
        foreign.gradients(x, np.ones((1, 2, 2), np.float32))


def bias_gradient(logits: list[float], upstream: list[float], activation: Any) -> list[float]:
    """The gradients of the activation's arguments, in float64: of one row, by way of the bias."""
    width = len(logits)
    x = np.ones((1, 1, 1))
    layer = layers.Conv1D(width, 1, activation=activation, dtype="float64")
    built(layer, x, np.zeros((1, 1, width)), np.array(logits))
    found: list[float] = layer.gradients(x, np.array(upstream).reshape(1, 1, -1))["bias"].tolist()
    return found


@pytest.mark.parametrize(
    ("activation", "logits", "upstream", "expected"),
    [
        ("softmax", [50000.0, 1.0, -3.0, 2.0], [0.3, -0.1, 0.9, 0.2], [0.0] * 4),
        ("softmax", [0.0, 0.0, -30000.0], [1.0, 2.0**-54, 0.0], [0.25, -(0.25 - 2.0**-55), 0.0]),
        ("softmax", [0.0, 0.0, -30000.0], [1.0, 2.0**-54, 3.0], [0.25 - 2.0**-55, -0.25, 0.0]),
        ("log_softmax", [0.0, 0.0, -30000.0], [1.0, 2.0**-54, 0.0], [0.5, -(0.5 - 2.0**-54), 0.0]),
        ("softmax", [0.0, 1e308, -1e308], [1.0, 2.0**-54, 0.0], [0.0, 0.0, 0.0]),
        ("softmax", [0.0, 0.0, -30000.0], [5e-324, 0.0, 5e-324], [0.0, 0.0, 0.0]),
    ],
)
def test_tails_smaller_than_any_digit_are_decided_by_their_sign(
    activation: str, logits: list[float], upstream: list[float], expected: list[float]
) -> None:
    """By hand: with t = exp(-30000), ``(1 - d + t u) / (2 + t)**2`` lies beside the midpoint.

    For d = 2**-54 and u = 1 that is ``(1 - d)/4 + t d / 4``: above it; for u = -2 below.
    """
    assert bias_gradient(logits, upstream, activation) == expected


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_the_sign_of_sums_of_exponentials(terms: int) -> None:
    """Against floats where these are far apart, and by the largest exponential where it is not."""
    random = np.random.default_rng(terms)
    for _ in range(40):
        arguments = sorted(set(random.integers(-9, 10, terms).tolist()))
        factors = random.choice([-2.0, -1.0, 1.0, 2.0], len(arguments)).tolist()
        total = sum(c * math.exp(y) for y, c in zip(arguments, factors, strict=True))
        sums = dict(zip(map(Fraction, arguments), map(Fraction, factors), strict=True))
        assert sign_of_exponentials(sums) == (total > 0) - (total < 0)
    far = {Fraction(-(10**300)): Fraction(-1), Fraction(-(10**301)): Fraction(10**300)}
    assert sign_of_exponentials(far) == -1
    assert sign_of_exponentials({}) == 0


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("upstream", [0.0, 1.0])
def test_a_nan_before_the_activation_is_a_nan_whatever_the_upstream(
    name: str, upstream: float
) -> None:
    """One rule for all activations: the product of IEEE 754 with a derivative that is NaN."""
    certified = activations.certified(activations.get(name))
    for count in (1, 500):
        sums = Sums.of_array(np.where(np.arange(count) % 2, 0.5, math.nan))
        found = pull_back(sums, np.full(count, upstream), certified)
        assert np.isnan(found[::2]).all()
        assert not np.isnan(found[1::2]).any()


def test_celu_with_a_negative_alpha_is_steep_at_minus_infinity() -> None:
    """Its slope is ``exp(x / alpha)``: plus infinity there, and 0 for a positive alpha."""
    for alpha, expected in ((-0.5, math.inf), (0.5, 0.0)):
        certified = activations.certified(partial(activations.celu, alpha=alpha))
        found = pull_back(Sums.of_array(np.array([-math.inf])), np.ones(1), certified)
        assert found.tolist() == [expected]


def test_gradients_of_every_small_window_are_those_of_the_definition() -> None:
    """Windows of which some taps, or those of some outputs, meet padding alone are among them."""
    steps = [(s, 1) for s in (1, 2, 3, 5)] + [(1, d) for d in (2, 3, 5)]
    for length, window, (stride, rate), padding in product(
        range(1, 7), range(1, 6), steps, ("valid", "same", "causal")
    ):
        if padding == "valid" and (window - 1) * rate + 1 > length:
            continue
        sizes = {"kernel_size": window, "strides": stride, "dilation_rate": rate}
        inputs = (1, length, 2)
        case = Case.of("Conv1D", inputs, observe="gradients", filters=2, padding=padding, **sizes)
        given = operands(case)
        layer = reference_impl.layers.Conv1D(filters=2, padding=padding, **sizes)
        layer.build(inputs)
        layer.set_weights(list(given.weights.values()))
        found = layer.gradients(given.inputs, given.upstream)
        expected = definition.gradients(case, given)
        assert all(same_values(found[name], expected[name]) for name in expected), case


def test_the_terms_behind_an_activation_are_rounded_before_they_are_added() -> None:
    """As README says: each product with a slope once to float64, then their exact sum once.

    The example is one where that differs from the exact derivative rounded once.
    """
    sums = [float.fromhex("-0x1.bafd355558488p-1"), float.fromhex("0x1.a9580c544e89cp+1")]
    with localcontext() as context:
        context.prec = 60
        powers = [(2 * Decimal(s)).exp() for s in sums]
        slopes = [4 * power / (1 + power) ** 2 for power in powers]
        once = float(sum(slopes))
    layer = layers.Conv1D(1, 1, activation="tanh", dtype="float64")
    layer.build((None, 2, 1))
    layer.set_weights([np.ones((1, 1, 1)), np.zeros(1)])
    gradients = layer.gradients(np.reshape(sums, (1, 2, 1)), np.ones((1, 2, 1)))
    assert float(gradients["bias"][0]) == sum(map(float, slopes))
    assert float(gradients["bias"][0]).hex() == "0x1.08899aef3c40dp-1"
    assert once.hex() == "0x1.08899aef3c40cp-1"
