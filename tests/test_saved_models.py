"""Model files: what is written is read back, and what is damaged or hostile is refused."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference_impl as keras

h5py = pytest.importorskip("h5py")

X = np.random.default_rng(0).integers(-3, 4, (2, 6, 7, 3)).astype(np.float32)


def model() -> keras.Model:
    made = keras.Sequential(
        [
            keras.Input((6, 7, 3)),
            keras.layers.Conv2D(4, 3, name="first", bias_initializer="ones"),
            keras.layers.MaxPooling2D(name="pool"),
            keras.layers.Flatten(name="flat"),
        ],
        name="m",
    )
    made.compile(keras.optimizers.SGD(0.5), "mse", metrics=["mse"])
    return made


def branched() -> keras.Model:
    start = keras.Input((6, 7, 3), name="start")
    shared = keras.layers.Conv2D(3, 3, padding="same", name="shared")
    inner = keras.Sequential([keras.Input((6, 7, 3)), keras.layers.Conv2D(2, 2)], name="inner")
    return keras.Model(start, (inner(shared(shared(start) * 0.5)), shared(start)))


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("make", [model, branched])
def test_a_saved_model_comes_back(tmp_path: Path, ending: str, make: Any) -> None:
    """Structure, weights, and how it was compiled."""
    path = tmp_path / f"model.{ending}"
    made = make()
    made.save(path)
    again = keras.models.load_model(path)
    assert again.to_json() == made.to_json()
    found, expected = again(X), made(X)
    several = isinstance(expected, tuple)
    assert isinstance(found, list) == several, "as in Keras, files keep no tuples"
    pairs = zip(found, expected, strict=True) if several else [(found, expected)]
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert again.compiled == made.compiled
    if made.compiled:
        assert again.optimizer.get_config() == made.optimizer.get_config()


@pytest.mark.parametrize("said", ["bfloat16", None])
def test_bfloat16_is_read_as_keras_stores_it(said: str | None, tmp_path: Path) -> None:
    """Two opaque bytes each, with the dtype beside them: the upper half of float32's."""
    made, path = model(), tmp_path / "m.weights.h5"
    made.save_weights(path)
    wanted = np.float32([1.0, -2.5, 0.15625, 3.0e38]).view(np.uint32) & 0xFFFF0000
    with h5py.File(path, "r+") as file:
        variables = file["layers/conv2d/vars"]
        del variables["1"]
        stored = (wanted >> 16).astype("<u2").view("V2")
        variables.create_dataset("1", data=stored)
        if said is not None:
            variables["1"].attrs["dtype"] = said
    if said is None:
        with pytest.raises(ValueError, match="expected real numbers"):
            made.load_weights(path)
        return
    made.load_weights(path)
    assert np.array_equal(made.layers[0].get_weights()[1], wanted.view(np.float32))


def test_weights_alone_are_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.weights.h5"
    made, other = model(), model()
    made.save_weights(path)
    other.load_weights(path)
    assert np.array_equal(made(X), other(X))
    with pytest.raises(ValueError, match=r"\.weights\.h5"):
        made.save_weights(tmp_path / "a.h5")
    with pytest.raises(ValueError, match=r"\.keras or \.h5"):
        made.save(tmp_path / "a.txt")
    with pytest.raises(FileExistsError):
        made.save_weights(path, overwrite=False)


def test_what_cannot_be_written_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full in the middle of saving keeps the old file, and no part of the new."""
    path = tmp_path / "a.keras"
    model().save(path)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reference_impl.engine.files.writing.os.replace", full)
    with pytest.raises(OSError, match="No space left") as refused:
        model().save(path)
    assert refused.value.filename == str(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.keras"]


def test_saving_follows_a_link(tmp_path: Path) -> None:
    """A link stays one, and what it points to is written."""
    path, link = tmp_path / "a.keras", tmp_path / "link.keras"
    model().save(path)
    link.symlink_to(path)
    path.unlink()
    made = model()
    made.save(link)
    assert link.is_symlink()
    assert np.array_equal(keras.models.load_model(path)(X), made(X))


def changed(
    path: Path, change: Callable[[dict[str, Any]], Any], member: str = "config.json"
) -> Path:
    """A copy of a file with another configuration."""
    copy = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == member and member == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            elif name == member:
                buffer = io.BytesIO(content)
                with h5py.File(buffer, "r+") as file:
                    change(file)
                content = buffer.getvalue()
            target.writestr(name, content)
    return copy


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.keras"
    model().save(path)
    return path


def layers(config: dict[str, Any]) -> Any:
    return config["config"]["layers"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["config"].update(layers=[5]), "layers"),
        (lambda c: c["config"].pop("layers"), "layers"),
        (lambda c: c.update(config=5), "config"),
        (lambda c: layers(c)[1].update(build_config=5), "build_config|config"),
        (lambda c: layers(c)[1]["config"].update(filters=10**9), "elements"),
        (lambda c: layers(c)[1]["config"].update(filters=10**30), "filters"),
        (lambda c: layers(c)[3].update(class_name="Dense"), "class Dense"),
        (lambda c: layers(c)[3].update(module="evil", registered_name=None), "class|config"),
        (lambda c: layers(c)[3]["config"].update(name=5), "name"),
        (lambda c: layers(c)[1]["config"].update(activation={"class_name": "x"}), "activation"),
        (lambda c: layers(c).append({"class_name": "Lambda", "config": {}}), "Lambda"),
        (lambda c: layers(c)[1].update(class_name={"a": 1}), "of class {'a': 1}"),
    ],
    ids=[
        "five",
        "none",
        "number",
        "build",
        "large",
        "huge",
        "dense",
        "module",
        "name",
        "x",
        "lambda",
        "class",
    ],
)
def test_a_configuration_that_is_none_is_refused(good: Path, change: Any, message: str) -> None:
    """By a ValueError or TypeError that says what is wrong; never from the inside."""
    with pytest.raises((ValueError, TypeError), match=message):
        keras.models.load_model(changed(good, change))


def variables(file: Any) -> Any:
    return file["layers/conv2d/vars"]


def external(file: Any) -> None:
    del variables(file)["1"]
    variables(file).create_dataset("1", shape=(4,), dtype="u1", external=[("/etc/hosts", 0, 4)])


def virtual(file: Any) -> None:
    del variables(file)["1"]
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/hosts", "x", shape=(4,))
    variables(file).create_virtual_dataset("1", layout)


def soft(file: Any) -> None:
    del variables(file)["1"]
    variables(file)["1"] = h5py.SoftLink("/layers/conv2d/vars/1")


def outside(file: Any) -> None:
    del variables(file)["1"]
    variables(file)["1"] = h5py.ExternalLink("other.h5", "/x")


def large(file: Any) -> None:
    del variables(file)["0"]
    variables(file).create_dataset("0", shape=(10**6, 10**6), dtype="f4", chunks=True)


def wrong_shape(file: Any) -> None:
    del variables(file)["0"]
    variables(file)["0"] = np.zeros((1, 2, 3))


def text(file: Any) -> None:
    del variables(file)["0"]
    variables(file)["0"] = np.array([b"abc"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external, "no data set stored in the file itself"),
        (virtual, "no data set stored in the file itself|reference to a string"),
        (soft, "SoftLink; expected data in the file itself"),
        (outside, "ExternalLink; expected data in the file itself"),
        (large, "more elements than the file can hold"),
        (wrong_shape, "weights of the layer 'first'.*expected the shape"),
        (text, "real numbers"),
        (lambda file: variables(file).pop("1"), "1 arrays are stored; expected 2"),
        (lambda file: file.pop("layers"), "0 arrays are stored; expected 2"),
    ],
)
def test_weights_that_are_elsewhere_or_do_not_fit_are_refused(
    good: Path, change: Any, message: str
) -> None:
    """Nothing outside the file is read, and nothing is set."""
    bad = changed(good, change, "model.weights.h5")
    with pytest.raises(ValueError, match=message):
        keras.models.load_model(bad)
    made = model()
    before = made.get_weights()
    with pytest.raises(ValueError, match=message):
        made.load_weights(bad)
    assert all(map(np.array_equal, before, made.get_weights()))


def test_models_within_models_are_followed_to_a_depth(good: Path) -> None:
    def nest(config: dict[str, Any]) -> None:
        inner = json.loads(json.dumps(config))
        for _ in range(60):
            inner = {**config, "config": {**config["config"], "layers": [inner]}}
        config["config"] = inner["config"]

    with pytest.raises(ValueError, match="deeper than"):
        keras.models.load_model(changed(good, nest))


def test_the_time_for_a_model_does_not_grow_by_the_square_of_its_layers(good: Path) -> None:
    """Connecting a thousand layers one by one takes a hundred times as long as once."""

    def lengthen(config: dict[str, Any]) -> None:
        last = layers(config)[-1]
        for number in range(1000):
            layers(config).append({**last, "config": {**last["config"], "name": f"f{number}"}})

    path = changed(good, lengthen)
    start = time.process_time()
    assert len(keras.models.load_model(path).layers) > 1000
    assert time.process_time() - start < 3


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"x" * 99])
def test_what_is_no_file_of_keras_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.keras"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.keras"):
        keras.models.load_model(path)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        keras.models.load_model(tmp_path / "none.keras")


def _trained(momentum: float, steps: int) -> Any:
    model = keras.Sequential([keras.Input((5, 2)), keras.layers.Conv1D(2, 2, name="c")])
    model.set_weights([np.full(weight.shape, 0.5) for weight in model.weights])
    model.compile(keras.optimizers.SGD(0.1, momentum=momentum), "mse")
    for _ in range(steps):
        model.train_on_batch(np.ones((1, 5, 2), np.float32), np.ones((1, 4, 2), np.float32))
    return model


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_training_goes_on_where_a_file_was_written(momentum: float, tmp_path: Path) -> None:
    """The velocities, the number of updates and the learning rate are those of the file."""
    model = _trained(momentum, 2)
    model.optimizer.learning_rate = 0.3
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    again, other = keras.models.load_model(tmp_path / "m.keras"), _trained(momentum, 0)
    other.load_weights(tmp_path / "m.weights.h5")
    for each in (model, again, other):
        assert (each.optimizer.iterations, each.optimizer.learning_rate) == (2, 0.3)
        each.train_on_batch(np.ones((1, 5, 2), np.float32), np.ones((1, 4, 2), np.float32))
        for one, expected in zip(each.get_weights(), model.get_weights(), strict=True):
            assert np.array_equal(one, expected)


def test_the_state_of_another_optimizer_is_left_with_a_warning(tmp_path: Path) -> None:
    _trained(0.5, 1).save_weights(tmp_path / "m.weights.h5")
    plain = _trained(0.0, 0)
    with pytest.warns(UserWarning, match=r"expected those of the updates made .* it starts anew"):
        plain.load_weights(tmp_path / "m.weights.h5")
    assert plain.optimizer.iterations == 0


@pytest.mark.parametrize(("number", "value"), [(0, 1.5), (1, -1.0), (1, np.nan), (2, 0.0)])
def test_a_state_that_makes_no_sense_is_refused(number: int, value: float) -> None:
    optimizer = _trained(0.5, 1).optimizer
    store: dict[str, Any] = {}
    optimizer.save_own_variables(store)
    before = optimizer.variables
    with pytest.raises(ValueError, match=r"expected (those of the updates|a finite number)"):
        optimizer.load_own_variables({**store, str(number): np.float64(value)})
    assert optimizer.variables[:2] == before[:2]


@keras.saving.register_keras_serializable("tests")
class Holding(keras.layers.Layer):
    """Layers in containers, in containers within them, and one of them twice."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        make = partial(keras.layers.Conv1D, 2, 1)
        self.first = make()
        self.listed = [make(), make(), self.first]
        self.named = {"a": make(), "b": [make()], "c": [[make(), make()]]}
        self.cyclic: list[Any] = [make()]
        self.cyclic.append(self.cyclic)

    def call(self, inputs: Any) -> Any:
        outer, inner = self.named["b"][0], self.named["c"][0]
        for layer in (self.first, *self.listed, self.named["a"], outer, *inner, self.cyclic[0]):
            inputs = layer(inputs)
        return inputs


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_in_lists_and_dictionaries_are_saved(suffix: str, tmp_path: Path) -> None:
    made = keras.Sequential([keras.Input((3, 2)), Holding()])
    assert len(made.weights) == 16
    made.save(tmp_path / f"m{suffix}")
    again = keras.models.load_model(tmp_path / f"m{suffix}")
    for one, other in zip(made.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(one, other)


class Part(keras.layers.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.a = keras.layers.Conv1D(2, 1)
        self.b = [keras.layers.Conv1D(2, 1), (keras.layers.Conv1D(2, 1),)]

    def call(self, x: Any) -> Any:
        return self.b[1][0](self.b[0](self.a(x)))


class Whole(keras.Model):
    """Attributes before and after ``layers``, containers in containers, and a private one."""

    def __init__(self) -> None:
        super().__init__()
        self.zeta = keras.layers.Conv1D(2, 1)
        self.blocks = [[keras.layers.Conv1D(2, 1)], {"x": keras.layers.Conv1D(2, 1)}]
        self._hidden = keras.layers.Conv1D(2, 1)
        self.part = Part()

    def call(self, x: Any) -> Any:
        return self.part(self._hidden(self.blocks[1]["x"](self.blocks[0][0](self.zeta(x)))))


class Further(keras.Sequential):
    def __init__(self) -> None:
        super().__init__([keras.Input((3, 2)), keras.layers.Conv1D(2, 1)])
        self.extra = keras.layers.Conv1D(2, 1)
        self.extra.build((None, 3, 2))


STORED = {
    Whole: [
        *("blocks/container/conv1d", "blocks/container_1/conv1d"),
        *("layers/conv1d", "layers/conv1d_3", "layers/part/a", "layers/part/b/container/conv1d"),
        "layers/part/b/conv1d",
    ],
    Further: ["extra", "layers/conv1d"],
}
"""Where Keras 3.15 puts the kernels of these models."""


@pytest.mark.parametrize("kind", STORED)
def test_the_weights_of_subclassed_models_lie_where_keras_puts_them(
    kind: type[keras.Model], tmp_path: Path
) -> None:
    """And another instance, whose layers have other names, takes them."""
    path = tmp_path / "m.weights.h5"
    one, other = kind(), kind()
    x = np.ones((1, 3, 2), np.float32)
    assert not np.array_equal(one(x), other(x))
    one.save_weights(path)
    kernels: list[str] = []
    with h5py.File(path) as file:
        file.visit(lambda name: kernels.append(name) if name.endswith("vars/0") else None)
    assert sorted(kernels) == [f"{place}/vars/0" for place in STORED[kind]]
    other.load_weights(path)
    assert np.array_equal(one(x), other(x))


def test_layers_that_do_not_fit_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "m.weights.h5"
    model().save_weights(path)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Conv2D(1, 1), keras.layers.Flatten()]
    other = keras.Sequential([keras.Input((6, 7, 3)), *layers])
    before = other.get_weights()
    with pytest.raises(ValueError, match="0 arrays are stored; expected 2"):
        other.load_weights(path)
    assert all(map(np.array_equal, before, other.get_weights()))
    with pytest.warns(UserWarning, match="left as they are"):
        other.load_weights(path, skip_mismatch=True)
    assert other.get_weights()[1].tolist() == [1] * 4
    assert np.array_equal(other.get_weights()[2], before[2])


def test_a_heap_that_leads_nowhere_is_refused_at_once(tmp_path: Path) -> None:
    """The HDF5 library reads on for ever where a heap's free space has no size."""
    path = tmp_path / "m.h5"
    model().save(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"GCOL") + 16
    while int.from_bytes(data[place : place + 2], "little"):
        place += 16 + (int.from_bytes(data[place + 8 : place + 16], "little") + 7) // 8 * 8
    data[place + 8 : place + 16] = bytes(8)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="free space of no size"):
        keras.models.load_model(path)


def test_numbers_like_the_address_of_a_heap_are_no_damage(tmp_path: Path) -> None:
    """Heaps may lie at round places, and weights, or other addresses, hold the same numbers."""
    path = tmp_path / "m.h5"
    made = keras.Sequential([keras.Input((3, 2)), keras.layers.Conv1D(2, 3, dtype="float64")])
    made.save(path)
    address = path.read_bytes().index(b"GCOL")
    numbers = np.array([1, address, 0, address, address, 1, 2, address, 3, 1 << 32, address, 5])
    kernel = numbers.astype("<i8").view("<f8").reshape(3, 2, 2)
    made.set_weights([kernel, np.zeros(2)])
    made.save(path)
    assert path.read_bytes().index(b"GCOL") == address
    again = keras.models.load_model(path)
    assert again.get_weights()[0].tobytes() == kernel.tobytes()


def test_members_before_the_file_are_damage(good: Path, tmp_path: Path) -> None:
    """And no error of the system, which a place below zero would be."""
    data = bytearray(good.read_bytes())
    directory = int.from_bytes(data[-6:-2], "little")
    data[-6:-2] = (directory + 10**6).to_bytes(4, "little")
    bad = tmp_path / "bad.keras"
    bad.write_bytes(data)
    with pytest.raises(ValueError, match="lies before the file"):
        keras.models.load_model(bad)


@pytest.mark.parametrize("call", [keras.models.load_model, model().load_weights])
def test_a_file_of_no_known_format_is_refused_as_such(call: Any) -> None:
    with pytest.raises(ValueError, match="of no format that is known"):
        call("model.json")
