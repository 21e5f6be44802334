"""What an implementation did with a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ANSWER = "answer"
"""Among the names of what a call changed: the answer of the call before."""

AT_ONCE = "calls at once"
"""Among the same names, where `repeat` is what a call gave while another thread made another."""


@dataclass(frozen=True)
class Value:
    """It returned something.

    Attributes:
        value: an array for ``observe:output``; a dictionary of arrays for ``observe:gradients``;
            for other observations the shape as a tuple, or what the scenario returns (numbers,
            strings, tuples, lists, dictionaries, arrays).
        repeat: what a second call on the same operands returned, where it differed from the
            first in any bit; None where it did not.
        changed_inputs: names of the operands that the call left different from before; `ANSWER`
            where a later call overwrote what an earlier one had returned, `AT_ONCE` where calls of
            two threads disturbed each other.
        between: descriptor of another case that was called again in between, where an answer
            changed only then; empty where none did.
        before: where it is the answer of that other case that changed, its first answer; `repeat`
            is then its later one.
    """

    value: Any
    repeat: Any = None
    changed_inputs: tuple[str, ...] = ()
    between: str = ""
    before: Any = None


@dataclass(frozen=True)
class Rejection:
    """It raised an ordinary exception: the exception's type by name, and its message."""

    exception: str
    message: str


@dataclass(frozen=True)
class Unsupported:
    """It declares that it cannot do what the case asks, with the reason."""

    reason: str


@dataclass(frozen=True)
class Crash:
    """The process ended: how (``signal SIGSEGV``, ``exit status 3``), and its last words."""

    ending: str
    last_words: str = ""


@dataclass(frozen=True)
class Timeout:
    """No answer came within the time allowed."""

    seconds: float


Outcome = Value | Rejection | Unsupported | Crash | Timeout
