"""What equal means, of elements, of arrays and of results: two kinds, each said once.

*By value*: plus and minus zero are alike, and NaN equals NaN; this is how answers are judged.
*By bits*: plus and minus zero differ, any NaN equals any other; this is how two answers of the same
implementation, and operands before and after a call, are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from conformance.judge.boxes import boxes

Array = np.ndarray[Any, Any]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

_PART: Final = 1 << 16
"""Elements that are compared at a time."""

_PLAIN: Final = frozenset({bool, int, float, complex, str, type(None)})


def same(left: Array, right: Array) -> Mask:
    """Which elements are equal by value; arrays of the same shape."""
    with np.errstate(invalid="ignore"):  # of bit patterns that are NaN and trap
        return np.asarray((left == right) | ((left != left) & (right != right)))


def equal(left: Array, right: Array) -> bool:
    """Whether all elements are equal by value; arrays of the same shape and dtype."""
    return _in_all_parts(left, right, _equal_values)


def _in_all_parts(left: Array, right: Array, agree: Callable[[Array, Array], bool]) -> bool:
    """Whether two arrays agree, taken part by part where they are large."""
    if left.size <= _PART:
        return agree(left, right)
    return all(agree(left[box], right[box]) for box in boxes(left.shape, _PART))


def _equal_values(left: Array, right: Array) -> bool:
    return left.tobytes() == right.tobytes() or bool(np.all(same(left, right)))


def same_values(left: Any, right: Any) -> bool:
    """Whether two results are equal by value, in dtype and shape.

    Results are arrays and plain scalars in any nesting; of anything else the types are compared.
    """
    return _agree(left, right, equal)


def same_bits(left: Any, right: Any) -> bool:
    """Whether two results are equal by bits, in dtype and shape; see `same_values`."""
    return _agree(left, right, _equal_bits)


def _equal_bits(left: Array, right: Array) -> bool:
    return _in_all_parts(left, right, _equal_patterns)


def _equal_patterns(left: Array, right: Array) -> bool:
    if left.tobytes() == right.tobytes():
        return True
    different = _bytes_of(left) != _bytes_of(right)
    rows = different.reshape(left.size, -1).any(axis=1)
    return bool(np.all(_is_nan(left).ravel()[rows] & _is_nan(right).ravel()[rows]))


def _bytes_of(array: Array) -> Array:
    return np.frombuffer(array.tobytes(), np.uint8)


def _is_nan(array: Array) -> Array:
    return np.asarray(np.not_equal(array, array))


def _agree(left: Any, right: Any, arrays_agree: Callable[[Array, Array], bool]) -> bool:
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        alike = left.dtype == right.dtype and left.shape == right.shape
        return alike and arrays_agree(left, right)
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(
            _agree(left[name], right[name], arrays_agree) for name in left
        )
    if isinstance(left, (list, tuple)):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(_agree(*pair, arrays_agree) for pair in pairs)
    if type(left) not in _PLAIN:  # whose equality may be anything
        return True
    return bool(left == right or (left != left and right != right))
