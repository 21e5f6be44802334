"""How a worker's answers travel to its parent: typed JSON and raw array bytes, nothing executable.

A message is one frame: two unsigned 64-bit big-endian lengths, a UTF-8 JSON text of the first
length, and the arrays' bytes of the second.  JSON's own scalars and lists stand for themselves;
everything else is an object with one key that names its type::

    {"tuple": [...]}    {"dict": [[key, value], ...]}    {"complex": [re, im]}    {"bytes": hex}
    {"array": [dtype, shape, offset]}    {"scalar": [dtype, [], offset]}
    {"Value": {...}}    and likewise the other outcomes, by their fields

What has no such form (an open file, a layer) travels as a `str` that describes it.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, Final

import numpy as np

from conformance.outcomes import Crash, Rejection, Timeout, Unsupported, Value

_LENGTHS: Final = struct.Struct(">QQ")
_OUTCOMES: Final = {kind.__name__: kind for kind in (Value, Rejection, Unsupported, Crash, Timeout)}
_PLAIN: Final = frozenset({type(None), bool, int, float, str})
_LONGEST_DESCRIPTION: Final = 200


class WireError(ValueError):
    """Bytes that are no message."""


def encode(message: Any) -> bytes:
    """One frame that `read_message` turns back into `message`."""
    blobs: list[bytes] = []
    text = json.dumps(_Encoder(blobs).tree(message)).encode()
    payload = b"".join(blobs)
    return _LENGTHS.pack(len(text), len(payload)) + text + payload


def read_message(stream: BinaryIO) -> Any:
    """The next message of a stream; None at its end, even in the middle of a frame.

    Raises:
        WireError: if the bytes are no message.
    """
    head = stream.read(_LENGTHS.size)
    if len(head) < _LENGTHS.size:
        return None
    text_length, blob_length = _LENGTHS.unpack(head)
    body = _read_exactly(stream, text_length + blob_length)
    if body is None:
        return None
    try:
        return _decode(json.loads(body[:text_length]), memoryview(body)[text_length:])
    except (ValueError, TypeError, KeyError, ImportError) as error:
        raise WireError(f"{type(error).__name__}: {error}") from error


def _read_exactly(stream: BinaryIO, length: int) -> bytes | None:
    try:
        body = stream.read(length)
    except (OverflowError, MemoryError) as error:
        raise WireError(f"a frame of {length} bytes was announced") from error
    return body if len(body) == length else None


def describe(value: Any) -> str:
    """A short text for a value that is not sent as such: its type and the start of its repr."""
    try:
        text = repr(value)
    except Exception as error:  # a foreign object's repr may do anything
        text = f"whose repr raises {type(error).__name__}"
    if len(text) > _LONGEST_DESCRIPTION:
        text = text[: _LONGEST_DESCRIPTION - 3] + "..."
    return f"{type(value).__name__} {text}"


def is_numeric(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array holds plain numbers or booleans."""
    return array.dtype.kind in "biufc" or array.dtype.name == "bfloat16"


class _Encoder:
    """Builds the JSON tree of one message and collects the bytes of its arrays."""

    def __init__(self, blobs: list[bytes]) -> None:
        self._blobs = blobs
        self._offset = 0

    def tree(self, value: Any) -> Any:
        if type(value) in _PLAIN:
            return value
        for kind, encoder in self._encoders():
            if isinstance(value, kind):
                return encoder(value)
        return describe(value)

    def _encoders(self) -> tuple[tuple[type, Callable[[Any], Any]], ...]:
        return (
            (np.ndarray, lambda value: self._array("array", value)),
            (np.generic, lambda value: self._array("scalar", np.asarray(value))),
            (tuple, lambda value: {"tuple": [self.tree(item) for item in value]}),
            (list, lambda value: [self.tree(item) for item in value]),
            (dict, self._dict),
            (complex, lambda value: {"complex": [value.real, value.imag]}),
            (bytes, lambda value: {"bytes": value.hex()}),
            *((kind, self._outcome) for kind in _OUTCOMES.values()),
        )

    def _array(self, tag: str, array: np.ndarray[Any, Any]) -> Any:
        if not is_numeric(array) and array.dtype.kind not in "SU":
            return describe(array)
        data = array.tobytes()
        name = array.dtype.name if array.dtype.kind == "V" else array.dtype.str
        entry = {tag: [name, list(array.shape), self._offset]}
        self._blobs.append(data)
        self._offset += len(data)
        return entry

    def _dict(self, value: dict[Any, Any]) -> Any:
        return {"dict": [[self.tree(key), self.tree(item)] for key, item in value.items()]}

    def _outcome(self, outcome: Any) -> Any:
        fields = dataclasses.fields(outcome)
        tree = {field.name: self.tree(getattr(outcome, field.name)) for field in fields}
        return {type(outcome).__name__: tree}


def _decode(tree: Any, blob: memoryview) -> Any:
    if isinstance(tree, list):
        return [_decode(item, blob) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((tag, content),) = tree.items()
    if tag in _OUTCOMES:
        return _OUTCOMES[tag](**{name: _decode(item, blob) for name, item in content.items()})
    return _DECODERS[tag](content, blob)


def _decode_dict(content: Any, blob: memoryview) -> dict[Any, Any]:
    return {_decode(key, blob): _decode(value, blob) for key, value in content}


def _decode_array(content: Any, blob: memoryview) -> np.ndarray[Any, Any]:
    name, shape, offset = content
    if name == "bfloat16":
        import ml_dtypes  # registers the dtype's name

        dtype = np.dtype(ml_dtypes.bfloat16)
    else:
        dtype = np.dtype(name)
    size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    data = bytearray(blob[offset : offset + size])
    return np.frombuffer(data, dtype).reshape(shape) if size else np.empty(shape, dtype)


_DECODERS: Final[dict[str, Callable[[Any, memoryview], Any]]] = {
    "array": _decode_array,
    "scalar": lambda content, blob: _decode_array(content, blob)[()],
    "tuple": lambda content, blob: tuple(_decode(item, blob) for item in content),
    "dict": _decode_dict,
    "complex": lambda content, blob: complex(*content),
    "bytes": lambda content, blob: bytes.fromhex(content),
}
