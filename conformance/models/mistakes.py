"""Known mistakes that give a tensor of a candidate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from conformance.models.fitting import fitted
from conformance.models.matching import Place, difference
from conformance.models.operation import Operation, Span
from conformance.models.placed import Placed
from conformance.models.source import Step
from conformance.models.variants import Variant, folded, variants


class Mistake(NamedTuple):
    """A known mistake that gives a tensor of the candidate.

    Attributes:
        changed: the layer's index.
        chain: the layers from the first that was not found to the one whose output the tensor is.
        place: the tensor.
        words: the mistake.
        goes_on: whether it is the model's output, or the layers behind go on from it.
    """

    changed: int
    chain: list[int]
    place: Place
    words: str
    goes_on: bool


class Mistakes(Placed):
    """Tries known mistakes of layers, and of what is folded into them."""

    def _mistakes(self, index: int) -> Iterator[Mistake]:
        """Known mistakes of a layer, or of one that is folded into it, that give some tensor.

        The first from whose tensor the layers behind go on is the last.
        """
        for chain in self._chain(index):
            for changed, variant in self._variants(chain):
                place = self._place_with(chain, changed, variant)
                if place is None:
                    continue
                goes_on = self._ends_or_goes_on(chain[-1], place)
                yield Mistake(changed, chain, place, variant.words, goes_on)
                if goes_on:
                    return

    def _variants(self, chain: Sequence[int]) -> Iterator[tuple[int, Variant]]:
        for changed in chain:
            operation = self.source.steps[changed].operation
            for variant in (*variants(operation), *self._folded(chain, changed)):
                yield changed, variant

    def _folded(self, chain: Sequence[int], changed: int) -> Iterator[Variant]:
        """The mistakes of a layer into which the normalization behind it was folded."""
        position = chain.index(changed) + 1
        if position < len(chain):
            behind = self.source.steps[chain[position]].operation
            if behind.kind == "normalization":
                yield from folded(self.source.steps[changed].operation, behind)

    def _place_with(self, chain: Sequence[int], changed: int, variant: Variant) -> Place | None:
        end = self.source.steps[chain[-1]]
        try:
            changes = {changed: variant.operation}
            if "folded in" in variant.words:
                changes[chain[chain.index(changed) + 1]] = Operation("identity")
            span = self._through(chain, changes)
        except (ValueError, IndexError):
            return None
        if not np.isfinite(span.error).all():
            return None
        right = self._through(chain, {})
        if span.value.shape == right.value.shape and difference(span.value, right) <= 1:
            return None
        return self.finder.find(end.name, span, self._after(self.source.steps[chain[0]]))

    def _is_new(self, mistake: Mistake | None) -> bool:
        """Whether the tensor that a mistake gives is none of an earlier layer's."""
        return mistake is not None and bool(self._untaken([mistake.place]))

    def _number(self, chain: Sequence[int], position: int, place: Place) -> str:
        """The mistake of one layer of a chain with the number that the chain's output tells."""
        step = self.source.steps[chain[position]]
        values = place.read(self.held)
        before = self._through(chain[:position], {}) if position else self._input(step.inputs[0])
        for variant in fitted(step.operation, before, values):
            span = self._through(chain, {chain[position]: variant.operation})
            known = np.isfinite(span.error).all() and span.value.shape == values.shape
            # The number is known to a few digits only, as the values that tell it are rounded.
            near = Span(span.value, span.error + 1e-5 * np.abs(span.value))
            if known and difference(values, near) <= 1:
                return variant.words
        return ""

    def _named_fault(self, step: Step, place: Place) -> str:
        """The known mistake of a layer that gives what the candidate has."""
        values = place.read(self.held)
        right = self._span(step)
        given = [self._input(item) for item in step.inputs]
        for variant in variants(step.operation):
            try:
                span = variant.operation(given)
            except (ValueError, IndexError):
                continue
            if span.value.shape != values.shape or difference(values, span) > 1:
                continue
            if span.value.shape != right.value.shape or difference(span.value, right) > 1:
                return variant.words
        return ""

    def _goes_on_wrongly(self, index: int, place: Place) -> bool:
        """Whether a known mistake of a layer behind is found if a tensor is a layer's output."""
        step = self.source.steps[index]
        if place.read(self.held).shape != self._span(step).value.shape:
            return False
        takers = [i for i, s in enumerate(self.source.steps) if step.output in s.sources]
        kept = dict(self._place_of)
        self._place_of[step.output] = place
        try:
            ready = [i for i in takers if self._is_ready(i, [])]
            return any(mistake.goes_on for i in ready for mistake in self._mistakes(i))
        finally:
            self._place_of = kept
