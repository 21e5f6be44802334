"""Memory that is used again never serves two at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from reference_impl.ops.columns import blocks_of_columns
from reference_impl.ops.contraction import contract
from reference_impl.ops.geometry import window_axes
from reference_impl.ops.scratch import Scratch


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
