"""The diagnosis of an implementation: what explains its failing cases, in words."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import KINDS
from conformance.diagnosis.absorbing import absorbed, of_gradient, of_outputs
from conformance.diagnosis.activation_words import ALL_SUMS, off_activation
from conformance.diagnosis.attribution import left_out, left_out_of_outputs
from conformance.diagnosis.commonality import common
from conformance.diagnosis.counts import counted
from conformance.diagnosis.faults import Fault
from conformance.diagnosis.gradient_faults import READINGS
from conformance.diagnosis.hypotheses import (
    Failure,
    Hypotheses,
    Hypothesis,
    is_predictable,
    operands_of,
)
from conformance.diagnosis.partial import partial_faults
from conformance.diagnosis.places import located
from conformance.diagnosis.reached import Reached
from conformance.diagnosis.repeats import wrong_answer
from conformance.diagnosis.search import Explanation, explanations
from conformance.diagnosis.stage_words import IN_STAGE
from conformance.diagnosis.stages import first_difference, is_off_by_a_bias
from conformance.diagnosis.wording import (
    dtype_given,
    gradients_given,
    is_near_told,
    makes_nan,
    nearness,
    one_number,
    quantised,
    reach_of_error,
    relation,
    shape_given,
    what_of_infinity,
    what_of_nan,
    wrong_and_right_gradients,
    wrong_gradients,
)
from conformance.layers.registry import LAYERS
from conformance.outcomes import ANSWER, Rejection, Value

__all__ = ["Diagnosis", "Failure", "Group", "diagnose", "failure_reason"]

_MOST_ALTERNATIVES: Final = 2
_SHARE: Final = 0.5
"""Share of the unexplained failures of a layer in a dtype beyond which a precision is named."""

_ALL_REFUSED: Final = 8
"""How many cases of a layer are refused at least where all are, as where a library is missing."""

_MOST_DIFFERING: Final = 3
"""In how many arguments a case differs at most from another, to be said."""

_FEW: Final = 0.1
_NOT_EVERYWHERE: Final = ", though not everywhere: cases pass that would fail with it"

_TOLD_BY_WHAT: Final = frozenset(
    {"activation", "place", "quantised", "reached", "relation", "slope", "terms"}
)

_TOLD_BY_MARKS: Final = frozenset(
    {
        *("padding", "window", "contraction", "layout", "channels", "samples", "bias"),
        *("choice", "selection", "exact", "bound", "statistics"),
        *("place", "reached", "relation", "terms"),
    }
)
"""Stages of which it may be the cause that other elements are read."""

_TELL_A_PLACE: Final = frozenset({"place", "reached"})
_OF_CALLS: Final = frozenset({"order", "inputs", "state", "threads", "repeat", "process"})
_OF_VALUES: Final = frozenset({"activation", "slope", "nan", "infinity", "quantised", "precision"})
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
            (`conformance.diagnosis.marks`).
        asked: what the smallest of them told when it was asked further: what it needs to fail, or
            how often it does (`conformance.diagnosis.conditions`, `conformance.diagnosis.rhythm`).
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
    asked: str = ""

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
        told = self.stage in _OF_CALLS | _OF_VALUES | _TELL_A_PLACE
        return observed and unknown and has_sizes and not told

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
        where = self._of_answer(self._named_by_faults or self.named or self._told)
        if self.asked:
            return f"{where}; {self.asked}"
        if self.common:
            return f"{where}; in common: {self.common}"
        return f"{where}{_NOT_EVERYWHERE}" if self._is_doubtful else where

    @property
    def _named_by_faults(self) -> str:
        """The faults in words; in gradients alone where no output shows them."""
        of_outputs = not any(f.only or f.identifier.startswith("gradient.") for f in self.faults)
        in_gradients = all(failure.case.observe == "gradients" for failure in self.failures)
        alone = self.faults and of_outputs and in_gradients
        return ("in the gradients, " if alone else "") + _joined(self.faults)

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
        if self.stage in _TELL_A_PLACE and self.what:
            return f"{words}: {self.reads}"
        return f"{self.reads} ({words})" if self.what else self.reads

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
        if self.answer:
            return f"{are} explained by no fault of the catalogue: {self.reason}"
        if self.faults:
            others = "".join(f", or {_joined(o)}" for o in self.alternatives[:_MOST_ALTERNATIVES])
            only = _NOT_EVERYWHERE if self._is_doubtful else ""
            only = f"; they are the cases with {self.common}" if self.common else only
            return f"{are} what you get when {self._named_by_faults}{others}{only}"
        if self.named:
            words = f"{are} explained by no fault of the catalogue but have the errors of "
            words += self.named
        else:
            words = f"{are} explained by no fault of the catalogue: "
            words += self._told
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
    """

    groups: tuple[Group, ...]
    readings: tuple[Group, ...] = ()

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


def diagnose(
    failures: Sequence[Failure],
    passed: Sequence[Case] = (),
    hypotheses: Hypotheses | None = None,
) -> Diagnosis | None:
    """Find what explains all failing cases of an implementation.

    Args:
        failures: the failing cases, with what the implementation did.
        passed: the cases in which it conforms; they tell apart faults that explain the same.
        hypotheses: predictions from an earlier diagnosis, to be used again.

    Returns:
        None where there are no failures.
    """
    if not failures:
        return None
    hypotheses = hypotheses or Hypotheses()
    failures, answers = _with_wrong_answers(failures, hypotheses)
    alike = _refused_alike(failures, passed)
    ordinary = [f for f in failures if _has_wrong_output(f) and f not in alike]
    told = {failure for failure in _without_chance_names(ordinary) if failure.named}
    found = explanations(ordinary, passed, hypotheses, told)
    explained = {failure for one in found for failure in one.failures}
    groups = [_explained(one) for one in found]
    left = _without_chance_names([f for f in failures if f not in explained])
    groups += _in_part(left, passed, hypotheses)
    parted = {failure for group in groups for failure in group.failures}
    left = [failure for failure in left if failure not in parted]
    groups += _by_place(left, passed, hypotheses)
    placed = {failure for group in groups for failure in group.failures}
    left = [f for f in left if f not in placed]
    groups += unexplained(left, passed, explained | placed, hypotheses)
    groups = absorbed(groups)
    groups = [one for group in groups for one in _by_answers(group, answers)]
    readings = tuple(group for group in groups if group.reading)
    return Diagnosis(tuple(group for group in groups if not group.reading), readings)


def _with_wrong_answers(
    failures: Sequence[Failure], hypotheses: Hypotheses
) -> tuple[list[Failure], dict[Failure, tuple[Failure, str]]]:
    """The failures, those to answer alike twice by what is wrong with one of the answers.

    Returns:
        The failures; and of those that stand for others these, with which answer they are about.
    """
    made = {f: wrong for f in failures if (wrong := wrong_answer(f, hypotheses)) is not None}
    stand_for = {one: (failure, words) for failure, (one, words) in made.items()}
    return [made[f][0] if f in made else f for f in failures], stand_for


def _by_answers(group: Group, answers: Mapping[Failure, tuple[Failure, str]]) -> Iterator[Group]:
    """The group, with the failures that others stand for; apart by which answer is wrong."""
    parts: dict[str, list[Failure]] = defaultdict(list)
    for failure in group.failures:
        real, words = answers.get(failure, (failure, ""))
        parts[words].append(real)
    for words, part in parts.items():
        yield replace(group, failures=tuple(part), answer=words)


def _without_chance_names(failures: Sequence[Failure]) -> list[Failure]:
    """Without the precisions that the judge named for the smaller part of alike failures.

    The size of an error that has another cause is now and then that of a precision, and that of
    numbers on steps is.
    """
    alike: dict[tuple[str, str], Counter[str | None]] = defaultdict(Counter)
    for failure in failures:
        alike[failure.case.layer, failure.case.dtype][failure.named] += 1

    def is_common(failure: Failure) -> bool:
        counts = alike[failure.case.layer, failure.case.dtype]
        often = counts[failure.named] > _SHARE * counts.total()
        return often and not quantised(failure) and not _is_off_by_a_bias(failure)

    return [f if not f.named or is_common(f) else replace(f, named=None) for f in failures]


def _is_off_by_a_bias(failure: Failure) -> bool:
    outcome = failure.outcome
    value = outcome.value if isinstance(outcome, Value) else None
    return is_off_by_a_bias(failure.case, operands_of(failure.case), value)


def _refused_alike(failures: Sequence[Failure], passed: Sequence[Case]) -> set[Failure]:
    """The refusals of all that was asked of a layer by one message, which tells what is wrong."""
    answered = {(case.layer, case.observe) for case in passed}
    messages: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for failure in failures:
        messages[failure.case.layer, failure.case.observe][failure.what] += 1

    def is_alone(failure: Failure) -> bool:
        asked = failure.case.layer, failure.case.observe
        counts = messages[asked]
        return asked not in answered and len(counts) == 1 and counts.total() >= _ALL_REFUSED

    return {f for f in failures if isinstance(f.outcome, Rejection) and is_alone(f)}


def depending_on_order(
    failures: Sequence[Failure], sequence: Sequence[Case], implementation: str, known: str = ""
) -> Group:
    """The group of failures that conform when each is run alone in a fresh process.

    Args:
        failures: these.
        sequence: the fewest cases that show it, if any were found.
        implementation: as it is asked for.
        known: what most of them give, in words.
    """
    shown_by = command_of(sequence, implementation) if sequence else ""
    what = order_words(sequence) + (f"; {known}" if known else "")
    return Group(tuple(failures), stage="order", what=what, shown_by=shown_by)


def order_words(sequence: Sequence[Case]) -> str:
    """How a case depends on the order of calls, by the fewest cases that show it, if any do."""
    alone = "run alone in a fresh process the case conforms"
    if not sequence:
        return alone
    before = len(sequence) - 1
    return alone + (f"; after {before} others it fails" if before > 1 else _after(*sequence))


def _after(one: Case, other: Case) -> str:
    """In what the one case differs after which another fails: what is kept does not heed it."""
    if "rejection" in (one.observe, other.observe):
        return "; after one that must be refused it fails"
    known = [
        {"layer": case.layer, "inputs": case.inputs, "dtype": case.dtype}
        | {"what is observed": case.observe, "the kind of operands": case.operands}
        | facts(case).config
        for case in (one, other)
    ]
    names = dict.fromkeys(name for settings in known for name in settings)
    differing = [n for n in names if known[0].get(n) != known[1].get(n)]
    if not 0 < len(differing) <= _MOST_DIFFERING:
        return "; after 1 other it fails"
    return f"; after one that differs in {_listed(differing)} it fails"


def command_of(sequence: Sequence[Case], implementation: str) -> str:
    """The command that judges some cases one after the other."""
    given = [word for case in sequence for word in ("--case", case.descriptor)]
    return shlex.join(["conformance", "run", "--implementation", implementation, *given])


def _has_wrong_output(failure: Failure) -> bool:
    """Whether the output itself is wrong, and not what else a call did."""
    return failure.stage not in ("inputs", "state", "threads", "repeat", "process")


def failure_reason(failure: Failure) -> str:
    """The stage at which a failing case first differs: of the evaluation, else of the judge."""
    outcome = failure.outcome
    if isinstance(outcome, Value) and ANSWER in outcome.changed_inputs:
        return "overwritten"
    if failure.stage == "rejection":
        return _of_rejection(failure)
    told = failure.stage in ("inputs", "state", "threads", "repeat", "process", "dtype", "literal")
    if told or not is_predictable(failure.case) or not isinstance(outcome, Value):
        return failure.stage
    if failure.case.observe != "output" or not isinstance(outcome.value, np.ndarray):
        return failure.stage
    return first_difference(failure.case, operands_of(failure.case), outcome.value)


def _of_rejection(failure: Failure) -> str:
    """Whether what is valid was refused, or what is not was accepted, or ended in another error."""
    if failure.case.observe != "rejection":
        return "refused"
    return "broken" if isinstance(failure.outcome, Rejection) else "accepted"


def _explained(one: Explanation) -> Group:
    cases = [failure.case for failure in one.failures]
    only = common(cases, one.contradicted) if one.contradicted else None
    contradicted = len(one.contradicted)
    return Group(one.failures, one.faults, one.alternatives, common=only, contradicted=contradicted)


def _in_part(
    failures: Sequence[Failure], passed: Sequence[Case], hypotheses: Hypotheses
) -> list[Group]:
    """Groups by a fault that is there in a part of the outputs."""
    found = partial_faults(_unnamed_outputs(failures), hypotheses)
    return [_at_a_place(one.failures, passed, one.words) for one in found]


def _by_place(
    failures: Sequence[Failure], passed: Sequence[Case], hypotheses: Hypotheses
) -> list[Group]:
    """Groups by where along an axis the wrong elements lie."""
    return [
        _at_a_place(one.failures, one.contradicted, f"only {one.words} are wrong in {one.layers}")
        for one in located(_unnamed_outputs(failures), passed, hypotheses)
    ]


def _unnamed_outputs(failures: Sequence[Failure]) -> list[Failure]:
    """Those whose output itself is wrong, and of which the judge does not say in what way."""
    return [failure for failure in failures if not failure.named and _has_wrong_output(failure)]


def _at_a_place(failures: tuple[Failure, ...], others: Sequence[Case], what: str) -> Group:
    shared = common([failure.case for failure in failures], others)
    return Group(failures, stage="place", common=shared, what=what)


def unexplained(
    failures: Iterable[Failure],
    passed: Sequence[Case],
    explained: Iterable[Failure],
    hypotheses: Hypotheses,
) -> list[Group]:
    """Groups by what the judge named, else by stage and what happened; the largest first."""
    groups: dict[tuple[str | None, str, str], list[Failure]] = defaultdict(list)
    told = _Telling(list(failures), passed, tuple(explained), hypotheses)
    for failure in told.failures:
        stage = "" if failure.named else told.stage(failure)
        groups[failure.named, stage, told.kind(failure, stage)].append(failure)
    made = [
        Group(
            tuple(group),
            stage=stage,
            named=named,
            common=told.common(stage, kind, group, passed),
            what=told.words(stage, kind, group),
        )
        for (named, stage, kind), group in groups.items()
    ]
    return sorted(made, key=lambda group: -len(group.failures))


class _Telling:
    """What is said of failures that no fault explains."""

    def __init__(
        self,
        failures: list[Failure],
        passed: Sequence[Case],
        explained: Sequence[Failure],
        hypotheses: Hypotheses,
    ) -> None:
        self.failures = failures
        self._linear = {case.layer for case in passed if _is_plain(case)}
        plain = (failure.case for failure in (*failures, *explained) if _is_plain(failure.case))
        self._wrong_sums = {(case.layer, case.dtype) for case in plain}
        ordinary = (failure.case for failure in failures if not KINDS[failure.case.operands].place)
        self._ordinary = {(case.layer, case.dtype) for case in ordinary}
        every = [failure.case for failure in (*failures, *explained)]
        self._linear -= {case.layer for case in every if _is_plain(case)}
        self._gradients = _Gradients(failures, passed, every, hypotheses)
        self._relations: dict[Failure, str] = {}
        self._near: dict[tuple[str, str], dict[Failure, str]] = {}
        self._terms = _Terms(failures)
        self._counted: dict[Failure, tuple[str, ...]] = {}

    def stage(self, failure: Failure) -> str:
        """As `failure_reason`; the activation where the same layer is right without one."""
        reason = failure_reason(failure)
        if self._is_of_locality(failure):
            return "locality"
        if failure.case.observe == "gradients" and reason in _OF_JUDGE:
            return self._gradients.stage(failure, reason)
        activated = failure.case.observe == "output" and isinstance(failure.outcome, Value)
        right_else = activated and failure.case.layer in self._linear
        if right_else and (reason in _OF_SUMS or _is_made_of_finite(failure, reason)):
            return "activation"
        told = self._told_of_sums(failure, reason)
        if told:
            return told
        sums = (failure.case.layer, failure.case.dtype) in self._wrong_sums
        return "contraction" if reason == "activation" and sums else reason

    def _told_of_sums(self, failure: Failure, reason: str) -> str:
        """The stage of what the elements themselves tell; empty where they tell nothing."""
        if reason in _OF_SUMS and quantised(failure):
            return "quantised"
        if reason in _OF_SUMS and self._nearness(failure):
            return "precision"
        if self._relation(failure, reason):
            return "relation"
        return "terms" if reason in _OF_TERMS and self._terms.of(failure) else ""

    def _nearness(self, failure: Failure) -> str:
        """What precision the outputs are like, where they are near the right ones."""
        if failure.case.observe != "output" or not LAYERS[failure.case.layer].convolves:
            return ""
        alike = failure.case.layer, failure.case.dtype
        if alike not in self._near:
            self._near[alike] = _near_sums(
                [f for f in self.failures if (f.case.layer, f.case.dtype) == alike]
            )
        return self._near[alike].get(failure, "")

    def _relation(self, failure: Failure, reason: str) -> str:
        """By what all wrong elements are too large, or multiplied, where that is all."""
        if failure.case.observe != "output" or reason not in _RELATED:
            return ""
        if failure not in self._relations:
            self._relations[failure] = relation(failure)
        return self._relations[failure]

    def _is_of_locality(self, failure: Failure) -> bool:
        """Whether an input that stands apart is what makes others wrong, which are right else."""
        if failure.stage != "locality" or failure.case.observe != "output":
            return False
        case = failure.case
        return (case.layer, case.dtype) not in self._ordinary or makes_nan(failure)

    def kind(self, failure: Failure, stage: str) -> str:
        """What tells groups of one stage apart."""
        if stage in ("refused", "accepted", "broken", "process"):
            return failure.what
        if stage == "activation":
            return str(failure.case.keywords.get("activation"))
        if failure.case.observe == "gradients":
            if stage in _OF_FORM:
                return _OF_OUTPUTS[stage](failure)
            told = stage in (*_OF_JUDGE, "terms", "slope", "reached")
            return self._gradients.words(failure, stage) if told else ""
        return self._of_outputs(failure, stage) if failure.case.observe == "output" else ""

    def _of_outputs(self, failure: Failure, stage: str) -> str:
        telling: Mapping[str, Callable[[Failure], str]] = {
            **_OF_OUTPUTS,
            "relation": self._relations.__getitem__,
            "terms": self._terms.of,
            "quantised": quantised,
            "precision": self._nearness,
            "number": self._number,
            "dtype": self._dtype,
        }
        return telling[stage](failure) if stage in telling else ""

    def _dtype(self, failure: Failure) -> str:
        if self._is_of_python:
            return "float64 or int64, as Python's own numbers are, such as those of a list"
        return dtype_given(failure)

    @cached_property
    def _is_of_python(self) -> bool:
        """Whether numbers of all kinds come as float64, and integers as int64."""
        wrong = [f for f in self.failures if f.stage == "dtype" and f.case.observe == "output"]
        return {dtype_given(f) for f in wrong} == {"float64", "int64"}

    def _number(self, failure: Failure) -> str:
        """With which fault there are as many outputs in most failures; empty for none."""
        if not self._counted:
            self._counted = {f: tuple(counted(f)) for f in self.failures if _is_of_output(f)}
        counts = Counter(words for told in self._counted.values() for words in set(told))
        told = self._counted.get(failure, ())
        most = max(told, key=lambda words: counts[words], default="")
        return f"as many as where {most}" if counts[most] > 1 else ""

    def common(
        self, stage: str, kind: str, group: Sequence[Failure], passed: Sequence[Case]
    ) -> str | None:
        """What the cases share, unless the sums for which an activation is off say it."""
        words = self.words(stage, kind, group) if stage == "activation" else ""
        if stage == "slope" or (words and ALL_SUMS not in words):
            return None
        shared = common([failure.case for failure in group], passed)
        return None if words and shared == f"activation '{kind}'" else shared

    def words(self, stage: str, kind: str, group: Sequence[Failure]) -> str:
        """What is said besides the stage."""
        if stage == "activation":
            return off_activation(kind, group)
        return kind.removeprefix("accepted: ")


def _is_of_output(failure: Failure) -> bool:
    return failure.case.observe == "output" and LAYERS[failure.case.layer].rank > 0


def _is_made_of_finite(failure: Failure, reason: str) -> bool:
    """Whether outputs of an activation are NaN or infinite that should be finite."""
    if failure.case.keywords.get("activation") in (None, "linear"):
        return False
    return reason in ("nan", "infinity") and makes_nan(failure)


def _near_sums(failures: Sequence[Failure]) -> dict[Failure, str]:
    """What precision outputs are like, if most of those of which it can be told are near.

    A few wrong sums are near the right ones by chance, whatever is wrong with them.
    """
    plain = [f for f in failures if f.case.observe == "output" and is_near_told(f.case)]
    told = {failure: words for failure in plain if (words := nearness(failure))}
    return told if len(told) > _SHARE * len(plain) else {}


class _Terms:
    """What is said of the terms that sums of outputs leave out: what holds of most failures."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        self._told: dict[Failure, tuple[str, ...]] = {}
        self._looked_at = set(failures[:_MOST_TAKEN_APART])
        self._counts: Counter[str] = Counter()

    def of(self, failure: Failure) -> str:
        """The words; empty where no terms explain the failure."""
        if not self._told:
            self._told = {f: left_out_of_outputs(f) for f in self._looked_at}
            self._counts.update(words for told in self._told.values() for words in told)
        told = self._told.get(failure, ())
        if not told:
            return ""
        return of_outputs(max(told, key=lambda words: self._counts[words]))


class _Gradients:
    """What is said of gradients: which are wrong, what their sums leave out, or whose slope."""

    def __init__(
        self,
        failures: Sequence[Failure],
        passed: Sequence[Case],
        every: Sequence[Case],
        hypotheses: Hypotheses,
    ) -> None:
        own = [failure for failure in failures if failure.case.observe == "gradients"]
        self._wrong = {f: wrong_and_right_gradients(f) for f in own if f.stage in _OF_JUDGE}
        self._terms = {
            f: (wrong[0], left_out(f, wrong[0]))
            for f, (wrong, _) in self._wrong.items()
            if len(wrong) == 1
        }
        self._counts = Counter(
            (f.case.layer, name, words) for f, (name, told) in self._terms.items() for words in told
        )
        plain = {case.layer for case in passed if _is_without_activation(case)}
        amiss = {case.layer for case in every if _tells_against_slopes(case)}
        self._plain = plain - amiss
        self._reached = Reached(list(self._wrong), hypotheses)
        self._hypotheses = hypotheses

    def stage(self, failure: Failure, reason: str) -> str:
        """The stage: ``terms``, ``slope``, or the judge's own."""
        of_term, of_reached = self._term(failure)[1], self._reached.of(failure)[1]
        if of_term or of_reached:
            return "terms" if of_term >= of_reached else "reached"
        case = failure.case
        is_slope = case.layer in self._plain and not _is_without_activation(case)
        return "slope" if is_slope and LAYERS[case.layer].convolves else reason

    def words(self, failure: Failure, stage: str) -> str:
        """What is said at that stage."""
        if stage == "terms":
            return self._term(failure)[0]
        if stage == "reached":
            return self._reached.of(failure)[0]
        if stage == "slope":
            name = failure.case.keywords.get("activation")
            return (
                f"the gradients through {name} are wrong, and without an activation they are "
                f"right: the slope of {name} is wrong"
            )
        wrong, others = self._wrong.get(failure, ((), ()))
        right = self._hypotheses.prediction((), failure.case)
        return wrong_gradients(wrong, others) + gradients_given(failure, right, wrong)

    def _term(self, failure: Failure) -> tuple[str, int]:
        """What most failures of the layer tell of those words that hold of this one; how many."""
        name, told = self._terms.get(failure, ("", ()))
        if not told:
            return "", 0
        counts = {words: self._counts[failure.case.layer, name, words] for words in told}
        most = max(told, key=lambda words: counts[words])
        return of_gradient(name, most), counts[most]


def _is_without_activation(case: Case) -> bool:
    """Whether a case looks at gradients without an activation."""
    plain = case.keywords.get("activation") in (None, "linear")
    return case.observe == "gradients" and plain


def _tells_against_slopes(case: Case) -> bool:
    """Whether a failing case shows that more is wrong than slopes, such as the sums themselves."""
    return case.observe == "output" or _is_without_activation(case)


_OF_SUMS: Final = frozenset({"contraction", "window", "bias", "layout", "activation", "channels"})
_OF_OUTPUTS: Final[Mapping[str, Callable[[Failure], str]]] = MappingProxyType(
    {
        "locality": reach_of_error,
        "padding": one_number,
        "infinity": what_of_infinity,
        "nan": what_of_nan,
        "dtype": dtype_given,
        "shape": shape_given,
    }
)
"""What is said besides the stage, of outputs."""

_OF_FORM: Final = ("dtype", "shape")

_OF_TERMS: Final = frozenset({"contraction", "window", "bias", "padding", "channels", "layout"})
"""Stages of which the terms of the sums may tell more."""

_MOST_TAKEN_APART: Final = 60

_RELATED: Final = _OF_SUMS - {"bias"} | {"selection", "elements"}
_OF_JUDGE: Final = frozenset({"exact", "bound", "statistics", "locality"})


def _is_plain(case: Case) -> bool:
    """Whether a case looks at a convolution's output without an activation."""
    convolves = case.observe == "output" and LAYERS[case.layer].convolves
    return convolves and case.keywords.get("activation") in (None, "linear")


def _joined(faults: Sequence[Fault]) -> str:
    return ", and ".join(fault.sentence for fault in faults)


def _listed(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def _counted(count: int, total: int) -> str:
    if count < total:
        return f"{count} of {total} failures"
    return "the only failure" if total == 1 else f"all {total} failures"
