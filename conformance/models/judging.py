"""The judgement of a candidate, layer by layer and as a whole.

Each layer is computed from the candidate's own input of it, so that a wrong one is blamed once.
Layers whose outputs a candidate does not have (a normalization folded into a convolution, padding
moved into it, a fused activation) are computed together with the next one that it has.  Where no
tensor has a layer's values, known mistakes are tried (`conformance.models.variants`); then, whether
the layers behind go on from some tensor that fits by shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from conformance.asserting.callables import how_judged
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.messages import WrongElements, sentence_case
from conformance.judge.running_error import Floats
from conformance.known import Record
from conformance.models.candidates import Held
from conformance.models.findings import Finding, Verdict
from conformance.models.matching import Finder, Place, difference, excess, layouts
from conformance.models.mistakes import Mistake, Mistakes
from conformance.models.operation import Span
from conformance.models.padding import padding_hint
from conformance.models.placed import MOST_FOLDED
from conformance.models.recorded import record_of
from conformance.models.repeating import Evidence
from conformance.models.source import Source, Step

_TAKEN: Final = "taken from the candidate: nothing that is installed computes it"


class LayerJudge(Mistakes):
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
        super().__init__(source, held, Finder(held, given, first))
        self.findings: dict[str, Finding] = {}
        self.evidence: Evidence | None = None
        self._unknown: set[int] = set()
        self._missing: set[int] = set()
        self._most_pending = (
            len(source.steps) if self._is_named or self._has_outputs_alone else MOST_FOLDED
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

    def _must_be_there(self, step: Step) -> bool:
        """Whether a candidate must have a layer's output: it is the model's, or told by name."""
        if step.output in self.source.outputs:
            return True
        shape = self._span(step).value.shape
        return bool(self.finder.told(step.name, shape))

    def _accept(self, index: int, pending: Sequence[int]) -> bool:
        """Judge a layer whose output is found, and those folded into it; False if it is not."""
        step = self.source.steps[index]
        try:
            span = self._span(step)
        except (ValueError, IndexError):
            return self._cannot_take(step)
        if step.operation.kind == "identity" and not self.finder.fixed(step.name, span):
            return self._pass_on(step, span)
        place = self._settled(step, span) or self.finder.find(step.name, span, self._after(step))
        if place is None or difference_of(place, self.held, span) > 1:
            return self._nearly(index, span, pending) or self._narrower(index, pending)
        if self._is_rather_behind(index, span, place):
            self._spans[step.output] = span
            return False
        self._keep(step, place)
        folded = [i for i in pending if self._is_upstream(i, index)]
        self._settle(step, span, place, folded)
        return True

    def _normalized_by(self, index: int) -> int:
        """The normalization that alone takes a layer's output, and may be folded in; or 0."""
        output = self.source.steps[index].output
        takers = [i for i, step in enumerate(self.source.steps) if output in step.sources]
        is_one = len(takers) == 1 and output not in self.source.outputs
        kinds = [self.source.steps[i].operation.kind for i in takers]
        return takers[0] if is_one and kinds == ["normalization"] else 0

    def _is_rather_behind(self, index: int, span: Span, place: Place) -> bool:
        """Whether a tensor is nearer to what a normalization makes of a layer's output.

        One that changes next to nothing does so within the bound of the layer's own sums.
        """
        behind = self._normalized_by(index)
        if not behind or "values" not in place.how:
            return False
        values, both = place.read(self.held), self._through([index, behind], {})
        return float(np.abs(values - both.value).sum()) < float(np.abs(values - span.value).sum())

    def _nearly(self, index: int, span: Span, pending: Sequence[int]) -> bool:
        """Blame a layer whose output is found but for elements that are off by next to nothing.

        Beyond the bound, but by less than a rounding of the largest number that it takes or makes:
        what an approximation that is right on that scale alone makes of small values.  Not of a
        layer that is computed with others, whose mistakes may be of that size as well.
        """
        step = self.source.steps[index]
        self._spans[step.output] = span
        if self._normalized_by(index) or any(self._is_upstream(i, index) for i in pending):
            return False
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
        self._blame(index, [index], place, "")
        return True

    def _narrower(self, index: int, pending: Sequence[int]) -> bool:
        """Blame a layer that a candidate computes in a narrower format than the source."""
        step, after = self.source.steps[index], self._after(self.source.steps[index])
        chain = [*(i for i in pending if self._is_upstream(i, index)), index]
        own = step.operation.format
        dtypes = {tensor.dtype for tensor in self.held.tensors}
        for name in dtypes & {n for n, f in FORMATS.items() if f.precision < own.precision}:
            operations = {i: self.source.steps[i].operation for i in chain}
            changed = {i: replace(o, format=FORMATS[name]) for i, o in operations.items()}
            span = self._through(chain, changed)
            place = self._settled(step, span) or self.finder.find(step.name, span, after)
            is_found = place is not None and difference_of(place, self.held, span) <= 1
            if place is None or not is_found or self._dtype(place) != name:
                continue
            words = f"it is computed in {name} in place of {own.name}"
            self._blame(index, chain, place, words)
            return True
        return False

    def _cannot_take(self, step: Step) -> bool:
        """A layer whose input, of a wrong shape, is none that it takes: nothing is known of it."""
        shape = self.source.shape_of(step, len(self.held.inputs[0]))
        self._spans[step.output] = Span(np.zeros(shape), np.full(shape, np.inf))
        self._unknown.add(step.output)
        given = ", ".join(str(one.value.shape) for one in step.given_by(self._input))
        words = f"the candidate's input of it has the shape {given}, which the layer does not take"
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

    def _settle(self, step: Step, span: Span, place: Place, folded: Sequence[int]) -> None:
        values = place.read(self.held)
        unbounded = not np.isfinite(span.error).all()
        if unbounded:
            self._note(step, Verdict.NOT_JUDGED, None, _unbounded(step, values, span), place)
        else:
            problem = self._exactly(step, values) if not folded else None
            verdict = Verdict.WRONG if problem else _verdict(values, span, self._dtype(place))
            ratio = difference(values, span)
            self._note(step, verdict, ratio, problem or self._callable_words(step), place)
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
            if end.output not in self.source.outputs:
                continue
            position = self.source.outputs.index(end.output)
            if position >= len(names):
                continue
            name = names[position]
            tensor = self.held.by_name.get(name)
            if tensor is None:
                return 0
            shape = self._through(chain, {}).value.shape
            axes = (layouts(tensor.shape, shape) or (tuple(range(len(tensor.shape))),))[0]
            place = Place(name, axes, "being the output")
            if not self._has_outputs_alone:
                return 1 + self._blame(chain[0], chain, place, "")
            done = self._blame(chain[-1], chain, place, "")
            self._doubt(chain)
            return 1 + done
        return 0

    def _doubt(self, chain: Sequence[int]) -> None:
        """Say of a wrong output that any of the layers that make it may be the wrong one."""
        made = [i for i in chain[:-1] if self._is_upstream(i, chain[-1])]
        names = tuple(self.source.steps[i].name for i in (*made, chain[-1]))
        found = self.findings[names[-1]]
        if len(names) > 1 and found.verdict is Verdict.WRONG:
            self.findings[names[-1]] = replace(found, among=names)

    def _by_nearness(self, index: int) -> int:
        step = self.source.steps[index]
        found = self.finder.nearest(step.name, self._span(step), self._after(step))
        if found is None or found[1] > 1:
            return 0
        return 1 + self._blame(index, [index], found[0], "")

    def _blame(self, index: int, chain: Sequence[int], place: Place, fault: str) -> int:
        """Record that a layer is wrong, judged with others of its chain; the last one's index."""
        steps = self.source.steps
        step, end = steps[index], steps[chain[-1]]
        span, values = self._through(chain, {}), place.read(self.held)
        message, ratio = _wrong(values, span, self._dtype(place))
        self._note_others(index, chain, place)
        if self._unknown.intersection(s for i in chain for s in steps[i].sources):
            words = "it follows a layer whose input has a shape that it does not take"
            self._note(step, Verdict.NOT_JUDGED, None, words, place)
        elif record := self._record(step, chain, place, span, message) if not fault else None:
            self._note(step, Verdict.KNOWN, ratio, message, place, "", record.identifier)
        else:
            if not fault and len(chain) == 1:
                fault = self._named_fault(step, place) or self._explained(step, values)
            said = message + self._remarks(index, chain, place, fault)
            self._note(step, Verdict.WRONG, ratio, said, place, fault)
            self._hold(step, [steps[i] for i in chain], values, span)
        self._keep(end, place)
        return max(self._last_done(chain), index)

    def _note_others(self, index: int, chain: Sequence[int], place: Place) -> None:
        """The layers that a wrong one was judged with are not judged."""
        words = f"judged together with {self.source.steps[index].name}, which is wrong"
        for i in chain:
            if i != index:
                self._note(self.source.steps[i], Verdict.NOT_JUDGED, None, words, place)

    def _callable_words(self, step: Step) -> str:
        """How an activation that is a callable was judged; empty for any other."""
        function = step.operation.settings.get("activation")
        if not callable(function):
            return ""
        rank = len(self.source.shape_of(step, len(self.held.inputs[0])))
        return f"the activation is a callable: {how_judged(function, rank)}"

    def _remarks(self, index: int, chain: Sequence[int], place: Place, fault: str) -> str:
        """What it was judged with, the padding if that is what is wrong, and how it was judged."""
        step = self.source.steps[index]
        others = [self.source.steps[i].name for i in chain if i != index]
        said = f" (judged with {', '.join(others)})" if others else ""
        if "pad" in fault.lower() and index == chain[0]:
            shape = self._input(step.inputs[0]).value.shape
            said += padding_hint(step, shape, self.held.by_name[place.name].maker)
        own = self._callable_words(step)
        return f"{said} ({sentence_case(own)}.)" if own else said

    def _record(
        self, step: Step, chain: Sequence[int], place: Place, span: Span, message: str
    ) -> Record | None:
        """The known deviation of what runs the candidate that explains a layer's error."""
        given, values = step.given_by(self._input), place.read(self.held)
        is_alone = len(chain) == 1 and len(given) == 1 and not given[0].error.any()
        if not is_alone or values.shape != span.value.shape:
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


def _wrong(values: Floats, span: Span, dtype: str) -> tuple[str, float]:
    """What is wrong with a tensor, and its worst error in units of the bound."""
    if values.shape != span.value.shape:
        words = f"The shape is {values.shape}, but should be {span.value.shape}."
        return words, float("inf")
    wrong = WrongElements.of(values, span.value.astype(dtype), span.error, excess(values, span))
    if not wrong.count:
        return "", wrong.ratio
    return f"{sentence_case(wrong.sentence())}.", wrong.ratio
