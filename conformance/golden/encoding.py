"""Expectations and outcomes as entries of a fixture's index, with their arrays in its data.

An entry is a JSON object with one key that tells its form:

=================  ==================================================================
``array``          ``[dtype, shape, offset]``: elements in C order, little-endian
``arrays``         gradients: an object of such entries by name (observed ones: of entries)
``shape``          an output shape; null stands for a free length
``rejection``      true where a rejection is expected; else the exception's type and message
``literal``        what a scenario returns (`literal_tree`)
``same``           true: bit for bit what is expected
``ulps``           ``[dtype, offset]``: integers; the differences of `conformance.golden.ulps`
``unsupported``    the reason
``crash``          how the process ended
``timeout``        seconds
=================  ==================================================================

An observed entry may also have ``repeat`` (an array entry: what the second call returned, where
it differed) and ``changed`` (the operands that the call changed).
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

from conformance.golden.ulps import difference, displaced
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Unsupported, Value
from reference_impl.ops.formats import bfloat16

Array = np.ndarray[Any, Any]
Entry = dict[str, Any]

_STORED_DTYPES: Final = frozenset(
    ["bool", "float16", "float32", "float64", "complex64", "complex128"]
    + [f"{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32, 64)]
)
_LONGEST_MESSAGE: Final = 160
_ADDRESS: Final = re.compile(r"0x[0-9a-f]{6,}")
_SET: Final = re.compile(r"\{('[^{}:]*')\}")


class DataWriter:
    """Collects the arrays of a fixture's data; equal arrays are stored once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0
        self._offsets: dict[bytes, int] = {}

    def store(self, array: Array) -> tuple[str, int]:
        """Store an array's elements; return their dtype's name and their offset."""
        name = array.dtype.name
        if array.dtype.kind in "iufc":
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        content = array.tobytes()
        if content not in self._offsets:
            self._offsets[content] = self._length
            self._parts.append(content)
            self._length += len(content)
        return name, self._offsets[content]

    def content(self) -> bytes:
        """All that was stored."""
        return b"".join(self._parts)


def load_array(data: bytes, dtype: str, shape: tuple[int, ...], offset: int) -> Array:
    """The array stored at `offset`.

    Raises:
        ValueError: if the data do not hold it.
    """
    kind = stored_dtype(dtype)
    count = 1
    for size in shape:
        count *= size
    if offset < 0 or count < 0 or offset + count * kind.itemsize > len(data):
        raise ValueError(f"an array of {count} {dtype} at offset {offset} is outside the data")
    return np.frombuffer(data, kind, count, offset).reshape(shape)


def stored_dtype(name: str) -> np.dtype[Any]:
    """The little-endian dtype of a stored array.

    Raises:
        ValueError: if the name is not of a type that fixtures hold.
        ImportError: for bfloat16 without ml_dtypes.
    """
    if name == "bfloat16":
        return bfloat16()
    if name not in _STORED_DTYPES:
        raise ValueError(f"dtype {name!r} is not one that fixtures hold")
    return np.dtype(name).newbyteorder("<")


def literal_tree(value: Any, writer: DataWriter) -> Any:
    """A scenario's literal as JSON: tuples, dictionaries and arrays become tagged objects."""
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        return {"array": array_entry(value, writer)}
    if isinstance(value, tuple):
        return {"tuple": [literal_tree(item, writer) for item in value]}
    if isinstance(value, list):
        return [literal_tree(item, writer) for item in value]
    if isinstance(value, dict):
        return {"dict": [[k, literal_tree(item, writer)] for k, item in value.items()]}
    if isinstance(value, float) and value - value != 0.0:
        return {"float": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a literal holds a {type(value).__name__}, which has no stored form: {value}")


def literal_value(tree: Any, data: bytes) -> Any:
    """The inverse of `literal_tree`."""
    if isinstance(tree, list):
        return [literal_value(item, data) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((tag, content),) = tree.items()
    if tag == "array":
        return load_array(data, content[0], tuple(content[1]), content[2])
    if tag == "tuple":
        return tuple(literal_value(item, data) for item in content)
    if tag == "dict":
        return {key: literal_value(item, data) for key, item in content}
    if tag == "float":
        return float(content)
    raise ValueError(f"unknown tag {tag!r} in a literal")


def array_entry(array: Array, writer: DataWriter) -> list[Any]:
    """The ``array`` form's content."""
    name, offset = writer.store(array)
    return [name, list(array.shape), offset]


def outcome_entry(outcome: Outcome, expected: Any, writer: DataWriter) -> Entry:
    """An observed outcome as an entry, given what is expected (an array, or anything else)."""
    if isinstance(outcome, Rejection):
        return {"rejection": [outcome.exception, stable_message(outcome.message)]}
    if isinstance(outcome, Unsupported):
        return {"unsupported": outcome.reason}
    if isinstance(outcome, Crash):
        return {"crash": outcome.ending}
    if isinstance(outcome, Timeout):
        return {"timeout": outcome.seconds}
    entry = _value_entry(outcome.value, expected, writer)
    if outcome.repeat is not None:
        entry["repeat"] = _repeat_entry(outcome.repeat, writer)
    if outcome.changed_inputs:
        entry["changed"] = list(outcome.changed_inputs)
    return entry


def _repeat_entry(repeat: Any, writer: DataWriter) -> Any:
    """An array entry, or an object of them by name."""
    if isinstance(repeat, dict):
        return {name: array_entry(np.asarray(a), writer) for name, a in repeat.items()}
    return array_entry(np.asarray(repeat), writer)


def _repeat_of(entry: Any, data: bytes) -> Any:
    """The inverse of `_repeat_entry`."""
    if isinstance(entry, dict):
        return {name: _repeat_of(item, data) for name, item in entry.items()}
    return None if entry is None else load_array(data, entry[0], tuple(entry[1]), entry[2])


def _value_entry(value: Any, expected: Any, writer: DataWriter) -> Entry:
    if is_arrays(value) and isinstance(expected, dict):
        entries = {n: _value_entry(a, expected.get(n), writer) for n, a in value.items()}
        return {"arrays": entries}
    if not isinstance(value, np.ndarray):
        return {"literal": literal_tree(value, writer)}
    comparable = isinstance(expected, np.ndarray) and value.dtype == expected.dtype
    if not comparable or value.shape != expected.shape:
        return {"array": array_entry(value, writer)}
    if value.tobytes() == expected.tobytes():
        return {"same": True}
    return {"ulps": list(writer.store(difference(value, expected)))}


def is_arrays(value: Any) -> bool:
    """Whether a value is a dictionary of arrays, as gradients are."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(array, np.ndarray) for array in value.values())
    )


def outcome_of(entry: Entry, expected: Any, data: bytes) -> Outcome:
    """The inverse of `outcome_entry`.

    Raises:
        ValueError, KeyError, TypeError: if the entry is not of a known form.
    """
    if "rejection" in entry:
        return Rejection(*map(str, entry["rejection"]))
    if "unsupported" in entry:
        return Unsupported(str(entry["unsupported"]))
    if "crash" in entry:
        return Crash(str(entry["crash"]))
    if "timeout" in entry:
        return Timeout(float(entry["timeout"]))
    return Value(
        _value_of(entry, expected, data),
        _repeat_of(entry.get("repeat"), data),
        tuple(map(str, entry.get("changed", ()))),
    )


def _value_of(entry: Entry, expected: Any, data: bytes) -> Any:
    if "same" in entry:
        return expected
    if "arrays" in entry:
        entries = entry["arrays"]
        return {n: _value_of(item, expected.get(n), data) for n, item in entries.items()}
    if "array" in entry:
        dtype, shape, offset = entry["array"]
        return load_array(data, dtype, tuple(shape), offset)
    if "ulps" in entry:
        dtype, offset = entry["ulps"]
        return displaced(expected, load_array(data, dtype, expected.shape, offset))
    return literal_value(entry["literal"], data)


def stable_message(message: str) -> str:
    """The first line of an exception's message, without what changes from run to run.

    Memory addresses are masked and the members of printed sets sorted.
    """
    line = next((line for line in message.splitlines() if line.strip()), "")
    line = _ADDRESS.sub("0x...", line)
    line = _SET.sub(lambda found: "{" + ", ".join(sorted(found[1].split(", "))) + "}", line)
    return line[:_LONGEST_MESSAGE]
