"""What a known deviation is: who deviates, where, and what happens instead.

All of it must match.  A different failure in the same place is not covered, and neither is the
same failure of another version or on another kind of machine.  A case that a record covers and that
conforms all the same is reported as `unexpected_conformance`, unless the record says that it may
conform, so that records do not outlive what they describe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.judge.verdict import Judgement
from conformance.known.conditions import (
    Condition,
    descriptor_matches,
    fields_hold,
    holds,
    matches,
    occurs,
)
from conformance.known.versions import RangeError, in_range
from conformance.outcomes import Outcome, Rejection
from conformance.spec.coverage import clauses_of

if TYPE_CHECKING:
    from conformance.judge.expectation import Expectation

Derive = Callable[[], "tuple[Any, Expectation]"]
"""Operands and expectation of the case judged, derived where a record asks for them."""


@dataclass(frozen=True)
class Who:
    """An implementation as records see it.

    Attributes:
        names: what it is called: in reports, and as it was asked for.
        versions: its versions by distribution.
        machine: what its process runs on, as its libraries tell.
    """

    names: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    machine: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Found:
    """One judged outcome as records see it."""

    case: Case
    outcome: Outcome
    judgement: Judgement
    derive: Derive


@dataclass(frozen=True)
class Record:
    """One recorded disagreement between an implementation and the documentation.

    Attributes:
        identifier: short name, unique among all records of a run.
        implementation: patterns of names.
        versions: range of versions by distribution.
        machine: conditions on what the process runs on.
        clause: patterns of ids; the case must test one of them.  The first is what is not met.
        layer: patterns of layers.
        case: patterns of descriptors.
        where: conditions on the case's fields.
        verdict: the verdicts that it explains.
        stage: stages of the judge, one of which objected.
        message: patterns of which one occurs in the judgement's message.
        exception: patterns of ``TYPE: MESSAGE`` of a rejection.
        fault: faults of the catalogue of which one gives every wrong element.
        effect: names in `effects.EFFECTS` of which one gives what is wrong.
        instead: what happens, in words.
        reason: why it is so, as far as known.
        always: False where a case that it concerns may also conform.
        alone: whether the cases that it concerns may spoil the process, so that each is evaluated
            in a process of its own and none of the following is blamed for it; where one of its
            verdicts is ``timed_out``, none of them is waited for as long as for others.
        reproducer: a stand-alone program that shows it.
        report: where it was reported, as ``owner/repository#number``, or that it is "none found";
            empty where nobody has looked.
        documented: whether the implementation documents it, so that it is no defect.
        part_of: the id of the record of the same defect that leads.
        source: the file that it stands in.
    """

    identifier: str
    implementation: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Condition] = field(default_factory=dict)
    clause: tuple[str, ...] = ()
    layer: tuple[str, ...] = ()
    case: tuple[str, ...] = ()
    where: Mapping[str, Condition] = field(default_factory=dict)
    verdict: tuple[str, ...] = ("deviates",)
    stage: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    exception: tuple[str, ...] = ()
    fault: tuple[str, ...] = ()
    effect: tuple[str, ...] = ()
    instead: str = ""
    reason: str = ""
    always: bool = True
    alone: bool = False
    reproducer: str = ""
    report: str = ""
    documented: bool = False
    part_of: str = ""
    source: str = ""

    def speaks_of(self, who: Who) -> bool:
        """Whether it is about this implementation, in this version, on this machine."""
        return (
            any(holds(self.implementation, name) for name in who.names)
            and all(_is_within(who.versions.get(d, ""), r) for d, r in self.versions.items())
            and all(holds(c, who.machine.get(name)) for name, c in self.machine.items())
        )

    def concerns(self, case: Case) -> bool:
        """Whether the case is one of those that it is about."""
        return (
            (not self.layer or holds(self.layer, case.layer))
            and fields_hold(self.where, facts(case))
            and descriptor_matches(self.case, case)
            and (not self.clause or _tests_one_of(case, self.clause))
        )

    def explains(self, found: Found) -> bool:
        """Whether what happened is what it says."""
        judgement = found.judgement
        return (
            holds(self.verdict, str(judgement.verdict))
            and (not self.stage or holds(self.stage, judgement.stage))
            and (not self.message or any(occurs(m, judgement.message) for m in self.message))
            and (not self.exception or _raises(found.outcome, self.exception))
            and (not (self.effect or self.fault) or self._is_computed(found))
        )

    def _is_computed(self, found: Found) -> bool:
        """Whether the effects and faults that it names, of each an alternative, give the result."""
        from conformance.known.effects import EFFECTS, explained_by

        return (not self.effect or any(EFFECTS[name](found) for name in self.effect)) and (
            not self.fault or any(explained_by(name, found) for name in self.fault)
        )


def _is_within(version: str, wanted: str) -> bool:
    try:
        return bool(version) and in_range(version, wanted)
    except RangeError:  # a version that is none, such as "unknown", lies in no range
        return False


def _tests_one_of(case: Case, patterns: tuple[str, ...]) -> bool:
    return any(matches(p, clause) for clause in clauses_of(case) for p in patterns)


def _raises(outcome: Outcome, patterns: tuple[str, ...]) -> bool:
    if not isinstance(outcome, Rejection):
        return False
    said = f"{outcome.exception}: {outcome.message}"
    return any(matches(p, said) for p in patterns)
