"""Where an output that no known fault explains first differs from the right one.

The output is held against partial evaluations: the padded windows, the sums without bias, without
activation, at other positions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import Operands
from conformance.diagnosis.evaluation import (
    CORRECT,
    Array,
    Prediction,
    gather,
    predict,
    settings_of,
    sums_of,
    to_channels_first,
    to_channels_last,
)
from conformance.layers.registry import LAYERS

STAGES = (
    "padding",
    "number",
    "window",
    "contraction",
    "bias",
    "activation",
    "layout",
    "nan",
    "infinity",
    "channels",
    "samples",
    "choice",
    "selection",
    "elements",
)


_SLIP: Final = 16.0
"""Bounds by which an element is off that stands in another's place, and is not merely inexact."""


def first_difference(case: Case, operands: Operands, actual: Array) -> str:
    """The stage, one of `STAGES`, at which an output goes wrong.

    * ``shape``: another number of axes;
    * ``layout``: the right elements in other places, or the axes in another order;
    * ``number``: another number of outputs;
    * ``window``: elements that are right for other windows;
    * ``activation``: the outputs follow from the right sums by some other monotone function, or are
      wrong exactly where the sums are above, below or in magnitude above some number;
    * ``padding``: wrong only where the window reaches into the padding;
    * ``bias``: off by one number per filter;
    * ``nan``, ``infinity``: only where the output should be that, or is;
    * ``channels``: the outputs of some channels, or filters, are those of others;
    * ``samples``: the outputs of some samples are those of others;
    * ``choice``: what pooling takes of each window is one of its inputs, but not the largest;
    * ``selection``: what pooling takes of a window is none of its inputs;
    * ``elements``: a layer that moves elements gives others than it was given;
    * ``contraction``: none of these.
    """
    with np.errstate(all="ignore"):
        return _first_difference(case, operands, actual)


def _first_difference(case: Case, operands: Operands, actual: Array) -> str:
    expected = predict(case, operands)
    return _in_form(case, operands, actual, expected) or _in_values(
        case, operands, actual, expected
    )


def _in_form(case: Case, operands: Operands, actual: Array, expected: Prediction) -> str:
    """Where the elements that are right, or only special ones, tell; else empty."""
    layer = LAYERS[case.layer]
    if actual.shape != expected.value.shape:
        if actual.ndim != expected.value.ndim or layer.moves:
            return "shape"
        same_sizes = sorted(actual.shape) == sorted(expected.value.shape)
        return "layout" if same_sizes else "number"
    if layer.moves or _is_permutation(actual, expected):
        return "layout" if _is_permutation(actual, expected) else "elements"
    wrong = ~expected.allows(actual)
    special = _only_special(expected.value, actual, wrong)
    if special:
        return special
    if wrong.any() and _only_in_padding(case, operands, wrong):
        return "padding"
    return ""


def _in_values(case: Case, operands: Operands, actual: Array, expected: Prediction) -> str:
    layer, wrong = LAYERS[case.layer], ~expected.allows(actual)
    if not wrong.any():  # no more than a slip, of which only the judge's finer bounds tell
        activated = layer.convolves and facts(case).activation not in (None, "linear")
        return "activation" if activated else "contraction"
    others = _taken_from_others(case, expected, actual, wrong)
    if others:
        return others
    if layer.selects:
        return _stage_of_pooling(case, operands, actual)
    if not layer.convolves:
        return "contraction"
    return _stage_of_convolution(case, operands, actual, expected)


def _stage_of_convolution(
    case: Case, operands: Operands, actual: Array, expected: Prediction
) -> str:
    if facts(case).activation not in (None, "linear"):
        sums = sums_of(case, operands)
        if _are_sums(case, operands, actual, expected):
            return "window"
        wrong = ~expected.allows(actual)
        told = _is_monotone(sums, actual) or _is_told_by_size(sums, wrong)
        return "activation" if told else "contraction"
    if _is_constant_per_filter(case, actual, expected):
        return "bias"
    return "window" if _are_sums(case, operands, actual, expected) else "contraction"


def _is_permutation(actual: Array, expected: Prediction) -> bool:
    """Whether the right elements are there, each within its own bound, but not in their places."""
    there = np.sort(actual.astype(np.float64).ravel())
    values = expected.value.astype(np.float64).ravel()
    order = np.argsort(values, kind="stable")
    if there.size < 2:
        return False
    error = np.zeros(values.size) if expected.error is None else expected.error.ravel()[order]
    wanted = values[order]
    near = np.abs(there - wanted) <= error
    if not _are_displaced(actual, expected):
        return False
    return bool(np.all(near | (there == wanted) | (np.isnan(there) & np.isnan(wanted))))


def _are_displaced(actual: Array, expected: Prediction) -> bool:
    """Whether some element is too far off for a slip of the last places."""
    if expected.error is None:
        return True
    distance = np.abs(actual.astype(np.float64) - expected.wide)
    far = distance > _SLIP * np.where(np.isfinite(expected.error), expected.error, 0.0)
    return bool(far.any())


def _only_special(expected: Array, actual: Array, wrong: Array) -> str:
    """Whether all wrong elements are, or should be, NaN, or infinite; empty for neither."""
    if expected.dtype.kind in "iu" or not wrong.any():
        return ""
    should, is_ = expected[wrong].astype(np.float64), actual[wrong].astype(np.float64)
    if np.all(np.isnan(should) | np.isnan(is_)):
        return "nan"
    return "infinity" if np.all(np.isinf(should) | np.isinf(is_)) else ""


def _taken_from_others(case: Case, expected: Prediction, actual: Array, wrong: Array) -> str:
    """Whether all samples, or channels, that are wrong have the outputs of others; else empty."""
    if not LAYERS[case.layer].rank:
        return ""
    channels = 1 if facts(case).channels_first else -1
    parts = (expected.value, actual, wrong)
    for words, axis in (("channels", channels), ("samples", 0)):
        if _are_others(*(np.moveaxis(a, axis, 0) for a in parts)):
            return words
    return ""


def _are_others(right: Array, there: Array, wrong: Array) -> bool:
    """Whether all wrong ones along the first axis are others, as they should be or are.

    What is the same everywhere, such as zeros, is not taken from anywhere.
    """
    if len(right) < 2 or right[0].size < 2 or (there == there.flat[0]).all():
        return False
    off = [bool(one.any()) for one in wrong]
    others = {one.tobytes(): n for n, one in enumerate(there) if not off[n]}
    others |= {one.tobytes(): n for n, one in enumerate(right)}
    return all(others.get(there[n].tobytes(), n) != n for n in range(len(right)) if off[n])


def _only_in_padding(case: Case, operands: Operands, wrong: Array) -> bool:
    """Whether only outputs are wrong whose window reaches into the padding, and others are not."""
    padded = padded_outputs(case, operands)
    if padded is None or wrong.size == 0:
        return False
    reached = np.broadcast_to(padded, wrong.shape)
    return bool(reached.any() and not reached.all() and not (wrong & ~reached).any())


def padded_outputs(case: Case, operands: Operands) -> Array | None:
    """Which outputs have windows that reach into the padding, by broadcasting; None for no such."""
    known = facts(case)
    if known.padding not in ("same", "causal") or operands.inputs is None:
        return None
    x = to_channels_last(operands.inputs) if known.channels_first else operands.inputs
    _, inside = gather(x, settings_of(case), CORRECT)
    padded: Array = np.asarray(~inside.all(axis=tuple(range(-1 - known.rank, -1))))[None]
    return to_channels_first(padded) if known.channels_first else padded


def is_off_by_a_bias(case: Case, operands: Operands, actual: Any) -> bool:
    """Whether the outputs of each filter are off by one number, in a convolution without more."""
    plain = facts(case).activation in (None, "linear") and LAYERS[case.layer].convolves
    if not plain or case.observe != "output":
        return False
    expected = predict(case, operands)
    alike = isinstance(actual, np.ndarray) and actual.shape == expected.value.shape
    with np.errstate(all="ignore"):
        return alike and _is_constant_per_filter(case, actual, expected)


def _is_constant_per_filter(case: Case, actual: Array, expected: Prediction) -> bool:
    if "use_bias" in case.keywords and not case.keywords["use_bias"]:
        return False
    off = actual.astype(np.float64) - expected.wide
    off = to_channels_last(off) if facts(case).channels_first else off
    rows = off.reshape(-1, off.shape[-1])
    if len(rows) < 2 or not np.isfinite(rows).all():
        return False
    error = 0.0 if expected.error is None else 2 * float(expected.error.max())
    if not np.all(np.ptp(rows, axis=0) <= error):
        return False
    right = to_channels_last(expected.wide) if facts(case).channels_first else expected.wide
    varied = np.ptp(right.reshape(rows.shape), axis=0) > 2 * error
    return bool(varied.any() and np.any(np.abs(rows).min(axis=0) > error))


_FEWEST_RIGHT: Final = 8
_FEWEST_WRONG: Final = 2
"""How many different sums at least are to be seen on either side of a limit."""


def _is_told_by_size(sums: Array, wrong: Array) -> bool:
    """Whether outputs are wrong exactly where the sums are beyond a limit, on one side or both."""
    if sums.shape != wrong.shape or not np.isfinite(sums).all():
        return False
    off, right = np.unique(sums[wrong]), np.unique(sums[~wrong])
    if len(off) < _FEWEST_WRONG or len(right) < _FEWEST_RIGHT:
        return False
    return any(
        bool(key(off).min() > key(right).max()) for key in (np.positive, np.negative, np.abs)
    )


def _is_monotone(sums: Array, actual: Array) -> bool:
    """Whether outputs grow with the sums, or fall, over at least eight different sums."""
    if sums.shape != actual.shape or not np.isfinite(sums).all():
        return False
    order = np.argsort(sums, axis=None)
    steps = np.diff(actual.astype(np.float64).ravel()[order])
    if len(np.unique(sums)) < 8 or not np.isfinite(steps).all() or not steps.any():
        return False
    return bool(np.all(steps >= 0) or np.all(steps <= 0))


def _is_varied(actual: Array) -> bool:
    """Whether most elements differ, and are not alike by saturation or by inputs that are zero."""
    return len(np.unique(actual.astype(np.float64))) > actual.size // 2


def _stage_of_pooling(case: Case, operands: Operands, actual: Array) -> str:
    """Whether outputs are inputs of their own window, of others, or none."""
    if not _are_inputs(case, operands, actual):
        return "selection"
    known = facts(case)
    assert operands.inputs is not None
    x = to_channels_last(operands.inputs) if known.channels_first else operands.inputs
    y = to_channels_last(actual) if known.channels_first else actual
    windows, inside = gather(x, settings_of(case), CORRECT)
    taps = tuple(range(-1 - known.rank, -1))
    own = inside & (windows == np.expand_dims(y, taps))
    return "choice" if own.any(axis=taps).all() else "window"


def _are_inputs(case: Case, operands: Operands, actual: Array) -> bool:
    """Whether every output of pooling is an input of the same sample and channel."""
    known = facts(case)
    assert operands.inputs is not None
    x = to_channels_last(operands.inputs) if known.channels_first else operands.inputs
    y = to_channels_last(actual) if known.channels_first else actual
    pairs = ((n, c) for n in range(y.shape[0]) for c in range(y.shape[-1]))
    return all(np.isin(y[n, ..., c], x[n, ..., c]).all() for n, c in pairs)


def _are_sums(case: Case, operands: Operands, actual: Array, expected: Prediction) -> bool:
    """Whether every output is the right sum for some other position of the window."""
    known = facts(case)
    everywhere = replace(
        CORRECT,
        geometry=lambda n, k, s, d, padding: (n + (k - 1) * d, (k - 1) * d),
        settings=lambda settings, _: replace(settings, strides=(1,) * known.rank),
    )
    sums = predict(case, operands, everywhere, with_error=False).wide
    sums = to_channels_last(sums) if known.channels_first else sums
    y = to_channels_last(actual) if known.channels_first else actual
    error = 0.0 if expected.error is None else float(expected.error.max(initial=0.0))
    off = np.abs(actual.astype(np.float64) - expected.wide)[~expected.allows(actual)]
    if not _is_varied(actual) or not np.median(off) > _SLIP * error:
        return False
    pairs = ((n, c) for n in range(y.shape[0]) for c in range(y.shape[-1]))
    return all(_are_among(y[n, ..., c], sums[n, ..., c], error) for n, c in pairs)


def _are_among(some: Array, all_: Array, error: float) -> bool:
    """Whether every one of some numbers is, up to an error, among others."""
    ordered = np.sort(all_.ravel())
    values = some.astype(np.float64).ravel()
    place = np.searchsorted(ordered, values)
    left = ordered[np.clip(place - 1, 0, ordered.size - 1)]
    right = ordered[np.clip(place, 0, ordered.size - 1)]
    return bool(np.all(np.minimum(np.abs(values - left), np.abs(values - right)) <= error))
