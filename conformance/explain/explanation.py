"""The explanation of one layer on inputs of one shape, with its numbers, clauses and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from math import prod
from typing import Any

from conformance.cases.case import Case, parse
from conformance.explain import documented
from conformance.explain.axes import Axis, ranges
from conformance.explain.code import NOTATIONS, Unsayable, code
from conformance.explain.deviations import Deviation, deviations_of
from conformance.explain.subject import AXIS_NAMES, Shape, Subject, case_of, of_case
from conformance.spec.clauses import Clause, clauses
from conformance.spec.coverage import clauses_of
from reference_impl.config import as_never_set


@dataclass(frozen=True)
class Explanation:
    """What a layer makes of inputs of one shape, and why.

    ``str`` is the explanation as text; a notebook shows it as HTML.

    Attributes:
        subject: the layer and its inputs.
    """

    subject: Subject

    @property
    def case(self) -> Case:
        """The case explained."""
        return self.subject.case

    @property
    def output_shape(self) -> tuple[int | None, ...] | None:
        """The output's shape; None where the layer does not take the inputs."""
        return self.subject.output_shape

    @cached_property
    def other_layout(self) -> str:
        """What the other data format makes of inputs that this one refuses; empty if no better."""
        other = "channels_last" if self.subject.channels_first else "channels_first"
        if self.output_shape is not None or "data_format" not in documented.signature(
            self.case.layer
        ):
            return ""
        try:
            subject = of_case(self.case.replace(data_format=other))
        except ValueError:
            return ""
        if subject.output_shape is None:
            return ""
        titles = ", ".join(axis_titles(subject))
        return f"data_format='{other}' reads it as {titles}, and gives {subject.output_shape}"

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The spatial axes, each with its formula, padding and windows."""
        return self.subject.axes

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """The padding before and after each spatial axis."""
        return tuple((axis.pad_before, axis.pad_after) for axis in self.subject.geometry)

    @property
    def receptive_field(self) -> tuple[int, ...]:
        """How many inputs a window spans along each spatial axis."""
        return tuple(axis.receptive_field for axis in self.subject.geometry)

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return sum(map(prod, self.weights.values()))

    @cached_property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the weights by name; none where the layer does not take the inputs."""
        is_built = self.output_shape is not None and hasattr(self.subject.layer, "get_weights")
        return self.subject.weights if is_built else {}

    @property
    def bytes(self) -> dict[str, int | None]:
        """The bytes of inputs, weights and outputs, of one element where the batch is free.

        None where another length is free.
        """
        width = _width(self.subject.dtype)
        weights = width * self.parameters
        inputs = _bytes(self.subject.input_shape, width)
        return {"inputs": inputs, "weights": weights, "outputs": _bytes(self.output_shape, width)}

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        """The clauses of the documentation that apply."""
        return tuple(clauses()[identifier] for identifier in clauses_of(self.case))

    @cached_property
    def deviations(self) -> list[Deviation]:
        """What frameworks are known to do otherwise here."""
        return deviations_of(self.case)

    def code(self, notation: str) -> str:
        """Equivalent code in one of `conformance.explain.code.NOTATIONS`.

        Raises:
            ValueError: for another notation.
            Unsayable: where the notation has nothing for the layer, with the reason.
        """
        if notation not in NOTATIONS:
            raise ValueError(
                f"explain: argument `notation` is {notation!r}; expected one of "
                + ", ".join(NOTATIONS)
            )
        return code(self.subject, notation)

    def as_dict(self) -> dict[str, Any]:
        """The explanation as JSON has it."""
        return {
            "case": self.case.descriptor,
            "layer": self.subject.call,
            "dtype": self.subject.dtype,
            "input_shape": self.subject.input_shape,
            "output_shape": self.output_shape,
            "refusal": self.subject.refusal,
            "other_layout": self.other_layout,
            "axes": [_axis(axis) for axis in self.axes],
            "weights": self.weights,
            "parameters": self.parameters,
            "work": self.work,
            "bytes": self.bytes,
            "clauses": [clause.id for clause in self.clauses],
            "known_deviations": [asdict(deviation) for deviation in self.deviations],
            "code": {notation: self._code_or_none(notation) for notation in NOTATIONS},
        }

    @property
    def work(self) -> str:
        """What computing the outputs costs; empty where it cannot be told."""
        return self.subject.family.work(self.subject) if self.subject.is_sized else ""

    def _code_or_none(self, notation: str) -> str | None:
        try:
            return self.code(notation)
        except Unsayable:
            return None

    def picture(self, *, ascii_only: bool = False) -> str:
        """The picture as text of at most 80 columns; empty without spatial axes."""
        from conformance.explain.picture import terminal

        return terminal(self.axes, ascii_only=ascii_only)

    def svg(self) -> str:
        """The picture as an SVG element; empty without spatial axes."""
        from conformance.explain.picture import svg_of

        return svg_of(self.subject)

    def __str__(self) -> str:
        from conformance.explain.text import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"<Explanation of {self.case.descriptor}>"

    def _repr_html_(self) -> str:
        from conformance.explain.html import as_html

        return as_html(self)


def explain(layer: Any, input_shape: Sequence[int | None]) -> Explanation:
    """Explain what a layer makes of inputs of a shape, and why.

    Args:
        layer: a layer of `reference_impl`, built or not; it stays as it is.
        input_shape: the shape of the inputs, batch included; None for a free length.

    Raises:
        TypeError: if `layer` is no documented layer of `reference_impl`, or the shape no sequence.
        ValueError: if the layer does not take inputs of such a number of axes or channels.
    """
    if isinstance(input_shape, str) or not isinstance(input_shape, Sequence):
        raise TypeError(
            f"explain: argument `input_shape` is {input_shape!r}; expected a shape with the batch, "
            "such as (1, 7, 9, 3)"
        )
    with as_never_set():
        return Explanation(of_case(case_of(layer, tuple(input_shape))))


def explain_case(case: Case | str) -> Explanation:
    """Explain a case, or the case of a descriptor.

    Raises:
        DescriptorError: if the descriptor does not parse.
        TypeError: if an argument is of a wrong type.
        ValueError: if an argument is wrong, or the inputs are.
    """
    with as_never_set():
        return Explanation(of_case(parse(case) if isinstance(case, str) else case))


def axis_titles(subject: Subject) -> tuple[str, ...]:
    """What the axes of the inputs of a layer are."""
    if not subject.rank and subject.channels_first and len(subject.input_shape) > 2:
        return ("batch", "channels", "...; the channels are moved last")
    if not subject.rank:
        return ("batch", *["..."] * (len(subject.input_shape) > 1))
    spatial = AXIS_NAMES[subject.rank]
    inner = ("channels", *spatial) if subject.channels_first else (*spatial, "channels")
    return ("batch", *inner)


def _axis(axis: Axis) -> dict[str, Any]:
    g = axis.geometry
    known = {"name": axis.name, "window": g.window, "stride": g.stride, "dilation": g.dilation}
    known |= {"receptive_field": g.receptive_field, "formula": axis.formula}
    if axis.is_free:
        return {**known, "length": None, "output": None}
    return {
        **known,
        "length": g.length,
        "output": g.output,
        "padding": [g.pad_before, g.pad_after],
        "unreached": ranges(axis.unreached),
        "reaching_into_padding": ranges(axis.reaching_out),
    }


def _bytes(shape: Shape | None, width: int) -> int | None:
    if shape is None or None in shape[1:]:
        return None
    return width * prod(1 if length is None else length for length in shape)


def _width(dtype: str) -> int:
    digits = "".join(chain(filter(str.isdigit, dtype)))
    return int(digits or 8) // 8
