"""The defects that records of known deviations describe, each once, as a document.

What an implementation documents otherwise is a deviation and no defect.  Several records can tell
of one defect, of its values and of its gradients, say: those that are ``part_of`` another stand
with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from conformance.known.record import Record

_REPRODUCERS = "conformance/known/reproducers"


class Harm(StrEnum):
    """How bad it is, the worst first."""

    ENDS = "ends or hangs the process"
    SILENT = "gives a wrong result without a word"
    ACCEPTS = "accepts what the documentation forbids"
    REFUSES = "refuses what the documentation allows"


@dataclass(frozen=True)
class Defect:
    """One defect, by the record that leads and those that belong to it.

    Attributes:
        record: the one that says what happens.
        parts: the others.
    """

    record: Record
    parts: tuple[Record, ...] = ()

    @property
    def harm(self) -> Harm:
        """The worst of what it does."""
        found = {harm_of(record) for record in (self.record, *self.parts)}
        return next(harm for harm in Harm if harm in found)

    @property
    def clauses(self) -> tuple[str, ...]:
        """The clauses that are not met; patterns of ids are left out."""
        named = (record.clause[0] for record in (self.record, *self.parts) if record.clause)
        return tuple(dict.fromkeys(clause for clause in named if "*" not in clause))


def harm_of(record: Record) -> Harm:
    """What a record says that an implementation does."""
    if "crashed" in record.verdict or "timed_out" in record.verdict:
        return Harm.ENDS
    if any("must be rejected" in m or "should be 'rejected'" in m for m in record.message):
        return Harm.ACCEPTS
    if record.exception or any("was rejected" in message for message in record.message):
        return Harm.REFUSES
    return Harm.SILENT


def defects(records: Iterable[Record]) -> list[Defect]:
    """The defects that records tell of, in their order.

    Raises:
        KeyError: if a record is part of one that there is not.
    """
    told = {record.identifier: record for record in records if not record.documented}
    parts: dict[str, list[Record]] = {name: [] for name, one in told.items() if not one.part_of}
    for record in told.values():
        if record.part_of:
            parts[record.part_of].append(record)
    return [Defect(told[name], tuple(others)) for name, others in parts.items()]


def as_markdown(found: Iterable[Defect]) -> str:
    """The defects as a document: a table to begin with, then each with what is known of it."""
    by_framework: dict[str, list[Defect]] = {}
    for defect in found:
        by_framework.setdefault(_framework(defect.record), []).append(defect)
    return "\n".join(_document(by_framework)) + "\n"


def _document(by_framework: Mapping[str, list[Defect]]) -> Iterator[str]:
    total = sum(map(len, by_framework.values()))
    yield "# Defects"
    yield ""
    yield (
        f"{total} defects that the suite has found, or found again, in shipping frameworks. "
        "Written by `conformance list defects --markdown` from the records of known deviations "
        "(`conformance/known/records`); what a framework documents otherwise is left out. Ranges "
        "of versions are those in which a defect was seen, open upwards until a release mends it; "
        "all were seen on the CPU, on x86-64 Linux."
    )
    yield ""
    yield f"| implementation | {' | '.join(Harm)} |"
    yield f"| --- |{' ---: |' * len(Harm)}"
    for framework, listed in by_framework.items():
        counts = [sum(defect.harm == harm for defect in listed) for harm in Harm]
        yield f"| {framework} | {' | '.join(map(str, counts))} |"
    for framework, listed in by_framework.items():
        yield f"\n## {framework}"
        for defect in sorted(listed, key=lambda defect: list(Harm).index(defect.harm)):
            yield from _entry(defect)


def _entry(defect: Defect) -> Iterator[str]:
    record = defect.record
    yield f"\n### {record.identifier}\n"
    yield " ".join(_sentence(one.instead) for one in (record, *defect.parts))
    yield ""
    for name, text in _facts(defect):
        yield f"- {name}: {text}"


def _facts(defect: Defect) -> Iterator[tuple[str, str]]:
    record = defect.record
    yield "harm", str(defect.harm)
    if record.reason:
        yield "cause", record.reason
    yield "versions", ", ".join(f"{name} {wanted}" for name, wanted in record.versions.items())
    if record.machine:
        yield "only where", ", ".join(_condition(*item) for item in record.machine.items())
    if defect.clauses:
        yield "clause", ", ".join(f"`{clause}`" for clause in defect.clauses)
    yield "report", record.report or "not searched for"
    if record.reproducer:
        runner = "node" if record.reproducer.endswith(".cjs") else "python"
        yield "shown by", f"`{runner} {_REPRODUCERS}/{record.reproducer}`"


def _condition(name: str, wanted: object) -> str:
    return f"{name} is {' or '.join(map(str, wanted)) if isinstance(wanted, list) else wanted}"


def _framework(record: Record) -> str:
    return record.implementation[0].rstrip("*").partition("[")[0]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
