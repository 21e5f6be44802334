"""Values as error messages show them: short and printable, whatever the value."""

from __future__ import annotations

import reprlib
from typing import Any, Final

LONGEST: Final = 200
"""Characters of a value that a message shows."""


_FEW: Final = 16
"""Elements of an array that a message shows."""


class _Short(reprlib.Repr):
    """Representations that cost little, whatever the value: long ones are cut while made."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 40
        self.maxarray = self.maxdeque = 40
        self.maxstring = self.maxother = self.maxlong = LONGEST

    def repr_int(self, x: int, level: int) -> str:
        """Large integers by their length: Python writes none of more than 4,300 digits."""
        return repr(x) if x.bit_length() < 400 else f"an integer of {x.bit_length()} bits"

    def repr_ndarray(self, x: Any, level: int) -> str:
        """Arrays of more than a few elements by their shape."""
        if x.size <= _FEW:
            return self.repr_instance(x, level)
        return f"<array of shape {x.shape} and dtype {x.dtype.name}>"

    def repr_instance(self, x: Any, level: int) -> str:
        """What the object says of itself, or its type where it fails to."""
        try:
            text = repr(x)
            return str(text) if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
        except Exception:
            return f"<{type(x).__name__} object whose repr fails>"


_SHORT: Final = _Short()


def shown(value: Any) -> str:
    """The value as an error message shows it: at most 200 characters, all of them printable."""
    text = _SHORT.repr(value)
    text = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
