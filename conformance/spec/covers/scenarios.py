"""The clauses tested by scenarios."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from conformance.cases.facts import Facts
from conformance.spec.covers.names import IDENTIFIERS, KINDS, name_of
from conformance.spec.covers.outputs import Table, always, named_activation

Names = Callable[[Facts], Iterable[str]]


def _given(argument: str) -> Callable[[Facts], bool]:
    return lambda f: f.given(argument)


def _identifiers(f: Facts, kind: str) -> list[Any]:
    """The identifiers that the case gives for the arguments of a kind."""
    given = (f.arguments.get(argument) for argument in KINDS[kind])
    return [value for value in given if value is not None]


def _has_form(kind: str, form: type) -> Callable[[Facts], bool]:
    return lambda f: any(isinstance(value, form) for value in _identifiers(f, kind))


def _named(kind: str) -> Names:
    """The clauses of the predefined names that the case gives."""

    def names(f: Facts) -> Iterable[str]:
        known = IDENTIFIERS[kind]
        found = (known.get(name_of(value) or "") for value in _identifiers(f, kind))
        return [clause for clause in found if clause]

    return names


def _forms(kind: str) -> Table:
    return {
        f"conv.{kind}.by-name": _has_form(kind, str),
        f"conv.{kind}.by-configuration": _has_form(kind, dict),
    }


_FIRST_VALUES: Final[Table] = {
    "conv.kernel-initializer.values": _given("kernel_initializer"),
    "conv.bias-initializer.values": _given("bias_initializer"),
}
_PENALTIES: Final[Table] = {
    "{layer}.kernel-regularizer.penalty": _given("kernel_regularizer"),
    "conv.bias-regularizer.penalty": _given("bias_regularizer"),
    "conv.activity-regularizer.penalty": _given("activity_regularizer"),
}
_PROJECTIONS: Final[Table] = {
    "conv.kernel-constraint.projection": _given("kernel_constraint"),
    "conv.bias-constraint.projection": _given("bias_constraint"),
}


def _is_added(f: Facts) -> bool:
    """An argument or a padding mode is given that the documentation does not name."""
    return f.padding == "causal" or any(map(f.given, f.descriptor.added))


_ARGUMENTS: Final[Mapping[str, Table]] = {
    "default_value": {
        "{layer}.signature.defaults": always,
        "{layer}.activation.none": _given("activation"),
        "{layer}.strides.none": lambda f: f.is_pooling and f.given("strides"),
        "conv2d.data-format.never-set": _given("data_format"),
        "maxpooling2d.data-format.default": _given("data_format"),
        "flatten.data-format.default": _given("data_format"),
    },
    "positional_arguments": {"{layer}.signature.order": always},
    "configuration": {
        "{layer}.signature.keywords": lambda f: not _is_added(f),
        "conv.groups.configuration": _given("groups"),
        "conv1d.padding.causal": lambda f: f.padding == "causal",
    },
    "import_path": {"{layer}.signature.import-path": always},
    "border_mode": {"maxpooling2d.border-mode.name": always},
    "dim_ordering": {"conv2d.data-format.keras1-names": always},
    "integer_dtype": {"conv.dtype.not-floating": always},
}

_WEIGHTS: Final[Mapping[str, Table]] = {
    "weights": {
        "conv.weights.layout": always,
        "{layer}.use-bias.false": lambda f: not f.config["use_bias"],
    },
    "other_channels": {"conv.input.channels-fixed": always},
    "initial_weights": {**_FIRST_VALUES, **_forms("initializer")},
    "initial_weights_of_object": {"conv.initializer.by-object": always},
    "initial_weights_of_callable": {"conv.initializer.by-callable": always},
    "fourier_weights": {"conv.initializer.stft": always},
    "initial_matrix": {"conv.initializer.identity": always},
    "initial_spread": {**_FIRST_VALUES, **_forms("initializer")},
    "initial_orthogonality": {"conv.initializer.orthogonal": always},
    "losses": {
        **_PENALTIES,
        **_forms("regularizer"),
        "{layer}.signature.defaults": lambda f: not _identifiers(f, "regularizer"),
    },
    "losses_of_object": {"conv.regularizer.by-object": always},
    "losses_of_callable": {"conv.regularizer.by-callable": always},
    "matrix_penalty": {"conv.regularizer.orthogonal": always},
    "array_penalty": {"conv.regularizer.orthogonal": always},
    "constrained_weights": {**_PROJECTIONS, **_forms("constraint")},
    "constrained_weights_of_object": {"conv.constraint.by-object": always},
    "constrained_weights_of_callable": {"conv.constraint.by-callable": always},
}

_MODELS: Final[Mapping[str, Table]] = {
    "no_activation": {"{layer}.activation.none": always, "conv.activation.linear": always},
    "activation_of_callable": {"conv.activation.callable": always},
    "activation_forms": {"conv.activation.forms": always},
    "remark": {"conv1d.remark.as-conv2d": always},
    "first_layer": {
        "{layer}.input-shape.first-layer": always,
        "{layer}.padding.valid": lambda f: f.is_pooling,
        "flatten.output.shape": always,
    },
    "free_length": {
        "conv1d.input-shape.free-length": always,
        "conv.input.any-length": lambda f: f.is_convolution,
        "{layer}.padding.valid": lambda f: f.is_pooling,
        "flatten.output.free-length": always,
    },
    "any_length": {"conv.input.any-length": always},
    "colour_image": {"conv2d.input-shape.rgb-image": always},
    "example": {"flatten.example.shapes": always},
    "setting": {
        "conv1d.input.layout": always,
        "maxpooling1d.input.layout": always,
        "conv2d.data-format.never-set": always,
        "maxpooling2d.data-format.default": always,
        "flatten.data-format.default": always,
    },
    "keras_json_absent": {
        "conv2d.data-format.never-set": always,
        "maxpooling2d.data-format.default": always,
        "flatten.data-format.default": always,
    },
    "keras_json_in_home": {
        "conv2d.data-format.keras-json": always,
        "maxpooling2d.data-format.default": always,
        "flatten.data-format.keras-json": always,
    },
    "keras_json_in_keras_home": {
        "conv2d.data-format.keras-home": always,
        "maxpooling2d.data-format.default": always,
        "flatten.data-format.keras-json": always,
    },
    "keras_json_of_keras_1": {"conv2d.data-format.keras1-names": always},
}

_TRAINED: Final[Table] = {
    "conv.training.step": lambda f: f.is_convolution,
    **{
        f"conv.{argument.replace('_', '-')}.training": _given(argument)
        for argument in (
            "kernel_regularizer",
            "bias_regularizer",
            "activity_regularizer",
            "kernel_constraint",
            "bias_constraint",
        )
    },
    "maxpooling.training.through": lambda f: f.is_pooling,
    "flatten.training.through": always,
}

_TRAINING: Final[Mapping[str, Table]] = {
    "training": _TRAINED,
    "constrained_training": _TRAINED,
    "trained_example": {"flatten.example.training": always},
}

_INPUTS: Final[Mapping[str, Table]] = {
    "declaration": {
        "input.shape.without-batch": _given("shape"),
        "input.batch-shape.with-batch": _given("batch_shape"),
        "input.dtype.named": lambda f: f.case.dtype != "float32",
        "input.dtype.default": lambda f: f.case.dtype == "float32",
        "input.sparse.flag": _given("sparse"),
    },
    "declaration_by_position": {"input.signature.order": always},
    "feeding": {
        "input.shape.expected": _given("shape"),
        "input.batch-shape.expected": _given("batch_shape"),
    },
    "layer_name": {"input.name.kept": always},
    "automatic_names": {"input.name.automatic": always},
    "same_name_twice": {"input.name.unique": always, "input.name.per-model": always},
    "name_of_another_layer": {"input.name.unique": always},
    "wrapping": {"input.tensor.wrapped": always},
    "wrapping_result": {"input.tensor.wrapped": always},
    "wrapping_values": {"input.tensor.values": always},
}

TABLES: Final[Mapping[str, Table]] = {
    **_ARGUMENTS,
    **_WEIGHTS,
    **_MODELS,
    **_TRAINING,
    **_INPUTS,
}
"""The predicates of each scenario; a clause of another layer than the case's is left out."""

NAMES: Final[Mapping[str, Names]] = {
    "initial_weights": _named("initializer"),
    "initial_spread": _named("initializer"),
    "losses": _named("regularizer"),
    "constrained_weights": _named("constraint"),
    "activation_forms": named_activation,
}
"""The clauses on predefined names that a scenario tests besides."""
