"""The words of reports: verdicts, and what a stage of the judge says where nothing explains it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

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
_FIRST_DIFFER: Final = MappingProxyType(
    {
        "at the padding": "only outputs whose window reaches into the padding are wrong",
        "at the window": "the outputs are those of windows in other places, or there are more or "
        "fewer of them than there should be",
        "at the contraction": "windows and their number are right, what is computed from each "
        "window is not",
        "at the bias": "all outputs of a filter are off by the same number, as with a wrong bias",
        "at the activation": "the sums are right, what the activation makes of them is not",
        "in the layout": "the right elements stand in the wrong places",
    }
)
"""Where outputs first differ from the right ones, by how the diagnosis begins to say so."""

_OBSERVED: Final = MappingProxyType(
    {
        "output": "the output is looked at",
        "gradients": "the gradients are looked at",
        "shape": "the shape alone is looked at",
        "rejection": "an error is what is due",
    }
)
_SHARED: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "layer": str,
        "dtype": str,
        "observe": lambda value: _OBSERVED.get(value, value.replace("_", " ")),
        "operands": lambda value: f"operands of the kind '{value}'",
        "padding": lambda value: f"padding '{value}'",
        "data_format": str,
        "use_bias": lambda value: "no bias" if value == "False" else "a bias",
        "activation": lambda value: f"activation '{value}'",
    }
)
"""What cases share, field by field of the descriptor, from its value."""

_IN_COMMON: Final = "; in common: "
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
    """A diagnosis without the names of stages and fields, and without its statistics."""
    where, separator, shared = _STATISTICS.sub("", diagnosis).partition(_IN_COMMON)
    return _place(where) + separator + " and ".join(map(_feature, shared.split(" and ")))


def _place(where: str) -> str:
    """What is wrong, of the sentence or the stage that a diagnosis begins with."""
    if where.startswith("first differ "):
        place = where.removeprefix("first differ ")
        told = (words for begin, words in _FIRST_DIFFER.items() if place.startswith(begin))
        return next(told, f"the outputs {where}")
    return _IN_STAGE.get(where, where)


def _feature(feature: str) -> str:
    """Something that cases share, ``observe:gradients``, in words."""
    name, is_field, value = feature.partition(":")
    return _SHARED[name](value) if is_field and name in _SHARED else feature


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
