"""Whole kinds of cases that a plug-in refuses, and the declaration that says so once.

A refusal of every float16 array, say, is no wrong value: the plug-in takes none.  What is refused
so is told apart from the rest, with the declaration that makes it unsupported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.diagnosis.hypotheses import Failure, normalised
from conformance.implementations import registry
from conformance.implementations.declaration import FLAGS, LISTS, is_empty
from conformance.implementations.protocol import ImplementationError
from conformance.outcomes import Rejection
from conformance.results import FAILING, Result

_LEAST: Final = 2
"""How many cases a key of the declaration tells at least, besides those of other keys."""

_ACCIDENTS: Final = frozenset(
    {
        *("AssertionError", "AttributeError", "IndexError", "KeyError", "NameError"),
        *("OSError", "OverflowError", "RecursionError", "SystemError", "UnboundLocalError"),
        *("ZeroDivisionError",),
    }
)
"""Exceptions by which programs fail, and do not refuse."""


@dataclass(frozen=True)
class _Kind:
    """A kind of cases.

    Attributes:
        key: of the declaration.
        value: the name that is left out of the list; what a flag is set to.
        words: what its cases are called.
        holds: whether a case is of it.
        layer: the layer whose cases alone are of it; empty for all.
    """

    key: str
    value: Any
    words: str
    holds: Callable[[Facts], bool]
    layer: str = ""


def told_apart(results: Sequence[Result]) -> dict[Case, str]:
    """The failing cases of one plug-in that are refusals of whole kinds, with the words for it."""
    evidence = next((r.evidence for r in results if r.evidence), None)
    if evidence is None or not _is_plugin(evidence.spec):
        return {}
    judged = [facts(r.case) for r in results if _is_judged(r)]
    refused = {r.case for r in results if _is_refusal(r)}
    if len(refused) in (0, len(judged)):
        return {}  # whatever is asked: nothing is left that a declaration could take
    kinds = _refused_kinds(judged, refused)
    spread = _met_elsewhere(results, judged, refused, kinds)
    if spread:
        refused -= spread
        kinds = _refused_kinds(judged, refused)
    if not kinds:
        return {}
    words = _in_words(kinds, judged, evidence.spec)
    covered = {f.case for f in judged if any(kind.holds(f) for kind in kinds)}
    return dict.fromkeys(covered & refused, words)


def meaningless(results: Iterable[Result]) -> dict[Case, str]:
    """The rejections of one implementation that count for nothing, with the reason.

    Their message refuses valid arguments as often, so that it does not tell what is forbidden.
    """
    refusals: Counter[tuple[str, ...]] = Counter()
    rejected: dict[Case, Rejection] = {}
    for result in results:
        outcome = result.evidence.outcome if result.evidence else None
        if result.rejection:
            rejected[result.case] = result.rejection
        elif isinstance(outcome, Rejection) and result.case.observe != "rejection":
            refusals[_whole(outcome)] += 1
    counts = Counter(map(_whole, rejected.values()))
    return {
        case: f"valid arguments are refused with the same message ({Failure(case, one).what})"
        for case, one in rejected.items()
        if refusals[_whole(one)] >= counts[_whole(one)]
    }


def _whole(rejection: Rejection) -> tuple[str, ...]:
    """All of a message but its numbers and quotations."""
    return rejection.exception, *map(normalised, rejection.message.splitlines())


def _is_plugin(spec: str) -> bool:
    try:
        return registry.is_plugin(registry.resolve(spec))
    except ImplementationError:
        return False


def _is_judged(result: Result) -> bool:
    """Whether a valid case was asked, and answered or refused."""
    is_valid = result.case.observe in ("output", "gradients")
    return is_valid and str(result.verdict) != "unsupported"


def _is_refusal(result: Result) -> bool:
    if result.verdict not in FAILING or result.evidence is None or not _is_judged(result):
        return False
    outcome = result.evidence.outcome
    return isinstance(outcome, Rejection) and outcome.exception not in _ACCIDENTS


def _met_elsewhere(
    results: Sequence[Result], judged: Sequence[Facts], refused: set[Case], kinds: Sequence[_Kind]
) -> set[Case]:
    """The refusals whose message most cases have that are of no refused kind.

    What such a message says is not about the kind, all cases of which have it by chance.
    """
    covered = {f.case for f in judged if any(kind.holds(f) for kind in kinds)} & refused
    by_message: dict[str, set[Case]] = {}
    for result in results:
        if result.case in refused and result.evidence is not None:
            what = Failure(result.case, result.evidence.outcome).what
            by_message.setdefault(what, set()).add(result.case)
    spread = (cases for cases in by_message.values() if 2 * len(cases & covered) < len(cases))
    return {case for cases in spread for case in cases}


def _refused_kinds(judged: Sequence[Facts], refused: set[Case]) -> list[_Kind]:
    """Kinds of which every case is refused, those of the most cases first."""
    whole: list[tuple[set[Case], _Kind]] = []
    for kind in _kinds(judged):
        cases = _all_refused(kind, judged, refused)
        if cases:
            whole.append((cases, kind))
    left, found, told = set(refused), [], Counter[str]()
    while whole:
        cases, kind = max(whole, key=lambda one: len(one[0] & left))
        if not cases & left:
            break
        found.append(kind)
        told[kind.key] += len(cases & left)
        left -= cases
    return [kind for kind in found if told[kind.key] >= _LEAST]


def _all_refused(kind: _Kind, judged: Sequence[Facts], refused: set[Case]) -> set[Case]:
    """The cases of a kind; none as soon as one of them is not refused."""
    cases = set()
    for known in judged:
        if kind.holds(known):
            if known.case not in refused:
                return set()
            cases.add(known.case)
    return cases


def _kinds(judged: Sequence[Facts]) -> Iterator[_Kind]:
    """Kinds that a declaration has words for; those of one layer after those of all."""
    for key in LISTS:
        yield from (_named(key, name) for name in _met(key, judged))
    yield _Kind("empty", False, "arrays without elements", is_empty)
    yield _Kind("empty", "batch", "empty axes but the batch", partial(is_empty, but_batch=True))
    for key, (needs, words) in FLAGS.items():
        yield _Kind(key, False, words, needs)
    for layer in dict.fromkeys(known.layer for known in judged):
        own = [known for known in judged if known.layer == layer]
        for key in LISTS:
            yield from (_named(key, name, layer) for name in _met(key, own))


def _met(key: str, judged: Iterable[Facts]) -> list[str]:
    """The names of a list that cases have, in the order of the list."""
    met = set(map(LISTS[key].of, judged))
    return [name for name in LISTS[key].all_ if name in met]


def _named(key: str, name: str, layer: str = "") -> _Kind:
    def holds(known: Facts) -> bool:
        return layer in ("", known.layer) and LISTS[key].of(known) == name

    where = f" in {layer}" if layer else ""
    return _Kind(key, name, LISTS[key].words.format(name) + where, holds, layer)


def _in_words(kinds: Sequence[_Kind], judged: Iterable[Facts], spec: str) -> str:
    *but_last, last = (kind.words for kind in kinds)
    told = f"{', '.join(but_last)} or {last}" if but_last else last
    declaration = _declaration(kinds, judged)
    if spec.startswith("exec:"):
        where = "in its first answer as"
        shown = f'"takes": {declaration}'.replace("False", "false")
    else:
        where, shown = "in the plug-in as", f"takes = {declaration}"
    return f"every case with {told} is refused; if that is meant, declare it once, {where} {shown}"


def _declaration(kinds: Sequence[_Kind], judged: Iterable[Facts]) -> str:
    """The dictionary as Python and JSON write it, but for False."""
    known = list(judged)
    parts = []
    for key in dict.fromkeys(kind.key for kind in kinds):
        own = [kind for kind in kinds if kind.key == key]
        if key in LISTS:
            value = _lists(key, own, known)
        else:
            value = '"batch"' if all(kind.value == "batch" for kind in own) else "False"
        parts.append(f'"{key}": {value}')
    return "{" + ", ".join(parts) + "}"


def _lists(key: str, kinds: Sequence[_Kind], judged: Sequence[Facts]) -> str:
    """The names that are left, of all layers, or by layer where not all refuse the same."""
    layers = [layer for layer in dict.fromkeys(f.layer for f in judged) if layer]
    if not any(kind.layer for kind in kinds):
        return _listed(key, kinds, judged)
    own = {layer: [kind for kind in kinds if kind.layer in ("", layer)] for layer in layers}
    told = (
        f'"{layer}": {_listed(key, own[layer], [f for f in judged if f.layer == layer])}'
        for layer in layers
        if own[layer]
    )
    return "{" + ", ".join(told) + "}"


def _listed(key: str, kinds: Sequence[_Kind], judged: Sequence[Facts]) -> str:
    refused = {kind.value for kind in kinds}
    names = (name for name in _met(key, judged) if name not in refused)
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
