"""Programs as users of Keras write them: each takes the module and returns what it found.

The tests run them on the oracle against what Keras 3.15 found (``data/keras_programs.json``), and
on Keras itself, where it is installed, against the same.
Numbers are dyadic and small, so that every order of summation gives the same.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, Final

import numpy as np


def plain(value: Any) -> Any:
    """Numbers, strings, lists, tuples and dictionaries of them, for comparisons."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if isinstance(value, list):
        return [*map(plain, value)]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    array = np.asarray(value)
    return array.tolist()


def refused(call: Callable[[], Any]) -> str:
    """The kind of error that a call ends in; empty where it does not."""
    try:
        call()
    except Exception as error:
        kinds = (NotImplementedError, TypeError, ValueError, AttributeError)
        return next(kind.__name__ for kind in kinds if isinstance(error, kind))
    return ""


def pointwise(keras: Any, **arguments: Any) -> Any:
    given = {"kernel_initializer": "ones", "use_bias": False} | arguments
    return keras.layers.Conv1D(1, 1, **given)


X: Final = np.array([[[1.0], [2.0]], [[3.0], [4.0]]], np.float32)
Y: Final = np.array([[[0.0], [1.0]], [[1.0], [2.0]]], np.float32)


def trained(keras: Any, **arguments: Any) -> Any:
    model = keras.Sequential([keras.Input((2, 1)), pointwise(keras)])
    model.compile(keras.optimizers.SGD(0.125, **arguments), "mse")
    for _ in range(2):
        model.train_on_batch(X, Y)
    return plain(model.get_weights())


def sgd_plain(keras: Any) -> Any:
    return trained(keras)


def sgd_momentum(keras: Any) -> Any:
    return trained(keras, momentum=0.5), trained(keras, momentum=0.5, nesterov=True)


def sgd_clips(keras: Any) -> Any:
    optimizers = [
        keras.optimizers.SGD(**given)
        for given in ({"clipnorm": 1.0}, {"clipvalue": 0.5}, {"global_clipnorm": 1.0}, {})
    ]
    gradients = [np.array([3.0, 4.0], np.float32) / 2, np.array([0.25], np.float32)]
    return [plain(optimizer._clip_gradients(gradients)) for optimizer in optimizers[1:2]]


def sgd_decay(keras: Any) -> Any:
    return trained(keras, weight_decay=0.5)


def sgd_refusals(keras: Any) -> Any:
    return [
        refused(lambda: keras.optimizers.SGD(clipnorm=1.0, clipvalue=1.0)),
        refused(lambda: keras.optimizers.SGD(momentum=2.0)),
        keras.optimizers.SGD(0.5, weight_decay=0.25, clipnorm=2.0).get_config()["clipnorm"],
    ]


def losses_reduced(keras: Any) -> Any:
    weights = np.array([[1.0], [2.0]], np.float32)
    return [
        plain(keras.losses.MeanSquaredError(reduction=reduction)(Y, X, sample_weight=given))
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", None)
        for given in (None, 2.0, weights)
    ]


def losses_of_integers(keras: Any) -> Any:
    loss = keras.losses.MeanSquaredError()
    return [
        plain(loss(np.array([[1, 2]]), np.array([[3, 2]]))),
        plain(loss([[1.0, 2.0]], [[3.0, 2.0]])),
        plain(keras.losses.mean_squared_error([4, 8, 12], [[3.0], [0.0], [1.0]])),
    ]


def fitted(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((2, 1)), pointwise(keras)])
    model.compile(keras.optimizers.SGD(0.125), "mse", metrics=["mse"])
    history = model.fit(X, Y, batch_size=1, epochs=2, shuffle=False, verbose=0)
    found = model.evaluate(X, Y, batch_size=1, verbose=0, return_dict=True)
    return plain(history.history), plain(found), plain(model.predict(X, batch_size=1, verbose=0))


def validated(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((2, 1)), pointwise(keras)])
    model.compile(keras.optimizers.SGD(0.125), "mse")
    by_data = model.fit(X, Y, shuffle=False, validation_data=(X, Y), verbose=0).history
    by_split = model.fit(X, Y, shuffle=False, validation_split=0.5, verbose=0).history
    return sorted(by_data), plain(by_data["val_loss"]), sorted(by_split)


def weighted(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((2, 1)), pointwise(keras)])
    model.compile(keras.optimizers.SGD(0.125), "mse", weighted_metrics=["mse"])
    loss = model.test_on_batch(X, Y, sample_weight=np.array([[1.0], [2.0]], np.float32))
    return plain(loss)


def several_outputs(keras: Any) -> Any:
    start = keras.Input((2, 1), name="start")
    first, second = (pointwise(keras, name=name)(start) for name in ("first", "second"))
    model = keras.Model(start, [first, second])
    model.compile("sgd", {"first": "mse", "second": "mse"}, loss_weights=[1.0, 2.0])
    logs = model.fit(X, [Y, X], batch_size=2, verbose=0).history
    return sorted(logs), plain(logs["loss"]), plain(logs["first_loss"])


def structures(keras: Any) -> Any:
    start = keras.Input((2, 1))
    layer = pointwise(keras)
    outputs = layer(start)
    found = []
    for structure in ((outputs, start), [outputs], {"a": outputs, "b": start}, outputs):
        model = keras.Model(start, structure)
        again = keras.Model.from_config(model.get_config())
        found.append(
            [
                type(m(X)).__name__ in ("tuple", "list", "dict") and type(m(X)).__name__
                for m in (model, again)
            ]
        )
    return found


def inputs_by_name(keras: Any) -> Any:
    a, b = keras.Input((2, 1), name="a"), keras.Input((2, 1), name="b")
    model = keras.Model([a, b], a + b)
    single = keras.Model(a, a * 2.0)
    return [
        plain(model({"a": X, "b": Y})),
        plain(model((X, Y))),
        plain(single({"a": X})),
        plain(single([X])),
        refused(lambda: model({"a": X, "c": Y})),
        refused(lambda: model([X])),
    ]


def ranks(keras: Any) -> Any:
    flat = keras.Input((3,))
    deep = keras.Input((3, 1))
    up = keras.Model(deep, keras.layers.Flatten()(deep))
    same = keras.Model(flat, keras.layers.Flatten()(flat))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    return plain(up(x)), plain(up(x[..., None])), refused(lambda: same(x[:, :2]))


def operators(keras: Any) -> Any:
    start = keras.Input((2, 1))
    tensors = [
        start + 1.0,
        2.0 - start,
        start * start,
        start / 2.0,
        -start,
        start[:, 0],
        abs(start - 2.0),
    ]
    model = keras.Model(start, tensors)
    again = keras.Model.from_config(model.get_config())
    return [[*tensor.shape] for tensor in tensors], plain(model(X)), plain(again(X))


def symbols(keras: Any) -> Any:
    tensor = keras.Input((2, 1))
    return [
        refused(lambda: bool(tensor)),
        refused(lambda: iter(tensor)),
        refused(lambda: setattr(tensor, "shape", (1,))),
        keras.layers.MaxPooling1D().built,
        keras.layers.Flatten().built,
        pointwise(keras).built,
    ]


def custom(keras: Any) -> Any:
    class Scale(keras.layers.Layer):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.factor = self.add_weight(shape=(1,), initializer="ones")
            self.inner = pointwise(keras)

        def call(self, inputs: Any, training: bool = False) -> Any:
            return self.inner(inputs) * 2.0 if training else self.inner(inputs)

    layer = Scale()
    symbolic = layer(keras.Input((None, 1)))
    outer = keras.Sequential([layer])
    return [
        [*symbolic.shape],
        len(layer.weights),
        plain(layer(X)),
        plain(layer(X, training=True)),
        plain(outer(X, training=True)),
    ]


def subclassed(keras: Any) -> Any:
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = pointwise(keras)
            self.flat = keras.layers.Flatten()

        def call(self, inputs: Any) -> Any:
            return self.flat(self.first(inputs) + 1.0)

    model = Net()
    model.compile(keras.optimizers.SGD(0.125), "mse")
    model.train_on_batch(X, Y[..., 0])
    return [len(model.layers), plain(model.get_weights()), plain(model(X))]


def losses_added(keras: Any) -> Any:
    class Sum(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(inputs[0, 0, 0])
            return inputs

    model = keras.Sequential([Sum()])
    for _ in range(2):
        model(X)
    return plain(model.losses)


def built_twice(keras: Any) -> Any:
    given = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3)])
    return refused(lambda: given.build((None, 6, 6, 3))), refused(
        lambda: given.build((None, 6, 6, 1))
    )


def copies(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((2, 1)), pointwise(keras), keras.layers.Flatten()])
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    made = [clone, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    return [plain(other(X)) for other in made], clone.layers[0] is model.layers[0]


def no_initializer(keras: Any) -> Any:
    layer = keras.layers.Conv1D(2, 2, kernel_initializer=None, bias_initializer=None)
    layer.build((None, 5, 3))
    config = layer.get_config()
    return config["kernel_initializer"], config["bias_initializer"], len(layer.weights)


def mixed(keras: Any) -> Any:
    layer = keras.layers.Conv1D(1, 1, dtype="mixed_float16", kernel_initializer="ones")
    output = layer(X)
    return [
        np.asarray(output).dtype.name,
        np.asarray(layer.kernel).dtype.name,
        layer.dtype,
        layer.compute_dtype,
        plain(output),
    ]


def summaries(keras: Any) -> Any:
    lines: list[str] = []
    keras.Sequential([keras.layers.Conv2D(2, 3)]).summary(
        print_fn=lambda line, **_: lines.append(line)
    )
    return any("?" in line for line in lines), any("0 (unbuilt)" in line for line in lines)


def layers_found(keras: Any) -> Any:
    model = keras.Sequential(
        [keras.Input((2, 1)), pointwise(keras, name="a"), keras.layers.Flatten(name="b")]
    )
    return (
        model.get_layer(index=-1).name,
        model.get_layer("a").name,
        refused(lambda: model.get_layer("c")),
    )


def input_layers(keras: Any) -> Any:
    layer = keras.layers.InputLayer(shape=(2, 1), batch_size=3)
    tensor = keras.Input((2, 1))
    return [
        [*layer.batch_shape],
        layer.sparse,
        layer.ragged,
        keras.layers.InputLayer(input_tensor=tensor).output is tensor,
        refused(lambda: keras.layers.InputLayer(input_tensor=np.zeros(2))),
        refused(lambda: keras.layers.InputLayer(shape=(2,), batch_shape=(1, 2))),
    ]


def as_json(value: Any) -> Any:
    """Tuples as lists."""
    if isinstance(value, (list, tuple)):
        return [*map(as_json, value)]
    return {key: as_json(item) for key, item in value.items()} if isinstance(value, dict) else value


PROGRAMS: Final = (
    *(sgd_plain, sgd_momentum, sgd_clips, sgd_decay, sgd_refusals, losses_reduced),
    *(losses_of_integers, fitted, validated, weighted, several_outputs, structures, inputs_by_name),
    *(ranks, operators, symbols, custom, subclassed, losses_added, built_twice, copies),
    *(no_initializer, mixed, summaries, layers_found, input_layers),
)
