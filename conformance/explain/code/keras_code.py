"""Equivalent code in tf.keras."""

from __future__ import annotations

from conformance.cases.case import Case
from conformance.explain.code.program import lines, operands_comment
from conformance.explain.subject import Subject, written_call


def layer(subject: Subject) -> str:
    """The layer itself, with its weights set, called on the inputs."""
    weights = list(subject.weights)
    loaded = [f"layer.set_weights([{', '.join(weights)}])"] if weights else []
    return lines(
        ["from tensorflow import keras", ""],
        operands_comment(subject, "arrays"),
        [f"layer = keras.layers.{_call(subject)}", "layer.build(inputs.shape)", *loaded],
        ["outputs = layer(inputs)"],
    )


def declaration(subject: Subject) -> str:
    """The symbolic tensor."""
    return lines(["from tensorflow import keras", ""], [f"inputs = keras.{subject.call}"])


def _call(subject: Subject) -> str:
    """The call, with only what decides the values: no initializers, penalties and constraints."""
    keywords = {
        name: value
        for name, value in subject.case.arguments
        if not name.endswith(("_initializer", "_regularizer", "_constraint"))
    }
    case = Case.of(subject.case.layer, subject.case.inputs, dtype=_dtype(subject), **keywords)
    return written_call(case)


def _dtype(subject: Subject) -> str:
    """Integers are not cast to a layer's dtype, which stays floating-point."""
    return "float32" if subject.dtype.lstrip("u").startswith("int") else subject.dtype
