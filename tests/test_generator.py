"""The random numbers: to the bit as specified, and of the distributions that they are to have."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from distributions import allowed_distance, distance, normal, uniform

from reference_impl.ops import generator

MASK = 2**64 - 1
PINNED = {
    "normal": ["0x1.2cb6377a80d40p-1", "0x1.89c03ab5f0986p-2", "0x1.fc3c1523a25c0p-4"],
    "truncated_normal": ["0x1.1d793f90d8761p-1", "0x1.76fd9aa71bba7p-2", "0x1.e4ffb7b0074a9p-4"],
    "uniform": ["0x1.7169852efd579p-1", "0x1.4ca60bfa671d9p-1", "0x1.1947976d94c62p-1"],
}

SEEDS = (0, 1, 7, -1, 2**63, 2**64 - 1)


def splitmix(state: int, count: int) -> list[int]:
    """SplitMix64 as its paper has it: a state that is advanced, and then mixed."""
    outputs = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        outputs.append(z ^ (z >> 31))
    return outputs


def horner(coefficients: tuple[float, ...], t: float) -> float:
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = value * t + coefficient
    return value


def logarithm(x: float) -> float:
    m, e = math.frexp(x)
    if m < 0.7071067811865476:
        m, e = 2 * m, e - 1
    s = (m - 1) / (m + 1)
    series = horner(tuple(2 / (2 * k + 1) for k in range(11)), s * s)
    return e * 0.6931471803691238 + (s * series + e * 1.9082149292705877e-10)


def quantile(q: float) -> float:
    """The specification in the generator"s docstring, one number at a time."""
    if abs(q) <= 0.375:
        t = 0.140625 - q * q
        return q * (horner(generator.CENTRE[0], t) / horner(generator.CENTRE[1], t))
    r = math.sqrt(-logarithm(0.5 - abs(q)))
    table, t = (generator.MIDDLE, r - 1.4375) if r <= 3 else (generator.FAR, r - 3)
    return math.copysign(horner(table[0], t) / horner(table[1], t), q)


def centred(word: int) -> float:
    return (2 * (word >> 12) + 1) * 2.0**-53 - 0.5


def test_splitmix64_gives_the_published_outputs() -> None:
    """The five outputs for 1234567 that implementations of SplitMix64 are checked against."""
    assert splitmix(1234567, 5) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert generator.key(1234567, 4) == 16408922859458223821


@pytest.mark.parametrize("stream", [0, 1, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_words_are_splitmix64_of_splitmix64(seed: int, stream: int) -> None:
    key = splitmix(seed & MASK, stream + 1)[stream]
    assert generator.words(seed, 100, stream).tolist() == splitmix(key, 100)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_number_follows_the_specification_to_the_bit(seed: int) -> None:
    """Guards against any step that depends on the machine or on NumPy"s own functions."""
    words = splitmix(splitmix(seed & MASK, 1)[0], 3000)
    assert generator.uniform(seed, 3000).tolist() == [(word >> 11) * 2.0**-53 for word in words]
    assert generator.centred(seed, 3000).tolist() == [centred(word) for word in words]
    assert generator.normal(seed, 3000).tolist() == [quantile(centred(word)) for word in words]
    cut = [quantile(0.9544997361036416 * centred(word)) for word in words]
    assert generator.truncated_normal(seed, 3000).tolist() == [min(max(z, -2), 2) for z in cut]


def test_the_numbers_of_a_seed_never_change() -> None:
    """Seeded weights are a promise: these values were computed once and written down."""
    assert [value.hex() for value in generator.uniform(7, 3).tolist()] == PINNED["uniform"]
    assert [value.hex() for value in generator.normal(7, 3).tolist()] == PINNED["normal"]
    cut = generator.truncated_normal(7, 3).tolist()
    assert [value.hex() for value in cut] == PINNED["truncated_normal"]


def test_a_draw_does_not_depend_on_how_many_are_made() -> None:
    assert generator.normal(3, 10).tolist() == generator.normal(3, 1000)[:10].tolist()
    assert generator.normal(3, 0).shape == (0,)


def test_seeds_and_streams_give_different_words() -> None:
    drawn = [generator.words(seed, 1000, stream) for seed in range(20) for stream in range(5)]
    assert len(set(np.concatenate(drawn).tolist())) == 100_000


def phi_excess(z: Decimal, q: Decimal) -> Decimal:
    """``(Phi(z) - 1/2 - q) / phi(z)``: how far z is from the quantile, to first order.

    ``Phi(z) - 1/2 = phi(z) (z + z**3 / 3 + z**5 / (3 * 5) + ...)`` (Abramowitz and Stegun 26.2.11).
    """
    series = term = z
    k = 3
    while abs(term) > abs(series) * Decimal("1e-60"):
        term *= z * z / k
        series += term
        k += 2
    pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628621")
    return series - q * (2 * pi).sqrt() * (z * z / 2).exp()


def edges() -> list[float]:
    """Both ends of every branch, and the smallest and largest arguments."""
    middle = 0.5 - math.exp(-9)
    near = [math.nextafter(x, to) for x in (0.375, middle) for to in (0, 1)]
    return [2.0**-53, 0.375, *near, *(0.5 - 2.0**-k for k in range(3, 54))]


def test_the_quantile_is_as_accurate_as_stated() -> None:
    q = np.array(edges() + generator.centred(11, 400).tolist())
    with localcontext() as context:
        context.prec = 80
        for argument, value in zip(q.tolist(), generator.quantile(q).tolist(), strict=True):
            error = phi_excess(Decimal(value), Decimal(argument)) / Decimal(value)
            assert abs(error) <= Decimal(generator.QUANTILE_ERROR), argument


def test_the_quantile_is_odd_and_increases() -> None:
    """A branch joined wrongly would break the order of neighbours by more than their errors."""
    q = np.sort(np.array(edges() + generator.centred(5, 2000).tolist()))
    positive = np.sort(np.abs(q))
    assert generator.quantile(-positive).tolist() == (-generator.quantile(positive)).tolist()
    z = generator.quantile(positive[np.diff(positive, prepend=-1) > 1e-12])
    assert np.all(np.diff(z) > 0)


def test_the_logarithm_is_accurate() -> None:
    """Within 2 units: at most one in the series and its factor, one in the last sum."""
    x = np.exp2(-np.linspace(1, 53, 500))
    with localcontext() as context:
        context.prec = 50
        for argument, value in zip(x.tolist(), generator.log(x).tolist(), strict=True):
            assert abs(Decimal(value) / Decimal(argument).ln() - 1) <= Decimal(2 * 2.0**-53)


@pytest.mark.parametrize(
    ("draw", "cumulative"),
    [
        (generator.uniform, uniform(0, 1)),
        (generator.centred, uniform(-0.5, 0.5)),
        (generator.normal, normal(0, 1)),
        (generator.truncated_normal, normal(0, 1, 2)),
    ],
    ids=["uniform", "centred", "normal", "truncated_normal"],
)
def test_the_numbers_have_their_distribution(draw, cumulative) -> None:
    count = 200_000
    assert distance(draw(2024, count), cumulative) <= allowed_distance(count)


@pytest.mark.parametrize("lag", [1, 2, 3, 64])
def test_neighbours_are_independent(lag: int) -> None:
    """Products of disjoint pairs average to 0: beyond t with ``2 exp(-8 n t**2)`` (Hoeffding)."""
    values = generator.centred(99, 400_000)
    blocks = values[: len(values) // (2 * lag) * 2 * lag].reshape(-1, 2, lag)
    products = blocks[:, 0] * blocks[:, 1]
    assert abs(products.mean()) <= math.sqrt(math.log(2e12) / (8 * products.size))
