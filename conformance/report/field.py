"""What an implementation did, as it is stored: what deviates, and a digest of the rest.

The field has dozens of implementations, which no one machine installs together; the table of them
(`conformance.report.field_page`) is built of these files alone, offline.  A file has the verdicts
counted by clause, which the table needs; each case that is not as documented; and of all others one
digest, so that a later run that differs anywhere is told apart from one that does not.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from conformance.judge.verdict import Verdict
from conformance.report.account import Account, Entry
from conformance.report.files import write_atomically
from conformance.report.text import one_line

FORMAT: Final = 1
LARGEST: Final = 100_000
"""Bytes of a file."""

_WORDS: Final = 200
_AS_DOCUMENTED: Final = frozenset({Verdict.CONFORMS, Verdict.UNSUPPORTED})
_EXACT: Final = "conv.values.exact"
_LOCAL: Final = "conv.output.locality"


class StoredError(ValueError):
    """A stored observation that cannot be read; the message says which, and why."""


@dataclass(frozen=True)
class Quality:
    """How well an implementation computes.

    Attributes:
        largest, typical: the largest error, and the median, in units of the bound, of the cases in
            which an error was measured and not zero; None where there is none.
        exact: of the cases whose sums are exact, how many are so, and how many were judged.
        repeatable: whether every second call gave the same answer.
        local: of the cases in which one input stands apart, how many keep to its receptive field,
            and how many were judged.
    """

    largest: float | None
    typical: float | None
    exact: tuple[int, int]
    repeatable: bool
    local: tuple[int, int]


@dataclass(frozen=True)
class Deviation:
    """A case that is not as documented."""

    case: str
    verdict: str
    stage: str
    known: str
    message: str


@dataclass(frozen=True)
class Seen:
    """What one implementation did on one grid.

    Attributes:
        implementation, versions, machine: who it is, and what its process ran on.
        platform, python, grid, suite_version, spec_sha256, started: of the run.
        quality: how well it computes.
        rate: cases in a second of its own time.
        clauses: the verdicts by clause, counted.
        verdicts: the verdicts, counted.
        digest: of every case that is as documented, with its verdict.
        deviations: the others.
    """

    implementation: str
    versions: str
    machine: Mapping[str, str]
    platform: str
    python: str
    grid: str
    suite_version: str
    spec_sha256: str
    started: str
    quality: Quality
    rate: float
    verdicts: Mapping[str, int]
    digest: str
    clauses: Mapping[str, Mapping[str, int]] = field(repr=False)
    deviations: tuple[Deviation, ...] = field(repr=False)

    @property
    def file_name(self) -> str:
        """The name of its file."""
        kept = (c if c.isalnum() or c in "._-=" else "-" for c in self.implementation)
        return "".join(kept).rstrip("-") + ".json"

    def to_json(self) -> bytes:
        """The file's content, one deviation a line."""
        told = vars(self) | {"format": FORMAT, "quality": asdict(self.quality)}
        deviations = told.pop("deviations")
        clauses = told.pop("clauses")
        lines = [json.dumps(told, sort_keys=True)[:-1]]
        lines.append(f', "clauses": {json.dumps(clauses, sort_keys=True)}')
        listed = ",\n".join(json.dumps([*vars(d).values()], ensure_ascii=False) for d in deviations)
        lines.append(f', "deviations": [\n{listed}\n]}}')
        return ("\n".join(lines) + "\n").encode()


def seen(account: Account) -> list[Seen]:
    """What is to be stored of each implementation of a run.

    Raises:
        ValueError: for an account of several runs, or of one that selected its cases.
    """
    if len(account.headers) != 1:
        raise ValueError("one run's report is asked for at a time")
    header = account.headers[0]
    if not header.get("grid"):
        raise ValueError("the run selected its cases; observations are those of a whole grid")
    return [_seen(account, header, name) for name in account.implementations]


def _seen(account: Account, header: Mapping[str, Any], name: str) -> Seen:
    entries = sorted(account.of(name), key=lambda entry: entry.case)
    clauses: dict[str, Counter[str]] = {}
    for entry in entries:
        for clause in entry.clauses:
            clauses.setdefault(clause, Counter())[_told(entry)] += 1
    return Seen(
        implementation=name,
        versions=account.versions.get(name, ""),
        machine={k: str(v) for k, v in account.machines.get(name, {}).items()},
        **{key: str(header[key]) for key in ("platform", "python", "grid", "suite_version")},
        spec_sha256=str(header["spec_sha256"]),
        started=str(header["started"]),
        quality=quality_of(entries),
        rate=_rate(entries),
        verdicts=Counter(map(_told, entries)),
        digest=_digest(entries),
        clauses=clauses,
        deviations=tuple(_deviation(e) for e in entries if e.verdict not in _AS_DOCUMENTED),
    )


def _told(entry: Entry) -> str:
    """The verdict; of a recorded deviation that ended the process, that it did."""
    ended = entry.verdict is Verdict.KNOWN_DEVIATION and entry.stage == "process"
    return str(Verdict.CRASHED if ended else entry.verdict)


def _deviation(entry: Entry) -> Deviation:
    known = (entry.diagnosis or "") if entry.verdict is Verdict.KNOWN_DEVIATION else ""
    message = "" if known else one_line(entry.message, _WORDS)
    return Deviation(entry.case, str(entry.verdict), entry.stage, known, message)


def _digest(entries: Iterable[Entry]) -> str:
    """The sha256 of the cases that are as documented, each with its verdict, a line each."""
    lines = (f"{e.case} {e.verdict}\n" for e in entries if e.verdict in _AS_DOCUMENTED)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _rate(entries: Iterable[Entry]) -> float:
    times = [e.seconds or 0.0 for e in entries if e.verdict is not Verdict.UNSUPPORTED]
    total = sum(times)
    return _short(len(times) / total) if total else 0.0


def quality_of(entries: Iterable[Entry]) -> Quality:
    """How well an implementation computes, by its results."""
    judged = [e for e in entries if e.verdict is not Verdict.UNSUPPORTED]
    errors = [e.ratio for e in judged if e.ratio and math.isfinite(e.ratio)]
    return Quality(
        largest=_short(max(errors)) if errors else None,
        typical=_short(statistics.median(errors)) if errors else None,
        exact=_share(judged, _EXACT),
        repeatable=not any(e.stage == "repeat" for e in judged),
        local=_share(judged, _LOCAL),
    )


def _share(entries: Iterable[Entry], clause: str) -> tuple[int, int]:
    testing = [e for e in entries if clause in e.clauses]
    return sum(e.verdict is Verdict.CONFORMS for e in testing), len(testing)


def _short(number: float) -> float:
    """Three digits: no run repeats more."""
    return float(f"{number:.3g}")


def store(observed: Iterable[Seen], folder: Path) -> list[Path]:
    """Write each to its file.

    Raises:
        ValueError: for one that is larger than is stored; nothing of it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for one in observed:
        content = one.to_json()
        if len(content) > LARGEST:
            raise ValueError(
                f"{one.implementation} deviates in {len(one.deviations)} cases, which take "
                f"{len(content)} bytes; at most {LARGEST} are stored. Record the deviations first "
                "(conformance/known/records), or say what the engine does not take"
            )
        write_atomically(folder / one.file_name, content)
        written.append(folder / one.file_name)
    return written


def stored(folder: Path) -> list[Seen]:
    """What is stored in a folder, by name.

    Raises:
        StoredError: for the first file that is none.
    """
    found = [read(path) for path in folder.glob("*.json")]
    return sorted(found, key=lambda one: one.implementation)


def read(path: Path) -> Seen:
    """One stored observation.

    Raises:
        StoredError: if it is none.
    """
    try:
        content = path.read_bytes()
        told = json.loads(content)
        if told.pop("format") != FORMAT:
            raise StoredError(f"{path}: is of another format than {FORMAT}")
        quality = told.pop("quality")
        quality["exact"], quality["local"] = tuple(quality["exact"]), tuple(quality["local"])
        deviations = tuple(Deviation(*one) for one in told.pop("deviations"))
        return Seen(quality=Quality(**quality), deviations=deviations, **told)
    except StoredError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoredError(f"{path}: is no stored observation ({error})") from error
