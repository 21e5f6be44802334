"""Which terms of sums are left out, counted twice, or weighted, where no fault explains them.

Outputs without an activation, and gradients, are sums of one term for each index along an axis: of
the samples, rows, columns, filters, channels or elements of a window.  With the operands set to
zero but at one index, the evaluation gives that term; the weights with which the terms make up what
an implementation gave are the solution of a linear system, and tell what its loop left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import Operands
from conformance.diagnosis.backward import GradientPrediction, predict_gradients
from conformance.diagnosis.evaluation import Array, Prediction, predict
from conformance.diagnosis.hypotheses import Failure, operands_of
from conformance.diagnosis.ranges import ranges
from conformance.diagnosis.stages import padded_outputs
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value

_MOST_TERMS: Final = 24
_MOST_ELEMENTS: Final = 4096
_NEAR: Final = 1e-3
"""How near weights must come to the numbers that are told: what they are is looked for, not how
exactly they are kept."""


@dataclass(frozen=True)
class _Axis:
    """An axis along which the operands are taken apart; of outputs, always of the kernel.

    Attributes:
        words: its elements.
        number: the axis of the array, which has its channels last.
        weights: whether the array is the kernel, not the upstream gradient.
    """

    words: str
    number: int
    weights: bool = False


def left_out(failure: Failure, name: str) -> tuple[str, ...]:
    """Which terms of one gradient are amiss, in all words that hold: "the last of the rows ...".

    A failure of few terms may be told in several ways, of which others tell which is meant.
    """
    case, outcome = failure.case, failure.outcome
    if case.observe != "gradients" or not isinstance(outcome, Value) or name not in outcome.value:
        return ()
    actual = outcome.value[name]
    operands = operands_of(case)
    right = _predicted(case, operands)
    if right is None or not 0 < actual.size <= _MOST_ELEMENTS:
        return ()
    if actual.shape != right.parts[name].value.shape or not np.isfinite(actual).all():
        return ()
    words = (_along(case, operands, name, axis, actual) for axis in _axes(case, name))
    return (*_of_border(case, operands, name, actual), *(one for ones in words for one in ones))


def _of_border(case: Case, operands: Operands, name: str, actual: Array) -> tuple[str, ...]:
    """What is said of the weight of the outputs whose window reaches into the padding."""
    padded = padded_outputs(case, operands)
    if operands.upstream is None or padded is None or not padded.any():
        return ()
    parts = [padded] if padded.all() else [padded, ~padded]
    masked = (np.where(part, operands.upstream, 0) for part in parts)
    made = [_predicted(case, replace(operands, upstream=upstream)) for upstream in masked]
    terms = [one.parts[name] for one in made if one is not None]
    weights = _weights_of(terms, actual.astype(np.float64)) if len(terms) == len(made) else None
    if weights is None or np.any(np.abs(weights[1:] - 1) > _NEAR) or not _is_told(weights[0]):
        return ()
    return (f"outputs whose window reaches into the padding are {how_often(weights[0])}",)


def left_out_of_outputs(failure: Failure) -> tuple[str, ...]:
    """Which terms of the outputs are amiss: the bias, or channels, or elements of the window."""
    case, outcome = failure.case, failure.outcome
    if case.observe != "output" or not isinstance(outcome, Value) or not _has_sums(case):
        return ()
    operands, actual = operands_of(case), outcome.value
    right = predict(case, operands)
    if not isinstance(actual, np.ndarray) or actual.shape != right.value.shape:
        return ()
    if not 0 < actual.size <= _MOST_ELEMENTS or not np.isfinite(actual).all():
        return ()
    inner = ("steps",) if facts(case).rank == 1 else ("rows", "columns")
    axes = [_Axis("channels", -2, True)]
    axes += [_Axis(f"{words} of the window", i, True) for i, words in enumerate(inner)]
    words = (_of_outputs(case, operands, axis, actual) for axis in axes)
    told = (*_of_bias(case, operands, actual), *(one for ones in words for one in ones))
    return told or ranges(case, operands, actual)


def _of_outputs(case: Case, operands: Operands, axis: _Axis, actual: Array) -> tuple[str, ...]:
    """What is said of the weights of the terms along one axis of the kernel; the bias is right."""
    count = operands.weights["kernel"].shape[axis.number]
    if not 1 < count <= _MOST_TERMS:
        return ()
    plain = _without_bias(operands)
    alone = case.replace(use_bias=False)
    terms = [predict(alone, _at(plain, axis, index, False)) for index in range(count)]
    bias = _bias_alone(case, operands)
    weights = _weights_of(terms, actual.astype(np.float64) - bias.wide)
    return () if weights is None else in_words(weights, axis.words)


def _of_bias(case: Case, operands: Operands, actual: Array) -> tuple[str, ...]:
    """What is said of the weight of the bias, where the sums are right."""
    if "bias" not in operands.weights or not operands.weights["bias"].any():
        return ()
    sums = predict(case.replace(use_bias=False), _without_bias(operands))
    weights = _weights_of([sums, _bias_alone(case, operands)], actual.astype(np.float64))
    if weights is None or abs(weights[0] - 1) > _NEAR:
        return ()
    if not _is_told(weights[1]):
        return ()
    return (f"the bias is {how_often(weights[1])}",)


def _without_bias(operands: Operands) -> Operands:
    return replace(operands, weights={"kernel": operands.weights["kernel"]})


def _bias_alone(case: Case, operands: Operands) -> Prediction:
    """The outputs where the kernel is zero."""
    weights = {**operands.weights, "kernel": np.zeros_like(operands.weights["kernel"])}
    return predict(case, replace(operands, weights=weights))


def _weights_of(terms: Sequence[Prediction], wanted: Array) -> Array | None:
    matrix = np.stack([term.wide.ravel() for term in terms], -1)
    error: Any = sum(0.0 if term.error is None else term.error.ravel() for term in terms)
    return _weights(matrix, 4 * error, wanted.ravel())


def _has_sums(case: Case) -> bool:
    """Whether the outputs are plain sums."""
    known = facts(case)
    plain = known.activation in (None, "linear") and LAYERS[case.layer].convolves
    return plain and known.groups == 1


def _predicted(case: Case, operands: Operands) -> GradientPrediction | None:
    try:
        return predict_gradients(case, operands)
    except (ValueError, IndexError):
        return None


def _axes(case: Case, name: str) -> Iterator[_Axis]:
    """The axes that the sums of a gradient run over."""
    rank = facts(case).rank
    inner = ("steps",) if rank == 1 else ("rows", "columns")
    if name == "inputs" and _has_sums(case):
        yield _Axis("filters", -1)
        yield from (_Axis(f"{w} of the window", i, True) for i, w in enumerate(inner))
    yield from (_Axis(f"{words} of outputs", 1 + i) for i, words in enumerate(inner))
    if name != "inputs":
        yield _Axis("samples", 0)


def _along(
    case: Case, operands: Operands, name: str, axis: _Axis, actual: Array
) -> tuple[str, ...]:
    first = facts(case).channels_first and not axis.weights
    array: Any = operands.weights["kernel"] if axis.weights else operands.upstream
    count = array.shape[_number(axis, array.ndim, first)]
    if not 1 < count <= _MOST_TERMS:
        return ()
    made = [_predicted(case, _at(operands, axis, index, first)) for index in range(count)]
    terms = [one.parts[name] for one in made if one is not None]
    if len(terms) < count:
        return ()
    weights = _weights_of(terms, actual.astype(np.float64))
    return () if weights is None else in_words(weights, axis.words)


def _number(axis: _Axis, ndim: int, channels_first: bool) -> int:
    """The axis in the array as it is laid out."""
    number = axis.number % ndim
    if not channels_first or number == 0:
        return number
    return 1 if number == ndim - 1 else number + 1


def _at(operands: Operands, axis: _Axis, index: int, channels_first: bool) -> Operands:
    """The operands with one array zero but at an index along an axis."""
    array: Any = operands.weights["kernel"] if axis.weights else operands.upstream
    place: list[Any] = [slice(None)] * array.ndim
    place[_number(axis, array.ndim, channels_first)] = index
    kept = np.zeros_like(array)
    kept[tuple(place)] = array[tuple(place)]
    if axis.weights:
        return replace(operands, weights={**operands.weights, "kernel": kept})
    return replace(operands, upstream=kept)


def _weights(matrix: Array, error: Array, wanted: Array) -> Array | None:
    """The weights of the terms in what was given; None where they do not make it up, or all are 1.

    Where there are fewer elements than are needed to solve for them, some are tried.
    """
    count = matrix.shape[-1]
    if not np.isfinite(matrix).all() or not np.abs(matrix).any(axis=0).all():
        return None
    solvable = len(wanted) >= 2 * count and np.linalg.matrix_rank(matrix) == count
    tried = [np.linalg.lstsq(matrix, wanted, rcond=None)[0]] if solvable else _usual(count)
    room = error + _NEAR * _NEAR * np.abs(matrix).sum(axis=-1)
    if np.all(np.abs(matrix.sum(axis=-1) - wanted) <= room):
        return None
    return next((w for w in tried if np.all(np.abs(matrix @ w - wanted) <= room)), None)


def _usual(count: int) -> list[Array]:
    """What loops leave out most: the first, the last, all but these, every second."""
    ones, index = np.ones(count), np.arange(count)
    kept = (index > 0, index < count - 1, index == 0, index == count - 1, index % 2 == 0)
    return [np.where(mask, ones, 0.0) for mask in kept]


def in_words(weights: Array, what: str) -> tuple[str, ...]:
    """Which weights are not one, in all words that hold; none where they are of many kinds."""
    rounded = np.where(np.abs(weights - np.rint(weights)) < _NEAR, np.rint(weights), weights)
    wrong = np.abs(rounded - 1) >= _NEAR
    values = np.unique(np.round(rounded[wrong], 4))
    if len(values) != 1 or not _is_told(float(values[0])):
        return ()
    how = how_often(values[0])
    if wrong.all():
        if values[0] == 0:
            return ()  # nothing is summed, which says nothing of the axis
        return (f"all {what} are {how}",)
    return tuple(f"{words} {how}" for words in which(wrong, what))


def _is_told(times: float) -> bool:
    """Whether a loop counts a term so often: a whole number of times, or a simple part of it."""
    return abs(_PARTS * times - round(_PARTS * times)) < _PARTS * _NEAR


_PARTS: Final = 12


def how_often(times: float) -> str:
    """How often a term is counted, in words."""
    rounded = float(f"{times:.4g}")
    near = float(np.rint(rounded)) if abs(rounded - np.rint(rounded)) < _NEAR else rounded
    return _HOW.get(near, f"counted {near:g} times")


_HOW: Final = {0.0: "left out", 2.0: "counted twice", -1.0: "subtracted, not added"}


def which(wrong: Array, what: str) -> list[str]:
    """Which of some elements along an axis are wrong, in all words that hold."""
    index = np.arange(len(wrong))
    last = len(wrong) - 1
    told = {
        f"the last of the {what} is": index == last,
        f"the first of the {what} is": index == 0,
        f"all {what} but the first are": index > 0,
        f"all {what} but the last are": index < last,
        f"every second of the {what}, from the second on, is": index % 2 == 1,
        f"every second of the {what}, from the first on, is": index % 2 == 0,
    }
    first = int(np.argmax(wrong))
    told[f"the {what} from index {first} on are"] = index >= first
    told[f"the {what} before index {int(wrong.sum())} are"] = index < wrong.sum()
    found = [words for words, mask in told.items() if np.array_equal(mask, wrong)]
    return found or [f"{SOME} {what} are"]


SOME: Final = "some of the"
"""How words begin that do not say which."""
