"""What of an earlier call is used again, where failures depend on the order of calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import FLOATING_DTYPES, Operands
from conformance.diagnosis.backward import predict_gradients
from conformance.diagnosis.evaluation import predict
from conformance.diagnosis.hypotheses import Failure, is_predictable, operands_of
from conformance.diagnosis.wording import makes_nan
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value

_LOOKED_AT: Final = 6
_MOST_TRIED: Final = 200
_MOST_ELEMENTS: Final = 4096

_ARGUMENTS: Final = (
    *("padding", "strides", "dilation_rate", "activation", "data_format", "use_bias"),
    "pool_size",
)


def kept(failures: Sequence[Failure], run: Sequence[Case]) -> str:
    """What most of some failures have from an earlier call, in words; empty for nothing.

    Args:
        failures: failures that depend on the order of calls.
        run: the cases of the run, in order.
    """
    small = [f for f in failures if _is_small(f.case) and isinstance(f.outcome, Value)]
    small = sorted(small, key=lambda f: _size(f.case))
    looked_at = [f for f in small if _size(f.case) > 1][:_LOOKED_AT]
    counts = Counter(words for f in looked_at for words in set(_from_earlier(f, run)))
    counts[NOT_CLEARED] = sum(f.case.observe == "output" and makes_nan(f) for f in looked_at)
    words, count = counts.most_common(1)[0]
    return words if 2 * count > len(looked_at) else ""


NOT_CLEARED: Final = (
    "every wrong element is NaN or infinite and should be finite, as where memory is used again "
    "that holds such numbers of an earlier call (times a kernel of zero they are NaN)"
)


def _is_small(case: Case) -> bool:
    known = is_predictable(case) and case.observe in ("output", "gradients")
    return known and _size(case) <= _MOST_ELEMENTS


def _size(case: Case) -> int:
    """How many elements the inputs have; 0 where a length is free."""
    return prod(n or 0 for n in case.inputs or (0,))


def _from_earlier(failure: Failure, run: Sequence[Case]) -> Iterator[str]:
    """What of any earlier call, put in the place of its own, gives what was given."""
    case = failure.case
    own = operands_of(case)
    before = run[: run.index(case)] if case in run else run
    alike = [c for c in before if c.layer == case.layer and _is_small(c)]
    for name, changed in _of_arrays(case, own, alike):
        if _gives(failure, case, changed):
            yield f"with the {name} of an earlier call it gives what it gave"
            return
    for name, other in _of_arguments(case, alike):
        if _gives(failure, other, own):
            yield f"with the {name} of an earlier call it gives what it gave"
            return


def _of_arrays(case: Case, own: Operands, alike: Sequence[Case]) -> Iterator[tuple[str, Operands]]:
    """The operands with one array of an earlier call, of the same shape, rounded to the own dtype.

    One of another dtype may be used again where what is kept of it is known by its shape alone.
    """
    for name in ("kernel", "bias", "inputs"):
        fitting = (c for c in reversed(alike) if _shape(c, name) == _shape(case, name) is not None)
        for other in _first(_MOST_TRIED, fitting):
            array = _array(operands_of(other), name)
            if array is None or not _goes_with(other, case):
                continue
            with np.errstate(all="ignore"):
                array = array.astype(np.asarray(_array(own, name)).dtype, copy=False)
            words = name if other.dtype == case.dtype else f"{name}, of another dtype,"
            if name == "inputs":
                yield words, replace(own, inputs=array)
            else:
                yield words, replace(own, weights={**own.weights, name: array})


def _goes_with(other: Case, case: Case) -> bool:
    """Whether the arrays of one case can be taken for those of another."""
    return other.dtype == case.dtype or {other.dtype, case.dtype} <= set(FLOATING_DTYPES)


def _first(count: int, items: Iterable[Case]) -> Iterator[Case]:
    for _, item in zip(range(count), items, strict=False):
        yield item


def _shape(case: Case, name: str) -> Any:
    """The shape of an operand; None where the case has none."""
    if name == "inputs":
        return case.inputs
    known = facts(case)
    if not LAYERS[case.layer].convolves:
        return None
    filters = known.config["filters"]
    if name == "bias":
        return (filters,) if known.config["use_bias"] else None
    return (*known.window, (known.channels or 0) // known.groups, filters)


def _array(operands: Operands, name: str) -> Any:
    return operands.inputs if name == "inputs" else operands.weights.get(name)


def _of_arguments(case: Case, alike: Sequence[Case]) -> Iterator[tuple[str, Case]]:
    """The case with one argument as an earlier call had it."""
    config = facts(case).config
    for name in _ARGUMENTS:
        if name not in config:
            continue
        values = {str(v): v for c in alike if (v := facts(c).config[name]) != config[name]}
        for value in values.values():
            yield name, case.replace(**{name: value})


def _gives(failure: Failure, case: Case, operands: Operands) -> bool:
    """Whether a right implementation gives this answer to such a call, and not to its own."""
    assert isinstance(failure.outcome, Value)
    evaluation: Any = predict_gradients if case.observe == "gradients" else predict
    try:
        made = evaluation(case, operands)
        right = evaluation(failure.case, operands_of(failure.case))
    except (ValueError, IndexError, KeyError, TypeError):
        return False
    return bool(made.fits(failure.outcome.value) and not right.fits(failure.outcome.value))
