"""Plug-ins: how they are named, what they are handed, and what is told apart before a run."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from evaluating import PLUGINS

from conformance.cases.case import Case, parse
from conformance.cases.grids import grid
from conformance.cases.operands import operands
from conformance.command_line import main
from conformance.implementations import plugin, registry
from conformance.implementations.observation import evaluate
from conformance.implementations.protocol import ImplementationError
from conformance.judge.expectation import expect
from conformance.judge.judge import judge
from conformance.judge.verdict import Verdict
from conformance.outcomes import Outcome, Rejection, Unsupported, Value
from conformance.running.runner import run

MODULE = """
name = "some name"
version = "2.0"

def Flatten(inputs, weights, config):
    return inputs.reshape(len(inputs), -1)

class inner:
    name = "inner name"

    class innermost:
        Flatten = staticmethod(Flatten)
"""

FLATTEN = Case.of("Flatten", (2, 3, 4))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module ``plugged`` in it, on the path as in a worker."""
    (tmp_path / "plugged.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "plugged", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "name", "version"),
    [
        ("plugged", "some name", "2.0"),
        ("plugged.py", "some name", "2.0"),
        ("./plugged.py", "some name", "2.0"),
        ("plugged:inner.innermost", "plugged:inner.innermost", ""),
        ("plugged.py:inner.innermost", "plugged.py:inner.innermost", ""),
    ],
)
def test_every_form_of_a_plug_in_is_loaded(
    spec: str, name: str, version: str, directory: Path
) -> None:
    loaded = registry.resolve(spec).load()
    assert (loaded.name, loaded.version) == (name, version)
    outcome = loaded.evaluate(FLATTEN, operands(FLATTEN))
    assert isinstance(outcome, Value)
    assert outcome.value.shape == (2, 12)


def test_a_file_can_import_what_stands_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_the_plug_in.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "main.py").write_text("from beside_the_plug_in import Flatten", encoding="utf-8")
    assert plugin.load(str(tmp_path / "main.py")).name == str(tmp_path / "main.py")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("absent.py", "there is no file 'absent.py'"),
        ("absent_module", "there is no module 'absent_module'"),
        ("tf.kers", r"did you mean tf\.keras"),
        ("", "a plug-in is given as"),
        ("a b", "a plug-in is given as"),
    ],
)
def test_what_names_nothing_is_refused_with_what_exists(
    spec: str, message: str, directory: Path
) -> None:
    with pytest.raises(ImplementationError, match=message) as caught:
        registry.resolve(spec)
    assert "reference, " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import absent_module", "No module named 'absent_module'"),
        ("def (", "SyntaxError"),
        ("x = 1", "offers none of the callables Conv1D, Conv2D"),
        ("Conv2D = 3", "Conv2D is 3, not a callable"),
        ("def Conv2D(x): pass", r"has the signature \(x\) and cannot be called with"),
        ("def Conv2D(a, b, c, d): pass", "missing a required argument: 'd'"),
    ],
)
def test_an_unusable_plug_in_is_refused_before_the_run(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "unusable.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ImplementationError, match=message):
        plugin.load(str(path))


def test_a_missing_attribute_is_named(directory: Path) -> None:
    with pytest.raises(ImplementationError, match="no attribute 'outer'"):
        plugin.load("plugged:outer")


def outcome_with(layer: Callable[..., Any], case: Case) -> Outcome:
    made = plugin.Plugin("under test", SimpleNamespace(**{case.layer: layer}))
    return evaluate(made, case, operands(case))


def handed(case: Case) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """What the callable of a plug-in is handed for a case, twice."""
    calls: list[tuple[Any, dict[str, Any], dict[str, Any]]] = []

    def layer(inputs: Any, weights: dict[str, Any], config: dict[str, Any]) -> Any:
        calls.append((inputs, weights, config))
        return inputs

    outcome_with(layer, case)
    assert len(calls) == 2
    return calls[0]


def test_config_holds_every_documented_argument_in_canonical_form() -> None:
    case = parse("Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3/strides:[2,1]/activation:relu")
    assert handed(case)[2] == {
        "filters": 4,
        "kernel_size": (3, 3),
        "strides": (2, 1),
        "padding": "valid",
        "data_format": "channels_last",
        "dilation_rate": (1, 1),
        "activation": "relu",
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
        "kernel_regularizer": None,
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
        "groups": 1,
        "dtype": "float32",
    }


@pytest.mark.parametrize(
    ("descriptor", "sizes"),
    [
        ("MaxPooling1D/inputs:2x7x3", {"pool_size": (2,), "strides": (2,)}),
        ("MaxPooling2D/inputs:2x7x8x3/pool_size:3", {"pool_size": (3, 3), "strides": (3, 3)}),
        ("Conv1D/inputs:2x7x3/filters:4/kernel_size:3", {"kernel_size": (3,), "strides": (1,)}),
        ("Flatten/inputs:2x7x3/data_format:channels_first", {}),
    ],
)
def test_config_is_canonical_in_every_layer(descriptor: str, sizes: dict[str, Any]) -> None:
    config = handed(parse(descriptor))[2]
    assert {name: config[name] for name in sizes} == sizes
    assert config["data_format"] in ("channels_last", "channels_first")
    assert config["dtype"] == "float32"


@pytest.mark.parametrize(
    ("descriptor", "shapes"),
    [
        (
            "Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3x2",
            {"kernel": (3, 2, 3, 4), "bias": (4,)},
        ),
        ("Conv1D/inputs:2x7x3/filters:4/kernel_size:3/use_bias:False", {"kernel": (3, 3, 4)}),
        ("MaxPooling2D/inputs:2x7x8x3", {}),
    ],
)
def test_weights_are_those_of_the_layer(descriptor: str, shapes: dict[str, Any]) -> None:
    inputs, weights, _ = handed(parse(descriptor))
    assert {name: array.shape for name, array in weights.items()} == shapes
    assert type(inputs) is np.ndarray


@pytest.mark.parametrize(
    "kind", ["strided", "reversed", "fortran", "broadcast", "readonly", "sliced"]
)
def test_inputs_keep_their_layout_in_both_calls(kind: str) -> None:
    case = Case.of("Flatten", (2, 3, 4), operands=kind)
    expected = operands(case).inputs
    assert expected is not None
    seen = []

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        seen.append((inputs.strides, inputs.flags.writeable, inputs.tolist()))
        return inputs

    outcome_with(layer, case)
    assert seen == [(expected.strides, expected.flags.writeable, expected.tolist())] * 2


@pytest.mark.parametrize(
    ("descriptor", "reason"),
    [
        ("Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3", "the plug-in has no callable Conv2D"),
        ("Input/observe:shape/shape:(3,)", "the plug-in has no callable Input"),
        ("Flatten/observe:shape/inputs:Nonex3", "'shape' is not asked of them"),
        ("Flatten/observe:rejection/inputs:2x3/foo:1", "there is no argument 'foo'"),
        ("Flatten/observe:rejection/inputs:2x3/data_format:1", "data_format=1 is not a string"),
    ],
)
def test_what_the_interface_cannot_carry_is_unsupported(descriptor: str, reason: str) -> None:
    outcome = outcome_with_flatten(descriptor)
    assert isinstance(outcome, Unsupported)
    assert reason in outcome.reason


def outcome_with_flatten(descriptor: str) -> Outcome:
    case = parse(descriptor)
    made = plugin.Plugin("under test", SimpleNamespace(Flatten=lambda x, weights, config: x))
    return evaluate(made, case, operands(case))


def test_arguments_that_have_no_part_in_an_output_are_not_asked_about() -> None:
    case = parse(
        "Conv1D/observe:rejection/inputs:2x8x3/filters:4/kernel_size:3/kernel_initializer:foo"
    )
    outcome = outcome_with(lambda x, weights, config: x, case)
    assert isinstance(outcome, Unsupported)
    assert "kernel_initializer" in outcome.reason


def test_exceptions_are_rejections_but_for_not_implemented() -> None:
    def raising(error: Exception) -> Callable[..., Any]:
        def layer(inputs: Any, weights: Any, config: Any) -> Any:
            raise error

        return layer

    assert outcome_with(raising(ValueError("so")), FLATTEN) == Rejection("ValueError", "so")
    assert outcome_with(raising(NotImplementedError("later")), FLATTEN) == Unsupported("later")
    unexplained = outcome_with(raising(NotImplementedError()), FLATTEN)
    assert unexplained == Unsupported("the plug-in raises NotImplementedError")


def test_a_warning_is_no_rejection() -> None:
    """Whatever the environment's filters make of warnings; here they are errors."""

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        warnings.warn("deprecated", UserWarning, stacklevel=1)
        return inputs

    assert isinstance(outcome_with(layer, FLATTEN), Value)


def in_turn(layer: Callable[..., Any], cases: list[Case], name: str = "Flatten") -> list[Outcome]:
    """The outcomes of cases in one process, one after the other."""
    made = plugin.Plugin("under test", SimpleNamespace(**{name: layer}))
    return [evaluate(made, case, operands(case)) for case in cases]


def flat(inputs: Any) -> Any:
    return inputs.reshape(len(inputs), -1).copy()


class SharesItsBuffer:
    """Caches answers by their operands, in a buffer that another answer overwrites."""

    def __init__(self) -> None:
        self.answers: dict[bytes, Any] = {}
        self.buffers: dict[tuple[int, ...], Any] = {}

    def __call__(self, inputs: Any, weights: Any, config: Any) -> Any:
        key = inputs.tobytes()
        if key not in self.answers:
            buffer = self.buffers.setdefault(inputs.shape, np.empty_like(flat(inputs)))
            buffer[...] = flat(inputs)
            self.answers[key] = buffer
        return self.answers[key]


def test_an_earlier_answer_that_another_case_changes_is_noticed() -> None:
    first, second = Case.of("Flatten", (2, 3)), Case.of("Flatten", (2, 3), seed=1)
    outcomes = in_turn(SharesItsBuffer(), [first, second])
    assert isinstance(outcomes[0], Value)
    assert isinstance(outcomes[1], Value)
    assert (outcomes[0].repeat, outcomes[0].between, outcomes[0].before) == (None, "", None)
    found = outcomes[1]
    assert found.between == first.descriptor
    assert np.array_equal(found.before, flat(operands(first).inputs))
    assert np.array_equal(found.repeat, flat(operands(second).inputs))
    judged = judge(second, operands(second), expect(second, operands(second)), found)
    assert (judged.verdict, judged.stage) == (Verdict.DEVIATES, "repeat")
    assert judged.message.startswith(
        "Called again after this one, the case Flatten/inputs:2x3 gave another answer: 6 of 6"
    )


class CountsSizes:
    """Right for each size twice; the size of nine is wrong from its third call on."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}

    def __call__(self, inputs: Any, weights: Any, config: Any) -> Any:
        self.sizes[inputs.size] = self.sizes.get(inputs.size, 0) + 1
        return flat(inputs) + np.float32(inputs.size == 9 and self.sizes[9] > 2)


def test_an_answer_that_differs_after_another_case_is_noticed_with_that_case() -> None:
    first, second = Case.of("Flatten", (2, 3)), Case.of("Flatten", (3, 3))
    outcomes = in_turn(CountsSizes(), [first, second])
    assert isinstance(outcomes[1], Value)
    assert np.array_equal(outcomes[1].value, flat(operands(second).inputs))
    assert np.array_equal(outcomes[1].repeat, flat(operands(second).inputs) + 1)
    assert outcomes[1].between == first.descriptor


def test_a_refusal_after_another_case_is_a_rejection() -> None:
    calls: list[int] = []

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        calls.append(inputs.size)
        if calls.count(9) > 2:
            raise RuntimeError("no more")
        return flat(inputs)

    outcomes = in_turn(layer, [Case.of("Flatten", (2, 3)), Case.of("Flatten", (3, 3))])
    expected = "the same call again, after one of Flatten/inputs:2x3: no more"
    assert outcomes[1] == Rejection("RuntimeError", expected)


def test_what_another_case_raises_is_not_held_against_the_present_one() -> None:
    calls: list[int] = []

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        calls.append(inputs.size)
        if inputs.size == 6 and calls.count(6) > 2:
            raise RuntimeError("no more")
        return flat(inputs)

    outcomes = in_turn(layer, [Case.of("Flatten", (2, 3)), Case.of("Flatten", (3, 3))])
    assert isinstance(outcomes[1], Value)
    assert outcomes[1].repeat is None
    assert calls == [6, 6, 9, 9, 6, 9]


def test_state_between_cases_deviates_and_is_reproduced_by_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "stateful.py"
    path.write_text(
        "seen = {}\n"
        "def Flatten(inputs, weights, config):\n"
        "    seen[inputs.size] = seen.get(inputs.size, 0) + 1\n"
        "    wrong = inputs.size == 9 and seen[9] > 2\n"
        "    return inputs.reshape(len(inputs), -1) + inputs.dtype.type(wrong)\n",
        encoding="utf-8",
    )
    first, second = run([Case.of("Flatten", (2, 3)), Case.of("Flatten", (3, 3))], [str(path)])
    assert first.verdict is Verdict.CONFORMS
    assert second.verdict is Verdict.DEVIATES
    assert second.message.startswith(
        "After a call on another case (Flatten/inputs:2x3), the same operands gave another "
        "answer: 9 of 9 elements differ"
    )
    command, *arguments = shlex.split(second.reproduce)
    assert command == "conformance"
    assert main(arguments) == 1
    assert "After a call on another case" in capsys.readouterr().out


def test_a_correct_plug_in_raises_no_alarm() -> None:
    """Loops in float64, rounded once, on everything in the smoke grid that it offers."""
    results = list(run(grid("smoke"), [str(PLUGINS / "well_behaved.py")]))
    failing = [result for result in results if result.verdict not in (_CONFORMS, _UNSUPPORTED)]
    assert [(result.case, result.message) for result in failing] == []
    conforming = {result.case.layer for result in results if result.verdict == _CONFORMS}
    assert conforming == {"Conv1D", "Conv2D", "MaxPooling2D", "Flatten"}
    assert {result.implementation for result in results} == {"naive loops"}


_CONFORMS = Verdict.CONFORMS
_UNSUPPORTED = Verdict.UNSUPPORTED


def test_an_exception_of_programming_is_told_with_its_line(tmp_path: Path) -> None:
    """The name alone says little; the line of the plug-in that raised it is what is looked for."""
    path = tmp_path / "unfinished.py"
    path.write_text(
        "def scaled(x):\n    return x * epsilon\n\n"
        "def Flatten(inputs, weights, config):\n    return scaled(inputs)\n",
        encoding="utf-8",
    )
    case = parse("Flatten/inputs:2x3")
    outcome = plugin.load(str(path)).evaluate(case, operands(case))
    assert outcome == Rejection(
        "NameError", "name 'epsilon' is not defined (unfinished.py, line 2, in scaled)"
    )
