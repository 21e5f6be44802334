"""The judgement of a candidate, layer by layer and as a whole.

Each layer is computed from the candidate's own input of it, so that a wrong one is blamed once.
Layers whose outputs a candidate does not have (a normalization folded into a convolution, padding
moved into it, a fused activation) are computed together with the next one that it has.  Where no
tensor has a layer's values, known mistakes are tried (`conformance.models.variants`); then, whether
the layers behind go on from some tensor that fits by shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from conformance.asserting.callables import greatest_slope, how_judged
from conformance.judge.messages import WrongElements, sentence_case
from conformance.judge.running_error import Floats
from conformance.known import Record
from conformance.models.candidates import Held
from conformance.models.findings import Finding, Verdict
from conformance.models.fitting import fitted
from conformance.models.matching import Finder, Place, difference, excess, layouts
from conformance.models.operation import Operation, Span
from conformance.models.recorded import record_of
from conformance.models.repeating import Evidence
from conformance.models.source import Source, Step
from conformance.models.variants import Variant, folded, variants
from conformance.models.windows import axes as window_axes

_MOST_FOLDED: Final = 5
"""Layers whose outputs may be missing before the first of them is taken to be wrong."""

_TAKEN: Final = "taken from the candidate: nothing that is installed computes it"

_AHEAD: Final = 3
"""Layers behind a wrong one that are looked at to find its output."""


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


class LayerJudge:
    """Judges the layers of a source against a candidate on some inputs.

    Args:
        source: the source.
        held: the candidate.
        given: layers with their tensors' names, from ``--map``.
        first: places found on other inputs.
    """

    def __init__(
        self,
        source: Source,
        held: Held,
        given: Mapping[str, str],
        first: Mapping[str, Place] | None = None,
    ) -> None:
        self.source, self.held = source, held
        self.finder = Finder(held, given, first)
        self.places: dict[str, Place] = {}
        self.findings: dict[str, Finding] = {}
        self.evidence: Evidence | None = None
        self._place_of: dict[int, Place] = {}
        self._spans: dict[int, Span] = {}
        self._unknown: set[int] = set()
        self._missing: set[int] = set()
        self._is_named = held.runner.named()
        self._has_outputs_alone = not self._is_named and len(held.tensors) <= len(source.outputs)
        self._most_pending = (
            len(source.steps) if self._is_named or self._has_outputs_alone else _MOST_FOLDED
        )

    def run(self) -> list[Finding]:
        """Judge every layer."""
        for number, array in zip(self.source.inputs, self.held.inputs, strict=True):
            self._spans[number] = Span.exact(array)
        steps, index = self.source.steps, 0
        pending: list[int] = []
        while index < len(steps) or pending:
            late = index >= len(steps) or len(pending) >= self._most_pending
            late = late or self._is_taken(index)
            if pending and (late or self._must_be_there(steps[pending[-1]])):
                index = self._resolve(pending[0]) + 1
                pending = []
                continue
            if self._is_taken(index):
                self._take(index)
            elif self._accept(index, pending):
                pending = [i for i in pending if steps[i].name not in self.findings]
            else:
                pending.append(index)
            index += 1
        return [self.findings[step.name] for step in steps]

    def output(self, number: int) -> Any:
        """The candidate's values of a tensor of the source; None where they are not known."""
        place = self._place_of.get(number)
        return None if place is None else place.read(self.held)

    # Layers that nothing computes

    def _is_taken(self, index: int) -> bool:
        """Whether a layer's output can only be had from the candidate."""
        step = self.source.steps[index]
        return step.operation.kind == "unknown" or bool(self._missing.intersection(step.sources))

    def _take(self, index: int) -> None:
        """Find the output of a layer that is not computed, and do not judge it."""
        step = self.source.steps[index]
        span = self._span(step)
        place = self._taken_place(index, span.value.shape)
        if place is None:
            self._spans[step.output] = span
            self._missing.add(step.output)
        else:
            self._keep(step, place)
        is_unknown = step.operation.kind == "unknown"
        words = _TAKEN if is_unknown else "what the candidate gives it was not found"
        self._note(step, Verdict.NOT_JUDGED, None, words, place)

    def _taken_place(self, index: int, shape: tuple[int, ...]) -> Place | None:
        """By name, or the tensor from which the layers behind go on, or the last named after it."""
        step = self.source.steps[index]
        names = self.held.runner.output_names()
        final = self.source.outputs.index(step.output) if step.output in self.source.outputs else -1
        found = self.finder.told(step.name, shape)
        if step.operation.kind == "unknown" and not step.operation.settings["shape"]:
            found += [self._as_it_is(names[final])] if 0 <= final < len(names) else []
            return next(iter(found), None)
        fitting = [*self.finder.fitting(step.name, shape, self._after(step))]
        found += [p for p in fitting if 0 <= final < len(names) and p.name == names[final]]
        found += [place for place in fitting if self._goes_on(index, place)][:1]
        found += [p for p in self._untaken(fitting) if self._goes_on_wrongly(index, p)][:1]
        named = [place for place in fitting if "name" in place.how]
        found += [replace(p, how="name") for p in named if p.name == named[-1].name]
        return next((p for p in found if p.read(self.held).shape == shape), None)

    def _untaken(self, places: Sequence[Place]) -> list[Place]:
        taken = {place.name for place in self._place_of.values()}
        return [place for place in places if place.name not in taken]

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

    def _as_it_is(self, name: str) -> Place:
        """The place of a tensor whose layout is not known."""
        return Place(name, tuple(range(len(self.held.by_name[name].shape))), "being the output")

    def _must_be_there(self, step: Step) -> bool:
        """Whether a candidate must have a layer's output: it is the model's, or told by name."""
        if step.output in self.source.outputs:
            return True
        shape = self._span(step).value.shape
        return bool(self.finder.told(step.name, shape))

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

    def _accept(self, index: int, pending: Sequence[int]) -> bool:
        """Judge a layer whose output is found, and those folded into it; False if it is not."""
        step = self.source.steps[index]
        try:
            span = self._span(step)
        except (ValueError, IndexError) as error:
            return self._cannot_take(step, error)
        if step.operation.kind == "identity" and not self.finder.fixed(step.name, span):
            return self._pass_on(step, span)
        place = self._settled(step, span) or self.finder.find(step.name, span, self._after(step))
        if place is None or difference_of(place, self.held, span) > 1:
            return self._nearly(index, span, pending)
        self._keep(step, place)
        folded = [i for i in pending if self._is_upstream(i, index)]
        self._settle(step, span, place, folded)
        return True

    def _nearly(self, index: int, span: Span, pending: Sequence[int]) -> bool:
        """Blame a layer whose output is found but for elements that are off by next to nothing.

        Beyond the bound, but by less than a rounding of the largest number that it takes or makes:
        what an approximation that is right on that scale alone makes of small values.
        """
        step = self.source.steps[index]
        self._spans[step.output] = span
        sizes = [np.abs(one.value).max(initial=0.0) for one in step.given_by(self._input)]
        sizes = sizes if step.operation.kind == "activation" else []
        largest = max([np.abs(span.value).max(initial=0.0), *sizes])
        room = 2 * step.operation.format.unit_roundoff * largest
        if not np.isfinite(span.error).all() or not np.isfinite(room):
            return False
        loose = Span(span.value, np.maximum(span.error, room))
        after = self._after(step)
        place = self._settled(step, loose) or self.finder.find(step.name, loose, after)
        if place is None or difference_of(place, self.held, loose) > 1:
            return False
        folded = [i for i in pending if self._is_upstream(i, index)]
        self._blame(index, [*folded, index], place, "")
        return True

    def _cannot_take(self, step: Step, error: Exception) -> bool:
        """A layer whose input, of a wrong shape, is none that it takes: nothing is known of it."""
        shape = self.source.shape_of(step, len(self.held.inputs[0]))
        self._spans[step.output] = Span(np.zeros(shape), np.full(shape, np.inf))
        self._unknown.add(step.output)
        words = f"the candidate's input of it has a shape that the layer does not take ({error})"
        self._note(step, Verdict.NOT_JUDGED, None, words)
        return True

    def _settled(self, step: Step, span: Span) -> Place | None:
        """The place that is fixed by name, or that is the candidate's output."""
        fixed = self.finder.fixed(step.name, span)
        if fixed is not None or step.output not in self.source.outputs:
            return fixed
        return self._final(step, span)

    def _final(self, step: Step, span: Span) -> Place | None:
        names = self.held.runner.output_names()
        position = self.source.outputs.index(step.output)
        if position >= len(names) or names[position] not in self.held.by_name:
            return None
        for name in (names[position], *names):
            shape = self.held.by_name[name].shape if name in self.held.by_name else ()
            for axes in layouts(shape, span.value.shape):
                place = Place(name, axes, "being the output")
                if difference_of(place, self.held, span) <= 1:
                    return place
        return None

    def _keep(self, step: Step, place: Place) -> None:
        self._place_of[step.output] = place
        self.places[step.name] = place
        self._spans.pop(step.output, None)

    def _pass_on(self, step: Step, span: Span) -> bool:
        """A layer that does nothing at inference has the tensor of its input."""
        (source,) = step.sources
        if source in self._place_of:
            self._place_of[step.output] = self._place_of[source]
            self.places[step.name] = self._place_of[source]
        else:
            self._spans[step.output] = span
        self._note(step, Verdict.RIGHT, 0.0, "does nothing at inference")
        return True

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

    def _settle(self, step: Step, span: Span, place: Place, folded: Sequence[int]) -> None:
        values = place.read(self.held)
        unbounded = not np.isfinite(span.error).all()
        if unbounded:
            self._note(step, Verdict.NOT_JUDGED, None, _unbounded(step, values, span), place)
        else:
            problem = self._exactly(step, values) if not folded else None
            verdict = Verdict.WRONG if problem else _verdict(values, span, self._dtype(place))
            ratio = difference(values, span)
            self._note(step, verdict, ratio, problem or _callable_words(step), place)
            if verdict is Verdict.WRONG:
                self._hold(step, [step], values, span)
        for index in folded:
            inner = self.source.steps[index]
            said = self.findings[step.name]
            self._note(inner, said.verdict, said.ratio, f"judged together with {step.name}", place)

    def _exactly(self, step: Step, values: Floats) -> str | None:
        """The suite's own judgement of a documented layer on operands that make its sums exact."""
        from conformance.models.stand_in import StandIn

        if isinstance(step.layer, StandIn) or step.operation.kind != "convolution":
            return None
        inputs = self._input(step.inputs[0]).value
        if not inputs.size or np.any(inputs != np.rint(inputs)):
            return None
        from conformance.models.single import problem

        return problem(values, step.layer, inputs)

    def _dtype(self, place: Place) -> str:
        return self.held.by_name[place.name].dtype

    def _note(
        self,
        step: Step,
        verdict: Verdict,
        ratio: float | None,
        message: str = "",
        place: Place | None = None,
        fault: str = "",
        record: str = "",
    ) -> None:
        tensor = place.words if place else ""
        maker = self.held.by_name[place.name].maker if place else ""
        self.findings[step.name] = Finding(
            step.name, step.kind, verdict, ratio, message, fault, tensor, maker, record
        )

    # Layers whose output is not found

    def _resolve(self, index: int) -> int:
        """Judge a layer that has no tensor, or those up to one that has; the last one's index."""
        step = self.source.steps[index]
        span = self._span(step)
        fixed = self.finder.fixed(step.name, span)
        if fixed is not None:
            for place in (fixed, *self.finder.told(step.name, span.value.shape)):
                fault = self._named_fault(step, place)
                if fault:
                    return self._blame(index, [index], place, fault)
            return self._blame(index, [index], fixed, "")
        if not all(np.isfinite(self._input(item).value).all() for item in step.inputs):
            return self._miss(index, "what the candidate gives it is not finite") - 1
        return self._blamed(index) - 1

    def _blamed(self, index: int) -> int:
        """Blame a layer that no tensor has, or one behind it; the index of the next layer.

        A mistake from whose tensor the layers behind go on is the surest.  Of one that gives a
        tensor and no more, a tensor that is right in most elements is surer: one within a layer,
        before its activation or padding, is what some mistakes would give as well; and one that
        gives an earlier layer's own output comes last.
        """
        mistakes = [*self._mistakes(index)]
        is_sure = bool(mistakes) and mistakes[-1].goes_on
        if is_sure:
            return self._blame_mistake(mistakes[-1])
        doubtful = mistakes[0] if mistakes else None
        if self._is_named or self._has_outputs_alone:
            return (
                (self._by_number(index) if doubtful else 0)
                or self._blame_mistake(doubtful)
                or (self._by_output(index) if self._has_outputs_alone else 0)
                or self._miss(index, "the candidate shows no output of this layer")
            )
        if self._is_before_unknown(self.source.steps[index]):
            words = "not found; what is behind it is not computed, and may have it folded in"
            return self._blame_mistake(doubtful) or self._miss(index, words)
        return (
            self._by_number(index)
            or self._by_share(index)
            or (self._blame_mistake(doubtful) if self._is_new(doubtful) else 0)
            or self._by_what_follows(index)
            or self._blame_mistake(doubtful)
            or self._by_output(index)
            or self._by_nearness(index)
            or self._miss(index, "no tensor of the candidate was found to be its output")
        )

    def _is_before_unknown(self, step: Step) -> bool:
        """Whether a layer's output goes into one that nothing here computes."""
        takers = (other for other in self.source.steps if step.output in other.sources)
        return any(other.operation.kind == "unknown" for other in takers)

    def _chain(self, index: int) -> Iterator[list[int]]:
        """A layer, then it with what takes its output alone, and so on."""
        if self._has_outputs_alone:
            yield [*range(index, len(self.source.steps))]
            return
        chain = [index]
        yield [*chain]
        while len(chain) < _MOST_FOLDED:
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

    def _is_computed(self, chain: Sequence[int]) -> bool:
        """Whether each layer of a chain takes what the one before it makes."""
        try:
            self._through(chain, {})
        except (ValueError, LookupError):
            return False
        return True

    def _is_ready(self, index: int, chain: Sequence[int]) -> bool:
        made = {self.source.steps[i].output for i in chain}
        known = self._place_of.keys() | self._spans.keys() | made
        return all(source in known for source in self.source.steps[index].sources)

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

    def _is_new(self, mistake: Mistake | None) -> bool:
        """Whether the tensor that a mistake gives is none of an earlier layer's."""
        return mistake is not None and bool(self._untaken([mistake.place]))

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

    def _blame_mistake(self, mistake: Mistake | None) -> int:
        return 0 if mistake is None else 1 + self._blame(*mistake[:-1])

    def _by_number(self, index: int) -> int:
        """A mistake whose number a tensor tells, from which the layers behind go on."""
        for chain in self._chain(index):
            end = self.source.steps[chain[-1]]
            after = self._after(self.source.steps[index])
            shape = self._through(chain, {}).value.shape
            for place in self.finder.fitting(end.name, shape, after):
                values = place.read(self.held)
                if values.shape != shape or not self._ends_or_goes_on(chain[-1], place):
                    continue
                for position, changed in enumerate(chain):
                    words = self._number(chain, position, place)
                    if words:
                        return 1 + self._blame(changed, chain, place, words)
        return 0

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

    def _folded(self, chain: Sequence[int], changed: int) -> Iterator[Variant]:
        """The mistakes of a layer into which the normalization behind it was folded."""
        position = chain.index(changed) + 1
        if position < len(chain):
            behind = self.source.steps[chain[position]].operation
            if behind.kind == "normalization":
                yield from folded(self.source.steps[changed].operation, behind)

    def _ends_or_goes_on(self, index: int, place: Place) -> bool:
        step = self.source.steps[index]
        is_final = step.output in self.source.outputs
        names = self.held.runner.output_names()
        if is_final and names:
            return place.name in names
        return is_final or self._goes_on(index, place)

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

    def _by_what_follows(self, index: int) -> int:
        """The tensor from which the layers behind go on as they should."""
        for chain in self._chain(index):
            end = self.source.steps[chain[-1]]
            shape = self._through(chain, {}).value.shape
            after = self._after(self.source.steps[index])
            for place in self.finder.fitting(end.name, shape, after):
                if self._goes_on(chain[-1], place):
                    return 1 + self._blame(chain[0], chain, place, "")
        return 0

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

    def _by_share(self, index: int) -> int:
        """The tensor that is right in most elements, unless it is more so of a layer behind.

        So is what a rectifier makes, which was fused into the layer before it.
        """
        found: list[tuple[list[int], Place, float]] = []
        after = self._after(self.source.steps[index])
        for chain in self._chain(index):
            span = self._through(chain, {})
            if np.isfinite(span.error).all() and span.value.size:
                best = self.finder.likeliest(self.source.steps[chain[-1]].name, span, after)
                found += [([*chain], *best)] if best is not None else []
        for chain, place, share in found:
            if all(share >= other for _, at, other in found if at.name == place.name):
                return 1 + self._blame(chain[0], chain, place, "")
        return 0

    def _by_output(self, index: int) -> int:
        """The candidate's output, where the layers up to the model's output are not found."""
        for chain in self._chain(index):
            end = self.source.steps[chain[-1]]
            names = self.held.runner.output_names()
            if end.output not in self.source.outputs or not names:
                continue
            name = names[min(self.source.outputs.index(end.output), len(names) - 1)]
            tensor = self.held.by_name.get(name)
            if tensor is None:
                return 0
            shape = self._through(chain, {}).value.shape
            axes = (layouts(tensor.shape, shape) or (tuple(range(len(tensor.shape))),))[0]
            return 1 + self._blame(chain[0], chain, Place(name, axes, "being the output"), "")
        return 0

    def _by_nearness(self, index: int) -> int:
        step = self.source.steps[index]
        found = self.finder.nearest(step.name, self._span(step), self._after(step))
        if found is None or found[1] > 1:
            return 0
        return 1 + self._blame(index, [index], found[0], "")

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

    def _blame(self, index: int, chain: Sequence[int], place: Place, fault: str) -> int:
        """Record that a layer is wrong, judged with others of its chain; the last one's index."""
        steps = self.source.steps
        end = steps[chain[-1]]
        span, values = self._through(chain, {}), place.read(self.held)
        message, ratio = _wrong(values, span, self._dtype(place))
        if not fault and len(chain) == 1:
            if record := self._record(steps[index], place, values, span, message):
                self._note(
                    steps[index], Verdict.KNOWN, ratio, message, place, "", record.identifier
                )
                self._keep(end, place)
                return index
            fault = self._named_fault(steps[index], place) or self._explained(steps[index], values)
        hint = (
            _padding_hint(
                steps[index],
                self._input(steps[index].inputs[0]).value.shape,
                self.held.by_name[place.name].maker,
            )
            if ("pad" in fault.lower() and index == chain[0])
            else ""
        )
        others = [steps[i].name for i in chain if i != index]
        joined = f" (judged with {', '.join(others)})" if others else ""
        for i in chain:
            if i != index:
                words = f"judged together with {steps[index].name}, which is wrong"
                self._note(steps[i], Verdict.NOT_JUDGED, None, words, place)
        if self._unknown.intersection(s for i in chain for s in steps[i].sources):
            words = "it follows a layer whose input has a shape that it does not take"
            self._note(steps[index], Verdict.NOT_JUDGED, None, words, place)
            self._keep(end, place)
            return max(self._last_done(chain), index)
        own = _callable_words(steps[index])
        said = message + joined + hint + (f" ({sentence_case(own)}.)" if own else "")
        self._note(steps[index], Verdict.WRONG, ratio, said, place, fault)
        self._hold(steps[index], [steps[i] for i in chain], values, span)
        self._keep(end, place)
        return max(self._last_done(chain), index)

    def _record(
        self, step: Step, place: Place, values: Floats, span: Span, message: str
    ) -> Record | None:
        """The known deviation of what runs the candidate that explains a layer's error."""
        given = [self._input(item) for item in step.inputs]
        if values.shape != span.value.shape or len(given) != 1 or given[0].error.any():
            return None
        far = excess(values, span) > 1
        runs = self.held.runner.implementation
        return record_of(runs, step, given[0].value, values, far, message)

    def _hold(self, step: Step, chain: Sequence[Step], values: Floats, span: Span) -> None:
        """Keep what the first wrong layer was judged by, for a program that repeats it."""
        given = [self._input(item) for item in chain[0].inputs]
        known = all(not one.error.any() for one in given)
        if self.evidence is None and known and values.shape == span.value.shape:
            arrays = tuple(one.value for one in given)
            made = (step.name, tuple(chain), arrays, values, span.value, span.error)
            self.evidence = Evidence(*made, chain[0].operation.format.name)

    def _last_done(self, chain: Sequence[int]) -> int:
        """Where to go on: behind the chain's end; layers between are of other branches."""
        between = [
            i
            for i in range(chain[0], chain[-1])
            if i not in chain and self.source.steps[i].name not in self.findings
        ]
        for i in between:
            self._accept(i, []) or self._miss(i, "it is computed between layers of a wrong group")
        return chain[-1]

    def _explained(self, step: Step, values: Floats) -> str:
        from conformance.models.single import explanation
        from conformance.models.stand_in import StandIn

        if isinstance(step.layer, StandIn):
            return ""
        return explanation(values, step.layer, self._input(step.inputs[0]).value)

    def _miss(self, index: int, words: str) -> int:
        step = self.source.steps[index]
        self._spans[step.output] = self._span(step)
        self._note(step, Verdict.NOT_JUDGED, None, words)
        return index + 1


def difference_of(place: Place, held: Held, span: Span) -> float:
    """The largest error of a tensor in units of a bound; infinite where the shape differs."""
    values = place.read(held)
    if values.shape != span.value.shape:
        return float("inf")
    if not np.isfinite(span.error).all():
        return 0.0
    return difference(values, span)


def _verdict(values: Floats, span: Span, dtype: str) -> Verdict:
    with np.errstate(all="ignore"):
        rounded = span.value.astype(dtype).astype(np.float64)
    same = (values == rounded) | (np.isnan(values) & np.isnan(rounded))
    return Verdict.RIGHT if same.all() else Verdict.ROUNDING


def _unbounded(step: Step, values: Floats, span: Span) -> str:
    far = float(np.abs(values - span.value).max(initial=0.0))
    why = (
        "computed by Keras, no bound known"
        if step.operation.kind == "elsewhere"
        else "rounding has no finite bound on these values"
    )
    return f"{why}; the largest difference is {far:.3g}"


def _callable_words(step: Step) -> str:
    """How an activation that is a callable was judged; empty for any other."""
    function = step.operation.settings.get("activation")
    if not callable(function):
        return ""
    return f"the activation is a callable: {how_judged(greatest_slope(function))}"


def _wrong(values: Floats, span: Span, dtype: str) -> tuple[str, float]:
    """What is wrong with a tensor, and its worst error in units of the bound."""
    if values.shape != span.value.shape:
        words = f"The shape is {values.shape}, but should be {span.value.shape}."
        return words, float("inf")
    wrong = WrongElements.of(values, span.value.astype(dtype), span.error, excess(values, span))
    if not wrong.count:
        return "", wrong.ratio
    return f"{sentence_case(wrong.sentence())}.", wrong.ratio


def _padding_hint(step: Step, shape: tuple[int, ...], maker: str) -> str:
    """The padding that there should be, in the order in which ONNX has it, and the candidate's."""
    settings = step.operation.settings
    if "padding" not in settings or settings.get("padding") not in ("same", "valid"):
        return ""
    kernel = step.operation.weights.get("kernel")
    window = kernel.shape[:-2] if kernel is not None else settings["window"]
    last = (shape[0], *shape[2:], shape[1]) if settings["channels_first"] else shape
    geometry = window_axes(last, window, settings)
    ends = [
        max((a.places - 1) * a.stride + (a.window - 1) * a.dilation + 1 - a.before - n, 0)
        for a, n in zip(geometry, last[1:-1], strict=True)
    ]
    pads = [a.before for a in geometry] + ends
    right = f"{','.join(map(str, pads))} (all befores, then all afters)"
    found = _PADS.search(maker)
    if found is None:
        return f" The padding should be {right}."
    given = found.group(1).replace(" ", "")
    return f" The candidate's pads are {given} and should be {right}."


_PADS: Final = re.compile(r"(?:Conv|Pool)\([^)]*?pads=\[([\d, ]+)\]")
