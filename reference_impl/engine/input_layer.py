"""Inputs of models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from reference_impl.config import reading
from reference_impl.engine import arguments
from reference_impl.engine.arguments import Shape
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import ALL_DTYPES, dtype_name
from reference_impl.engine.keras_tensor import KerasTensor, record_call
from reference_impl.engine.naming import automatic_name, get_uid
from reference_impl.showing import shown

_DTYPES = ALL_DTYPES


class InputLayer(Layer):
    """Stands for an input of a model; `Input` makes one and returns its symbolic tensor.

    Args:
        shape: shape of one input, without the batch; None for a free length.
        batch_shape: the shape with the batch; given instead of `shape`.
        name: the layer's name; by default ``input_layer``, numbered.
        dtype: dtype of the input; by default `reference_impl.config.floatx`, or that of `tensor`.
        sparse: whether the input is a sparse matrix.
        tensor: a tensor that becomes the input instead of a new one; see `Input`.
        batch_size: length of the batch axis, beside `shape`.
        optional: whether a model may be given None for it.
        ragged: False, the only value.
        **other_names: ``input_tensor``, Keras 3's name of `tensor` in this class, and
            ``input_shape``, an old one of `shape`, with a warning.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if an argument is out of range, or arguments contradict one another.
    """

    _layer_dtypes: ClassVar[tuple[str, ...]] = _DTYPES

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_shape: Sequence[int | None] | None = None,
        name: str | None = None,
        dtype: Any = None,
        sparse: bool = False,
        tensor: Any = None,
        *,
        batch_size: int | None = None,
        optional: bool = False,
        ragged: bool = False,
        **other_names: Any,
    ) -> None:
        shape, tensor = _old_names(shape, tensor, other_names)
        if arguments.boolean("Input", "ragged", ragged):
            raise arguments.wrong_value("Input", "ragged", ragged, "False: no ragged tensors here")
        full_shape = _full_shape(shape, batch_shape, batch_size)
        is_sparse = arguments.boolean("Input", "sparse", sparse)
        if tensor is None and full_shape is None:
            raise ValueError(
                "Input: none of the arguments `shape`, `batch_shape` and `tensor` is given (each "
                "is None); expected one of them"
            )
        wanted = None if dtype is None else dtype_name("Input", dtype, _DTYPES)
        wrapped = None if tensor is None else _wrapped(tensor)
        if wrapped is not None:
            given = {"shape": shape, "batch_shape": batch_shape, "dtype": wanted}
            _check_agreement(wrapped, given | {"sparse": is_sparse}, full_shape)
        super().__init__(name=name, dtype=wanted if wrapped is None else wrapped.dtype)
        if wrapped is None:
            assert full_shape is not None
            tensor_name = self.name if reading() == "keras2" else name
            wrapped = KerasTensor(full_shape, self.dtype, is_sparse, tensor_name)
        self.batch_shape = wrapped.shape
        self.sparse = wrapped.sparse
        self.ragged = False
        self.optional = arguments.boolean("Input", "optional", optional)
        self.built = True
        record_call(self, (), (wrapped,))

    def _automatic_name(self) -> str:
        """Keras 2 counts from 1: ``input_1``."""
        return f"input_{get_uid('input')}" if reading() == "keras2" else super()._automatic_name()

    def call(self, *given: Any, **keywords: Any) -> None:
        """Nothing: an input computes nothing."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments in Keras 3's form; `from_config` is the inverse.

        A wrapped array is not part of it.
        """
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputLayer:
        """A layer from its configuration, in Keras 3's or Keras 2's form.

        Raises:
            ValueError: if the configuration asks for a ragged input.
        """
        arguments_given = arguments.configuration("InputLayer", config)
        if arguments_given.pop("ragged", False):
            raise arguments.wrong_value("InputLayer", "ragged", True, "False, or nothing")
        if "batch_input_shape" in arguments_given:
            arguments_given["batch_shape"] = arguments_given.pop("batch_input_shape")
        return cls(**arguments_given)


def Input(  # noqa: N802 - Keras' name of the function
    shape: Sequence[int | None] | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    dtype: Any = None,
    sparse: bool = False,
    tensor: Any = None,
    *,
    batch_size: int | None = None,
    optional: bool = False,
    ragged: bool = False,
    **other_names: Any,
) -> KerasTensor:
    """The symbolic tensor of a model's input.

    Args:
        shape: shape of one input, without the batch; None for a free length.
        batch_shape: the shape with the batch; given instead of `shape`.
        name: the input layer's name, unique in a model; by default made automatically.
        dtype: dtype of the input, by default `reference_impl.config.floatx`.
        sparse: whether the input is a sparse matrix; dense arrays are taken all the same.
        tensor: an existing tensor to wrap instead of making a new one.  A symbolic tensor is
            returned itself, with its origin cut: it is an input from now on.  Under the reading
            ``keras2`` (`reference_impl.config.set_reading`) an array becomes a tensor of its
            shape and dtype that need not be fed: a model takes the array where nothing else is
            given.  Keras 3 refuses arrays.
        batch_size: length of the batch axis, beside `shape`.
        optional: whether a model may be given None for it.
        ragged: False, the only value.
        **other_names: see `InputLayer`.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if an argument is out of range, or arguments contradict one another.
    """
    layer = InputLayer(
        shape,
        batch_shape,
        name,
        dtype,
        sparse,
        tensor,
        batch_size=batch_size,
        optional=optional,
        ragged=ragged,
        **other_names,
    )
    output: KerasTensor = layer.output
    return output


def _old_names(shape: Any, tensor: Any, given: dict[str, Any]) -> tuple[Any, Any]:
    """`shape` and `tensor`, also by their other names.

    Raises:
        TypeError: if a name is unknown, or an argument given twice.
        ValueError: if ``input_tensor`` is not symbolic.
    """
    unknown = [name for name in given if name not in ("input_shape", "input_tensor")]
    if unknown:
        raise TypeError(
            f"Input: unrecognised keyword arguments {', '.join(map(repr, unknown))}; expected "
            "shape, batch_shape, name, dtype, sparse, tensor, batch_size, optional, ragged"
        )
    pairs = (("input_shape", "shape", shape), ("input_tensor", "tensor", tensor))
    for other, name, value in pairs:
        if other in given and value is not None:
            raise TypeError(f"Input: `{other}` and `{name}` are given; expected one of the two")
    wrapped = given.get("input_tensor")
    if wrapped is not None and not isinstance(wrapped, KerasTensor):
        raise arguments.wrong_value("Input", "input_tensor", wrapped, "a symbolic tensor")
    if "input_shape" in given:
        warnings.warn(
            "Input: the argument `input_shape` is an old name; use `shape` instead",
            UserWarning,
            stacklevel=3,
        )
    return given.get("input_shape", shape), tensor if wrapped is None else wrapped


def _full_shape(shape: Any, batch_shape: Any, batch_size: Any) -> Shape | None:
    """The shape with its batch; None where neither is given.

    Raises:
        ValueError: if both are given, or a batch size without `shape`.
    """
    if shape is not None and batch_shape is not None:
        raise ValueError(
            f"Input: argument `shape` is {shown(shape)} and argument `batch_shape` is "
            f"{shown(batch_shape)}; expected only one of them"
        )
    if batch_size is not None and shape is None:
        raise ValueError(
            f"Input: argument `batch_size` is {shown(batch_size)} without `shape`; expected "
            "`shape` beside it, or `batch_shape` alone"
        )
    if batch_shape is not None:
        full = arguments.shape("Input", "batch_shape", batch_shape)
        if not full:
            raise arguments.wrong_value(
                "Input", "batch_shape", batch_shape, "a batch axis at least"
            )
        return full
    if shape is None:
        return None
    batch = arguments.shape("Input", "batch_size", (batch_size,))
    if reading() == "keras2" and arguments.as_integer(shape) is not None:
        shape = (shape,)
    return (*batch, *arguments.shape("Input", "shape", shape))


def _wrapped(tensor: Any) -> KerasTensor:
    """The symbolic tensor that an input layer wraps.

    Raises:
        TypeError: if `tensor` is not symbolic (nor an array, under the reading ``keras2``).
    """
    if isinstance(tensor, KerasTensor):
        return tensor
    if reading() == "keras2":
        return _of_array(tensor)
    raise arguments.wrong_type("Input", "tensor", tensor, "a symbolic tensor (see Input)")


def _check_agreement(
    tensor: KerasTensor, given: Mapping[str, Any], full_shape: Shape | None
) -> None:
    """Refuse arguments beside `tensor` that contradict it.

    Raises:
        ValueError: naming the argument.
    """
    disagrees = {
        "shape": full_shape is not None and not _fits(tensor.shape, full_shape),
        "batch_shape": full_shape is not None and not _fits(tensor.shape, full_shape),
        "dtype": given["dtype"] not in (None, tensor.dtype),
        "sparse": given["sparse"] and not tensor.sparse,
    }
    for argument, value in given.items():
        if value is not None and disagrees[argument]:
            raise ValueError(
                f"Input: argument `{argument}` is {shown(value)} and argument `tensor` is "
                f"{shown(tensor)}; expected them to agree"
            )


def _fits(shape: Shape, wanted: Shape) -> bool:
    """Whether the lengths agree, None agreeing with any."""
    return len(shape) == len(wanted) and all(
        n is None or m is None or n == m for n, m in zip(shape, wanted, strict=True)
    )


def _of_array(tensor: Any) -> KerasTensor:
    """A symbolic tensor that keeps a copy of an array."""
    allowed = "a symbolic tensor or an array of numbers"
    is_sparse = hasattr(tensor, "toarray")
    if not is_sparse and not hasattr(tensor, "__array__"):
        raise arguments.wrong_type("Input", "tensor", tensor, allowed)
    value = np.array(tensor.toarray() if is_sparse else tensor)
    if value.dtype.name not in _DTYPES or not value.ndim:
        raise arguments.wrong_value("Input", "tensor", tensor, allowed + " with a batch axis")
    value.setflags(write=False)
    return KerasTensor(
        value.shape, value.dtype.name, is_sparse, automatic_name("keras_tensor"), value
    )
