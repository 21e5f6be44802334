"""Expectations and outcomes as entries of a fixture's index, with their arrays in its data.

An entry is a JSON object with one key that tells its form:

=================  ==================================================================
``array``          ``[dtype, shape, offset]``: elements in C order, little-endian
``arrays``         gradients: an object of entries by name
``shape``          an output shape; null stands for a free length
``rejection``      true where a rejection is expected; else the exception's type and message
``literal``        what a scenario returns (`literal_tree`)
``same``           true: bit for bit what is expected
``ulps``           ``[dtype, offset]``: integers; the differences of `conformance.golden.ulps`
``unsupported``    the reason
``crash``          how the process ended
``timeout``        seconds
=================  ==================================================================

Expected values take the forms ``array``, ``arrays`` of ``array``, ``shape``, ``rejection`` and
``literal``; observations all but ``shape``, a shape being a literal.  An observed value may also
have ``repeat`` (an entry: what the second call returned, where it differed) and ``changed`` (the
operands that the call changed).  `conformance.golden.forms` checks all of it.
"""

from __future__ import annotations

import re
from math import prod
from typing import Any, Final

import numpy as np

from conformance.cases.carrier import CARRIER, carry, patterns
from conformance.golden.forms import SIZES
from conformance.golden.ulps import difference, displaced
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Unsupported, Value
from reference_impl.ops.formats import bfloat16

Array = np.ndarray[Any, Any]
Entry = dict[str, Any]

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
        name, elements = _elements(array)
        content = elements.astype(elements.dtype.newbyteorder("<"), copy=False).tobytes()
        if content not in self._offsets:
            self._offsets[content] = self._length
            self._parts.append(content)
            self._length += len(content)
        return name, self._offsets[content]

    def content(self) -> bytes:
        """All that was stored."""
        return b"".join(self._parts)


def _elements(array: Array) -> tuple[str, Array]:
    """The name of an array's dtype, and its elements as NumPy itself can write them."""
    if array.dtype == CARRIER:
        return "bfloat16", patterns(array)
    name = array.dtype.name
    return name, np.ascontiguousarray(array).view(np.uint16) if name == "bfloat16" else array


def load_array(data: bytes, dtype: str, shape: tuple[int, ...], offset: int) -> Array:
    """The array stored at `offset`; bfloat16 is carried where ml_dtypes is not installed.

    Raises:
        ValueError: if the data do not hold it, or not such a dtype.
    """
    if dtype not in SIZES:
        raise ValueError(f"dtype {dtype!r} is not one that fixtures hold")
    kind = np.dtype("<u2" if dtype == "bfloat16" else dtype).newbyteorder("<")
    array = np.frombuffer(data, kind, prod(shape), offset).reshape(shape)
    return _bfloat16_array(array) if dtype == "bfloat16" else array


def _bfloat16_array(stored: Array) -> Array:
    native = stored.astype(np.uint16)
    try:
        return native.view(bfloat16())
    except ImportError:
        return carry(native)


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
        entry["repeat"] = _value_entry(outcome.repeat, None, writer)
    if outcome.changed_inputs:
        entry["changed"] = list(outcome.changed_inputs)
    return entry


def _value_entry(value: Any, expected: Any, writer: DataWriter) -> Entry:
    if is_arrays(value) and (expected is None or is_arrays(expected)):
        return _arrays_entry(value, expected or {}, writer)
    if not isinstance(value, np.ndarray):
        return {"literal": literal_tree(value, writer)}
    comparable = isinstance(expected, np.ndarray) and value.dtype == expected.dtype
    if not comparable or value.shape != expected.shape or value.dtype.kind == "c":
        return {"array": array_entry(value, writer)}
    if value.tobytes() == expected.tobytes():
        return {"same": True}
    return {"ulps": list(writer.store(difference(value, expected)))}


def _arrays_entry(
    values: dict[str, Array], expected: dict[str, Array], writer: DataWriter
) -> Entry:
    entries = {n: _value_entry(a, expected.get(n), writer) for n, a in values.items()}
    if list(values) == list(expected) and all("same" in entry for entry in entries.values()):
        return {"same": True}
    return {"arrays": entries}


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
    repeat = _value_of(entry["repeat"], None, data) if "repeat" in entry else None
    return Value(_value_of(entry, expected, data), repeat, tuple(entry.get("changed", ())))


def _value_of(entry: Entry, expected: Any, data: bytes) -> Any:
    if "same" in entry:
        return expected
    if "arrays" in entry:
        named = expected if is_arrays(expected) else {}
        return {n: _value_of(e, named.get(n), data) for n, e in entry["arrays"].items()}
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
