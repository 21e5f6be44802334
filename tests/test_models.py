"""Models judged layer by layer: what is read, what is said, and what is refused (offline)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from processes import children, has_proc

import reference_impl as keras
from conformance import assert_model_conforms
from conformance.command_line import main
from conformance.models.candidates import Tensor
from conformance.models.comparison import compare
from conformance.models.errors import ModelError
from conformance.models.matching import difference
from conformance.models.operation import KINDS, Operation, Span
from conformance.models.program_candidate import CallableCandidate
from conformance.models.source import Step, of_model, read
from conformance.models.translation import TRANSLATIONS, operation_of
from conformance.models.variants import variants


def model():
    x = start = keras.Input((9, 8, 3), name="start")
    layers = [
        keras.layers.Conv2D(4, (3, 2), 2, "same", activation="relu", name="c1"),
        keras.layers.MaxPooling2D(2, 1, name="p"),
        keras.layers.Conv2D(5, 2, name="c2"),
        keras.layers.Flatten(name="f"),
    ]
    for layer in layers:
        x = layer(x)
    made = keras.Model(start, x)
    rng = np.random.default_rng(3)
    made.set_weights([rng.normal(size=w.shape).astype("float32") for w in made.weights])
    return made


def images(seed=1):
    return np.random.default_rng(seed).normal(size=(2, 9, 8, 3)).astype("float32")


def by_layer(made, inputs):
    outputs = {}
    for layer in made.layers[1:]:
        inputs = outputs[layer.name] = layer(inputs)
    return outputs


def test_right_outputs_conform():
    """The oracle's own outputs, whole or by layer, raise no alarm."""
    made = model()
    assert_model_conforms(made(images()), made, images())
    assert_model_conforms([made(images())], made, [images()])
    assert_model_conforms(by_layer(made, images()), made, {"start": images()})


def test_channels_first_outputs_conform():
    """A candidate may have its channels first."""
    made = model()
    outputs = by_layer(made, images())
    outputs["c1"] = outputs["c1"].transpose(0, 3, 1, 2)
    assert_model_conforms(outputs, made, images())


@pytest.mark.parametrize("axes", [(0, 2, 1, 3), (3, 1, 2, 0), (0, 3, 2, 1)])
def test_axes_exchanged_within_an_output_are_wrong(axes):
    """Channels may come first; rows and columns exchanged, or samples moved, are no layout."""
    layers = [keras.Input((5, 5, 2)), keras.layers.Conv2D(2, 2, padding="same", name="c")]
    made = keras.Sequential(layers)
    inputs = np.random.default_rng(0).normal(size=(2, 5, 5, 2)).astype("float32")
    outputs = made(inputs)
    assert_model_conforms(outputs.transpose(0, 3, 1, 2), made, inputs)
    for given in (outputs.transpose(axes), {"c": outputs.transpose(axes)}):
        with pytest.raises(AssertionError):
            assert_model_conforms(given, made, inputs)


def test_inputs_are_taken_as_the_model_takes_them():
    """In its dtype: what it rounds before it computes is no error."""
    made = model()
    inputs = np.random.default_rng(0).normal(size=(2, 9, 8, 3))
    assert_model_conforms(made(inputs.astype("float32")), made, inputs)


def test_one_wrong_layer_is_blamed_once():
    """What a wrong layer makes of its inputs is not counted against those behind it."""
    made, outputs = model(), {}
    x = images()
    for layer in made.layers[1:]:
        if layer.name == "c2":
            kernel, bias = layer.get_weights()
            wrong = keras.layers.Conv2D(5, 2)
            wrong.build(x.shape)
            wrong.set_weights([kernel, 0 * bias])
            layer_outputs = wrong(x)
        else:
            layer_outputs = layer(x)
        x = outputs[layer.name] = layer_outputs
    with pytest.raises(AssertionError, match=r"Conv2D 'c2': the bias is missing"):
        assert_model_conforms(outputs, made, images())


def test_fault_is_named_from_the_final_output_alone():
    """Without intermediate outputs, the one known mistake that gives the final output is named."""
    made, wrong = model(), model()
    wrong.set_weights(made.get_weights())
    kernel, bias = wrong.get_layer("c1").get_weights()
    wrong.get_layer("c1").set_weights([kernel[::-1, ::-1], bias])
    with pytest.raises(AssertionError, match=r"Conv2D 'c1': the kernel is flipped"):
        assert_model_conforms(wrong(images()), made, images())


def test_a_wrong_output_alone_is_blamed_on_no_single_layer():
    """Where no known mistake gives it, every layer that makes it is named."""
    made = model()
    said = r"The output .* is wrong, by one of c1, .*c2.*: the candidate shows no output but"
    with pytest.raises(AssertionError, match=said):
        assert_model_conforms(1.01 * made(images()), made, images())


def branched():
    """Two branches of two inputs, with an output each."""
    a, b = keras.Input((6, 6, 2), name="a"), keras.Input((6, 6, 2), name="b")
    first = keras.layers.Flatten(name="f1")(keras.layers.Conv2D(3, 3, name="ca")(a))
    second = keras.layers.Flatten(name="f2")(keras.layers.Conv2D(3, 3, name="cb")(b))
    return keras.Model([a, b], [first, second])


@pytest.mark.parametrize(("wrong", "layers"), [(0, "ca, f1"), (1, "cb, f2")])
def test_of_several_outputs_the_wrong_one_is_named(wrong, layers):
    """The layers that make the other are not suspected."""
    made = branched()
    given = [images()[:, :6, :6, :2], images()[:, 1:7, :6, :2]]
    outputs = [*made(given)]
    outputs[wrong] = 1.01 * outputs[wrong]
    with pytest.raises(AssertionError, match=f"is wrong, by one of {layers}: "):
        assert_model_conforms(outputs, made, given)


def test_outputs_that_are_missing_are_counted():
    """None is held against another's exact values."""
    made, given = branched(), [images()[:, :6, :6, :2]] * 2
    with pytest.raises(AssertionError, match="1 output; the source has 2"):
        assert_model_conforms([made(given)[0]], made, given)


@pytest.mark.parametrize("by_name", [True, False])
def test_results_of_a_narrower_format_are_named(by_name):
    """A layer whose operands and results are rounded to float16 is told as that."""
    made = model()
    half = keras.Model.from_config(made.get_config())
    half.set_weights([np.asarray(w, np.float16).astype("float32") for w in made.get_weights()])
    x, outputs = images().astype(np.float16).astype("float32"), {}
    for layer in half.layers[1:]:
        outputs[layer.name] = np.asarray(layer(x), np.float16)
        x = outputs[layer.name].astype("float32")
    given = outputs if by_name else outputs[half.layers[-1].name]
    with pytest.raises(AssertionError, match="it is computed in float16 in place of float32"):
        assert_model_conforms(given, made, images())


def test_terms_are_added_in_any_order():
    """Of three terms the first two may cancel: whoever adds them last rounds where they are."""
    rng = np.random.default_rng(0)
    small = rng.normal(size=(2, 4, 3)).astype("float32")
    big = 1e4 + rng.random(size=(2, 4, 3)).astype("float32")
    given = [Span.exact(x) for x in (big, -big, small)]
    span = operation_of("Add", {}, 3, {})(given)
    other = big + (small - big)
    assert np.abs(other - small).max() > 1e-5
    assert difference(other.astype(np.float64), span) <= 1
    assert difference(span.value + 1.0, span) > 1


class Unnamed:
    """A candidate whose tensors have numbers for names, each made by what stands in a list."""

    name, maker, implementation, input_names = "unnamed", "nothing", "", ()

    def __init__(self, *layers):
        self.layers = layers

    def _ran(self, inputs):
        made = [inputs[0]]
        for layer in self.layers:
            made.append(layer(made[-1]))
        return {str(index): array for index, array in enumerate(made)}

    def tensors(self, inputs):
        return [Tensor(n, a.shape, a.dtype.name) for n, a in self._ran(inputs).items()]

    def fetch(self, names, inputs):
        made = self._ran(inputs)
        return [made[name] for name in names]

    def outputs(self, inputs):
        return [self._ran(inputs)[name] for name in self.output_names()]

    def output_names(self):
        return [str(len(self.layers))]

    def named(self):
        return False


def gated(sums):
    """The product with a logistic function that is zero from -17 on."""
    with np.errstate(over="ignore"):
        gate = 1 / (1 + np.exp(-sums.astype("float64")))
    return (sums * np.where(sums < -17, 0, gate)).astype("float32")


def row(scale=1.0):
    """Convolutions in a row."""
    layers = [
        keras.Input((9, 8, 3)),
        keras.layers.Conv2D(4, 2, activation="silu", name="c1"),
        keras.layers.Conv2D(3, 2, name="c2"),
        keras.layers.MaxPooling2D(2, 1, name="p"),
        keras.layers.Conv2D(2, 2, name="c3"),
        keras.layers.Flatten(name="f"),
    ]
    made = keras.Sequential(layers)
    rng = np.random.default_rng(0)
    made.set_weights([scale * rng.normal(size=w.shape).astype("float32") for w in made.weights])
    return made


@pytest.mark.parametrize("scale", [4.0, 6.0, 9.0])
def test_what_is_next_to_nothing_is_blamed_on_its_layer_alone(scale):
    """A tensor that is right but for small elements is found; layers behind it are right.

    Neither another tensor, nor a mistake that gives one, is taken in its place.
    """
    made = row(scale)
    first = keras.layers.Conv2D(4, 2)
    first.build((None, 9, 8, 3))
    first.set_weights(made.layers[0].get_weights())
    candidate = Unnamed(first, gated, *made.layers[1:])
    found = compare(of_model(made), candidate, [images()]).findings
    verdicts = {f.layer: str(f.verdict) for f in found}
    sums = first(images())
    lost = (sums < -17) & (sums > -80)
    assert lost.any()
    assert verdicts.pop("c1") == "wrong"
    assert set(verdicts.values()) <= {"right", "rounding"}
    assert f"{np.sum(lost)} of {sums.size} elements" in found[0].message
    assert not found[0].fault


def test_wrong_layers_in_a_row_are_blamed_each_for_its_own_elements():
    """A layer with some wrong elements is found, though what is behind it has some of its own."""

    def spoilt(layer):
        def call(inputs):
            made = np.array(layer(inputs))
            made.reshape(-1)[[3, 50]] += 1
            return made

        return call

    made = row()
    first, second, *others = made.layers
    candidate = Unnamed(spoilt(first), spoilt(second), *others)
    found = compare(of_model(made), candidate, [images()])
    verdicts = {f.layer: str(f.verdict) for f in found.findings}
    assert [verdicts.pop(name) for name in ("c1", "c2")] == ["wrong", "wrong"]
    assert set(verdicts.values()) <= {"right", "rounding"}
    assert all("2 of" in f.message for f in found.findings[:2])


def test_one_element_is_enough():
    """A single element beyond its bound fails."""
    made = model()
    outputs = made(images()).copy()
    outputs[1, 3] += 1e-3
    with pytest.raises(AssertionError, match="1 of"):
        assert_model_conforms(outputs, made, images())


@pytest.mark.parametrize(
    ("outputs", "inputs", "kind", "words"),
    [
        ({"nothing": 1}, None, ValueError, "names nothing"),
        (None, np.zeros((2, 3), "float32"), ValueError, r"the shape \(2, 3\)"),
        (None, {"other": 0}, ValueError, "no 'start'"),
    ],
)
def test_bad_arguments_are_refused(outputs, inputs, kind, words):
    """The argument, what was given and what is expected are named."""
    made = model()
    outputs = made(images()) if outputs is None else outputs
    with pytest.raises(kind, match=words):
        assert_model_conforms(outputs, made, images() if inputs is None else inputs)


def test_steps_agree_with_the_oracle():
    """The second evaluation of every step is within its bound of the oracle's."""
    source, x = of_model(model()), images()
    for step in source.steps:
        span, x = step.operation([Span.exact(x)]), step.layer(x)
        assert np.all(np.abs(span.value - x) <= span.error)


def test_carried_bound_grows_and_holds():
    """The bound of the whole holds for a candidate that rounds every layer, and is not void."""
    made = model()
    (span,) = of_model(made).run([images()]).values()
    distance = np.abs(span.value - made(images()))
    assert np.all(distance <= span.error)
    assert span.error.max() < 1e-3


def test_mistakes_have_different_words():
    """Words tell mistakes apart."""
    for step in of_model(model()).steps:
        words = sorted(variant.words for variant in variants(step.operation))
        assert all(a != b for a, b in pairwise(words))


def test_average_counts_only_what_is_there():
    """Average pooling divides by the inputs under the window, not by its size."""
    settings = {"window": (2,), "strides": (2,), "dilation": (1,), "padding": "same"}
    pool = Operation("pooling", settings | {"pool": "average", "channels_first": False})
    x = np.arange(1.0, 4.0).reshape(1, 3, 1)
    assert pool([Span.exact(x)]).value.tolist() == [[[1.5], [3.0]]]
    counting = pool.altered(counts_padding=True)
    assert counting([Span.exact(x)]).value.tolist() == [[[1.5], [1.5]]]


def test_normalization_by_hand():
    """``gamma (x - mean) / sqrt(variance + epsilon) + beta``."""
    weights = {"gamma": [2.0], "beta": [1.0], "mean": [3.0], "variance": [3.0]}
    arrays = {name: np.array(value) for name, value in weights.items()}
    operation = Operation("normalization", {"axis": -1, "epsilon": 1.0}, arrays)
    assert operation([Span.exact([[5.0]])]).value.tolist() == [[3.0]]
    assert operation.kind in KINDS


def normalized(gamma):
    """A convolution, a normalization that scales by little more than `gamma`, a convolution."""
    first = keras.layers.Conv2D(6, 3, use_bias=False, name="c")
    layers = [keras.Input((8, 7, 16)), first, keras.layers.Conv2D(3, 2, name="e")]
    made = keras.Sequential(layers)
    plain = of_model(made)
    sums, end = plain.steps
    ones = np.ones(6)
    given = {"gamma": gamma * ones, "beta": 0 * ones, "mean": 0 * ones, "variance": ones}
    operation = Operation("normalization", {"axis": -1, "epsilon": 1.001e-5}, given)
    step = Step("n", None, "BatchNormalization", operation, (sums.output,), 99)
    return replace(plain, steps=(sums, step, replace(end, inputs=(99,)))), made.layers


@pytest.mark.parametrize("gamma", [1.0, 1.5])
@pytest.mark.parametrize("folded", [True, False])
def test_a_normalization_of_next_to_nothing_is_folded_without_blame(gamma, folded):
    """It changes the sums by less than their bound: their tensor may be either's."""
    source, (first, end) = normalized(gamma)
    scale = np.float32(gamma / np.sqrt(1 + 1.001e-5))
    kernel = first.get_weights()[0]
    inner = keras.layers.Conv2D(6, 3, use_bias=False)
    inner.build((None, 8, 7, 16))
    inner.set_weights([kernel * scale if folded else kernel])
    layers = [inner, end] if folded else [inner, lambda x: x * scale, end]
    found = compare(source, Unnamed(*layers))
    assert {str(f.verdict) for f in found.findings} <= {"right", "rounding"}


@pytest.mark.parametrize(
    ("name", "config", "weights", "expected"),
    [
        ("Rescaling", {"scale": 0.5, "offset": [1.0, 2.0]}, {}, [[2.0, 4.0]]),
        ("Normalization", {"mean": [2.0, 1.0], "variance": 4.0}, {}, [[0.0, 1.5]]),
        (
            "Normalization",
            {"mean": None, "variance": None},
            {"mean": [2.0, 1.0], "variance": [4.0, 9.0], "count": 5},
            [[0.0, 1.0]],
        ),
    ],
)
def test_scalings_by_hand(name, config, weights, expected):
    """``scale x + offset``, and ``(x - mean) / sqrt(variance)``, given or stored."""
    arrays = {key: np.array(value) for key, value in weights.items()}
    operation = operation_of(name, config, 2, arrays)
    made = operation([Span.exact([[2.0, 4.0]])])
    assert made.value.tolist() == expected
    assert (made.error > 0).all()
    assert list(TRANSLATIONS[name].weights(config, (None, 2))) == list(weights)


# Activations of one's own


FUNCTIONS = {
    "piecewise linear": lambda x: np.where(x > 1, 2 * x - 1.75, x / 4),
    "its own float64 evaluation": lambda x: x * np.sin(x),
}


@pytest.mark.parametrize("how", FUNCTIONS)
def test_own_callables_are_activations(how):
    """Judged layer by layer and as a whole, as `assert_conforms` does, and said so."""
    layers = [
        keras.Input((8, 7, 3)),
        keras.layers.Conv2D(4, 3, activation=FUNCTIONS[how], name="own"),
        keras.layers.Conv2D(2, 2, activation="tanh", name="last"),
    ]
    made = keras.Sequential(layers)
    inputs = np.random.default_rng(0).normal(size=(2, 8, 7, 3)).astype("float32")
    outputs = {"own": made.layers[0](inputs), "last": made(inputs)}
    assert_model_conforms(outputs, made, inputs)
    assert_model_conforms(outputs["last"], made, inputs)
    wrong = np.array(outputs["own"])
    wrong[1, 2, 3, 1] += np.float32(1e-3)
    with pytest.raises(AssertionError, match=f"'own': .*1 of 240 .*callable: {how}"):
        assert_model_conforms({**outputs, "own": wrong}, made, inputs)
    plain = keras.layers.Conv2D(4, 3)
    plain.build(inputs.shape)
    plain.set_weights(made.layers[0].get_weights())
    with pytest.raises(AssertionError, match="the activation is missing"):
        assert_model_conforms({**outputs, "own": plain(inputs)}, made, inputs)


# Files


def saved(tmp_path):
    pytest.importorskip("h5py", reason="model files need h5py")
    path = tmp_path / "m.keras"
    made = model()
    made.save(path)
    return made, path


def program(tmp_path, body):
    path = tmp_path / "candidate.py"
    path.write_text(body)
    return str(path)


def test_command_judges_a_callable(tmp_path, capsys):
    """A right callable ends in 0, its outputs named right or rounding."""
    _, path = saved(tmp_path)
    body = f"from reference_impl.models import load_model\nmodel = load_model({str(path)!r})\n"
    candidate = program(tmp_path, body)
    report = tmp_path / "r.jsonl"
    arguments = ["model", str(path), "--against", candidate, "--jsonl", str(report)]
    assert main([*arguments, "--junit", str(tmp_path / "r.xml")]) == 0
    assert "c1" in capsys.readouterr().out
    records = [json.loads(line) for line in report.read_text().splitlines()]
    assert records[-1] == {"kind": "footer", "results": len(records) - 2}
    assert (tmp_path / "r.xml").read_text().count("<testcase") == 4


def test_command_blames_a_wrong_layer(tmp_path, capsys):
    """A dict by layer name with one wrong layer ends in 1, that layer on top."""
    _, path = saved(tmp_path)
    body = (
        "import numpy as np\nfrom reference_impl.models import load_model\n"
        f"whole = load_model({str(path)!r})\n"
        "def run(x):\n    made = {}\n    for layer in whole.layers[1:]:\n"
        "        x = layer(x)\n        x = np.maximum(x, 0) if layer.name == 'c2' else x\n"
        "        made[layer.name] = x\n    return made\n"
    )
    assert main(["model", str(path), "--against", program(tmp_path, body) + ":run"]) == 1
    said = capsys.readouterr().out
    assert "The first wrong layer is c2: the activation is relu in place of linear" in said
    assert "conformance explain 'Conv2D" in said
    assert "--save FOLDER writes this layer alone" in said


@pytest.mark.parametrize("folder", ["new/er", "."])
def test_the_first_wrong_layer_is_saved_as_a_program(tmp_path, capsys, folder):
    """It needs nothing else, and counts the same wrong elements."""
    _, path = saved(tmp_path)
    body = (
        "import numpy as np\nfrom reference_impl.models import load_model\n"
        f"whole = load_model({str(path)!r})\n"
        "def run(x):\n    made = {}\n    for layer in whole.layers[1:]:\n"
        "        x = layer(x)\n        x = x + np.float32(layer.name == 'c2')\n"
        "        made[layer.name] = x\n    return made\n"
    )
    arguments = ["model", str(path), "--against", program(tmp_path, body) + ":run"]
    assert main([*arguments, "--save", str(tmp_path / folder)]) == 1
    made = tmp_path / folder / "c2.py"
    assert f"This layer alone: python {made}" in capsys.readouterr().out
    done = subprocess.run([sys.executable, made], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("60 of 60 elements of the candidate are wrong")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 9, 8, 3)), "the dtype is float64; expected float32"),
        (np.zeros((9, 8, 3), "float32"), r"the shape is (9, 8, 3); expected (None, 9, 8, 3)"),
    ],
)
def test_inputs_are_checked(tmp_path, capsys, array, words):
    """``--inputs`` of another shape or dtype is refused with what is expected."""
    _, path = saved(tmp_path)
    np.save(tmp_path / "x.npy", array)
    candidate = program(tmp_path, "model = print")
    options = ["--against", candidate, "--inputs", str(tmp_path / "x.npy")]
    assert main(["model", str(path), *options]) == 2
    assert words in capsys.readouterr().err


def altered(path, change):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def first_layer(**changes):
    return lambda config: config["config"]["layers"][1].update(**changes)


HOSTILE = {
    "no layers": lambda config: config["config"].pop("layers"),
    "layers are numbers": lambda config: config["config"].update(layers=[5]),
    "settings are a number": first_layer(config=5),
    "dense without units": first_layer(class_name="Dense", config={"name": "c1"}),
    "huge": lambda config: config["config"]["layers"][1]["config"].update(filters=10**9),
    "huge dense": first_layer(class_name="Dense", config={"name": "c1", "units": 10**12}),
    "cyclic": lambda config: config["config"]["layers"][1]["inbound_nodes"][0]["args"][0][
        "config"
    ].update(keras_history=["f", 0, 0]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_sources_are_refused(tmp_path, kind):
    """A corrupt or malicious file ends in an error that names it; nothing of it is run."""
    _, path = saved(tmp_path)
    altered(path, HOSTILE[kind])
    with pytest.raises(ModelError, match=r"m\.keras"):
        read(path)


OTHERS = {
    "of a module": {"module": "evil", "class_name": "Dense", "registered_name": "Dense"},
    "registered": {"class_name": "Dense", "registered_name": "evil>Dense"},
    "code in the file": {"class_name": "Lambda", "registered_name": None},
    "none of Keras'": {"class_name": "Mine", "registered_name": None},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_layers_that_nothing_computes_are_taken_from_the_candidate(tmp_path, monkeypatch, kind):
    """They are shown as not judged, nothing of them is run, and those behind them are judged."""
    (tmp_path / "evil.py").write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(tmp_path)
    made, path = saved(tmp_path)
    altered(path, lambda config: config["config"]["layers"][2].update(**OTHERS[kind]))
    source, inputs = read(path), images()
    outputs = by_layer(made, inputs)
    outputs["c2"] = np.array(outputs["c2"])
    outputs["c2"][0, 0, 0, 0] += 1
    found = compare(source, CallableCandidate(lambda *_: outputs, "port"), [inputs]).findings
    said = {f.layer: f.verdict.value for f in found}
    assert said.pop("c1") in ("right", "rounding")
    assert said == {"p": "not judged", "c2": "wrong", "f": "wrong"}
    assert found[1].message == "taken from the candidate: nothing that is installed computes it"


def test_layers_behind_an_output_that_is_not_found_are_not_judged(tmp_path):
    """Nothing is known of them; the candidate is not called wrong."""
    made, path = saved(tmp_path)
    altered(path, lambda config: config["config"]["layers"][2].update(**OTHERS["registered"]))
    inputs = images()
    outputs = {"c2": by_layer(made, inputs)["c2"]}
    found = compare(read(path), CallableCandidate(lambda *_: outputs, "port"), [inputs]).findings
    assert [f.verdict.value for f in found[:3]] == ["not judged"] * 3


def test_truncated_source_is_refused(tmp_path):
    """Half a file is no model."""
    _, path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"m\.keras"):
        read(path)


# Candidates that do not answer


MISBEHAVING = {
    "def model(x):\n    import os\n    os.kill(os.getpid(), 11)\n": "crashed while it was run",
    "import os\nos.kill(os.getpid(), 11)\n": "crashed while it was loaded",
    "import sys\ndef model(x):\n    sys.exit(7)\n": "ended by exit status 7",
    "import sys\nprint('last', file=sys.stderr)\nsys.exit(3)\n": "its last words:\nlast",
    "import time\ndef model(x):\n    time.sleep(60)\n": "no answer within 1 seconds while it was",
    "def model(x):\n    return x / missing\n": "NameError: name 'missing' is not defined (line 2",
    "def model(x):\n    raise ValueError('\\ud800\\x1b[31m')\n": "ValueError",
    "import os\ndef model(x):\n    os.write(1, b'noise' * 999)\n    os._exit(0)\n": "exit status 0",
}


@pytest.mark.parametrize("body", MISBEHAVING)
def test_candidates_that_crash_hang_or_raise_are_told(tmp_path, capsys, body):
    """The judge outlives them, says what they did, and judges the others."""
    _, path = saved(tmp_path)
    bad = program(tmp_path, body)
    good = tmp_path / "good.py"
    good.write_text(
        f"from reference_impl.models import load_model\nmodel = load_model({str(path)!r})\n"
    )
    reports = {name: tmp_path / f"r.{name}" for name in ("jsonl", "junit", "html")}
    options = [item for name, file in reports.items() for item in (f"--{name}", str(file))]
    arguments = ["model", str(path), "--against", bad, "--against", str(good), "--timeout", "1"]
    started = time.monotonic()
    assert main([*arguments, *options]) == 1
    assert time.monotonic() - started < 45
    said = capsys.readouterr().out
    assert MISBEHAVING[body] in said
    assert f"{good} (a callable): " in said
    lines = [json.loads(line) for line in reports["jsonl"].read_text().splitlines()]
    (failure,) = [line for line in lines if line["kind"] == "failure"]
    assert failure["verdict"] in ("crashed", "timed out", "raised")
    assert 'errors="1"' in reports["junit"].read_text()
    assert "candidate.py: " in reports["html"].read_text()


def test_one_unusable_candidate_does_not_lose_the_others(tmp_path, capsys):
    """What can be judged is; what cannot be used ends in 2, and is named."""
    _, path = saved(tmp_path)
    body = f"from reference_impl.models import load_model\nmodel = load_model({str(path)!r})\n"
    good = program(tmp_path, body)
    missing = str(tmp_path / "missing.onnx")
    assert main(["model", str(path), "--against", missing, "--against", good]) == 2
    printed = capsys.readouterr()
    assert f"{missing}: there is no such file" in printed.err
    assert f"{good} (a callable): r" in printed.out


def test_files_of_absurd_size_are_refused(tmp_path, capsys):
    """Before they are read."""
    _, path = saved(tmp_path)
    for name in ("c.onnx", "c.tflite"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 40)
        assert main(["model", str(path), "--against", str(tmp_path / name)]) == 2
        assert f"{name}: 1099511627776 bytes; expected at most 2 GiB" in capsys.readouterr().err


@has_proc
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("model.pb", "expected a .onnx or .tflite file, FILE.py[:ATTRIBUTE], tf.keras"),
        ("keras[backend=mxnet]", "backend"),
        ("missing.py", "missing.py: there is no such file"),
    ],
)
def test_what_is_no_candidate_is_refused(tmp_path, capsys, spec, words):
    """The message says what is allowed, and no process stays."""
    _, path = saved(tmp_path)
    before = set(children())
    assert main(["model", str(path), "--against", spec]) == 2
    assert words in capsys.readouterr().err
    assert set(children()) <= before


def test_a_program_may_import_what_lies_beside_it(tmp_path, capsys):
    """And not in place of Python's own library."""
    _, path = saved(tmp_path)
    (tmp_path / "weights_of_mine.py").write_text(
        f"from reference_impl.models import load_model\nmodel = load_model({str(path)!r})\n"
    )
    (tmp_path / "random.py").write_text("raise SystemError\n")
    candidate = program(tmp_path, "import random\nfrom weights_of_mine import model\n")
    assert main(["model", str(path), "--against", candidate]) == 0
    assert "wrong" not in capsys.readouterr().out


def test_reports_that_cannot_be_written_are_noticed_first(tmp_path, capsys):
    """Before anything is run, with the option that names the file."""
    _, path = saved(tmp_path)
    assert main(["model", str(path), "--html", str(tmp_path / "no" / "r.html")]) == 2
    assert "--html" in capsys.readouterr().err


def test_jsonl_may_go_to_standard_output(tmp_path, capsys):
    """``-`` is standard output; the table gives way to standard error."""
    _, path = saved(tmp_path)
    body = f"from reference_impl.models import load_model\nmodel = load_model({str(path)!r})\n"
    assert main(["model", str(path), "--against", program(tmp_path, body), "--jsonl", "-"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["kind"] == "header"
    assert lines[-1]["kind"] == "footer"
