"""Keras' ``metrics`` module: the mean squared error of all examples seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reference_impl.config import floatx
from reference_impl.engine.absent import refuser
from reference_impl.engine.arguments import configuration
from reference_impl.engine.dtypes import convert, dtype_policy
from reference_impl.engine.identifiers import Registry
from reference_impl.losses import exact_losses, mean_squared_error, operands, weights_of
from reference_impl.ops.formats import format_of
from reference_impl.ops.rounding import round_fraction

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = [
    "MSE",
    "MeanSquaredError",
    "deserialize",
    "get",
    "mean_squared_error",
    "mse",
    "serialize",
]

_REGISTRY: Final = Registry("metric", "keras.metrics")


class MeanSquaredError:
    """``sum(w l) / sum(w)`` over all examples since the last `reset_state`.

    l is the mean of ``(y_pred - y_true)**2`` over the last axis, w an example's weight, 1 by
    default.  The sums are exact, and the result is rounded once.
    """

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        """Start without examples.

        Args:
            name: the metric's name.
            dtype: of the result; by default `reference_impl.config.floatx`.

        Raises:
            TypeError: if the dtype is none.
            ValueError: if it is not one of the four floating-point dtypes.
        """
        self.name = name
        self._given_dtype = None if dtype is None else dtype_policy("MeanSquaredError", dtype)
        self.reset_state()

    @property
    def dtype(self) -> str:
        """Dtype of the result."""
        return floatx() if self._given_dtype is None else self._given_dtype.compute_dtype

    def reset_state(self) -> None:
        """Forget all examples."""
        self._total: Fraction | float = 0
        self._count: Fraction | float = 0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add examples.

        Raises:
            TypeError: if the operands are not real numbers.
            ValueError: if their shapes do not fit, or they are empty.
        """
        from fractions import Fraction

        targets, predictions = operands(self.name, y_true, y_pred)
        shape = predictions.shape[:-1]
        weights = weights_of(self.name, sample_weight, shape, predictions.dtype)
        losses = exact_losses(targets, predictions)
        if weights is None:
            self._total, self._count = self._total + sum(losses), self._count + len(losses)
            return
        for loss, weight in zip(losses, weights.reshape(-1).astype(float).tolist(), strict=True):
            factor = Fraction(weight) if math.isfinite(weight) else weight
            self._total, self._count = self._total + loss * factor, self._count + factor

    def result(self) -> Any:
        """The mean, rounded once; 0 without examples, or where all weights are 0."""
        from fractions import Fraction

        mean: Any = Fraction(0)
        if self._count and isinstance(self._total, float):
            mean = self._total / float(self._count)
        elif self._count:
            mean = Fraction(self._total) / Fraction(self._count)
        format = format_of(self.dtype)
        value = mean if isinstance(mean, float) else round_fraction(mean, format)
        return convert(np.array([value]), self.dtype)[0]

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Add examples; the mean of all."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """``{"name": ..., "dtype": ...}``."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MeanSquaredError:
        """The metric with these constructor arguments."""
        return cls(**configuration(cls.__name__, config))


_REGISTRY.add(MeanSquaredError)
_REGISTRY.alias(MeanSquaredError, "mse", "MSE")


def get(identifier: Any, owner: str | None = None, argument: str = "identifier") -> Any:
    """The metric that `identifier` means; None stays None.

    Raises:
        ValueError: if it means none.
        TypeError: if a configuration's arguments do not fit its class.
    """
    if isinstance(identifier, MeanSquaredError):
        return identifier
    if identifier is mean_squared_error:
        return MeanSquaredError()
    return _REGISTRY.get(identifier, owner, argument)


serialize, deserialize = _REGISTRY.serialize, _REGISTRY.deserialize


mse = MSE = mean_squared_error


__getattr__ = refuser("keras.metrics", __all__)
