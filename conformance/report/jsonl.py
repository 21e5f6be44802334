"""The JSON-lines report: a header, a line per result, and a footer that says it is complete.

Results are written to a temporary file beside the target; the finished report takes the target's
place in one step.  So a file of that name is always a whole report.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from conformance.results import Result


class IncompleteReportError(ValueError):
    """A report without its footer, or whose footer contradicts its results."""


class JsonLinesReport:
    """Writes one report; use `json_lines_report`, which opens and finishes it."""

    def __init__(self, stream: TextIO, header: dict[str, Any]) -> None:
        self._stream = stream
        self._verdicts: Counter[str] = Counter()
        self._write({"kind": "header", **header})

    def add(self, result: Result) -> None:
        """Write one result."""
        self._verdicts[str(result.verdict)] += 1
        self._write(result.record())

    def finish(self) -> None:
        """Write the footer."""
        counts = dict(sorted(self._verdicts.items()))
        self._write({"kind": "footer", "results": sum(counts.values()), "verdicts": counts})

    def _write(self, record: dict[str, Any]) -> None:
        self._stream.write(json.dumps(_finite(record), ensure_ascii=False, allow_nan=False) + "\n")


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: beyond a zero bound the ratio is null and the message tells."""
    ratio = record.get("ratio")
    if isinstance(ratio, float) and not math.isfinite(ratio):
        return {**record, "ratio": None}
    return record


@contextmanager
def json_lines_report(path: Path, header: dict[str, Any]) -> Iterator[JsonLinesReport]:
    """A report that appears at `path` when the block ends without an exception.

    Raises:
        OSError: if the directory does not exist or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            report = JsonLinesReport(stream, header)
            yield report
            report.finish()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json_lines(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the results of a report.

    Raises:
        IncompleteReportError: if the header or footer is missing, or the counts disagree.
    """
    with path.open(encoding="utf-8") as stream:
        records = [json.loads(line) for line in stream]
    if not records or records[0].get("kind") != "header":
        raise IncompleteReportError(f"{path}: the first line is no header; this is no report")
    if records[-1].get("kind") != "footer":
        raise IncompleteReportError(f"{path}: the footer is missing; the run did not finish")
    results = records[1:-1]
    if records[-1]["results"] != len(results):
        raise IncompleteReportError(
            f"{path}: the footer counts {records[-1]['results']} results, the file holds "
            f"{len(results)}"
        )
    return records[0], results
