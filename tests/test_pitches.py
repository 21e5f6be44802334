"""Wrong pitches and offsets in memory are told by what they are taken to be.

Implementations are the plain evaluation on inputs that were looked up in memory at another pitch,
or with its outputs put there; the words expected are worked out from that by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_marks import of_change

from conformance.cases.case import Case, parse
from conformance.cases.operands import operands
from conformance.diagnosis.evaluation import CORRECT, predict
from conformance.diagnosis.hypotheses import Failure
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.marks import what_is_read
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value
from conformance.results import Evidence, Result

PLAIN = "Conv2D/inputs:2x5x6x1/filters:3/kernel_size:2"
POINTWISE = "Conv2D/inputs:2x5x8x2/filters:2/kernel_size:1/strides:1x3"
DILATED = "Conv2D/inputs:2x7x9x1/filters:1/kernel_size:3x2/dilation_rate:2x1"

Array = np.ndarray[Any, Any]


def of_inputs(change: Callable[[Array], Array]) -> Ask:
    """An implementation that is right but for what it takes for the inputs."""
    return of_sums(lambda x, w, evaluate: evaluate(change(x), w))


def of_sums(made: Callable[[Array, Array, Callable[[Array, Array], Array]], Array]) -> Ask:
    """An implementation that makes its outputs of those for other inputs and kernels."""

    def ask(case: Case) -> Result:
        arrays = operands(case)
        assert arrays.inputs is not None

        def evaluate(x: Array, kernel: Array) -> Array:
            changed = replace(arrays, inputs=x, weights={**arrays.weights, "kernel": kernel})
            result: Array = predict(case, changed, CORRECT).value
            return result

        given = made(arrays.inputs, arrays.weights["kernel"], evaluate)
        evidence = Evidence("one", case, Value(given), "exact")
        return Result(case, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)

    return ask


def at_pitches(x: Array, pitches: tuple[int, ...], offset: int = 0) -> Array:
    """An array as it is read from its memory at these pitches, zero beyond its end."""
    place = offset + sum(
        index * pitch for index, pitch in zip(np.indices(x.shape), pitches, strict=True)
    )
    memory = np.concatenate([x.ravel(), np.zeros(1, x.dtype)])
    return memory[np.where((place >= 0) & (place < x.size), place, x.size)]


def rows_of_outputs_times_stride(x: Array) -> Array:
    """The length of rows is taken to be what three outputs at a stride of three span."""
    _, rows, columns, channels = x.shape
    return at_pitches(x, (rows * columns * channels, 9 * channels, channels, 1))


def rows_up_to_a_multiple_of_four(x: Array) -> Array:
    _, rows, columns, channels = x.shape
    pitch = -(-columns // 4) * 4 * channels
    return at_pitches(x, (rows * columns * channels, pitch, channels, 1))


def samples_one_row_short(x: Array) -> Array:
    _, rows, columns, channels = x.shape
    return at_pitches(x, ((rows - 1) * columns * channels, columns * channels, channels, 1))


def filters_up_to_a_multiple_of_eight(y: Array) -> Array:
    """Planes of outputs, one for each filter, at a pitch that is rounded up."""
    first = np.moveaxis(y, -1, 1)
    plane = int(np.prod(first.shape[2:]))
    pitches = (plane * first.shape[1], -(-plane // 8) * 8, first.shape[3], 1)
    return np.moveaxis(at_pitches(np.ascontiguousarray(first), pitches), 1, -1)


def kernel_rows_two_further_on(
    x: Array, w: Array, evaluate: Callable[[Array, Array], Array]
) -> Array:
    """The table of offsets begins each row of the kernel two elements after where it should."""
    total: Any = 0.0
    _, rows, columns, channels = x.shape
    for row in range(len(w)):
        alone = np.zeros_like(w)
        alone[row] = w[row]
        pitches = (rows * columns * channels, columns * channels, channels, 1)
        total = total + evaluate(at_pitches(x, pitches, 2 * row), alone)
    return np.asarray(total)


WORDS: dict[str, tuple[str, Ask, str]] = {
    "rows of the outputs": (
        POINTWISE,
        of_inputs(rows_of_outputs_times_stride),
        (
            "input rows are taken to lie at a wrong pitch in memory: the number of columns in each "
            "is taken to be the number of output columns times the stride"
        ),
    ),
    "rows rounded up": (
        PLAIN,
        of_inputs(rows_up_to_a_multiple_of_four),
        (
            "input rows are taken to lie at a wrong pitch in memory: the number of columns in each "
            "is rounded up to a multiple of 4"
        ),
    ),
    "samples too short": (
        PLAIN,
        of_inputs(samples_one_row_short),
        (
            "input samples are taken to lie at a wrong pitch in memory: the number of rows in each "
            "is taken to be the number of output rows"
        ),
    ),
    "planes of outputs": (
        PLAIN,
        of_change(filters_up_to_a_multiple_of_eight),
        (
            "output filters are taken to lie at a wrong pitch in memory: the elements of each are "
            "rounded up to a multiple of 8"
        ),
    ),
    "a table of offsets": (
        DILATED,
        of_sums(kernel_rows_two_further_on),
        (
            "kernel rows read at wrong offsets in memory: each the same number of elements further "
            "on than it should, counted from the kernel row before"
        ),
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_wrong_pitch_is_told_by_what_it_is_taken_to_be(name: str) -> None:
    case, ask, words = WORDS[name]
    told = what_is_read([Failure(parse(case), Value(None), "exact")], ask)
    assert words in told.words
    assert told.is_law
