"""The configuration of a layer, and what is remembered for it of a class that states none."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Self

from reference_impl import regularizers
from reference_impl.engine import arguments, calling
from reference_impl.engine.construction import is_of_this_library, plain_arguments, takes_a_name
from reference_impl.engine.dtypes import DTypePolicy
from reference_impl.engine.structure import map_shapes

_MADE_WITH = "_made_with"
IN_EVERY_CONFIG = ("name", "dtype", "trainable", "activity_regularizer")
"""The keyword arguments of `Layer` that every configuration has."""


def _remembering(build: Callable[..., None]) -> Callable[..., None]:
    """A ``build`` of the user's, after which the layer is built, and knows on what shape."""

    @wraps(build)
    def remembered(self: LayerConfiguration, *shapes: Any, **named: Any) -> None:
        self._is_complete = False
        with calling.scope(self):
            build(self, *shapes, **named)
        self.built = self._is_complete = True
        given = [*shapes, *named.values()]
        if self._build_shape is None and given:
            self._build_shape = map_shapes(tuple, given[0]) if given[0] is not None else None

    return remembered


def _initialized(init: Callable[..., None]) -> Callable[..., None]:
    """An ``__init__`` of the user's, which must have called that of `Layer`."""

    @wraps(init)
    def checked(self: LayerConfiguration, *given: Any, **keywords: Any) -> None:
        init(self, *given, **keywords)
        if "_policy" not in vars(self):
            raise RuntimeError(
                f"{type(self).__name__}: its `__init__` did not call `super().__init__()`; "
                "expected that first of all"
            )

    return checked


class LayerConfiguration:
    """The part of `Layer` that can be written down and made again."""

    name: str
    built: bool
    trainable: bool
    dtype_policy: DTypePolicy
    activity_regularizer: Any
    _build_shape: Any
    _is_complete: bool
    build: Callable[..., None]

    def __new__(cls, *given: Any, **keywords: Any) -> Self:
        """A layer that remembers what it was given, for the configuration of a user's class."""
        made = super().__new__(cls)
        if not is_of_this_library(cls):
            plain = plain_arguments(cls, given, keywords, IN_EVERY_CONFIG)
            vars(made)[_MADE_WITH] = plain
        return made

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if is_of_this_library(cls):
            return
        if "__init__" in cls.__dict__:
            cls.__init__ = _initialized(cls.__dict__["__init__"])  # type: ignore[method-assign]
        if "build" in cls.__dict__:
            cls.build = _remembering(cls.__dict__["build"])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments in Keras 3's form; `from_config` is the inverse.

        Of a class of the user's that does not define it, all that its ``__init__`` was given.

        Raises:
            NotImplementedError: if these are not all plain values, given by name.
        """
        config: dict[str, Any] = {
            **self._automatic_config(),
            "trainable": self.trainable,
            "dtype": {
                "module": "keras",
                "class_name": "DTypePolicy",
                "config": {"name": self.dtype_policy.name},
                "registered_name": None,
            },
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    def _automatic_config(self) -> dict[str, Any]:
        """The name, and what a class without a ``get_config`` of its own was made with."""
        kind = type(self)
        named = {"name": self.name}
        if _MADE_WITH not in vars(self) or kind.get_config not in AUTOMATIC:
            return named
        given = vars(self)[_MADE_WITH]
        if given is None:
            raise NotImplementedError(
                f"{kind.__name__} {self.name!r} has no configuration: its `__init__` was given "
                "arguments that are not numbers, strings or structures of them, or given without "
                "names; expected a `get_config` in its class that returns them"
            )
        return {**(named if takes_a_name(kind) else {}), **given}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer from its configuration, in Keras 3's or Keras 2's form."""
        return cls(**arguments.configuration(cls.__name__, config))

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape that the layer was built on, as ``{"input_shape": ...}``."""
        return None if self._build_shape is None else {"input_shape": self._build_shape}

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Build on the shape of `get_build_config`.

        Raises:
            TypeError: if it is no dictionary, or its shape none.
            ValueError: if the shape is none that the layer takes.
        """
        if config is None:
            return
        shape = arguments.configuration("build_from_config", config).get("input_shape")
        if shape is not None:
            self.build(shape)


AUTOMATIC: set[Any] = {LayerConfiguration.get_config}
"""Methods that know a class's own arguments only from what its ``__init__`` was given."""
