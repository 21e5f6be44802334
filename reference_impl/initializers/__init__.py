"""Initializers: the values that weights have before training.

``get(identifier)(shape, dtype=None)`` is an array; `identifier` is a name, an object, a class, a
configuration, a callable ``f(shape, dtype=...)``, or an array of the weights' shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reference_impl.engine.absent import refuser
from reference_impl.engine.identifiers import publish
from reference_impl.engine.naming import snake_case
from reference_impl.initializers.base import REGISTRY, Initializer
from reference_impl.initializers.constant import Constant, GivenArray, Identity, Ones, Zeros
from reference_impl.initializers.orthogonal import Orthogonal
from reference_impl.initializers.random_values import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    compute_fans,
)
from reference_impl.initializers.stft import STFT

__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal
STFTInitializer = STFT

constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
stft = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

_SCALED = (GlorotNormal, GlorotUniform, HeNormal, HeUniform, LecunNormal, LecunUniform)
_OTHERS = (
    Constant,
    Identity,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)


def _register() -> None:
    """Register every name; those with ``V2`` are tf_keras' alone, and others Keras 3's alone."""
    REGISTRY.add(Initializer)
    for target in (*_SCALED, *_OTHERS):
        REGISTRY.add(target)
        REGISTRY.alias(target, f"{target.__name__}V2", readings=("keras2",))
    for target in _SCALED:
        REGISTRY.alias(target, f"{snake_case(target.__name__)}V2", readings=("keras2",))
    REGISTRY.add(STFT, "STFTInitializer", readings=("keras3",))
    REGISTRY.alias(Identity, "IdentityInitializer", readings=("keras3",))
    REGISTRY.alias(Orthogonal, "OrthogonalInitializer", readings=("keras3",))
    for target, alias in ((RandomNormal, "normal"), (RandomUniform, "uniform")):
        REGISTRY.alias(target, alias)
    REGISTRY.alias(Ones, "one")
    REGISTRY.alias(Zeros, "zero")
    publish(GivenArray, "keras.initializers", "Constant")


_register()


def get(identifier: Any, owner: str | None = None, argument: str = "identifier") -> Any:
    """The initializer that `identifier` means; None stays None.

    Args:
        identifier: a name, object, class, configuration, callable, or an array of numbers, which
            becomes the initializer of its own values.
        owner: who was given it, for error messages (``Conv2D``).
        argument: under which name (``kernel_initializer``).

    Raises:
        ValueError: if it means none.
        TypeError: if a configuration's arguments do not fit its class.
    """
    if isinstance(identifier, np.ndarray | np.generic):
        return GivenArray(identifier)
    return REGISTRY.get(identifier, owner, argument)


def serialize(initializer: Any) -> Any:
    """The configuration of an initializer; None stays None.

    Raises:
        ValueError: if it has none.
    """
    return REGISTRY.serialize(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer that a configuration describes; None stays None.

    Raises:
        ValueError: if it describes none.
        TypeError: if its arguments do not fit its class.
    """
    return REGISTRY.deserialize(config, custom_objects)


__getattr__ = refuser("keras.initializers", __all__)
