"""Under which conditions a case fails, found by asking for others that differ in one respect.

What a case does not need to fail is taken away first: arguments that have a default, the plainer
operands and dtype.  Of what is left, each number is replaced by others, smaller and larger, one at
a time; those that fail as well tell the condition: "an odd number of input steps", "at least 33
filters".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import FLOATING_DTYPES, has_its_dtype
from conformance.diagnosis.questions.marks import Ask
from conformance.diagnosis.questions.reads import AXES
from conformance.diagnosis.wording import enumerated
from conformance.judge.definition import forbidden
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

_BLOCKS: Final = (3, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class _Number:
    """A number of a case: what it is called, its value, and where it stands.

    Attributes:
        field: the argument, or ``inputs``.
        place: the index within it; None where the argument is the number itself.
    """

    name: str
    value: int
    field: str
    place: int | None = None

    def put(self, case: Case, value: int) -> Case:
        """The case with another number in its place."""
        if self.place is None:
            return case.replace(**{self.field: value})
        now = case.inputs if self.field == "inputs" else facts(case).config[self.field]
        changed = list(now or ())
        changed[self.place] = value
        return case.replace(**{self.field: tuple(changed)})

    def is_only(self, told: dict[_Number, str]) -> bool:
        """Whether no other number than this one was found to fail."""
        return told.get(self) == f"{self.name} = {self.value}"


def conditions(case: Case, ask: Ask) -> str:
    """What the case needs to fail, in words; empty where it does not fail, or needs nothing."""
    asking = _Asking(ask)
    if asking.fails(case) is not True:
        return ""
    case = _without_needless(case, asking)
    numbers = {number: _of_number(case, number, asking) for number in _numbers(case)}
    needed = {number: words for number, words in numbers.items() if words}
    told = [*_of_fields(case, asking), *_of_settings(case), *_as_many(needed, case, asking)]
    return enumerated(told)


def _as_many(needed: dict[_Number, str], case: Case, asking: _Asking) -> Iterator[str]:
    """What is said of each number that is needed; of two of one value, whether that they are alike.

    Two that must be as they are, and may be others together, are as many as each other.
    """
    left = dict(needed)
    for one, other in combinations(needed, 2):
        if one.value == other.value > 1 and one.is_only(left) and other.is_only(left):
            tried = (one.put(other.put(case, n), n) for n in (one.value + 1, 2 * one.value))
            if any(asking.fails(both) for both in tried):
                yield f"as many {one.name} as {other.name}"
                del left[one], left[other]
    yield from left.values()


class _Asking:
    """Which cases fail as the first one does."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._first: Result | None = None

    def fails(self, case: Case) -> bool | None:
        """Whether it fails in the same stage, on some operands; None where it is not answered."""
        if not _is_valid(case):
            return None
        answers = []
        for seed in range(case.seed, case.seed + _SEEDS):
            answers.append(self._fails_once(case.replace(seed=seed)))
            if answers[-1]:
                return True
        return None if None in answers else False

    def _fails_once(self, case: Case) -> bool | None:
        result = self._ask(case)
        if self._first is None:
            self._first = result
        if result.verdict in FAILING:
            return result.verdict is self._first.verdict and result.stage == self._first.stage
        return False if result.verdict in (Verdict.CONFORMS, Verdict.UNTRUSTED) else None


def _is_valid(case: Case) -> bool:
    try:
        return forbidden(case) is None
    except (TypeError, ValueError, AttributeError, KeyError):
        return False


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


def _of_fields(case: Case, asking: _Asking) -> Iterator[str]:
    """The dtypes and the kind of operands, where the plain ones conform."""
    if case.dtype != _PLAIN["dtype"]:
        yield _of_dtype(case, asking)
    if case.operands != _PLAIN["operands"]:
        yield f"operands of the kind '{case.operands}'"


def _of_dtype(case: Case, asking: _Asking) -> str:
    taken = LAYERS[case.layer].integer_dtypes
    others = [case.replace(dtype=d) for d in (*FLOATING_DTYPES, *taken) if d != case.dtype]
    failing = {one.dtype for one in others if has_its_dtype(one) and asking.fails(one)}
    failing.add(case.dtype)
    if failing == set(taken):
        return "integer dtypes"
    return f"dtype {' or '.join(sorted(failing))}"


def _of_settings(case: Case) -> Iterator[str]:
    defaults = LAYERS[case.layer].defaults
    for name in _SETTINGS:
        value = case.keywords.get(name, defaults.get(name))
        if name in defaults and value != defaults[name]:
            yield f"{name} {value!r}" if isinstance(value, str) else f"{name}={value}"


def _numbers(case: Case) -> Iterator[_Number]:
    """The numbers of a case: of its arguments, axis by axis, and the sizes of its inputs."""
    known, layer = facts(case), LAYERS[case.layer]
    axes = AXES.get(known.rank, ())
    for name in (layer.window, "strides", "dilation_rate"):
        if name not in known.config:
            continue
        values = tuple(known.config[name])
        for place, (axis, value) in enumerate(zip(axes, values, strict=False)):
            of = name if known.rank == 1 else f"{name} along {axis}s"
            yield _Number(of, value, name, place)
    for name in ("filters", "groups"):
        if name in known.config:
            yield _Number(name, known.config[name], name)
    yield from _sizes(case, axes)


def _sizes(case: Case, axes: Sequence[str]) -> Iterator[_Number]:
    inputs = tuple(size or 0 for size in case.inputs or ())
    names = ["samples", *(f"input {axis}s" for axis in axes), "channels"]
    if len(names) != len(inputs):
        return
    if facts(case).channels_first:
        names = [names[0], names[-1], *names[1:-1]]
    for place, (name, size) in enumerate(zip(names, inputs, strict=True)):
        yield _Number(name, size, "inputs", place)


def _of_number(case: Case, number: _Number, asking: _Asking) -> str:
    """What a number must be for the case to fail; empty where it does not matter."""
    fails = {number.value: True}
    for value in _others(number.value):
        answer = asking.fails(number.put(case, value))
        if answer is not None:
            fails[value] = answer
    return "" if all(fails.values()) else _condition(number.name, fails)


def _others(value: int) -> list[int]:
    if value <= _SMALL:
        return [n for n in range(1, value + 5) if n != value]
    near = {*range(value - 4, value + 5)}
    return sorted((near | {1, 2, value // 2, 2 * value}) - {value})


def _condition(name: str, fails: dict[int, bool]) -> str:
    """The simplest condition that tells the numbers that fail from those that do not, if any."""
    failing = sorted(value for value, one in fails.items() if one)
    least, most = failing[0], failing[-1]
    below = max((n for n in fails if n < least), default=0)
    above = min((n for n in fails if n > most), default=0)
    ranges = {
        f"{name} = {least}": {least},
        f"{name} > {below}": {n for n in fails if n > below},
        f"{name} < {above}": {n for n in fails if n < above},
        f"{name} from {least} to {most}": {n for n in fails if least <= n <= most},
        f"odd {name}": {n for n in fails if n % 2},
        f"even {name}": {n for n in fails if n % 2 == 0},
    }
    blocks = {f"{name} a multiple of {b}": {n for n in fails if n % b == 0} for b in _BLOCKS}
    others = {f"{name} no multiple of {b}": {n for n in fails if n % b} for b in _BLOCKS}
    for words, numbers in (ranges | blocks | others).items():
        if sorted(numbers) == failing:
            return words
    return ""
