"""The final outputs of a candidate against the source's exact ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from conformance.judge.messages import counted
from conformance.judge.running_error import Floats
from conformance.models.candidates import Array
from conformance.models.findings import Whole
from conformance.models.matching import difference, layouts
from conformance.models.operation import Span
from conformance.models.source import Source


def judge_whole(source: Source, arrays: Sequence[Array], outputs: Sequence[Array]) -> list[Whole]:
    """The final outputs against the exact ones, by what rounding alone can explain.

    Converters may reorder outputs: each is held against the nearest that is left.
    """
    exact = source.run(arrays)
    if len(outputs) != len(source.outputs):
        words = f"{counted(len(outputs), 'output')}; the source has {len(source.outputs)}"
        return [Whole("outputs", float("inf"), None, words)]
    left = [np.asarray(array) for array in outputs]
    kinds = {step.operation.kind for step in source.steps}
    why = _BEHIND_KERAS if "elsewhere" in kinds else _TOO_MANY
    why = _BEHIND_OTHERS if "unknown" in kinds else why
    made = []
    for index, number in enumerate(source.outputs):
        choices = [_whole(f"output {index}", exact[number], array, why) for array in left]
        best = min(range(len(left)), key=lambda i: (bool(choices[i].message), choices[i].distance))
        is_in_order = choices[0].ratio is not None and choices[0].is_near
        best = 0 if len({array.shape for array in left}) == 1 and is_in_order else best
        del left[best]
        made.append(choices[best])
    return made


_BEHIND_KERAS: Final = "what rounding can explain is not known behind layers that Keras computes"
_BEHIND_OTHERS: Final = "the exact values are not known behind layers that are not computed here"
_TOO_MANY: Final = (
    "what rounding can explain, carried through so many layers, is too much to say anything"
)


def _whole(name: str, span: Span, array: Array, why: str) -> Whole:
    if span.value.size and np.isnan(span.value).all() and np.isinf(span.error).all():
        return Whole(name, float("nan"), None, unknown=why)
    found = layouts(array.shape, span.value.shape)
    if not found:
        words = f"the shape is {array.shape}, but should be {span.value.shape}"
        return Whole(name, float("inf"), None, words)
    choices = [array.astype(np.float64).transpose(axes) for axes in found]
    values = min(choices, key=lambda a: _farthest(a, span.value))
    distance = _farthest(values, span.value)
    known = np.isfinite(span.error).all()
    if not known:
        return Whole(name, distance, None, unknown=why)
    return Whole(name, distance, difference(values, span))


def _farthest(values: Floats, exact: Floats) -> float:
    """The largest difference: none between equal infinities or NaN, infinite for a stray NaN."""
    same = (values == exact) | (np.isnan(values) & np.isnan(exact))
    distance = np.where(same, 0.0, np.abs(values - exact))
    return float(np.nan_to_num(distance, nan=np.inf, posinf=np.inf).max(initial=0.0))
