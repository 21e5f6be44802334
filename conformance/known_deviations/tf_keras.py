"""What tf.keras does instead of the documentation: Keras 3.15 on TensorFlow 2.21."""

from __future__ import annotations

from typing import Any, Final

from conformance.cases.facts import Facts
from conformance.cases.scenarios.training import convolution_of
from conformance.known_deviations.record import (
    KnownDeviation,
    pools_to_nothing,
    rejects,
    returns_a_value,
)

_EVERY_MODE: Final = ("tf.keras", "tf.keras[*")
_VERSIONS: Final = {"keras": "3.15.*", "tensorflow": "2.21.*"}
_SIZES: Final = ("strides", "dilation_rate", "kernel_size", "pool_size")


def _record(identifier: str, clause: str, **fields: Any) -> KnownDeviation:
    common = {"implementations": _EVERY_MODE, "versions": _VERSIONS, "happens": returns_a_value}
    return KnownDeviation(identifier=identifier, clause=clause, **{**common, **fields})


def _has_fractional_size(facts: Facts) -> bool:
    sizes = [facts.case.keywords.get(name) for name in _SIZES]
    return any(isinstance(size, tuple) and any(n % 1 for n in size) for size in sizes)


def _pools(facts: Facts, *operands: str) -> bool:
    return facts.is_pooling and facts.observes_values and facts.case.operands in operands


def _is_as_wide_as_its_bias(facts: Facts) -> bool:
    """A channels_first convolution with as many filters as the last axis of its output is long."""
    if facts.case.observe in ("training", "constrained_training"):
        facts = Facts(convolution_of(facts.case))
    elif not (facts.observes_values or facts.observes_gradients):
        return False
    convolves = facts.is_convolution and facts.channels_first and facts.has_axes
    return (
        convolves
        and bool(facts.config["use_bias"])
        and facts.config["filters"] == facts.axes[-1].output
    )


_DEFECTS: Final = (
    _record(
        "tf.keras-bias-on-last-axis",
        "conv2d.use-bias.true",
        implementations=("tf.keras[onednn]", "tf.keras[graph,onednn]", "tf.keras[jit*"),
        applies=_is_as_wide_as_its_bias,
        instead="the bias is added along the last axis where that is as long as the bias",
        reason="keras.ops.add takes any such sum for tf.nn.bias_add in channels_last",
        always=False,
        reproducer="tf_keras_bias_axis.py",
    ),
    _record(
        "tf.keras-sparsemax-threshold",
        "conv.activation.sparsemax",
        applies=lambda facts: facts.observes_values and facts.activation == "sparsemax",
        instead="sparsemax takes the sum of cumulative sums for the cumulative sum: rows with more "
        "than one part no longer sum to one",
        always=False,
        reproducer="tf_keras_sparsemax.py",
    ),
    _record(
        "tf.keras-gelu-float64",
        "conv.activation.gelu",
        applies=lambda facts: (
            facts.observes_values and facts.activation == "gelu" and facts.case.dtype == "float64"
        ),
        instead="gelu in float64 divides by a square root of two that was rounded to float32, "
        "an error of 2e-8 of the argument",
        reproducer="tf_keras_gelu_float64.py",
    ),
    _record(
        "tf.keras-pooling-drops-nan",
        "maxpooling.values.nan",
        applies=lambda facts: _pools(facts, "one_nan", "specials"),
        instead="a NaN is lost in windows that hold a number too",
        reason="reported as tensorflow#2501",
        always=False,
        reproducer="tf_keras_pooling_nan.py",
    ),
    _record(
        "tf.keras-pooling-lowest",
        "maxpooling.values.infinity",
        applies=lambda facts: _pools(facts, "lowest"),
        instead="a window of nothing but -infinity gives the lowest finite number",
        reproducer="tf_keras_pooling_infinity.py",
        always=False,
    ),
    _record(
        "tf.keras-pooling-flushes-subnormals",
        "maxpooling.values.range",
        applies=lambda facts: _pools(facts, "subnormal"),
        instead="subnormal numbers count as zero",
        reproducer="tf_keras_pooling_subnormal.py",
        always=False,
    ),
    _record(
        "tf.keras-constant-by-name",
        "conv.initializer.constant",
        applies=lambda facts: (
            facts.case.observe == "initial_weights"
            and str(facts.case.keywords.get("kernel_initializer")).lower() == "constant"
        ),
        happens=rejects("KeyError"),
        instead="the name 'constant' raises KeyError, although the value has a default",
        reproducer="tf_keras_constant.py",
    ),
    _record(
        "tf.keras-orthogonal-columns-of-array",
        "conv.regularizer.orthogonal",
        applies=lambda facts: facts.case.observe == "array_penalty",
        instead="in columns mode, the rows of a NumPy array are normalised instead of its columns",
        reproducer="tf_keras_orthogonal.py",
        always=False,
    ),
    _record(
        "tf.keras-fractional-size",
        "conv.strides.positive",
        applies=lambda facts: facts.observes_rejection and _has_fractional_size(facts),
        instead="a fraction inside a tuple of sizes is accepted and truncated",
        always=False,
    ),
    _record(
        "tf.keras-pooling-empty-output",
        "maxpooling.padding.valid-too-small",
        applies=pools_to_nothing,
        instead="called eagerly, a window that does not fit gives an empty array where the "
        "length is just too small; symbolically it is refused",
        always=False,
    ),
)

_OTHERWISE_DOCUMENTED: Final = (
    _record(
        "keras-3-positional-order",
        "conv1d.signature.order",
        applies=lambda facts: (
            facts.case.observe in ("positional_arguments", "declaration_by_position")
        ),
        happens=lambda outcome: True,
        instead="the order of positional arguments is another: data_format and groups stand "
        "before the activation, batch_size after the shape",
        always=False,
    ),
    _record(
        "keras-3-import-paths",
        "conv1d.signature.import-path",
        applies=lambda facts: facts.case.observe == "import_path",
        instead="the documented module path is gone; the layer is keras.layers.NAME",
        always=False,
    ),
    _record(
        "keras-3-border-mode",
        "maxpooling2d.border-mode.name",
        applies=lambda facts: facts.case.observe == "border_mode",
        happens=rejects("ValueError"),
        instead="border_mode is no argument; it is called padding",
    ),
    _record(
        "keras-3-dim-ordering",
        "conv2d.data-format.keras1-names",
        applies=lambda facts: facts.case.observe == "dim_ordering",
        happens=rejects("ValueError"),
        instead="dim_ordering is no argument; it is called data_format",
    ),
    _record(
        "keras-3-settings-of-keras-1",
        "conv2d.data-format.keras1-names",
        applies=lambda facts: facts.case.observe == "keras_json_of_keras_1",
        instead="image_dim_ordering in keras.json is ignored",
        always=False,
    ),
    _record(
        "keras-3-use-bias-by-truth",
        "conv.use-bias.boolean",
        applies=lambda facts: facts.observes_rejection and facts.given("use_bias"),
        instead="use_bias takes anything by its truth value",
    ),
    _record(
        "keras-3-sparse-by-truth",
        "input.sparse.flag",
        applies=lambda facts: facts.observes_rejection and facts.given("sparse"),
        instead="sparse takes anything by its truth value",
        always=False,
    ),
    _record(
        "keras-3-feeds-other-shapes",
        "input.batch-shape.expected",
        applies=lambda facts: facts.case.observe == "feeding",
        instead="a batch of another size, or with a trailing axis of one, is accepted",
        always=False,
    ),
)

RECORDS: Final[tuple[KnownDeviation, ...]] = (*_DEFECTS, *_OTHERWISE_DOCUMENTED)
