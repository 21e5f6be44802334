"""Initializers, regularizers and constraints beside those of Keras 3 and tf_keras.

Names, defaults and configurations are to be equal; penalties and constrained weights within the
error that float arithmetic in any order may make.  Where Keras departs from its own documentation,
the departure is asserted, so that a version that mends it is noticed.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow")
keras3 = pytest.importorskip("keras")
keras2 = pytest.importorskip("tf_keras")

from reference_impl import constraints, initializers, regularizers  # noqa: E402
from reference_impl.config import reading_as  # noqa: E402

pytestmark = pytest.mark.live

FRAMEWORKS = {"keras3": keras3, "keras2": keras2}
OURS = {"initializers": initializers, "regularizers": regularizers, "constraints": constraints}
BASES = ("initializer", "regularizer", "constraint")
TYPOS = ("Zero", "ZEROS", "xavier", "glorotuniform", "l3", "L_1", "MAX_NORM", "", "none")

NAMES_APART = {
    ("keras3", "regularizers", "l1_l2"): "documented by Keras 3's L1L2, and unknown to it",
    ("keras3", "initializers", "constant"): "Keras 3 fails with KeyError: 'value'",
    ("keras3", "initializers", "Constant"): "the same",
    ("keras3", "initializers", "stft"): "needs SciPy in Keras",
    ("keras3", "initializers", "STFT"): "the same",
    ("keras3", "initializers", "STFTInitializer"): "the same",
}


def names(kind: str) -> list[str]:
    registry = getattr(OURS[kind], "REGISTRY", None) or OURS[kind]._REGISTRY
    return sorted({*registry.names("keras3"), *registry.names("keras2"), *TYPOS})


def accepts(module: Any, name: str) -> bool:
    """Whether a name gives an object; tf_keras returns some unknown names as they are."""
    try:
        return not isinstance(module.get(name), str)
    except ValueError:
        return False


def config_of(module: Any, name: str) -> Any:
    """The configuration that a name gives, as JSON, or None for the base classes without one."""
    try:
        return json.loads(json.dumps(module.serialize(module.get(name))))
    except NotImplementedError:
        return None


def single(config: Any) -> Any:
    """The configuration with its floats rounded to float32, as Keras rounds some factors."""
    if isinstance(config, float):
        return float(np.float32(config))
    if isinstance(config, dict):
        return {key: single(value) for key, value in config.items()}
    return config


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("reading", FRAMEWORKS)
def test_the_same_names_are_known_with_the_same_configurations(reading: str, kind: str) -> None:
    """The module of the base classes is left out: Keras 3 names it ``keras``."""
    theirs = getattr(FRAMEWORKS[reading], kind)
    compared = 0
    with reading_as(reading):
        for name in names(kind):
            if (reading, kind, name) in NAMES_APART:
                assert accepts(OURS[kind], name)
                continue
            assert accepts(OURS[kind], name) == accepts(theirs, name), name
            if accepts(theirs, name) and name.lower() not in BASES:
                ours = config_of(OURS[kind], name)
                assert single(ours) == single(config_of(theirs, name)), name
                compared += 1
    assert compared > 5


EXAMPLES = [
    ("initializers", "Constant", {"value": 0.25}),
    ("initializers", "RandomNormal", {"mean": 0.5, "stddev": 0.25, "seed": 3}),
    ("initializers", "RandomUniform", {"minval": -1.0, "maxval": 2.0, "seed": 3}),
    ("initializers", "TruncatedNormal", {"mean": 0.5, "stddev": 0.25, "seed": 3}),
    ("initializers", "GlorotUniform", {"seed": 3}),
    ("initializers", "Orthogonal", {"gain": 0.5, "seed": 3}),
    (
        "initializers",
        "VarianceScaling",
        {"scale": 2.0, "mode": "fan_out", "distribution": "uniform", "seed": 3},
    ),
    ("regularizers", "L1", {"l1": 0.25}),
    ("regularizers", "L2", {"l2": 0.25}),
    ("regularizers", "L1L2", {"l1": 0.25, "l2": 0.5}),
    ("regularizers", "OrthogonalRegularizer", {"factor": 0.25, "mode": "columns"}),
    ("constraints", "MaxNorm", {"max_value": 0.5, "axis": [0, 1]}),
    ("constraints", "MinMaxNorm", {"min_value": 0.5, "max_value": 0.75, "rate": 0.5, "axis": 1}),
    ("constraints", "UnitNorm", {"axis": [0, 1, 2]}),
]


@pytest.mark.parametrize(("kind", "name", "arguments"), EXAMPLES)
@pytest.mark.parametrize("reading", FRAMEWORKS)
def test_each_reads_what_the_other_writes(
    reading: str, kind: str, name: str, arguments: dict[str, Any]
) -> None:
    theirs, ours = getattr(FRAMEWORKS[reading], kind), OURS[kind]
    with reading_as(reading):
        written = ours.serialize(getattr(ours, name)(**arguments))
        assert written == theirs.serialize(getattr(theirs, name)(**arguments))
        assert theirs.serialize(theirs.get(written)) == written
        assert ours.serialize(ours.get(written)) == written


def weights(dtype: str, shape: tuple[int, ...] = (3, 2, 4)) -> Any:
    return np.random.default_rng(5).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("made", [("L1", (0.3,)), ("L2", (0.3,)), ("L1L2", (0.1, 0.2))])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reading", FRAMEWORKS)
def test_penalties_agree(reading: str, dtype: str, made: tuple[str, tuple[float, ...]]) -> None:
    """Positive terms, n of them, in any order, and three products: ``(n + 4) u`` relatively.

    Both frameworks round the factor to float32, in float64 as well, which the penalty's exact
    value does not do; with the factor rounded so, they agree.
    """
    name, factors = made
    x = weights(dtype)
    rounded = [float(np.float32(factor)) for factor in factors]
    theirs = getattr(FRAMEWORKS[reading].regularizers, name)(*factors)
    value = float(theirs(tensorflow.constant(x)))
    unit = 2.0**-24 if dtype == "float32" else 2.0**-53
    expected = getattr(regularizers, name)(*rounded)(x)
    assert abs(value - expected) <= (x.size + 4) * unit * expected
    exact = getattr(regularizers, name)(*factors)(x)
    if dtype == "float64":
        assert abs(value - exact) > (x.size + 4) * unit * exact


@pytest.mark.parametrize("mode", ["rows", "columns"])
@pytest.mark.parametrize("reading", FRAMEWORKS)
def test_orthogonal_penalties_agree(reading: str, mode: str) -> None:
    """Six cosines of at most 1 and four terms each: below 40 units of the factor."""
    x = weights("float32", (4, 4))
    library = FRAMEWORKS[reading]
    theirs = library.regularizers.OrthogonalRegularizer(0.25, mode)
    value = float(theirs(tensorflow.constant(x)))
    expected = regularizers.OrthogonalRegularizer(0.25, mode)(x)
    assert abs(value - expected) <= 40 * 2.0**-24 * 0.25


def test_keras_3_takes_the_wrong_norms_of_the_columns_of_an_array() -> None:
    """Of a NumPy array alone: columns are divided by the lengths of other columns."""
    x = np.array([[1, 10], [1, 0]], np.float32)
    theirs = keras3.regularizers.OrthogonalRegularizer(1.0, "columns")
    right = regularizers.OrthogonalRegularizer(1.0, "columns")(x)
    assert abs(float(theirs(tensorflow.constant(x))) - right) < 1e-6
    assert abs(float(theirs(x)) - right) > 1


CONSTRAINTS = [
    ("MaxNorm", {"max_value": 0.5}),
    ("UnitNorm", {}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 0.75, "rate": 0.5}),
]


@pytest.mark.parametrize("axis", [0, 1, [0, 1]])
@pytest.mark.parametrize(("name", "arguments"), CONSTRAINTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reading", FRAMEWORKS)
def test_constrained_weights_agree(
    reading: str, dtype: str, name: str, arguments: dict[str, Any], axis: Any
) -> None:
    """A sum of n squares, its root, and eight more roundings, epsilon's among them."""
    x = weights(dtype)
    theirs = getattr(FRAMEWORKS[reading].constraints, name)(**arguments, axis=axis)
    value = np.asarray(theirs(x))
    expected = getattr(constraints, name)(**arguments, axis=axis)(x)
    assert value.dtype == expected.dtype
    unit = 2.0**-24 if dtype == "float32" else 2.0**-53
    assert np.all(np.abs(value - expected) <= (6 + 10) * unit * np.abs(expected))


def test_keras_loses_weights_whose_squares_overflow_float16() -> None:
    """4 times 250**2: the norm 500 becomes infinite, and every weight 0, in both frameworks."""
    x = np.full((4,), 250, np.float16)
    for library in FRAMEWORKS.values():
        assert np.all(np.asarray(library.constraints.MaxNorm(2)(x)) == 0)
    assert constraints.MaxNorm(2)(x).tolist() == [1, 1, 1, 1]


def test_negative_weights_become_zero_in_keras_as_well() -> None:
    x = np.array([-1.0, 0.0, 2.5, -0.0], np.float32)
    for library in FRAMEWORKS.values():
        assert np.array_equal(np.asarray(library.constraints.NonNeg()(x)), constraints.NonNeg()(x))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_rings_agree_with_tf_keras(n: int) -> None:
    kernel = np.arange(n * n * 4.0, dtype=np.float32).reshape(n, n, 2, 2)
    theirs = keras2.constraints.RadialConstraint()(tensorflow.constant(kernel))
    assert np.array_equal(np.asarray(theirs), constraints.RadialConstraint()(kernel))


def test_keras_3_loses_the_gain_of_an_identity() -> None:
    assert keras3.initializers.Identity(2.0).get_config() == {}
    assert initializers.get(initializers.serialize(initializers.Identity(2.0))).gain == 2.0


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "lecun_uniform"])
def test_spreads_agree(name: str) -> None:
    """The largest of many values of Keras comes within 1 % of our limit, and not beyond it."""
    shape = (3, 5, 16, 128)
    values = np.abs(np.asarray(keras3.initializers.get(name)(shape), np.float64))
    made = initializers.get(name)
    limit = made.spread(shape) * (1 if name.endswith("uniform") else 2)
    assert 0.99 * limit < values.max() <= limit * (1 + 2.0**-23)
