"""What an implementation does in cases that were not in the run, near to those in which it fails.

They differ from a failing case in its operands or in one of its numbers, so that what holds of the
failing cases by chance does not hold of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from conformance.cases.case import Case
from conformance.diagnosis.groups import Group
from conformance.diagnosis.hypotheses import Failure, failure_of, is_predictable
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.numbers import is_valid, numbers_of
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value
from conformance.results import FAILING

_BASES: Final = 3
"""How many failing cases of a group others are made of."""

_SEEDS: Final = 3
_MORE: Final = (1, 2, 4)
"""By how much each number is larger."""

_LARGEST: Final = 1 << 13
"""How many inputs such a case has at most."""


@dataclass(frozen=True, eq=False)
class Fresh:
    """What was done in cases that were not in the run.

    Attributes:
        by_respect: those that fail, with values, by what of a failing case is changed in them.
        conforming: the cases that do not.
    """

    by_respect: Mapping[str, tuple[Failure, ...]]
    conforming: tuple[Case, ...] = ()

    @property
    def failures(self) -> tuple[Failure, ...]:
        """All that fail."""
        return tuple(failure for some in self.by_respect.values() for failure in some)


def fresh(group: Group, known: frozenset[Case], ask: Ask) -> Fresh:
    """What is done in cases near to some of a group.

    Args:
        group: failures of values.
        known: the cases of the run.
        ask: judges a case.
    """
    failures: dict[str, list[Failure]] = defaultdict(list)
    conforming = []
    asked: set[Case] = set(known)
    for base in _bases(group) or _cut(group, ask):
        for respect, case in _near(base):
            if case in asked:
                continue
            asked.add(case)
            result = ask(case)
            if result.evidence is not None and isinstance(result.evidence.outcome, Value):
                failures[respect].append(failure_of(result))
            elif result.verdict is Verdict.CONFORMS:
                conforming.append(case)
    by_respect = {respect: tuple(some) for respect, some in failures.items()}
    return Fresh(by_respect, tuple(conforming))


def _bases(group: Group) -> list[Case]:
    """The smallest of the cases, one of the larger ones, and one between."""
    able = {f.case for f in group.failures if isinstance(f.outcome, Value) and _is_able(f.case)}
    ordered = sorted(able, key=lambda case: (_size(case), len(case.descriptor), case.descriptor))
    return _spread(ordered, _BASES)


def _cut(group: Group, ask: Ask) -> list[Case]:
    """A case with few inputs that fails as the smallest does, which has too many to be tried."""
    large = [f.case for f in group.failures if isinstance(f.outcome, Value)]
    for length in _SHORT if large else ():
        case = min(large, key=_size)
        for number in numbers_of(case):
            if number.field == "inputs" and number.value > length:
                case = number.put(case, length)
        looks = case.observe in ("output", "gradients") and is_valid(case) and _is_able(case)
        if looks and ask(case).verdict in FAILING:
            return [case]
    return []


_SHORT: Final = (6, 11, 24, 40)
"""What many inputs along an axis are cut to."""


def _spread(cases: Sequence[Case], count: int) -> list[Case]:
    if len(cases) <= count:
        return list(cases)
    return [cases[number * (len(cases) - 1) // (count - 1)] for number in range(count)]


def _is_able(case: Case) -> bool:
    looks = case.observe in ("output", "gradients") and is_predictable(case)
    return looks and 0 < _size(case) <= _LARGEST


def _size(case: Case) -> int:
    return prod(size or 0 for size in case.inputs or ())


def _near(base: Case) -> Iterator[tuple[str, Case]]:
    """The case on other operands, and with each of its numbers larger; and what is changed."""
    yield from (("operands", base.replace(seed=base.seed + by)) for by in range(1, 1 + _SEEDS))
    if not LAYERS[base.layer].rank:
        return
    for number in numbers_of(base):
        for by in _MORE:
            case = number.put(base, number.value + by)
            if is_valid(case) and _size(case) <= _LARGEST:
                yield number.name, case
