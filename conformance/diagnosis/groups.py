"""Failing cases that have one explanation, and how that is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from conformance.cases.case import Case
from conformance.diagnosis.faults import Fault
from conformance.diagnosis.gradient_faults import READINGS
from conformance.diagnosis.hypotheses import (
    Failure,
    Hypothesis,
)
from conformance.diagnosis.stage_words import IN_STAGE
from conformance.judge.activations import ACTIVATIONS
from conformance.layers.registry import LAYERS

Claim = Callable[[Failure], bool]
"""Whether what is said of some failures holds of another one of the same implementation."""

_MOST_ALTERNATIVES: Final = 2

_FEW: Final = 0.1

_NOT_EVERYWHERE: Final = ", though not everywhere: cases pass that would fail with it"

_TOLD_BY_WHAT: Final = frozenset(
    {"activation", "part", "place", "quantised", "reached", "relation", "slope", "terms"}
)

_TOLD_BY_MARKS: Final = frozenset(
    {
        *("padding", "window", "contraction", "layout", "channels", "samples", "bias"),
        *("choice", "selection", "exact", "bound", "statistics"),
        *("part", "place", "reached", "relation", "terms", "quantised"),
    }
)
"""Stages of which it may be the cause that other elements are read."""

_TELL_A_PLACE: Final = frozenset({"part", "place", "reached"})

_CONCLUDED: Final = frozenset({"part", "terms", "slope", "quantised"})
"""Stages of which not what is seen is told, but what it is concluded from."""

OF_CALLS: Final = frozenset({"order", "inputs", "state", "threads", "repeat", "process"})
"""Stages of what calls do to each other."""

_OF_VALUES: Final = frozenset({"activation", "slope", "nan", "infinity", "quantised"})
"""Stages of what shows by chance, with the numbers that happen to be drawn."""


@dataclass(frozen=True, eq=False)
class Group:
    """Failing cases that have one explanation.

    Attributes:
        failures: the failures.
        faults: the fault that reproduces what the implementation gave, or two at a time; empty
            where none does.
        alternatives: other faults that do so as well.
        stage: where no fault does, the stage at which the outputs first differ.
        named: where no fault does, what the judge found, such as a reduced precision.
        common: what the cases have in common that those lack which pass (of a fault: those that
            would fail with it); None where nothing simple is.
        what: where no fault does, the message of the rejections, or what was accepted.
        shown_by: of failures that depend on the order of calls, the command that shows it.
        contradicted: how many passing cases would fail with the faults.
        answer: of two same calls that differ, which one all else is about, in words.
        reads: where no fault does, what is read in other places than it should be
            (`conformance.diagnosis.questions.marks`).
        reads_example: whether these are the words of one element, not of all.
        asked: what the smallest of them told when it was asked further: what it needs to fail, or
            how often it does (`conformance.diagnosis.questions`).
        claim: where no fault does, whether what is said of the failures holds of another one; None
            where that cannot be told.
        tested: whether what is said was tried on cases that were not in the run; None where that
            was not attempted.
    """

    failures: tuple[Failure, ...]
    faults: Hypothesis = ()
    alternatives: tuple[Hypothesis, ...] = ()
    stage: str = ""
    named: str | None = None
    common: str | None = None
    what: str = ""
    shown_by: str = ""
    contradicted: int = 0
    answer: str = ""
    reads: str = ""
    reads_example: bool = False
    asked: str = ""
    claim: Claim | None = None
    tested: bool | None = None

    @property
    def reading(self) -> tuple[Fault, str] | None:
        """The reading of an ambiguous clause that is followed everywhere, and the clause's id."""
        if self.contradicted:
            return None
        singles = (one[0] for one in (self.faults, *self.alternatives) if len(one) == 1)
        return next((READINGS[f.identifier] for f in singles if f.identifier in READINGS), None)

    @property
    def may_read_elsewhere(self) -> bool:
        """Whether marked operands may tell more than is known."""
        unknown = not (self.faults or self.named or self.answer)
        return unknown and self.stage in _TOLD_BY_MARKS

    @property
    def may_have_conditions(self) -> bool:
        """Whether it is to be asked under which conditions the smallest fails."""
        observed = self.smallest.observe in ("output", "gradients")
        unknown = not self.faults or self._is_doubtful
        has_sizes = LAYERS[self.smallest.layer].rank > 0 or not self.common
        told = self.stage in OF_CALLS | _OF_VALUES | _TELL_A_PLACE
        return observed and unknown and has_sizes and (not told or self._is_of_rows)

    @property
    def _is_of_rows(self) -> bool:
        """Whether it is of an activation of rows, for which the number of filters matters."""
        name = str(self.smallest.keywords.get("activation"))
        return self.stage == "activation" and name in ACTIVATIONS and ACTIVATIONS[name].rowwise

    @property
    def may_have_rhythm(self) -> bool:
        """Whether it is to be asked how often the smallest fails."""
        return bool(self.answer) or self.stage in ("order", "repeat")

    @property
    def smallest(self) -> Case:
        """The failing case with the shortest descriptor, the first of those."""
        return min((failure.case for failure in self.failures), key=lambda c: len(c.descriptor))

    @property
    def reason(self) -> str:
        """What explains each of the cases, as a report gives it beside the case."""
        others = self._others if self.tested is not None else ""
        told = (self._named_by_faults + others) or self.named or self._told
        where = self._of_answer(f"perhaps {told}" if self._is_perhaps else told)
        if self.asked:
            return f"{where}; {self.asked}"
        if self.common:
            return f"{where}; in common: {self.common}"
        return f"{where}{_NOT_EVERYWHERE}" if self._is_doubtful else where

    @property
    def _is_perhaps(self) -> bool:
        """Whether what is said is a conclusion that no further case was there to contradict."""
        concluded = self.faults or self.named or self.stage in _CONCLUDED
        return bool(self.tested is False and concluded and not self.reads)

    @property
    def _named_by_faults(self) -> str:
        """The faults in words; in gradients alone where no output shows them."""
        of_outputs = not any(f.only or f.identifier.startswith("gradient.") for f in self.faults)
        in_gradients = all(failure.case.observe == "gradients" for failure in self.failures)
        alone = self.faults and of_outputs and in_gradients
        return ("in the gradients, " if alone else "") + _joined(self.faults)

    @property
    def _others(self) -> str:
        """The faults that explain as much, and that further cases did not tell apart either."""
        return "".join(f", or {_joined(o)}" for o in self.alternatives[:_MOST_ALTERNATIVES])

    def _of_answer(self, words: str) -> str:
        """The words, of one answer of two where the same call gives another the second time."""
        return f"{IN_STAGE['repeat']}: {self.answer}, {words}" if self.answer else words

    @property
    def _is_doubtful(self) -> bool:
        """Whether the faults are contradicted by more cases than a few that tell little."""
        return self.contradicted > _FEW * len(self.failures)

    @property
    def _told(self) -> str:
        """Where no fault explains them: the stage in words, and what is known besides."""
        if self.stage == "order":
            return f"it depends on the order of calls: {self.what}"
        words = self._of_stage
        if not self.reads:
            return words
        if not self.what or (self.stage in _CONCLUDED and not self.reads_example):
            return self.reads  # known element by element, where the rest is concluded
        if self.stage in _TELL_A_PLACE:
            return f"{words}: {self.reads}"
        return f"{self.reads} ({words})"

    @property
    def _of_stage(self) -> str:
        """The stage in words, and what is known besides."""
        if self.stage in _TOLD_BY_WHAT and self.what:
            return self.what
        words = IN_STAGE.get(self.stage, self.stage)
        return f"{words} ({self.what})" if self.what else words

    def clause(self, of: int) -> str:
        """The sentence about the group, one of those that make up so many failures."""
        return f"{_counted(len(self.failures), of)} {self._predicate()}"

    def _predicate(self) -> str:
        count = len(self.failures)
        if self.stage == "order":
            shown = f": {self.shown_by}" if self.shown_by else ""
            told = f"{self.what}; {self.asked}" if self.asked else self.what
            return f"depend{'s' if count == 1 else ''} on the order of calls: {told}{shown}"
        are = "is" if count == 1 else "are"
        perhaps = " perhaps" if self._is_perhaps else ""
        if self.answer:
            return f"{are} explained by no fault of the catalogue: {self.reason}"
        if self.faults:
            only = _NOT_EVERYWHERE if self._is_doubtful else ""
            only = f"; they are the cases with {self.common}" if self.common else only
            return f"{are}{perhaps} what you get when {self._named_by_faults}{self._others}{only}"
        if self.named:
            words = f"{are} explained by no fault of the catalogue but{perhaps} have the errors of "
            words += self.named
        else:
            words = f"{are} explained by no fault of the catalogue: "
            words += f"perhaps {self._told}" if perhaps else self._told
        if self.asked:
            words += f"; {self.asked}"
        elif self.common:
            words += f"; what they have in common, and passing cases lack: {self.common}"
        return words


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What explains the failing cases of one implementation, group by group.

    Attributes:
        groups: the groups, those apart that follow another reading of an ambiguous clause.
        readings: these.
        cut_after: after how many seconds the implementation was asked no more, though there was
            more to ask; None where all was asked.
    """

    groups: tuple[Group, ...]
    readings: tuple[Group, ...] = ()
    cut_after: float | None = None

    @cached_property
    def _groups_by_case(self) -> dict[Case, Group]:
        return {failure.case: group for group in self.groups for failure in group.failures}

    @property
    def message(self) -> str:
        """The whole, a line per group: "all 41 failures are what you get when ..."."""
        total = sum(len(group.failures) for group in self.groups)
        return "\n".join(group.clause(total) for group in self.groups)

    def of(self, case: Case) -> str | None:
        """What explains one case; None for a case that is not among the failures."""
        group = self._groups_by_case.get(case)
        return group.reason if group else None


def _joined(faults: Sequence[Fault]) -> str:
    return ", and ".join(fault.sentence for fault in faults)


def _counted(count: int, total: int) -> str:
    if count < total:
        return f"{count} of {total} failures"
    return "the only failure" if total == 1 else f"all {total} failures"
