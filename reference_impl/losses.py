"""Keras' ``losses`` module: the mean squared error.

A loss is the real number that its formula gives for the values of its operands, rounded once to
the dtype of the predictions; so is each element of its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reference_impl.engine.arguments import wrong_value
from reference_impl.engine.dtypes import FLOATS, Array, as_array, convert, is_float
from reference_impl.engine.identifiers import Registry
from reference_impl.ops.combination import combination
from reference_impl.ops.exact_sums import sum_of_squares
from reference_impl.ops.formats import format_of
from reference_impl.ops.rounding import round_fraction

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = [
    "MSE",
    "Loss",
    "MeanSquaredError",
    "deserialize",
    "get",
    "mean_squared_error",
    "mse",
    "serialize",
]

_REGISTRY: Final = Registry("loss", "keras.losses")


class Loss:
    """Base class: a callable that maps targets and predictions to a float.

    Training needs `exact` and `gradient` besides.
    """

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """The loss, rounded once to the dtype of the predictions.

        Raises:
            TypeError: if the operands are not real numbers.
            ValueError: if their shapes do not fit, or they are empty.
        """
        targets, predictions = operands(type(self).__name__, y_true, y_pred)
        value = self.exact(targets, predictions)
        if isinstance(value, float):
            return value
        return round_fraction(value, format_of(predictions.dtype))

    def exact(self, targets: Array, predictions: Array) -> Fraction | float:
        """The loss of two arrays of one shape and dtype; a float where it is not finite."""
        raise NotImplementedError(f"{type(self).__name__} defines no `exact`")

    def gradient(self, targets: Array, predictions: Array) -> Array:
        """The gradient with respect to the predictions, each element rounded once."""
        raise NotImplementedError(f"{type(self).__name__} defines no `gradient`")


class MeanSquaredError(Loss):
    """``sum((y_pred - y_true)**2) / n`` over all n elements; the gradient is ``2 (p - t) / n``."""

    def __init__(
        self, reduction: str = "sum_over_batch_size", name: str = "mean_squared_error"
    ) -> None:
        """Make the loss.

        Args:
            reduction: ``sum_over_batch_size`` or its newer name ``mean``.
            name: the loss's name.

        Raises:
            ValueError: if the reduction is another one.
        """
        if reduction not in ("sum_over_batch_size", "mean"):
            allowed = "'sum_over_batch_size' or 'mean'"
            raise wrong_value(type(self).__name__, "reduction", reduction, allowed)
        self.reduction = reduction
        self.name = name

    def exact(self, targets: Array, predictions: Array) -> Fraction | float:
        """The mean of the squared differences, in fractions; a float where it is not finite."""
        return _mean_of_squares(targets, predictions)

    def gradient(self, targets: Array, predictions: Array) -> Array:
        """``2 (y_pred - y_true) / n``, each element rounded once to the predictions' dtype."""
        from fractions import Fraction

        factor = Fraction(2, predictions.size)
        return combination(
            [(factor, predictions), (-factor, targets)], format_of(predictions.dtype)
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MeanSquaredError:
        """The loss with these constructor arguments."""
        return cls(**config)


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """The mean of ``(y_pred - y_true)**2`` over the last axis, each rounded once.

    Raises:
        TypeError: if the operands are not real numbers.
        ValueError: if their shapes do not fit, or they are empty.
    """
    targets, predictions = operands("mean_squared_error", y_true, y_pred)
    format, width = format_of(predictions.dtype), predictions.shape[-1]
    rows = zip(targets.reshape(-1, width), predictions.reshape(-1, width), strict=True)
    means = [_mean_of_squares(*row) for row in rows]
    values = [mean if isinstance(mean, float) else round_fraction(mean, format) for mean in means]
    return np.array(values, predictions.dtype).reshape(predictions.shape[:-1])


mse = MSE = mean_squared_error


def operands(owner: str, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Targets and predictions as arrays of one shape, in the dtype of the predictions.

    Targets that lack a last axis of length 1, or have it beyond the predictions, are taken.  They
    are not broadcast otherwise (Keras does so silently).

    Raises:
        TypeError: if the predictions are not of floating point, or the targets no real numbers.
        ValueError: if the shapes do not fit, or there are no elements.
    """
    predictions = as_array(owner, y_pred)
    given = np.asarray(y_true) if isinstance(y_true, (list, tuple)) else as_array(owner, y_true)
    if not is_float(predictions.dtype) or not (is_float(given.dtype) or given.dtype.kind in "iub"):
        raise TypeError(
            f"{owner}: the targets are of dtype {given.dtype.name} and the predictions of "
            f"{predictions.dtype.name}; expected real numbers, and {', '.join(FLOATS)}"
        )
    shape = predictions.shape
    accepted = (shape, shape[:-1] if shape[-1:] == (1,) else shape, (*shape, 1))
    if given.shape not in accepted:
        raise ValueError(
            f"{owner}: the targets have the shape {given.shape} and the predictions {shape}; "
            "expected the same shape"
        )
    if not predictions.size:
        raise ValueError(
            f"{owner}: the predictions have the shape {shape}; expected at least one element"
        )
    return convert(given.reshape(shape), predictions.dtype.name), predictions


def _mean_of_squares(targets: Array, predictions: Array) -> Fraction | float:
    from fractions import Fraction

    p, t = predictions.astype(np.float64), targets.astype(np.float64)
    with np.errstate(all="ignore"):
        difference = p - t
        if not (np.isfinite(p).all() and np.isfinite(t).all()):
            return float(np.mean(difference * difference))
        # The rounding error of the subtraction, by Knuth's two-sum.
        lost = difference - p
        error = (p - (difference - lost)) - (t + lost)
    if np.isfinite(difference).all() and not error.any():
        return sum_of_squares(difference) / p.size
    pairs = zip(p.reshape(-1).tolist(), t.reshape(-1).tolist(), strict=True)
    return sum(((Fraction(a) - Fraction(b)) ** 2 for a, b in pairs), Fraction(0)) / p.size


_REGISTRY.add(MeanSquaredError)
_REGISTRY.add(mean_squared_error, "mse", "MSE")


def get(identifier: Any, owner: str | None = None, argument: str = "identifier") -> Any:
    """The loss that `identifier` means; None stays None.

    Raises:
        ValueError: if it means none.
        TypeError: if a configuration's arguments do not fit its class.
    """
    return _REGISTRY.get(identifier, owner, argument)


def serialize(loss: Any) -> Any:
    """The configuration of a loss; None stays None.

    Raises:
        ValueError: if it has none.
    """
    return _REGISTRY.serialize(loss)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that a configuration describes; None stays None.

    Raises:
        ValueError: if it describes none.
        TypeError: if its arguments do not fit its class.
    """
    return _REGISTRY.deserialize(config, custom_objects)
