"""Keras' ``optimizers`` module: stochastic gradient descent.

An update is the real number that the formula gives for the weights, the gradients and the factors
as they are held, rounded once to the weights' dtype.  Keras rounds the learning rate to float32
and the product before the subtraction: up to two units more per step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from reference_impl.engine.arguments import boolean, wrong_value
from reference_impl.engine.dtypes import Array
from reference_impl.engine.identifiers import Registry
from reference_impl.engine.parameters import real_number
from reference_impl.engine.variable import Variable
from reference_impl.ops.combination import combination
from reference_impl.ops.formats import format_of

__all__ = ["SGD", "deserialize", "get", "serialize"]

_REGISTRY: Final = Registry("optimizer", "keras.optimizers")

_UNUSED: Final = {
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
"""Arguments of Keras that configurations hold, with the only values that are taken."""


class SGD:
    """``w - learning_rate g``, or with momentum ``v' = momentum v - learning_rate g``.

    The velocity v starts at zero and is kept in the weights' dtype.  The update is ``w + v'``, or
    ``w + momentum v' - learning_rate g`` where `nesterov` is set.

    Attributes:
        learning_rate: may be changed between steps.
        iterations: number of updates made.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        name: str = "SGD",
        **keywords: Any,
    ) -> None:
        """Make the optimizer.

        Args:
            learning_rate: factor of the gradient.
            momentum: factor of the velocity, from 0 to 1.
            nesterov: whether the step looks ahead by the velocity.
            name: the optimizer's name.
            **keywords: Keras' further arguments, at their defaults only.

        Raises:
            TypeError: if an argument is of a wrong type or unknown.
            ValueError: if it is out of range, or asks for what is not offered.
        """
        owner = type(self).__name__
        for argument, value in keywords.items():
            if argument not in _UNUSED:
                raise TypeError(f"{owner}: unrecognised keyword argument `{argument}`={value!r}")
            if value != _UNUSED[argument]:
                raise wrong_value(owner, argument, value, f"{_UNUSED[argument]}, the only value")
        self.learning_rate = learning_rate
        self.momentum = float(real_number(owner, "momentum", momentum, least=0))
        if self.momentum > 1:
            raise wrong_value(owner, "momentum", momentum, "a number from 0 to 1")
        self.nesterov = boolean(owner, "nesterov", nesterov)
        self.name = name
        self.iterations = 0
        self._velocities: dict[int, tuple[Variable, Array]] = {}

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

        Raises:
            ValueError: if a gradient's shape is not its variable's; nothing is updated then.
        """
        pairs = [(np.asarray(gradient), variable) for gradient, variable in grads_and_vars]
        for gradient, variable in pairs:
            if gradient.shape != variable.shape:
                raise ValueError(
                    f"{type(self).__name__}: the gradient of `{variable.path}` has the shape "
                    f"{gradient.shape}; expected {variable.shape}"
                )
        for gradient, variable in pairs:
            variable.assign(self._updated(gradient, variable))
        for _, variable in pairs:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))
        self.iterations += 1

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable]) -> None:
        """`apply_gradients` for two lists of one length."""
        self.apply_gradients(zip(grads, trainable_variables, strict=True))

    def _updated(self, gradient: Array, variable: Variable) -> Array:
        format = format_of(variable.dtype)
        step = (-self.learning_rate, gradient)
        if not self.momentum:
            return combination([(1, variable.value), step], format)
        kept = self._velocities.get(id(variable))
        before = np.zeros_like(variable.value) if kept is None else kept[1]
        velocity = combination([(self.momentum, before), step], format)
        self._velocities[id(variable)] = (variable, velocity)
        if self.nesterov:
            return combination([(1, variable.value), (self.momentum, velocity), step], format)
        return combination([(1, variable.value), (1, velocity)], format)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the number of steps and the velocities are not kept."""
        return {
            "name": self.name,
            "learning_rate": self.learning_rate,
            **_UNUSED,
            "momentum": self.momentum,
            "nesterov": self.nesterov,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SGD:
        """The optimizer with these constructor arguments."""
        return cls(**config)


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
