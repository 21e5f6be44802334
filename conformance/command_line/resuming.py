"""Going on with a run that was cut off, from its JSON-lines report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conformance.cases.case import Case
from conformance.command_line.errors import UsageError
from conformance.judge.verdict import Verdict
from conformance.report.jsonl import IncompleteReportError, read_report
from conformance.results import FAILING, NOT_JUDGED, Result, result_of_record

_SAME: Final = ("suite_version", "spec_sha256", "implementations", "grid")
"""The fields of the header that have to be the same."""


@dataclass(frozen=True)
class Earlier:
    """What an earlier run left.

    Attributes:
        path: its report.
        header: the report's header.
        results: its results, of cases that every implementation was judged on and fails in none;
            what fails is judged again, since a report holds no evidence for its diagnosis.
    """

    path: Path
    header: dict[str, Any]
    results: list[Result]

    @property
    def cases(self) -> frozenset[Case]:
        """The cases that are judged."""
        return frozenset(result.case for result in self.results)

    def continued(self, header: dict[str, Any]) -> dict[str, Any]:
        """The header of the run that goes on with it.

        Raises:
            UsageError: if that is another run.
        """
        for name in _SAME:
            if self.header.get(name) != header[name]:
                raise UsageError(
                    f"--resume {self.path}: its {name} is {self.header.get(name)!r}, that of this "
                    f"run {header[name]!r}; only the same run can be gone on with"
                )
        return self.header


def earlier_run(path: Path | None, cases: Sequence[Case], grid: str | None) -> Earlier | None:
    """What `path` holds of a run of `cases`; None where there is no path.

    Raises:
        UsageError: if it cannot be read, is of another grid, or holds a case that is not among
            `cases`.
    """
    if path is None:
        return None
    try:
        report = read_report(path)
        results = [result_of_record(record) for record in report.records]
    except OSError as error:
        raise UsageError(f"--resume {path}: {error.strerror or error}") from error
    except (IncompleteReportError, ValueError) as error:
        raise UsageError(f"--resume: {error}") from error
    if report.header.get("grid") != grid:
        raise UsageError(
            f"--resume {path}: it is of the grid {report.header.get('grid')!r}, this run of "
            f"{grid!r}"
        )
    others = {result.case for result in results} - set(cases)
    if others:
        raise UsageError(
            f"--resume {path}: it holds {len(others)} cases that are not selected, such as "
            f"{min(map(str, others))}; only the same selection can be gone on with"
        )
    judged = Counter(result.case for result in results if _is_settled(result))
    every = len(report.header.get("implementations", ()))
    return Earlier(path, report.header, [one for one in results if judged[one.case] == every])


def _is_settled(result: Result) -> bool:
    """Whether the result stands by itself, and needs no evidence for what explains it.

    What fails, and what conforms by another reading, is explained with all others of its kind.
    """
    by_reading = result.verdict is Verdict.CONFORMS and result.message
    return result.verdict not in FAILING and not by_reading and result.stage != NOT_JUDGED
