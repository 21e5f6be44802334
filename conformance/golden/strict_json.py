"""JSON as RFC 8259 and the fixtures' own description have it, and nothing beyond."""

from __future__ import annotations

import json
from typing import Any


def loads(text: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: for what is no JSON; and for what Python's reader takes besides: NaN and
            infinities, an object that has a key twice, half of a surrogate pair.
        RecursionError: for what is nested too deeply.
    """
    value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
    if b"\\ud" in text.lower():
        _check_text(json.dumps(value, ensure_ascii=False))
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"an object has the key {twice!r} twice")
    return found


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"a text holds {text[error.start]!a}, half of a surrogate pair") from error
