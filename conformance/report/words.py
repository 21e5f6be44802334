"""The words of reports: verdicts, and what a stage of the judge says where nothing explains it."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from conformance.judge.verdict import Verdict
from conformance.report.text import one_line

LABELS: Final = MappingProxyType(
    {
        Verdict.CONFORMS: "ok",
        Verdict.KNOWN_DEVIATION: "known",
        Verdict.UNSUPPORTED: "unsupported",
        Verdict.DEVIATES: "wrong",
        Verdict.CRASHED: "crashed",
        Verdict.TIMED_OUT: "timed out",
        Verdict.UNEXPECTED_CONFORMANCE: "unexpectedly ok",
        Verdict.UNTRUSTED: "undecided",
    }
)
"""Every verdict in a word or two, in the order of tables."""

_IN_STAGE: Final = MappingProxyType(
    {
        "exact": "wrong values",
        "bound": "values farther off than correct arithmetic can be",
        "statistics": "rounding errors larger than correct arithmetic makes on such operands",
        "locality": "outputs feel an input that their window does not hold",
        "shape": "the output has the wrong shape, or is no array",
        "dtype": "the output has the wrong dtype",
        "inputs": "the call changes its operands",
        "repeat": "the same call gives another answer the second time",
        "literal": "what is observed besides output values is not as documented",
        "process": "the process ended or did not answer",
    }
)
_DIGITS: Final = re.compile(r"0x[0-9a-f]+|(?<![A-Za-z_.\d])\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_QUOTED: Final = re.compile(r"(?<![A-Za-z])'[^']*'")
_STATISTICS: Final = re.compile(r" \(as \d+ of the \d+ passing cases?\)")
_JUDGED: Final = re.compile(r" \((?=[A-Z\d\[]).*\)\Z", re.DOTALL)
_ENDED: Final = "the process ended or did not answer"
_REFUSED: Final = "The case is valid, but was rejected with "
_ACCEPTED: Final = "The case must be rejected"


def cause_of(verdict: Verdict, message: str, diagnosis: str | None, stage: str) -> str:
    """What a failure is counted under: its diagnosis, else what its message and stage come to."""
    if verdict is Verdict.UNEXPECTED_CONFORMANCE:
        return f"recorded as the known deviation {one_line(diagnosis or '?', 80)}, yet it conforms"
    if verdict is Verdict.UNTRUSTED:
        return "the answer is right, but the cases could not tell it from a wrong one"
    if diagnosis and diagnosis.startswith(_ENDED):
        return _undiagnosed(verdict, message, stage) + diagnosis.removeprefix(_ENDED)
    if diagnosis and diagnosis not in _IN_STAGE:
        return _plain(one_line(diagnosis))
    return _undiagnosed(verdict, message, diagnosis or stage)


def _plain(diagnosis: str) -> str:
    """A diagnosis without the names of stages, and without its statistics."""
    where, separator, remainder = diagnosis.partition(";")
    where = f"the outputs {where}" if where.startswith("first differ") else where
    words = f"{_IN_STAGE.get(where, where)}{separator}{remainder}"
    return _STATISTICS.sub("", words)


def _undiagnosed(verdict: Verdict, message: str, stage: str) -> str:
    if verdict is Verdict.CRASHED:
        how = message.removeprefix("The process ended: ").partition(";")[0].rstrip(".")
        return f"the process crashes ({one_line(how, 80)})"
    if verdict is Verdict.TIMED_OUT:
        return "no answer within the time allowed"
    if message.startswith(_REFUSED):
        error = message.removeprefix(_REFUSED)
        return f"valid arguments are refused with {alike(error)}"
    if message.startswith(_ACCEPTED):
        return "what must be refused is accepted"
    return _IN_STAGE.get(stage) or alike(message) or "no reason is given"


def is_refusal(message: str) -> bool:
    """Whether a message says that a valid case was rejected."""
    return message.startswith(_REFUSED)


def alike(message: str) -> str:
    """A message without its numbers and quotations, so that those of one kind are the same."""
    return _DIGITS.sub("#", _QUOTED.sub("'...'", one_line(message, 140)))


def instead_of(message: str) -> str:
    """What a known deviation does, of a message that adds the judge's words in brackets."""
    return one_line(_JUDGED.sub("", message), 200)
