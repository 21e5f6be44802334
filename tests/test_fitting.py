"""Training over arrays: orders, weights, metrics, clipping and decay, exactly; and refusals."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import reference_impl as keras
from reference_impl.ops.formats import FLOAT32
from reference_impl.ops.rounding import round_fraction

ONE = np.ones((1, 1, 1), np.float32)


def scale(**arguments: Any) -> Any:
    """One weight: y = k x, k = 1 at first."""
    given = {"kernel_initializer": "ones", "use_bias": False} | arguments
    return keras.layers.Conv1D(1, 1, **given)


def model(**arguments: Any) -> Any:
    made = keras.Sequential([keras.Input((1, 1)), scale()])
    made.compile(keras.optimizers.SGD(0.5, **arguments), "mse")
    return made


def weight(made: Any) -> float:
    return float(made.get_weights()[0].item())


def test_clipped_gradients_are_rounded_once() -> None:
    """``g c / |g|`` against squares of fractions: no element may be off by half a unit."""
    g = np.random.default_rng(0).standard_normal(40).astype(np.float32)
    (found,) = keras.optimizers.SGD(clipnorm=0.5)._clip_gradients([g])
    norm = sum(Fraction(float(v)) ** 2 for v in g)
    for own, value in zip(found.tolist(), g.tolist(), strict=True):
        below, above = (
            (Fraction(own) + Fraction(float(np.nextafter(np.float32(own), np.float32(s * np.inf)))))
            / 2
            for s in (-1, 1)
        )
        target = Fraction(value) ** 2 / 4 / norm
        sign = 1 if value > 0 else -1
        low, high = sorted(abs(bound) for bound in (below, above))
        assert low**2 <= target <= high**2
        assert sign * own >= 0
    small = np.array([0.25], np.float32)
    assert keras.optimizers.SGD(clipnorm=0.5)._clip_gradients([small])[0].tolist() == [0.25]
    pair = keras.optimizers.SGD(global_clipnorm=5.0)._clip_gradients(
        [np.array([6.0], np.float32), np.array([8.0], np.float32)]
    )
    assert [array.tolist() for array in pair] == [[3.0], [4.0]]


def test_weights_decay_before_the_update() -> None:
    """1 - 1/2 1/4, then minus 1/2 of the gradient 2 (k - 0) at the k of the forward pass."""
    made = model(weight_decay=0.25)
    made.train_on_batch(ONE, np.zeros_like(ONE))
    assert weight(made) == 1 - 0.125 - 0.5 * 2
    made = model(weight_decay=0.25)
    made.optimizer.exclude_from_weight_decay(var_names=["kernel"])
    made.train_on_batch(ONE, np.zeros_like(ONE))
    assert weight(made) == 0.0


def test_the_weighted_loss_and_its_gradient_are_rounded_once() -> None:
    """Against fractions, at weights and differences that are no powers of two."""
    generator = np.random.default_rng(1)
    t, p = generator.standard_normal((2, 3, 4, 5)).astype(np.float32)
    w = generator.random((3, 4)).astype(np.float32)
    loss = keras.losses.MeanSquaredError()
    rows = zip(t.reshape(-1, 5), p.reshape(-1, 5), w.ravel().tolist(), strict=True)
    exact = [
        Fraction(float(weight))
        * sum((Fraction(float(b)) - Fraction(float(a))) ** 2 for a, b in zip(*row, strict=True))
        / 5
        for *row, weight in rows
    ]
    assert loss(t, p, sample_weight=w) == round_fraction(sum(exact) / 12, FLOAT32)
    gradient = loss.gradient(t, p, w)
    expected = [
        round_fraction(
            2
            * Fraction(float(w[i, j]))
            * (Fraction(float(p[i, j, k])) - Fraction(float(t[i, j, k])))
            / 60,
            FLOAT32,
        )
        for i, j, k in np.ndindex(3, 4, 5)
    ]
    assert gradient.ravel().tolist() == expected


def test_examples_come_in_the_order_that_is_given() -> None:
    """Batches of one with targets that make each step tell which example it saw."""
    x = np.ones((3, 1, 1), np.float32)
    y = np.array([1.0, 5.0, 9.0], np.float32).reshape(3, 1, 1)
    ends = {}
    for order in ((0, 1, 2), (2, 0, 1)):
        made = model()
        made.fit(x, y, batch_size=1, shuffle=np.array(order))
        ends[order] = weight(made)
    # A step of rate 1/2 along 2 (k - y) sets k to y: the last example decides.
    assert ends == {(0, 1, 2): 9.0, (2, 0, 1): 5.0}
    made = model()
    made.fit(x, y, batch_size=1, shuffle=False)
    assert weight(made) == 9.0


def test_the_drawn_order_follows_pythons_seed() -> None:
    ends = []
    x, y = np.ones((9, 1, 1), np.float32), np.arange(9, dtype=np.float32).reshape(9, 1, 1)
    for seed in (1, 1, 2, 3, 4):
        random.seed(seed)
        made = model()
        made.fit(x, y, batch_size=1)
        ends.append(weight(made))
    assert ends[0] == ends[1]
    assert len(set(ends)) > 1


def test_class_weights_are_weights_of_examples() -> None:
    made = model()
    y = np.array([0, 1], np.int64).reshape(2, 1, 1)
    x = np.full((2, 1, 1), 3, np.float32)
    # Losses 9 and 4, weighted by 2 and 1, over two.
    assert made.train_on_batch(x, y, class_weight={0: 2.0, 1: 1.0}) == (2 * 9 + 4) / 2
    with pytest.raises(ValueError, match=r"no weight for the classes \[0\]"):
        made.train_on_batch(x, y, class_weight={1: 1.0})


def test_metrics_are_exact_over_all_batches() -> None:
    made = keras.Sequential([keras.Input((1, 1)), scale()])
    made.compile("sgd", "mse", metrics=["mse"])
    x = np.array([1.0, 2.0, 4.0], np.float32).reshape(3, 1, 1)
    found = made.evaluate(x, np.zeros_like(x), batch_size=2, return_dict=True)
    assert found == {"loss": 7.0, "mse": 7.0}
    assert made.test_on_batch(x, np.zeros_like(x)) == [7.0, 7.0]


def test_operators_between_layers_are_differentiated() -> None:
    """Z = (k x + x) 2 - (k x)[:, :1] with x = 3: dz/dk = 2 x - x."""
    start = keras.Input((1, 1))
    layer = scale()
    out = layer(start)
    made = keras.Model(start, (out + start) * 2.0 - out[:, :1])
    made.compile(keras.optimizers.SGD(0.5), "mse")
    x = np.full((1, 1, 1), 3, np.float32)
    assert made(x).item() == 9
    made.train_on_batch(x, np.full((1, 1, 1), 8, np.float32))
    assert layer.get_weights()[0].item() == 1 - 0.5 * 2 * 1 * 3


def test_gradients_of_layers_that_are_made_of_layers() -> None:
    class Twice(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = scale(name="inner")

        def call(self, inputs: Any) -> Any:
            return self.inner(self.inner(inputs)) + 1.0

    layer = Twice()
    found = layer.gradients(np.full((1, 1, 1), 3.0, np.float32), ONE)
    assert {name: array.item() for name, array in found.items()} == {"inputs": 1.0, "kernel": 6.0}


def test_what_is_outside_says_so() -> None:
    """One sentence each, with what there is."""

    class Opaque(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return np.cbrt(inputs)

    made = keras.Sequential([keras.Input((1, 1)), scale(), Opaque()])
    made.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match="`_gradients"):
        made.train_on_batch(ONE, ONE)
    made = model()
    for call, error, message in (
        (lambda: made.fit(iter([1])), ValueError, "data sets and generators are outside"),
        (lambda: made.fit(ONE, ONE, callbacks=[print]), ValueError, "callbacks.*outside"),
        (lambda: made.fit(ONE, ONE, nonsense=1), TypeError, "nonsense"),
        (lambda: made.fit(ONE, ONE, shuffle=[0, 0]), ValueError, "permutation"),
        (lambda: made.fit(ONE, ONE, validation_split=0.5), ValueError, "validation_split"),
        (lambda: made.fit(np.ones((2, 1, 1)), ONE), ValueError, "examples"),
        (lambda: keras.layers.Dense, AttributeError, "keras.layers.Dense is outside this oracle"),
    ):
        with pytest.raises(error, match=message):
            call()
    with pytest.raises(ImportError, match=r"keras.optimizers.Adam is outside this oracle.*SGD"):
        from reference_impl.optimizers import Adam  # noqa: F401
    assert not hasattr(keras.layers, "Dense")
    plain = keras.Sequential([keras.Input((1, 1)), scale()])
    plain.compile(loss="mse")
    assert plain.test_on_batch(ONE, ONE) == 0.0
    with pytest.raises(ValueError, match=r"rmsprop.*outside this oracle"):
        plain.train_on_batch(ONE, ONE)


def test_a_mixed_policy_rounds_the_weights_once_to_its_results_dtype() -> None:
    layer = keras.layers.Conv1D(1, 1, dtype="mixed_float16", use_bias=False)
    layer.build((None, 1, 1))
    layer.set_weights([np.full((1, 1, 1), 1 + 2.0**-11 + 2.0**-20)])
    output = layer(np.ones((1, 1, 1), np.float32))
    assert (output.dtype, output.item()) == (np.float16, 1 + 2.0**-10)
    found = layer.gradients(ONE, ONE)
    assert {name: array.dtype.name for name, array in found.items()} == {
        "inputs": "float16",
        "kernel": "float32",
    }
    assert keras.layers.Conv1D.from_config(layer.get_config()).compute_dtype == "float16"
