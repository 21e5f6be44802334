"""The oracle as an implementation under test, evaluated like tf.keras through its Keras surface."""

from __future__ import annotations

import reference_impl
from conformance.implementations.keras_style import KerasStyle
from conformance.implementations.protocol import Implementation


def load() -> Implementation:
    """`reference_impl`, behind the protocol."""
    return KerasStyle("reference", getattr(reference_impl, "__version__", ""), reference_impl)
