"""What is done instead of the gradients of the definition: Keras 3.15 and torch 2.13."""

from __future__ import annotations

from typing import Any, Final

from conformance.cases.facts import Facts
from conformance.known_deviations.record import KnownDeviation, rejects, returns_a_value

_EVERY_MODE: Final = ("tf.keras", "tf.keras[*")
_OWN_KERNELS: Final = ("tf.keras", "tf.keras[graph]")
_COMPILED: Final = ("tf.keras[jit*",)
_IN_GRAPHS: Final = ("tf.keras[graph*", "tf.keras[jit*")
_VERSIONS: Final = {"keras": "3.15.*", "tensorflow": "2.21.*"}


def _record(identifier: str, clause: str, **fields: Any) -> KnownDeviation:
    common = {
        "implementations": _EVERY_MODE,
        "versions": _VERSIONS,
        "happens": returns_a_value,
        "always": False,
    }
    return KnownDeviation(identifier=identifier, clause=clause, **{**common, **fields})


def _differentiates(facts: Facts) -> bool:
    return facts.observes_gradients and facts.is_convolution


def _has_empty_axis(facts: Facts) -> bool:
    return _differentiates(facts) and 0 in facts.output_shape and facts.batch != 0


def _pools(facts: Facts) -> bool:
    return facts.observes_gradients and facts.is_pooling


def _is_narrow(facts: Facts) -> bool:
    return _differentiates(facts) and facts.case.dtype in ("float16", "bfloat16")


RECORDS: Final[tuple[KnownDeviation, ...]] = (
    _record(
        "tf.keras-gradient-of-empty-output",
        "conv.gradients.empty",
        implementations=_OWN_KERNELS,
        applies=_has_empty_axis,
        instead="the kernel's gradient of an output without elements is uninitialised memory",
        reproducer="tf_keras_gradient_empty.py",
    ),
    _record(
        "tf.keras-gradient-of-empty-output-compiled",
        "conv.gradients.empty",
        implementations=_COMPILED,
        applies=lambda facts: _differentiates(facts) and 0 in facts.output_shape,
        happens=rejects("InvalidArgumentError"),
        instead="XLA refuses the gradient of an output without elements as a window of length 0",
    ),
    _record(
        "tf.keras-gradient-narrow-sums",
        "conv.gradients.exact",
        applies=_is_narrow,
        instead="partial sums of float16 and bfloat16 gradients are rounded to that type",
        reproducer="tf_keras_gradient_bfloat16.py",
    ),
    _record(
        "tf.keras-gradient-of-sparsemax",
        "conv.gradients.activation",
        applies=lambda facts: _differentiates(facts) and facts.activation == "sparsemax",
        instead="sparsemax is not what it is defined as, and neither is its gradient",
        reproducer="tf_keras_sparsemax.py",
    ),
    _record(
        "tf.keras-gradient-of-subnormals",
        "maxpooling.gradients.inputs",
        applies=lambda facts: _pools(facts) and facts.case.operands == "subnormal",
        instead="subnormal numbers count as equal, so that the first of the window gets the "
        "gradient",
        reproducer="tf_keras_gradient_subnormal.py",
    ),
    _record(
        "tf.keras-gradient-without-channels",
        "maxpooling.gradients.empty",
        implementations=_IN_GRAPHS,
        applies=lambda facts: _pools(facts) and facts.channels == 0,
        happens=rejects(),
        instead="in a graph, inputs without channels are refused",
    ),
    _record(
        "torch.nn-gradient-narrow-sums",
        "conv.gradients.exact",
        implementations=("torch.nn[no-mkldnn]",),
        versions={"torch": "2.13.*"},
        applies=_is_narrow,
        instead="partial sums of float16 and bfloat16 gradients, such as over the batch, are "
        "rounded to that type",
        reproducer="torch_nn_gradient_bfloat16.py",
    ),
)
