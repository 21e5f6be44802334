"""Memory that is used again never serves two at a time, and only so much is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from numpy.typing import NDArray

from reference_impl.ops import scratch as scratch_module
from reference_impl.ops.columns import blocks_of_columns
from reference_impl.ops.contraction import contract
from reference_impl.ops.geometry import window_axes
from reference_impl.ops.scratch import KeptScratch, Scratch


def test_arrays_have_the_shape_and_the_type() -> None:
    for dtype in (np.float32, np.float64):
        scratch = Scratch(dtype)
        for shape in ((3, 4), (2,), (0, 5), (30, 1, 2)):
            array = scratch.array(*shape)
            assert array.shape == shape
            assert array.dtype == dtype
            assert array.flags.writeable


def test_smaller_arrays_use_the_same_memory() -> None:
    scratch = Scratch()
    large, small = scratch.array(10, 10), scratch.array(5)
    assert np.shares_memory(large, small)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """What is kept: nothing yet, and at most 1000 bytes."""
    memory: list[NDArray[np.uint8]] = []
    monkeypatch.setattr(scratch_module, "_kept", memory)
    monkeypatch.setattr(scratch_module, "MOST_KEPT", 1000)
    return memory


def test_kept_memory_is_used_again_but_never_by_two(kept: list[NDArray[np.uint8]]) -> None:
    with KeptScratch(np.float32) as first, KeptScratch(np.float64) as second:
        a, b = first.array(100), second.array(50)
        assert not np.shares_memory(a, b)
        assert kept == []
    with KeptScratch(np.float64) as third, KeptScratch(np.uint8) as fourth:
        c, d = third.array(40), fourth.array(400)
        assert not np.shares_memory(c, d)
        assert np.shares_memory(a, c) != np.shares_memory(b, c)
        assert np.shares_memory(a, d) != np.shares_memory(b, d)


def test_memory_that_was_given_back_is_another_ones(kept: list[NDArray[np.uint8]]) -> None:
    with KeptScratch() as first:
        first.array(50)
    with KeptScratch() as second:
        assert not np.shares_memory(second.array(50), first.array(50))


@pytest.mark.parametrize(
    ("sizes", "left"),
    [
        ((126,), []),
        ((125,), [1000]),
        ((60, 65), [520, 480]),
        ((60, 50, 20), [400, 480]),
        ((126, 60), [480]),
        ((60, 126), [480]),
    ],
)
def test_the_newest_memory_within_the_limit_is_kept(
    kept: list[NDArray[np.uint8]], sizes: tuple[int, ...], left: list[int]
) -> None:
    """Released in the opposite order."""
    with ExitStack() as stack:
        for size in sizes:
            stack.enter_context(KeptScratch(np.float64)).array(size)
    assert [len(memory) for memory in kept] == left


def test_the_smallest_memory_that_is_large_enough_is_used(kept: list[NDArray[np.uint8]]) -> None:
    kept[:] = [np.empty(size, np.uint8) for size in (300, 100, 200)]
    with KeptScratch(np.uint8) as scratch:
        scratch.array(150)
        assert [len(memory) for memory in kept] == [300, 100]
        scratch.array(250)
        assert [len(memory) for memory in kept] == [100, 200]
    assert [len(memory) for memory in kept] == [100, 200, 300]


def test_convolutions_in_several_threads_do_not_disturb_each_other() -> None:
    shape = (1, 40, 40, 16)
    axes = window_axes(shape[1:-1], (3, 3), (1, 1), (1, 1), "same")

    def sums(value: int) -> set[float]:
        kernel = np.full((3, 3, 16, 8), float(value))
        interior = [contract(np.ones(shape), kernel, axes)[0, 1:-1, 1:-1] for _ in range(10)]
        return set(np.concatenate(interior).reshape(-1).tolist())

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(sums, range(20))) == [{144.0 * value} for value in range(20)]


@pytest.mark.parametrize("channels", [2, 16])
def test_windows_of_two_arrays_side_by_side_are_their_own(channels: int) -> None:
    """As the slices of float64 inputs are taken; an abandoned iteration takes nothing along."""
    shape = (1, 64, 64, channels)
    axes = window_axes(shape[1:-1], (3, 3), (1, 1), (1, 1), "same")
    ones = blocks_of_columns(np.ones(shape), axes, most=500)
    twos = blocks_of_columns(np.full(shape, 2.0), axes, most=500)
    for (_, a), (_, b) in zip(ones, twos, strict=True):
        assert np.array_equal(2 * a, b)
    abandoned = blocks_of_columns(np.ones(shape), axes, most=500)
    _, held = next(abandoned)
    for _, _ in blocks_of_columns(np.zeros(shape), axes, most=500):
        pass
    assert held.any()
