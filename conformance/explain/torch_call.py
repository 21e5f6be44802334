"""The way back: which documented arguments give what a module of torch.nn gives.

Two layers are the same for all weights and inputs if along every axis their windows begin at the
same places and there are as many; where they are not, the two are held side by side, output by
output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from conformance.cases.case import Case
from conformance.explain import documented
from conformance.explain.subject import Subject, of_case
from conformance.explain.text import labelled
from conformance.explain.torch_module import KINDS, Kind, Module, TorchCallError, parse_module
from conformance.explain.torch_windows import Side, sides_of
from reference_impl.ops.geometry import WindowAxis, receptive_field

_LISTED: Final = 8
_LENGTHS: Final = 64
_FLATTENED: Final = (
    "read as it is, the channels where torch has them; a Keras model whose channels are last "
    "flattens in another order: permute first, (0, 2, 3, 1) for images"
)


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
    sides = sides_of(module, shape[2:])
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
        sides = sides_of(answered.module, tuple(shape[2:]))
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
