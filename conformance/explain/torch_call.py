"""The way back: which documented arguments give what a module of torch.nn gives.

The module is read from its text, ``Conv2d(3, 8, 3, stride=2, padding=1)``, by `ast`, and nothing of
it is evaluated.  Two layers are the same for all weights and inputs if along every axis their
windows begin at the same places and there are as many; where they are not, the two are held side by
side, output by output.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import Any, Final

from conformance.cases.case import Case
from conformance.explain import documented
from conformance.explain.subject import Subject, of_case
from conformance.explain.text import labelled
from reference_impl.ops.geometry import WindowAxis, receptive_field

_PREFIXES: Final = ("torch.nn.", "nn.")
_LISTED: Final = 8
_LENGTHS: Final = 64


class TorchCallError(ValueError):
    """A text that is no call of a module that is known here, or arguments that torch refuses."""


@dataclass(frozen=True)
class Side:
    """The geometry of torch's module along one axis."""

    length: int
    window: int
    stride: int
    dilation: int
    pad_before: int
    pad_after: int
    ceil: bool = False

    @property
    def output(self) -> int:
        """Number of windows, as torch documents it."""
        span = receptive_field(self.window, self.dilation)
        free = self.length + self.pad_before + self.pad_after - span
        if not self.ceil:
            return free // self.stride + 1
        count = -(-free // self.stride) + 1
        begins_in_padding = (count - 1) * self.stride >= self.length + self.pad_before
        return count - 1 if begins_in_padding else count


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


_FLATTENED: Final = (
    "read as it is, the channels where torch has them; a Keras model whose channels are last "
    "flattens in another order: permute first, (0, 2, 3, 1) for images"
)
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
        "kernel_size": _sizes("kernel_size", arguments["kernel_size"], rank),
        "strides": _sizes("stride", arguments["stride"], rank),
        "dilation_rate": _sizes("dilation", arguments["dilation"], rank),
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
    window = _sizes("kernel_size", arguments["kernel_size"], rank)
    stride = arguments["stride"]
    keywords = {
        "pool_size": window,
        "strides": window if stride is None else _sizes("stride", stride, rank),
    }
    impossible = []
    if set(_sizes("dilation", arguments["dilation"], rank)) != {1}:
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
    flat = _sizes("padding", given, 2 * kind.rank)
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


def _sizes(name: str, value: Any, rank: int) -> tuple[int, ...]:
    """One size per axis; torch takes one size in a tuple for all axes."""
    items = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    is_integers = all(isinstance(item, int) and not isinstance(item, bool) for item in items)
    if not is_integers or len(items) not in (1, rank) or min(items, default=-1) < 0:
        raise TorchCallError(
            f"the argument {name}={value!r} is not a non-negative integer, nor a tuple of {rank}"
        )
    return items * rank if len(items) == 1 else items


@dataclass(frozen=True)
class Answer:
    """Which documented arguments give what a module gives on inputs of a shape.

    Attributes:
        module: the module.
        input_shape: torch's, channels first.
        sides: torch's geometry, one entry per spatial axis.
        candidates: the documented layers that come into question, by padding.
        reasons: why there is no other, or none at all.
    """

    module: Module
    input_shape: tuple[int, ...]
    sides: tuple[Side, ...]
    candidates: Mapping[str, Subject]
    reasons: tuple[str, ...]

    @property
    def same(self) -> Subject | None:
        """The documented layer that gives the same; None where there is none."""
        for subject in self.candidates.values():
            if all(map(_agree, self.sides, subject.geometry)):
                return subject
        return None

    @property
    def torch_output(self) -> tuple[int, ...]:
        """The shape of the module's output, channels first."""
        filters = self.module.keywords.get("filters", self.input_shape[1])
        return (self.input_shape[0], filters, *(side.output for side in self.sides))

    def as_dict(self) -> dict[str, Any]:
        """The answer as JSON has it."""
        return {
            "module": self.module.call,
            "input_shape": self.input_shape,
            "same": None if self.same is None else self.same.case.descriptor,
            "layer": None if self.same is None else self.same.call,
            "reasons": list(self.reasons),
            "differences": {
                padding: [_side_by_side(*pair) for pair in zip(self.sides, s.axes, strict=True)]
                for padding, s in self.candidates.items()
                if s is not self.same
            },
        }

    def __str__(self) -> str:
        head = [self.module.call, labelled("input", f"{self.input_shape}: channels first")]
        if self.sides:
            head.append(labelled("output", f"{self.torch_output}: channels first"))
        return "\n".join([*head, "", *(self._found() if self.same else self._none())])

    def _found(self) -> list[str]:
        subject = self.same
        assert subject is not None
        lines = [labelled("same as", subject.call), labelled("", subject.case.descriptor)]
        lines += [labelled("note", note) for note in self._notes(subject)]
        return lines

    def _notes(self, subject: Subject) -> list[str]:
        if not self.sides:
            return [_FLATTENED]
        notes = ["channels last here, first in torch: permute the inputs"]
        if "filters" in self.module.keywords:
            notes[0] += "; the kernel is torch's weight with its first two axes moved last, swapped"
        if any(side.ceil or side.pad_before or side.pad_after for side in self.sides):
            notes += [_lengths(self, subject)]
        return notes

    def _none(self) -> list[str]:
        lines = ["no documented arguments give the same:"]
        reasons = () if self.candidates else self.reasons
        lines += [labelled("", reason) for reason in reasons]
        for padding, subject in self.candidates.items():
            lines += [labelled(padding, _differing(self, subject))]
        if self.candidates:
            lines += ["", *_tables(self, list(self.candidates)[-1])]
        padded = self._padded_first()
        return [*lines, *(["", labelled("instead", padded)] if padded else [])]

    def _padded_first(self) -> str:
        """How to get the same by padding first."""
        if self.module.impossible or not self.candidates or any(s.ceil for s in self.sides):
            return ""
        pads = tuple((side.pad_before, side.pad_after) for side in self.sides)
        value = next(iter(self.candidates.values())).family.padded
        return (
            f"pad the inputs with {value} by {pads} (before, after) along the spatial axes, then "
            "use padding='valid'"
        )


def _agree(side: Side, axis: WindowAxis) -> bool:
    """Whether both have the same windows: their number, and where the first begins."""
    return side.output == axis.output and side.pad_before == axis.pad_before


def answer(text: str, input_shape: Sequence[int | None]) -> Answer:
    """What documented arguments give the same as a module on inputs of a shape.

    Args:
        text: the module's call.
        input_shape: as torch has it: batch, channels, spatial axes.

    Raises:
        TorchCallError: if the text cannot be read, or the module does not take such inputs.
    """
    module = parse_module(text)
    kind = next(kind for kind in KINDS.values() if kind.layer == module.layer)
    shape = _checked_shape(module, kind, input_shape)
    if not kind.rank:
        if module.impossible:
            return Answer(module, shape, (), {}, module.impossible)
        case = Case.of(module.layer, shape, data_format="channels_last")
        return Answer(module, shape, (), {"": of_case(case)}, ())
    sides = _sides(module, shape[2:])
    if module.impossible:
        return Answer(module, shape, sides, {}, module.impossible)
    return Answer(module, shape, sides, *_candidates(module, shape))


def _checked_shape(
    module: Module, kind: Kind, input_shape: Sequence[int | None]
) -> tuple[int, ...]:
    shape = tuple(length for length in input_shape if length is not None)
    axes = kind.rank + 2 if kind.rank else max(len(input_shape), 2)
    if len(shape) != len(input_shape) or len(shape) != axes:
        raise TorchCallError(
            f"the input shape is {tuple(input_shape)}; expected {axes} known lengths: batch, "
            "channels, spatial axes"
        )
    channels = module.arguments.get("in_channels", shape[1])
    if channels != shape[1]:
        raise TorchCallError(
            f"{module.call} takes {channels} channels, but the input {shape} has {shape[1]} "
            "on axis 1, where torch has them"
        )
    return shape


def _sides(module: Module, spatial: tuple[int, ...]) -> tuple[Side, ...]:
    keywords, rank = module.keywords, len(spatial)
    window = keywords.get("kernel_size") or keywords["pool_size"]
    dilation = keywords.get("dilation_rate", (1,) * rank)
    pads = _pads(module, window, keywords["strides"], dilation)
    ceil = bool(module.arguments.get("ceil_mode", False))
    sides = tuple(
        Side(n, k, s, d, before, after, ceil)
        for n, k, s, d, (before, after) in zip(
            spatial, window, keywords["strides"], dilation, pads, strict=True
        )
    )
    if any(side.output < 1 for side in sides):
        raise TorchCallError(f"{module.call} refuses spatial lengths {spatial}: no window fits")
    return sides


def _pads(
    module: Module, window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """The padding before and after each axis, by the module and by what stands before it."""
    own = _own_pads(module, window, strides, dilation)
    zeros = module.zeros or ((0, 0),) * len(window)
    return [(a + c, b + d) for (a, b), (c, d) in zip(own, zeros, strict=True)]


def _own_pads(
    module: Module, window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """The padding before and after each axis, as torch documents it."""
    padding = module.arguments["padding"]
    if min(*window, *strides, *dilation) < 1:
        raise TorchCallError(f"{module.call}: window, stride and dilation must be at least 1")
    if not isinstance(padding, str):
        pads = _sizes("padding", padding, len(window))
        if "in_channels" not in module.arguments and any(
            2 * p > k for p, k in zip(pads, window, strict=True)
        ):
            raise TorchCallError(
                f"{module.call}: torch pads by at most half the window when pooling"
            )
        return [(pad, pad) for pad in pads]
    if padding == "valid":
        return [(0, 0)] * len(window)
    if padding != "same" or max(strides) > 1 or "in_channels" not in module.arguments:
        raise TorchCallError(
            f"the argument padding={padding!r} is refused by torch here; expected integers, "
            "'valid', or, for convolutions of stride 1, 'same'"
        )
    spans = [receptive_field(k, d) for k, d in zip(window, dilation, strict=True)]
    return [((span - 1) // 2, span - 1 - (span - 1) // 2) for span in spans]


def _candidates(
    module: Module, shape: tuple[int, ...]
) -> tuple[dict[str, Subject], tuple[str, ...]]:
    """The documented layers with each padding, and why others are refused."""
    found: dict[str, Subject] = {}
    reasons: list[str] = []
    for padding in documented.paddings(module.layer):
        case = _case(module, shape, padding)
        try:
            subject = of_case(case)
        except (TypeError, ValueError) as error:
            reasons.append(str(error))
            continue
        found[padding] = subject
    return found, tuple(dict.fromkeys(reasons))


def _case(module: Module, shape: tuple[int, ...], padding: str) -> Case:
    keywords = {name: documented.short(value) for name, value in module.keywords.items()}
    keywords = {name: value for name, value in keywords.items() if value != 1 or name == "filters"}
    if padding != documented.signature(module.layer)["padding"]:
        keywords["padding"] = padding
    window = "kernel_size" if "kernel_size" in module.keywords else "pool_size"
    keywords[window] = documented.short(module.keywords[window])
    if window == "pool_size":
        keywords["strides"] = documented.short(module.keywords["strides"])
    return Case.of(module.layer, (shape[0], *shape[2:], shape[1]), **keywords)


def _lengths(answered: Answer, subject: Subject) -> str:
    """For which other lengths the two agree, if not for all."""
    padding = subject.layer.padding
    parts = []
    for index, (side, axis) in enumerate(zip(answered.sides, subject.axes, strict=True)):
        agreeing = [n for n in range(1, _LENGTHS + 1) if _agree_at(answered, index, n, padding)]
        least = receptive_field(side.window, side.dilation)
        usual = range(least, _LENGTHS + 1)
        if all(n in agreeing for n in usual):
            parts.append(f"{axis.name}: at any length from {least} on")
            continue
        residues = sorted({n % side.stride for n in usual if n in agreeing})
        exact = all((n % side.stride in residues) == (n in agreeing) for n in usual)
        where = " or ".join(map(str, residues))
        parts.append(
            f"{axis.name}: only at lengths n with n % {side.stride} = {where}"
            if exact
            else f"{axis.name}: not at every length"
        )
    return "; ".join(parts)


def _agree_at(answered: Answer, index: int, length: int, padding: str) -> bool:
    """Whether the two agree along one axis at another length."""
    shape = list(answered.input_shape)
    shape[2 + index] = length
    try:
        sides = _sides(answered.module, tuple(shape[2:]))
        subject = of_case(_case(answered.module, tuple(shape), padding))
    except ValueError:
        return False
    return _agree(sides[index], subject.geometry[index])


def _differing(answered: Answer, subject: Subject) -> str:
    """How many outputs differ."""
    if subject.output_shape is None:
        return "refuses the input"
    torch_lengths = [side.output for side in answered.sides]
    lengths = [axis.output for axis in subject.geometry]
    if torch_lengths != lengths:
        return f"output lengths {tuple(lengths)}, torch's are {tuple(torch_lengths)}"
    total = prod(lengths)
    return f"same shape, other values: all {total} windows begin elsewhere"


def _tables(answered: Answer, padding: str) -> list[str]:
    """The inputs that torch and Keras read, output by output, along the axes that differ."""
    axes = answered.candidates[padding].axes
    tables: dict[tuple[str, ...], list[str]] = {}
    for side, axis in zip(answered.sides, axes, strict=True):
        if not _agree(side, axis.geometry):
            tables.setdefault(tuple(_table(side, axis.geometry)), []).append(axis.name)
    lines = [f"what a window reads with padding={padding!r}, negative and beyond the end: padding"]
    for table, names in tables.items():
        lines += [f"{' and '.join(names)}:", *table]
    return lines


def _table(side: Side, axis: WindowAxis) -> list[str]:
    count = max(side.output, axis.output)
    rows = [
        f"  output {o}: torch {_reads(side, o)}, Keras {_reads(axis, o)}"
        for o in range(min(count, _LISTED))
    ]
    last = f"torch {_reads(side, count - 1)}, Keras {_reads(axis, count - 1)}"
    return [*rows, *([f"  ... output {count - 1}: {last}"] if count > _LISTED else [])]


def _side_by_side(side: Side, axis: Any) -> dict[str, Any]:
    g = axis.geometry
    return {
        "axis": axis.name,
        "torch": {"padding": [side.pad_before, side.pad_after], "output": side.output},
        "keras": {"padding": [g.pad_before, g.pad_after], "output": g.output},
        "same": _agree(side, g),
        "windows": [[_taps(side, o), _taps(g, o)] for o in range(max(side.output, g.output))],
    }


def _reads(side: Side | WindowAxis, output: int) -> str:
    reads = _taps(side, output)
    if not reads:
        return "nothing"
    return f"{reads[0]}..{reads[-1]}" if len(reads) > 1 else str(reads[0])


def _taps(side: Side | WindowAxis, output: int) -> list[int]:
    """The positions that an output reads, those of padding negative or beyond the end."""
    start = output * side.stride - side.pad_before
    return [start + tap * side.dilation for tap in range(side.window)] * (output < side.output)
