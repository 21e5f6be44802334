"""Keras' ``optimizers`` module: stochastic gradient descent.

An update is the real number that the formula gives for the weights, the gradients and the factors
as they are held, rounded once to the weights' dtype.  Keras rounds the learning rate to float32
and the product before the subtraction: up to two units more per step.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from reference_impl.engine.absent import refuser
from reference_impl.engine.arguments import (
    ArgumentError,
    boolean,
    configuration,
    optional_name,
    wrong_value,
)
from reference_impl.engine.dtypes import Array, convert, is_float
from reference_impl.engine.identifiers import Registry
from reference_impl.engine.parameters import real_number
from reference_impl.engine.variable import Variable
from reference_impl.ops.combination import combination
from reference_impl.ops.exact_sums import sum_of_squares
from reference_impl.ops.formats import format_of, widened
from reference_impl.showing import shown

__all__ = ["SGD", "deserialize", "get", "serialize"]

_REGISTRY: Final = Registry("optimizer", "keras.optimizers")

_UNUSED: Final = {
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
"""Arguments of Keras that configurations hold, with the only values that are taken."""

_CLIPS: Final = ("clipnorm", "clipvalue", "global_clipnorm")


class State(NamedTuple):
    """What training goes on from.

    Attributes:
        iterations: number of updates made.
        learning_rate: factor of the gradient.
        velocities: of the weights, in the order in which they were built.
    """

    iterations: int
    learning_rate: float
    velocities: dict[Variable, Array]


class SGD:
    """``w - learning_rate g``, or with momentum ``v' = momentum v - learning_rate g``.

    The velocity v starts at zero and is kept in the weights' dtype.  The update is ``w + v'``, or
    ``w + momentum v' - learning_rate g`` where `nesterov` is set.

    Before that, each stage rounded once to the weights' dtype: gradients are clipped, to
    ``g clipnorm / max(|g|, clipnorm)`` with |g| the norm of one gradient (of all of them together
    for `global_clipnorm`), or element by element to ``[-clipvalue, clipvalue]``; and weights are
    decayed, to ``w - learning_rate weight_decay w``.

    Attributes:
        learning_rate: may be changed between steps; `lr` is another name.
        iterations: number of updates made.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str = "SGD",
        **keywords: Any,
    ) -> None:
        """Make the optimizer.

        Args:
            learning_rate: factor of the gradient.
            momentum: factor of the velocity, from 0 to 1.
            nesterov: whether the step looks ahead by the velocity.
            weight_decay: times the learning rate, the share of the weights taken off at each step.
            clipnorm: the largest norm of a weight's gradient.
            clipvalue: the largest magnitude of a gradient's element.
            global_clipnorm: the largest norm of all gradients together; one of the three at most.
            name: the optimizer's name.
            **keywords: ``lr``, an old name of `learning_rate`, and Keras' further arguments, at
                their defaults only.

        Raises:
            TypeError: if an argument is of a wrong type or unknown.
            ValueError: if it is out of range, or asks for what is not offered.
        """
        owner = type(self).__name__
        self.learning_rate = keywords.pop("lr", learning_rate)
        for argument, value in keywords.items():
            if argument not in _UNUSED:
                raise ArgumentError(
                    f"{owner}: unrecognised keyword argument `{argument}`={shown(value)}"
                )
            if value is not _UNUSED[argument] and value != _UNUSED[argument]:
                raise wrong_value(owner, argument, value, f"{_UNUSED[argument]}, the only value")
        self.momentum = float(real_number(owner, "momentum", momentum, least=0))
        if self.momentum > 1:
            raise wrong_value(owner, "momentum", momentum, "a number from 0 to 1")
        self.nesterov = boolean(owner, "nesterov", nesterov)
        self.weight_decay = _optional(owner, "weight_decay", weight_decay)
        self.clipnorm = _optional(owner, "clipnorm", clipnorm)
        self.clipvalue = _optional(owner, "clipvalue", clipvalue)
        self.global_clipnorm = _optional(owner, "global_clipnorm", global_clipnorm)
        clips = {name: getattr(self, name) for name in _CLIPS}
        given = {name: value for name, value in clips.items() if value is not None}
        if len(given) > 1:
            raise ValueError(f"{owner}: {given} are given; expected only one of them")
        self.name = optional_name(owner, name) or "SGD"
        self.iterations = 0
        self._velocities: dict[Variable, Array] = {}
        self._excluded: list[Variable] = []
        self._excluded_names: list[str] = []

    @property
    def lr(self) -> float:
        """Another name of `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    @property
    def variables(self) -> list[Any]:
        """The number of updates, the learning rate, then the velocities."""
        return [self.iterations, self.learning_rate, *self._velocities.values()]

    def build(self, variables: Sequence[Variable]) -> None:
        """Start the velocities of some weights at zero, where there is momentum."""
        if self.momentum:
            for variable in variables:
                self._velocities.setdefault(variable, np.zeros_like(variable.value))

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Let some weights not decay: those of a list, or whose names hold one of some strings."""
        self._excluded += [*(var_list or ())]
        self._excluded_names += [*(var_names or ())]

    @property
    def learning_rate(self) -> float:
        """Factor of the gradient."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        owner = type(self).__name__
        self._learning_rate = float(real_number(owner, "learning_rate", value, least=0))

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> None:
        """Update each variable by its gradient, then apply its constraint, if it has one.

        A variable whose gradient is None is left as it is, with a warning.

        Raises:
            ValueError: if a gradient's shape is not its variable's, or all are None; nothing is
                updated then.
        """
        given = [*grads_and_vars]
        pairs = [(np.asarray(gradient), v) for gradient, v in given if gradient is not None]
        if given and not pairs:
            raise ValueError(f"{type(self).__name__}: every gradient is None; expected an array")
        if len(pairs) < len(given):
            missing = [variable.path for gradient, variable in given if gradient is None]
            warnings.warn(
                f"{type(self).__name__}: there are no gradients of {shown(missing)}, which are not "
                "updated",
                stacklevel=2,
            )
        for gradient, variable in pairs:
            if gradient.shape != variable.shape:
                raise ValueError(
                    f"{type(self).__name__}: the gradient of `{variable.path}` has the shape "
                    f"{gradient.shape}; expected {variable.shape}"
                )
        clipped = self._clip_gradients([gradient for gradient, _ in pairs])
        self._decay([variable for _, variable in pairs])
        for gradient, (_, variable) in zip(clipped, pairs, strict=True):
            variable.assign(self._updated(gradient, variable))
        for _, variable in pairs:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))
        self.iterations += 1

    def _clip_gradients(self, grads: Sequence[Any]) -> list[Array]:
        """The gradients, clipped as the class's formulas have it, each element rounded once."""
        arrays = [as_float(array) for array in map(np.asarray, grads)]
        if self.clipvalue:
            return [_clipped(array, self.clipvalue) for array in arrays]
        if self.clipnorm:
            return [_shortened([array], self.clipnorm)[0] for array in arrays]
        if self.global_clipnorm:
            return _shortened(arrays, self.global_clipnorm)
        return arrays

    def _decay(self, variables: Sequence[Variable]) -> None:
        from fractions import Fraction

        if self.weight_decay is None:
            return
        factor = 1 - Fraction(self.learning_rate) * Fraction(self.weight_decay)
        for variable in variables:
            excluded = any(variable is other for other in self._excluded)
            if not excluded and not any(name in variable.path for name in self._excluded_names):
                value = combination([(factor, variable.value)], format_of(variable.dtype))
                variable.assign(value)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable]) -> None:
        """`apply_gradients` for two lists of one length."""
        self.apply_gradients(zip(grads, trainable_variables, strict=True))

    def _updated(self, gradient: Array, variable: Variable) -> Array:
        format = format_of(variable.dtype)
        step = (-self.learning_rate, gradient)
        if not self.momentum:
            return combination([(1, variable.value), step], format)
        self.build([variable])
        velocity = combination([(self.momentum, self._velocities[variable]), step], format)
        self._velocities[variable] = velocity
        if self.nesterov:
            return combination([(1, variable.value), (self.momentum, velocity), step], format)
        return combination([(1, variable.value), (1, velocity)], format)

    # State

    def save_own_variables(self, store: Any) -> None:
        """Put `variables` into a store of arrays by number."""
        for number, value in enumerate(self.variables):
            store[str(number)] = np.asarray(value)

    def load_own_variables(self, store: Any) -> None:
        """Go on from `variables` in such a store; the velocities have to be built before.

        Raises:
            ValueError: if they are not as many, or not such numbers; nothing is changed then.
        """
        self.assign(self.fitting([store[str(number)] for number in range(len(store))]))

    def fitting(self, values: Sequence[Any]) -> State:
        """What `assign` takes, of values in the order of `variables`.

        Raises:
            ValueError: if they are not as many, or not such numbers.
        """
        arrays = [np.asarray(value) for value in values]
        weights = [*self._velocities]
        shapes = [(), (), *(weight.shape for weight in weights)]
        if [array.shape for array in arrays] != shapes or arrays[0].dtype.kind not in "iu":
            found = [array.shape for array in arrays]
            raise ValueError(
                f"the state of the optimizer {self.name!r} is stored in the shapes {shown(found)}; "
                f"expected those of the updates made (an integer), of the learning rate, and of "
                f"{len(weights)} velocities: {shown(shapes)}"
            )
        iterations, rate = int(arrays[0]), float(arrays[1])
        # Keras keeps the rate in float32, its configuration the number that was given.
        with np.errstate(over="ignore"):
            own = float(np.float32(self.learning_rate))
        kept = self.learning_rate if rate == own else rate
        real_number(self.name, "learning_rate", kept, least=0)
        velocities = [w.fitting(array) for w, array in zip(weights, arrays[2:], strict=True)]
        return State(iterations, kept, dict(zip(weights, velocities, strict=True)))

    def assign(self, state: State) -> None:
        """Go on from a state."""
        self.iterations, self.learning_rate, self._velocities = state

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; files keep the state beside them (`variables`)."""
        return {
            "name": self.name,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            **_UNUSED,
            "momentum": self.momentum,
            "nesterov": self.nesterov,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SGD:
        """The optimizer with these constructor arguments."""
        return cls(**configuration(cls.__name__, config))


def _optional(owner: str, argument: str, value: Any) -> float | None:
    return None if value is None else float(real_number(owner, argument, value, least=0))


def as_float(array: Array) -> Array:
    """A gradient in a floating-point dtype."""
    return array if is_float(array.dtype) else widened(array)


def _clipped(gradient: Array, limit: float) -> Array:
    bound = convert(np.array([limit]), gradient.dtype.name)[0]
    return np.clip(gradient, -bound, bound)


def _shortened(gradients: Sequence[Array], longest: float) -> list[Array]:
    """Gradients whose common norm is at most `longest`, each element rounded once."""
    from fractions import Fraction

    from reference_impl.ops.orthogonality import rounded_quotients

    if not all(np.isfinite(gradient).all() for gradient in gradients):
        return [np.full_like(gradient, np.nan) for gradient in gradients]
    square = sum((sum_of_squares(gradient) for gradient in gradients), Fraction(0))
    if square <= Fraction(longest) ** 2:
        return [*gradients]
    return [rounded_quotients(g, Fraction(longest), square) for g in gradients]


_REGISTRY.add(SGD)


def get(identifier: Any, owner: str | None = None, argument: str = "identifier") -> Any:
    """The optimizer that `identifier` means: a name, a configuration, or an optimizer itself.

    Raises:
        ValueError: if it means none.
        TypeError: if a configuration's arguments do not fit its class.
    """
    if isinstance(identifier, str | Mapping):
        return _REGISTRY.get(identifier, owner, argument)
    if callable(getattr(identifier, "apply_gradients", None)) and not isinstance(identifier, type):
        return identifier
    allowed = "'sgd', a keras.optimizers.SGD, or a configuration of one"
    raise wrong_value(owner or "keras.optimizers", argument, identifier, allowed)


def serialize(optimizer: Any) -> Any:
    """The configuration of an optimizer.

    Raises:
        ValueError: if it has none.
    """
    return _REGISTRY.serialize(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer that a configuration describes.

    Raises:
        ValueError: if it describes none.
        TypeError: if its arguments do not fit its class.
    """
    return _REGISTRY.deserialize(config, custom_objects)


__getattr__ = refuser("keras.optimizers", __all__)
