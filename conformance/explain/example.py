"""Worked examples: a case run on the oracle, shown with its operands.

Where a case's values do not matter, the operands are such that an output says what it read: the
inputs count 1, 2, 3, ..., the taps of the kernel are 1, 10, 100, ... and the bias is 0, so that the
digits of an output are the inputs that its window meets, the last tap first.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.operands import has_its_dtype, operands
from conformance.implementations.reference import load
from conformance.outcomes import Outcome, Value

_SHOWN: Final = 40
_WIDTH: Final = 70


def worked(case: Case) -> str:
    """What the oracle makes of the case, in a few lines."""
    if not has_its_dtype(case):
        return f"{case.dtype} needs the package ml_dtypes, which is not installed"
    arrays = _telling(case) or operands(case)
    lines = []
    if case.observe in ("output", "gradients"):
        given = {"inputs": arrays.inputs, **arrays.weights, "upstream": arrays.upstream}
        lines = [_line(name, array) for name, array in given.items() if array is not None]
    try:
        lines.append(_outcome(load("reference").evaluate(case, arrays), case))
    except (TypeError, ValueError) as error:
        reason = re.sub(r"_\d+'", "'", str(error))  # automatic names count on
        lines.append(textwrap.fill(f"refused: {reason}", _WIDTH, subsequent_indent="  "))
    return "\n".join(lines)


def _telling(case: Case) -> Any:
    """Operands by which an output says what it read; None where the case's own matter."""
    if case.observe != "output" or case.operands != "integers" or case.dtype != "float32":
        return None
    arrays: Any = operands(case)
    count = np.arange(1, arrays.inputs.size + 1, dtype=np.float32)
    weights = {name: _weight(name, array) for name, array in arrays.weights.items()}
    if any(array.size > _SHOWN for array in weights.values()):
        return None
    return type(arrays)(count.reshape(arrays.inputs.shape), weights)


def _weight(name: str, array: Any) -> Any:
    if name != "kernel":
        return np.zeros_like(array)
    taps = array.size // array.shape[-1]
    if taps > 6:
        return np.ones_like(array)
    digits = 10.0 ** np.arange(taps, dtype=np.float32)
    return np.broadcast_to(digits[:, None], (taps, array.shape[-1])).reshape(array.shape).copy()


def _outcome(outcome: Outcome, case: Case) -> str:
    if not isinstance(outcome, Value):
        return str(outcome)
    value = outcome.value
    if isinstance(value, Mapping) and case.observe == "gradients":
        return "\n".join(_line(f"d {name}", np.asarray(array)) for name, array in value.items())
    if case.observe == "output":
        return _line("outputs", np.asarray(value))
    label = {"shape": "output shape"}.get(case.observe, "gives")
    text = textwrap.shorten(f"{label} {_plain(value)}", 600, placeholder=" ...")
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _line(name: str, array: Any) -> str:
    head = f"{name} {tuple(array.shape)}"
    if not 0 < array.size <= _SHOWN:
        return head
    numbers = " ".join(f"{number:.7g}" for number in array.astype(np.float64).ravel().tolist())
    return textwrap.fill(f"{head}: {numbers}", _WIDTH, subsequent_indent="  ")


def _plain(value: Any) -> Any:
    """A value without NumPy's spelling of its types."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
