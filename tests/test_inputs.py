"""What a layer takes as an array, and what it says of what it does not take."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import pytest

import reference_impl as keras
from reference_impl.engine.dtypes import as_array

X = np.arange(12, dtype=np.float32).reshape(2, 3, 2)


def output(given: Any) -> Any:
    return keras.layers.Flatten()(given)


class Tensor:
    """What a tensor of PyTorch offers: it must be detached, resolved and brought to the host."""

    def __init__(self, values: Any, steps: tuple[str, ...] = ()) -> None:
        self.values, self.steps = values, steps

    def _after(self, step: str) -> Tensor:
        return Tensor(self.values, (*self.steps, step))

    def detach(self) -> Tensor:
        return self._after("detach")

    def resolve_conj(self) -> Tensor:
        return self._after("resolve_conj")

    def resolve_neg(self) -> Tensor:
        return self._after("resolve_neg")

    def cpu(self) -> Tensor:
        return self._after("cpu")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        assert self.steps == ("detach", "resolve_conj", "resolve_neg", "cpu")
        return self.values


class Failing:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("on another device")


class Exchanged:
    """Elements by DLPack alone."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


class Described:
    """Elements by NumPy's description of an array alone."""

    def __init__(self, values: Any) -> None:
        self.__array_interface__ = values.__array_interface__
        self.kept = values


class Subclass(np.ndarray):
    pass


NAMES = ("big", "little", "view", "fortran", "strided", "subclass")
NAMES = (*NAMES, "list", "tuple", "arrays", "tensor", "tensors", "dlpack", "described", "buffer")


@pytest.mark.parametrize(
    "given",
    [
        X.astype(">f4"),
        X.astype("<f4"),
        X[::1],
        np.asfortranarray(X),
        np.repeat(X, 2, axis=1)[:, ::2],
        X.view(Subclass),
        X.tolist(),
        tuple(X.tolist()),
        [X[0], X[1]],
        Tensor(X),
        [Tensor(X[0]), Tensor(X[1])],
        Exchanged(X),
        Described(X),
        memoryview(X),
    ],
    ids=NAMES,
)
def test_arrays_in_every_form_give_the_same(given: Any) -> None:
    found = output(given)
    assert found.dtype == np.float32
    assert found.dtype.isnative
    assert np.array_equal(found, X.reshape(2, 6))


def test_a_memory_map_is_read(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(output(mapped), X.reshape(2, 6))


def test_an_array_itself_is_not_copied() -> None:
    assert as_array("Flatten", X) is X
    assert np.shares_memory(as_array("Flatten", X.view(Subclass)), X)


def test_numbers_in_lists_are_of_floatx_and_integers_stay_integers() -> None:
    assert as_array("Flatten", [[0.1]]).dtype == np.float32
    assert as_array("Flatten", [[np.float64(0.1)]]).dtype == np.float64
    assert keras.layers.MaxPooling1D()([[[1], [2]]]).dtype.kind == "i"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.ma.masked_array(X, X > 3), TypeError, "a masked array"),
        (np.ma.masked_all((2, 3)), TypeError, "a masked array"),
        ([*np.ma.masked_array(X, X > 3)], TypeError, "a list that holds masked arrays"),
        (([[np.ma.masked]],), TypeError, "a tuple that holds masked arrays"),
        ([[1.0], [2.0, 3.0]], ValueError, "lists of equal lengths"),
        (["a"], ValueError, "numbers"),
        (np.array([None, 1]), TypeError, "dtype object"),
        (np.array(["a"]), TypeError, "dtype <U1"),
        (np.zeros(2, [("a", "f4")]), TypeError, "array of numbers"),
        (np.array(["2020"], "M8[D]"), TypeError, "array of numbers"),
        (Failing(), ValueError, "on another device"),
        (3.0, ValueError, "`inputs` is 3.0"),
        (None, ValueError, "`inputs` is None"),
        (np.ndarray, ValueError, "an array"),
        (b"ab", ValueError, "an array"),
        (iter([1.0]), ValueError, "an array"),
    ],
    ids=lambda item: None,
)
def test_what_is_no_array_is_refused_in_a_sentence(given: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        output(given)


def test_other_sequences_are_refused() -> None:
    """Keras takes neither: an ``array.array`` has no shape of its own."""
    with pytest.raises(ValueError, match="an array"):
        output(array.array("f", [1.0]))


@pytest.mark.filterwarnings("error")
def test_signalling_nans_and_numbers_without_axes_raise_nothing_from_the_inside() -> None:
    signalling = np.array([0x7FA00000], np.uint32).view(np.float32).reshape(1, 1)
    for dtype in ("float16", "float32", "float64"):
        assert np.isnan(keras.layers.Flatten(dtype=dtype)(signalling)).all()
    pytest.importorskip("ml_dtypes")
    assert np.isnan(keras.layers.Flatten(dtype="bfloat16")(signalling).astype(float)).all()
    with pytest.raises(ValueError, match=r"shape \(\)"):
        keras.layers.Flatten(dtype="bfloat16")(np.array(1.0))


SIGNALLING = {
    "float16": np.array([0x7D00], np.uint16).view(np.float16),
    "float32": np.array([0x7FA00000], np.uint32).view(np.float32),
    "float64": np.array([0x7FF4 << 48], np.uint64).view(np.float64),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", SIGNALLING)
def test_signalling_nans_warn_nowhere(dtype: str) -> None:
    """NumPy warns when it converts one, which users who turn warnings into errors would meet."""
    x = SIGNALLING[dtype].reshape(1, 1, 1)
    for activation in (None, "relu", "tanh", "softmax", "sparsemax"):
        for own in SIGNALLING:
            layer = keras.layers.Conv1D(1, 1, activation=activation, dtype=own)
            assert np.isnan(layer(x)).all()
            assert np.isnan(layer.gradients(x, x)["inputs"]).all()
    for name in ("relu", "gelu", "softmax", "sparsemax", "squareplus"):
        assert np.isnan(getattr(keras.activations, name)(x)).all()
    assert np.isnan(keras.layers.MaxPooling1D(1, dtype=dtype).gradients(x, x)["inputs"]).all()
    assert np.isnan(keras.constraints.MaxNorm()(x)).all()
    assert np.isnan(keras.constraints.MinMaxNorm()(x)).all()
    assert np.isnan(keras.regularizers.L1L2(0.1, 0.1)(x))
    assert np.isnan(keras.regularizers.L1L2(0.1, 0.1).gradient(x)).all()
    assert np.isnan(keras.regularizers.OrthogonalRegularizer()(x[0]))
    assert np.isnan(keras.losses.mean_squared_error(x, x)).all()
    model = keras.Sequential([keras.Input((1, 1)), keras.layers.Conv1D(1, 1)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0), "mse", metrics=["mse"])
    assert np.isnan(model.train_on_batch(x, x)).all()
