"""tf.keras as an implementation under test: eagerly, in a tf.function, or compiled by XLA."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import tensorflow as tf
from tensorflow.python.util import _pywrap_util_port

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.implementations.families import installed_version
from conformance.implementations.keras_style import (
    Gradients,
    KerasStyle,
    Layer,
    call_directly,
)
from conformance.implementations.machine import onednn_facts
from conformance.implementations.protocol import Implementation
from conformance.outcomes import Outcome

_HEADER_ONLY: Final = "profile_create,filter=shuffle"
"""For ``ONEDNN_VERBOSE``: the lines on itself, and on primitives that no documented layer needs."""

_LEVELS_OF_XLA: Final[Mapping[str, str]] = MappingProxyType(
    {"SSE4_2": "sse41", "AVX": "avx", "AVX2": "avx2"}
)
"""What the limits of XLA are called elsewhere."""

_CASES_PER_SESSION: Final = 250
"""Keras keeps some 70 KB per layer until its session is cleared, which takes tens of ms."""


_OF_KERAS_2: Final = installed_version("tf_keras")
"""Its namespace in TensorFlow does not tell it."""

_ONLY_CHANNELS_LAST: Final = "only supports the NHWC tensor format on the CPU"
"""What TensorFlow says where a kernel for channels_first data is missing."""


def load(
    name: str, mode: str = "eager", threads: int | None = None, device: str = ""
) -> Implementation:
    """tf.keras in one mode: ``eager``, ``graph`` or ``jit``.

    Args:
        name: how reports call it.
        mode: how layers are called.
        threads: how many it may use; TensorFlow's own choice by default.
        device: ``cpu`` or ``cuda``; TensorFlow's own choice by default.
    """
    os.environ.setdefault("ONEDNN_VERBOSE", _HEADER_ONLY)
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    return TfKeras(name, mode, threads, device)


def _facts(mode: str, threads: int | None) -> dict[str, str]:
    """What TensorFlow and its libraries tell of how they run here."""
    gpus = tf.config.list_physical_devices("GPU")
    facts = {
        "mode": mode,
        "device": "gpu" if gpus else "cpu",
        "onednn": "on" if _pywrap_util_port.IsMklEnabled() else "off",
        "threads": str(threads or os.cpu_count()),
    }
    image, kernel = tf.ones((1, 8, 8, 8)), tf.ones((3, 3, 8, 8))
    said = onednn_facts(lambda: tf.nn.conv2d(image, kernel, 1, "SAME").numpy())
    return facts | _limit_of_xla() | said


def _limit_of_xla() -> dict[str, str]:
    """The instruction set that XLA is kept to, where it is one that a processor may go beyond."""
    asked = re.findall(r"--xla_cpu_max_isa=(\w+)", os.environ.get("XLA_FLAGS", ""))
    level = _LEVELS_OF_XLA.get(asked[-1]) if asked else None
    return {} if level is None else {"isa": level}


class TfKeras(KerasStyle):
    """`keras_style` on tf.keras, which is cleared now and then."""

    def __init__(self, name: str, mode: str, threads: int | None = None, device: str = "") -> None:
        self._evaluated = 0
        self._refused: dict[tuple[str, int], bool] = {}
        self.machine = _facts(mode, threads)
        self._lacks_device = device == "cuda" and self.machine["device"] != "gpu"
        super().__init__(
            name,
            f"{getattr(tf.keras, '__version__', _OF_KERAS_2)} (TensorFlow {tf.__version__})",
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
        if self._lacks_device:
            return "TensorFlow finds no CUDA device on this machine"
        if "stft" in case.keywords.values() and importlib.util.find_spec("scipy") is None:
            return "Keras' stft initializer needs scipy, which is not installed"
        grouped = facts(case).groups > 1
        if self._convolves_channels_first(case) and self._refuses_channels_first(
            case.dtype, grouped=grouped
        ):
            return (
                f"TensorFlow has no kernel here that convolves channels_first data in {case.dtype} "
                "(`The Conv2D op currently only supports the NHWC tensor format on the CPU`)"
            )
        return None

    def _convolves_channels_first(self, case: Case) -> bool:
        """Whether a channels_first convolution is computed, by this case or in its training."""
        known = facts(case)
        if case.observe in ("output", "gradients"):
            return known.is_convolution and known.channels_first
        is_after_channels_last = known.descriptor.moves and case.observe != "trained_example"
        trains = case.observe in ("training", "trained_example") and not is_after_channels_last
        return trains and known.channels_first

    def _refuses_channels_first(self, dtype: str, *, grouped: bool) -> bool:
        """Whether TensorFlow says of the smallest convolution that it has no such kernel.

        It depends on oneDNN, on the mode, on what the processor has for the dtype, and on whether
        there are groups, which Keras has compiled.
        """
        key = dtype, 1 + grouped
        if key not in self._refused:
            count = key[1]
            layer = tf.keras.layers.Conv2D(
                count, 1, data_format="channels_first", groups=count, dtype=dtype
            )
            layer.build((1, count, 1, 1))
            try:
                self._prepare(layer)(tf.ones((1, count, 1, 1), dtype))
                self._refused[key] = False
            except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError) as error:
                self._refused[key] = _ONLY_CHANNELS_LAST in str(error)
        return self._refused[key]


def _taped(layer: Any) -> Gradients:
    """The gradients by a GradientTape around an eager call."""

    def gradients(inputs: Any, upstream: Any) -> dict[str, Any]:
        x, u = tf.convert_to_tensor(inputs), tf.convert_to_tensor(upstream)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        sources = {"inputs": x} | dict(map(_named, layer.trainable_weights))
        found: dict[str, Any] = tape.gradient(y, sources, output_gradients=u)
        return found

    return gradients


def _named(weight: Any) -> tuple[str, Any]:
    """A weight's own name and its variable; in Keras 2 it is one, and its name holds a path."""
    if isinstance(weight, tf.Variable):
        return weight.name.rpartition("/")[2].partition(":")[0], weight
    return weight.name, weight.value


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
