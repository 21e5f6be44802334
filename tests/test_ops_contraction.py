"""Every way in which a convolution is cut into matrix products gives the same exact sums."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from adversarial import PROBLEMS, Problem
from exact_convolution import exact_convolution
from numpy.typing import NDArray

from reference_impl.ops import columns, contraction, shifts
from reference_impl.ops.contraction import additions, blocks_of_sums, contract, roundings_of_sums
from reference_impl.ops.convolution import plain_convolution
from reference_impl.ops.geometry import window_axes, without_padding
from reference_impl.ops.windows import pad

MORE = (
    Problem(3, (8, 9), (3, 4), (1, 2), (1, 1), "same", 5, 7),
    Problem(2, (6, 5, 4), (2, 3, 2), (1, 1, 2), (1, 1, 1), "same", 6, 3),
    Problem(2, (17,), (5,), (2,), (1,), "same", 1, 3),
    Problem(1, (9, 9), (1, 1), (2, 3), (1, 1), "valid", 3, 2),
)
ALWAYS = {"MOST_FILTERS": 99, "LEAST_RATIO": 0}
LIMITS = {
    "as it is": {},
    "blocks of many rows": {"SMALL": 0},
    "blocks of one row": {"SMALL": 0, "BLOCK": 1, "NARROW_BLOCK": 1, "LARGEST": 1},
    "blocks of a few rows": {"SMALL": 0, "BLOCK": 2000, "NARROW_BLOCK": 2000, "LEAST_ROWS": 1},
    "pieces of three products": {"SMALL": 0, "PIECE": 3},
    "few sums at a time": {"OUTPUTS": 20, "LEAST_ROWS": 1, "PIECE": 5},
    "by shifts": {"SMALL": 0, **ALWAYS},
    "by shifts of a few inputs": {"SMALL": 0, "AT_A_TIME": 3000, **ALWAYS},
    "by shifts of one row": {"SMALL": 0, "AT_A_TIME": 1, "OUTPUTS": 20, "LEAST_ROWS": 1, **ALWAYS},
}


@pytest.fixture(params=LIMITS)
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way of cutting, one test each."""
    for name, value in LIMITS[request.param].items():
        for module in (columns, contraction, shifts):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)


def integers(problem: Problem, dtype: str) -> tuple[NDArray[Any], NDArray[Any], list[Any]]:
    """Inputs and kernel, and the exact convolution in C order."""
    x, w = (
        np.random.default_rng(seed).integers(-3, 4, shape).astype(np.dtype(dtype))
        for seed, shape in (
            (1, (problem.batch, *problem.spatial, problem.channels)),
            (2, (*problem.window, problem.channels, problem.filters)),
        )
    )
    return x, w, list(exact_convolution(x, w, None, problem.axes, 0))


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("problem", [*PROBLEMS, *MORE], ids=str)
def test_all_strategies_add_the_same_products(problem: Problem) -> None:
    x, w, exact = integers(problem, "float64")
    outputs = tuple(max(axis.output, 0) for axis in problem.axes)
    for inputs, axes in ((x, problem.axes), (pad(x, problem.axes), without_padding(problem.axes))):
        got = contract(inputs, w, axes)
        assert got.shape == (problem.batch, *outputs, problem.filters)
        assert got.reshape(-1).tolist() == exact


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("problem", [*PROBLEMS, *MORE], ids=str)
def test_blocks_of_sums_are_the_convolution_in_order(problem: Problem) -> None:
    """In float64 whatever the operands are, and never more windows at a time than asked for."""
    most = contraction.most_rows(problem.filters)
    for dtype in ("float32", "float64"):
        x, w, exact = integers(problem, dtype)
        matrix = w.reshape(-1, problem.filters)
        got, stop = [], 0
        for rows, sums in blocks_of_sums(x, matrix, problem.axes):
            assert sums.dtype == np.float64
            assert rows.start == stop
            assert rows.stop - rows.start == len(sums) <= most
            got += sums.reshape(-1).tolist()
            stop = rows.stop
        assert got == exact


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("problem", [*PROBLEMS, *MORE], ids=str)
def test_blocks_of_sums_add_the_product_of_two_more_factors(problem: Problem) -> None:
    x, w, exact = integers(problem, "float32")
    random = np.random.default_rng(3)
    windows = len(exact) // problem.filters
    left, right = (
        random.integers(-9, 10, shape).astype(np.float64)
        for shape in ((windows, 2), (2, problem.filters))
    )
    blocks = blocks_of_sums(x, w.reshape(-1, problem.filters), problem.axes, (left, right))
    got = [value for _, sums in blocks for value in sums.reshape(-1).tolist()]
    expected = np.array(exact, np.float64).reshape(windows, problem.filters) + left @ right
    assert got == expected.reshape(-1).tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_plain_convolution_keeps_the_dtype(dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    problem = PROBLEMS[0]
    x, w, exact = integers(problem, dtype)
    got = plain_convolution(x, w, problem.axes)
    assert got.dtype == x.dtype
    assert got.astype(np.float64).reshape(-1).tolist() == exact


def test_no_strategy_copies_more_than_eight_mebibytes_of_windows() -> None:
    """All together would take 11 to 297 MiB; and one example is padded at a time."""
    shapes = (
        ((1, 64, 64, 128), (3, 3), 8, 1),
        ((1, 60, 1000, 8), (7, 4), 4, 1),
        ((4, 600, 600, 3), (3, 3), 2, 1),
        ((50, 40, 40, 16), (3, 3), 2, 1),
        ((1, 300, 300, 64), (1, 1), 2, 2),
    )
    for shape, window, filters, stride in shapes:
        axes = window_axes(shape[1:-1], window, (stride, stride), (1, 1), "same")
        x, w = np.ones(shape), np.ones((*window, shape[-1], filters))
        tracemalloc.start()
        out = contract(x, w, axes)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        example = x[:1]
        padded = pad(example, axes)
        padding = 0 if padded is example else max(padded.nbytes, columns.BLOCK)
        assert peak - out.nbytes - padding < 8.5 * 2**20, shape


def test_a_term_goes_through_at_most_so_many_additions() -> None:
    """Pieces of 512 products, then one addition for each piece of each sum."""
    products = (0, 1, 512, 513, 1024, 4608)
    assert [additions(k, 512) for k in products] == [0, 2, 513, 514, 514, 521]
    assert [additions(k, 512, 3) for k in products] == [0, 4, 515, 518, 518, 539]
    assert [roundings_of_sums(k) for k in products] == [0, 2, 513, 514, 514, 521]
    assert [roundings_of_sums(k, 2) for k in products] == [2, 4, 515, 516, 516, 523]


def test_the_gradient_of_few_channels_is_made_by_shifts() -> None:
    """Of as many windows as inputs from four channels to a filter on, of more windows earlier."""
    same = window_axes((32, 32), (3, 3), (1, 1), (1, 1), "same")
    strided = window_axes((32, 32), (3, 3), (2, 2), (1, 1), "same")
    x = np.ones((8, 32, 32, 32), np.float32)
    assert shifts.pays(x, 8, same)
    assert not shifts.pays(x, 9, same)
    assert not shifts.pays(x, 3, strided)
    assert not shifts.pays(x[:, :, :, :4], 3, same)
    assert not shifts.pays(x[:1, :3, :3], 3, window_axes((3, 3), (3, 3), (1, 1), (1, 1), "same"))
    large = window_axes((3000, 3000), (3, 3), (1, 1), (1, 1), "same")
    assert not shifts.pays(np.broadcast_to(x[:1, :1, :1], (1, 3000, 3000, 32)), 3, large)


def test_shifts_take_no_more_memory_than_windows_may() -> None:
    """The products of 64 channels with all taps would take 10 MiB, the windows 220."""
    axes = window_axes((224, 224), (3, 3), (1, 1), (1, 1), "same")
    x, w = np.ones((1, 224, 224, 64), np.float32), np.ones((576, 3), np.float32)
    assert shifts.pays(x, 3, axes)
    tracemalloc.start()
    for _ in blocks_of_sums(x, w, axes):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8.5 * 2**20


def test_no_term_goes_through_more_roundings_by_shifts(monkeypatch: pytest.MonkeyPatch) -> None:
    """More channels than products in a piece would: they go the other way."""
    axes = window_axes((40, 40), (2, 1), (1, 1), (1, 1), "same")
    taken: list[int] = []
    monkeypatch.setattr(shifts, "blocks_by_shifts", lambda x, *_: taken.append(x.shape[-1]) or ())
    for channels in (512, 600):
        x, w = np.ones((2, 40, 40, channels)), np.ones((2 * channels, 2))
        assert shifts.pays(x, 2, axes)
        list(blocks_of_sums(x, w, axes))
    assert taken == [512]
    assert shifts.roundings(2, 512) == 514 == roundings_of_sums(1024)
    assert shifts.roundings(2, 600) > roundings_of_sums(1200)


def test_slabs_cover_every_position_once_and_in_order() -> None:
    for shape in ((3, 4, 5), (2, 7), (6,), (1, 1, 3), (4, 1, 2)):
        for rows in range(1, 1 + math.prod(shape)):
            numbers = np.arange(math.prod(shape)).reshape(shape)
            slabs = list(columns._slabs(shape, rows, 7))
            got = itertools.chain.from_iterable(
                [numbers[index].reshape(-1).tolist() for index, _ in slabs]
            )
            assert list(got) == list(range(numbers.size))
            stops = [7, *(stop for _, stop in slabs)]
            assert [b - a for a, b in itertools.pairwise(stops)] == [
                numbers[index].size for index, _ in slabs
            ]
            assert all(numbers[index].size <= max(rows, 1) for index, _ in slabs)
