"""What happens around the call of a case: other calls before it, or at the same time.

A kind of operands has at most one history (`conformance.cases.operands.Kind`):

* ``weights``: the layer is called with other weights, and with another bias alone, each of which is
  then replaced in its array;
* ``inputs``: it is called on other inputs, which are then replaced in their array;
* ``sizes``: it is called on one sample; then on a larger batch of longer inputs, in column-major
  order: neither the first size nor the largest may decide for the others;
* ``threads``: another thread calls another layer of the kind on other operands, at the same time.

The other weights and inputs are those of the case with the next seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import KINDS, Operands, operands

_LONGER = 2


def history_of(case: Case) -> str:
    """The history of a case's kind of operands; empty for none."""
    return KINDS[case.operands].history


def others(case: Case, given: Operands) -> tuple[Operands, ...]:
    """The operands of the other calls of a case's history, in order; none without one."""
    history = history_of(case)
    if not history:
        return ()
    if history == "sizes":
        *smaller, larger = (operands(case.replace(inputs=sizes)) for sizes in _other_sizes(case))
        return *smaller, Operands(np.asfortranarray(larger.inputs), larger.weights)
    next_ = operands(case.replace(seed=case.seed + 1))
    if history == "weights":
        return (Operands(given.inputs, next_.weights, given.upstream),)
    if history == "inputs":
        return (Operands(next_.inputs, given.weights, given.upstream),)
    return (next_,)


def _other_sizes(case: Case) -> Iterator[tuple[int, ...]]:
    batch, *rest = (size or 0 for size in case.inputs or ())
    known = facts(case)
    spatial = range(known.channels_first, known.channels_first + known.rank)
    if batch > 1:
        yield (1, *rest)
    yield (batch + 1, *(size + _LONGER * (axis in spatial) for axis, size in enumerate(rest)))
