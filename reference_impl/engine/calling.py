"""What a call of a layer is made of: its signature, its context, and the shapes it builds on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from reference_impl.engine.structure import flatten, map_structure
from reference_impl.showing import shown

if TYPE_CHECKING:
    from reference_impl.engine.keras_tensor import Node


class Named(Protocol):
    """What has a name: a layer."""

    name: str


class Signature(NamedTuple):
    """The parameters of a method, without ``self``.

    Attributes:
        names: those that have names, in their order.
        required: how many of the first ones have no default.
        any_keyword: whether further keyword arguments are taken.
        any_position: whether further positional arguments are taken.
    """

    names: tuple[str, ...]
    required: int
    any_keyword: bool
    any_position: bool

    def takes(self, name: str) -> bool:
        """Whether the method has a parameter of that name."""
        return name in self.names


@lru_cache(maxsize=1024)
def signature(method: Callable[..., Any]) -> Signature:
    """The signature of a function that is used as a method."""
    parameters = [*inspect.signature(method).parameters.values()][1:]
    named = [
        p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY)
    ]
    kinds = {p.kind for p in parameters}
    return Signature(
        tuple(p.name for p in named),
        sum(p.default is p.empty for p in named),
        inspect.Parameter.VAR_KEYWORD in kinds,
        inspect.Parameter.VAR_POSITIONAL in kinds,
    )


class Context(NamedTuple):
    """What calls within a call know of it.

    Attributes:
        training: the outer call's `training`; None where it was not given.
        trace: nodes recorded since a trace began; None where there is none.
    """

    training: bool | None = None
    trace: list[Node] | None = None


_context: ContextVar[Context | None] = ContextVar("call", default=None)


def current() -> Context | None:
    """The context of the outer call; None outside any."""
    return _context.get()


@contextmanager
def within(context: Context) -> Iterator[None]:
    """Calls in the block are inner ones."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


_scopes: ContextVar[tuple[tuple[object, str], ...]] = ContextVar("scopes", default=())


@contextmanager
def scope(layer: Named) -> Iterator[None]:
    """Within the block, the paths of new weights go through a layer, once."""
    token = _scopes.set(_within(layer))
    try:
        yield
    finally:
        _scopes.reset(token)


def _within(layer: Named) -> tuple[tuple[object, str], ...]:
    """The scopes of a layer's weights: those around it, and its own, once."""
    outer = _scopes.get()
    is_inside = bool(outer) and outer[-1][0] is layer
    return outer if is_inside else (*outer, (layer, layer.name))


def path_of(layer: Named, name: str) -> str:
    """The path of a new weight of a layer: the layers that it is made within, outermost first."""
    return "/".join([*(own for _, own in _within(layer)), name])


_most_elements: ContextVar[int | None] = ContextVar("most_elements", default=None)


@contextmanager
def limited_to(elements: int) -> Iterator[None]:
    """Within the block no weight may have more elements."""
    token = _most_elements.set(elements)
    try:
        yield
    finally:
        _most_elements.reset(token)


def check_elements(owner: str, name: str, shape: tuple[int, ...]) -> None:
    """Refuse a weight of more elements than are allowed, or than an array can have.

    Raises:
        ValueError: naming the shape.
    """
    limit = _most_elements.get()
    most = LARGEST if limit is None else limit
    if prod(shape) > most:
        raise ValueError(
            f"{owner}: the weight `{name}` of the shape {shown(shape)} has more than {most} "
            "elements; expected no more than "
            + ("an array can have" if limit is None else "the file can hold")
        )


LARGEST: Final = 2**40
"""Elements of a weight beyond which no machine holds it."""


def resolved_training(given: bool | None) -> bool | None:
    """`training` as given, or as in the outer call."""
    outer = _context.get()
    return given if given is not None or outer is None else outer.training


def bound(
    method: Callable[..., Any], arguments: Any, keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a call by their names, in the order of the parameters.

    Raises:
        TypeError: if they do not fit the method.
    """
    known = inspect.signature(method).bind(None, *arguments, **keywords)
    return {name: value for name, value in [*known.arguments.items()][1:] if name != "self"}


def shape_of(value: Any) -> Any:
    """The shapes of a structure of arrays or symbolic tensors; None for other things."""
    return map_structure(_own_shape, value)


def _own_shape(item: Any) -> tuple[int | None, ...] | None:
    shape = getattr(item, "shape", None)
    return None if shape is None else tuple(shape)


def has_tensors(value: Any) -> bool:
    """Whether a structure holds anything with a shape."""
    return any(getattr(item, "shape", None) is not None for item in flatten(value))


def build_arguments(
    build: Callable[..., Any], call: Callable[..., Any], tensors: Mapping[str, Any]
) -> dict[str, Any] | tuple[Any, ...]:
    """What ``build`` is called with: shapes by the names that it has for them, or the first shape.

    Args:
        build: the class's ``build``.
        call: the class's ``call``, for the message.
        tensors: the arguments of the call that hold tensors, by name.

    Raises:
        ValueError: if ``build`` asks for a shape that no argument has.
    """
    names = signature(build).names
    shapes = {f"{name}_shape": shape_of(value) for name, value in tensors.items()}
    first = next(iter(shapes.values()), None)
    if len(names) <= 1 and not (names and names[0] in shapes):
        return (first,)
    if len(shapes) == 1 and len(names) == 1:
        return (first,)
    missing = [name for name in names[: signature(build).required] if name not in shapes]
    if missing:
        raise ValueError(
            f"`build` of {call.__qualname__.rpartition('.')[0]} has the parameters {names}; "
            f"expected the names of the arguments of `call` that are tensors, each followed by "
            f"`_shape`: {', '.join(shapes)}"
        )
    return {name: shapes[name] for name in names if name in shapes}
