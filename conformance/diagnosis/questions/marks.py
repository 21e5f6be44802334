"""Which element an implementation reads where, found by asking it with marked operands.

A convolution is linear in its kernel.  With one element of the kernel one, the others zero, and the
inputs numbered from one on, each output is the number of the input that it reads with that element.
With one element of the upstream gradient one, the kernel's gradient is the numbers of the inputs
that its elements were multiplied with, the inputs' gradient those of the kernel's elements.  With
one input one, the others zero, the outputs of a pooling that are one are those that look at it.

What is read is held against the geometry of the definition, and told, in the modules `reads` and
`looks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.backward import predict_gradients
from conformance.diagnosis.evaluation import (
    CORRECT,
    Array,
    places,
    predict,
    settings_of,
    to_channels_last,
)
from conformance.diagnosis.hypotheses import Failure, operands_of
from conformance.diagnosis.questions.looks import Looks, Sent, look_words, sent_words
from conformance.diagnosis.questions.numbers import is_valid, numbers_of
from conformance.diagnosis.questions.products import (
    NOTHING,
    PLACES,
    SEVERAL,
    TAPS,
    Law,
    Reads,
    Told,
)
from conformance.diagnosis.questions.reads import read_words
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value
from conformance.results import FAILING, Result

Ask = Callable[[Case], Result]
"""Judges a case on the implementation that is diagnosed.

Raises:
    LateError: if the time for asking is over.
"""


class LateError(Exception):
    """The time for asking is over."""


_MOST_ASKED: Final = 96
"""How many elements are marked in turn; beyond, so many of them at even distances."""

_MOST_READ: Final = 1 << 15
"""Outputs times marks that are looked at."""

_LARGEST: Final = {"float16": 2**11 - 1, "bfloat16": 2**8 - 1, "int8": 2**7 - 1, "uint8": 2**8 - 1}
"""Up to which number elements can be told apart; 2**15 in other dtypes is more than is asked."""

_MOST_CASES: Final = 8
"""How many of the failing cases are asked about, the smallest first."""

_MOST_TOLD: Final = 4
"""Of how many of them all that is read is told."""


def what_is_read(failures: Sequence[Failure], ask: Ask) -> Told:
    """What the implementation reads in other places than it should; without words for nothing.

    Returns:
        What can be said of some small failing cases, in all words that hold, those of one as often
        as they hold: of a small case several do, and others tell which is meant.  What is said of
        one element alone is there only where nothing else is; where a law is found, it alone.
    """
    cases = _to_ask(failure.case for failure in failures)
    told = list(_told_of(cases, ask, _MOST_TOLD))
    if cases and _are_several(told):
        told += _told_of(_larger(cases[0]), ask, _MOST_CASES)
    laws = [word for one in told if one.is_law for word in one.words]
    of_all = [word for one in told if one.for_all for word in one.words]
    every = [word for one in told for word in one.words]
    return Told(tuple(laws or of_all or every), bool(of_all), bool(laws))


def _told_of(cases: Iterable[Case], ask: Ask, most: int) -> Iterator[Told]:
    """What is said of each of some cases, until so many of them are told for all that is read."""
    count = 0
    for case in cases:
        try:
            one = _of(case, ask)
        except _NotAnsweredError:
            continue
        except LateError:
            return
        yield one
        count += bool(one.words) and one.for_all
        if count == most:
            return


def _are_several(told: Sequence[Told]) -> bool:
    """Whether several words, which are no law, hold of as many cases."""
    counts = Counter(word for one in told if one.for_all and not one.is_law for word in one.words)
    return list(counts.values()).count(max(counts.values(), default=0)) > 1


def _larger(case: Case) -> Iterator[Case]:
    """The case with more inputs along one axis, which tells blocks apart."""
    for by, number in product(_LARGER, numbers_of(case)):
        if number.name.startswith("input "):
            larger = number.put(case, number.value + by)
            if is_valid(larger) and _is_able(larger):
                yield larger


_LARGER: Final = (1, 2, 3, 4)


class _NotAnsweredError(Exception):
    """A marked case was refused, or its answer has another form."""


def _to_ask(cases: Iterable[Case]) -> list[Case]:
    """The smallest cases of those that marks tell about."""
    able = sorted(
        (case for case in cases if _is_able(case)), key=lambda c: (_size(c), len(c.descriptor))
    )
    different: dict[object, Case] = {}
    for case in able:
        different.setdefault((case.layer, case.inputs, facts(case).groups), case)
    return list(different.values())[:_MOST_CASES]


def _size(case: Case) -> int:
    return prod(size or 0 for size in case.inputs or ()) + facts(case).products


def _is_able(case: Case) -> bool:
    layer = LAYERS[case.layer]
    if case.observe not in ("output", "gradients") or not (layer.convolves or layer.pools):
        return False
    shapes = [case.inputs or (), facts(case).output_shape]
    shapes += list(layer.weight_shapes(case).values()) if layer.convolves else []
    most = _LARGEST.get(case.dtype, _MOST_READ)
    return all(0 < prod(size or 0 for size in shape) <= most for shape in shapes)


def _of(case: Case, ask: Ask) -> Told:
    """What is read in one case."""
    plain = case.replace(seed=0, **({"activation": None} if _is_activated(case) else {}))
    if LAYERS[case.layer].pools:
        gradients = case.observe == "gradients"
        return sent_words(_sent(plain, ask)) if gradients else look_words(_looked_at(plain, ask))
    return _of_convolution(plain, ask)


def _is_activated(case: Case) -> bool:
    return LAYERS[case.layer].convolves and case.keywords.get("activation") is not None


@dataclass(frozen=True)
class _Answer:
    """What is given for one marked case, and what should be, each with its channels last."""

    mark: int
    given: Any
    right: Any


def _answers(case: Case, kind: str, size: int, ask: Ask) -> Iterator[_Answer]:
    """The answers with marks at some elements of an array of that size.

    Raises:
        _NotAnsweredError: if one has another form.
    """
    for mark in _spread(size):
        marked = case.replace(operands=kind, seed=mark)
        right = _right(marked)
        given = _given(ask(marked), right)
        last = facts(case).channels_first
        yield _Answer(mark, _channels_last(given, last), _channels_last(right, last))


def _spread(size: int) -> list[int]:
    """All indices, or so many at even distances, both ends among them."""
    count = min(size, _MOST_ASKED)
    return sorted({int(i) for i in np.linspace(0, size - 1, count).round()})


def _right(case: Case) -> Any:
    if case.observe == "gradients":
        return predict_gradients(case, operands_of(case)).value
    return predict(case, operands_of(case), with_error=False).value


def _given(result: Result, right: Any) -> Any:
    """The answer of a result, in the form of the right one.

    Raises:
        _NotAnsweredError: if there is none in that form.
    """
    if result.verdict in (Verdict.CONFORMS, Verdict.UNTRUSTED):
        return right
    outcome = result.evidence.outcome if result.evidence else None
    if result.verdict not in FAILING or not isinstance(outcome, Value):
        raise _NotAnsweredError
    if _form(outcome.value) != _form(right):
        raise _NotAnsweredError
    return outcome.value


def _form(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: np.shape(array) for name, array in value.items()}
    return np.shape(value)


def _channels_last(value: Any, channels_first: bool) -> Any:
    """As float64, channels moved last; of gradients that of the inputs alone."""
    if isinstance(value, dict):
        moved = {name: channels_first and name == "inputs" for name in value}
        return {name: _channels_last(array, moved[name]) for name, array in value.items()}
    array = np.asarray(value).astype(np.float64)
    return to_channels_last(array) if channels_first else array


_Part = tuple[Array, Array, Array]
"""Entries, what is read for them, and how often (see `reads.Reads`)."""


class _Convolution:
    """Sizes of a convolution; entries are its products (see `reads.Reads`)."""

    def __init__(self, case: Case) -> None:
        known = facts(case)
        self.case = case
        self.groups, self.rank = known.groups, known.rank
        self.given = tuple(size or 0 for size in case.inputs or ())
        self.channels_first = known.channels_first
        self.inputs = _moved(self.given, known.channels_first)
        self.outputs = _moved(known.output_shape, known.channels_first)[:-1]
        self.kernel = LAYERS[case.layer].weight_shapes(case)["kernel"]
        self.along = places(self.inputs[1:-1], settings_of(case), CORRECT)

    def right(self, entries: Array) -> Array:
        """The input (sample, place, channel), and the filter, of each entry."""
        place, taps = entries[:, 1 : 1 + self.rank], entries[:, 1 + self.rank : -2]
        read = [self.along[a][place[:, a], taps[:, a]] for a in range(self.rank)]
        channel, filters = entries[:, -2], entries[:, -1]
        group = filters // (self.kernel[-1] // self.groups)
        return np.stack([entries[:, 0], *read, channel + group * self.kernel[-2], filters], axis=1)

    def is_inside(self, right: Array) -> Array:
        """Whether these are inputs, and no padding."""
        read = right[:, :-1]
        return np.asarray(((read >= 0) & (read < np.array(self.inputs))).all(axis=1))

    def laws(self) -> tuple[Law, ...]:
        """What the columns of `right` are."""
        known = facts(self.case)
        spatial = [
            {place: stride, tap: dilation, "": int(along[0, 0])}
            for place, tap, stride, dilation, along in zip(
                PLACES, TAPS, known.strides, known.dilation, self.along, strict=False
            )
        ]
        channel, filters = {"c": 1}, {"f": 1}
        if self.groups > 1:
            channel["g"], filters["g"] = self.kernel[-2], self.kernel[-1] // self.groups
        return ({"n": 1}, *spatial, channel, filters)

    def input_of(self, number: Array) -> Array:
        """The place (sample, place, channel) of the inputs with these numbers."""
        found = np.unravel_index((number - 1).astype(np.intp), self.given)
        return np.stack(_moved(found, self.channels_first), axis=-1)

    def number_of(self, read: Array) -> Array:
        """The numbers of inputs in these places; of any input for the padding."""
        place = np.clip(read, 0, np.array(self.inputs) - 1).T
        order = (place[0], place[-1], *place[1:-1]) if self.channels_first else tuple(place)
        return np.asarray(1 + np.ravel_multi_index(order, self.given))


def _moved(sizes: Sequence[Any], channels_first: bool) -> tuple[Any, ...]:
    """Of sizes or indices, that of the channels moved last."""
    return (sizes[0], *sizes[2:], sizes[1]) if channels_first else tuple(sizes)


def _of_convolution(case: Case, ask: Ask) -> Told:
    layer = _Convolution(case)
    if case.observe == "output":
        return read_words(_by_kernel(layer, ask))
    upstream = prod(layer.outputs) * layer.kernel[-1]
    answers = list(_answers(case, "upstream_mark", upstream, ask))
    for name, decoded in (("kernel", _of_kernels), ("inputs", _of_inputs)):
        told = read_words(_reads(layer, [decoded(layer, one) for one in answers]))
        if told.words:
            words = (f"in the gradient of the {name}, {one}" for one in told.words)
            return Told(tuple(words), told.for_all, told.is_law)
    return Told()


def _by_kernel(layer: _Convolution, ask: Ask) -> Reads:
    """What each output reads with each marked element of the kernel."""
    places_ = np.indices(layer.outputs).reshape(len(layer.outputs), -1).T
    parts = []
    for one in _answers(layer.case, "kernel_mark", prod(layer.kernel), ask):
        element = np.array(np.unravel_index(one.mark, layer.kernel))
        entries = np.concatenate([places_, np.tile(element, (len(places_), 1))], axis=1)
        parts.append(_by_numbers(layer, entries, one.given.reshape(len(entries), -1)))
    return _reads(layer, parts)


def _of_kernels(layer: _Convolution, answer: _Answer) -> _Part:
    """What the elements of the kernel's gradient were multiplied with, for one output."""
    output = np.array(np.unravel_index(answer.mark, (*layer.outputs, layer.kernel[-1])))
    elements = np.indices(layer.kernel[:-1]).reshape(layer.rank + 1, -1).T
    count = (len(elements), 1)
    entries = [np.tile(output[:-1], count), elements, np.tile(output[-1:], count)]
    given = answer.given["kernel"].reshape(len(elements), -1)
    return _by_numbers(layer, np.concatenate(entries, axis=1), given)


def _of_inputs(layer: _Convolution, answer: _Answer) -> _Part:
    """Which inputs the elements of the kernel send the gradient of one output to."""
    output = np.array(np.unravel_index(answer.mark, (*layer.outputs, layer.kernel[-1])))
    elements = np.indices(layer.kernel).reshape(layer.rank + 2, -1).T
    elements = elements[elements[:, -1] == output[-1]]
    entries = np.concatenate([np.tile(output[:-1], (len(elements), 1)), elements], axis=1)
    given, right = answer.given["inputs"], layer.right(entries)
    inside = layer.is_inside(right)
    numbers = np.ravel_multi_index(tuple(elements.T), layer.kernel) + 1
    own = np.where(inside, given[tuple(np.where(inside[:, None], right, 0)[:, :-1].T)], 0.0)
    weight = np.where(inside, own / numbers, 1.0)
    if np.count_nonzero(given) > np.count_nonzero(own):
        weight = np.full(len(weight), np.nan)
    return entries, _senders(layer, entries, given), weight


def _senders(layer: _Convolution, entries: Array, given: Array) -> Array:
    """For each element of the kernel, the one input that has its number, of any filter."""
    got = np.full((len(entries), layer.rank + 3), NOTHING)
    row_of = {tuple(entry[1 + layer.rank : -1]): row for row, entry in enumerate(entries)}
    for place in np.argwhere(given != 0):
        number = given[tuple(place)]
        if not _is_number(number, prod(layer.kernel)):
            continue
        *element, filters = np.unravel_index(int(number) - 1, layer.kernel)
        row = row_of[tuple(element)]
        one = got[row, 0] == NOTHING
        got[row] = [*place, filters] if one else SEVERAL
    return got


def _by_numbers(layer: _Convolution, entries: Array, given: Array) -> _Part:
    """What entries read, by the numbers in each filter's place."""
    rows, filters = np.arange(len(entries)), entries[:, -1]
    right = layer.right(entries)
    number = np.where(layer.is_inside(right), layer.number_of(right[:, :-1]), 0)
    there = given != 0
    count, first = there.sum(axis=1), there.argmax(axis=1)
    found = given[rows, first]
    readable = (count == 1) & _is_number(found, prod(layer.given))
    got = np.full((len(entries), layer.rank + 3), SEVERAL)
    got[count == 0] = NOTHING
    got[readable] = np.column_stack([layer.input_of(found[readable]), first[readable]])
    own = given[rows, filters]
    weight = np.where(number > 0, own / np.maximum(number, 1), np.where(own == 0, 1.0, np.nan))
    weight[count > there[rows, filters]] = np.nan
    return entries, got, weight


def _is_number(value: Any, largest: int) -> Any:
    """Whether values are numbers of elements."""
    return (value == np.rint(value)) & (value >= 1) & (value <= largest)


def _reads(layer: _Convolution, parts: Sequence[_Part]) -> Reads:
    entries, got, weight = (np.concatenate(one) for one in zip(*parts, strict=True))
    right = layer.right(entries)
    return Reads(
        entries,
        right,
        got,
        weight,
        layer.is_inside(right),
        layer.inputs[1:-1],
        layer.laws(),
        layer.kernel[-1] // layer.groups,
        layer.groups,
    )


def _looked_at(case: Case, ask: Ask) -> Looks:
    """Which outputs of a pooling look at marked inputs."""
    known = facts(case)
    shape = tuple(size or 0 for size in case.inputs or ())
    places_, right, got = [], [], []
    for one in _answers(case, "input_mark", prod(shape), ask):
        place = _moved(np.unravel_index(one.mark, shape), known.channels_first)
        if (one.given > 1).any():
            raise _NotAnsweredError  # what no input holds tells of no place
        places_.append([int(index) for index in place])
        right.append(one.right > 0)
        got.append(one.given > 0)
    lengths = _moved(shape, known.channels_first)[1:-1]
    windows = places(lengths, settings_of(case), CORRECT)
    return Looks(np.array(places_), np.array(right), np.array(got), windows, lengths)


def _sent(case: Case, ask: Ask) -> Sent:
    """Where the gradients of marked outputs of a pooling go."""
    first = facts(case).channels_first
    inputs = _moved(tuple(size or 0 for size in case.inputs or ()), first)
    shape = _moved(facts(case).output_shape, first)
    outputs, right, got = [], [], []
    for one in _answers(case, "upstream_mark", prod(shape), ask):
        outputs.append([int(index) for index in np.unravel_index(one.mark, shape)])
        right.append(_only_place(one.right["inputs"]))
        got.append(_only_place(one.given["inputs"]))
    return Sent(np.array(outputs), np.array(right), np.array(got), (inputs[-2], shape[-2]))


def _only_place(gradient: Array) -> list[int]:
    """Where a gradient is not zero, if in one place."""
    places_ = np.argwhere(gradient != 0)
    if len(places_) == 1:
        return [int(index) for index in places_[0]]
    return [SEVERAL if len(places_) else NOTHING] * gradient.ndim
