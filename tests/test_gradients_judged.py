"""The judge of gradients: right ones in any order of summation pass, planted faults do not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from conformance.cases.case import Case, parse
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.cases.operands import operands
from conformance.golden.encoding import DataWriter, outcome_entry, outcome_of
from conformance.golden.expected import expected_entry, expected_value
from conformance.implementations.observation import observe_calls
from conformance.implementations.plugin import Plugin
from conformance.judge.expectation import expect, expect_by_definition
from conformance.judge.judge import judge
from conformance.judge.verdict import Judgement, Verdict
from conformance.outcomes import Rejection, Unsupported, Value

Array = np.ndarray[Any, Any]
Gradients = dict[str, Array]


def in_float32(case: Case, given: Any) -> Gradients:
    """The gradients of a linear channels_last convolution in float32, one product at a time."""
    x, w, u = given.inputs, given.weights["kernel"], given.upstream
    groups = facts(case).groups
    parts = zip(*(np.split(array, groups, -1) for array in (x, w, u)), strict=True)
    by_group = [_of_group(case, *part) for part in parts]
    found = {
        name: np.concatenate([one[name] for one in by_group], -1) for name in ("inputs", "kernel")
    }
    if "bias" in given.weights:
        found["bias"] = u.reshape(-1, u.shape[-1]).sum(0)
    return found


def _of_group(case: Case, x: Array, w: Array, u: Array) -> Gradients:
    found = {"inputs": np.zeros_like(x), "kernel": np.zeros_like(w)}
    axes = facts(case).axes
    outputs = product(*(range(a.output) for a in axes))
    for o, t in product(outputs, list(np.ndindex(w.shape[:-2]))):
        place = tuple(
            a.stride * i - a.pad_before + a.dilation * j for a, i, j in zip(axes, o, t, strict=True)
        )
        if all(0 <= i < a.length for i, a in zip(place, axes, strict=True)):
            found["inputs"][(slice(None), *place)] += u[(slice(None), *o)] @ w[t].T
            found["kernel"][t] += x[(slice(None), *place)].T @ u[(slice(None), *o)]
    return found


def is_plain(case: Case) -> bool:
    """A linear float32 convolution with its channels last, of some outputs."""
    known = facts(case)
    return (
        case.observe == "gradients"
        and known.is_convolution
        and case.dtype == "float32"
        and known.activation is None
        and not known.channels_first
        and 0 not in known.output_shape
    )


PLAIN = tuple(case for case in grid("standard") if is_plain(case))
CHOSEN = tuple(parse(descriptor) for descriptor in (
    "Conv1D/observe:gradients/inputs:2x7x3/filters:4/kernel_size:3/strides:2/padding:same",
    "Conv2D/observe:gradients/inputs:2x7x8x3/filters:4/kernel_size:2x3/strides:2x1",
    "Conv2D/observe:gradients/inputs:2x7x8x3/operands:reals/filters:4/kernel_size:3x3/padding:same",
))  # fmt: skip


def judged(case: Case, gradients: Any) -> Judgement:
    """The judgement of these gradients."""
    given = operands(case)
    return judge(case, given, expect(case, given), Value(gradients))


def test_plain_float32_arithmetic_conforms() -> None:
    """No false alarm on any geometry and kind of operands of the grid."""
    assert len(PLAIN) > 200
    for case in PLAIN:
        with np.errstate(over="ignore"):
            found = in_float32(case, operands(case))
        judgement = judged(case, found)
        assert judgement.verdict is Verdict.CONFORMS, (case, judgement)


def _bias_of_one_sample(g: Gradients, given: Any) -> Gradients:
    spatial = tuple(range(given.upstream.ndim - 2))
    return g | {"bias": given.upstream[0].sum(spatial)}


def _inputs_of_one_sample(g: Gradients, _: Any) -> Gradients:
    return g | {"inputs": np.broadcast_to(g["inputs"][:1], g["inputs"].shape)}


def _one_element_off(g: Gradients, _: Any) -> Gradients:
    spoilt = g["inputs"].copy()
    spoilt.reshape(-1)[5] += np.float32(1 / 64)
    return g | {"inputs": spoilt}


FAULTS: dict[str, Callable[[Gradients, Any], dict[str, Any]]] = {
    "kernel not turned around": lambda g, _: g | {"kernel": g["kernel"][::-1]},
    "reversed channels": lambda g, _: g | {"inputs": g["inputs"][..., ::-1]},
    "mean over the batch": lambda g, _: g | {"kernel": g["kernel"] / np.float32(2)},
    "bias of one sample": _bias_of_one_sample,
    "inputs of one sample": _inputs_of_one_sample,
    "one element off": _one_element_off,
    "zeros": lambda g, _: {name: np.zeros_like(a) for name, a in g.items()},
    "no bias": lambda g, _: {name: a for name, a in g.items() if name != "bias"},
    "a wider type": lambda g, _: g | {"kernel": g["kernel"].astype(np.float64)},
    "none": lambda g, _: g | {"kernel": None},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_planted_faults_are_caught(case: Case, fault: str) -> None:
    """Each wrong gradient deviates, whatever the others are."""
    given = operands(case)
    wrong = FAULTS[fault](in_float32(case, given), given)
    assert judged(case, wrong).verdict is Verdict.DEVIATES


def test_the_message_names_the_gradient() -> None:
    """Which gradient is wrong, where, and by how much."""
    case = CHOSEN[0]
    found = in_float32(case, operands(case))
    found["bias"] = found["bias"] + np.float32(1)
    judgement = judged(case, found)
    assert judgement.message.startswith("Gradient of bias: 4 of 4 elements are wrong")
    assert judgement.stage == "exact"


def test_another_tie_deviates() -> None:
    """The last instead of the first of equal elements."""
    case = parse("MaxPooling1D/observe:gradients/inputs:2x9x4/operands:small/pool_size:3")
    given = operands(case)
    assert given.inputs is not None
    turned = given.inputs[:, ::-1], given.upstream[:, ::-1]  # type: ignore[index]
    import reference_impl

    layer = reference_impl.layers.MaxPooling1D(3)
    last = layer.gradients(*turned)["inputs"][:, ::-1]
    assert judged(case, {"inputs": last}).verdict is Verdict.DEVIATES


def test_both_subgradients_at_a_kink_conform() -> None:
    """Relu at exactly zero: 0 and 1 are both accepted, 2 is not."""
    case = parse("Conv1D/observe:gradients/inputs:4x9x1/operands:small/filters:5/kernel_size:2/"
                 "activation:relu")  # fmt: skip
    given = operands(case)
    assert given.upstream is not None
    at_kink = _sums(given) == 0
    assert at_kink.any()
    for slope, verdict in ((0.0, "conforms"), (1.0, "conforms"), (2.0, "deviates")):
        slopes = np.where(at_kink, slope, _sums(given) > 0).astype(np.float32)
        upstream = type(given)(given.inputs, given.weights, given.upstream * slopes)
        assert judged(case, in_float32(case, upstream)).verdict == verdict, slope


QUOTIENTS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda x: np.exp(x) / (1 + np.exp(x)) ** 2,
    "softplus": lambda x: np.exp(x) / (1 + np.exp(x)),
    "tanh": lambda x: 1 - (np.sinh(x) / np.cosh(x)) ** 2,
}
"""Slopes as quotients of what overflows: right near zero, NaN far out."""


@pytest.mark.parametrize("name", QUOTIENTS)
def test_slopes_that_overflow_are_found_far_out_and_nowhere_else(name: str) -> None:
    """Operands of magnitude one do not show them; those of `slopes` do, which are in the grid."""
    near = parse(f"Conv1D/observe:gradients/inputs:2x9x3/operands:reals/filters:4/kernel_size:2/"
                 f"activation:{name}")  # fmt: skip
    (far,) = (
        case
        for case in grid("standard")
        if case.operands == "slopes" and case.dtype == "float32" and facts(case).activation == name
    )
    for case, verdict in ((near, Verdict.CONFORMS), (far, Verdict.DEVIATES)):
        given = operands(case)
        with np.errstate(all="ignore"):
            slopes = QUOTIENTS[name](_sums(given).astype(np.float32))
            upstream = type(given)(given.inputs, given.weights, given.upstream * slopes)
            assert judged(case, in_float32(case, upstream)).verdict is verdict


def test_a_slope_beyond_the_range_accuses_nobody() -> None:
    """The exponential overflows in the kernel of one that multiplies an infinite slope by zero."""
    case = parse("Conv1D/observe:gradients/inputs:1x131x3/operands:slopes/filters:1/kernel_size:1/"
                 "activation:exponential")  # fmt: skip
    given = operands(case)
    with np.errstate(all="ignore"):
        slopes = np.exp(_sums(given).astype(np.float32))
        assert np.isinf(slopes).any()
        upstream = type(given)(given.inputs, given.weights, given.upstream * slopes)
        gradients = in_float32(case, upstream)
    assert np.isnan(gradients["inputs"]).any()
    assert judged(case, gradients).verdict is Verdict.CONFORMS
    gradients["inputs"][np.isfinite(gradients["inputs"])] += 1
    assert judged(case, gradients).verdict is Verdict.DEVIATES


def test_the_definition_adds_infinite_factors_as_floating_point_does() -> None:
    """A slope of e**800, times 0, 1 and -1, and beside another one of the other sign."""
    case = Case.of("Conv1D", (1, 3, 1), observe="gradients", dtype="float64", filters=3,
                   kernel_size=1, activation="exponential")  # fmt: skip
    inputs = np.array([1.0, 800.0, 2.0]).reshape(1, 3, 1)
    weights = {"kernel": np.array([[[1.0, 0.0, -1.0]]]), "bias": np.zeros(3)}
    upstream = np.ones((1, 3, 3))
    given = type(operands(case))(inputs, weights, upstream)
    found = expect_by_definition(case, given).value
    e = np.exp([1.0, 2.0])
    assert found["inputs"][0, 1, 0] == np.inf
    assert found["bias"].tolist()[:2] == [np.inf, 3.0]
    assert found["kernel"][0, 0, 0] == np.inf
    assert found["inputs"][0, ::2, 0] == pytest.approx(e - 1 / e, rel=1e-15)
    weights["kernel"][0, 0, 1] = 1.0
    upstream[..., 1] = -1.0
    assert np.isnan(expect_by_definition(case, given).value["inputs"][0, 1, 0])
    of_the_oracle = expect(case, given).value
    for name, values in expect_by_definition(case, given).value.items():
        assert np.array_equal(values, of_the_oracle[name], equal_nan=True)


def _sums(given: Any) -> Array:
    x, w = given.inputs, given.weights["kernel"]
    windows = np.stack([x[:, i : x.shape[1] - len(w) + 1 + i] for i in range(len(w))], 2)
    return np.asarray(np.einsum("notc,tcf->nof", windows, w) + given.weights["bias"])


def test_an_answer_that_changes_is_a_deviation_of_its_own() -> None:
    """Each gradient is computed twice."""
    case = CHOSEN[0]
    given = operands(case)
    found = in_float32(case, given)
    answers = iter([found, found | {"bias": found["bias"] + np.float32(1)}])
    outcome = observe_calls(lambda: next(answers), {})
    judgement = judge(case, given, expect(case, given), outcome)
    assert judgement.stage == "repeat"
    assert "gradient of bias" in judgement.message


def test_empty_outputs_give_zeros_and_nothing_else() -> None:
    """Uninitialised memory in the place of a sum of no terms deviates."""
    case = parse("Conv1D/observe:gradients/inputs:0x5x3/filters:4/kernel_size:3")
    given = operands(case)
    expected = expect(case, given).value
    assert judged(case, expected).verdict is Verdict.CONFORMS
    spoilt = expected | {"kernel": np.full((3, 3, 4), 1e-30, np.float32)}
    assert judged(case, spoilt).verdict is Verdict.DEVIATES


def test_stored_gradients_are_read_back() -> None:
    """The fixtures' entries of gradients: expected, equal, a rounding apart, repeated."""
    case = CHOSEN[2]
    given, writer = operands(case), DataWriter()
    expectation = expect_by_definition(case, given)
    entry = expected_entry(expectation, writer)
    near = in_float32(case, given)
    outcome = Value(near, near | {"bias": near["bias"] * 2})
    observed = outcome_entry(outcome, expectation.value, writer)
    expected = expected_value(entry, writer.content())
    again = outcome_of(observed, expected, writer.content())
    assert isinstance(again, Value)
    for name, array in near.items():
        assert np.array_equal(expected[name], expectation.value[name])
        assert again.value[name].tobytes() == array.tobytes()
    assert again.repeat["bias"].tolist() == (near["bias"] * 2).tolist()


class _WithGradients:
    """A plug-in that offers gradients."""

    name = "plug-in"

    @staticmethod
    def Conv1D(inputs: Array, weights: Gradients, config: dict[str, Any]) -> Array:  # noqa: N802
        raise NotImplementedError

    @staticmethod
    def gradients(
        layer: str, inputs: Array, weights: Gradients, config: dict[str, Any], upstream: Array
    ) -> Gradients:
        assert layer == "Conv1D"
        assert config["strides"] == (2,)
        given = type(operands(CHOSEN[0]))(inputs, weights, upstream)
        return in_float32(CHOSEN[0], given)


def test_plug_ins_may_offer_gradients() -> None:
    """Called with the upstream gradient; left out, they are unsupported."""
    case = CHOSEN[0]
    given = operands(case)
    outcome = Plugin("plug-in", _WithGradients).evaluate(case, given)
    assert judge(case, given, expect(case, given), outcome).verdict is Verdict.CONFORMS
    without = type("Without", (), {"Conv1D": _WithGradients.Conv1D})
    assert isinstance(Plugin("other", without).evaluate(case, given), Unsupported)
    refused = judge(case, given, expect(case, given), Rejection("ValueError", "no"))
    assert refused.verdict is Verdict.DEVIATES
