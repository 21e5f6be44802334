"""The bounds of the activations, and of their slopes, hold for what frameworks compute.

Values are a sample of the long run (`tests/long_run_bounds.py`), whose every line is in its output.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import reference_impl as keras
from conformance import assert_conforms, known
from conformance.judge.activations import ACTIVATIONS

Array = np.ndarray[Any, Any]

LONG_RUN = Path(__file__).parents[1] / "long_run_bounds.py"
STEP = (1 << 18) + 3


@pytest.mark.parametrize(
    "implementation", ["tf.keras", "tf.keras[graph]", "tf.keras[jit]", "torch.nn"]
)
def test_no_activation_is_accused_over_the_range_of_float32(implementation: str) -> None:
    command = [sys.executable, str(LONG_RUN), "--implementation", implementation]
    done = subprocess.run(
        [*command, "--step", str(STEP)], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if " arguments, " in line]
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(lines) == 11
    assert all(" 0 beyond the bound" in line for line in lines)


NAMES = [name for name, one in ACTIVATIONS.items() if not one.rowwise and name != "linear"]
MODES = ("eager", "graph", "jit", "torch")
WRONG = {
    **{("gelu", "float64", mode): "tf.keras-gelu-float64-gradients" for mode in MODES[:3]},
    **{("selu", "float16", mode): "tf.keras-selu-gradient-near-zero" for mode in MODES[:2]},
    ("softplus", "float64", "torch"): "torch.nn-softplus-float64-gradients",
}
"""What a framework computes wrongly, by its record."""


def arguments(dtype: str) -> Array:
    """Of all sizes up to what float16 holds, those of a few units among them."""
    r = np.random.default_rng(0)
    sizes = [np.exp(r.uniform(*np.log(ends), count)) for ends, count in RANGES]
    x = np.concatenate([*sizes, r.uniform(0, 8, 1300)])
    r.shuffle(x)
    return (x * r.choice([-1, 1], x.size)).astype(dtype).reshape(1, 40, 100)


RANGES = (((1e-6, 60.0), 2600), ((60.0, 6e4), 100))


def by_keras(name: str, mode: str, x: Array, upstream: Array) -> Array:
    """The gradient through Keras' function, in a mode of TensorFlow."""
    import tensorflow as tf

    function = tf.keras.activations.get(name)

    def gradient(given: Any, above: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(given)
            made = function(given)
        return tape.gradient(made, given, output_gradients=above)

    if mode != "eager":
        gradient = tf.function(gradient, jit_compile=mode == "jit")
    return np.asarray(gradient(tf.constant(x), tf.constant(upstream)))


def by_torch(name: str, x: Array, upstream: Array) -> Array:
    """The gradient through PyTorch's function."""
    torch = pytest.importorskip("torch")
    from conformance.implementations.torch_activations import ACTIVATIONS as FUNCTIONS

    given = torch.from_numpy(x).requires_grad_(True)
    FUNCTIONS[name](given).backward(torch.from_numpy(upstream))
    return np.asarray(given.grad)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_no_slope_is_accused_over_the_range(name: str, mode: str, keras3: ModuleType) -> None:
    """Gradients through an activation, with random upstreams; what is recorded is still wrong.

    Products that leave float16's range on the way are among them, and slopes that cancel.
    """
    for dtype in ("float32", "float64", "float16"):
        x = arguments(dtype)
        upstream = np.random.default_rng(1).normal(size=x.shape).astype(dtype)
        layer = keras.layers.Conv1D(100, 1, activation=name, use_bias=False, dtype=dtype)
        layer.build(x.shape)
        layer.set_weights([np.eye(100, dtype=dtype)[None]])
        if mode == "torch":
            gradient = by_torch(name, x, upstream)
        else:
            gradient = by_keras(name, mode, x, upstream)
        if (name, dtype, mode) in WRONG:
            with pytest.raises(AssertionError, match="Gradient of inputs"):
                assert_conforms({"inputs": gradient}, layer, x, upstream=upstream)
        else:
            assert_conforms({"inputs": gradient}, layer, x, upstream=upstream)


def test_the_exceptions_are_recorded() -> None:
    assert set(WRONG.values()) <= {record.identifier for record in known.own()}
