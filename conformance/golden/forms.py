"""The forms that entries may have: everything is checked before anything is decoded.

A fixture whose files match their digests can still be wrong, if whoever wrote it was.  Decoding
takes every name, number and offset at its word, so each is held against what `encoding` writes
first: an entry has one form, the types are exact, and every array lies inside the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

from conformance.golden.errors import FixtureError

Entry = dict[str, Any]

SIZES: Final[Mapping[str, int]] = {
    "bool": 1,
    "bfloat16": 2,
    **{f"float{8 * size}": size for size in (2, 4, 8)},
    **{f"complex{8 * size}": size for size in (8, 16)},
    **{f"{sign}int{8 * size}": size for sign in ("", "u") for size in (1, 2, 4, 8)},
}
"""The dtypes of stored arrays, with the bytes of an element."""

_DIFFERENCES: Final = frozenset(["int8", "int16", "int32", "int64"])


class FormError(ValueError):
    """What is wrong with an entry."""


def check_expected(path: Path, entries: Mapping[str, Any], length: int) -> None:
    """Check the entries of a file of expected values, whose data have `length` bytes.

    Raises:
        FixtureError: naming the file and the first case whose entry is not of a known form.
    """
    for case, entry in entries.items():
        if type(case) is not str:
            raise FixtureError(path, f"a case is named {case!r}, which is no descriptor")
        try:
            _check_form(entry, _EXPECTED, length)
        except FormError as error:
            raise FixtureError(path, f"{case}: {error}") from error


def check_observed(
    path: Path, entries: Mapping[str, Any], expected: Mapping[str, Any], length: int
) -> None:
    """Check the entries of a file of observations, and that they fit the expected values.

    Args:
        path: the file's name, for messages.
        entries: its entries by case.
        expected: the checked entries of the expected values that they are told from.
        length: number of bytes of the observations' data.

    Raises:
        FixtureError: naming the file and the first case whose entry is not of a known form.
    """
    sound: set[int] = set()  # most cases refer to a few outcomes, such as "the same"
    for case, entry in entries.items():
        try:
            if id(entry) not in sound:
                _check_observation(entry, length)
                sound.add(id(entry))
            _check_relation(entry, expected[case], length)
        except FormError as error:
            raise FixtureError(path, f"{case}: {error}") from error


def _check_form(entry: Any, forms: Mapping[str, Callable[[Any, int], None]], length: int) -> None:
    """An object with exactly one key, which is a known form, and its content."""
    _require(type(entry) is dict and len(entry) == 1, "an entry of one form", entry)
    ((form, content),) = entry.items()
    if form not in forms:
        _require(False, f"one of the forms {', '.join(forms)}", form)
    forms[form](content, length)


def _check_observation(entry: Any, length: int) -> None:
    _require(type(entry) is dict, "an object", entry)
    remarks = {name: entry[name] for name in entry if name in _REMARKS}
    form = {name: entry[name] for name in entry if name not in _REMARKS}
    _check_form(form, _VALUES if remarks else _OBSERVED, length)
    for name, remark in remarks.items():
        _REMARKS[name](remark, length)


def _check_relation(observed: Entry, expected: Entry, length: int) -> None:
    form = next(iter(observed))
    if form == "arrays":
        named = expected.get("arrays", {})
        for name, entry in observed["arrays"].items():
            _check_relation(entry, named.get(name, {}), length)
    if form == "same":
        _require("array" in expected or "arrays" in expected, "expected values", "none")
    if form == "ulps":
        _require("array" in expected, "an expected array", "none")
        dtype, offset = observed["ulps"]
        value, shape, _ = expected["array"]
        _require(not value.startswith("complex"), "a real dtype", value)
        _check_array([dtype, shape, offset], length)


def _check_array(content: Any, length: int) -> None:
    """``[dtype, shape, offset]`` of an array inside the data."""
    _require(type(content) is list and len(content) == 3, "[dtype, shape, offset]", content)
    dtype, shape, offset = content
    _require(type(dtype) is str and dtype in SIZES, "a dtype that fixtures hold", dtype)
    _require(type(shape) is list and all(map(_is_natural, shape)), "a shape", shape)
    _require(_is_natural(offset), "an offset", offset)
    end = offset + prod(shape) * SIZES[dtype]
    if end > length:
        _require(False, f"an array that ends within the {length} bytes of data", end)


def _check_ulps(content: Any, length: int) -> None:
    """``[dtype, offset]`` of differences; the expected array tells how many there are."""
    _require(type(content) is list and len(content) == 2, "[dtype, offset]", content)
    dtype, offset = content
    _require(type(dtype) is str and dtype in _DIFFERENCES, "a signed integer dtype", dtype)
    _require(_is_natural(offset) and offset <= length, "an offset within the data", offset)


def _check_shape(content: Any, _length: int) -> None:
    lengths = type(content) is list and all(size is None or _is_natural(size) for size in content)
    _require(lengths, "a list of lengths", content)


def _check_true(content: Any, _length: int) -> None:
    _require(content is True, "true", content)


def _check_texts(content: Any, _length: int) -> None:
    _require(type(content) is list and all(type(t) is str for t in content), "texts", content)


def _check_rejection(content: Any, length: int) -> None:
    _check_texts(content, length)
    _require(len(content) == 2, "an exception's type and message", content)


def _check_text(content: Any, _length: int) -> None:
    _require(type(content) is str, "a text", content)


def _check_seconds(content: Any, _length: int) -> None:
    _require(type(content) in (int, float) and content >= 0, "seconds", content)


def _check_literal(tree: Any, length: int) -> None:
    """A literal: a plain value, a list of literals, or one tag with its content."""
    if type(tree) is list:
        for item in tree:
            _check_literal(item, length)
    elif type(tree) is dict:
        _check_form(tree, _TAGS, length)
    else:
        _require(tree is None or type(tree) in (bool, int, float, str), "a literal", tree)


def _check_tuple(content: Any, length: int) -> None:
    _require(type(content) is list, "a list", content)
    _check_literal(content, length)


def _check_dict(content: Any, length: int) -> None:
    pairs = type(content) is list and all(type(p) is list and len(p) == 2 for p in content)
    _require(pairs, "a list of pairs", content)
    for key, value in content:
        _require(key is None or type(key) in (bool, int, float, str), "a plain key", key)
        _check_literal(value, length)


def _check_float(content: Any, _length: int) -> None:
    _require(content in ("nan", "inf", "-inf"), "nan, inf or -inf", content)


def _check_named(content: Any, length: int, forms: Mapping[str, Any]) -> None:
    _require(type(content) is dict, "an object of entries by name", content)
    for entry in content.values():
        _check_form(entry, forms, length)


def _check_repeat(content: Any, length: int) -> None:
    """The entry of a value that is told from nothing."""
    _check_form(content, {**_EXPECTED_ARRAYS, "literal": _check_literal}, length)


def _is_natural(value: Any) -> bool:
    return type(value) is int and value >= 0


def _require(condition: bool, expected: str, found: Any) -> None:
    if not condition:
        text = repr(found)
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        raise FormError(f"{expected} was expected in its entry, and not {shown}")


Forms = Mapping[str, Callable[[Any, int], None]]

_TAGS: Final[Forms] = {
    "array": _check_array,
    "tuple": _check_tuple,
    "dict": _check_dict,
    "float": _check_float,
}
_EXPECTED_ARRAYS: Final[Forms] = {
    "array": _check_array,
    "arrays": lambda content, length: _check_named(content, length, {"array": _check_array}),
}
_EXPECTED: Final[Forms] = {
    **_EXPECTED_ARRAYS,
    "shape": _check_shape,
    "rejection": _check_true,
    "literal": _check_literal,
}
_SINGLE: Final[Forms] = {
    "same": _check_true,
    "array": _check_array,
    "ulps": _check_ulps,
    "literal": _check_literal,
}
_VALUES: Final[Forms] = {
    **_SINGLE,
    "arrays": lambda content, length: _check_named(content, length, _SINGLE),
}
_OBSERVED: Final[Forms] = {
    **_VALUES,
    "rejection": _check_rejection,
    "unsupported": _check_text,
    "crash": _check_text,
    "timeout": _check_seconds,
}
_REMARKS: Final[Forms] = {"repeat": _check_repeat, "changed": _check_texts}
"""What an observed value may have besides its form."""
