"""A source against a candidate: the whole judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from conformance.models.candidates import Array, Held, Runner
from conformance.models.errors import CandidateError, ModelError
from conformance.models.findings import RANK, Finding, Verdict, Whole, merged
from conformance.models.inputs import KINDS, generated
from conformance.models.judging import LayerJudge
from conformance.models.matching import Place
from conformance.models.repeating import Evidence
from conformance.models.source import Source
from conformance.models.wholes import judge_whole


@dataclass(frozen=True)
class Comparison:
    """What came of a candidate.

    Attributes:
        candidate: its name.
        maker: what ran it.
        findings: one per layer, in order.
        wholes: the final outputs, one per kind of inputs and output.
        evidence: what the first wrong layer was judged by, where it can be repeated.
        failure: why there is nothing of these: it crashed, timed out or raised when it was run.
    """

    candidate: str
    maker: str
    findings: tuple[Finding, ...]
    wholes: tuple[tuple[str, Whole], ...] = field(default=())
    evidence: Evidence | None = None
    failure: CandidateError | None = None

    @property
    def first_wrong(self) -> Finding | None:
        """The first layer that is wrong."""
        return next((f for f in self.findings if f.verdict == Verdict.WRONG), None)

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict of a layer, or wrong where an output is beyond its bound, or none."""
        if self.failure is not None:
            return Verdict.WRONG
        beyond = [w for _, w in self.wholes if w.message or (w.ratio is not None and w.ratio > 1)]
        if beyond:
            return Verdict.WRONG
        return max((f.verdict for f in self.findings), key=RANK.index, default=Verdict.NOT_JUDGED)

    @property
    def headline(self) -> str:
        """The verdict, or what the candidate did instead of answering."""
        if self.failure is not None:
            return self.failure.ending
        is_known = self.verdict is Verdict.KNOWN
        return "right but for known deviations" if is_known else self.verdict.value


def compare(
    source: Source,
    runner: Runner,
    inputs: Sequence[Array] | None = None,
    given: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Judge a candidate on the given inputs, or on generated ones of each kind.

    Args:
        source: the source.
        runner: the candidate.
        inputs: an array per input of the source.
        given: layers with their tensors' names.
        progress: is told what is being done.

    Raises:
        ModelError: if the candidate takes other inputs, or `given` names what does not exist.
    """
    try:
        with np.errstate(all="ignore"):  # values that overflow are judged, not warned of
            return _compared(source, runner, inputs, given or {}, progress)
    except CandidateError as error:
        return Comparison(runner.name, runner.maker, (), failure=error)


def _compared(
    source: Source,
    runner: Runner,
    inputs: Sequence[Array] | None,
    given: Mapping[str, str],
    progress: Callable[[str], None],
) -> Comparison:
    runner.input_names = source.names
    sets = {"given": [*inputs]} if inputs else {k: generated(source.model, k) for k in KINDS}
    results: list[list[Finding]] = []
    wholes: list[tuple[str, Whole]] = []
    places: dict[str, Place] = {}
    evidence: list[Evidence] = []
    for kind, arrays in sets.items():
        progress(f"{runner.name}: {kind} inputs")
        held = Held(runner, arrays)
        _check_map(given, source, held)
        judge = LayerJudge(source, held, given, places)
        results.append(judge.run())
        evidence += [judge.evidence] if judge.evidence is not None else []
        places = places or judge.places
        wholes += [(kind, whole) for whole in _wholes(source, runner, arrays, judge)]
    made = Comparison(runner.name, runner.maker, tuple(merged(results)), tuple(wholes))
    first = made.first_wrong
    told = [e for e in evidence if first and e.layer == first.layer and e.can_be_told]
    return replace(made, evidence=told[0]) if told else made


def _wholes(
    source: Source, runner: Runner, arrays: Sequence[Array], judge: LayerJudge
) -> list[Whole]:
    """The final outputs judged; of a dict by layer name those that it has."""
    outputs = runner.outputs(arrays)
    if not outputs:
        outputs = [judge.output(number) for number in source.outputs]
        if any(array is None for array in outputs):
            return []
    return judge_whole(source, arrays, outputs)


def _check_map(given: Mapping[str, str], source: Source, held: Held) -> None:
    layers = {step.name for step in source.steps}
    for layer, tensor in given.items():
        if layer not in layers:
            raise ModelError(
                f"--map: the source has no layer {layer!r}: {', '.join(sorted(layers))}"
            )
        if tensor not in held.by_name:
            raise ModelError(
                f"--map: the candidate has no tensor {tensor!r} of floating point; --verbose "
                "shows those that were found"
            )
