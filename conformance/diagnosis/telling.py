"""What is said of failures that no fault explains: by stage, by what happened, in groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Final

from conformance.cases.case import Case
from conformance.cases.operands import KINDS
from conformance.diagnosis.absorbing import of_gradient, of_outputs
from conformance.diagnosis.activation_places import only_at
from conformance.diagnosis.activation_words import ALL_SUMS, off_activation
from conformance.diagnosis.attribution import left_out, left_out_of_outputs
from conformance.diagnosis.claims import claim_of
from conformance.diagnosis.commonality import common
from conformance.diagnosis.counts import counted
from conformance.diagnosis.groups import Group
from conformance.diagnosis.hypotheses import (
    Failure,
    Hypotheses,
)
from conformance.diagnosis.reached import Reached
from conformance.diagnosis.reasons import failure_reason
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
from conformance.outcomes import Value

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

_SHARE: Final = 0.5
"""Share of the plain failures of a layer in a dtype beyond which a precision is said of them."""

_RELATED: Final = _OF_SUMS - {"bias"} | {"selection", "elements"}

_OF_JUDGE: Final = frozenset({"exact", "bound", "statistics", "locality"})


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
            claim=claim_of(stage, kind, named, hypotheses),
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
        self.failures, self._hypotheses = failures, hypotheses
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
            told, where = off_activation(kind, group), only_at(group, self._hypotheses)
            return f"{told}; {where}" if told and where else told
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


def _is_plain(case: Case) -> bool:
    """Whether a case looks at a convolution's output without an activation."""
    convolves = case.observe == "output" and LAYERS[case.layer].convolves
    return convolves and case.keywords.get("activation") in (None, "linear")
