"""Max pooling against the definition in loops, element by element and bit by bit."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reference_impl.ops.geometry import WindowAxis, window_axes
from reference_impl.ops.max_pooling import max_pool

ONE_AXIS = [
    (n, k, s, padding)
    for n, k, s, padding in itertools.product(
        range(1, 8), range(1, 5), range(1, 4), ("same", "valid")
    )
    if padding == "same" or n >= k
]


def largest(values: list[float]) -> float:
    """NaN if there is one; else the largest, with +0 above -0."""
    if any(math.isnan(value) for value in values):
        return math.nan
    return max(values, key=lambda value: (value, math.copysign(1.0, value)))


def expected_pool(inputs: NDArray[Any], axes: tuple[WindowAxis, ...]) -> NDArray[np.float64]:
    outputs = tuple(axis.output for axis in axes)
    result = np.empty((inputs.shape[0], *outputs, inputs.shape[-1]))
    for n, *o, c in itertools.product(*(range(length) for length in result.shape)):
        starts = [i * axis.stride - axis.pad_before for i, axis in zip(o, axes, strict=True)]
        window = itertools.product(
            *(
                range(max(i, 0), min(i + a.window, a.length))
                for i, a in zip(starts, axes, strict=True)
            )
        )
        result[(n, *o, c)] = largest([float(inputs[(n, *where, c)]) for where in window])
    return result


def same_bits(got: NDArray[Any], expected: NDArray[np.float64]) -> bool:
    """Equal, zeros with equal signs, NaN at equal places."""
    got = got.astype(np.float64)
    numbers = ~np.isnan(expected)
    return bool(
        (np.isnan(got) == ~numbers).all()
        and (got[numbers].view(np.int64) == expected[numbers].view(np.int64)).all()
    )


def values(kind: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    random = np.random.default_rng(len(shape))
    if kind == "negative":
        return -1.0 - random.random(shape)
    if kind == "zeros":
        return random.choice((0.0, -0.0, -1.0), shape)
    if kind == "special":
        return random.choice((np.nan, np.inf, -np.inf, -np.inf, -np.inf, 1.0), shape)
    return random.standard_normal(shape)


@pytest.mark.parametrize("kind", ["normal", "negative", "zeros", "special"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_one_axis(dtype: str, kind: str) -> None:
    """Lengths 1 to 7, pools 1 to 4, strides 1 to 3, both paddings."""
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    for n, k, s, padding in ONE_AXIS:
        axes = window_axes((n,), (k,), (s,), (1,), padding)
        inputs = values(kind, (2, n, 3)).astype(np.dtype(dtype))
        before = inputs.copy()
        pooled = max_pool(inputs, axes)
        assert pooled.dtype == inputs.dtype
        assert same_bits(pooled, expected_pool(inputs, axes)), (n, k, s, padding)
        assert inputs.tobytes() == before.tobytes()


@pytest.mark.parametrize("kind", ["normal", "zeros", "special"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_two_and_three_axes(padding: str, kind: str) -> None:
    for spatial, window, strides in (
        ((5, 4), (2, 3), (1, 2)),
        ((3, 6), (3, 2), (2, 2)),
        ((7, 7), (5, 6), (1, 3)),
        ((4, 3, 5), (2, 2, 3), (2, 1, 1)),
    ):
        axes = window_axes(spatial, window, strides, (1,) * len(spatial), padding)
        inputs = values(kind, (2, *spatial, 3))
        assert same_bits(max_pool(inputs, axes), expected_pool(inputs, axes))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64", "uint64"])
def test_integers(dtype: str) -> None:
    info = np.iinfo(dtype)
    random = np.random.default_rng(0)
    inputs = random.integers(info.min, info.max, (2, 7, 6, 2), dtype=dtype, endpoint=True)
    axes = window_axes((7, 6), (3, 2), (2, 1), (1, 1), "same")
    pooled = max_pool(inputs, axes)
    assert pooled.dtype == np.dtype(dtype)
    for n, i, j, c in itertools.product(*(range(length) for length in pooled.shape)):
        rows = slice(max(2 * i - axes[0].pad_before, 0), 2 * i - axes[0].pad_before + 3)
        assert pooled[n, i, j, c] == inputs[n, rows, j : j + 2, c].max()


@pytest.mark.parametrize("shape", [(0, 5, 3), (2, 5, 0), (2, 0, 3)])
def test_arrays_without_elements(shape: tuple[int, ...]) -> None:
    axes = window_axes(shape[1:2], (2,), (2,), (1,), "same")
    assert max_pool(np.zeros(shape), axes).shape == (shape[0], -(-shape[1] // 2), shape[2])


def test_a_pool_larger_than_the_input_has_no_output() -> None:
    axes = window_axes((3,), (4,), (4,), (1,), "valid")
    assert max_pool(np.zeros((2, 3, 1)), axes).shape == (2, 0, 1)


def test_non_contiguous_and_read_only_inputs() -> None:
    inputs = np.random.default_rng(0).standard_normal((3, 8, 2)).transpose(2, 1, 0)
    inputs.flags.writeable = False
    axes = window_axes((8,), (3,), (2,), (1,), "same")
    assert same_bits(max_pool(inputs, axes), expected_pool(inputs, axes))
