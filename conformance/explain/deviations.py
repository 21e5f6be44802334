"""What frameworks are known to do otherwise, for exactly one configuration.

This is the one place of the package that reads the records of known deviations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from conformance.cases.case import Case
from conformance.known import Record, own

_FLOATS: Final = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Deviation:
    """One known deviation that a configuration meets.

    Attributes:
        identifier: the record's name.
        implementations: patterns of the implementations.
        versions: the versions for which it is recorded, such as ``torch 2.13.*``.
        clause: the clause that is not met.
        instead: what happens instead.
        when: what must be added to the configuration; empty where it is met as it stands.
    """

    identifier: str
    implementations: str
    versions: str
    clause: str
    instead: str
    when: str = ""


def deviations_of(case: Case) -> list[Deviation]:
    """The deviations that the configuration meets: as it stands, or with other values in it."""
    probes = list(_probes(case))
    found = []
    for record in records():
        when = next((when for when, probe in probes if record.concerns(probe)), None)
        if when is not None:
            found.append(_deviation(record, when))
    return found


def deviations_from(clause: str) -> list[Deviation]:
    """The deviations recorded for a clause."""
    return [_deviation(record) for record in records() if clause in record.clause]


@cache
def records() -> tuple[Record, ...]:
    """The package's records of what is wrong, told by the cases that they concern."""
    return own()


def _probes(case: Case) -> Iterator[tuple[str, Case]]:
    """The case, and those that differ from it in values or in what is looked at alone.

    A free batch counts as two elements; of a case with another free length nothing is known.
    """
    shape = case.inputs or ()
    if None in shape[1:] and case.observe == "output":
        return
    if shape[:1] == (None,) and case.observe == "output":
        case = case.replace(inputs=(2, *shape[1:]))
    yield "", case
    if case.observe != "output":
        return
    for operands, words in _OPERANDS.items():
        if case.dtype in _FLOATS and operands != case.operands:
            yield words, case.replace(operands=operands)
    yield "in gradients", case.replace(observe="gradients")


_OPERANDS: Final = {
    "reals": "on real numbers",
    "one_nan": "with a NaN in the input",
    "one_infinity": "with an infinity in the input",
    "specials": "on NaN, infinities, signed zeros and subnormal numbers",
    "kernel_nan": "with a NaN in the kernel",
    "kernel_infinity": "with an infinity in the kernel",
    "subnormal": "on subnormal numbers",
    "lowest": "on infinities",
    "huge": "near the largest number",
    "wide": "on numbers of wide range",
}
"""Kinds of operands whose values a deviation may depend on, in words."""


def _deviation(record: Record, when: str = "") -> Deviation:
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return Deviation(
        record.identifier,
        ", ".join(record.implementation),
        versions,
        record.clause[0] if record.clause else "",
        record.instead,
        when,
    )


def as_lines(deviations: Iterable[Deviation]) -> list[str]:
    """One sentence for each, those met as they stand first."""
    ordered = sorted(deviations, key=lambda deviation: bool(deviation.when))
    return [
        f"{d.implementations} ({d.versions}){f', {d.when}' if d.when else ''}: {d.instead}"
        f"{f' [{d.clause}]' if d.clause else ''}"
        for d in ordered
    ]
