"""What single modes of tf.keras do instead: on oneDNN's kernels, in graphs, compiled by XLA."""

from __future__ import annotations

from typing import Any, Final

from conformance.cases.facts import Facts
from conformance.known_deviations.record import (
    KnownDeviation,
    ends_the_process,
    pools_to_nothing,
    rejects,
    returns_a_value,
)
from conformance.outcomes import Outcome, Rejection, Value

_ONEDNN: Final = ("tf.keras[onednn]", "tf.keras[graph,onednn]")
_TRACED: Final = ("tf.keras[graph*", "tf.keras[jit*")
_VERSIONS: Final = {"keras": "3.15.*", "tensorflow": "2.21.*"}
_SPECIAL: Final = ("one_nan", "one_infinity", "specials")


def _record(identifier: str, clause: str, **fields: Any) -> KnownDeviation:
    common = {"versions": _VERSIONS, "happens": returns_a_value, "always": False}
    return KnownDeviation(identifier=identifier, clause=clause, **{**common, **fields})


def _is_empty(facts: Facts) -> bool:
    return facts.case.inputs is not None and 0 in facts.case.inputs


def _returns_or_rejects(outcome: Outcome) -> bool:
    return isinstance(outcome, Value | Rejection)


def _convolves(facts: Facts) -> bool:
    return facts.is_convolution and facts.observes_values


RECORDS: Final[tuple[KnownDeviation, ...]] = (
    _record(
        "tf.keras-onednn-empty-input",
        "conv.batch.zero",
        implementations=_ONEDNN,
        applies=lambda facts: (
            _is_empty(facts)
            and (_convolves(facts) or (facts.is_convolution and facts.observes_gradients))
        ),
        happens=_returns_or_rejects,
        instead="the convolution of an empty input has the shape of its input",
        reproducer="tf_onednn_empty_input.py",
    ),
    _record(
        "tf.keras-onednn-pooling-ends-process",
        "maxpooling.padding.valid-too-small",
        implementations=_ONEDNN,
        applies=pools_to_nothing,
        happens=ends_the_process,
        instead="max pooling divides by zero and ends the process where the output is just empty",
        reproducer="tf_onednn_pooling_crash.py",
    ),
    _record(
        "tf.keras-onednn-fused-relu-drops-nan",
        "conv.values.nan",
        implementations=("tf.keras[graph,onednn]",),
        applies=lambda facts: (
            _convolves(facts)
            and facts.activation in ("relu", "relu6")
            and facts.case.operands in _SPECIAL
        ),
        instead="relu fused with the convolution turns NaN into 0",
        reproducer="tf_onednn_fused_relu.py",
    ),
    _record(
        "tf.keras-onednn-bfloat16-not-local",
        "conv.output.locality",
        implementations=_ONEDNN,
        applies=lambda facts: (
            _convolves(facts) and facts.case.dtype == "bfloat16" and facts.case.operands in _SPECIAL
        ),
        instead="products are filled up to pairs: a neighbour of the window is multiplied by "
        "zero, and an infinity or NaN there gives NaN",
        by_processor=True,
        reproducer="tf_onednn_bfloat16_infinity.py",
    ),
    _record(
        "tf.keras-padding-not-multiplied",
        "conv.padding.nonfinite-kernel",
        implementations=(*_ONEDNN, "tf.keras[jit*"),
        applies=lambda facts: (
            _convolves(facts)
            and facts.case.operands in ("kernel_nan", "kernel_infinity")
            and facts.padding == "same"
        ),
        instead="padding is skipped, so that a kernel element over it has no part even if it is "
        "infinite or NaN",
    ),
    _record(
        "tf.keras-traced-pooling-without-channels",
        "maxpooling1d.output.maximum",
        implementations=_TRACED,
        applies=lambda facts: facts.is_pooling and facts.observes_values and facts.channels == 0,
        happens=rejects("ValueError"),
        instead="max pooling of an input without channels is refused in a graph",
        reproducer="tf_graph_pooling_without_channels.py",
    ),
    _record(
        "tf.keras-traced-sparsemax-float16",
        "conv.activation.sparsemax",
        implementations=_TRACED,
        applies=lambda facts: (
            facts.is_convolution
            and (facts.observes_values or facts.observes_gradients)
            and facts.activation == "sparsemax"
            and facts.case.dtype == "float16"
        ),
        happens=rejects("ValueError"),
        instead="sparsemax in float16 cannot be traced: tf.range takes no float16 in a graph",
    ),
    _record(
        "tf.keras-onednn-pooling-gradient-of-empty",
        "maxpooling.gradients.empty",
        implementations=("tf.keras[graph,onednn]",),
        applies=lambda facts: facts.is_pooling and facts.observes_gradients and _is_empty(facts),
        happens=ends_the_process,
        instead="the gradient of max pooling of an empty array ends the process",
        reproducer="tf_onednn_pooling_gradient_crash.py",
    ),
)
