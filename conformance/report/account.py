"""The account of a run: what every form of report is made of.

It is fed results one at a time, live ones or the lines of a JSON-lines report alike, and keeps
what summaries need: of what conforms the case, its clauses, its error, its time and which reading
of an ambiguous clause it follows where that is another than ours; of the rest also the words.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from conformance.diagnosis.stage_words import REFUSAL
from conformance.judge.verdict import Verdict
from conformance.report.text import one_line
from conformance.report.words import alike, cause_of, instead_of, is_refusal
from conformance.results import ACCEPTED, FAILING, Evidence, Result

_GRAVITY: Final = (
    Verdict.CRASHED,
    Verdict.TIMED_OUT,
    Verdict.DEVIATES,
    Verdict.UNEXPECTED_CONFORMANCE,
    Verdict.UNTRUSTED,
    Verdict.KNOWN_DEVIATION,
    Verdict.UNSUPPORTED,
    Verdict.CONFORMS,
)
"""The verdicts, the gravest first."""


_SEVERAL: Final = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One result as reports keep it; see `conformance.results.Result`."""

    case: str
    clauses: tuple[str, ...]
    implementation: str
    verdict: Verdict
    ratio: float | None = None
    message: str = ""
    reproduce: str = ""
    diagnosis: str | None = None
    stage: str = ""
    seconds: float | None = None
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    @property
    def fails(self) -> bool:
        """Whether the implementation did wrong."""
        return self.verdict in FAILING

    @property
    def is_accepted(self) -> bool:
        """Whether the result leaves the exit status at 0."""
        return self.verdict in ACCEPTED

    @property
    def command(self) -> str:
        """The command that repeats the judgement."""
        if self.reproduce:
            return self.reproduce
        words = ["conformance", "run", "--implementation", self.implementation]
        return shlex.join([*words, "--case", self.case])


@dataclass(frozen=True)
class Group:
    """Results of one implementation that are told in one line.

    Attributes:
        implementation: whose they are.
        words: what they have in common.
        entries: the results, in the order of the run.
    """

    implementation: str
    words: str
    entries: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def smallest(self) -> Entry:
        """The one with the shortest descriptor, rather an answer than a refusal.

        One whose command has several cases shows what none shows alone, and goes before.
        """
        return min(
            self.entries,
            key=lambda e: (
                e.reproduce.count(" --case ") < _SEVERAL,
                is_refusal(e.message),
                len(e.case),
            ),
        )

    @property
    def is_refusal(self) -> bool:
        """Whether it is what an implementation refuses throughout, and no wrong value."""
        return all(entry.stage == REFUSAL for entry in self.entries)

    @cached_property
    def clauses(self) -> Counter[str]:
        """How many of the results test each clause."""
        return Counter(clause for entry in self.entries for clause in entry.clauses)


class Account:
    """Results by implementation and case.

    Attributes:
        headers: the header of each run that went in, the first line of a JSON Lines report.
        notes: what a reader has to know of their completeness, a sentence each.
        stale: the user's records of known deviations that met no case, with their files.
        versions: the version of each implementation, by its name in this account.
        machines: what each implementation's process ran on, likewise.
    """

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        self.headers: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.stale: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.machines: dict[str, Mapping[str, Any]] = {}
        self._entries: dict[str, dict[str, Entry]] = {}
        self._clauses: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._twice = self._contradictory = 0
        self._names: dict[str, str] = {}
        if header is not None:
            self.open(header)

    def open(self, header: Mapping[str, Any]) -> None:
        """Begin with a run; an implementation met in another version counts as another."""
        self.headers.append(dict(header))
        self._names = {}
        given = header.get("implementations")
        for name, version in given.items() if isinstance(given, Mapping) else ():
            self._name(str(name), str(version))
        machines = header.get("machine")
        for name, facts in machines.items() if isinstance(machines, Mapping) else ():
            if isinstance(facts, Mapping):
                self.machines[self._names.get(str(name), str(name))] = facts

    def _name(self, name: str, version: str) -> None:
        known = name not in self.versions or self.versions[name] == version
        label = name if known else f"{name} ({version or 'no version'})"
        self.versions[label] = version
        self._entries.setdefault(label, {})
        self._names[name] = label

    def add(self, result: Result | Mapping[str, Any]) -> None:
        """Take one result of the run begun last.

        Raises:
            ValueError: for a record without case or implementation, or with an unknown verdict.
        """
        record = result.record() if isinstance(result, Result) else result
        entry = self._entry(record)
        if isinstance(result, Result) and entry.fails:
            entry = replace(entry, evidence=result.evidence)
        self.take(entry)

    def take(self, entry: Entry) -> None:
        """Take a result as another account keeps it."""
        kept = self._entries.setdefault(entry.implementation, {})
        before = kept.get(entry.case)
        kept[entry.case] = entry if before is None else self._graver(before, entry)

    def _entry(self, record: Mapping[str, Any]) -> Entry:
        case, name = record.get("case"), record.get("implementation")
        if not isinstance(case, str) or not isinstance(name, str):
            raise ValueError("the record names no case or no implementation")
        verdict = Verdict(str(record.get("verdict")))
        given = record.get("clauses")
        clauses = tuple(map(str, given)) if isinstance(given, Sequence) else ()
        entry = Entry(
            case=case,
            clauses=self._clauses.setdefault(clauses, clauses),
            implementation=self._names.get(name, name),
            verdict=verdict,
            ratio=_number(record.get("ratio")),
            seconds=_number(record.get("seconds")),
        )
        if verdict is Verdict.CONFORMS:
            return (
                replace(entry, message=str(message))
                if (message := record.get("message"))
                else entry
            )
        return replace(
            entry,
            message=str(record.get("message") or ""),
            reproduce=str(record.get("reproduce") or ""),
            stage=str(record.get("stage") or ""),
            diagnosis=str(record.get("diagnosis") or "") or None,
        )

    def _graver(self, before: Entry, entry: Entry) -> Entry:
        self._twice += 1
        self._contradictory += before.verdict is not entry.verdict
        return min(before, entry, key=lambda one: _GRAVITY.index(one.verdict))

    @property
    def remarks(self) -> list[str]:
        """The notes, and what is to be said of stale records and of results given repeatedly."""
        found = list(self.notes)
        if self.stale:
            found.append(_stale_in_words(self.stale))
        if self._twice:
            words = f"{self._twice} results are given more than once"
            if self._contradictory:
                words += f", {self._contradictory} of them with another verdict: "
                words += "the graver one counts"
            found.append(f"{words}.")
        return found

    @property
    def implementations(self) -> list[str]:
        """The names of the implementations, in the order in which they came."""
        return list(self._entries)

    def of(self, implementation: str) -> Iterable[Entry]:
        """The results of one implementation."""
        return self._entries[implementation].values()

    def __iter__(self) -> Iterator[Entry]:
        for name in self._entries:
            yield from self.of(name)

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def find(self, implementation: str, case: str) -> Entry | None:
        """The result of a case; None where it was not judged."""
        return self._entries.get(implementation, {}).get(case)

    @property
    def cases(self) -> list[str]:
        """Every case that some implementation was judged on, once."""
        return list(dict.fromkeys(entry.case for entry in self))

    def verdicts(self, implementation: str) -> Counter[Verdict]:
        """The verdicts of one implementation, counted."""
        return Counter(entry.verdict for entry in self.of(implementation))

    def refused(self, implementation: str) -> int:
        """How many cases one implementation refuses throughout."""
        return sum(entry.stage == REFUSAL for entry in self.of(implementation))

    def by_clause(self) -> dict[str, dict[str, Counter[Verdict]]]:
        """The verdicts counted by clause, in the order of their ids, and implementation."""
        found: dict[str, dict[str, Counter[Verdict]]] = {}
        for entry in self:
            for clause in entry.clauses:
                counts = found.setdefault(clause, {})
                counts.setdefault(entry.implementation, Counter())[entry.verdict] += 1
        return dict(sorted(found.items()))

    def specific_clauses(self, group: Group) -> list[str]:
        """The clauses of a group's cases, those first that most of them, and few others, test."""
        judged = Counter(clause for e in self.of(group.implementation) for clause in e.clauses)
        counts = group.clauses
        return sorted(counts, key=lambda clause: -(counts[clause] ** 2) / judged[clause])

    @property
    def is_accepted(self) -> bool:
        """Whether nothing here makes a run fail."""
        return all(entry.is_accepted for entry in self)

    def causes(self) -> list[Group]:
        """What is wrong: the results that fail a run, by what explains them; most first.

        What is refused throughout comes last.
        """
        groups = self._grouped(_cause)
        return sorted(
            groups, key=lambda group: (group.is_refusal, not group.smallest.fails, -len(group))
        )

    def known(self) -> list[Group]:
        """The known deviations that were met again, by the id of their record."""
        return self._grouped(_record_met)

    def readings(self) -> list[Group]:
        """What conforms to another reading of an ambiguous clause, by the words that say so."""
        return self._grouped(_reading)

    def unsupported(self) -> list[Group]:
        """What was declared unsupported, by reason; most first."""
        return sorted(self._grouped(_reason), key=lambda group: -len(group))

    def _grouped(self, key: Callable[[Entry], str | None]) -> list[Group]:
        found: dict[tuple[str, str], list[Entry]] = {}
        for entry in self:
            words = key(entry)
            if words is not None:
                found.setdefault((entry.implementation, words), []).append(entry)
        return [Group(name, words, tuple(group)) for (name, words), group in found.items()]


def _stale_in_words(stale: Mapping[str, str]) -> str:
    records = ", ".join(f"{name!r} of {source}" for name, source in stale.items())
    what = "record" if len(stale) == 1 else f"{len(stale)} records"
    return (
        f"Stale {what} of known deviations: {records} met no case that was judged (implementation, "
        "versions, machine and case must all match)."
    )


def _cause(entry: Entry) -> str | None:
    if entry.is_accepted:
        return None
    return cause_of(entry.verdict, entry.message, entry.diagnosis, entry.stage)


def _reading(entry: Entry) -> str | None:
    return (entry.verdict is Verdict.CONFORMS and one_line(entry.message)) or None


def _record_met(entry: Entry) -> str | None:
    if entry.verdict is not Verdict.KNOWN_DEVIATION:
        return None
    return entry.diagnosis or instead_of(entry.message)


def _reason(entry: Entry) -> str | None:
    if entry.verdict is not Verdict.UNSUPPORTED:
        return None
    return alike(entry.message) or "no reason is given"


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if usable and value == value else None
