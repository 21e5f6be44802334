"""Windows: views, gathered rows and reductions against indices in loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from adversarial import PROBLEMS, Problem
from numpy.typing import NDArray

from reference_impl.ops.geometry import WindowAxis, cut_to, meeting_window, window_axes
from reference_impl.ops.windows import (
    gather_windows,
    meeting,
    pad,
    reduce_windows,
    taps,
    window_view,
)


def expected_windows(inputs: NDArray[Any], problem: Problem) -> NDArray[Any]:
    """Every window by index arithmetic, zero where it meets padding."""
    axes = problem.axes
    outputs = tuple(max(axis.output, 0) for axis in axes)
    result = np.zeros((len(inputs), *outputs, *problem.window, inputs.shape[-1]), inputs.dtype)
    ranges = (range(n) for n in (*outputs, *problem.window))
    for index in itertools.product(*ranges):
        o, t = index[: len(axes)], index[len(axes) :]
        where = [
            oi * axis.stride + ti * axis.dilation - axis.pad_before
            for oi, ti, axis in zip(o, t, axes, strict=True)
        ]
        if all(0 <= i < axis.length for i, axis in zip(where, axes, strict=True)):
            result[(slice(None), *o, *t)] = inputs[(slice(None), *where)]
    return result


def numbered(problem: Problem) -> NDArray[np.float32]:
    shape = (problem.batch, *problem.spatial, problem.channels)
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)


LAYOUTS = {
    "contiguous": lambda x: x,
    "Fortran order": np.asfortranarray,
    "every other channel": lambda x: np.repeat(x, 2, -1)[..., ::2],
    "reversed batch": lambda x: x[::-1].copy()[::-1],
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_views_hold_the_windows(problem: Problem, layout: str) -> None:
    inputs = numbered(problem)
    padded = pad(LAYOUTS[layout](inputs), problem.axes)
    view = window_view(padded, problem.axes)
    assert np.array_equal(view, expected_windows(inputs, problem))
    assert not view.size or np.shares_memory(view, padded)
    assert not view.flags.writeable


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_gathered_rows_are_the_windows_at_these_positions(problem: Problem) -> None:
    inputs = numbered(problem)
    expected = expected_windows(inputs, problem)
    count = int(np.prod(expected.shape[: len(problem.axes) + 1]))
    rows = expected.reshape(count, int(np.prod(expected.shape[len(problem.axes) + 1 :])))
    positions = np.arange(count)[::-2]
    got = gather_windows(pad(inputs, problem.axes), problem.axes, positions)
    assert np.array_equal(got, rows[positions])


@pytest.mark.parametrize("contiguous", [True, False])
def test_a_view_past_the_end_is_refused(contiguous: bool) -> None:
    axes = (WindowAxis(5, 3, 1, 1, 0, 0, 4),)
    inputs = np.zeros((2, 5, 2)) if contiguous else np.zeros((2, 5, 4))[..., ::2]
    with pytest.raises(ValueError, match="windows span 6 elements of a padded axis of length 5"):
        window_view(inputs, axes)


def test_nothing_is_copied_where_nothing_is_padded() -> None:
    inputs = np.zeros((1, 5, 2))
    assert pad(inputs, window_axes((5,), (3,), (1,), (1,), "valid")) is inputs


def test_taps_pair_outputs_with_the_inputs_that_they_meet() -> None:
    """All one-axis geometries up to length 6, window 4, stride 3, dilation 2."""
    ranges = (range(7), range(1, 5), range(1, 4), range(1, 3), ("same", "valid"))
    for n, k, s, d, padding in itertools.product(*ranges):
        (axis,) = window_axes((n,), (k,), (s,), (d,), padding)
        found = [
            pair
            for outputs, inputs in taps(axis)
            for pair in zip(range(axis.output)[outputs], range(n)[inputs], strict=True)
        ]
        expected = [
            (o, i)
            for t in range(k)
            for o in range(axis.output)
            if 0 <= (i := o * s + t * d - axis.pad_before) < n
        ]
        assert found == expected, axis


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_sums_of_windows_leave_padding_out(problem: Problem) -> None:
    inputs = numbered(problem).astype(np.float64)
    window_axes_of_view = tuple(range(len(problem.axes) + 1, 2 * len(problem.axes) + 1))
    expected = expected_windows(inputs, problem).sum(window_axes_of_view)
    assert np.array_equal(reduce_windows(inputs, problem.axes, np.add, 0.0), expected)


def test_the_meeting_taps_hold_every_tap_that_meets_an_input() -> None:
    """All one-axis geometries up to length 7, window 9, stride 4, dilation 12."""
    ranges = (range(8), range(1, 10), range(1, 5), range(1, 13), ("same", "valid"))
    for n, k, s, d, padding in itertools.product(*ranges):
        (axis,) = window_axes((n,), (k,), (s,), (d,), padding)
        met = [t for t in range(k) if axis.output > 0 and meeting(axis, t) is not None]
        assert set(met) <= set(axis.meeting_taps), axis
        if met and d <= s:
            assert [met[0], met[-1]] == [axis.meeting_taps[0], axis.meeting_taps[-1]], axis
        cut = meeting_window((axis,))
        if cut is not None and all(cut):
            (smaller,) = cut_to(cut, (axis,))
            assert smaller.padding_total <= 2 * n, axis
