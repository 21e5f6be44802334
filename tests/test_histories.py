"""Layers called after other calls, and by two threads at once: state that answers must not have."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import reference_impl
from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.cases.histories import history_of, others
from conformance.cases.operands import KINDS, operands
from conformance.diagnosis.snippet import snippet
from conformance.implementations import at_once, reference
from conformance.implementations.histories import Made, observe_layer
from conformance.implementations.observation import evaluate
from conformance.implementations.plugin import Plugin
from conformance.judge.expectation import expect
from conformance.judge.judge import judge
from conformance.judge.verdict import Judgement, Verdict
from conformance.layers.registry import LAYERS, called_layers
from conformance.outcomes import ANSWER, AT_ONCE, Rejection, Unsupported, Value

HISTORIES = [kind for kind in KINDS if KINDS[kind].history]


def _case(kind: str, **rest: Any) -> Case:
    return Case.of("Conv1D", (2, 7, 3), operands=kind, **{"filters": 4, "kernel_size": 2, **rest})


def _judged(layer: Any, case: Case, **rest: Any) -> Judgement:
    arrays = operands(case)
    made = Plugin("made here", SimpleNamespace(**{case.layer: layer}, **rest))
    outcome = evaluate(made, case, operands(case))
    return judge(case, arrays, expect(case, arrays), outcome)


def _right(inputs: Any, weights: Any, config: Any) -> Any:
    layer = reference_impl.layers.Conv1D(**config)
    layer.build(inputs.shape)
    layer.set_weights(list(weights.values()))
    return layer(inputs)


def _right_gradients(inputs: Any, weights: Any, config: Any, upstream: Any) -> Any:
    layer = reference_impl.layers.Conv1D(**config)
    layer.build(inputs.shape)
    layer.set_weights(list(weights.values()))
    return layer.gradients(inputs, upstream)


class Keeps:
    """A convolution that keeps an operand by its address, and reads the others anew."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._kept: dict[Any, Any] = {}

    def __call__(self, inputs: Any, weights: Any, config: Any) -> Any:
        given = {"inputs": inputs, **weights}
        for name in self._names:
            key = name, given[name].ctypes.data, given[name].shape
            given[name] = self._kept.setdefault(key, (given[name], given[name].copy()))[1]
        return _right(given.pop("inputs"), given, config)


@pytest.mark.parametrize("activation", [None, "tanh", "softmax"])
@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("reweighted", ("kernel",)),
        ("reweighted", ("bias",)),
        ("reweighted", ("kernel", "bias")),
        ("refilled", ("inputs",)),
    ],
)
def test_operands_that_are_kept_by_their_address_are_named(
    kind: str, kept: tuple[str, ...], activation: str | None
) -> None:
    case = _case(kind, activation=activation)
    judged = _judged(Keeps(*kept), case)
    assert (judged.verdict, judged.stage) == (Verdict.DEVIATES, "state")
    assert judged.message.startswith(f"With {' and '.join(kept)} replaced in place")


@pytest.mark.parametrize("kind", HISTORIES)
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_a_layer_without_state_conforms(kind: str, padding: str) -> None:
    assert _judged(_right, _case(kind, padding=padding)).verdict is Verdict.CONFORMS


@pytest.mark.parametrize("kind", ["reweighted", "refilled"])
def test_a_layer_without_its_bias_is_wrong_and_keeps_nothing(kind: str) -> None:
    def without(inputs: Any, weights: Any, config: Any) -> Any:
        return _right(inputs, {**weights, "bias": 0 * weights["bias"]}, config)

    judged = _judged(without, _case(kind))
    assert (judged.verdict, judged.stage) == (Verdict.DEVIATES, "exact")


def test_answers_in_memory_that_calls_of_other_sizes_use_again_are_noticed() -> None:
    arena = np.zeros(1000, np.float32)

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        y = np.asarray(_right(inputs, weights, config))
        arena[: y.size] = y.ravel()
        return arena[: y.size].reshape(y.shape) if len(y) == 3 else y

    judged = _judged(layer, _case("resized"))
    assert (judged.verdict, judged.stage) == (Verdict.DEVIATES, "inputs")
    assert "overwrote the answer" in judged.message


@pytest.mark.parametrize("observe", ["output", "gradients"])
@pytest.mark.parametrize("kind", ["reweighted", "refilled"])
def test_answers_in_memory_of_their_shape_are_noticed(kind: str, observe: str) -> None:
    """The same memory for every answer of a shape; what is a view of the inputs may change."""
    arenas: dict[Any, Any] = {}

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        y = np.asarray(_right(inputs, weights, config))
        arena = arenas.setdefault(y.shape, np.empty_like(y))
        arena[...] = y
        return arena

    def gradients(_: str, inputs: Any, weights: Any, config: Any, upstream: Any) -> Any:
        found = _right_gradients(inputs, weights, config, upstream)
        for name, y in found.items():
            arenas.setdefault(name, np.empty_like(y))[...] = y
        return {name: arenas[name] for name in found}

    judged = _judged(layer, _case(kind, observe=observe), gradients=gradients)
    assert (judged.verdict, judged.stage) == (Verdict.DEVIATES, "inputs")
    view = Case.of("Flatten", (2, 7, 3), operands="refilled")
    assert _judged(lambda x, *_: x.reshape(len(x), -1), view).verdict is Verdict.CONFORMS


@pytest.mark.parametrize(("kind", "kept"), [("reweighted", "kernel"), ("refilled", "inputs")])
def test_gradients_of_operands_that_are_kept_are_named(kind: str, kept: str) -> None:
    copies: dict[str, Any] = {}

    def gradients(_: str, inputs: Any, weights: Any, config: Any, upstream: Any) -> Any:
        given = {"inputs": inputs, **weights}
        given[kept] = copies.setdefault(kept, given[kept].copy())
        return _right_gradients(given.pop("inputs"), given, config, upstream)

    judged = _judged(_right, _case(kind, observe="gradients"), gradients=gradients)
    assert (judged.verdict, judged.stage) == (Verdict.DEVIATES, "state")
    assert judged.message.startswith(f"With {kept} replaced in place")


def test_what_a_longer_input_left_behind_is_noticed() -> None:
    """Inputs are copied into memory that grows, and what stands behind them is read as zeros."""
    grown = np.zeros((0, 0, 3), np.float32)

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        nonlocal grown
        batch, steps, _ = inputs.shape
        if len(grown) < batch or grown.shape[1] <= steps:
            grown = np.zeros((batch, steps + 1, 3), np.float32)
        grown[:batch, :steps] = inputs
        return _right(grown[:batch], weights, config)[:, : len(_right(inputs, weights, config)[0])]

    assert _judged(layer, _case("integers", padding="same")).verdict is Verdict.CONFORMS
    assert _judged(layer, _case("resized", padding="same")).verdict is Verdict.DEVIATES


def test_what_the_first_size_decides_for_all_is_noticed() -> None:
    sizes: list[tuple[int, ...]] = []

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        sizes.append(inputs.shape)
        y = np.asarray(_right(inputs, weights, config))
        y[:, (sizes[0][1] + 1) // 2 :] = 0
        return y if sizes[0] != inputs.shape else _right(inputs, weights, config)

    assert _judged(layer, _case("resized")).verdict is Verdict.DEVIATES
    assert sizes[:3] == [(1, 7, 3), (3, 9, 3), (2, 7, 3)]


def _through_a_scratch_array() -> Any:
    """A convolution that copies its inputs into memory that all calls share."""
    scratch = np.zeros(1000, np.float32)

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        shared = scratch[: inputs.size].reshape(inputs.shape)
        shared[...] = inputs
        first = np.asarray(_right(shared, weights, config))
        return first if np.array_equal(shared, inputs) else -first

    return layer


def test_calls_of_two_threads_that_disturb_each_other_are_noticed() -> None:
    judged = _judged(_through_a_scratch_array(), _case("threaded"))
    assert (judged.verdict, judged.stage) == (Verdict.DEVIATES, "threads")
    assert judged.message.startswith("While another thread called it on other operands")


def test_what_another_thread_may_replace_between_two_lines_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The interpreter seldom changes threads just there; a call is paused at each line in turn."""
    monkeypatch.setattr(at_once, "_BUSY_SECONDS", 0.5)
    monkeypatch.setattr(at_once, "_MOST_SECONDS", 30.0)
    shared: dict[str, Any] = {}
    answers: dict[bytes, Any] = {}

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        shared["inputs"] = inputs
        read = shared["inputs"]
        if read.tobytes() not in answers:
            answers[read.tobytes()] = _right(read, weights, config)
        return answers[read.tobytes()]

    judged = _judged(layer, _case("threaded"))
    assert (judged.verdict, judged.stage) == (Verdict.DEVIATES, "threads")


def test_calls_are_interrupted_at_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    places: set[int] = set()

    def call() -> int:
        nonlocal line
        line = 1
        line = 2
        line = 3
        return line

    line, before = 0, sys.gettrace()
    monkeypatch.setattr(time, "sleep", lambda seconds: places.add(line))
    interrupted = at_once.Interrupted(call)
    for _ in range(20):
        line = 0
        assert interrupted() == 3
    assert places == {0, 1, 2, 3}
    assert sys.gettrace() is before


def test_what_says_that_threads_must_not_call_it_at_once_is_not_asked() -> None:
    judged = _judged(_through_a_scratch_array(), _case("threaded"), thread_safe=False)
    assert judged.verdict is Verdict.UNSUPPORTED


def test_an_exception_in_a_thread_is_a_rejection() -> None:
    """Raised from the fourth call on: two alone, one of the other layer, then at once."""
    calls: list[int] = []

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        calls.append(1)
        if len(calls) > 3:
            raise RuntimeError("busy")
        return _right(inputs, weights, config)

    case = _case("threaded")
    outcome = Plugin("made here", SimpleNamespace(Conv1D=layer)).evaluate(case, operands(case))
    assert outcome == Rejection("RuntimeError", "while two threads called it at once: busy")


def test_what_ends_a_thread_ends_the_process() -> None:
    """An exit is no answer: the isolated process ends by it, as from the main thread."""
    calls: list[int] = []

    def layer(inputs: Any, weights: Any, config: Any) -> Any:
        calls.append(1)
        if len(calls) > 3:
            raise SystemExit(3)
        return _right(inputs, weights, config)

    case = _case("threaded")
    with pytest.raises(SystemExit):
        Plugin("made here", SimpleNamespace(Conv1D=layer)).evaluate(case, operands(case))


def test_what_is_made_for_its_weights_or_sizes_is_not_asked() -> None:
    made = Made(lambda inputs: inputs, takes_other_sizes=False)
    for kind in ("reweighted", "resized"):
        case = _case(kind)
        assert isinstance(observe_layer(case, operands(case), lambda _: made), Unsupported)


def test_the_other_operands_are_others_and_the_rest_the_same() -> None:
    for case in grid("standard"):
        if not history_of(case) or case.dtype == "bfloat16" or case.layer == "Flatten":
            continue
        given = operands(case)
        for other in others(case, given):
            changed = {
                "weights": [(other.weights[n], given.weights[n]) for n in given.weights],
                "inputs": [(other.inputs, given.inputs)],
                "sizes": [],
                "threads": [(other.inputs, given.inputs)],
            }[history_of(case)]
            assert all(a.shape == b.shape and not np.array_equal(a, b) for a, b in changed), case
            if history_of(case) == "sizes":
                assert other.inputs.shape != given.inputs.shape
                assert all(
                    np.array_equal(other.weights[n], given.weights[n]) for n in given.weights
                )


def test_every_layer_is_called_after_others_and_in_threads() -> None:
    """Outputs of all, and gradients of those with windows."""
    asked = {(c.layer, c.operands, c.observe) for c in grid("standard")}
    for layer, kind in itertools.product(called_layers(), HISTORIES):
        if kind != "reweighted" or LAYERS[layer].convolves:
            assert (layer, kind, "output") in asked, (layer, kind)
            has_gradients = LAYERS[layer].rank and kind != "resized"
            assert not has_gradients or (layer, kind, "gradients") in asked, (layer, kind)


def test_the_operands_are_put_back() -> None:
    for kind in HISTORIES:
        case, seen = _case(kind), []

        def layer(inputs: Any, weights: Any, config: Any, seen: list[Any] = seen) -> Any:
            seen.append(inputs)
            return _right(inputs, weights, config)

        arrays = operands(case)
        outcome = Plugin("made here", SimpleNamespace(Conv1D=layer)).evaluate(case, arrays)
        assert isinstance(outcome, Value)
        assert not {ANSWER, AT_ONCE} & {*outcome.changed_inputs}
        assert np.array_equal(arrays.inputs, operands(case).inputs)
        assert all(np.array_equal(a, operands(case).weights[n]) for n, a in arrays.weights.items())


@pytest.mark.parametrize("layer", ["Conv1D", "MaxPooling1D", "Flatten"])
def test_the_other_byte_order_may_be_refused_but_not_read_raw(layer: str) -> None:
    rest = {
        "Conv1D": {"filters": 2, "kernel_size": 2},
        "MaxPooling1D": {"pool_size": 2},
        "Flatten": {},
    }[layer]
    case = Case.of(layer, (2, 7, 3), operands="swapped", **rest)

    def refuses(inputs: Any, weights: Any, config: Any) -> Any:
        raise ValueError("byte order")

    def raw(inputs: Any, weights: Any, config: Any) -> Any:
        given = operands(case.replace(operands="integers"))
        native = inputs.view(inputs.dtype.newbyteorder("="))
        return expect(case, SimpleNamespace(inputs=native, weights=given.weights)).value

    assert _judged(refuses, case).verdict is Verdict.UNSUPPORTED
    assert _judged(raw, case).verdict is Verdict.DEVIATES
    assert _judged(refuses, case.replace(operands="reversed")).verdict is Verdict.DEVIATES


def test_the_byte_order_of_an_answer_is_not_looked_at() -> None:
    case = Case.of("Flatten", (2, 7, 3), operands="swapped")
    judged = _judged(lambda inputs, weights, config: inputs.reshape(2, -1), case)
    assert judged.verdict is Verdict.CONFORMS


def test_the_oracle_conforms_after_other_calls_and_in_two_threads() -> None:
    oracle = reference.load("reference")
    for case in grid("standard"):
        if (history_of(case) or case.operands == "swapped") and case.dtype != "bfloat16":
            arrays = operands(case)
            outcome = oracle.evaluate(case, operands(case))
            judged = judge(case, arrays, expect(case, arrays), outcome)
            assert judged.verdict is Verdict.CONFORMS, (case, judged)


@pytest.mark.parametrize(
    ("kind", "kept"), [("reweighted", "weights['kernel']"), ("refilled", "inputs")]
)
def test_the_program_of_a_shrunk_case_makes_the_earlier_calls(
    kind: str, kept: str, tmp_path: Path
) -> None:
    path = tmp_path / "keeps.py"
    path.write_text(
        "import reference_impl\n\nkept = {}\n\n"
        "def Conv1D(inputs, weights, config):\n"
        f"    array = {kept}\n"
        "    key = array.ctypes.data, array.shape\n"
        "    was = kept.setdefault(key, (array, array.copy()))[1].copy()\n"
        "    saved = array.copy()\n"
        "    array[...] = was\n"
        "    layer = reference_impl.layers.Conv1D(**config)\n"
        "    layer.build(inputs.shape)\n"
        "    layer.set_weights(list(weights.values()))\n"
        "    outputs = layer(inputs)\n"
        "    array[...] = saved\n"
        "    return outputs\n",
        encoding="utf-8",
    )
    program = snippet(_case(kind), str(path), "state")
    assert program is not None
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert b"AssertionError" in ended.stderr
    right = path.read_text(encoding="utf-8").replace("array[...] = was", "pass")
    path.write_text(right, encoding="utf-8")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("kind", "observe"),
    [
        ("integers", "output"),
        ("reweighted", "output"),
        ("refilled", "output"),
        ("resized", "output"),
        ("reweighted", "gradients"),
    ],
)
def test_the_program_looks_at_earlier_answers_again(
    kind: str, observe: str, tmp_path: Path
) -> None:
    """One array for all answers, of which the first elements are used."""
    path = tmp_path / "arena.py"
    path.write_text(
        "import numpy as np\nimport reference_impl\n\narena = np.zeros(1000, np.float32)\n\n"
        "def kept(y):\n"
        "    arena[: y.size] = y.ravel()\n"
        "    return arena[: y.size].reshape(y.shape)\n\n"
        "def made(inputs, weights, config):\n"
        "    layer = reference_impl.layers.Conv1D(**config)\n"
        "    layer.build(inputs.shape)\n"
        "    layer.set_weights(list(weights.values()))\n"
        "    return layer\n\n"
        "def Conv1D(inputs, weights, config):\n"
        "    return kept(np.asarray(made(inputs, weights, config)(inputs)))\n\n"
        "def gradients(layer, inputs, weights, config, upstream):\n"
        "    found = made(inputs, weights, config).gradients(inputs, upstream)\n"
        "    return {**found, 'inputs': kept(np.asarray(found['inputs']))}\n",
        encoding="utf-8",
    )
    text = path.read_text(encoding="utf-8")
    case = _case(kind, observe=observe)
    program = snippet(case, str(path), "inputs")
    assert program is not None
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    if kind == "integers":
        assert ended.returncode == 0, ended.stderr
    else:
        assert b"a later call changed it" in ended.stderr
    path.write_text(text.replace("arena[: y.size].reshape(y.shape)", "y"), encoding="utf-8")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_calls_at_the_same_time_have_no_program() -> None:
    assert snippet(_case("threaded"), "plug-in.py", "threads") is None
    assert snippet(_case("reweighted"), "reference", "state") is None
