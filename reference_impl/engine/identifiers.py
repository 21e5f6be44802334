"""Identifiers: how activations, initializers, regularizers and constraints are named and stored.

An argument such as ``kernel_initializer`` may be given as

* a name: the CamelCase name of a class, its snake_case form, an alias, or a function's name,
  all case-sensitive;
* an object, or any callable, which is used as it is;
* a class, of which an instance is made with its defaults;
* a configuration: ``{"module", "class_name", "config", "registered_name"}`` as Keras 3 and
  tf_keras write it, ``{"class_name", "config"}`` as Keras 2 wrote it, or ``{"class_name"}``;
* ``None``, where the argument allows it.

A `Registry` holds the names of one kind of object.  A bare name is read under the current reading
(`reference_impl.config.reading`); a configuration may use the names of either reading, since it
was written by one of them.  The user's own classes and functions are found through
`custom_object_scope`, `register_keras_serializable` or the ``custom_objects`` argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final, TypeVar

import numpy as np

from reference_impl.config import READINGS, reading
from reference_impl.engine.arguments import ArgumentError, unknown_value, wrong_type
from reference_impl.engine.dtypes import numpy_dtype
from reference_impl.engine.naming import snake_case
from reference_impl.showing import shown

_T = TypeVar("_T")

_LONGEST_NAME: Final = 100
"""Characters of a name that are compared with the known ones, to say which are like it."""

_KERAS_PACKAGES: Final = frozenset(
    {"keras", "tf_keras", "tensorflow", "builtins", "reference_impl"}
)

_published: dict[Any, tuple[str, str]] = {}
_registered: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}
_scope: ContextVar[Mapping[str, Any] | None] = ContextVar("custom_objects", default=None)


def publish(target: _T, module: str, name: str | None = None) -> _T:
    """Declare a class or function of this library under its public module (``keras.layers``).

    Args:
        target: the class or function.
        module: the module that configurations name.
        name: the name that configurations use; by default its own.
    """
    _published[target] = (module, name or str(getattr(target, "__name__", target)))
    return target


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[_T], _T]:
    """A decorator that lets configurations refer to a class or function as ``package>name``.

    Args:
        package: the first part of the registered name.
        name: the second part; by default the object's own name.
    """

    def register(target: _T) -> _T:
        own_name = name if name is not None else str(getattr(target, "__name__", target))
        full_name = f"{package}>{own_name}"
        if isinstance(target, type) and not hasattr(target, "get_config"):
            raise ValueError(
                f"the class {target.__name__} cannot be registered as {full_name!r}: "
                "it has no get_config method"
            )
        _registered[full_name] = target
        _registered_names[target] = full_name
        return target

    return register


@contextmanager
def custom_object_scope(*objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Within the ``with`` block, the names in `objects` mean the classes and functions given.

    Raises:
        TypeError: if one of them is neither a dictionary nor None, which adds nothing.
    """
    for mapping in objects:
        if mapping is not None and not isinstance(mapping, Mapping):
            raise wrong_type(
                "custom_object_scope", "objects", mapping, "a dictionary from names to objects"
            )
    merged = {
        name: target
        for mapping in (_scope.get(), *objects)
        for name, target in (mapping or {}).items()
    }
    token = _scope.set(merged)
    try:
        yield
    finally:
        _scope.reset(token)


def serialize_value(value: Any) -> Any:
    """The JSON-like form of one configuration value.

    Plain values stay as they are, NumPy scalars become Python scalars, arrays become
    ``{"class_name": "__numpy__", "config": {"value", "dtype"}}`` and objects with ``get_config``
    become their configuration.

    Raises:
        ValueError: for an object that has no such form.
    """
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        content = {"value": value.tolist(), "dtype": value.dtype.name}
        return {"class_name": "__numpy__", "config": content}
    if isinstance(value, list | tuple):
        return type(value)(map(serialize_value, value))
    if isinstance(value, Mapping):
        return {key: serialize_value(item) for key, item in value.items()}
    return serialize_object(value)


def deserialize_value(value: Any) -> Any:
    """The inverse of `serialize_value` for plain values, arrays and published objects."""
    if isinstance(value, list | tuple):
        return type(value)(map(deserialize_value, value))
    if not isinstance(value, Mapping) or "class_name" not in value:
        return value
    name, config = value["class_name"], value.get("config") or {}
    if name == "__numpy__":
        return np.array(config["value"], dtype=numpy_dtype(config["dtype"]))
    for target, (_, public_name) in _published.items():
        if isinstance(target, type) and public_name == name:
            return _instance(target, config, name)
    raise ArgumentError(
        f"unknown class_name {shown(name)} in the configuration {shown(dict(value))}"
    )


def serialize_object(target: Any) -> dict[str, Any]:
    """The configuration of an object or function in Keras 3's form (tf_keras writes the same).

    Raises:
        ValueError: for a lambda, a class, or an object without ``get_config``.
    """
    if isinstance(target, type):
        raise ArgumentError(f"cannot serialise the class {target.__name__}: give an instance of it")
    if hasattr(target, "get_config"):
        return _serialize_instance(target)
    name = getattr(target, "__name__", None)
    if not callable(target) or name is None:
        raise ArgumentError(
            f"cannot serialise {shown(target)}: expected an object with get_config, or a named "
            "function"
        )
    if name == "<lambda>":
        raise ArgumentError(f"cannot serialise the lambda {shown(target)}: give a named function")
    return {
        "module": "builtins",
        "class_name": "function",
        "config": _registered_names.get(target, name) if _has_fixed_name(target) else name,
        "registered_name": "function",
    }


def _has_fixed_name(target: Any) -> bool:
    return isinstance(target, type | FunctionType | BuiltinFunctionType | np.ufunc)


def _serialize_instance(target: Any) -> dict[str, Any]:
    kind = type(target)
    module: str | None
    if kind in _published:
        (module, name), registered_name = _published[kind], None
    else:
        module = kind.__module__ if kind.__module__ != "__main__" else None
        name, registered_name = kind.__name__, _registered_names.get(kind, kind.__name__)
    return {
        "module": module,
        "class_name": name,
        "config": serialize_value(target.get_config()),
        "registered_name": registered_name,
    }


def _instance(target: Any, config: Any, name: str) -> Any:
    """An instance of the class `target`, what a partial makes, or a function as it is."""
    if isinstance(target, partial):
        return target(**config)
    if not isinstance(target, type):
        if config:
            raise ValueError(
                f"the function {shown(name)} takes no configuration, but got {shown(config)}"
            )
        return target
    if not isinstance(config, Mapping):
        raise TypeError(
            f"the configuration of {shown(name)} has config={shown(config)}: expected a "
            "dictionary of its arguments"
        )
    build: Callable[[dict[str, Any]], Any]
    build = getattr(target, "from_config", None) or (lambda arguments: target(**arguments))
    try:
        return build(dict(config))
    except TypeError as error:
        raise TypeError(
            f"cannot make {shown(name)} from the configuration {shown(dict(config))}: "
            f"{_cause(error)}"
        ) from error


def _cause(error: Exception) -> str:
    """What an error says, shortened: it may hold whatever it was about."""
    return shown(str(error)).strip("'\"")


class Registry:
    """The names of one kind of object, and the three functions that Keras offers for it."""

    def __init__(self, kind: str, module: str) -> None:
        """Start an empty registry.

        Args:
            kind: what the objects are, as error messages say it (``initializer``).
            module: the public module of the objects (``keras.initializers``).
        """
        self.kind = kind
        self.module = module
        self._targets: dict[str, dict[str, Any]] = {version: {} for version in READINGS}

    def add(self, target: _T, *aliases: str, readings: tuple[str, ...] = READINGS) -> _T:
        """Register a function or class under its own name(s) and `aliases`; returns `target`.

        A class is also registered under the snake_case form of its name.
        """
        name = str(getattr(target, "__name__", ""))
        publish(target, self.module)
        own = (name, snake_case(name)) if isinstance(target, type) else (name,)
        self.alias(target, *own, *aliases, readings=readings)
        return target

    def alias(self, target: Any, *names: str, readings: tuple[str, ...] = READINGS) -> None:
        """Register further names of `target`, under all readings or some."""
        for version in readings:
            self._targets[version] |= dict.fromkeys(names, target)

    def names(self, version: str | None = None) -> tuple[str, ...]:
        """Every name that is allowed under a reading (default: the current one), sorted."""
        return tuple(sorted(self._targets[version or reading()]))

    def get(self, identifier: Any, owner: str | None = None, argument: str = "identifier") -> Any:
        """The object that `identifier` means; None stays None.

        Args:
            identifier: a name, object, class, configuration or callable (module docstring).
            owner: who was given it, for error messages (``Conv2D``).
            argument: under which name (``kernel_initializer``).

        Raises:
            ValueError: if it is none of these, or its name is unknown.
            TypeError: if a configuration's arguments do not fit its class.
        """
        if identifier is None:
            return None
        if isinstance(identifier, str):
            target = self._named(identifier, reading())
            if target is None:
                raise self._refusal(identifier, self._targets[reading()], owner, argument)
            return _instance(target, {}, identifier)
        if isinstance(identifier, Mapping):
            return self.deserialize(identifier, None, owner, argument)
        if isinstance(identifier, type):
            return identifier()
        if callable(identifier):
            return identifier
        raise self._refusal(identifier, self._targets[reading()], owner, argument)

    def serialize(self, target: Any) -> Any:
        """The name of a built-in function, or the configuration of an object.

        Raises:
            ValueError: for an object without a configuration.
        """
        if target is None or isinstance(target, str):
            return target
        if not isinstance(target, type) and _has_fixed_name(target) and target in _published:
            return _published[target][1]
        return serialize_object(target)

    def deserialize(
        self,
        config: Any,
        custom_objects: Mapping[str, Any] | None = None,
        owner: str | None = None,
        argument: str = "config",
    ) -> Any:
        """The object that a configuration, or a name, describes; None stays None.

        Args:
            config: the configuration or name.
            custom_objects: the user's own classes and functions by name.
            owner: who was given it, for error messages.
            argument: under which name.

        Raises:
            ValueError: if it names nothing that is known.
            TypeError: if its arguments do not fit its class.
        """
        if config is None:
            return None
        with custom_object_scope(custom_objects or {}):
            if not isinstance(config, Mapping):
                return self.get(config, owner, argument)
            name, content = config.get("class_name"), config.get("config")
            if name == "function":
                name, content = content, None
            target = self._configured(config, name, owner, argument)
            return _instance(target, {} if content is None else content, str(name))

    def _named(self, name: object, version: str) -> Any:
        """The user's object of that name, or else the built-in one, or None."""
        custom = _custom(name)
        known = self._targets[version].get(name) if isinstance(name, str) else None
        return known if custom is None else custom

    def _configured(
        self, config: Mapping[str, Any], name: object, owner: str | None, argument: str
    ) -> Any:
        """The class or function that a configuration names, under either reading's names."""
        registered = _custom(config.get("registered_name"))
        if registered is not None:
            return registered
        target = self._named(name, "keras3") or self._named(name, "keras2")
        if target is None:
            raise self._refusal(
                dict(config), self._targets["keras2"] | self._targets["keras3"], owner, argument
            )
        if _custom(name) is None and _is_foreign(config, name):
            raise unknown_value(
                owner or self.module,
                argument,
                dict(config),
                "a built-in object, or one of the user's that custom_objects, custom_object_scope "
                "or register_keras_serializable makes known",
            )
        return target

    def _refusal(
        self, given: Any, targets: Mapping[str, Any], owner: str | None, argument: str
    ) -> ArgumentError:
        """The error for an unknown identifier; it lists the names, the closest ones first.

        Of a class, the snake_case name stands for both.
        """
        from difflib import get_close_matches

        name = given.get("class_name") if isinstance(given, dict) else given
        folded = {candidate.lower(): candidate for candidate in sorted(targets)}
        typed = name.lower()[:_LONGEST_NAME] if isinstance(name, str) else ""
        close = [folded[match] for match in get_close_matches(typed, folded)]
        others = (candidate for candidate in sorted(targets) if candidate not in close)
        names = close + [one for one in others if one.islower() or snake_case(one) not in targets]
        allowed = (
            f"the {self.kind} "
            + ", ".join(map(repr, names))
            + ", or an object, a class, a callable or a configuration dictionary"
        )
        return unknown_value(owner or self.module, argument, given, allowed)


def _is_foreign(config: Mapping[str, Any], name: object) -> bool:
    """Whether a configuration describes a class of the user's own."""
    module, registered_name = config.get("module"), config.get("registered_name")
    is_own = module in (None, "") or (
        isinstance(module, str) and module.partition(".")[0] in _KERAS_PACKAGES
    )
    is_named = registered_name is None or (
        isinstance(registered_name, str) and registered_name in ("", name, "function")
    )
    return not (is_own and is_named)


def known_to_user(name: object) -> bool:
    """Whether the user registered a class or function of that name, or gave it in a scope."""
    return _custom(name) is not None


def _custom(name: object) -> Any:
    """The user's own object of that name, or None; the innermost scope comes first."""
    if not isinstance(name, str):
        return None
    found = (_scope.get() or {}).get(name)
    return found if found is not None else _registered.get(name)
