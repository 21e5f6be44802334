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
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.evaluation import (
    CORRECT,
    Array,
    places,
    settings_of,
)
from conformance.diagnosis.hypotheses import Failure
from conformance.diagnosis.questions.answers import Ask, LateError, NotAnsweredError, answers, moved
from conformance.diagnosis.questions.convolutions import of_convolution
from conformance.diagnosis.questions.looks import Sent, look_words, sent_words
from conformance.diagnosis.questions.numbers import is_valid, numbers_of
from conformance.diagnosis.questions.products import (
    NOTHING,
    SEVERAL,
    Told,
)
from conformance.diagnosis.questions.window_looks import Looks
from conformance.layers.registry import LAYERS

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
        one element alone is there only where nothing else is; where a law is found, it alone; and
        what is said of the padding, only where no input is read wrongly.
    """
    cases = _to_ask(failure.case for failure in failures)
    told = list(_told_of(cases, ask, _MOST_TOLD))
    if cases and LAYERS[cases[0].layer].pools and not _has_numbers(told):
        told = _as_larger_ones(told, list(_told_of(_larger(cases[0]), ask, _MOST_TOLD)))
    elif cases and _are_several(told):
        told += _told_of(_larger(cases[0]), ask, _MOST_CASES)
    told = [one for one in told if one.words and not one.of_padding] or told
    laws = _without_rare([one.words for one in told if one.is_law])
    of_all = _without_rare([one.words for one in told if one.for_all])
    every = _without_rare([one.words for one in told])
    also = tuple(word for one in told for word in one.also)
    return Told(tuple(laws or of_all or every), bool(of_all), bool(laws), also=also)


def _without_rare(told: Sequence[tuple[str, ...]]) -> list[str]:
    """The words of all cases; those of whatever numbers only where most cases have them.

    What names no number is alike in several cases by chance; what names some is not.
    """
    most = sum(map(bool, told)) / 2
    every = [word for words in told for word in words]
    kept = [word for word in every if _names_numbers(word) or every.count(word) > most]
    return kept or every


def _names_numbers(word: str) -> bool:
    return any(letter.isdigit() for letter in word)


def _told_of(cases: Iterable[Case], ask: Ask, most: int) -> Iterator[Told]:
    """What is said of each of some cases, until so many of them are told for all that is read."""
    count = 0
    for case in cases:
        try:
            one = _of(case, ask)
        except NotAnsweredError:
            continue
        except LateError:
            return
        yield one
        count += bool(one.words) and one.for_all
        if count == most:
            return


def _has_numbers(told: Sequence[Told]) -> bool:
    """Whether all words have numbers of their case, and hold of no other."""
    words = [word for one in told for word in one.words]
    return all(map(_names_numbers, words))


def _as_larger_ones(told: list[Told], larger: list[Told]) -> list[Told]:
    """What is said, or where larger cases tell something else, what these tell.

    Of windows that are few several words hold.
    """
    telling = [one for one in larger if one.words]
    shared = [one for one in telling if any(set(one.words) & set(own.words) for own in told)]
    return told if len(shared) == len(telling) else telling


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
    return of_convolution(plain, ask)


def _is_activated(case: Case) -> bool:
    return LAYERS[case.layer].convolves and case.keywords.get("activation") is not None


def _looked_at(case: Case, ask: Ask) -> Looks:
    """Which outputs of a pooling look at marked inputs."""
    known = facts(case)
    shape = tuple(size or 0 for size in case.inputs or ())
    places_, right, got = [], [], []
    for one in answers(case, "input_mark", prod(shape), ask):
        place = moved(np.unravel_index(one.mark, shape), known.channels_first)
        if (one.given > 1).any():
            raise NotAnsweredError  # what no input holds tells of no place
        places_.append([int(index) for index in place])
        right.append(one.right > 0)
        got.append(one.given > 0)
    lengths = moved(shape, known.channels_first)[1:-1]
    windows = places(lengths, settings_of(case), CORRECT)
    return Looks(np.array(places_), np.array(right), np.array(got), windows, lengths)


def _sent(case: Case, ask: Ask) -> Sent:
    """Where the gradients of marked outputs of a pooling go."""
    first = facts(case).channels_first
    inputs = moved(tuple(size or 0 for size in case.inputs or ()), first)
    shape = moved(facts(case).output_shape, first)
    outputs, right, got = [], [], []
    for one in answers(case, "upstream_mark", prod(shape), ask):
        outputs.append([int(index) for index in np.unravel_index(one.mark, shape)])
        right.append(_only_place(one.right["inputs"]))
        got.append(_only_place(one.given["inputs"]))
    windows = places(inputs[1:-1], settings_of(case), CORRECT)
    return Sent(
        np.array(outputs), np.array(right), np.array(got), inputs[1:-1], shape[1:-1], windows
    )


def _only_place(gradient: Array) -> list[int]:
    """Where a gradient is not zero, if in one place."""
    places_ = np.argwhere(gradient != 0)
    if len(places_) == 1:
        return [int(index) for index in places_[0]]
    return [SEVERAL if len(places_) else NOTHING] * gradient.ndim
