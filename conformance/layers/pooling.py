"""MaxPooling1D and MaxPooling2D, and what poolings share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from conformance.cases.case import Case
from conformance.cases.facts import Facts
from conformance.cases.grids.values import ONLY_OF_SUMS, POOLED_DTYPES
from conformance.layers.windowed import (
    COMMON,
    DATA_FORMAT,
    FORMATS,
    PADDINGS,
    SIZE,
    Array,
    Windowed,
    levels,
)
from conformance.spec.covers import gradients, outputs, rejections

if TYPE_CHECKING:
    from conformance.diagnosis.evaluation import Prediction, Steps
    from conformance.judge.definition import Operands
    from conformance.judge.verdict import Judgement


class Pooling(Windowed):
    """A layer that reduces every window, channel by channel."""

    module = "layers.pooling"
    noun = "a pooling layer"
    window = "pool_size"
    pools = True
    left_out_kinds = ONLY_OF_SUMS
    integer_dtypes = POOLED_DTYPES


class Pooling1D(Pooling):
    """A pooling over one axis."""

    rank = 1
    signature = {"pool_size": 2, "strides": None, "padding": "valid"}
    factors = {
        "pool_size": levels("pool_size", 2, 3, 1),
        "strides": levels("strides", None, 1, 2, 3),
        **COMMON,
    }
    spatial = (9,)
    accepted = ((2, 8, 3), {})
    bad_values = {
        "pool_size": (*SIZE, (0,), (2, 2), [-2], (2.5,)),
        "strides": (0, -1, 2.5, "2", (), (0,), (2, 2), (1.5,)),
        "padding": (*PADDINGS, "causal"),
        "foo": (1,),
    }
    without_output = (
        ((2, 1, 3), {}),
        ((2, 3, 3), {"pool_size": 5}),
        ((2, 2, 3), {"pool_size": 3, "strides": 1}),
    )
    wrong_ranks = ((8,), (2, 8), (2, 7, 8, 3))
    other_values = {"pool_size": 3, "strides": 4, "padding": "same"}
    positions = (2, 3)


class Pooling2D(Pooling):
    """A pooling over two axes."""

    rank = 2
    signature = {"pool_size": (2, 2), "strides": None, "padding": "valid", "data_format": None}
    factors = {
        "pool_size": levels("pool_size", 2, (2, 3), (3, 1)),
        "strides": levels("strides", None, 1, 2, (1, 2), (3, 2)),
        "data_format": DATA_FORMAT,
        **COMMON,
    }
    spatial = (7, 8)
    accepted = ((2, 7, 8, 3), {})
    bad_values = {
        "pool_size": (*SIZE, (0, 2), (2, 0), [2, -1], (2,), (2, 2, 2), (2.5, 2)),
        "strides": (0, -1, 2.5, "2", (), (0, 1), (1, 0), [1, -1], (2,), (2, 2, 2), (1.5, 1)),
        "padding": (*PADDINGS, "causal"),
        "data_format": FORMATS,
        "foo": (1,),
    }
    without_output = (
        ((2, 1, 1, 3), {}),
        ((2, 2, 9, 3), {"pool_size": (3, 2)}),
        ((2, 9, 2, 3), {"pool_size": (2, 4), "strides": 1}),
        ((2, 3, 2, 9), {"pool_size": 3, "data_format": "channels_first"}),
    )
    wrong_ranks = ((8,), (7, 8), (7, 8, 3), (1, 2, 7, 8, 3))
    other_values = {
        "pool_size": (3, 4),
        "strides": (1, 2),
        "padding": "same",
        "data_format": "channels_first",
    }
    positions = (3, 4)


class MaxPooling(Pooling):
    """The largest element of each window."""

    family = "maxpooling"
    selects = True
    covers = {
        "output": outputs.POOLING_OUTPUT,
        "gradients": gradients.POOLING,
        "shape": outputs.POOLING_SHAPE,
        "rejection": rejections.POOLING,
    }

    def output(self, case: Case, operands: Operands) -> Sequence[Any]:
        """The largest input of each window and channel."""
        from conformance.judge.definition.layers import max_pooling

        values: Sequence[Any] = self.reduced(case, operands, max_pooling)
        return values

    def pulled_back(
        self, known: Facts, inputs: Array, upstream: Array, weights: dict[str, Array]
    ) -> dict[str, Array]:
        """Each upstream element goes to the first largest input of its window."""
        from conformance.judge.definition.backward import pooled
        from conformance.judge.definition.layers import format_of

        del weights
        return {"inputs": pooled(inputs, upstream, known.windows, format_of(known.case.dtype))}

    def gradient_judge(
        self, case: Case, operands: Operands
    ) -> Callable[[str, Array, Array], Judgement]:
        """Sums of upstream elements of overlapping windows, in any order."""
        from conformance.judge.gradients import judge_pooling

        if not operands.inputs.size:
            return super().gradient_judge(case, operands)
        return lambda _, actual, expected: judge_pooling(case, operands, actual, expected)

    def predict(
        self, case: Case, operands: Operands, steps: Steps, *, with_error: bool
    ) -> Prediction:
        """As `Layer.predict`."""
        from conformance.diagnosis.evaluation import predict_pooling

        del with_error
        return predict_pooling(case, operands, steps, steps.pool)


class MaxPooling1D(MaxPooling, Pooling1D):
    """The third section of the documentation."""


class MaxPooling2D(MaxPooling, Pooling2D):
    """The fourth section of the documentation."""
