"""The numbers of a case, and the case with another one in the place of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.questions.products import AXES
from conformance.judge.definition import forbidden
from conformance.layers.registry import LAYERS


@dataclass(frozen=True)
class Number:
    """A number of a case: what it is called, its value, and where it stands.

    Attributes:
        field: the argument, or ``inputs``.
        place: the index within it; None where the argument is the number itself.
    """

    name: str
    value: int
    field: str
    place: int | None = None

    def put(self, case: Case, value: int) -> Case:
        """The case with another number in its place."""
        if self.place is None:
            return case.replace(**{self.field: value})
        now = case.inputs if self.field == "inputs" else facts(case).config[self.field]
        changed = list(now or ())
        changed[self.place] = value
        return case.replace(**{self.field: tuple(changed)})


def numbers_of(case: Case) -> Iterator[Number]:
    """The numbers of a case: of its arguments, axis by axis, and the sizes of its inputs."""
    known, layer = facts(case), LAYERS[case.layer]
    axes = AXES.get(known.rank, ())
    for name in (layer.window, "strides", "dilation_rate"):
        if name not in known.config:
            continue
        values = tuple(known.config[name])
        for place, (axis, value) in enumerate(zip(axes, values, strict=False)):
            of = name if known.rank == 1 else f"{name} along {axis}s"
            yield Number(of, value, name, place)
    for name in ("filters", "groups"):
        if name in known.config:
            yield Number(name, known.config[name], name)
    yield from _sizes(case, axes)


def _sizes(case: Case, axes: Sequence[str]) -> Iterator[Number]:
    inputs = tuple(size or 0 for size in case.inputs or ())
    names = ["samples", *(f"input {axis}s" for axis in axes), "channels"]
    if len(names) != len(inputs):
        return
    if facts(case).channels_first:
        names = [names[0], names[-1], *names[1:-1]]
    for place, (name, size) in enumerate(zip(names, inputs, strict=True)):
        yield Number(name, size, "inputs", place)


def is_valid(case: Case) -> bool:
    """Whether the documentation allows it."""
    try:
        return forbidden(case) is None
    except (TypeError, ValueError, AttributeError, KeyError):
        return False
