"""A module of torch.nn, read from the text of its call.

``Conv2d(3, 8, 3, stride=2, padding=1)`` is read by `ast`; nothing of it is evaluated.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

_PREFIXES: Final = ("torch.nn.", "nn.")


class TorchCallError(ValueError):
    """A text that is no call of a module that is known here, or arguments that torch refuses."""


@dataclass(frozen=True)
class Module:
    """A module of torch.nn: its call, and what it corresponds to.

    Attributes:
        call: the text; of a Sequential, all of it.
        layer: the documented layer.
        arguments: the module's arguments by torch's names, defaults included.
        keywords: the documented arguments, but for the padding.
        impossible: why no documented argument can say it; empty where one may.
        zeros: what a ZeroPad before the module adds before and after each axis; empty without one.
    """

    call: str
    layer: str
    arguments: Mapping[str, Any]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    impossible: tuple[str, ...] = ()
    zeros: tuple[tuple[int, int], ...] = ()


_REQUIRED: Final = object()

_CONVOLUTION: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "in_channels": _REQUIRED,
        "out_channels": _REQUIRED,
        "kernel_size": _REQUIRED,
        "stride": 1,
        "padding": 0,
        "dilation": 1,
        "groups": 1,
        "bias": True,
        "padding_mode": "zeros",
        "device": None,
        "dtype": None,
    }
)
_COUNTS: Final = ("in_channels", "out_channels", "groups")
_POOLING: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "kernel_size": _REQUIRED,
        "stride": None,
        "padding": 0,
        "dilation": 1,
        "return_indices": False,
        "ceil_mode": False,
    }
)
_FLATTEN: Final[Mapping[str, Any]] = MappingProxyType({"start_dim": 1, "end_dim": -1})


@dataclass(frozen=True)
class Kind:
    """A module's signature, the documented layer beside it, and how one becomes the other."""

    layer: str
    rank: int
    signature: Mapping[str, Any]
    translate: Callable[[Mapping[str, Any], int], tuple[dict[str, Any], list[str]]]


def _convolution(arguments: Mapping[str, Any], rank: int) -> tuple[dict[str, Any], list[str]]:
    keywords = {
        "filters": arguments["out_channels"],
        "kernel_size": sizes_of("kernel_size", arguments["kernel_size"], rank),
        "strides": sizes_of("stride", arguments["stride"], rank),
        "dilation_rate": sizes_of("dilation", arguments["dilation"], rank),
    }
    if not arguments["bias"]:
        keywords["use_bias"] = False
    if arguments["groups"] != 1:
        keywords["groups"] = arguments["groups"]
    counts = {name: _count(name, arguments[name]) for name in _COUNTS}
    for name, count in counts.items():
        if count % counts["groups"]:
            raise TorchCallError(
                f"torch refuses groups={counts['groups']}, which does not divide {name}={count}"
            )
    mode = arguments["padding_mode"]
    return keywords, [] if mode == "zeros" else [f"Keras pads with zeros, not by {mode!r}"]


def _pooling(arguments: Mapping[str, Any], rank: int) -> tuple[dict[str, Any], list[str]]:
    window = sizes_of("kernel_size", arguments["kernel_size"], rank)
    stride = arguments["stride"]
    keywords = {
        "pool_size": window,
        "strides": window if stride is None else sizes_of("stride", stride, rank),
    }
    impossible = []
    if set(sizes_of("dilation", arguments["dilation"], rank)) != {1}:
        impossible.append("Keras' pooling has no dilation")
    if arguments["return_indices"]:
        impossible.append("Keras' pooling returns no indices")
    return keywords, impossible


def _flatten(arguments: Mapping[str, Any], _: int) -> tuple[dict[str, Any], list[str]]:
    whole = (arguments["start_dim"], arguments["end_dim"]) == (1, -1)
    return {}, [] if whole else ["Keras' Flatten keeps the batch axis and no other"]


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "Conv1d": Kind("Conv1D", 1, _CONVOLUTION, _convolution),
        "Conv2d": Kind("Conv2D", 2, _CONVOLUTION, _convolution),
        "MaxPool1d": Kind("MaxPooling1D", 1, _POOLING, _pooling),
        "MaxPool2d": Kind("MaxPooling2D", 2, _POOLING, _pooling),
        "Flatten": Kind("Flatten", 0, _FLATTEN, _flatten),
    }
)
"""The modules that have a documented layer beside them."""


def parse_module(text: str) -> Module:
    """The module of a call such as ``nn.Conv2d(3, 8, 3, stride=2, padding=1)``.

    Zeros may be padded first: ``nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(...))``.

    Raises:
        TorchCallError: if it is no such call, or an argument is unknown, missing or no literal.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise _unreadable(text) from error
    parts = [call]
    if isinstance(call, ast.Call) and _name(call) == "Sequential":
        parts = call.args or parts
    *padded, call = parts
    name, positional, keywords = _read(call, text)
    if name not in KINDS:
        raise TorchCallError(
            f"{name!r} has no documented layer beside it; expected one of {', '.join(KINDS)}"
        )
    kind = KINDS[name]
    arguments = _bound(name, kind.signature, positional, keywords)
    translated, impossible = kind.translate(arguments, kind.rank)
    zeros = _zeros(padded, kind, text) if padded else ()
    if zeros and kind.signature is not _CONVOLUTION:
        impossible.append(f"{kind.layer} has no padding with zeros")
    return Module(text.strip(), kind.layer, arguments, translated, tuple(impossible), zeros)


def _unreadable(text: str) -> TorchCallError:
    example = "Conv2d(3, 8, 3, stride=2, padding=1)"
    return TorchCallError(f"cannot read {text!r}: expected a call such as {example}")


def _name(call: ast.expr) -> str:
    """What is called, without torch's modules; empty where nothing is called."""
    name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _read(call: ast.expr, text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The name, the positional and the keyword arguments of a call."""
    if not isinstance(call, ast.Call) or any(keyword.arg is None for keyword in call.keywords):
        raise _unreadable(text)
    keywords = {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords}
    return _name(call), [_literal(argument) for argument in call.args], keywords


def _zeros(padded: Sequence[ast.expr], kind: Kind, text: str) -> tuple[tuple[int, int], ...]:
    """What is padded before and after each axis; torch begins with the last axis."""
    wanted = f"ZeroPad{kind.rank}d"
    if len(padded) > 1 or _name(padded[0]) != wanted or not kind.rank:
        expected = f"{wanted} alone" if kind.rank else "nothing"
        raise TorchCallError(f"{text}: expected {expected} before the module in a Sequential")
    name, positional, keywords = _read(padded[0], text)
    given = _bound(name, {"padding": _REQUIRED}, positional, keywords)["padding"]
    flat = sizes_of("padding", given, 2 * kind.rank)
    return tuple(zip(flat[-2::-2], flat[::-2], strict=True))


def _literal(node: ast.expr) -> Any:
    written = ast.unparse(node)
    if re.fullmatch(r"torch\.\w+", written):  # a dtype
        return written
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise TorchCallError(
            f"the argument {written} is no literal; expected numbers, tuples, strings, True, False "
            "or None"
        ) from error


def _bound(
    name: str, signature: Mapping[str, Any], positional: Sequence[Any], keywords: dict[str, Any]
) -> dict[str, Any]:
    names = list(signature)
    if len(positional) > len(names):
        raise TorchCallError(
            f"{name} takes {len(names)} arguments at most, but {len(positional)} are given"
        )
    given = dict(zip(names, positional, strict=False))
    wrong = [key for key in keywords if key not in signature]
    if wrong:
        raise TorchCallError(f"{name} has no argument {wrong[0]!r}; expected {', '.join(names)}")
    twice = [key for key in keywords if key in given]
    if twice:
        raise TorchCallError(f"{name}: the argument {twice[0]!r} is given twice")
    bound = {**signature, **given, **keywords}
    missing = [key for key, value in bound.items() if value is _REQUIRED]
    if missing:
        raise TorchCallError(f"{name}: the argument {missing[0]!r} is not given")
    return bound


def _count(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise TorchCallError(f"the argument {name}={value!r} is not a positive integer")
    return value


def sizes_of(name: str, value: Any, rank: int) -> tuple[int, ...]:
    """One size per axis; torch takes one size in a tuple for all axes."""
    items = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    is_integers = all(isinstance(item, int) and not isinstance(item, bool) for item in items)
    if not is_integers or len(items) not in (1, rank) or min(items, default=-1) < 0:
        raise TorchCallError(
            f"the argument {name}={value!r} is not a non-negative integer, nor a tuple of {rank}"
        )
    return items * rank if len(items) == 1 else items
