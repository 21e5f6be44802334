"""Text of others made harmless, and lines made to fit.

Names, messages and reasons come from implementations.  Whatever they hold, a terminal is sent
printable characters alone, and a build log no line that it takes for a command.
"""

from __future__ import annotations

import re
import sys
import textwrap
import unicodedata
from typing import Final, TextIO

_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANKS: Final = re.compile(r"\s+")
_LOG_COMMAND: Final = re.compile(r"^(\s*):(?=:)|#(?=#\[)", re.MULTILINE)


def printable(text: str) -> str:
    """`text` with what a terminal would obey, or not show, written as escapes; newlines stay."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _UNPRINTABLE:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str, limit: int = 300) -> str:
    """`text` on one line, printable, cut to `limit` characters."""
    return shortened(printable(_BLANKS.sub(" ", text[: 8 * limit]).strip()), limit)


def shortened(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, three dots in place of the rest."""
    return text if len(text) <= limit else text[: max(limit - 3, 0)].rstrip() + "..."


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """The lines of a paragraph, none longer than `width`; long words are cut."""
    lines = textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
    return lines or [first.rstrip()]


def capitalized(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 case``, ``2 cases``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def say(text: str, stream: TextIO | None = None) -> None:
    """Print text of others, on standard output if nothing else is given."""
    show(printable(text), stream or sys.stdout)


def show(text: str, stream: TextIO) -> None:
    """Print lines: characters that the stream cannot encode as escapes, log commands disarmed."""
    text = _LOG_COMMAND.sub(lambda found: f"{found.group()[:-1]}\\", text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)
