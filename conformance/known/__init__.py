"""Recorded disagreements between implementations and the documentation.

``records/`` holds this package's own as data, one file per implementation; users add theirs by
``--known FILE.toml``.  ``reproducers/`` holds stand-alone programs that show the defects among them
without this project's code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from conformance.cases.case import Case
from conformance.judge.verdict import Judgement, Verdict
from conformance.known.reading import RecordError, own_records, read_records
from conformance.known.record import Derive, Found, Record, Who
from conformance.outcomes import Outcome

__all__ = ["STORED", "Derive", "Record", "RecordError", "Records", "Who", "load", "own"]

STORED: Final = "golden:"
"""Prefix of the names under which stored observations are judged."""


class Records:
    """The known deviations of one run.

    Args:
        own: this package's.
        users: those of the files that the user names.
    """

    def __init__(self, own: Iterable[Record], users: Iterable[Record] = ()) -> None:
        self.users: Sequence[Record] = tuple(users)
        self._all = (*self.users, *own)
        self._active: dict[Who, tuple[Record, ...]] = {}

    def judge(
        self, who: Who, case: Case, outcome: Outcome, judgement: Judgement, derive: Derive
    ) -> Judgement:
        """The judgement in the light of the records: unchanged, known, or unexpectedly conforming.

        Args:
            who: the implementation; stored observations count as the original.
            case: the case judged.
            outcome: what the implementation did.
            judgement: the verdict reached without the records.
            derive: operands and expectation of the case, where a record asks for them.
        """
        if judgement.verdict is Verdict.UNSUPPORTED:
            return judgement
        if judgement.verdict is Verdict.CONFORMS:
            return self._unless_expected(who, case, judgement)
        found = Found(case, outcome, judgement, derive)
        for record in self.about(who):
            if record.concerns(case) and record.explains(found):
                return replace(
                    judgement,
                    verdict=Verdict.KNOWN_DEVIATION,
                    message=f"{record.instead} ({judgement.message})",
                    diagnosis=record.identifier,
                )
        return judgement

    def about(self, who: Who) -> tuple[Record, ...]:
        """The records that speak of an implementation."""
        if who not in self._active:
            self._active[who] = tuple(record for record in self._all if record.speaks_of(who))
        return self._active[who]

    def concerned(self, who: Who, case: Case) -> tuple[str, ...]:
        """Ids of the user's records that are about this case of this implementation."""
        speaking = [record for record in self.users if record in self.about(who)]
        return tuple(record.identifier for record in speaking if record.concerns(case))

    def is_to_be_alone(self, who: Who, case: Case) -> bool:
        """Whether a case may spoil the process that evaluates it, as a record says."""
        return any(record.alone and record.concerns(case) for record in self.about(who))

    def may_hang(self, who: Who, case: Case) -> bool:
        """Whether a case may end without an answer, as a record of those to be alone says."""
        return any(
            str(Verdict.TIMED_OUT) in record.verdict and record.concerns(case)
            for record in self.about(who)
            if record.alone
        )

    def _unless_expected(self, who: Who, case: Case, judgement: Judgement) -> Judgement:
        for record in self.about(who):
            if record.always and record.concerns(case):
                return replace(
                    judgement,
                    verdict=Verdict.UNEXPECTED_CONFORMANCE,
                    message="conforms, although the known deviation "
                    f"{record.identifier!r} is recorded for it ({record.instead}); if the "
                    "implementation was mended, remove the record or end its range of versions",
                    diagnosis=record.identifier,
                )
        return judgement


@cache
def own() -> tuple[Record, ...]:
    """This package's own records."""
    return own_records()


def load(paths: Iterable[Path | str] = ()) -> Records:
    """This package's records and those of a user's files.

    Raises:
        RecordError: if a file is not of the form, or two records share an id.
    """
    users: dict[str, Record] = {}
    taken = {record.identifier: record.source for record in own()}
    for path in paths:
        for record in read_records(Path(path)):
            if record.identifier in taken:
                raise RecordError(
                    f"{path}: the id {record.identifier!r} is that of a record in "
                    f"{taken[record.identifier]}"
                )
            taken[record.identifier] = str(path)
            users[record.identifier] = record
    return Records(own(), users.values())
