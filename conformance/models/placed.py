"""What is known of a candidate while it is judged: which tensor is which layer's output.

Layers without one are computed, in chains up to a layer that has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from conformance.models.candidates import Held
from conformance.models.matching import Finder, Place
from conformance.models.operation import Operation, Span
from conformance.models.source import Source, Step

MOST_FOLDED: Final = 5
"""Layers whose outputs may be missing before the first of them is taken to be wrong."""

_AHEAD: Final = 3
"""Layers behind a wrong one that are looked at to find its output."""


class Placed:
    """The outputs of a source's layers that were found in a candidate, and those computed.

    Args:
        source: the source.
        held: the candidate on some inputs.
        finder: looks for outputs.
    """

    def __init__(self, source: Source, held: Held, finder: Finder) -> None:
        self.source, self.held, self.finder = source, held, finder
        self.places: dict[str, Place] = {}
        self._place_of: dict[int, Place] = {}
        self._spans: dict[int, Span] = {}
        self._is_named = held.runner.named()
        self._has_outputs_alone = not self._is_named and len(held.tensors) <= len(source.outputs)

    def output(self, number: int) -> Any:
        """The candidate's values of a tensor of the source; None where they are not known."""
        place = self._place_of.get(number)
        return None if place is None else place.read(self.held)

    def _span(self, step: Step) -> Span:
        """What a layer makes of the candidate's own inputs."""
        return step.operation(step.given_by(self._input))

    def _input(self, item: int | float) -> Span:
        if not isinstance(item, int):
            return Span.exact(item)
        if item in self._place_of:
            return Span.exact(self._place_of[item].read(self.held))
        return self._spans[item]

    def _after(self, step: Step) -> int:
        """The tensors before it are made before the layer's inputs."""
        found = [self._behind(source) for source in step.sources]
        return max(found, default=0)

    def _behind(self, number: int) -> int:
        if number in self._place_of:
            return self.held.place[self._place_of[number].name]
        makers = [step for step in self.source.steps if step.output == number]
        return self._after(makers[0]) if makers else 0

    def _keep(self, step: Step, place: Place) -> None:
        self._place_of[step.output] = place
        self.places[step.name] = place
        self._spans.pop(step.output, None)

    def _is_upstream(self, earlier: int, later: int) -> bool:
        """Whether a layer's output goes into another, perhaps through layers not found."""
        wanted = self.source.steps[earlier].output
        pending, seen = [*self.source.steps[later].sources], set()
        makers = {step.output: step for step in self.source.steps}
        while pending:
            number = pending.pop()
            if number == wanted:
                return True
            if number in makers and number not in seen and number not in self._place_of:
                seen.add(number)
                pending.extend(makers[number].sources)
        return False

    def _untaken(self, places: Sequence[Place]) -> list[Place]:
        taken = {place.name for place in self._place_of.values()}
        return [place for place in places if place.name not in taken]

    def _as_it_is(self, name: str) -> Place:
        """The place of a tensor whose layout is not known."""
        return Place(name, tuple(range(len(self.held.by_name[name].shape))), "being the output")

    def _is_ready(self, index: int, chain: Sequence[int]) -> bool:
        made = {self.source.steps[i].output for i in chain}
        known = self._place_of.keys() | self._spans.keys() | made
        return all(source in known for source in self.source.steps[index].sources)

    def _chain(self, index: int) -> Iterator[list[int]]:
        """A layer, then it with what takes its output alone, and so on."""
        if self._has_outputs_alone:
            yield self._to_the_output(index)
            return
        chain = [index]
        yield [*chain]
        while len(chain) < MOST_FOLDED:
            output = self.source.steps[chain[-1]].output
            takers = [i for i, s in enumerate(self.source.steps) if output in s.sources]
            if len(takers) != 1 or not self._is_ready(takers[0], chain):
                return
            if self.source.steps[takers[0]].operation.kind == "unknown":
                return
            chain.append(takers[0])
            if not self._is_computed(chain):
                return
            yield [*chain]

    def _to_the_output(self, index: int) -> list[int]:
        """A layer, and those behind it up to the first whose output is the model's."""
        steps = self.source.steps
        ends = (i for i in range(index, len(steps)) if steps[i].output in self.source.outputs)
        end = next(ends, len(steps) - 1)
        made = {item for step in steps[index : end + 1] for item in step.sources}
        known = self._place_of
        return [
            i
            for i in range(index, end + 1)
            if i == end or (steps[i].output in made and steps[i].output not in known)
        ]

    def _is_computed(self, chain: Sequence[int]) -> bool:
        """Whether each layer of a chain takes what the one before it makes."""
        try:
            self._through(chain, {})
        except (ValueError, LookupError):
            return False
        return True

    def _through(self, chain: Sequence[int], changed: Mapping[int, Operation]) -> Span:
        """What a chain of layers makes, some of them changed."""
        spans: dict[int, Span] = {}
        for index in chain:
            step = self.source.steps[index]
            given = [
                spans[item] if isinstance(item, int) and item in spans else self._input(item)
                for item in step.inputs
            ]
            spans[step.output] = changed.get(index, step.operation)(given)
        return spans[self.source.steps[chain[-1]].output]

    def _goes_on(self, index: int, place: Place) -> bool:
        """Whether some layer behind is right if a tensor is a layer's output."""
        steps = self.source.steps
        kept = dict(self._place_of)
        self._place_of[steps[index].output] = place
        try:
            for chain in self._chain(index):
                behind = chain[1:]
                if not behind or len(behind) > _AHEAD:
                    continue
                if all(steps[i].operation.kind == "identity" for i in behind):
                    continue
                if self._finds(behind, place):
                    return True
        finally:
            self._place_of = kept
        return False

    def _finds(self, behind: Sequence[int], place: Place) -> bool:
        try:
            span = self._through(behind, {})
        except (ValueError, IndexError):
            return False
        if not span.value.size or not np.ptp(span.value):
            return False
        after = self.held.place[place.name] + 1
        return self.finder.find(self.source.steps[behind[-1]].name, span, after) is not None

    def _ends_or_goes_on(self, index: int, place: Place) -> bool:
        step = self.source.steps[index]
        is_final = step.output in self.source.outputs
        names = self.held.runner.output_names()
        if is_final and names:
            return place.name in names
        return is_final or self._goes_on(index, place)

    def _dtype(self, place: Place) -> str:
        return self.held.by_name[place.name].dtype
