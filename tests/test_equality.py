"""Two kinds of equal: by value as answers are judged, by bits as two answers are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.judge.equality import equal, same, same_bits, same_values

OTHER_NAN = np.array([0x7FC00001], np.uint32).view(np.float32)
NAN = np.array([np.nan], np.float32)
ONE = np.array([1.0])


class Hostile:
    """Its equality may not be asked."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise AssertionError("was asked")


@pytest.mark.parametrize(
    ("left", "right", "by_value", "by_bits"),
    [
        (np.array([0.0, 1.0]), np.array([-0.0, 1.0]), True, False),
        (NAN, OTHER_NAN, True, True),
        (np.array([np.nan, 0.0]), np.array([np.nan, -0.0]), True, False),
        (NAN, np.zeros(1, np.float32), False, False),
        (ONE, np.array([1.0 + 2**-52]), False, False),
        (ONE, ONE.astype(np.float32), False, False),
        (ONE, ONE.reshape(1, 1), False, False),
        (np.zeros((0, 2)), np.zeros((0, 3)), False, False),
        (np.zeros((0, 2)), np.zeros((0, 2)), True, True),
        ({"a": ONE}, {"a": ONE.copy()}, True, True),
        ({"a": ONE}, {"b": ONE}, False, False),
        ([ONE, ONE], [ONE], False, False),
        ([ONE], (ONE,), False, False),
        ((1, None), (1, None), True, True),
        ((1, 2), (1, 3), False, False),
        (float("nan"), float("nan"), True, True),
        (True, 1, False, False),
        (Hostile(), Hostile(), True, True),
        (Hostile(), 1, False, False),
    ],
)
def test_results(left: Any, right: Any, by_value: bool, by_bits: bool) -> None:
    assert same_values(left, right) is by_value
    assert same_bits(left, right) is by_bits


def test_elements_are_told_apart_one_by_one() -> None:
    left = np.array([0.0, np.nan, 1.0, np.nan])
    right = np.array([-0.0, np.nan, 2.0, 1.0])
    assert same(left, right).tolist() == [True, True, False, False]
    assert equal(left[:2], right[:2])
    assert not equal(left, right)
