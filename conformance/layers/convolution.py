"""Conv1D and Conv2D."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.cases.grids import additions
from conformance.cases.operands import KINDS
from conformance.judge.definition.arguments import excludes_dilation
from conformance.judge.definition.rounding import FORMATS as NUMBERS
from conformance.layers.layer import REQUIRED
from conformance.layers.windowed import (
    COMMON,
    DATA_FORMAT,
    FORMATS,
    PADDINGS,
    SIZE,
    Array,
    Windowed,
    channels_last,
    given,
    levels,
)
from conformance.spec.covers import gradients as covers_gradients
from conformance.spec.covers import outputs, rejections

if TYPE_CHECKING:
    from conformance.diagnosis.evaluation import Prediction, Steps
    from conformance.judge.definition import Operands
    from conformance.judge.expectation import Expectation
    from conformance.judge.sums import Gauge
    from conformance.judge.verdict import Judgement

_WEIGHTED: Final[dict[str, Any]] = {
    "activation": None,
    "use_bias": True,
    "kernel_initializer": "glorot_uniform",
    "bias_initializer": "zeros",
    "kernel_regularizer": None,
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": None,
    "bias_constraint": None,
}
_OTHER_VALUES: Final[dict[str, Any]] = {
    "activation": "relu",
    "use_bias": False,
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l1",
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
}
_GLOROT: Final = {"class_name": "GlorotUniform", "config": {}}
_FACTORS: Final[dict[str, Any]] = {
    "filters": given("filters", 4, 2, 5),
    "activation": levels("activation", None, "linear", "tanh", "sigmoid"),
    "use_bias": levels("use_bias", True, False),
    "kernel_initializer": levels("kernel_initializer", "glorot_uniform", "zeros", _GLOROT),
    "bias_initializer": levels("bias_initializer", "zeros", "random_normal"),
    "kernel_regularizer": levels("kernel_regularizer", None, "l2"),
    "bias_regularizer": levels("bias_regularizer", None, "l1"),
    "activity_regularizer": levels("activity_regularizer", None, "l2"),
    "kernel_constraint": levels("kernel_constraint", None, "max_norm"),
    "bias_constraint": levels("bias_constraint", None, "non_neg"),
    **COMMON,
}
_BAD_VALUES: Final[dict[str, tuple[Any, ...]]] = {
    "filters": (0, -1, 2.5, None, "4", (4,)),
    "use_bias": ("no", 2),
    "activation": ("foo", "", 3, "threshold"),
    "kernel_initializer": ("foo", "xavier", 3, "identity"),
    "bias_initializer": ("foo",),
    "kernel_regularizer": ("foo", "l3"),
    "bias_regularizer": ("foo",),
    "activity_regularizer": ("foo",),
    "kernel_constraint": ("foo", 3),
    "bias_constraint": ("foo",),
    "foo": (1,),
    "groups": (0, -1, 2.5, None, "2", (2,)),
}


class Convolution(Windowed):
    """A layer that contracts every window with a kernel, and adds a bias and an activation."""

    family = "conv"
    module = "layers.convolutional"
    noun = "a convolution"
    window = "kernel_size"
    convolves = True
    added = {"groups": 1}
    left_out_kinds = frozenset({"lowest"})
    grids = {
        "smoke": (*Windowed.grids["smoke"], additions.smoke, additions.gradients_smoke),
        "standard": (
            *Windowed.grids["standard"],
            additions.standard,
            additions.gradients,
            additions.rejections,
            additions.more_causal,
        ),
        "full": (*Windowed.grids["full"], additions.full),
    }
    covers = {
        "output": outputs.CONVOLUTION_OUTPUT,
        "gradients": covers_gradients.CONVOLUTION,
        "shape": outputs.CONVOLUTION_SHAPE,
        "rejection": rejections.CONVOLUTION,
    }
    names = {"output": outputs.named_activation}
    minimal = {"filters": 4, "kernel_size": 3}

    def objections_together(self, case: Case) -> Iterator[str]:
        """Strides and dilation exclude each other."""
        if excludes_dilation(case.keywords):
            yield "strides: any stride other than 1 excludes any dilation_rate other than 1"
        groups, filters = case.keywords.get("groups", 1), case.keywords["filters"]
        if filters % groups:
            yield f"groups={groups}: a divisor of the {filters} filters is expected"

    def objections_to_channels(self, known: Facts) -> Iterator[str]:
        """As `Windowed.objections_to_channels`."""
        if not known.channels:
            yield (
                f"inputs of shape {known.case.inputs}: a known number of channels, at least one, "
                "is expected"
            )
        elif known.channels % known.groups:
            yield f"groups={known.groups}: a divisor of the {known.channels} channels is expected"
        if str(known.arguments.get("kernel_initializer")).lower() == "identity":
            yield "kernel_initializer='identity': a kernel of two axes is expected"
        if known.case.dtype not in NUMBERS:
            yield f"dtype={known.case.dtype!r}: one of {', '.join(NUMBERS)} is expected"

    def objections_to_input(self, case: Case) -> Iterator[str]:
        """As `Windowed`, and glu halves the last axis."""
        yield from super().objections_to_input(case)
        if facts(case).activation == "glu" and (super().output_shape(case)[-1] or 0) % 2:
            yield "activation='glu': an even length of the output's last axis is expected"

    def output_channels(self, known: Facts) -> int:
        """One channel for each filter."""
        return int(known.config["filters"])

    def output_shape(self, case: Case) -> tuple[int | None, ...]:
        """As `Windowed`; glu halves the last axis."""
        *shape, last = super().output_shape(case)
        if facts(case).activation == "glu" and last is not None:
            last //= 2
        return *shape, last

    def output(self, case: Case, operands: Operands) -> Sequence[float]:
        """The activation of ``sum x w + b``."""
        from conformance.judge.definition.layers import (
            activate,
            convolution,
            format_of,
            with_channels_first,
        )

        known = facts(case)
        bias = operands.weights["bias"] if known.config["use_bias"] else None
        inputs = channels_last(operands.inputs, known)
        sums = convolution(inputs, operands.weights["kernel"], bias, known.windows)
        sums = with_channels_first(sums) if known.channels_first else sums
        return activate(sums, known.activation or "linear", format_of(case.dtype))

    def pulled_back(
        self, known: Facts, inputs: Array, upstream: Array, weights: dict[str, Array]
    ) -> dict[str, Array]:
        """Every product ``x w`` adds ``g w`` to the gradient of x, and ``g x`` to that of w."""
        from conformance.judge.definition.backward import convolved
        from conformance.judge.definition.layers import format_of

        return convolved(
            inputs,
            weights,
            upstream,
            known.windows,
            known.activation or "linear",
            format_of(known.case.dtype),
            channels_first=known.channels_first,
        )

    def weight_shapes(self, case: Case) -> dict[str, tuple[int, ...]]:
        """Shapes of kernel and bias."""
        known = facts(case)
        if len(case.inputs or ()) != self.rank + 2:
            return {}
        try:
            channels = (known.channels or 0) // known.groups
            sizes = (*known.window, channels, known.config["filters"])
        except (TypeError, ValueError):
            return {}
        counts = [size for size in sizes if type(size) is int and size >= 0]
        if len(counts) != len(sizes) or len(sizes) != self.rank + 2:
            return {}
        bias = {"bias": (counts[-1],)} if known.config["use_bias"] else {}
        return {"kernel": tuple(counts), **bias}

    def gauge(self, case: Case, operands: Operands) -> Gauge:
        """The sums of the convolution."""
        from conformance.judge.sums import Convolution as Sums
        from conformance.judge.sums import Gauge

        return Gauge(Sums.of(case, operands))

    def judge_output(
        self, case: Case, operands: Operands, expectation: Expectation, actual: Array
    ) -> Judgement:
        """By the errors of sums of products."""
        from conformance.judge.elements import judge_sums

        gauge = expectation.gauge(case, operands)
        assert gauge is not None
        return judge_sums(gauge, actual, expectation.value)

    def gradient_judge(
        self, case: Case, operands: Operands
    ) -> Callable[[str, Array, Array], Judgement]:
        """Each gradient is a convolution too, if there is anything to sum."""
        from conformance.judge.elements import judge_equality, judge_sums
        from conformance.judge.gradients import convolution_gauges

        if not (operands.upstream.size and operands.inputs.size):
            return super().gradient_judge(case, operands)
        gauges = convolution_gauges(case, operands)

        def judge(name: str, actual: Array, expected: Array) -> Judgement:
            if name not in gauges:
                return judge_equality(actual, expected)
            return judge_sums(gauges[name], actual, expected)

        return judge

    def largest_error(self, case: Case, operands: Operands, expectation: Expectation) -> float:
        """As `Layer.largest_error`."""
        from conformance.judge.bounds import output_bound

        gauge = expectation.gauge(case, operands)
        plain = facts(case).activation in (None, "linear", "relu")
        exact = KINDS[case.operands].exact and plain and case.dtype in ("float32", "float64")
        if gauge is None or exact:
            return 0.0
        bound = output_bound(gauge, expectation.wide, gauge.error).error
        return float(np.max(bound, where=np.isfinite(bound), initial=0.0))

    def predict(
        self, case: Case, operands: Operands, steps: Steps, *, with_error: bool
    ) -> Prediction:
        """As `Layer.predict`."""
        from conformance.diagnosis.evaluation import predict_convolution

        return predict_convolution(case, operands, steps, with_error=with_error)


class Conv1D(Convolution):
    """The first section of the documentation."""

    rank = 1
    paddings = ("valid", "same", "causal")
    signature = {
        "filters": REQUIRED,
        "kernel_size": REQUIRED,
        "strides": 1,
        "padding": "valid",
        "dilation_rate": 1,
        **_WEIGHTED,
    }
    factors = {
        "kernel_size": given("kernel_size", 3, (2,), [4], 1),
        "step": (
            *levels("strides", 1, 2, (3,), [2]),
            *given("dilation_rate", 1, 2, (3,), [2]),
            {"strides": 1, "dilation_rate": 2},
            {"strides": [2], "dilation_rate": (1,)},
        ),
        **_FACTORS,
    }
    spatial = (10,)
    accepted = ((2, 8, 3), {"filters": 4, "kernel_size": 3})
    bad_values = {
        "kernel_size": (*SIZE, (0,), [-1], (3, 3), [2, 2, 2], (2.5,)),
        "strides": (*SIZE, (0,), (1, 1), [-2], (1.5,)),
        "dilation_rate": (*SIZE, (0,), (1, 1), [-2], (1.5,)),
        "padding": PADDINGS,
        **_BAD_VALUES,
    }
    exclusive = ((2, 2), (2, 3), (3, 2), ((2,), (2,)), ([2], [4]), (2, (2,)))
    without_output = (
        ((2, 2, 3), {"filters": 4, "kernel_size": 3}),
        ((2, 1, 3), {"filters": 4, "kernel_size": 4, "strides": 2}),
        ((2, 4, 3), {"filters": 4, "kernel_size": 3, "dilation_rate": 2}),
        ((2, 0, 3), {"filters": 4, "kernel_size": 1}),
    )
    wrong_ranks = ((8,), (2, 8), (8, 3), (2, 7, 8, 3))
    bad_arguments = ({"kernel_size": 3}, {"filters": 4}, {})
    other_values = {"strides": 2, "padding": "same", "dilation_rate": 3, **_OTHER_VALUES}
    positions = (4, 5, 14)


class Conv2D(Convolution):
    """The second section of the documentation."""

    rank = 2
    signature = {
        "filters": REQUIRED,
        "kernel_size": REQUIRED,
        "strides": (1, 1),
        "padding": "valid",
        "data_format": None,
        "dilation_rate": (1, 1),
        **_WEIGHTED,
    }
    factors = {
        "kernel_size": given("kernel_size", 3, (2, 3), [3, 2], 1),
        "step": (
            *levels("strides", 1, 2, (2, 1), [1, 3]),
            *given("dilation_rate", 1, 2, (1, 2), [3, 1]),
            {"strides": (1, 1), "dilation_rate": (2, 1)},
            {"strides": [3, 2], "dilation_rate": 1},
        ),
        "data_format": DATA_FORMAT,
        **_FACTORS,
    }
    spatial = (7, 5)
    accepted = ((2, 7, 8, 3), {"filters": 4, "kernel_size": (3, 2)})
    bad_values = {
        "kernel_size": (*SIZE, (0, 3), (3, 0), [3, -1], (3,), (3, 3, 3), (2.5, 3)),
        "strides": (*SIZE, (0, 1), (1, 0), [1, -1], (2,), (1, 1, 1), (1.5, 1)),
        "dilation_rate": (*SIZE, (0, 1), (1, 0), [1, -1], (2,), (1, 1, 1), (1.5, 1)),
        "padding": (*PADDINGS, "causal"),
        "data_format": FORMATS,
        **_BAD_VALUES,
    }
    exclusive = (
        (2, 2),
        ((2, 1), (1, 2)),
        ((1, 2), (2, 1)),
        ((1, 2), (1, 2)),
        ((2, 1), (2, 1)),
        ([3, 1], 2),
        (2, [1, 3]),
        ((2, 3), (3, 2)),
    )
    without_output = (
        ((2, 2, 2, 3), {"filters": 4, "kernel_size": 3}),
        ((2, 2, 9, 3), {"filters": 4, "kernel_size": (3, 2)}),
        ((2, 9, 2, 3), {"filters": 4, "kernel_size": (2, 3)}),
        ((2, 9, 4, 3), {"filters": 4, "kernel_size": 3, "dilation_rate": (1, 2)}),
        ((2, 3, 2, 9), {"filters": 4, "kernel_size": 3, "data_format": "channels_first"}),
        ((2, 0, 4, 3), {"filters": 4, "kernel_size": 1}),
    )
    wrong_ranks = ((8,), (7, 8), (7, 8, 3), (1, 2, 7, 8, 3))
    bad_arguments = ({"kernel_size": (3, 2)}, {"filters": 4}, {})
    other_values = {
        "strides": (2, 3),
        "padding": "same",
        "data_format": "channels_first",
        "dilation_rate": (3, 2),
        **_OTHER_VALUES,
    }
    positions = (6, 7, 15)
