"""tf.keras as an implementation under test: eagerly, in a tf.function, or compiled by XLA."""

from __future__ import annotations

import importlib.util
from typing import Any, Final

import tensorflow as tf

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.implementations.keras_style import (
    Gradients,
    KerasStyle,
    Layer,
    call_directly,
)
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
            {"eager": _taped, "graph": _taped_in_graph, "jit": _taped_and_compiled}[mode],
        )

    def evaluate(self, case: Case, operands: Any) -> Outcome:
        """As `KerasStyle.evaluate`."""
        self._evaluated += 1
        if self._evaluated % _CASES_PER_SESSION == 0:
            tf.keras.backend.clear_session()
        return super().evaluate(case, operands)

    def _declared_unsupported(self, case: Case) -> str | None:
        """What TensorFlow or Keras say that they cannot do here."""
        if "stft" in case.keywords.values() and importlib.util.find_spec("scipy") is None:
            return "Keras' stft initializer needs scipy, which is not installed"
        if (case.observe in ("output", "gradients") and self._lacks_kernel(case)) or (
            self._cannot_train(case)
        ):
            return (
                "TensorFlow's own CPU kernels, and the oneDNN ones in float64, convolve "
                "channels_last data only (`The Conv2D op currently only supports the NHWC tensor "
                "format on the CPU`)"
            )
        return None

    def _lacks_kernel(self, case: Case) -> bool:
        """Whether a convolution is channels_first and on kernels that take channels_last only."""
        known = facts(case)
        own_kernels = self._mode != "jit" and (not self._onednn or case.dtype == "float64")
        return own_kernels and known.is_convolution and known.channels_first

    def _cannot_train(self, case: Case) -> bool:
        """Whether a scenario's training meets a channels_first convolution on such kernels.

        `Model.compile` chooses the mode, not this implementation.
        """
        is_after_channels_last = facts(case).descriptor.moves and case.observe != "trained_example"
        return (
            case.observe in ("training", "trained_example")
            and not self._onednn
            and facts(case).channels_first
            and not is_after_channels_last
        )


def _taped(layer: Any) -> Gradients:
    """The gradients by a GradientTape around an eager call."""

    def gradients(inputs: Any, upstream: Any) -> dict[str, Any]:
        x, u = tf.convert_to_tensor(inputs), tf.convert_to_tensor(upstream)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        sources = {"inputs": x} | {w.name: w.value for w in layer.trainable_weights}
        found: dict[str, Any] = tape.gradient(y, sources, output_gradients=u)
        return found

    return gradients


def _taped_in_graph(layer: Any) -> Gradients:
    function: Gradients = tf.function(_taped(layer))
    return lambda inputs, upstream: function(*map(tf.convert_to_tensor, (inputs, upstream)))


def _taped_and_compiled(layer: Any) -> Gradients:
    function: Gradients = tf.function(_taped(layer), jit_compile=True)
    return lambda inputs, upstream: function(*map(tf.convert_to_tensor, (inputs, upstream)))


def _in_graph(layer: Layer) -> Layer:
    function: Layer = tf.function(layer)
    return function


def _compiled(layer: Layer) -> Layer:
    function: Layer = tf.function(layer, jit_compile=True)
    return function
