"""Under which conditions a case fails, found by asking for others that differ in one respect.

What a case does not need to fail is taken away first: arguments that have a default, the plainer
operands and dtype.  Of what is left, each number is replaced by others, smaller and larger, one at
a time; those that fail as well tell the condition: "an odd number of input steps", "at least 33
filters".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise, product
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.operands import FLOATING_DTYPES, has_its_dtype
from conformance.diagnosis.commonality import meaning
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.numbers import Number, is_valid, numbers_of
from conformance.diagnosis.wording import enumerated
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS
from conformance.results import FAILING, Result

_PLAIN: Final = {"dtype": "float32", "operands": "integers", "seed": 0}
_SETTINGS: Final = ("padding", "data_format", "activation", "use_bias")
"""Arguments that are told by their value, where they are needed."""

_NUMBERS: Final = ("strides", "dilation_rate", "groups")
"""Arguments whose default is one."""

_SMALL: Final = 12
"""Up to which number all others are tried, and four more; beyond, those near it and powers of 2."""

_SEEDS: Final = 6
"""On how many operands a case has to conform: on some it is right by chance."""

_SEVERAL: Final = 2
"""How many numbers meet at least, and how many do not, what is said of parities and multiples."""

_MOST_TRIED: Final = 6
"""How many cases are tried for one that fails on all operands."""

_BLOCKS: Final = (3, 4, 8, 16, 32, 64)

_MOST_KINDS: Final = 4
"""Of how many kinds of operands it is told that the failing cases have one of them."""


def conditions(case: Case, ask: Ask, failing: Sequence[Case] = ()) -> str:
    """What the case needs to fail, in words; empty where it does not fail, or needs nothing.

    Args:
        case: a failing case.
        ask: judges a case.
        failing: others that fail for the same reason.  What these do without is not needed, and
            where a number matters, one of them is asked for the others that the case conforms with.
    """
    asking = _Asking(ask)
    if asking.fails(case) is not True:
        return ""
    case = _without_needless(case, asking)
    others = [other for other in failing if other.layer == case.layer]
    tried = {number: _tried(case, number, asking) for number in numbers_of(case)}
    learnt = {n: _learnt(n, asking, fails, others) for n, fails in tried.items()}
    needed = {n for n, fails in learnt.items() if not all(fails.values())}
    told = [*_of_fields(case, asking, others), *_of_settings(case, others)]
    told += _of_bias(case, asking, others)
    asked = {number: fails for number, fails in tried.items() if number in needed}
    compared = _compared(asked, case, asking)
    beside = {number for pair in compared for number in pair}
    words = (_of_number(n, learnt[n]) for n in asked if n not in beside)
    return enumerated([*told, *compared.values(), *filter(None, words)])


def steadiest(cases: Sequence[Case], ask: Ask) -> Case | None:
    """The smallest of some cases that fails on all operands; None where each conforms on some.

    What shows by chance, as a rounding error does, tells nothing by another size.
    """
    few = sorted(cases, key=_length)[:_MOST_TRIED]
    return next((case for case in few if _fails_always(case, ask)), None)


def _fails_always(case: Case, ask: Ask) -> bool:
    seeds = range(case.seed, case.seed + _SEEDS)
    return all(ask(case.replace(seed=seed)).verdict in FAILING for seed in seeds)


def _compared(
    asked: dict[Number, dict[int, bool]], case: Case, asking: _Asking
) -> dict[tuple[Number, Number], str]:
    """Of which two numbers it matters which is the larger one, or that they are alike."""
    told: dict[tuple[Number, Number], str] = {}
    for one, other in combinations(asked, 2):
        if any(one in pair or other in pair for pair in told):
            continue
        words = _relation(one, other, asked, case, asking)
        if words:
            told[one, other] = words
    return told


def _relation(
    one: Number,
    other: Number,
    asked: dict[Number, dict[int, bool]],
    case: Case,
    asking: _Asking,
) -> str:
    """Which relation of two numbers tells whether the case fails, whatever they are."""
    seen = {(value, other.value): fails for value, fails in asked[one].items()}
    seen |= {(one.value, value): fails for value, fails in asked[other].items()}
    for words, holds in _RELATIONS:
        if any(holds(*pair) is not fails for pair, fails in seen.items()):
            continue
        further = [(one.value + by, other.value + by) for by in (1, one.value)]
        if any(asking.fails(one.put(other.put(case, b), a)) for a, b in further):
            told = _AS_MANY if holds is eq and one.field == other.field else words
            return told.format(one=one.name, other=other.name)
    return ""


_AS_MANY: Final = "as many {one} as {other}"
_RELATIONS: Final = (
    ("{one} = {other}", eq),
    ("{one} > {other}", gt),
    ("{other} > {one}", lt),
    ("{one} >= {other}", ge),
    ("{other} >= {one}", le),
)
"""The words, and what holds of the one and the other; the plainest first."""


class _Asking:
    """Which cases fail as the first one does."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._first: Result | None = None

    def fails(self, case: Case) -> bool | None:
        """Whether it fails in the same stage, on some operands; None where it is not answered."""
        return self._answer(case, another_stage=False)

    def fails_or_conforms(self, case: Case) -> bool | None:
        """The same; None where it fails in another stage, which tells of something else."""
        return self._answer(case, another_stage=None)

    def _answer(self, case: Case, another_stage: bool | None) -> bool | None:
        if not is_valid(case):
            return None
        answers = []
        for seed in range(case.seed, case.seed + _SEEDS):
            answers.append(self._fails_once(case.replace(seed=seed), another_stage))
            if answers[-1] is not False:
                return answers[-1]
        return False

    def _fails_once(self, case: Case, another_stage: bool | None) -> bool | None:
        result = self._ask(case)
        if self._first is None:
            self._first = result
        if result.verdict in FAILING:
            alike = _kind(result.stage) == _kind(self._first.stage)
            return (result.verdict is self._first.verdict and alike) or another_stage
        return False if result.verdict in (Verdict.CONFORMS, Verdict.UNTRUSTED) else None


def _kind(stage: str) -> str:
    """The stage, those that are all of wrong values as one."""
    return "values" if stage in _OF_VALUES else stage


_OF_VALUES: Final = frozenset({"exact", "bound", "statistics"})


def _without_needless(case: Case, asking: _Asking) -> Case:
    """The case, what it does not need replaced by what is plain."""
    for fields in _simpler(case):
        plainer = case.replace(**fields)
        if plainer != case and asking.fails(plainer):
            case = plainer
    return case


def _simpler(case: Case) -> Iterator[dict[str, Any]]:
    defaults = LAYERS[case.layer].defaults
    for name in case.keywords:
        if name in (*_SETTINGS, *_NUMBERS):
            yield {name: defaults[name]}
    yield from ({name: value} for name, value in _PLAIN.items())


def _of_fields(case: Case, asking: _Asking, failing: Sequence[Case]) -> Iterator[str]:
    """The dtypes and the kind of operands, where the plain ones conform."""
    if case.dtype != _PLAIN["dtype"] and not any(c.dtype == _PLAIN["dtype"] for c in failing):
        yield _of_dtype(case, asking, failing)
    kinds = sorted({case.operands, *(c.operands for c in failing)})
    if _PLAIN["operands"] not in kinds and len(kinds) <= _MOST_KINDS:
        named = " or ".join(f"'{kind}'{meaning(kind)}" for kind in kinds)
        yield f"operands of the kind{'s' * (len(kinds) > 1)} {named}"


def _of_dtype(case: Case, asking: _Asking, failing: Sequence[Case]) -> str:
    taken = LAYERS[case.layer].integer_dtypes if case.observe == "output" else ()
    others = [case.replace(dtype=d) for d in (*FLOATING_DTYPES, *taken) if d != case.dtype]
    fails = {one.dtype for one in others if has_its_dtype(one) and asking.fails(one)}
    fails |= {case.dtype, *(one.dtype for one in failing)}
    if fails == set(taken):
        return "integer dtypes"
    return f"dtype {' or '.join(sorted(fails))}"


def _of_settings(case: Case, failing: Sequence[Case]) -> Iterator[str]:
    defaults = LAYERS[case.layer].defaults
    for name in _SETTINGS:
        value = case.keywords.get(name, defaults.get(name))
        needed = all(c.keywords.get(name, defaults.get(name)) == value for c in failing)
        if name in defaults and value != defaults[name] and needed:
            yield f"{name} {value!r}" if isinstance(value, str) else f"{name}={value}"


def _tried(case: Case, number: Number, asking: _Asking) -> dict[int, bool]:
    """With which values of a number the case fails, those that were asked."""
    fails = {number.value: True}
    _ask_for(case, number, _others(number.value), asking, fails)
    if not all(fails.values()):
        _bisect(case, number, asking, fails)
    return fails


def _of_number(number: Number, fails: dict[int, bool]) -> str:
    """What a number must be for the case to fail; empty where it is told in no few words."""
    return "" if _is_out_of_reach(number, fails) else _condition(number.name, fails)


def _of_bias(case: Case, asking: _Asking, failing: Sequence[Case]) -> list[str]:
    """Whether it takes a bias to fail."""
    if not LAYERS[case.layer].convolves or not case.keywords.get("use_bias", True):
        return []
    if not all(other.keywords.get("use_bias", True) for other in failing):
        return []
    plain = (one.replace(use_bias=False) for one in (case, *failing[-1:]))
    return ["a bias"] if all(asking.fails(one) is False for one in plain) else []


def _is_out_of_reach(number: Number, fails: dict[int, bool]) -> bool:
    """Whether only strides or rates far larger conform, with which windows reach elsewhere."""
    least = min(value for value, one in fails.items() if not one)
    return number.field in _NUMBERS and least > max(_FAR * number.value, *_failing(fails))


def _failing(fails: dict[int, bool]) -> list[int]:
    return [value for value, one in fails.items() if one]


_FAR: Final = 2


def _ask_for(
    case: Case, number: Number, values: Iterable[int], asking: _Asking, fails: dict[int, bool]
) -> None:
    for value in values:
        answer = asking.fails_or_conforms(number.put(case, value))
        if answer is not None:
            fails[value] = answer


def _bisect(case: Case, number: Number, asking: _Asking, fails: dict[int, bool]) -> None:
    """Ask for the numbers between one that fails and the next that does not, down to neighbours."""
    for ends in pairwise(sorted(fails)):
        low, high = ends
        while high - low > 1 and fails[low] != fails[high]:
            middle = (low + high) // 2
            _ask_for(case, number, [middle], asking, fails)
            if middle not in fails:
                break
            low, high = (middle, high) if fails[middle] == fails[low] else (low, middle)


def _learnt(
    number: Number, asking: _Asking, tried: dict[int, bool], failing: Sequence[Case]
) -> dict[int, bool]:
    """The same; what other failing cases have for the number fails, and what one fails with there.

    A condition has to hold of a second failing case: of one with another number, or the next.
    """
    fails = dict(tried)
    if all(fails.values()):
        return fails
    own = [(c, {n.name: n for n in numbers_of(c)}.get(number.name)) for c in failing]
    placed = [(other, n) for other, n in own if n is not None]
    fails |= {n.value: True for _, n in placed}
    placed.sort(key=lambda pair: _length(pair[0]))  # the first is the case itself
    second, at = min(
        placed[1:],
        key=lambda pair: (pair[1].value == number.value, _length(pair[0])),
        default=(None, number),
    )
    if second is None or not any(
        asking.fails(at.put(second, value)) for value in _nearest(at.value, fails)
    ):
        return fails
    for value in [value for value, one in fails.items() if not one]:
        fails[value] = bool(asking.fails(at.put(second, value)))
    return fails


def _length(case: Case) -> int:
    return len(case.descriptor)


def _nearest(value: int, fails: dict[int, bool]) -> list[int]:
    """The numbers next to one, on either side, that do not fail."""
    conform = [n for n, one in fails.items() if not one]
    below, above = [n for n in conform if n < value], [n for n in conform if n > value]
    return [*([max(below)] if below else []), *([min(above)] if above else [])]


def _others(value: int) -> list[int]:
    if value <= _SMALL:
        return [n for n in (*range(1, value + 5), *_ROUND) if n != value]
    near = {*range(value - 4, value + 5)}
    return sorted((near | {1, 2, value // 2, 2 * value}) - {value})


_ROUND: Final = (16, 17, 32)
"""Multiples of the blocks that loops are cut into, and one that is none."""


def _condition(name: str, fails: dict[int, bool]) -> str:
    """The simplest condition that tells the numbers that fail from those that do not, if any."""
    failing = {value for value, one in fails.items() if one}
    ranges, parities, blocks = _ranges(fails, failing), _parities(fails), _blocks(fails)
    told = {f"{name} {words}": numbers for words, numbers in ranges.items()}
    told |= {f"{words} {name}": numbers for words, numbers in parities.items()}
    told |= {f"{name} {words}": numbers for words, numbers in blocks.items()}
    beyond = {words: numbers for words, numbers in ranges.items() if words.startswith(">")}
    for (limits, within), (words, numbers) in product(beyond.items(), (parities | blocks).items()):
        if len(within - numbers) >= _SEVERAL:
            told[f"{name} {limits} and {words}"] = within & numbers
    return next((words for words, numbers in told.items() if numbers == failing), "")


def _ranges(fails: dict[int, bool], failing: set[int]) -> dict[str, set[int]]:
    """The ranges that hold all numbers that fail, in words, the plainest first."""
    least, most = min(failing), max(failing)
    below = max((n for n in fails if n < least), default=0)
    above = min((n for n in fails if n > most), default=0)
    return {
        f"= {least}": {least},
        f"> {below}": {n for n in fails if n > below},
        f"< {above}": {n for n in fails if n < above},
        f"from {least} to {most}": {n for n in fails if least <= n <= most},
    }


def _parities(fails: dict[int, bool]) -> dict[str, set[int]]:
    found = {"odd": {n for n in fails if n % 2}, "even": {n for n in fails if n % 2 == 0}}
    return _seen_often(found, fails)


def _blocks(fails: dict[int, bool]) -> dict[str, set[int]]:
    found = {f"a multiple of {b}": {n for n in fails if n % b == 0} for b in _BLOCKS}
    found |= {f"no multiple of {b}": {n for n in fails if n % b} for b in _BLOCKS}
    return _seen_often(found, fails)


def _seen_often(found: dict[str, set[int]], fails: dict[int, bool]) -> dict[str, set[int]]:
    """What several numbers meet, and several do not: one conforms, or fails, by chance."""
    return {
        words: numbers
        for words, numbers in found.items()
        if _SEVERAL <= len(numbers) <= len(fails) - _SEVERAL
    }
