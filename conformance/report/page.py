"""The page: one file that holds the whole of a run, to be looked at in a browser.

The data are JSON in the page, compact by index: each case, each set of clauses and each message
stands there once, and an implementation has one letter per case for its verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

from conformance.judge.verdict import Verdict
from conformance.report.account import Account, Entry, Group
from conformance.report.picture import Picture, picture
from conformance.report.sentences import in_words, verdict
from conformance.report.text import one_line, printable
from conformance.report.words import LABELS, instead_of, machine_in_words
from conformance.spec.clauses import MEANINGS, Clause, clauses
from conformance.version import __version__

LETTERS: Final = dict(zip(LABELS, "okudctxw", strict=True))
"""A letter for each verdict, in the order of the labels."""

_NOT_JUDGED: Final = "."
_PICTURES_OF_CAUSE: Final = 25
_PICTURES_OF_RECORD: Final = 2
_PICTURES: Final = 400
_MESSAGE: Final = 4000
_COMMAND: Final = 2000
_DIGITS: Final = "%.3g"
_HUGE: Final = 1e300
_WHOLE: Final = 1e6


def render(account: Account) -> bytes:
    """The page in UTF-8."""
    page = _asset("page.html")
    parts = {
        "{{title}}": "Keras layer conformance",
        "{{style}}": _asset("page.css"),
        "{{script}}": _asset("page.js"),
        "{{data}}": _json(data(account)),
    }
    for mark, text in parts.items():
        head, _, tail = page.partition(mark)
        page = head + text + tail
    return page.encode()


def _asset(name: str) -> str:
    return (files("conformance.report") / "assets" / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """JSON that may stand in a script element, whatever it holds."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def data(account: Account) -> dict[str, Any]:
    """What the page is made of."""
    cases = {case: index for index, case in enumerate(account.cases)}
    table = _Table()
    by_case = {entry.case: table.clause_set(entry.clauses) for entry in account}
    pictures = _pictures(account)
    implementations = [
        _implementation(account, name, cases, pictures, table) for name in account.implementations
    ]
    return {
        "suite": __version__,
        "verdict": verdict(account),
        "accepted": account.is_accepted,
        "notes": [printable(note) for note in account.remarks],
        "runs": [_run(header) for header in account.headers],
        "verdicts": [[LETTERS[v], label, str(v)] for v, label in LABELS.items()],
        "standings": dict(MEANINGS),
        "clauses": [_clause(identifier) for identifier in table.clauses],
        "sets": table.sets,
        "cases": list(map(_shown, cases)),
        "setOf": [by_case[case] for case in cases],
        "implementations": implementations,
        "messages": table.messages,
        "causes": [_group(group, account, cases) for group in account.causes()],
        "readings": [_group(group, account, cases) for group in account.readings()],
        "known": [_group(group, account, cases) for group in account.known()],
    }


class _Table:
    """Texts and sets of clauses, each once, and their indices."""

    def __init__(self) -> None:
        self._clauses: dict[str, int] = {}
        self._sets: dict[tuple[str, ...], int] = {}
        self._messages: dict[str, int] = {}

    def clause_set(self, identifiers: tuple[str, ...]) -> int:
        return self._sets.setdefault(identifiers, len(self._sets))

    def message(self, text: str) -> int:
        return self._messages.setdefault(_shown(text), len(self._messages))

    @property
    def clauses(self) -> list[str]:
        for identifier in sorted({i for identifiers in self._sets for i in identifiers}):
            self._clauses.setdefault(identifier, len(self._clauses))
        return list(self._clauses)

    @property
    def sets(self) -> list[list[int]]:
        _ = self.clauses
        return [[self._clauses[i] for i in identifiers] for identifiers in self._sets]

    @property
    def messages(self) -> list[str]:
        return list(self._messages)


def _shown(text: str) -> str:
    """Text as the page shows it: printable, and cut where it is endless."""
    text = printable(text[:_MESSAGE])
    return text if len(text) < _MESSAGE else f"{text[:_MESSAGE]}..."


def _run(header: Mapping[str, Any]) -> dict[str, Any]:
    """What a header says of where and when; its machine by implementation as a line."""
    names = ("suite_version", "spec_sha256", "platform", "python", "grid", "started")
    run: dict[str, Any] = {n: one_line(str(header[n])) for n in names if header.get(n) is not None}
    machine = header.get("machine")
    if isinstance(machine, Mapping):
        run["machine"] = {one_line(str(name)): _in_line(value) for name, value in machine.items()}
    return run


def _in_line(value: Any) -> str:
    if isinstance(value, Mapping):
        return one_line(", ".join(f"{name} {_in_line(inner)}" for name, inner in value.items()))
    if isinstance(value, list):
        return one_line(" ".join(map(_in_line, value)))
    return one_line(str(value))


def _clause(identifier: str) -> dict[str, Any]:
    clause = clauses().get(identifier)
    return {"id": _shown(identifier)} | (_known_clause(clause) if clause else {})


def _known_clause(clause: Clause) -> dict[str, Any]:
    notes = ("condition", "reading", "why", "since", "now", "selection")
    shown = {name: getattr(clause, name, None) for name in notes}
    return {
        "source": clause.source,
        "text": clause.paraphrase,
        "standing": clause.standing,
        **{name: note for name, note in shown.items() if note},
    }


def _pictures(account: Account) -> dict[tuple[str, str], Picture]:
    """Pictures of the smallest cases of each cause, and of each known deviation."""
    wanted: list[Entry] = []
    for group in account.causes():
        wanted += _smallest(group, _PICTURES_OF_CAUSE)
    for group in account.known():
        wanted += _smallest(group, _PICTURES_OF_RECORD)
    made = {(e.implementation, e.case): picture(e) for e in wanted[:_PICTURES]}
    return {key: one for key, one in made.items() if one is not None}


def _smallest(group: Group, most: int) -> Iterable[Entry]:
    return sorted(group.entries, key=lambda entry: len(entry.case))[:most]


def _implementation(
    account: Account,
    name: str,
    cases: Mapping[str, int],
    pictures: Mapping[tuple[str, str], Picture],
    table: _Table,
) -> dict[str, Any]:
    letters = [_NOT_JUDGED] * len(cases)
    ratios, seconds = [-1.0] * len(cases), [0.0] * len(cases)
    texts: dict[int, list[Any]] = {}
    for entry in account.of(name):
        index = cases[entry.case]
        letters[index] = LETTERS[entry.verdict]
        ratios[index] = _rounded(-1.0 if entry.ratio is None else entry.ratio)
        seconds[index] = _rounded(entry.seconds or 0.0)
        if entry.message or entry.verdict is not Verdict.CONFORMS:
            texts[index] = _texts(entry, table)
    return {
        "name": _name(name),
        "version": one_line(account.versions.get(name, "")),
        "machine": machine_in_words(account.machines.get(name, {})),
        "verdicts": "".join(letters),
        "counts": in_words(account.verdicts(name), account.refused(name)),
        "ratios": ratios,
        "seconds": seconds if any(seconds) else [],
        "texts": texts,
        "pictures": {cases[case]: one for (who, case), one in pictures.items() if who == name},
    }


def _name(name: str) -> str:
    return one_line(name, 400)


def _texts(entry: Entry, table: _Table) -> list[Any]:
    """Message, diagnosis and, where it fails, the command as it was given."""
    command = one_line(entry.command, _COMMAND) if not entry.is_accepted else ""
    words = (entry.message, entry.diagnosis or "", command)
    return [table.message(text) for text in words]


def _rounded(value: float) -> float:
    """Three digits; whole numbers as such, so that zeros take one character."""
    number = float(_DIGITS % min(value, _HUGE))
    return int(number) if number.is_integer() and number < _WHOLE else number


def _group(group: Group, account: Account, cases: Mapping[str, int]) -> dict[str, Any]:
    return {
        "implementation": account.implementations.index(group.implementation),
        "words": one_line(group.words),
        "told": instead_of(group.smallest.message),
        "cases": [cases[entry.case] for entry in group.entries],
        "smallest": cases[group.smallest.case],
        "command": one_line(group.smallest.command, _COMMAND),
    }
