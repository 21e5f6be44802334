"""Initial values: exact where they are determined, and of their distribution where drawn."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from distributions import allowed_distance, detected_distance, distance, normal, uniform

from reference_impl import initializers
from reference_impl.config import READINGS, floatx, reading_as, set_floatx
from reference_impl.initializers.orthogonal import halving_sum
from reference_impl.initializers.random_values import confined
from reference_impl.initializers.stft import WINDOWS, named_window
from reference_impl.ops import generator
from reference_impl.ops.formats import FLOAT16, FORMATS
from reference_impl.ops.rounding import round_float64
from reference_impl.random import SeedGenerator

UNIT = 2.0**-53
PINNED_GLOROT = ["0x1.2e6eb80000000p-3", "0x1.98caea0000000p-4", "0x1.0da6500000000p-5"]
PINNED_ORTHOGONAL = ["0x1.a3e43de539f23p-1", "-0x1.24bb945ab6d72p-1", "0x1.62d49ff1fe2a9p-3"]
RANDOM = (
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
)


def make(name: str, **config: Any) -> Any:
    return initializers.get({"class_name": name, "config": config})


def get_format(name: str) -> Any:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return FORMATS[name]


# Values that are determined.


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0, 4), (3, 2, 5, 4)])
@pytest.mark.parametrize(("name", "value"), [("zeros", 0), ("ones", 1), ("zero", 0), ("one", 1)])
def test_zeros_and_ones(name: str, value: int, shape: tuple[int, ...], dtype: str) -> None:
    made = initializers.get(name)(shape, dtype=dtype)
    assert made.dtype == dtype
    assert made.shape == shape
    assert np.all(made == value)


@pytest.mark.parametrize("name", FORMATS)
def test_a_constant_is_rounded_once(name: str) -> None:
    """1 + 2**-8 + 2**-40 lies just above a midpoint of bfloat16, and rounds to it in float32."""
    format = get_format(name)
    value = 1 + 2.0**-8 + 2.0**-40
    made = initializers.Constant(value)((2, 3), dtype=name)
    assert made.dtype == format.dtype
    assert np.all(made == round_float64(np.array([value]), format))


def test_a_constant_may_be_an_array_that_broadcasts() -> None:
    made = initializers.Constant([1.0, 2.0])((3, 2))
    assert made.tolist() == [[1.0, 2.0]] * 3
    made[0, 0] = 5
    assert made[1, 0] == 1


@pytest.mark.parametrize(
    ("shape", "gain"), [((3, 3), 1.0), ((2, 4), 0.1), ((4, 2), -3), ((0, 2), 1)]
)
def test_identity(shape: tuple[int, int], gain: float) -> None:
    made = initializers.Identity(gain)(shape, "float64")
    for i, j in np.ndindex(shape):
        assert made[i, j] == (gain if i == j else 0)
    assert initializers.Identity(2)((2, 2), "int32").tolist() == [[2, 0], [0, 2]]


def test_an_array_is_an_initializer_of_its_own_shape() -> None:
    values = np.array([[1.0, 2.0**-30 + 1], [3.0, 4.0]])
    initializer = initializers.get(values)
    assert initializer((2, 2), dtype="float64").tolist() == values.tolist()
    assert initializer((2, 2), dtype="float32").tolist() == [[1.0, 1.0], [3.0, 4.0]]
    with pytest.raises(ValueError, match=r"`shape` is \(4,\); expected \(2, 2\)"):
        initializer((4,))
    again = initializers.get(json.loads(json.dumps(initializers.serialize(initializer))))
    assert again((2, 2), dtype="float64").tolist() == values.tolist()


def test_any_callable_is_an_initializer() -> None:
    def corner(shape: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
        return np.full(shape, 7, dtype)

    assert initializers.get(corner) is corner


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_no_dtype_means_floatx(dtype: str) -> None:
    get_format(dtype)
    before = floatx()
    set_floatx(dtype)
    try:
        for name in (*RANDOM, "zeros", "ones", "constant", "identity"):
            assert initializers.get(name)((3, 2)).dtype.name == dtype
    finally:
        set_floatx(before)


# Fans, limits and standard deviations.


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [
        ((), 1, 1),
        ((5,), 5, 5),
        ((4, 7), 4, 7),
        ((3, 4, 7), 12, 21),
        ((3, 5, 4, 7), 60, 105),
        ((3, 5, 2, 4, 7), 120, 210),
        ((1, 1, 4, 7), 4, 7),
        ((0, 4, 7), 0, 0),
    ],
)
def test_fans_are_receptive_field_times_channels(
    shape: tuple[int, ...], fan_in: int, fan_out: int
) -> None:
    """fan_in counts the products summed for one output, fan_out the outputs of one input."""
    assert initializers.compute_fans(shape) == (fan_in, fan_out)


def test_fans_of_given_axes() -> None:
    assert initializers.compute_fans((2, 3, 5, 7), [0, -1], (1, 2)) == (14, 15)
    assert initializers.compute_fans((2, 3, 5, 7), input_axes=[2]) == (5, 42)
    assert initializers.compute_fans((2, 3, 5, 7), output_axes=[2]) == (30, 5)
    made = initializers.VarianceScaling(distribution="uniform", input_axes=[0], output_axes=[1])
    assert made.spread((2, 3, 5, 7)) == math.sqrt(1.5)


SCALED = {
    "glorot_uniform": (6, "sum"),
    "glorot_normal": (2, "sum"),
    "he_uniform": (6, "in"),
    "he_normal": (2, "in"),
    "lecun_uniform": (3, "in"),
    "lecun_normal": (1, "in"),
}
KERNELS = [(9, 64), (5, 24, 64), (3, 5, 16, 64)]


@pytest.mark.parametrize("shape", [*KERNELS, (11,), (7, 1, 1), (1, 1, 2, 3)])
@pytest.mark.parametrize("name", SCALED)
def test_limits_and_deviations_are_their_formulas(name: str, shape: tuple[int, ...]) -> None:
    """``spread**2 * fans == numerator`` to 8 units: each of four roundings enters twice at most."""
    numerator, fans = SCALED[name]
    fan_in, fan_out = initializers.compute_fans(shape)
    count = fan_in + fan_out if fans == "sum" else fan_in
    spread = Fraction(initializers.get(name).spread(shape))
    if name.endswith("normal"):
        spread *= Fraction("0.87962566103423978")
    assert abs(spread**2 * count / numerator - 1) <= 8 * Fraction(UNIT)


def test_the_fan_is_at_least_one() -> None:
    assert make("lecun_uniform").spread((0, 3)) == math.sqrt(3)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["uniform", "untruncated_normal", "truncated_normal"])
def test_variance_scaling_has_its_scale_mode_and_distribution(mode: str, distribution: str) -> None:
    n = {"fan_in": 12, "fan_out": 21, "fan_avg": 16.5}[mode]
    factor = {
        "uniform": 3,
        "untruncated_normal": 1,
        "truncated_normal": 1 / Fraction("0.87962566103423978") ** 2,
    }[distribution]
    made = initializers.VarianceScaling(0.5, mode, distribution.upper())
    exact = Fraction(0.5) * factor / Fraction(n)
    assert abs(Fraction(made.spread((3, 4, 7))) ** 2 / exact - 1) <= 8 * Fraction(UNIT)


def test_normal_is_another_name_of_truncated_normal() -> None:
    assert initializers.VarianceScaling(distribution="normal").distribution == "truncated_normal"


# Distributions.


def cumulative_of(name: str, shape: tuple[int, ...], factor: float = 1.0) -> Any:
    """The distribution function that the documentation gives, its spread times a factor."""
    if name == "random_normal":
        return normal(0, 0.05 * factor)
    if name == "truncated_normal":
        return normal(0, 0.05 * factor, 2)
    if name == "random_uniform":
        return uniform(-0.05 * factor, 0.05 * factor)
    numerator, fans = SCALED[name]
    fan_in, fan_out = math.prod(shape[:-1]), math.prod(shape[:-2]) * shape[-1]
    spread = factor * math.sqrt(numerator / (fan_in + fan_out if fans == "sum" else fan_in))
    if name.endswith("uniform"):
        return uniform(-spread, spread)
    return normal(0, spread / 0.879625661034, 2)


DRAWN = (*SCALED, "random_normal", "random_uniform", "truncated_normal")


LARGE = [(120, 1024), (7, 24, 768), (3, 5, 32, 256)]


@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize("name", DRAWN)
def test_drawn_values_have_their_distribution(name: str, shape: tuple[int, ...]) -> None:
    """False alarm: 1e-12 each (`distributions.FALSE_ALARM`).

    Float32's rounding moves a value by 2**-24 of it and so its rank by less than 2**-24.
    """
    values = make(name, seed=31)(shape)
    assert distance(values, cumulative_of(name, shape)) <= allowed_distance(values.size) + 2.0**-24


@pytest.mark.parametrize("factor", [0.87962566, 1 / 0.87962566])
@pytest.mark.parametrize("name", DRAWN)
def test_wrong_fans_and_an_uncorrected_truncation_would_be_found(name: str, factor: float) -> None:
    """The power of the test above, at its smallest sample.

    A spread wrong by the factor 0.8796 (the truncation) or by more, as with every confusion of
    fans, moves the distribution by more than `detected_distance`, so it is found with probability
    1 - 1e-12.
    """
    shape = min(LARGE, key=math.prod)
    right, wrong = cumulative_of(name, shape), cumulative_of(name, shape, factor)
    x = np.linspace(-0.5, 0.5, 40_001)
    assert np.max(np.abs(right(x) - wrong(x))) > detected_distance(math.prod(shape))


@pytest.mark.parametrize("shape", LARGE)
def test_confused_fans_change_the_spread_by_more_than_the_truncation(
    shape: tuple[int, ...],
) -> None:
    """What that power rests on: fans exchanged, added, or without the receptive field."""
    fan_in, fan_out = initializers.compute_fans(shape)
    window, (channels, filters) = math.prod(shape[:-2]), shape[-2:]
    confused = {fan_in, fan_out, fan_in + fan_out, (fan_in + fan_out) / 2, math.prod(shape)}
    if window > 1:
        confused |= {channels, filters, window, channels + filters, (channels + filters) / 2}
    for right in (fan_in, (fan_in + fan_out) / 2):
        for wrong in confused - {right}:
            assert abs(math.log(wrong / right)) / 2 > -math.log(0.87962566), (right, wrong)


@pytest.mark.parametrize("name", FORMATS)
def test_values_are_those_of_the_generator_rounded_once(name: str) -> None:
    """Ties every dtype to the float64 numbers whose distribution is tested."""
    format = get_format(name)
    z, u = generator.normal(5, 24), generator.uniform(5, 24)
    expected = {
        "random_normal": round_float64(0.25 + 1.5 * z, format),
        "random_uniform": confined(-3 + 5 * u, -3, 2 - 2.0**-51, format),
    }
    drawn = {
        "random_normal": initializers.RandomNormal(0.25, 1.5, seed=5),
        "random_uniform": initializers.RandomUniform(-3, 2, seed=5),
    }
    for kind, values in expected.items():
        made = drawn[kind]((2, 3, 4), dtype=name)
        assert made.dtype == format.dtype
        assert made.reshape(-1).tolist() == values.tolist()


@pytest.mark.parametrize("name", FORMATS)
def test_no_value_passes_its_limit(name: str) -> None:
    """Rounding alone would pass 0.05, which bfloat16 and float32 round up; the upper is open."""
    get_format(name)
    flat = initializers.RandomUniform(-0.05, 0.05, seed=1)((200_000,), dtype=name)
    values = flat.astype(np.float64)
    assert np.all((values >= -0.05) & (values < 0.05))
    assert np.all(initializers.RandomUniform(-1, 1, seed=1)((200_000,), dtype=name) < 1)
    cut = initializers.TruncatedNormal(0.3, 0.1, seed=1)((200_000,), dtype=name)
    values = cut.astype(np.float64)
    assert np.all((values >= 0.3 - 2 * 0.1) & (values <= 0.3 + 2 * 0.1))


@pytest.mark.parametrize("name", ["he_uniform", "he_normal", "lecun_normal", "glorot_uniform"])
def test_scaled_values_keep_within_their_limit_and_reach_it(name: str) -> None:
    made = make(name, seed=2)
    values, spread = made((3, 5, 16, 128), "float64"), made.spread((3, 5, 16, 128))
    limit = spread if name.endswith("uniform") else 2 * spread
    assert 0.99 * limit < np.max(np.abs(values)) <= limit


def test_confined_values_are_the_nearest_within_the_limits() -> None:
    """Every float16 neighbour of a limit that is none itself, on both sides of zero."""
    for low, high in [(0.1, 0.3), (-0.3, -0.1), (-0.05, 1e-9), (1 - 2.0**-12, 1 + 2.0**-11)]:
        made = confined(np.linspace(low, high, 5), low, high, FLOAT16).astype(np.float64)
        assert np.all((made >= low) & (made <= high))
        assert made[2] == np.float16((low + high) / 2)
    assert confined(np.array([0.1]), 0.1, 0.1, FLOAT16).tolist() == [float(np.float16(0.1))]
    assert confined(np.array([1e6]), -1e6, 1e6, FLOAT16).tolist() == [65504.0]


def test_an_interval_without_length_holds_its_number() -> None:
    assert np.all(initializers.RandomUniform(0.25, 0.25)((3,)) == 0.25)
    assert np.all(initializers.RandomNormal(0.25, 0)((3,)) == 0.25)


# Seeds.


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_gives_the_same_values_always(name: str) -> None:
    first = make(name, seed=9)
    values = first((4, 3))
    assert first((4, 3)).tolist() == values.tolist()
    assert make(name, seed=9)((4, 3)).tolist() == values.tolist()
    assert make(name, seed=10)((4, 3)).tolist() != values.tolist()


def test_seeded_values_never_change() -> None:
    """A promise to users of seeds; the same holds for every initializer through the generator."""
    values = initializers.GlorotUniform(seed=7)((3, 3, 2, 4)).reshape(-1)[:3].tolist()
    assert [value.hex() for value in values] == PINNED_GLOROT
    values = initializers.Orthogonal(seed=7)((3, 2), "float64").reshape(-1)[:3].tolist()
    assert [value.hex() for value in values] == PINNED_ORTHOGONAL


@pytest.mark.parametrize("name", RANDOM)
def test_an_unseeded_one_keeps_the_seed_it_drew(name: str) -> None:
    random.seed(5)
    first, second = make(name), make(name)
    values = first((4, 3)).tolist()
    assert first((4, 3)).tolist() == values
    assert second((4, 3)).tolist() != values
    assert first.clone()((4, 3)).tolist() != values
    random.seed(5)
    assert make(name)((4, 3)).tolist() == values


def test_a_seed_generator_gives_other_values_at_every_call() -> None:
    initializer = initializers.RandomNormal(seed=SeedGenerator(3))
    first, second = initializer((5,)).tolist(), initializer((5,)).tolist()
    assert first != second
    again = initializers.get(json.loads(json.dumps(initializers.serialize(initializer))))
    assert [again((5,)).tolist(), again((5,)).tolist()] == [first, second]
    assert make("random_normal", seed=3)((5,)).tolist() == first


@pytest.mark.parametrize("seed", [-(2**63), -1, 0, 2**64 - 1, np.int32(4)])
def test_the_range_of_seeds(seed: int) -> None:
    assert make("random_uniform", seed=seed)((2,)).shape == (2,)


# Orthogonal.


@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(
    "shape", [(7, 7), (9, 4), (4, 9), (3, 2, 4), (3, 5, 2, 6), (1, 1), (2, 30)]
)
def test_orthogonal_matrices_are_orthogonal(
    shape: tuple[int, ...], dtype: str, gain: float
) -> None:
    """Exact products of the shorter side's vectors, against ``gain**2`` times 1 or 0.

    Bound: ``(log2(m) + 9) 2**-53`` from the float64 computation (`Orthogonal`), and ``2 u`` for
    each of the roundings of ``gain * q`` and to the format, by Cauchy and Schwarz' inequality; for
    subnormal elements one quantum each.
    """
    format = get_format(dtype)
    made = initializers.Orthogonal(gain, seed=4)(shape, dtype=dtype)
    matrix = made.reshape(-1, shape[-1]).astype(np.float64)
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    vectors = [[Fraction(value) for value in row] for row in matrix.tolist()]
    m = len(vectors[0])
    bound = Fraction((math.ceil(math.log2(m)) + 11) * UNIT + 2.01 * format.unit_roundoff)
    bound = bound * Fraction(gain) ** 2 + m * Fraction(2) ** format.quantum_exponent
    for i, first in enumerate(vectors):
        for j, second in enumerate(vectors[: i + 1]):
            product = sum(a * b for a, b in zip(first, second, strict=True))
            assert abs(product - (Fraction(gain) ** 2 if i == j else 0)) <= bound, (i, j)


def test_orthogonal_directions_are_uniform() -> None:
    """On the sphere in three dimensions each coordinate is uniform in [-1, 1] (Archimedes).

    A QR decomposition without its sign rule has the first coordinate of one sign only, a distance
    of 1/2.
    """
    corners = [initializers.Orthogonal(seed=seed)((3, 3))[0, 0] for seed in range(1500)]
    assert distance(np.array(corners), uniform(-1, 1)) <= allowed_distance(1500) < 0.25


def test_orthogonal_kernels_may_be_empty() -> None:
    for shape in [(0, 3), (3, 0), (2, 0, 4)]:
        assert initializers.Orthogonal()(shape).shape == shape


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 100])
def test_the_halving_sum_adds_every_term_once(count: int) -> None:
    terms = np.exp2(np.arange(count) % 50.0)
    assert halving_sum(terms, 0) == math.fsum(terms)
    pairs = np.stack([terms, 2 * terms])
    assert halving_sum(pairs, 1).tolist() == [math.fsum(terms), 2 * math.fsum(terms)]


# Fourier kernels.


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("window", [None, *WINDOWS])
def test_fourier_kernels_are_their_formula(side: str, window: str | None) -> None:
    """Against float64's own functions, which err by a few units where the angle is a few turns."""
    length, bands = 12, 9
    made = initializers.STFT(side, window, None, periodic=True)((length, 1, bands), "float64")
    turn = np.cos if side == "real" else np.sin
    factors = [value / 2.0**256 for value in named_window(window or "boxcar", length, True)]
    for t in range(length):
        for k in range(bands):
            expected = turn(-2 * np.pi * t * k / 16) * factors[t]
            assert abs(made[t, 0, k] - expected) <= 60 * UNIT


WINDOW_VALUES = {
    ("hann", False): [0, 0.5, 1, 0.5, 0],
    ("hann", True): [0, 0.5 - math.sqrt(5) / 8 + 0.125, 0.625 + math.sqrt(5) / 8],
    ("hamming", False): [0.08, 0.54, 1, 0.54, 0.08],
    ("blackman", False): [0, 0.34, 1, 0.34, 0],
    ("bartlett", False): [0, 0.5, 1, 0.5, 0],
    ("triang", False): [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3],
    ("cosine", False): [math.sin(math.pi / 10), math.sin(3 * math.pi / 10), 1],
    ("boxcar", True): [1, 1, 1, 1, 1],
}


@pytest.mark.parametrize(("name", "periodic"), WINDOW_VALUES)
def test_windows_have_their_values(name: str, periodic: bool) -> None:
    values = [value / 2.0**256 for value in named_window(name, 5, periodic)]
    for value, expected in zip(values, WINDOW_VALUES[name, periodic], strict=False):
        assert abs(value - expected) <= 4 * UNIT
    if not periodic:
        assert values == values[::-1]


@pytest.mark.parametrize("scaling", ["density", "spectrum"])
def test_fourier_windows_are_normalised(scaling: str) -> None:
    window = [1.0, -2.0, 4.0]
    made = initializers.STFT("real", window, scaling)((3, 1, 2), "float64")
    divisor = math.sqrt(21) if scaling == "density" else 7
    assert made[:, 0, 0].tolist() == [value / divisor for value in window]
    assert made[:, 0, 1].tolist() == [value / divisor for value in (1.0, 2.0, 4.0)]


# Names and configurations.


def settings(module: Any) -> list[tuple[str, str]]:
    return [
        (reading, name)
        for reading in READINGS
        for name in module.REGISTRY.names(reading)
        if name.lower() != "initializer"
    ]


@pytest.mark.parametrize(("reading", "name"), settings(initializers))
def test_every_name_survives_its_configuration(reading: str, name: str) -> None:
    with reading_as(reading):
        made = initializers.get(name)
        config = json.loads(json.dumps(initializers.serialize(made)))
        for form in (config, {key: config[key] for key in ("class_name", "config")}):
            again = initializers.get(form)
            assert type(again) is type(made)
            assert initializers.serialize(again) == config
        assert config["module"] == "keras.initializers"
        assert made((4, 1, 6) if "stft" in name.lower() else (4, 6)).dtype == np.float32


EXAMPLES = [
    initializers.Constant(0.1),
    initializers.Constant(np.arange(3.0)),
    initializers.Identity(2.5),
    initializers.RandomNormal(0.5, 0.1, 3),
    initializers.RandomUniform(-1, 1, 3),
    initializers.TruncatedNormal(0.5, 0.1, 3),
    initializers.VarianceScaling(2, "fan_out", "uniform", 3),
    initializers.VarianceScaling(seed=3, input_axes=[0], output_axes=[1]),
    initializers.HeNormal(3),
    initializers.Orthogonal(0.5, 3),
]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_parameters_survive_their_configuration(example: Any, reading: str) -> None:
    with reading_as(reading):
        again = initializers.get(json.loads(json.dumps(initializers.serialize(example))))
        assert again((3, 3)).tolist() == example((3, 3)).tolist()


def test_configurations_have_the_keys_of_each_version() -> None:
    """Keras 3.15 and tf_keras 2.21 write these; only Keras 3 has the axes, and drops the gain."""
    axes = {"input_axes": None, "output_axes": None}
    assert make("glorot_uniform").get_config() == {"seed": None, **axes}
    assert make("identity").get_config() == {}
    with reading_as("keras2"):
        assert make("glorot_uniform").get_config() == {"seed": None}
        assert make("identity").get_config() == {"gain": 1.0}
        assert "input_axes" not in make("variance_scaling").get_config()


def test_configurations_of_early_versions_are_read() -> None:
    """Keras 2 wrote Glorot's as a VarianceScaling, and TensorFlow 1 added a dtype."""
    old = {
        "scale": 1.0,
        "mode": "fan_avg",
        "distribution": "uniform",
        "seed": 8,
        "dtype": "float32",
    }
    assert make("VarianceScaling", **old)((3, 4)).tolist() == (
        make("glorot_uniform", seed=8)((3, 4)).tolist()
    )


def test_names_of_one_version_only() -> None:
    names3, names2 = (initializers.REGISTRY.names(reading) for reading in READINGS)
    assert set(names3) - set(names2) == {
        "STFT", "stft", "STFTInitializer", "IdentityInitializer", "OrthogonalInitializer",
    }  # fmt: skip
    assert all("V2" in name for name in set(names2) - set(names3))
    assert {"GlorotUniformV2", "glorot_uniformV2", "ZerosV2"} <= set(names2)


# What is refused.

REFUSED = {
    "negative length": lambda: initializers.Zeros()((2, -1)),
    "unknown length": lambda: initializers.Ones()((2, None)),
    "unknown dtype": lambda: initializers.Zeros()((2,), "float8"),
    "integers drawn": lambda: initializers.RandomNormal()((2,), "int32"),
    "scale of zero": lambda: initializers.VarianceScaling(0),
    "infinite scale": lambda: initializers.VarianceScaling(math.inf),
    "mode": lambda: initializers.VarianceScaling(mode="FAN_IN"),
    "distribution": lambda: initializers.VarianceScaling(distribution="cauchy"),
    "negative stddev": lambda: initializers.RandomNormal(stddev=-1),
    "nan mean": lambda: initializers.TruncatedNormal(mean=math.nan),
    "empty interval": lambda: initializers.RandomUniform(1, 0),
    "text as a seed": lambda: initializers.HeNormal("a"),
    "fraction as a seed": lambda: initializers.HeNormal(1.5),
    "truth as a seed": lambda: initializers.HeNormal(True),
    "seed too large": lambda: initializers.HeNormal(2**64),
    "identity of rank 4": lambda: initializers.Identity()((3, 3, 1, 2)),
    "infinite gain": lambda: initializers.Identity(math.inf),
    "orthogonal vector": lambda: initializers.Orthogonal()((3,)),
    "absent axis": lambda: initializers.compute_fans((2, 3), input_axes=[2]),
    "axis twice": lambda: initializers.compute_fans((2, 3), output_axes=[0, -2]),
    "array that does not broadcast": lambda: initializers.Constant([1, 2])((3,)),
    "side": lambda: initializers.STFT("both"),
    "window": lambda: initializers.STFT(window="kaiser"),
    "scaling": lambda: initializers.STFT(scaling="l2"),
    "window of zeros": lambda: initializers.STFT()((2, 1, 3)),
    "window of another length": lambda: initializers.STFT(window=[1.0])((2, 1, 3)),
    "two channels": lambda: initializers.STFT()((4, 2, 3)),
    "name": lambda: initializers.get("xavier"),
    "number as identifier": lambda: initializers.get(3),
}
WRONG_TYPES = {
    "shape of text": lambda: initializers.Zeros()("ab"),
    "text as a value": lambda: initializers.Constant("a"),
    "nothing as a gain": lambda: initializers.Orthogonal(None),
    "text as a scale": lambda: initializers.VarianceScaling("1"),
    "truth as a limit": lambda: initializers.RandomUniform(False, True),
    "fraction as an axis": lambda: initializers.VarianceScaling(input_axes=[0.5]),
    "window of text": lambda: initializers.STFT(window=["a"]),
}


@pytest.mark.parametrize("refused", REFUSED)
def test_wrong_values_are_refused(refused: str) -> None:
    with pytest.raises(ValueError, match=r"expected|all zero"):
        REFUSED[refused]()


@pytest.mark.parametrize("refused", WRONG_TYPES)
def test_wrong_types_are_refused(refused: str) -> None:
    with pytest.raises(TypeError, match="expected"):
        WRONG_TYPES[refused]()


def test_the_base_class_has_no_values() -> None:
    with pytest.raises(NotImplementedError, match="Initializer defines no initial values"):
        initializers.get("initializer")((2,))


def test_a_uniform_distribution_may_be_longer_than_the_largest_float() -> None:
    """``high - low`` overflows; halves of it do not: the tenths of the range are all met."""
    low, high = -1.7e308, 1.7e308
    values = initializers.RandomUniform(low, high, seed=1)((2000,), "float64")
    tenths = np.floor((values / 2 / high + 0.5) * 10).astype(int)
    assert np.bincount(tenths, minlength=10).min() > 140
    wide = initializers.VarianceScaling(1.7e308, "fan_in", "uniform", seed=1)((1, 4), "float64")
    assert np.isfinite(wide).all()
