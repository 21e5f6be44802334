"""The runtimes of converted files, and Keras' other backends, as implementations under test.

Each is skipped where it is not installed; ``tox -e runtimes`` installs all of them.
"""

from __future__ import annotations

import numpy as np
import pytest

from conformance.cases.case import Case
from conformance.cases.operands import operands
from conformance.implementations import registry
from conformance.implementations.observation import evaluate
from conformance.judge.verdict import Verdict
from conformance.outcomes import Unsupported
from conformance.results import Result
from conformance.running.runner import run

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]

ENGINES = ("onnxruntime", "onnx.reference", "tflite")
BY_OPTION = ("onnxruntime[auto_pad]", "onnx.reference[auto_pad]", "tflite[xnnpack=off]")
BACKENDS = ("keras[backend=torch]", "keras[backend=jax]")

IMAGES = (2, 9, 8, 3)
FIRST = (2, 3, 9, 8)


def cases() -> list[Case]:
    """Both layouts, ranks and paddings, with strides, dilation, groups and activations."""
    made = []
    for data_format, shape in (("channels_last", IMAGES), ("channels_first", FIRST)):
        common = {"data_format": data_format}
        made += [
            Case.of("Conv2D", shape, filters=4, kernel_size=(3, 2), **common),
            Case.of("Conv2D", shape, filters=4, kernel_size=3, strides=2, padding="same", **common),
            Case.of(
                "Conv2D", shape, filters=6, kernel_size=2, groups=3, activation="relu", **common
            ),
            Case.of("MaxPooling2D", shape, pool_size=(3, 2), strides=(2, 3), **common),
            Case.of("MaxPooling2D", shape, pool_size=3, strides=2, padding="same", **common),
            Case.of("Flatten", shape, **common),
        ]
    made += [
        Case.of("Conv2D", IMAGES, filters=4, kernel_size=3, padding="same", dilation_rate=(2, 1)),
        Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=3, padding="causal"),
        Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=4, activation="tanh", padding="same"),
        Case.of("MaxPooling1D", (2, 9, 3), pool_size=4, strides=3, padding="same"),
        Case.of("Conv2D", IMAGES, filters=4, kernel_size=3, observe="shape"),
    ]
    return made


def needed(name: str) -> None:
    entry = registry.resolve(name)
    if not registry.installed(entry):
        pytest.skip(f"{name} needs {', '.join(entry.distributions)}: tox -e runtimes")


@pytest.mark.parametrize("name", [*ENGINES, *BY_OPTION, *BACKENDS])
def test_each_computes_what_is_documented(name: str) -> None:
    """Layouts, weights and pads reach the engine as they should."""
    needed(name)
    results = list(run(cases(), [name]))
    assert len(results) == len(cases())
    other = [r for r in results if r.verdict is not Verdict.CONFORMS]
    assert [(str(r.case), r.message) for r in other if not pads_dilated(name, r)] == []


def pads_dilated(name: str, result: Result) -> bool:
    """Automatic padding of dilated windows is refused by onnxruntime, which says so."""
    is_refused = result.verdict is Verdict.UNSUPPORTED and "dilation" in str(result.case)
    return name == "onnxruntime[auto_pad]" and is_refused


@pytest.mark.parametrize("name", BACKENDS)
def test_gradients_of_backends(name: str) -> None:
    """Autograd and JAX' vector-Jacobian products are asked as Keras' users do."""
    needed(name)
    asked = [
        Case.of("Conv2D", IMAGES, filters=4, kernel_size=3, padding="same", observe="gradients"),
        Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=3, strides=2, observe="gradients"),
        Case.of("MaxPooling2D", IMAGES, pool_size=2, observe="gradients"),
    ]
    assert [(str(r.case), r.verdict) for r in run(asked, [name])] == [
        (str(case), Verdict.CONFORMS) for case in asked
    ]


REFUSED = {
    "onnxruntime": Case.of("Conv2D", IMAGES, filters=4, kernel_size=3, dtype="float64"),
    "onnx.reference": Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=3, observe="gradients"),
    "tflite": Case.of("Conv2D", IMAGES, filters=4, kernel_size=3, dtype="float16"),
    "keras[backend=torch]": Case.of("MaxPooling1D", (2, 9, 3), dtype="int32"),
    "keras[backend=jax]": Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=3, dtype="float64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_engine_does_not_take_is_declared(name: str) -> None:
    """A plain refusal of a dtype is unsupported, with a reason, and no deviation."""
    needed(name)
    (result,) = run([REFUSED[name]], [name])
    assert result.verdict is Verdict.UNSUPPORTED
    assert result.message


@pytest.mark.parametrize("name", ENGINES)
def test_bare_refusals_do_not_depend_on_the_process(name: str) -> None:
    """Empty arrays, activations without an operator and arguments of Keras' are declared too."""
    needed(name)
    engine = registry.resolve(name).load()
    asked = [
        Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=3, activation="sparsemax"),
        Case.of("Conv1D", (2, 9, 3), filters=0, kernel_size=3, observe="rejection"),
        Case.of("Conv1D", (None, 9, 3), filters=4, kernel_size=3, observe="shape"),
    ]
    for case in asked:
        assert isinstance(evaluate(engine, case, operands(case)), Unsupported)


def test_automatic_padding_is_left_to_the_runtime() -> None:
    """The node has auto_pad in place of pads, and only for SAME."""
    pytest.importorskip("onnx")
    from conformance.implementations.onnx_graph import model_of

    same = Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=4, padding="same", strides=2)
    weights = {"kernel": np.zeros((4, 3, 4), np.float32), "bias": np.zeros(4, np.float32)}
    nodes = [model_of(same, (2, 9, 3), weights, auto_pad=flag).graph.node[1] for flag in (0, 1)]
    names = [{attribute.name for attribute in node.attribute} for node in nodes]
    assert "pads" in names[0]
    assert "auto_pad" not in names[0]
    assert "auto_pad" in names[1]
    assert "pads" not in names[1]
