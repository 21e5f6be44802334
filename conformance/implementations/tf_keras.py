"""tf.keras as an implementation under test: eagerly, in a tf.function, or compiled by XLA."""

from __future__ import annotations

from typing import Any, Final

import tensorflow as tf

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.implementations.keras_style import KerasStyle, Layer, call_directly
from conformance.implementations.protocol import Implementation
from conformance.outcomes import Outcome

_CASES_PER_SESSION: Final = 250
"""Keras keeps some 70 KB per layer until its session is cleared, which takes tens of ms."""


def load(mode: str, *, onednn: bool) -> Implementation:
    """tf.keras in one mode: ``eager``, ``graph`` or ``jit``.

    Args:
        mode: how layers are called.
        onednn: whether TensorFlow was started with its oneDNN kernels; what is declared
            unsupported depends on it.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    variant = ",".join([mode] * (mode != "eager") + ["onednn"] * onednn)
    return TfKeras(f"tf.keras[{variant}]" if variant else "tf.keras", mode, onednn=onednn)


class TfKeras(KerasStyle):
    """`keras_style` on tf.keras, which is cleared now and then."""

    def __init__(self, name: str, mode: str, *, onednn: bool) -> None:
        self._mode = mode
        self._onednn = onednn
        self._evaluated = 0
        super().__init__(
            name,
            f"{tf.keras.__version__} (TensorFlow {tf.__version__})",
            tf.keras,
            {"eager": call_directly, "graph": _in_graph, "jit": _compiled}[mode],
            self._declared_unsupported,
        )

    def evaluate(self, case: Case, operands: Any) -> Outcome:
        """As `KerasStyle.evaluate`."""
        self._evaluated += 1
        if self._evaluated % _CASES_PER_SESSION == 0:
            tf.keras.backend.clear_session()
        return super().evaluate(case, operands)

    def _declared_unsupported(self, case: Case) -> str | None:
        """The one thing that TensorFlow documents it cannot do here.

        Its own CPU kernels take channels_last convolutions only; oneDNN and XLA bring others.
        """
        if case.observe != "output" or self._onednn or self._mode == "jit":
            return None
        known = facts(case)
        if known.is_convolution and known.channels_first:
            return (
                "TensorFlow's own CPU kernels convolve channels_last data only (`The Conv2D op "
                "currently only supports the NHWC tensor format on the CPU`); the oneDNN kernels "
                "and XLA take channels_first"
            )
        return None


def _in_graph(layer: Layer) -> Layer:
    function: Layer = tf.function(layer)
    return function


def _compiled(layer: Layer) -> Layer:
    function: Layer = tf.function(layer, jit_compile=True)
    return function
