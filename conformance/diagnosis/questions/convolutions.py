"""What the products of a convolution read, from answers to marked operands."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.attribution import how_often
from conformance.diagnosis.evaluation import CORRECT, Array, places, settings_of
from conformance.diagnosis.questions.answers import Answer, Ask, answers, moved
from conformance.diagnosis.questions.overruns import beyond_products, of_other_block
from conformance.diagnosis.questions.products import (
    AXES,
    NOTHING,
    PLACES,
    SEVERAL,
    TAPS,
    Law,
    Reads,
    Told,
)
from conformance.diagnosis.questions.reads import read_words
from conformance.diagnosis.questions.where import where_of
from conformance.layers.registry import LAYERS

_Part = tuple[Array, Array, Array]
"""Entries, what is read for them, and how often (see `products.Reads`)."""


class _Convolution:
    """Sizes of a convolution; entries are its products (see `products.Reads`)."""

    def __init__(self, case: Case) -> None:
        known = facts(case)
        self.case = case
        self.groups, self.rank = known.groups, known.rank
        self.given = tuple(size or 0 for size in case.inputs or ())
        self.channels_first = known.channels_first
        self.inputs = moved(self.given, known.channels_first)
        self.outputs = moved(known.output_shape, known.channels_first)[:-1]
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
        return np.stack(moved(found, self.channels_first), axis=-1)

    def number_of(self, read: Array) -> Array:
        """The numbers of inputs in these places; of any input for the padding."""
        place = np.clip(read, 0, np.array(self.inputs) - 1).T
        order = (place[0], place[-1], *place[1:-1]) if self.channels_first else tuple(place)
        return np.asarray(1 + np.ravel_multi_index(order, self.given))


def of_convolution(case: Case, ask: Ask) -> Told:
    """What is read in one case, of outputs or of gradients."""
    layer = _Convolution(case)
    if case.observe == "output":
        reads = _by_kernel(layer, ask)
        other = beyond_products(reads) or of_other_block(reads)
        return Told((other,), is_law=True) if other else read_words(reads)
    upstream = prod(layer.outputs) * layer.kernel[-1]
    found = list(answers(case, "upstream_mark", upstream, ask))
    for name, decoded in (("kernel", _of_kernels), ("inputs", _of_inputs)):
        told = read_words(_reads(layer, [decoded(layer, one) for one in found]))
        if told.words:
            words, also = (
                tuple(f"in the gradient of the {name}, {one}" for one in ones)
                for ones in (told.words, told.also)
            )
            return Told(words, told.for_all, told.is_law, also=also)
    return Told(_of_biases(layer, found))


def _of_biases(layer: _Convolution, found: Sequence[Answer]) -> tuple[str, ...]:
    """Which outputs the bias' gradient counts otherwise than once each, in all words that hold."""
    shape = (*layer.outputs, layer.kernel[-1])
    if any("bias" not in one.given for one in found):
        return ()
    counts = np.ones(shape)
    for one in found:
        output = np.unravel_index(one.mark, shape)
        upstream, given = one.right["bias"][output[-1]], one.given["bias"]
        counts[output] = given[output[-1]] / upstream
        if np.count_nonzero(given) > np.count_nonzero(given[output[-1]]):
            return ()
    by_place = counts[..., 0]
    odd = np.unique(by_place[by_place != 1])
    if len(odd) != 1 or (counts != by_place[..., None]).any():
        return ()
    where = where_of(by_place != 1, AXES[layer.rank])
    return tuple(f"the gradient of the bias has {one} {how_often(float(odd[0]))}" for one in where)


def _by_kernel(layer: _Convolution, ask: Ask) -> Reads:
    """What each output reads with each marked element of the kernel."""
    places_ = np.indices(layer.outputs).reshape(len(layer.outputs), -1).T
    parts = []
    for one in answers(layer.case, "kernel_mark", prod(layer.kernel), ask):
        element = np.array(np.unravel_index(one.mark, layer.kernel))
        entries = np.concatenate([places_, np.tile(element, (len(places_), 1))], axis=1)
        parts.append(_by_numbers(layer, entries, one.given.reshape(len(entries), -1)))
    return _reads(layer, parts)


def _of_kernels(layer: _Convolution, answer: Answer) -> _Part:
    """What the elements of the kernel's gradient were multiplied with, for one output."""
    output = np.array(np.unravel_index(answer.mark, (*layer.outputs, layer.kernel[-1])))
    elements = np.indices(layer.kernel[:-1]).reshape(layer.rank + 1, -1).T
    count = (len(elements), 1)
    entries = [np.tile(output[:-1], count), elements, np.tile(output[-1:], count)]
    given = answer.given["kernel"].reshape(len(elements), -1)
    return _by_numbers(layer, np.concatenate(entries, axis=1), given)


def _of_inputs(layer: _Convolution, answer: Answer) -> _Part:
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
