"""The JSON-lines report: a header, a line per result, and a footer that says it is complete.

Each line is written when its result is there, so that a run that is cut off leaves a report
without its footer, which `read_report` reads as far as it goes.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from conformance.report.files import STANDARD_OUTPUT, is_special, write_atomically
from conformance.results import Result


class IncompleteReportError(ValueError):
    """A report without its footer, or whose footer contradicts its results."""


class JsonLinesReport:
    """Writes one report, line by line; use `json_lines_report`, which opens it.

    Args:
        stream: what is written to.
        header: the fields of the header; None where the stream has it already.
    """

    def __init__(self, stream: TextIO, header: dict[str, Any] | None) -> None:
        self._stream = stream
        self._verdicts: Counter[str] = Counter()
        if header is not None:
            self._write({"kind": "header", **header})

    def add(self, result: Result) -> None:
        """Write one result."""
        self.count(result)
        self._write(result.record())

    def count(self, result: Result) -> None:
        """Take notice of a result that the stream has already."""
        self._verdicts[str(result.verdict)] += 1

    def finish(self, stale: Collection[str] = ()) -> None:
        """Write the footer, with the ids of the user's records that met no case."""
        self._write(_footer(self._verdicts, stale))

    def _write(self, record: dict[str, Any]) -> None:
        self._stream.write(_line(record))
        self._stream.flush()


def _footer(verdicts: Counter[str], stale: Collection[str]) -> dict[str, Any]:
    counts = dict(sorted(verdicts.items()))
    footer = {"kind": "footer", "results": sum(counts.values()), "verdicts": counts}
    return footer | ({"stale": list(stale)} if stale else {})


def _line(record: dict[str, Any]) -> str:
    return _TO_JSON(_finite(record)) + "\n"


_TO_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
"""Made once: `json.dumps` makes an encoder for every line that is not of its own default form."""


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: beyond a zero bound the ratio is null and the message tells."""
    ratio = record.get("ratio")
    if isinstance(ratio, float) and not math.isfinite(ratio):
        return {**record, "ratio": None}
    return record


@contextmanager
def json_lines_report(
    path: Path, header: dict[str, Any], kept: Sequence[Result] = ()
) -> Iterator[JsonLinesReport]:
    """A report at `path`, or on standard output for ``-``, that grows line by line.

    A lone surrogate, which no encoding can carry, is written as JSON's escape.

    Args:
        path: where it is written.
        header: the fields of its header.
        kept: results of an earlier run, which it begins with.

    Raises:
        OSError: if the file cannot be written.
    """
    if path == STANDARD_OUTPUT:
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        yield _begun(sys.stdout, header, kept)
        return
    if kept and not is_special(path):
        write_json_lines(path, header, kept, complete=False)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            report = JsonLinesReport(stream, None)
            for result in kept:
                report.count(result)
            yield report
        return
    with path.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        yield _begun(stream, header, kept)


def _begun(stream: TextIO, header: dict[str, Any], kept: Sequence[Result]) -> JsonLinesReport:
    report = JsonLinesReport(stream, header)
    for result in kept:
        report.add(result)
    return report


def write_json_lines(
    path: Path,
    header: dict[str, Any],
    results: Sequence[Result],
    *,
    complete: bool,
    stale: Collection[str] = (),
) -> None:
    """Write a report at once, in the place of the file at `path`, with or without a footer.

    Raises:
        OSError: if the file cannot be written.
    """
    lines = [_line({"kind": "header", **header}), *(_line(one.record()) for one in results)]
    if complete:
        lines.append(_line(_footer(Counter(str(one.verdict) for one in results), stale)))
    write_atomically(path, "".join(lines).encode("utf-8", "backslashreplace"))


@dataclass(frozen=True)
class Report:
    """A report as far as it goes.

    Attributes:
        header: its header, as it stands in the file.
        records: the lines of its results.
        problem: why it is incomplete; empty where it is not.
        stale: ids of the user's records of known deviations that met no case of the run.
    """

    header: dict[str, Any]
    records: list[dict[str, Any]]
    problem: str = ""
    stale: frozenset[str] = frozenset()


def read_report(path: Path) -> Report:
    """A report, complete or cut off at any byte.

    Raises:
        IncompleteReportError: if there is no header, so that it is no report at all.
        OSError: if the file cannot be read.
    """
    records = list(_lines(path))
    if not records or records[0].get("kind") != "header":
        raise IncompleteReportError(f"{path}: the first line is no header; this is no report")
    header, *others = records
    results = [record for record in others if record.get("kind") == "result"]
    footer = others[-1] if others and others[-1].get("kind") == "footer" else None
    if footer is None:
        return Report(header, results, f"{path}: the footer is missing; the run did not finish")
    if footer.get("results") != len(results):
        problem = (
            f"{path}: the footer counts {footer.get('results')} results, the file holds "
            f"{len(results)}"
        )
        return Report(header, results, problem)
    stale = footer.get("stale")
    return Report(
        header, results, stale=frozenset(map(str, stale if isinstance(stale, list) else ()))
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file's lines, up to the first line that is none."""
    with path.open(encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                return
            if not line.endswith("\n") or not isinstance(record, dict):
                return
            yield record


def read_json_lines(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the results of a complete report.

    Raises:
        IncompleteReportError: if the header or footer is missing, or the counts disagree.
    """
    report = read_report(path)
    if report.problem:
        raise IncompleteReportError(report.problem)
    return report.header, report.records
