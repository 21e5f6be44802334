"""The one codec of values between processes: typed JSON and raw array bytes, nothing executable.

A message is one frame: two unsigned 64-bit big-endian lengths, a UTF-8 JSON text of the first
length, and the arrays' bytes of the second.  JSON's own scalars and lists stand for themselves;
everything else is an object with one key that names its type::

    {"tuple": [...]}    {"dict": [[key, value], ...]}    {"complex": [re, im]}    {"bytes": hex}
    {"array": [dtype, shape, offset]}    {"scalar": [dtype, [], offset]}
    {"Value": {...}}    and likewise the other outcomes, by their fields

What has no such form (an open file, a layer) travels as a `str` that describes it.  Whoever reads
a frame need not trust its writer: what is no message raises `WireError` and nothing else, and
texts come out such that they can be encoded and printed.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

import numpy as np

from conformance.outcomes import Crash, Rejection, Timeout, Unsupported, Value

Array = np.ndarray[Any, Any]

LONGEST_FRAME: Final = 1 << 32
"""Bytes of the longest frame that is read."""

_LENGTHS: Final = struct.Struct(">QQ")
_CHUNK: Final = 1 << 20
_OUTCOMES: Final = {kind.__name__: kind for kind in (Value, Rejection, Unsupported, Crash, Timeout)}
_PLAIN: Final = frozenset({type(None), bool, int, float, str})
_LONGEST_DESCRIPTION: Final = 200
_TO_JSON: Final = json.JSONEncoder().encode
"""Bound once: an implementation may replace `json.dumps` in the process that it shares."""

NUMERIC_DTYPES: Final = frozenset(
    {
        *("bool", "float16", "bfloat16", "float32", "float64"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    }
)
"""The dtypes that programs may answer with."""


class WireError(ValueError):
    """Bytes that are no message."""


def encode(message: Any) -> bytes:
    """One frame that `read_message` turns back into `message`."""
    blobs: list[bytes] = []
    text = _TO_JSON(_Encoder(blobs).tree(message)).encode()
    payload = b"".join(blobs)
    return b"".join((_LENGTHS.pack(len(text), len(payload)), text, payload))


def read_message(stream: BinaryIO) -> Any:
    """The next message of a stream; None at its end, even in the middle of a frame.

    Raises:
        WireError: if the bytes are no message.
    """
    head = stream.read(_LENGTHS.size)
    if len(head) < _LENGTHS.size:
        return None
    text_length, blob_length = _LENGTHS.unpack(head)
    if text_length + blob_length > LONGEST_FRAME:
        raise WireError(f"a frame of {text_length + blob_length} bytes was announced")
    body = _read_exactly(stream, text_length + blob_length)
    if body is None:
        return None
    try:
        return _decode(json.loads(body[:text_length]), memoryview(body)[text_length:])
    except Exception as error:  # whatever the bytes made the decoder do
        raise WireError(f"{type(error).__name__}: {error}") from error


def _read_exactly(stream: BinaryIO, length: int) -> bytes | None:
    """So many bytes, or None; no more memory is taken than there are bytes that really came."""
    if length <= _CHUNK:
        body = stream.read(length)
        return body if len(body) == length else None
    parts: list[bytes] = []
    while length and (part := stream.read(min(length, _CHUNK))):
        parts.append(part)
        length -= len(part)
    return None if length else b"".join(parts)


def describe(value: Any) -> str:
    """A short text for a value that is not sent as such: its type and the start of its repr."""
    try:
        text = repr(value)
    except Exception as error:  # a foreign object's repr may do anything
        text = f"whose repr raises {type(error).__name__}"
    if len(text) > _LONGEST_DESCRIPTION:
        text = text[: _LONGEST_DESCRIPTION - 3] + "..."
    return f"{type(value).__name__} {text}"


def is_numeric(array: Array) -> bool:
    """Whether an array holds plain numbers or booleans."""
    return array.dtype.kind in "biufc" or array.dtype.name == "bfloat16"


def encodable(text: str) -> str:
    """The text, lone surrogates written as escapes, which no encoding can carry."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def encoded_array(array: Array) -> dict[str, Any]:
    """An array as programs get it: its dtype, its shape, and the base64 of its elements.

    The elements are in little-endian byte order, the last axis varying fastest.
    """
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    data = base64.b64encode(little.tobytes()).decode("ascii")
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def decoded_array(entry: Any) -> Array:
    """The array of a program's answer, the inverse of `encoded_array`.

    Raises:
        WireError: if it is none.
    """
    try:
        name, shape, data = entry["dtype"], entry["shape"], entry["data"]
        if name not in NUMERIC_DTYPES:
            known = ", ".join(sorted(NUMERIC_DTYPES))
            raise ValueError(f"the dtype {name!r} is none of {known}")
        raw = base64.b64decode(data, validate=True)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise WireError(f"something that is no array ({reason})") from None
    return _array_of(name, shape, raw)


def _array_of(name: str, shape: Any, raw: bytes) -> Array:
    dtype = _named_dtype(name)
    if not _is_shape(shape) or len(raw) != dtype.itemsize * math.prod(shape):
        expected = dtype.itemsize * math.prod(shape) if _is_shape(shape) else "none"
        raise WireError(
            f"an array of dtype {name} and shape {describe_shape(shape)} in {len(raw)} bytes "
            f"instead of {expected}"
        )
    try:
        array = np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)
        return array.astype(dtype.newbyteorder("="))
    except Exception as error:  # more axes, or longer ones, than NumPy has
        raise WireError(
            f"an array of the impossible shape {describe_shape(shape)} ({error})"
        ) from None


def describe_shape(shape: Any) -> str:
    """A shape as a tuple, shortened where it is long."""
    text = str(tuple(shape)) if isinstance(shape, list) else repr(shape)
    return text if len(text) <= _LONGEST_DESCRIPTION else f"{text[:_LONGEST_DESCRIPTION]}..."


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)


def _named_dtype(name: str) -> np.dtype[Any]:
    if name != "bfloat16":
        return np.dtype(name)
    import ml_dtypes

    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


class _Encoder:
    """Builds the JSON tree of one message and collects the bytes of its arrays."""

    def __init__(self, blobs: list[bytes]) -> None:
        self._blobs = blobs
        self._offset = 0
        self._forms: Mapping[type, Callable[[Any], Any]] = {
            np.ndarray: self._array,
            tuple: self._tuple,
            list: self._list,
            dict: self._dict,
            **dict.fromkeys(_OUTCOMES.values(), self._outcome),
        }

    def tree(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        form = self._forms.get(kind) or self._form(value)
        return form(value)

    def _form(self, value: Any) -> Callable[[Any], Any]:
        """How a value of a subclass, or of a rarer type, is written."""
        if isinstance(value, np.generic):
            return lambda value: self._array(np.asarray(value), "scalar")
        for kind, form in self._forms.items():
            if isinstance(value, kind):
                return form
        if isinstance(value, complex):
            return lambda value: {"complex": [value.real, value.imag]}
        if isinstance(value, bytes):
            return lambda value: {"bytes": value.hex()}
        return describe

    def _array(self, array: Array, tag: str = "array") -> Any:
        if not is_numeric(array) and array.dtype.kind not in "SU":
            return describe(array)
        data = array.tobytes()
        name = array.dtype.name if array.dtype.kind == "V" else array.dtype.str
        entry = {tag: [name, list(array.shape), self._offset]}
        self._blobs.append(data)
        self._offset += len(data)
        return entry

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        return {"tuple": self._list(value)}

    def _list(self, value: list[Any] | tuple[Any, ...]) -> Any:
        return [item if type(item) in _PLAIN else self.tree(item) for item in value]

    def _dict(self, value: dict[Any, Any]) -> Any:
        return {"dict": [[self.tree(key), self.tree(item)] for key, item in value.items()]}

    def _outcome(self, outcome: Any) -> Any:
        fields = {name: self.tree(getattr(outcome, name)) for name in _FIELDS[type(outcome)]}
        return {type(outcome).__name__: fields}


_FIELDS: Final = {
    kind: tuple(field.name for field in dataclasses.fields(kind)) for kind in _OUTCOMES.values()
}


def _decode(tree: Any, blob: memoryview) -> Any:
    if isinstance(tree, str):
        return encodable(tree)
    if isinstance(tree, list):
        return [_decode(item, blob) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((tag, content),) = tree.items()
    if tag in _OUTCOMES:
        return _decode_outcome(_OUTCOMES[tag], content, blob)
    return _DECODERS[tag](content, blob)


def _decode_outcome(kind: Any, content: Any, blob: memoryview) -> Any:
    """An outcome whose fields are of their types, whatever was sent."""
    outcome = kind(**{name: _decode(item, blob) for name, item in content.items()})
    for name, accepted in _FIELD_TYPES.items():
        if not isinstance(getattr(outcome, name, accepted()), accepted):
            raise TypeError(f"{kind.__name__}.{name} is {describe(getattr(outcome, name))}")
    if isinstance(outcome, Value) and not all(isinstance(n, str) for n in outcome.changed_inputs):
        raise TypeError(f"Value.changed_inputs is {describe(outcome.changed_inputs)}")
    return outcome


_FIELD_TYPES: Final[Mapping[str, type]] = {
    "changed_inputs": tuple,
    "between": str,
    "exception": str,
    "message": str,
    "reason": str,
    "ending": str,
    "last_words": str,
    "seconds": float,
}


def _decode_dict(content: Any, blob: memoryview) -> dict[Any, Any]:
    return {_decode(key, blob): _decode(value, blob) for key, value in content}


def _decode_array(content: Any, blob: memoryview) -> Array:
    name, shape, offset = content
    dtype = _named_dtype(name)
    if not _is_shape(shape) or type(offset) is not int or offset < 0 or dtype.hasobject:
        raise ValueError(f"{describe(content)} is no array")
    size = dtype.itemsize * math.prod(shape)
    data = bytearray(blob[offset : offset + size])
    return np.frombuffer(data, dtype).reshape(shape) if size else np.empty(shape, dtype)


_DECODERS: Final[dict[str, Callable[[Any, memoryview], Any]]] = {
    "array": _decode_array,
    "scalar": lambda content, blob: _decode_array(content, blob)[()],
    "tuple": lambda content, blob: tuple([_decode(item, blob) for item in content]),
    "dict": _decode_dict,
    "complex": lambda content, blob: complex(*content),
    "bytes": lambda content, blob: bytes.fromhex(content),
}
