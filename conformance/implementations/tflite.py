"""The TFLite interpreter of ai-edge-litert as an implementation under test.

Files are written here, operator by operator as TensorFlow's converter writes them, so that what is
judged is the runtime and not the converter: channels-first data are transposed, a convolution
along one axis runs over an image of height 1, and relu is fused into the convolution.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, ClassVar, Final

import flatbuffers
import numpy as np
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.implementations.engine import (
    Array,
    Call,
    Engine,
    Takes,
    family_of,
    pads_of,
)
from conformance.implementations.protocol import Implementation
from reference_impl.engine.dtypes import numpy_dtype

_FLOAT: Final = frozenset({"float32"})
_TYPES: Final[Mapping[str, int]] = {
    name: getattr(schema.TensorType, name.upper())
    for name in (
        *("float16", "float32", "float64", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32"),
    )
}
_MOVED: Final = frozenset({"float32", "int8", "int16", "int32", "int64", "uint8"})
"""The dtypes in which the interpreter reshapes and transposes."""

_FUSED: Final = {"relu": "RELU", "relu6": "RELU6"}
_ALIASES: Final = {"swish": "silu", "hard_swish": "hard_silu"}
_OPERATORS: Final[Mapping[str, str]] = {
    "elu": "ELU",
    "exponential": "EXP",
    "gelu": "GELU",
    "hard_silu": "HARD_SWISH",
    "leaky_relu": "LEAKY_RELU",
    "log_softmax": "LOG_SOFTMAX",
    "sigmoid": "LOGISTIC",
    "softmax": "SOFTMAX",
    "tanh": "TANH",
}
_LARGEST: Final = 2**28
_ACTIVATIONS: Final = frozenset({"linear", "silu", *_FUSED, *_OPERATORS, *_ALIASES})


def load(name: str, xnnpack: bool | None = None, threads: int | None = None) -> Implementation:
    """The interpreter.

    Args:
        name: how reports call it.
        xnnpack: whether its XNNPACK kernels may be used; its own choice by default.
        threads: how many it may use; its own choice by default.
    """
    return TFLite(name, xnnpack, threads)


class TFLite(Engine):
    """An interpreter for each case."""

    maker: ClassVar = "TFLite"
    takes: ClassVar = Takes(
        {"convolution": _FLOAT, "pooling": _FLOAT, "flatten": _MOVED}, _ACTIVATIONS, empty="none"
    )

    def __init__(self, name: str, xnnpack: bool | None, threads: int | None) -> None:
        machine = {
            "device": "cpu",
            "threads": str(threads or os.cpu_count()),
            "xnnpack": "off" if xnnpack is False else "on",
        }
        super().__init__(name, metadata.version("ai-edge-litert"), machine)
        self._threads = threads
        without = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._resolver = without if xnnpack is False else litert.OpResolverType.AUTO

    def refusal(self, known: Facts) -> str | None:
        """As `Engine.refusal`, and what is too large to be planned."""
        reason = super().refusal(known)
        if reason is None and math.prod(known.output_shape or ()) > _LARGEST:
            return f"TFLite plans memory for every tensor, here for more than {_LARGEST} elements"
        return reason

    def graph(self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Call:
        """An interpreter's run."""
        interpreter = self._interpreter(case, shape, weights)
        given = interpreter.get_input_details()[0]["index"]
        made = interpreter.get_output_details()[0]["index"]

        def call(inputs: Array) -> Array:
            interpreter.set_tensor(given, np.ascontiguousarray(inputs))
            interpreter.invoke()
            result: Array = interpreter.get_tensor(made)
            return result

        return call

    def shape(
        self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]
    ) -> tuple[int, ...]:
        """As the interpreter has it once memory is planned."""
        interpreter = self._interpreter(case, shape, weights)
        return tuple(int(n) for n in interpreter.get_output_details()[0]["shape"])

    def _interpreter(self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Any:
        interpreter = litert.Interpreter(
            model_content=file_of(case, shape, weights),
            num_threads=self._threads,
            experimental_op_resolver_type=self._resolver,
        )
        # As declared shapes are only hints to operators that change shapes, they are worked out.
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [*shape])
        interpreter.allocate_tensors()
        return interpreter


def file_of(case: Case, shape: Sequence[int], weights: Mapping[str, Array]) -> bytes:
    """The TFLite file of a case, its input in Keras' layout."""
    known = facts(case)
    writer = _Writer(case.dtype)
    tensor = writer.tensor(shape)
    if family_of(known) == "flatten":
        made = _flattened(writer, known, tensor)
    else:
        made = _windowed(writer, known, tensor, weights)
    return writer.finished(tensor, made)


@dataclass(eq=False)
class _Writer:
    """A file in the making: tensors by number, and operators in order."""

    dtype: str
    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    operators: list[Any] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def tensor(self, shape: Sequence[int], dtype: str = "") -> int:
        """A tensor that some operator makes, or the input."""
        made = schema.TensorT()
        made.shape = [*shape]
        made.type = _TYPES[dtype or self.dtype]
        made.name = f"t{len(self.tensors)}"
        made.buffer = 0
        self.tensors.append(made)
        self.shapes[len(self.tensors) - 1] = tuple(shape)
        return len(self.tensors) - 1

    def constant(self, array: Array) -> int:
        """A tensor with a value."""
        number = self.tensor(array.shape, array.dtype.name)
        buffer = schema.BufferT()
        little_endian = array.astype(array.dtype.newbyteorder("<"))
        buffer.data = np.frombuffer(little_endian.tobytes(), np.uint8)
        self.buffers.append(buffer)
        self.tensors[number].buffer = len(self.buffers) - 1
        return number

    def operator(
        self, name: str, inputs: Sequence[int], shape: Sequence[int], **options: Any
    ) -> int:
        """An operator; the number of the tensor that it makes."""
        code = getattr(schema.BuiltinOperator, name)
        if code not in self.codes:
            self.codes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex = self.codes.index(code)
        made.inputs, made.outputs = [*inputs], [self.tensor(shape)]
        kind = _OPTIONS.get(name)
        if kind is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = getattr(schema, f"{kind}T")()
            for key, value in options.items():
                setattr(made.builtinOptions, key, value)
        self.operators.append(made)
        return int(made.outputs[0])

    def reshaped(self, tensor: int, shape: Sequence[int]) -> int:
        """A tensor in another shape."""
        wanted = self.constant(np.array(shape, np.int32))
        return self.operator("RESHAPE", [tensor, wanted], shape, newShape=[*shape])

    def transposed(self, tensor: int, order: Sequence[int]) -> int:
        """A tensor with its axes in another order."""
        shape = [self.shapes[tensor][axis] for axis in order]
        return self.operator("TRANSPOSE", [tensor, self.constant(np.array(order, np.int32))], shape)

    def finished(self, given: int, made: int) -> bytes:
        """The file."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [given], [made]
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes = [_code(code) for code in self.codes]
        model.subgraphs, model.buffers = [graph], self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


_OPTIONS: Final = {
    "CONV_2D": "Conv2DOptions",
    "GELU": "GeluOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "LOG_SOFTMAX": "LogSoftmaxOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "RESHAPE": "ReshapeOptions",
    "SOFTMAX": "SoftmaxOptions",
    "TRANSPOSE": "TransposeOptions",
}

_SMALL_CODES: Final = 127


def _code(code: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = code
    made.deprecatedBuiltinCode = min(code, _SMALL_CODES)
    made.version = 2 if code == schema.BuiltinOperator.LEAKY_RELU else 1
    return made


def _flattened(writer: _Writer, known: Facts, tensor: int) -> int:
    shape = writer.shapes[tensor]
    if known.channels_first and len(shape) > 2:
        tensor = writer.transposed(tensor, [0, *range(2, len(shape)), 1])
    return writer.reshaped(tensor, [shape[0], int(np.prod(shape[1:], dtype=np.int64))])


def _windowed(writer: _Writer, known: Facts, tensor: int, weights: Mapping[str, Array]) -> int:
    ndim = len(writer.shapes[tensor])
    if known.channels_first:
        tensor = writer.transposed(tensor, [0, *range(2, ndim), 1])
    if known.rank == 1:
        batch, length, channels = writer.shapes[tensor]
        tensor = writer.reshaped(tensor, [batch, 1, length, channels])
    tensor = _window(writer, known, tensor, weights)
    if known.rank == 1:
        batch, _, length, filters = writer.shapes[tensor]
        tensor = writer.reshaped(tensor, [batch, length, filters])
    if known.channels_first:
        tensor = writer.transposed(tensor, [0, ndim - 1, *range(1, ndim - 1)])
    return _activated(writer, known, tensor)


def _window(writer: _Writer, known: Facts, tensor: int, weights: Mapping[str, Array]) -> int:
    """The convolution or pooling over an image."""
    alone = (1,) * (2 - known.rank)
    window, strides, dilation = (
        (*alone, *sizes) for sizes in (known.window, known.strides, known.dilation)
    )
    if known.padding == "causal":
        pads = np.array([(0, 0), *([(0, 0)] * len(alone)), *pads_of(known), (0, 0)], np.int32)
        shape = [n + a + b for n, (a, b) in zip(writer.shapes[tensor], pads, strict=True)]
        tensor = writer.operator("PAD", [tensor, writer.constant(pads)], shape)
    name = "SAME" if known.padding == "same" else "VALID"
    options = {
        "padding": getattr(schema.Padding, name),
        "strideH": strides[0],
        "strideW": strides[1],
        "fusedActivationFunction": _fused(known),
    }
    batch = writer.shapes[tensor][0]
    lengths = [*alone, *(axis.output for axis in known.axes)]
    if known.is_pooling:
        options |= {"filterHeight": window[0], "filterWidth": window[1]}
        channels = writer.shapes[tensor][-1]
        return writer.operator("MAX_POOL_2D", [tensor], [batch, *lengths, channels], **options)
    options |= {"dilationHFactor": dilation[0], "dilationWFactor": dilation[1]}
    kernel = weights["kernel"].reshape(*window, *weights["kernel"].shape[-2:])
    filters = kernel.shape[-1]
    bias = weights.get("bias", np.zeros(filters, numpy_dtype(known.case.dtype)))
    operands = [tensor, writer.constant(np.moveaxis(kernel, -1, 0)), writer.constant(bias)]
    return writer.operator("CONV_2D", operands, [batch, *lengths, filters], **options)


def _fused(known: Facts) -> int:
    name = _FUSED.get(known.activation or "", "NONE")
    return int(getattr(schema.ActivationFunctionType, name))


def _activated(writer: _Writer, known: Facts, tensor: int) -> int:
    name = _ALIASES.get(known.activation or "linear", known.activation or "linear")
    shape = writer.shapes[tensor]
    if name == "silu":
        gate = writer.operator("LOGISTIC", [tensor], shape)
        return writer.operator("MUL", [tensor, gate], shape)
    if name not in _OPERATORS:
        return tensor
    options = {"leaky_relu": {"alpha": 0.2}, "softmax": {"beta": 1.0}}.get(name, {})
    return writer.operator(_OPERATORS[name], [tensor], shape, **options)
