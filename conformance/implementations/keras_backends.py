"""Keras on a backend other than TensorFlow, as the environment variable says.

Keras chooses its backend by ``KERAS_BACKEND`` when it is imported; the family's option sets it for
the worker process.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, Final

import keras

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.implementations.keras_style import (
    Gradients,
    KerasStyle,
    call_directly,
    own_gradients,
)
from conformance.implementations.machine import torch_facts
from conformance.implementations.protocol import Implementation
from conformance.outcomes import Outcome

_CASES_PER_SESSION: Final = 250
"""Keras keeps layers, and JAX what it has compiled, until they are told to forget."""

_OF_TORCH: Final = frozenset(
    {"float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"}
)
"""The number types of which torch has every operation that the layers need."""

_TRAINING: Final = frozenset({"training", "constrained_training", "trained_example", "gradients"})
"""Observations that need gradients; in others torch's tensors are made without, for NumPy."""

_INFERRING: Final = {"numpy": "NumPy", "openvino": "OpenVINO"}
"""The backends that have no gradients."""

_WIDE: Final = frozenset({"float64", "int64", "uint64"})
"""The dtypes that JAX has only where it is told so."""


def load(name: str, backend: str = "", threads: int | None = None) -> Implementation:
    """Keras on a backend.

    Args:
        name: how reports call it.
        backend: which one it has to be; any by default.
        threads: how many torch may use; its own choice by default.
    """
    if backend and keras.backend.backend() != backend:
        raise RuntimeError(f"Keras runs on {keras.backend.backend()}, and was to run on {backend}")
    if threads is not None and keras.backend.backend() == "torch":
        importlib.import_module("torch").set_num_threads(threads)
    return KerasOnBackend(name)


class KerasOnBackend(KerasStyle):
    """`keras_style` on Keras, which is cleared now and then."""

    def __init__(self, name: str) -> None:
        self._backend = keras.backend.backend()
        library = importlib.import_module(self._backend)
        self._library = library
        self._evaluated = 0
        self.machine = {"backend": self._backend, **_facts(self._backend, library)}
        differentiate = {"torch": _by_autograd, "jax": _by_jax, "tensorflow": _by_tape}
        super().__init__(
            name,
            f"{keras.__version__} ({self._backend} {library.__version__})",
            keras,
            call_directly,
            self._declared_unsupported,
            differentiate.get(self._backend, own_gradients),
        )

    def evaluate(self, case: Case, operands: Any) -> Outcome:
        """As `KerasStyle.evaluate`."""
        self._evaluated += 1
        if self._evaluated % _CASES_PER_SESSION == 0:
            keras.backend.clear_session()
            if self._backend == "jax":
                self._library.clear_caches()
        if self._backend != "torch" or case.observe in _TRAINING:
            return super().evaluate(case, operands)
        with self._library.no_grad():
            return super().evaluate(case, operands)

    def _declared_unsupported(self, case: Case) -> str | None:
        """What the backend says that it cannot do."""
        if self._backend == "jax" and not self._library.config.jax_enable_x64:
            named = {case.dtype, str(case.keywords.get("dtype"))}
            if named & _WIDE:
                return f"JAX has no {case.dtype} unless JAX_ENABLE_X64 is set (the option x64)"
        if self._backend in _INFERRING and case.observe in _TRAINING:
            return f"Keras neither trains nor differentiates on {_INFERRING[self._backend]}"
        refused = {"torch": _refused_by_torch, "jax": _refused_by_jax}.get(self._backend)
        return None if refused is None else refused(case)


def _refused_by_jax(case: Case) -> str | None:
    """What Keras refuses on JAX; None where it does not."""
    known = facts(case)
    observes = case.observe in ("output", "gradients")
    if observes and known.is_convolution and known.padding == "causal" and 0 in known.spatial:
        return "on JAX, Keras takes no convolution of an empty spatial axis that it pads itself"
    return None


def _refused_by_torch(case: Case) -> str | None:
    """What torch has no kernel for; None where it has."""
    known = facts(case)
    if case.observe not in ("output", "gradients"):
        return None
    if case.dtype not in _OF_TORCH:
        return f"torch has no {case.dtype} to compute with"
    if known.is_pooling and known.rank == 1 and "int" in case.dtype:
        return "torch's MaxPool1d takes no integers"
    if known.rank and 0 in known.spatial:
        return "torch's convolutions and poolings take no empty spatial axis"
    if known.is_pooling and known.channels == 0:
        return "torch's poolings take no empty axis but the batch"
    return None


def _facts(backend: str, library: Any) -> dict[str, str]:
    """What the backend tells of how it runs here."""
    if backend == "torch":
        return torch_facts(library)
    if backend == "jax":
        wide = "on" if library.config.jax_enable_x64 else "off"
        return {"device": library.default_backend(), "x64": wide, "threads": str(os.cpu_count())}
    return {}


def _by_autograd(layer: Any) -> Gradients:
    """The gradients by torch's autograd."""
    import torch

    def gradients(inputs: Any, upstream: Any) -> dict[str, Any]:
        x = keras.ops.convert_to_tensor(inputs).clone().requires_grad_()
        u = keras.ops.convert_to_tensor(upstream)
        with torch.enable_grad():
            y = layer(x)
        sources = {"inputs": x} | {w.name: w.value for w in layer.trainable_weights}
        found = torch.autograd.grad(y, [*sources.values()], u)
        return dict(zip(sources, found, strict=True))

    return gradients


def _by_jax(layer: Any) -> Gradients:
    """The gradients by JAX's vector-Jacobian product of the layer as a function of its weights."""
    import jax

    names = [weight.name for weight in layer.trainable_weights]
    others = [weight.value for weight in layer.non_trainable_weights]

    def called(weights: Any, x: Any) -> Any:
        return layer.stateless_call(weights, others, x)[0]

    def gradients(inputs: Any, upstream: Any) -> dict[str, Any]:
        weights = [weight.value for weight in layer.trainable_weights]
        x, u = keras.ops.convert_to_tensor(inputs), keras.ops.convert_to_tensor(upstream)
        by_weights, by_inputs = jax.vjp(called, weights, x)[1](u)
        return {"inputs": by_inputs, **dict(zip(names, by_weights, strict=True))}

    return gradients


def _by_tape(layer: Any) -> Gradients:
    """The gradients by TensorFlow's tape, as the adapter of tf.keras makes them."""
    taped: Callable[[Any], Gradients] = importlib.import_module(
        "conformance.implementations.tf_keras"
    )._taped
    return taped(layer)
