"""The judgement of gradients: each is a convolution, and judged as one.

With ``y = conv(x, w) + b`` and the gradient g of y, the gradient of the kernel is the convolution
of x with g as the kernel, batch and channels as well as stride and dilation exchanged; that of the
inputs is the convolution of g, spread by the strides, with the kernel turned around; that of the
bias is the product of g with ones.  So each has K products, and the bounds and statistics of
`sums`: K is batch times outputs for the kernel and the bias, window times filters for the inputs.

In groups, filters and channels of different groups do not meet: the kernel turned around has the
filters of a group where the inputs are g, and x the samples of a group one after the other where
the kernel is g.

Through an activation, g itself is off by what `slopes` derives, and the sums by those errors times
the magnitudes of the other operand; where g may leave the format's range, what it takes part in is
not judged.  Errors of g do not have random signs; then only the bound applies.

Max pooling adds up one upstream element for each window that an input is the largest of: at most as
many terms as the window has taps.  Flatten moves elements.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import KINDS
from conformance.judge.activations import named, through_slope
from conformance.judge.bounds import Bound
from conformance.judge.boxes import Box
from conformance.judge.contraction import as_float64, contract
from conformance.judge.definition import Operands
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.judge.elements import judge_equality, judge_within
from conformance.judge.equality import equal
from conformance.judge.running_error import Floats, growth
from conformance.judge.sums import Convolution, Gauge, half_ulp
from conformance.judge.verdict import Judgement, Verdict
from conformance.layers.registry import LAYERS
from reference_impl.ops.geometry import WindowAxis

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class _Sums(Convolution):
    """A gradient as a convolution.

    Attributes:
        name: which: ``inputs``, ``kernel`` or ``bias``.
        errors: how far the factor that is g can be off, in its own layout; None for not at all.
    """

    name: str = "inputs"
    errors: Floats | None = None

    @property
    def order(self) -> tuple[int, ...]:
        """As `Convolution.order`; the kernel's channels are the samples of its convolution."""
        if self.name != "kernel":
            return super().order
        samples, *window, filters = range(len(self.axes) + 2)
        return *window, samples, filters

    def laid_out(self, sums: Any) -> Any:
        """The sums as the gradient is laid out."""
        if self.name == "kernel":
            return sums.transpose(self.order)
        return sums.reshape(-1) if self.name == "bias" else super().laid_out(sums)

    def part(self, box: Box) -> Convolution:
        """As `Convolution.part`; errors of g that are laid out like the inputs are cut as they."""
        part = super().part(box)
        if self.name != "inputs" or self.errors is None:
            return part
        errors = Convolution.part(replace(self, inputs=self.errors, errors=None), box).inputs
        return replace(part, errors=errors)  # type: ignore[call-arg]


class _GradientGauge(Gauge):
    """The sums of a gradient, whose factor g may itself be off."""

    @property
    def error(self) -> Floats:
        """How far the gradient of a correct implementation can be off."""
        return super().error + self._from_factor

    @property
    def _from_factor(self) -> Floats | float:
        """What the errors of g add."""
        c = self.convolution
        if not isinstance(c, _Sums) or c.errors is None:
            return 0.0
        inputs, kernel = np.abs(c.inputs), np.abs(c.kernel)
        with np.errstate(all="ignore"):
            if c.name == "inputs":
                added = contract(c.errors, kernel, c.axes)
            else:
                added = contract(inputs, c.errors, c.axes)
            added = added * (1 + growth(self.products + 1, self.format.unit_roundoff))
        return np.where(np.isnan(added), np.inf, added)


def _exchanged(axis: WindowAxis) -> WindowAxis:
    return axis._replace(
        window=axis.output, output=axis.window, stride=axis.dilation, dilation=axis.stride
    )


def _transposed(axis: WindowAxis) -> WindowAxis:
    spread = (axis.output - 1) * axis.stride + 1
    before = (axis.window - 1) * axis.dilation - axis.pad_before
    return WindowAxis(spread, axis.window, 1, axis.dilation, before, 0, axis.length)


def _spread(values: Floats, axes: tuple[WindowAxis, ...]) -> Floats:
    lengths = [(axis.output - 1) * axis.stride + 1 for axis in axes]
    spread = np.zeros((values.shape[0], *lengths, values.shape[-1]))
    spread[(slice(None), *(slice(None, None, axis.stride) for axis in axes))] = values
    return spread


def convolution_gauges(
    case: Case, operands: Operands, factor: tuple[Floats, Floats] | None = None
) -> dict[str, Gauge]:
    """The gauges of the gradients of a convolution with at least one output, by name.

    Args:
        case: the case.
        operands: its operands.
        factor: g and its errors, laid out as the output, where they are not the case's: of an
            activation that it has no name for.
    """
    forward = Convolution.of(case, operands)
    upstream, kind = as_float64(operands.upstream), KINDS[case.operands]
    exact = kind.exact and kind.exact_gradients and not named(forward.activation).slope_rounds
    gradient, errors = upstream, None
    if factor is not None:
        gradient, errors = factor
    elif forward.activation != "linear":
        sums = Gauge(forward)
        lay = forward.laid_out
        running = through_slope(
            forward.activation,
            lay(sums.centre),
            lay(sums.error),
            upstream,
            forward.format,
            exact=exact,
        )
        gradient = running.value
        # The expected sums are those of g rounded to float64.
        errors = running.error + np.abs(gradient) * FORMATS["float64"].unit_roundoff
        if exact and not running.error.any():
            errors = None
        else:
            gradient, errors = _within_range(gradient, errors, forward.format)
    if forward.channels_first:
        gradient = np.moveaxis(gradient, 1, -1)
        errors = None if errors is None else np.moveaxis(errors, 1, -1)
    common: dict[str, Any] = {
        "format": forward.format,
        "exact": exact,
        "random_sign": kind.random_sign and errors is None,
    }
    found = {
        "inputs": _to_inputs(forward, gradient, errors, common),
        "kernel": _to_kernel(forward, gradient, errors, common),
    }
    if "bias" in operands.weights:
        found["bias"] = _to_bias(gradient, errors, common)
    return {name: _GradientGauge(sums) for name, sums in found.items()}


def _within_range(gradient: Floats, errors: Floats, fmt: Format) -> tuple[Floats, Floats]:
    """A factor that may leave the format's range has no bound: times zero it is then NaN."""
    leaves = ~(np.abs(gradient) + errors <= fmt.largest)
    return np.where(leaves, 0.0, gradient), np.where(leaves, np.inf, errors)


def _to_inputs(
    forward: Convolution, gradient: Floats, errors: Floats | None, common: dict[str, Any]
) -> _Sums:
    turned = np.flip(forward.kernel, tuple(range(len(forward.axes))))
    parts = np.split(turned, forward.groups, -1)
    return _Sums(
        inputs=_spread(gradient, forward.axes),
        kernel=np.concatenate([np.swapaxes(part, -1, -2) for part in parts], -1),
        bias=np.zeros(forward.inputs.shape[-1]),
        axes=tuple(map(_transposed, forward.axes)),
        channels_first=forward.channels_first,
        name="inputs",
        errors=None if errors is None else _spread(errors, forward.axes),
        **common,
    )


def _to_kernel(
    forward: Convolution, gradient: Floats, errors: Floats | None, common: dict[str, Any]
) -> _Sums:
    return _Sums(
        inputs=np.concatenate(
            [np.swapaxes(part, 0, -1) for part in np.split(forward.inputs, forward.groups, -1)], -1
        ),
        kernel=np.moveaxis(gradient, 0, -2),
        bias=np.zeros(gradient.shape[-1]),
        axes=tuple(map(_exchanged, forward.axes)),
        name="kernel",
        errors=None if errors is None else np.moveaxis(errors, 0, -2),
        **common,
    )


def _to_bias(gradient: Floats, errors: Floats | None, common: dict[str, Any]) -> _Sums:
    filters = gradient.shape[-1]
    terms = gradient.reshape(1, -1, filters)
    return _Sums(
        inputs=np.ones((1, 1, terms.shape[1])),
        kernel=terms,
        bias=np.zeros(filters),
        axes=(WindowAxis(1, 1, 1, 1, 0, 0, 1),),
        name="bias",
        errors=None if errors is None else errors.reshape(1, -1, filters),
        **common,
    )


def judge_gradients(
    case: Case,
    operands: Operands,
    expected: dict[str, Array],
    actual: dict[str, Array],
    *,
    strict: bool,
) -> Judgement:
    """The elements of all gradients, which have the right names, shapes and dtypes.

    Args:
        case: the case.
        operands: its operands.
        expected: the correctly rounded gradients.
        actual: the gradients given.
        strict: whether nothing but the expected values is accepted.
    """
    wrong = [name for name in expected if not equal(actual[name], expected[name])]
    if not wrong:
        return Judgement(Verdict.CONFORMS, ratio=0.0)
    judge_one = _strictly if strict else LAYERS[case.layer].gradient_judge(case, operands)
    judgements = {name: judge_one(name, actual[name], expected[name]) for name in wrong}
    objections = {n: j for n, j in judgements.items() if j.verdict != Verdict.CONFORMS}
    if not objections:
        return Judgement(Verdict.CONFORMS, ratio=max(j.ratio or 0.0 for j in judgements.values()))
    return _joined(objections)


def _strictly(_: str, actual: Array, expected: Array) -> Judgement:
    return judge_equality(actual, expected)


def _joined(objections: dict[str, Judgement]) -> Judgement:
    """The objections to several gradients as one."""
    first = next(iter(objections.values()))
    message = " ".join(f"Gradient of {name}: {j.message}" for name, j in objections.items())
    ratio = max(j.ratio or 0.0 for j in objections.values())
    return Judgement(Verdict.DEVIATES, message, ratio, first.stage, first.diagnosis)


def judge_pooling(case: Case, operands: Operands, actual: Array, expected: Array) -> Judgement:
    """Sums of upstream elements of overlapping windows, in any order."""
    known = facts(case)
    if KINDS[case.operands].exact or not _overlap(known.axes):
        return judge_equality(actual, expected)
    magnitude = _pooled_magnitudes(case, operands)
    fmt = FORMATS[case.dtype]
    taps = int(np.prod(known.window))
    wide = as_float64(expected)
    bound = growth(taps - 1, fmt.unit_roundoff) * magnitude + half_ulp(wide, fmt)
    judgement = judge_within(Bound(wide, bound), actual, expected)
    return judgement if judgement.verdict is Verdict.CONFORMS else judge_equality(actual, expected)


def _overlap(axes: tuple[WindowAxis, ...]) -> bool:
    return any(axis.stride < axis.window for axis in axes)


def _pooled_magnitudes(case: Case, operands: Operands) -> Floats:
    """The gradient of the magnitudes: the oracle run on absolute values, in float64.

    Infinite where it is beyond the layer's dtype, in which sums in some order may then overflow.
    """
    import reference_impl

    arguments = {**case.keywords, "dtype": "float64"}
    layer = LAYERS[case.layer].made_by(reference_impl, arguments)
    upstream = np.abs(as_float64(operands.upstream))
    magnitude = as_float64(layer.gradients(as_float64(operands.inputs), upstream)["inputs"])
    return np.where(magnitude > FORMATS[case.dtype].largest, np.inf, magnitude)
