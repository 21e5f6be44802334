"""Protects explanations: their numbers are the oracle's, and what they say of windows is so."""

from __future__ import annotations

import itertools
import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest

import conformance
import reference_impl as keras
from conformance.cases.case import Case, parse
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.explain.axes import Axis, ranges
from conformance.explain.deviations import deviations_from, deviations_of, records
from conformance.explain.explanation import Explanation, explain_case
from conformance.explain.subject import case_of
from conformance.spec.coverage import clauses_of
from reference_impl.ops.geometry import window_axis

AXES = [
    (n, k, s, d, padding)
    for n, k, s, d, padding in itertools.product(
        range(10), range(1, 6), range(1, 6), range(1, 4), ("valid", "same")
    )
    if s == 1 or d == 1
]


def value_of(formula: str) -> int:
    """The number that the filled-in formula comes to, and the one that it claims."""
    left, _, claimed = formula.rpartition(" = ")
    expression = left.replace("ceil", "math.ceil").replace("floor", "math.floor")
    value = eval(expression, {"math": math})
    assert value == int(claimed), formula
    return int(claimed)


def axis_of(n: int, k: int, s: int, d: int, padding: str) -> Axis:
    return Axis("steps", padding, window_axis(n, k, s, d, padding))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_formulas_shown_are_true_and_the_oracles(padding):
    """Evaluated as they stand, on every small axis, they come to the oracle's lengths and pads."""
    for n, k, s, d, mode in AXES:
        if mode != padding:
            continue
        axis = axis_of(n, k, s, d, mode)
        assert value_of(axis.formula) == axis.geometry.output
        if mode == "same" and axis.geometry.output:
            total = value_of(re.match(r"[^:]+", axis.padding_formula)[0])
            assert total == axis.geometry.padding_total
            if total:
                said = re.search(r": (\d+) before and (\d+) after", axis.padding_formula)
                assert tuple(map(int, said.groups())) == (
                    axis.geometry.pad_before,
                    axis.geometry.pad_after,
                )


def test_a_padding_that_is_not_known_here_is_described_by_its_numbers():
    geometry = window_axis(7, 3, 2, 1, "same")
    axis = Axis("steps", "mirrored", geometry)
    assert value_of(axis.formula) == geometry.output
    assert axis.padding_formula == "1 before and 1 after"


def test_what_is_said_of_windows_is_what_the_definition_reads():
    """Unreached inputs, and outputs that reach into padding, by going through every tap."""
    for parameters in AXES:
        axis = axis_of(*parameters)
        g = axis.geometry
        reads = [
            [o * g.stride - g.pad_before + t * g.dilation for t in range(g.window)]
            for o in range(max(g.output, 0))
        ]
        reached = {i for window in reads for i in window}
        assert axis.unreached == tuple(i for i in range(g.length) if i not in reached)
        out = [o for o, window in enumerate(reads) if min(window) < 0 or max(window) >= g.length]
        assert axis.reaching_out == tuple(out)


def test_ranges_are_read_as_they_are_written():
    assert ranges([]) == ""
    assert ranges([0, 1, 2, 4, 7, 8]) == "0..2, 4, 7..8"
    assert ranges([0, 1, 4, 7, 8], most=2) == "0..1, 4, ..."


def explained(case: Case) -> Explanation | None:
    return explain_case(case) if case.observe in ("output", "shape") else None


def test_every_case_of_the_smoke_grid_is_explained_as_the_suite_knows_it():
    """Shape, padding, clauses, JSON, text and HTML of every case whose output is looked at."""
    count = 0
    for case in grid("smoke"):
        explanation = explained(case)
        if explanation is None:
            continue
        count += 1
        known = facts(case)
        if case.observe == "output":
            assert explanation.output_shape == known.output_shape
            assert explanation.bytes["outputs"] is not None
        if known.has_axes:
            assert explanation.padding == tuple((a.pad_before, a.pad_after) for a in known.axes)
        assert [clause.id for clause in explanation.clauses] == list(clauses_of(case))
        assert json.loads(json.dumps(explanation.as_dict()))["case"] == case.descriptor
        assert case.descriptor in str(explanation)
        assert explanation._repr_html_().startswith("<div")
    assert count > 300


def test_text_is_at_most_80_columns_wide():
    """But for the descriptor, which is one word."""
    for case in list(grid("smoke"))[::5]:
        explanation = explained(case)
        lines = str(explanation).splitlines() if explanation else []
        wide = [line for line in lines if len(line) > 80 and " " in line.strip()]
        assert not wide, case


@pytest.mark.parametrize(
    ("descriptor", "parameters"),
    [
        ("Conv2D/inputs:2x5x6x3/filters:4/kernel_size:3x2/strides:2/padding:same", 76),
        ("Conv1D/inputs:1x6x3/filters:2/kernel_size:3/use_bias:False/padding:same", 18),
        ("Conv1D/inputs:3x9x1/filters:2/kernel_size:3/dilation_rate:2", 8),
        ("MaxPooling2D/inputs:2x5x6x3", 0),
    ],
)
def test_parameters_and_work_by_counting(descriptor, parameters):
    """Multiply-adds and comparisons counted one by one, those on padding apart."""
    explanation = explain_case(descriptor)
    assert explanation.parameters == parameters
    known = facts(parse(descriptor))
    per_axis = [
        [
            a.pad_before <= o * a.stride + t * a.dilation < a.pad_before + a.length
            for o in range(a.output)
            for t in range(a.window)
        ]
        for a in known.axes
    ]
    taps = math.prod(len(axis) for axis in per_axis) * known.batch * known.channels
    met = math.prod(sum(axis) for axis in per_axis) * known.batch * known.channels
    if known.is_convolution:
        filters = known.config["filters"]
        assert explanation.work.startswith(f"{taps * filters:,} multiply-adds")
        on_padding = (taps - met) * filters
        assert (f"{on_padding:,} of them on padding" in explanation.work) == (on_padding > 0)
    else:
        windows = math.prod(a.output for a in known.axes) * known.batch * known.channels
        assert explanation.work == f"{taps - windows:,} comparisons at most"


@pytest.mark.parametrize(
    ("dilation", "said"), [(1, "receptive field 3"), (2, "receptive field (3 - 1) * 2 + 1 = 5")]
)
def test_the_receptive_field(dilation, said):
    layer = keras.layers.Conv1D(2, 3, dilation_rate=dilation)
    explanation = conformance.explain(layer, (1, 9, 3))
    assert said in str(explanation)
    assert explanation.receptive_field == (1 + 2 * dilation,)


def test_bytes():
    explanation = conformance.explain(keras.layers.Conv1D(2, 3, dtype="float16"), (None, 5, 3))
    assert explanation.bytes == {"inputs": 30, "weights": 40, "outputs": 12}


def test_a_free_length_leaves_the_formula_open():
    explanation = conformance.explain(keras.layers.Conv1D(2, 3, padding="same"), (None, None, 3))
    assert explanation.output_shape == (None, None, 2)
    assert explanation.axes[0].formula == "ceil(n / 1)"
    assert "half of it, rounded down, before" in explanation.axes[0].padding_formula
    assert explanation.svg() == ""
    assert explanation.bytes["inputs"] is None
    with pytest.raises(conformance.explain.code.Unsayable, match="a length is free"):
        explanation.code("numpy")


def test_inputs_too_short_for_the_window_are_explained_with_the_oracles_reason():
    explanation = conformance.explain(keras.layers.Conv2D(4, 3), (1, 2, 5, 3))
    assert explanation.output_shape is None
    assert "does not fit" in str(explanation)
    assert "too short for a window" in str(explanation)
    assert explanation.as_dict()["refusal"]


def test_a_mistaken_layout_is_pointed_out():
    """An image with its channel first, as in the question that is asked most."""
    explanation = conformance.explain(keras.layers.Conv2D(32, 3), (None, 1, 28, 28))
    text = " ".join(str(explanation).split())
    assert "data_format='channels_first' reads it as batch, channels, rows, columns" in text
    assert "(None, 32, 26, 26)" in text
    assert not conformance.explain(keras.layers.Conv2D(4, 3), (1, 2, 2, 3)).other_layout


def test_the_layer_stays_as_it_is():
    layer = keras.layers.Conv2D(4, 3)
    conformance.explain(layer, (1, 7, 9, 3))
    assert not layer.built
    layer.build((1, 7, 9, 3))
    before = layer.get_weights()
    conformance.explain(layer, (1, 17, 19, 3))
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(4, (3, 2), strides=2, padding="same", activation="relu"),
        keras.layers.Conv2D(4, 3, data_format="channels_first", use_bias=False, dtype="float64"),
        keras.layers.MaxPooling2D(3, 2, padding="same"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv1D(4, 3, dilation_rate=2, data_format="channels_first"),
        keras.layers.Conv2D(4, 3, kernel_initializer=keras.initializers.Constant(0.5)),
        keras.layers.Flatten(data_format="channels_first"),
    ],
)
def test_the_case_of_a_layer_makes_the_same_layer(layer):
    """Its descriptor, read again, has the configuration of the layer, but for the name."""
    case = parse(case_of(layer, (1, 7, 9, 3)).descriptor)
    made = getattr(keras.layers, case.layer)(**case.keywords, dtype=case.dtype)
    assert made.get_config() | {"name": ""} == layer.get_config() | {"name": ""}


@pytest.mark.parametrize(
    ("layer", "shape", "error", "message"),
    [
        (object(), (1, 2), TypeError, "expected a layer of reference_impl"),
        (keras.layers.Conv1D(2, 3), 5, TypeError, "argument `input_shape` is 5"),
        (keras.layers.Conv1D(2, 3), "1x2x3", TypeError, "expected a shape with the batch"),
        (keras.layers.Conv1D(2, 3), (1, 2, 3, 4), ValueError, "expected 3 axes"),
        (keras.layers.Conv1D(2, 3), (1, 5, 0), ValueError, "channels"),
    ],
)
def test_bad_input_is_refused_with_what_is_allowed(layer, shape, error, message):
    with pytest.raises(error, match=message):
        conformance.explain(layer, shape)


def test_an_unknown_notation_is_refused():
    explanation = conformance.explain(keras.layers.Flatten(), (1, 2, 3))
    with pytest.raises(ValueError, match=r"expected one of numpy, torch\.nn"):
        explanation.code("pytorch")


def test_every_record_is_met_by_the_clause_that_it_names():
    """The one function that reads the records loses none of them."""
    named = {c for record in records() for c in record.clause if "*" not in c}
    found = {deviation.identifier for clause in named for deviation in deviations_from(clause)}
    assert found == {record.identifier for record in records() if named & set(record.clause)}


def test_deviations_are_told_with_what_they_need():
    """That of a NaN is told of any pooling, and says so; none is told twice."""
    found = deviations_of(parse("MaxPooling2D/inputs:1x4x4x1"))
    assert [d.when for d in found if d.clause == "maxpooling.values.nan"] != []
    assert all(d.when for d in found if d.clause == "maxpooling.values.nan")
    assert len({d.identifier for d in found}) == len(found)


def test_an_explanation_imports_nothing_but_numpy():
    """In a process of its own, with all that the command line needs."""
    program = (
        "import sys, conformance, reference_impl as keras\n"
        "print(conformance.explain(keras.layers.Conv2D(4, 3, padding='same'), (1, 7, 9, 3)))\n"
        "foreign = {'torch', 'tensorflow', 'keras', 'jax', 'onnx', 'ml_dtypes', 'h5py', 'scipy',"
        " 'matplotlib', 'hypothesis', 'pytest'}\n"
        "assert not foreign & set(sys.modules), foreign & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "output    (1, 7, 9, 4)" in done.stdout


def test_an_explanation_leaves_the_judge_for_later():
    """They would add a third to the time that it takes, and nothing is judged or diagnosed."""
    program = (
        "import sys\n"
        "from conformance.command_line import main\n"
        "main(['explain', 'Conv2D/inputs:1x7x9x3/filters:4/kernel_size:3/padding:same'])\n"
        "slow = ('conformance.diagnosis', 'conformance.cases.scenarios', 'conformance.running',"
        " 'conformance.known.effects', 'conformance.implementations.registry',"
        " 'conformance.judge.judge', 'conformance.judge.sums', 'conformance.judge.expectation',"
        " 'conformance.report.account', 'subprocess', 'difflib')\n"
        "assert not [name for name in sys.modules if name.startswith(slow)]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_the_package_is_the_function():
    """`conformance.explain` is called, and has its parts as attributes, in either order."""
    program = (
        "import conformance, conformance.explain.picture\n"
        "import reference_impl as keras\n"
        "assert conformance.explain(keras.layers.Flatten(), (1, 2)).output_shape == (1, 2)\n"
        "assert conformance.explain.picture.svg('Conv1D/inputs:1x5x1/filters:1/kernel_size:2')\n"
        "from conformance import explain\n"
        "assert explain.code.NOTATIONS\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_layer_that_the_oracle_lacks_is_refused(monkeypatch):
    """Such as one that has a descriptor and a definition alone."""
    monkeypatch.delattr(keras.layers, "Flatten")
    with pytest.raises(ValueError, match="the oracle has no layer Flatten"):
        explain_case("Flatten/inputs:2x3x4")


def test_flatten_of_channels_first_says_what_it_moves():
    layer = keras.layers.Flatten(data_format="channels_first")
    text = " ".join(str(conformance.explain(layer, (1, 2, 4, 4))).split())
    assert "batch, channels, ...; the channels are moved last" in text
    assert "; the channels" not in str(conformance.explain(layer, (1, 8)))
    assert "; the channels" not in str(conformance.explain(keras.layers.Flatten(), (1, 2, 4, 4)))
