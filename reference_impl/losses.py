"""Keras' ``losses`` module: the mean squared error.

A loss is the real number that its formula gives for the values of its operands, rounded once to
the dtype of the predictions; so is each element of its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from reference_impl.config import floatx
from reference_impl.engine.absent import refuser
from reference_impl.engine.arguments import ArgumentError, wrong_value
from reference_impl.engine.dtypes import (
    FLOATS,
    Array,
    as_array,
    convert,
    dtype_policy,
    is_float,
)
from reference_impl.engine.identifiers import Registry
from reference_impl.engine.naming import snake_case
from reference_impl.ops.combination import combination
from reference_impl.ops.exact_sums import exact_sum, sum_of_squares
from reference_impl.ops.formats import Format, format_of, widened
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


REDUCTIONS: Final = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none")
"""What may become of the losses of the examples (`Loss`)."""


class Loss:
    """Base class: a callable that maps targets and predictions to a number.

    A subclass defines ``call(y_true, y_pred)``, the losses of the examples: one for each element of
    the predictions without their last axis, as a rule.  With weights w (1 by default), of n losses
    l the reduction makes

    * ``sum_over_batch_size``, or ``mean``: ``sum(w l) / n``;
    * ``sum``: ``sum(w l)``;
    * ``mean_with_sample_weight``: ``sum(w l) / sum(w)``, the w added up as they are given, a number
      for all once, 0 where their sum is;
    * None, or ``none``: the array ``w l``.

    Training needs `weighted` and `gradient` besides, which `MeanSquaredError` defines.
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        """Make the loss.

        Args:
            name: the loss's name; by default its class's in snake case.
            reduction: as above.
            dtype: of the result, or a policy, which stands for its results' dtype; by default
                `reference_impl.config.floatx`, or for `MeanSquaredError` that of the predictions.

        Raises:
            TypeError: if the dtype is none.
            ValueError: if an argument is out of range.
        """
        owner = type(self).__name__
        if reduction is not None and reduction not in REDUCTIONS:
            allowed = "None or one of " + ", ".join(map(repr, REDUCTIONS))
            raise wrong_value(owner, "reduction", reduction, allowed)
        self.reduction = reduction
        self.name = snake_case(owner) if name is None else name
        self._given_dtype = None if dtype is None else dtype_policy(owner, dtype)

    @property
    def dtype(self) -> str:
        """Dtype of the result."""
        return floatx() if self._given_dtype is None else self._given_dtype.compute_dtype

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses of the examples."""
        raise NotImplementedError(f"{type(self).__name__} defines no `call`")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss, rounded once to its dtype.

        Raises:
            TypeError: if the operands are not real numbers.
            ValueError: if their shapes do not fit, or they are empty.
        """
        owner, format = type(self).__name__, format_of(self.dtype)
        given = [
            convert(as_array(owner, item, argument), self.dtype)
            for item, argument in ((y_true, "y_true"), (y_pred, "y_pred"))
        ]
        losses = np.asarray(self.call(*given))
        weights = weights_of(owner, sample_weight, losses.shape, format.dtype)
        exact = _exact_rows(losses)
        return _reduced(exact, weights, self.reduction, losses.shape, format)

    def weighted(self, targets: Array, predictions: Array, weights: Any = None) -> Fraction | float:
        """The exact reduced loss of arrays of one shape and dtype; a float where not finite."""
        raise NotImplementedError(f"{type(self).__name__} defines no `weighted` for training")

    def exact(self, targets: Array, predictions: Array) -> Fraction | float:
        """`weighted` with all weights 1."""
        return self.weighted(targets, predictions)

    def gradient(
        self, targets: Array, predictions: Array, weights: Any = None, scale: Any = 1
    ) -> Array:
        """`scale` times the gradient with respect to the predictions, each element rounded once."""
        raise NotImplementedError(f"{type(self).__name__} defines no `gradient` for training")

    def get_config(self) -> dict[str, Any]:
        """``{"name": ..., "reduction": ...}``, and ``dtype`` where it was given."""
        config = {"name": self.name, "reduction": self.reduction}
        return config | ({} if self._given_dtype is None else {"dtype": self._given_dtype.name})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The loss with these constructor arguments."""
        return cls(**config)


class MeanSquaredError(Loss):
    """The mean of ``(y_pred - y_true)**2`` over the last axis, reduced as `Loss` has it.

    With all weights 1 and the reduction ``sum_over_batch_size`` that is the mean over all n
    elements, and its gradient ``2 (p - t) / n``.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        """Make the loss; see `Loss`.

        Raises:
            ValueError: if an argument is out of range.
        """
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The mean over the last axis."""
        return mean_squared_error(y_true, y_pred)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss, rounded once to its dtype.

        Raises:
            TypeError: if the operands are not real numbers.
            ValueError: if their shapes do not fit, or they are empty.
        """
        owner = type(self).__name__
        targets, predictions = operands(owner, y_true, y_pred)
        name = predictions.dtype.name if self._given_dtype is None else self.dtype
        shape = predictions.shape[:-1]
        weights = weights_of(owner, sample_weight, shape, predictions.dtype)
        if weights is None and self.reduction in ("mean", "sum_over_batch_size"):
            return _rounded(_mean_of_squares(targets, predictions), format_of(name))
        losses = exact_losses(targets, predictions)
        return _reduced(losses, weights, self.reduction, shape, format_of(name))

    def weighted(self, targets: Array, predictions: Array, weights: Any = None) -> Fraction | float:
        """The reduced loss, in fractions; a float where it is not finite."""
        if weights is None and self.reduction != "sum":
            return _mean_of_squares(targets, predictions)
        losses = exact_losses(targets, predictions)
        total: Fraction | float = _sum(losses, weights) / self._divisor(predictions, weights)
        return total

    def _divisor(self, predictions: Array, weights: Any) -> Any:
        """What the weighted sum of the losses is divided by."""
        from fractions import Fraction

        if self.reduction == "sum":
            return Fraction(1)
        if self.reduction == "mean_with_sample_weight" and weights is not None:
            return exact_sum(_as_given(weights)) or Fraction(1)
        return Fraction(math.prod(predictions.shape[:-1]))

    def gradient(
        self, targets: Array, predictions: Array, weights: Any = None, scale: Any = 1
    ) -> Array:
        """``2 (y_pred - y_true) w / n``, each element rounded once to the predictions' dtype.

        Args:
            targets: y_true, and
            predictions: y_pred, as `operands` returns them.
            weights: w, as `weights_of` returns them.
            scale: a rational factor.
        """
        from fractions import Fraction

        width, format = predictions.shape[-1], format_of(predictions.dtype)
        factor = 2 * Fraction(scale) / (width * self._divisor(predictions, weights))
        if weights is None:
            return combination([(factor, predictions), (-factor, targets)], format)
        rows, wanted = _rows(predictions), _rows(targets)
        gradient = np.zeros_like(rows)
        flat = widened(weights.reshape(-1))
        for weight in np.unique(flat):
            chosen = (flat == weight) | (np.isnan(flat) & np.isnan(weight))
            own = factor * Fraction(float(weight)) if math.isfinite(weight) else math.nan
            terms = [(own, rows[chosen]), (-own, wanted[chosen])]
            gradient[chosen] = combination(terms, format) if own == own else math.nan
        return gradient.reshape(predictions.shape)


def weights_of(owner: str, given: Any, shape: tuple[int, ...], dtype: Any) -> Array | None:
    """Sample weights for losses of a shape, rounded once to a dtype; None for none.

    Weights of fewer axes belong to the first ones; a last axis of length 1 may be missing, or be
    one too many.

    Raises:
        TypeError: if they are no real numbers.
        ValueError: if their shape does not fit.
    """
    if given is None:
        return None
    array = np.asarray(given) if np.ndim(given) == 0 else as_array(owner, given, "sample_weight")
    if not (is_float(array.dtype) or array.dtype.kind in "iub"):
        raise ArgumentError(
            f"{owner}: argument `sample_weight` is of dtype {array.dtype.name}; expected real "
            "numbers"
        )
    weights = convert(array, np.dtype(dtype).name)
    if weights.ndim == len(shape) + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    weights = weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim))
    try:
        return np.broadcast_to(weights, shape)
    except ValueError:
        raise ValueError(
            f"{owner}: argument `sample_weight` has the shape {array.shape}; expected one for each "
            f"of the losses, which have the shape {shape}"
        ) from None


def _as_given(weights: Array) -> Array:
    """The weights before they were broadcast: Keras adds them up so."""
    steps = zip(weights.strides, weights.shape, strict=True)
    return weights[tuple(0 if not step and length > 1 else slice(None) for step, length in steps)]


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _exact_rows(predictions: Array, targets: Array | None = None) -> list[Fraction | float]:
    """Of each row the mean of squares of the differences; without targets its single element."""
    from fractions import Fraction

    if targets is None:
        values = widened(predictions.reshape(-1)).tolist()
        return [Fraction(value) if math.isfinite(value) else value for value in values]
    return [_mean_of_squares(*pair) for pair in zip(targets, predictions, strict=True)]


def exact_losses(targets: Array, predictions: Array) -> list[Fraction | float]:
    """Of each example the mean of squares of the differences, floats where not finite."""
    return _exact_rows(_rows(predictions), _rows(targets))


def _weighted(losses: Sequence[Fraction | float], weights: Any) -> list[Any]:
    from fractions import Fraction

    if weights is None:
        return [*losses]
    factors = widened(weights.reshape(-1)).tolist()
    return [
        loss
        * (Fraction(factor) if math.isfinite(factor) and not isinstance(loss, float) else factor)
        for loss, factor in zip(losses, factors, strict=True)
    ]


def _sum(losses: Sequence[Fraction | float], weights: Any) -> Any:
    from fractions import Fraction

    return sum(_weighted(losses, weights), Fraction(0))


def _reduced(
    losses: Sequence[Fraction | float],
    weights: Any,
    reduction: str | None,
    shape: tuple[int, ...],
    format: Format,
) -> Any:
    if reduction in (None, "none"):
        values = [_rounded(value, format) for value in _weighted(losses, weights)]
        return np.array(values, format.dtype).reshape(shape)
    total = _sum(losses, weights)
    if reduction == "mean_with_sample_weight" and weights is not None:
        total /= exact_sum(_as_given(weights)) or 1
    elif reduction != "sum":
        total /= max(len(losses), 1)
    return _rounded(total, format)


def _rounded(value: Fraction | float, format: Format) -> Any:
    """A number of the format's dtype."""
    number = value if isinstance(value, float) else round_fraction(value, format)
    with np.errstate(all="ignore"):
        return np.asarray(number).astype(format.dtype)[()]


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """The mean of ``(y_pred - y_true)**2`` over the last axis, each rounded once.

    Raises:
        TypeError: if the operands are not real numbers.
        ValueError: if their shapes do not fit, or they are empty.
    """
    targets, predictions = operands("mean_squared_error", y_true, y_pred)
    losses = exact_losses(targets, predictions)
    format = format_of(predictions.dtype)
    values: Array = _reduced(losses, None, None, predictions.shape[:-1], format)
    return values


mse = MSE = mean_squared_error


def operands(owner: str, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Targets and predictions as arrays of one shape, in the dtype of the predictions.

    Predictions that are integers are converted to `floatx`.  Targets that lack a last axis of
    length 1, or have it beyond the predictions, are taken.  They are not broadcast otherwise
    (Keras does so silently).

    Raises:
        TypeError: if the predictions are not of floating point, or the targets no real numbers.
        ValueError: if the shapes do not fit, or there are no elements.
    """
    predictions = as_array(owner, y_pred, "y_pred")
    given = as_array(owner, y_true, "y_true")
    if predictions.dtype.kind in "iub":
        predictions = convert(predictions, floatx())
    if not is_float(predictions.dtype) or not (is_float(given.dtype) or given.dtype.kind in "iub"):
        raise ArgumentError(
            f"{owner}: the targets are of dtype {given.dtype.name} and the predictions of "
            f"{predictions.dtype.name}; expected real numbers, and {', '.join(FLOATS)}"
        )
    shape = predictions.shape
    if not shape:
        raise ValueError(
            f"{owner}: the predictions are a single number; expected at least one axis"
        )
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

    p, t = widened(predictions), widened(targets)
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

get, serialize, deserialize = _REGISTRY.get, _REGISTRY.serialize, _REGISTRY.deserialize


__getattr__ = refuser("keras.losses", __all__)
