"""The fault that explains one array, given the layer that should have made it."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import KINDS, Operands
from conformance.diagnosis.backward import predict_gradients
from conformance.diagnosis.evaluation import CORRECT, Array, Steps, predict
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.gradient_faults import GRADIENT_FAULTS
from conformance.diagnosis.hypotheses import reproduces
from conformance.layers import IDENTIFIERS, LAYERS

_ENOUGH: Final = 1 << 19
"""Elements under all windows that are evaluated; samples beyond are left out, but for the first."""

_LARGEST: Final = 1 << 22
"""The same for the first sample, 32 MB in float64; no fault is looked for in a larger one."""

_MOST_NAMED: Final = 3


def explain_array(actual: Array, layer: Any, inputs: Array) -> str | None:
    """Which known fault gives `actual` in place of a layer's output.

    Args:
        actual: an array that is not the layer's output on `inputs`.
        layer: a built layer of `reference_impl`: Conv1D, Conv2D, MaxPooling1D, MaxPooling2D or
            Flatten.
        inputs: its input array.

    Returns:
        The fault, to follow "what you get when"; several joined by "or" where they give the same.
        None where no single fault of the catalogue does, where the layer is of another kind, or
        where a single sample is too large to try.
    """
    case = case_of(layer, inputs)
    if case is None:
        return None
    samples = _samples(case)
    if not samples:
        return None
    case = case.replace(inputs=(samples, *inputs.shape[1:]))
    operands = Operands(inputs[:samples], weights_of(layer))
    whole = np.ndim(actual) > 0 and len(actual) == len(inputs)
    actual = actual[:samples] if whole else actual
    right = _predicted(case, operands, CORRECT)
    if right is None:
        return None
    named = []
    for fault in FAULTS.values():
        wrong = _predicted(case, operands, fault.steps)
        if wrong is not None and reproduces(wrong, right, actual):
            named.append(fault.sentence)
    return " or ".join(named[:_MOST_NAMED]) or None


def _predicted(case: Case, operands: Operands, steps: Steps) -> Any:
    """What an evaluation by some steps gives; None where they cannot be taken."""
    try:
        return predict(case, operands, steps)
    except (ValueError, IndexError):
        return None


def case_of(layer: Any, inputs: Array) -> Case | None:
    """A case with the layer's arguments; its kind of operands promises nothing of them."""
    name = type(layer).__name__
    if name not in LAYERS or not LAYERS[name].takes_inputs:
        return None
    try:
        config = layer.get_config()
    except ValueError:  # a function without a name
        return None
    known = [n for n in LAYERS[name].defaults if not n.endswith(IDENTIFIERS)]
    arguments = {key: config[key] for key in (*known, "data_format") if key in config}
    if not isinstance(arguments.get("activation", ""), str | None):
        return None
    dtype = inputs.dtype.name
    return Case.of(name, inputs.shape, dtype=dtype, operands=plain_operands(), **arguments)


def plain_operands() -> str:
    """A kind of operands of which nothing may be concluded."""
    plain = (key for key, kind in KINDS.items() if not (kind.exact or kind.random_sign))
    return next(key for key in plain if not (KINDS[key].place or KINDS[key].layout))


def weights_of(layer: Any) -> dict[str, Array]:
    """Kernel and bias of a layer, where it has them."""
    return dict(zip(("kernel", "bias"), layer.get_weights(), strict=False))


def _samples(case: Case) -> int:
    """How many samples can be evaluated at little cost."""
    known = facts(case)
    sizes = known.case.inputs or ()
    each = max(prod(size or 0 for size in sizes[1:]) * prod(known.window), 1)
    return min(known.batch or 0, max(_ENOUGH // each, int(each <= _LARGEST)))


def explain_gradients(actual: Mapping[str, Array], case: Case, operands: Operands) -> str | None:
    """Which known fault gives these gradients, of all names, in place of a case's."""
    if not _samples(case):
        return None
    right = predict_gradients(case, operands, CORRECT)
    named = []
    for fault in GRADIENT_FAULTS.values():
        try:
            wrong = predict_gradients(case, operands, fault.steps)
        except (ValueError, IndexError):
            continue
        if reproduces(wrong, right, dict(actual)):
            named.append(fault.sentence)
    return " or ".join(named[:_MOST_NAMED]) or None
