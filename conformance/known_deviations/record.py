"""What a known deviation is, and when it covers a judgement.

A record says who deviates (implementation, versions), where (a clause, and a predicate over the
case's facts) and what happens instead (a predicate over the outcome).  All three must match: a
different failure in the same place is not covered, and neither is the same failure of another
version.  A case that a record covers and that conforms all the same is reported as
`unexpected_conformance`, so that records do not outlive what they describe.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.implementations.canonical import has_plain_geometry, uncanonical
from conformance.judge.verdict import Judgement, Verdict
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Value


@dataclass(frozen=True)
class KnownDeviation:
    """One recorded disagreement between an implementation and the documentation.

    Attributes:
        identifier: short name, unique among all records.
        implementations: patterns of implementation names, such as ``tf.keras*``.
        versions: pattern of the version by distribution name, such as ``{"keras": "3.15.*"}``.
        clause: id of the clause that is not met.
        applies: which cases are concerned.
        happens: what the implementation does instead; see the helpers of this module.
        instead: the same in words.
        reason: why it is so, or where it was reported, as far as known.
        always: False where a concerned case may also conform (behaviour that changes from run
            to run, or depends on the machine).
        by_processor: whether it depends on the processor if the behaviour shows at all, so that
            a machine on which no case meets the record proves nothing against it.
        reproducer: file name in ``reproducers/`` of a stand-alone program that shows a defect of
            the framework; None where the framework merely documents something else.
    """

    identifier: str
    implementations: tuple[str, ...]
    versions: Mapping[str, str]
    clause: str
    applies: Callable[[Facts], bool]
    happens: Callable[[Outcome], bool]
    instead: str
    reason: str = ""
    always: bool = True
    by_processor: bool = False
    reproducer: str | None = None

    def concerns(self, implementation: str, versions: Mapping[str, str], case: Case) -> bool:
        """Whether the record speaks of this case on this implementation and version."""
        return (
            any(name_matches(implementation, pattern) for pattern in self.implementations)
            and all(
                fnmatch.fnmatchcase(versions.get(distribution, ""), pattern)
                for distribution, pattern in self.versions.items()
            )
            and self.applies(facts(case))
        )


def name_matches(name: str, pattern: str) -> bool:
    """Whether a pattern with ``*`` covers an implementation's name; a bracket is literal."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def is_well_formed(known: Facts) -> bool:
    """Whether every argument is of its documented kind and value, so that geometry is defined."""
    if not known.rank or uncanonical(known.case) is not None:
        return False
    fits = known.has_axes and len(known.case.inputs or ()) == known.rank + 2
    return fits and has_plain_geometry(known.case)


def pools_to_nothing(known: Facts) -> bool:
    """Whether a pooling window, without padding, is longer than the input, and must be rejected."""
    if not (known.is_pooling and known.observes_rejection and is_well_formed(known)):
        return False
    return known.padding == "valid" and any(axis.output <= 0 for axis in known.axes)


def rejects(*exceptions: str) -> Callable[[Outcome], bool]:
    """It raises one of these exceptions (by type name); any exception where none is named."""

    def happens(outcome: Outcome) -> bool:
        return isinstance(outcome, Rejection) and (
            not exceptions or outcome.exception in exceptions
        )

    return happens


def returns_a_value(outcome: Outcome) -> bool:
    """It returns something, where something else, or a rejection, is expected."""
    return isinstance(outcome, Value)


def ends_the_process(outcome: Outcome) -> bool:
    """It takes the process down."""
    return isinstance(outcome, Crash)


def hangs(outcome: Outcome) -> bool:
    """It does not answer."""
    return isinstance(outcome, Timeout)


def judge_by_records(
    records: Iterable[KnownDeviation],
    implementation: str,
    versions: Mapping[str, str],
    case: Case,
    outcome: Outcome,
    judgement: Judgement,
) -> Judgement:
    """The judgement in the light of the records: unchanged, known, or unexpectedly conforming."""
    if judgement.verdict in (Verdict.UNSUPPORTED, Verdict.UNTRUSTED):
        return judgement
    concerned = [r for r in records if r.concerns(implementation, versions, case)]
    if judgement.verdict is Verdict.CONFORMS:
        return _unexpected(concerned, judgement)
    for record in concerned:
        if record.happens(outcome):
            return replace(
                judgement,
                verdict=Verdict.KNOWN_DEVIATION,
                message=f"{record.instead} ({judgement.message})",
                diagnosis=record.identifier,
            )
    return judgement


def _unexpected(concerned: Iterable[KnownDeviation], judgement: Judgement) -> Judgement:
    for record in concerned:
        if record.always:
            return replace(
                judgement,
                verdict=Verdict.UNEXPECTED_CONFORMANCE,
                message=f"conforms, although the known deviation {record.identifier!r} is recorded "
                f"for it ({record.instead}); if the implementation was mended, remove the record "
                "or narrow it to the versions concerned",
                diagnosis=record.identifier,
            )
    return judgement
