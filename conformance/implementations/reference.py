"""The oracle as an implementation under test, evaluated like tf.keras through its Keras surface."""

from __future__ import annotations

import reference_impl
from conformance.cases.case import Case
from conformance.implementations.keras_style import KerasStyle
from conformance.implementations.protocol import Implementation
from conformance.layers.registry import LAYERS


def load(name: str) -> Implementation:
    """`reference_impl`, behind the protocol, by the name that reports call it."""
    version = getattr(reference_impl, "__version__", "")
    return KerasStyle(name, version, reference_impl, unsupported=_lacks)


def _lacks(case: Case) -> str | None:
    """Why a case is declared unsupported: its layer is judged by the definition alone."""
    in_oracle = LAYERS[case.layer].in_oracle
    return None if in_oracle else f"reference_impl has no layer {case.layer}"
