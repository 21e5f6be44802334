"""The words of reports: verdicts, and what a stage of the judge says where nothing explains it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from conformance.diagnosis.stage_words import IN_STAGE
from conformance.judge.verdict import Verdict
from conformance.report.text import one_line
from conformance.results import NOT_JUDGED

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

_DIGITS: Final = re.compile(r"0x[0-9a-f]+|(?<![A-Za-z_.\d])\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_QUOTED: Final = re.compile(r"(?<![A-Za-z])'[^']*'")
_JUDGED: Final = re.compile(r" \((?=[A-Z\d\[]).*\)\Z", re.DOTALL)
_ENDED: Final = IN_STAGE["process"]
_CAUSE: Final = 800
"""Characters of a cause at most; what a plug-in is to declare stands at the end of a long one."""

_REFUSED: Final = "The case is valid, but was rejected with "
_ACCEPTED: Final = "The case must be rejected"


def cause_of(verdict: Verdict, message: str, diagnosis: str | None, stage: str) -> str:
    """What a failure is counted under: its diagnosis, else what its message and stage come to."""
    if verdict is Verdict.UNEXPECTED_CONFORMANCE:
        return f"recorded as the known deviation {one_line(diagnosis or '?', 80)}, yet it conforms"
    if stage == NOT_JUDGED:
        return "not judged: each time a worker of the cluster ended"
    if verdict is Verdict.UNTRUSTED:
        return "the answer is right, but the cases could not tell it from a wrong one"
    if diagnosis and diagnosis.startswith(_ENDED):
        told = diagnosis.removeprefix(_ENDED)
        crashed = verdict is Verdict.CRASHED and told.startswith(" (")
        return ("the process crashes" if crashed else _undiagnosed(verdict, message, stage)) + told
    return one_line(diagnosis, _CAUSE) if diagnosis else _undiagnosed(verdict, message, stage)


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
        return IN_STAGE["accepted"]
    return IN_STAGE.get(stage) or alike(message) or "no reason is given"


def is_refusal(message: str) -> bool:
    """Whether a message says that a valid case was rejected."""
    return message.startswith(_REFUSED)


def alike(message: str) -> str:
    """A message without its numbers and quotations, so that those of one kind are the same."""
    return _DIGITS.sub("#", _QUOTED.sub("'...'", one_line(message, 140)))


def machine_in_words(facts: Mapping[str, Any]) -> str:
    """What a process ran on, of what its libraries told: instruction set, threads, oneDNN, device.

    ``instruction set avx512, 2 threads, oneDNN 3.7.3``; empty where nothing was told.
    """
    told = {name: one_line(str(value), 60) for name, value in facts.items() if value}
    level, threads = told.get("isa") or told.get("aten"), told.get("threads")
    parts = [f"instruction set {level}"] if level else []
    parts += [f"{threads} thread{'' if threads == '1' else 's'}"] if threads else []
    if "onednn" in told:
        is_on = told["onednn"] == "on"
        parts.append(f"oneDNN {told.get('onednn_version', 'on') if is_on else told['onednn']}")
    parts += [told["device"]] if told.get("device", "cpu") != "cpu" else []
    return ", ".join(parts + [told[name] for name in ("processor",) if name in told])


def instead_of(message: str) -> str:
    """What a known deviation does, of a message that adds the judge's words in brackets."""
    return one_line(_JUDGED.sub("", message), 200)
