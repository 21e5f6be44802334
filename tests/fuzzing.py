"""What random users do: hostile values, calls of every kind, and what may come of them.

Each kind of call is a function of Hypothesis' data.  It ends well, or in a TypeError or ValueError
with a short printable message; everything else, and what takes seconds, is a fault of the oracle.
"""

from __future__ import annotations

import io
import json
import math
import struct
import time
import warnings
import zipfile
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from callables import ODD, TARGETS, Endless, Hostile
from hypothesis import strategies as st

import reference_impl as keras
from conformance.cases.case import parse
from conformance.implementations import wire
from conformance.outcomes import Crash, Rejection, Timeout, Unsupported, Value

ALLOWED: Final = (TypeError, ValueError, NotImplementedError)
LONGEST: Final = 2000
SECONDS: Final = 20.0


def guarded(call: Callable[[], Any]) -> Any:
    """The result of a call, or None where it is refused as it should be.

    Raises:
        AssertionError: if a refusal's message is empty, long, or not printable, or it took long.
        Exception: whatever else the call raises.
    """
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return call()
    except UserWarning:
        return None
    except ALLOWED as error:
        _check_message(str(error))
        return None
    finally:
        assert time.perf_counter() - start < SECONDS


def _check_message(message: str) -> None:
    assert message
    assert len(message) < LONGEST, message[:300]
    assert all(c.isprintable() or c == "\n" for c in message), ascii(message[:300])


numbers = st.one_of(
    st.integers(-3, 12),
    st.builds(pow, st.just(10), st.just(5000)),
    st.sampled_from(
        [10**9, 10**400, -(2**63), 2**64, True, False, None, 1.5, 0.0, -0.0, 1e308, 5e-324]
    ),
    st.sampled_from([math.nan, math.inf, -math.inf, 1j, Decimal("NaN"), Fraction(1, 3)]),
    st.sampled_from([np.int8(3), np.float16(2), np.bool_(True), np.array(3), np.datetime64("nat")]),
)
WORDS: Final = (
    *("valid", "same", "SAME", "causal", "channels_last", "channels_first", "relu", "softmax"),
    *("float16", "float32", "float64", "int8", "bool", "mixed_float16", "zeros", "ones", "l1"),
    *(
        "non_neg",
        "max_norm",
        "glorot_uniform",
        "",
        "/",
        "a",
        "\x00",
        "\x1b[0m",
        "\ud800",
        "x" * 999,
    ),
)
words = st.sampled_from(WORDS)
odd = st.one_of(
    st.builds(Hostile),
    st.builds(Endless),
    st.sampled_from(ODD),
)
leaves = st.one_of(numbers, words, odd)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from(["class_name", "config", "module", "l1", "a"]), inner),
    ),
    max_leaves=6,
)


def sized(value: Any) -> bool:
    """Whether a value asks for no more memory than a test has."""
    numbers_in = [value] if isinstance(value, int) else []
    if isinstance(value, (list, tuple)):
        numbers_in = [item for item in value if isinstance(item, int)]
    return all(abs(item) < 10**4 or abs(item) > 10**12 for item in numbers_in)


LAYERS: Final = {
    "Conv1D": ("filters", "kernel_size"),
    "Conv2D": ("filters", "kernel_size"),
    "MaxPooling1D": (),
    "MaxPooling2D": (),
    "Flatten": (),
    "InputLayer": (),
    "Input": (),
}
ARGUMENTS: Final = (
    *("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation"),
    *("use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer", "pool_size"),
    *("bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint", "shape"),
    *("name", "dtype", "trainable", "input_shape", "batch_shape", "batch_size", "sparse", "tensor"),
    *("border_mode", "groups", "optional", "ragged", "batch_input_shape", "input_dim", "nonsense"),
)


def constructor(data: Any) -> Any:
    """A layer, or anything else that takes arguments, with random ones, most of them wrong."""
    if data.draw(st.booleans()):
        target = TARGETS[data.draw(st.sampled_from(_OTHERS))]
        names, given, kind = target.arguments(), dict(target.keywords), target.make()
    else:
        name = data.draw(st.sampled_from(sorted(LAYERS)))
        given = {"filters": 2, "kernel_size": 2} if LAYERS[name] else {}
        names, kind = list(ARGUMENTS), getattr(keras.layers, name)
    if names:
        chosen = st.lists(st.sampled_from(names), max_size=4, unique=True)
        given |= {argument: data.draw(values.filter(sized)) for argument in data.draw(chosen)}
    with keras.config.as_never_set():
        return guarded(lambda: kind(**given))


_OTHERS: Final = sorted(set(TARGETS) - {"set_reading", "load_model"})


SHAPES = st.lists(st.integers(0, 6), max_size=5).map(tuple)
ELEMENTS = st.sampled_from([0.0, -0.0, 1.0, -2.5, 1e30, 5e-324, math.inf, -math.inf, math.nan])
DTYPES = st.sampled_from(
    ["float16", "float32", "float64", ">f4", "<f8", "int8", "uint64", "bool", "complex64", "object"]
)


def array(data: Any) -> Any:
    """An array, or something like one, of some shape, dtype, order and layout."""
    shape = data.draw(SHAPES)
    made = np.full(shape, data.draw(ELEMENTS))
    if made.size:
        made.flat[0] = data.draw(ELEMENTS)
    with np.errstate(all="ignore"):
        made = made.astype(data.draw(DTYPES))
    form = data.draw(st.sampled_from(["plain", "view", "list", "readonly", "masked", "matrix"]))
    if form == "view":
        return made.T
    if form == "list":
        return made.tolist()
    if form == "masked":
        return np.ma.masked_array(made)
    made.setflags(write=form != "readonly")
    return made


VALID: Final = (
    lambda: keras.layers.Conv1D(2, 2, activation="softmax"),
    lambda: keras.layers.Conv1D(
        2, 3, strides=2, padding="same", activation="tanh", dtype="float64"
    ),
    lambda: keras.layers.Conv1D(2, 2, dilation_rate=10**8, padding="same"),
    lambda: keras.layers.Conv2D(2, (2, 1), data_format="channels_first", activation="gelu"),
    lambda: keras.layers.Conv2D(2, 1, dtype="mixed_float16", activity_regularizer="l2"),
    lambda: keras.layers.MaxPooling1D(10**7, strides=1, padding="same"),
    lambda: keras.layers.MaxPooling2D(dtype="int8"),
    keras.layers.Flatten,
    lambda: keras.layers.Conv1D(4, 2, groups=2, padding="causal", activation="elu"),
    lambda: keras.layers.Conv2D(2, 1, groups=2, strides=10**9, dtype="bfloat16"),
    lambda: keras.layers.Conv1D(2, 1, activation="sparsemax", dtype="float16"),
    lambda: keras.Sequential([keras.layers.Conv1D(2, 1), keras.layers.Flatten()]),
)


def call(data: Any) -> Any:
    """A layer called on an array or on anything, and its gradients.

    The same elements in an ordinary array give the same bytes, whatever form they came in.
    """
    layer = data.draw(st.sampled_from(VALID))()
    given = array(data) if data.draw(st.booleans()) else data.draw(values)
    before = given.tobytes() if isinstance(given, np.ndarray) else None
    output = guarded(lambda: layer(given))
    if before is not None:
        assert given.tobytes() == before
    if isinstance(given, np.ndarray) and isinstance(output, np.ndarray):
        plain = np.ascontiguousarray(given, given.dtype.newbyteorder("="))
        assert layer(plain).tobytes() == output.tobytes()
    if isinstance(output, np.ndarray) and not isinstance(layer, keras.Model):
        upstream = np.full(output.shape, data.draw(ELEMENTS))
        guarded(lambda: layer.gradients(given, upstream))
    return output


@cache
def _text() -> str:
    start: Any = keras.Input((5, 2))
    layer = keras.layers.Conv1D(2, 2, kernel_regularizer="l2")
    outputs = {"a": keras.layers.Flatten()(layer(start)), "b": (2.0 * start[:, 1:] + 1.0,)}
    model = keras.Model(start, outputs)
    model.compile("sgd", {"a": "mse"}, metrics={"a": ["mse"]})
    content = json.loads(model.to_json())
    return json.dumps(content | {"compile_config": model.get_compile_config()})


def configuration(data: Any) -> Any:
    """A model's configuration with one place changed to anything."""
    config = changed(data, values.filter(sized))
    return guarded(lambda: keras.models.model_from_config(config))


def changed(data: Any, content: Any) -> Any:
    """The configuration of a model with one place changed."""
    place = config = json.loads(_text())
    for _ in range(data.draw(st.integers(1, 8))):
        keys = [*place] if isinstance(place, dict) else [*range(len(place))]
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or data.draw(st.integers(0, 3)) == 0:
            place[key] = data.draw(content)
            break
        place = place[key]
    return config


def identifier(data: Any) -> Any:
    """Any value as an activation, an initializer, a regularizer, a constraint, a loss, ..."""
    kinds = ("activations", "initializers", "regularizers", "constraints", "losses", "optimizers")
    module = getattr(keras, data.draw(st.sampled_from([*kinds, "metrics"])))
    given = data.draw(values)
    reader = data.draw(st.sampled_from([module.get, module.deserialize]))
    return guarded(lambda: reader(given))


@cache
def _file(suffix: str) -> bytes:
    model = keras.Sequential([keras.Input((5, 2)), keras.layers.Conv1D(2, 2, name="c")])
    model.compile("sgd", "mse")
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        model.save(path)
        return path.read_bytes()


def model_file(data: Any) -> Any:
    """A model file with bytes changed anywhere, in its configuration or weights, or other JSON."""
    forms = ["anywhere", "config.json", "model.weights.h5", "structure", "old"]
    where = data.draw(st.sampled_from(forms))
    suffix = ".h5" if where == "old" else ".keras"
    content = _file(suffix)
    if where in ("anywhere", "old"):
        content = damaged(data, content)
    else:
        content = _with_member(content, where, data)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        path.write_bytes(content)
        model = guarded(lambda: keras.models.load_model(path))
        if isinstance(model, keras.Model):
            guarded(lambda: model.load_weights(path))
            guarded(lambda: model.predict(np.ones((1, 5, 2), np.float32)))
        return model


def _with_member(content: bytes, where: str, data: Any) -> bytes:
    """An archive with a damaged member, or with a configuration of any structure."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if where == "structure":
        members["config.json"] = json.dumps(changed(data, _trees)).encode()
    else:
        members[where] = damaged(data, members[where])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return buffer.getvalue()


def damaged(data: Any, content: bytes) -> bytes:
    """Some bytes changed, or the end cut off."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed[: data.draw(st.sampled_from([len(changed)] * 4 + [len(changed) // 2]))])


_PARTS: Final = (
    *("inputs", "filters", "kernel_size", "pool_size", "strides", "padding", "dilation_rate"),
    *("data_format", "activation", "dtype", "operands", "observe", "seed", "use_bias", "name"),
    *("kernel_initializer", "", "a b", "\ud800", "x" * 3000),
)
_VALUES: Final = (
    *("1", "2x7x8x3", "2x9x3", "0", "-1", "None", "()", "[]", "{}", "(2,", "1e309", "nan", "same"),
    *("channels_first", "relu", "float64", "int8", "reals", "special", "gradients", "rejection"),
    *("%", "%00", "'%2F'", "\x00", "\ud800", "9" * 5000, "1x" * 2000 + "1", "(" * 500, "-" * 5000),
    *("__import__('os')", "1000000000x1000000000", "'a'+'b'", "[[1,2],{'a':(1,)}]", "1_0", "0x10"),
)


def descriptor(data: Any) -> Any:
    """A descriptor of random parts: it is refused in a sentence, or is a case, and that one."""
    layer = data.draw(st.sampled_from([*LAYERS, "", "Dense", "conv1d", "\x1b[31m", "L" * 5000]))
    chosen = data.draw(st.lists(st.sampled_from(_PARTS), max_size=5))
    values_of = st.one_of(st.sampled_from(_VALUES), st.text(max_size=8))
    parts = [f"{name}:{data.draw(values_of)}" for name in chosen]
    text = "/".join([layer, *parts])
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.text(max_size=3)) + text[place:]
    case = guarded(lambda: parse(text))
    if case is not None:
        assert parse(case.descriptor).descriptor == case.descriptor
    return case


_MESSAGES: Final[tuple[Any, ...]] = (
    *("ready", ("outcome", 0, Value(np.ones((2, 3), np.float32))), Rejection("ValueError", "no")),
    *({"a": [1, 2.5, None, True], (1, 2): b"x"}, np.zeros((0, 3)), 1j, np.float16(2), [[[]]]),
    *(Unsupported("why"), Crash("signal", "x"), Timeout(2.0), {"arrays": [np.arange(5)] * 3}),
)


def wire_message(data: Any) -> Any:
    """Frames with bytes changed, lengths that lie, JSON of any form: a message or a WireError."""
    frame = wire.encode(data.draw(st.sampled_from(_MESSAGES)))
    form = data.draw(st.sampled_from(["damaged", "json", "noise"]))
    if form == "damaged":
        frame = damaged(data, frame)
    elif form == "json":
        text = json.dumps(data.draw(_trees)).encode()
        frame = struct.pack(">QQ", len(text), 8) + text + bytes(8)
    else:
        frame = data.draw(st.binary(max_size=64))
    start = time.perf_counter()
    try:
        return wire.read_message(io.BytesIO(frame))
    except wire.WireError:
        return None
    finally:
        assert time.perf_counter() - start < SECONDS


_TAGS: Final = (
    *("tuple", "dict", "complex", "bytes", "array", "scalar", "Value", "Rejection", "Crash"),
    *("Unsupported", "Timeout", "nothing", "dtype", "shape", "data", "exception", "message"),
)
_trees = st.recursive(
    st.sampled_from(
        [None, True, 0, -1, 2**70, 1.5, "", "\ud800", "<f4", "O", "V99999999999", "bfloat16"]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(_TAGS), inner, max_size=2),
        st.builds(lambda *array: {"array": [*array]}, inner, inner, inner),
    ),
    max_leaves=8,
)


KINDS: Final[dict[str, Callable[[Any], Any]]] = {
    "constructor": constructor,
    "call": call,
    "configuration": configuration,
    "identifier": identifier,
    "model_file": model_file,
    "descriptor": descriptor,
    "wire_message": wire_message,
}
