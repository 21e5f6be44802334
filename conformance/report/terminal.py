"""The terminal summary: clauses by implementations, then what deviates and how to repeat it."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from conformance.diagnosis.diagnosis import Diagnosis
from conformance.judge.verdict import Verdict
from conformance.results import ACCEPTED, Result

_LABELS = {
    Verdict.CONFORMS: "ok",
    Verdict.KNOWN_DEVIATION: "known",
    Verdict.UNSUPPORTED: "unsupported",
    Verdict.DEVIATES: "DEVIATES",
    Verdict.CRASHED: "CRASHED",
    Verdict.TIMED_OUT: "TIMED OUT",
    Verdict.UNEXPECTED_CONFORMANCE: "UNEXPECTEDLY CONFORMS",
    Verdict.UNTRUSTED: "UNTRUSTED",
}


_UNDIAGNOSED: Mapping[str, Diagnosis] = MappingProxyType({})


def summary(
    results: Sequence[Result],
    versions: dict[str, str],
    diagnoses: Mapping[str, Diagnosis] = _UNDIAGNOSED,
) -> str:
    """The whole summary as text.

    Args:
        results: every result of the run.
        versions: the version of each implementation, by name.
        diagnoses: what explains the failures of each implementation, by name.
    """
    implementations = list(dict.fromkeys(result.implementation for result in results))
    sections = [
        clause_table(results, implementations),
        known_deviations(results),
        diagnosis(results, diagnoses),
        deviations(results),
        totals(results, implementations, versions),
    ]
    return "\n\n".join(section for section in sections if section)


def clause_table(results: Iterable[Result], implementations: Sequence[str]) -> str:
    """A row per clause, a column per implementation, the verdicts counted in each cell."""
    counts: dict[tuple[str, str], Counter[Verdict]] = defaultdict(Counter)
    for result in results:
        for clause in result.clauses:
            counts[clause, result.implementation][result.verdict] += 1
    clauses = sorted({clause for clause, _ in counts})
    rows = [["clause", *implementations]]
    rows += [[clause, *(_cell(counts[clause, i]) for i in implementations)] for clause in clauses]
    return _align(rows)


def totals(
    results: Iterable[Result], implementations: Sequence[str], versions: dict[str, str]
) -> str:
    """One line per implementation with its version and its verdicts counted."""
    counts: dict[str, Counter[Verdict]] = defaultdict(Counter)
    for result in results:
        counts[result.implementation][result.verdict] += 1
    rows = [
        [name, versions.get(name, ""), f"{counts[name].total()} cases:", _cell(counts[name])]
        for name in implementations
    ]
    return _align(rows)


def known_deviations(results: Iterable[Result]) -> str:
    """The recorded deviations that were met again: how often, what happens, an example."""
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.verdict is Verdict.KNOWN_DEVIATION:
            groups[result.implementation, result.diagnosis or ""].append(result)
    if not groups:
        return ""
    lines = ["Known deviations"]
    for (implementation, identifier), group in sorted(groups.items()):
        lines.append(f"  {implementation}: {identifier} ({_cases(len(group))})")
        lines.append(f"    {group[0].message}")
        lines.append(f"    {group[0].reproduce}")
    return "\n".join(lines)


def diagnosis(results: Iterable[Result], diagnoses: Mapping[str, Diagnosis]) -> str:
    """What explains the failures of each implementation, and how to get a smallest failing case."""
    if not diagnoses:
        return ""
    specs = {result.implementation: result.evidence.spec for result in results if result.evidence}
    lines = [] if not any(found.groups for found in diagnoses.values()) else ["Diagnosis"]
    for name, found in diagnoses.items():
        total = sum(len(group.failures) for group in found.groups)
        for group in found.groups:
            words = ["conformance", "shrink", "--implementation", specs[name]]
            lines.append(f"  {name}: {group.clause(total)}")
            lines.append(f"    {shlex.join([*words, group.smallest.descriptor])}")
    lines += _readings(diagnoses)
    return "\n".join(lines)


def _readings(diagnoses: Mapping[str, Diagnosis]) -> list[str]:
    """The readings of ambiguous clauses, other than the suite's, that are followed everywhere."""
    lines = []
    for name, found in diagnoses.items():
        for group in found.readings:
            if group.reading:
                fault, clause = group.reading
                lines.append(
                    f"  {name}: conforms to another reading of {clause} in "
                    f"{_cases(len(group.failures))}: {fault.sentence}"
                )
    return ["Readings", *lines] if lines else []


def deviations(results: Iterable[Result]) -> str:
    """Every result that fails the run, with its grounds and its reproducer line."""
    failing = [result for result in results if result.verdict not in ACCEPTED]
    if not failing:
        return ""
    lines = [f"Deviations ({_cases(len(failing))})"]
    for result in failing:
        lines.append(f"  {result.implementation}: {_LABELS[result.verdict]} {result.case}")
        lines.append(f"    clauses: {', '.join(result.clauses)}")
        lines.extend(f"    {line}" for line in result.message.splitlines())
        if result.diagnosis:
            lines.append(f"    diagnosis: {result.diagnosis}")
        lines.append(f"    {result.reproduce}")
    return "\n".join(lines)


def _cell(counts: Counter[Verdict]) -> str:
    shown = [f"{counts[verdict]} {label}" for verdict, label in _LABELS.items() if counts[verdict]]
    return ", ".join(shown) or "-"


def _cases(count: int) -> str:
    return f"{count} case" if count == 1 else f"{count} cases"


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
