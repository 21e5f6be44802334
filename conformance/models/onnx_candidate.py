"""ONNX files, run by onnxruntime with every intermediate tensor exposed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.models.candidates import Array, Tensor, laid_for, reordered
from conformance.models.errors import CandidateError, ModelError, quantized

_DEEPEST: Final = 20
_SHOWN: Final = 160


class OnnxCandidate:
    """An ONNX file.

    The final outputs are those of the file as it is.  Intermediate tensors come from a copy that
    has them as outputs, run without the runtime's own fusions, so that each of them is made.

    Raises:
        ModelError: if it cannot be read, refers to other files, or onnxruntime is missing.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise ModelError(
                f"{path}: an ONNX file needs onnx and onnxruntime: install layerproof[onnx]"
            ) from error
        self.name = str(path)
        self.input_names: Sequence[str] = ()
        self.implementation = "onnxruntime"
        self.maker = f"onnxruntime {onnxruntime.__version__}"
        self._onnx, self._runtime = onnx, onnxruntime
        self._model = self._read(path)
        self._plain = self._session(self._model, fused=True)
        self._initial = {item.name for item in self._model.graph.initializer}
        self._exposed = self._session(self._with_all_outputs(), fused=False)
        self._unread = self._of_no_node()
        if self._unread:
            self.maker += f"; inputs that no node reads are given zeros: {', '.join(self._unread)}"
        self._makers = {
            output: node for node in self._model.graph.node for output in node.output if output
        }

    def _read(self, path: Path) -> Any:
        try:
            model = self._onnx.load(str(path), load_external_data=False)
        except Exception as error:
            raise ModelError(f"{path} is no ONNX file, or a damaged one ({_said(error)})") from None
        for tensor in self._stored(model):
            if tensor.data_location == self._onnx.TensorProto.EXTERNAL or tensor.external_data:
                raise ModelError(
                    f"{path}: the tensor {tensor.name!r} is stored in another file, which is not "
                    "read; expected all data in the file itself "
                    "(onnx.save(onnx.load(file), copy) makes it so)"
                )
        if not model.graph.node:
            raise ModelError(f"{path}: the graph has no nodes")
        integers = [node for node in model.graph.node if node.op_type in _OF_INTEGERS]
        if integers:
            words = quantized(path, len(integers), len(model.graph.node), "integer")
            raise ModelError(words)
        return model

    def _stored(self, model: Any) -> Iterator[Any]:
        """Every tensor that a file holds: its graph's, its functions', its training's."""
        yield from self._all_tensors(model.graph, 0)
        for function in model.functions:
            yield from self._constants(function.node, 0)
        for training in model.training_info:
            yield from self._all_tensors(training.initialization, 0)
            yield from self._all_tensors(training.algorithm, 0)

    def _all_tensors(self, graph: Any, depth: int) -> Iterator[Any]:
        """Initializers and constants, those of graphs within nodes included."""
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        yield from self._constants(graph.node, depth)

    def _constants(self, nodes: Any, depth: int) -> Iterator[Any]:
        if depth > _DEEPEST:
            raise ModelError(f"{self.name}: graphs within graphs, deeper than {_DEEPEST}")
        for attribute in (attribute for node in nodes for attribute in node.attribute):
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            inner = [attribute.g] if attribute.HasField("g") else []
            for graph in (*attribute.graphs, *inner):
                yield from self._all_tensors(graph, depth + 1)

    def _with_all_outputs(self) -> Any:
        copy = self._onnx.ModelProto()
        copy.CopyFrom(self._model)
        present = {item.name for item in copy.graph.output}
        for node in self._model.graph.node:
            for output in node.output:
                if output and output not in present:
                    present.add(output)
                    copy.graph.output.add().name = output
        return copy

    def _session(self, model: Any, fused: bool) -> Any:
        options = self._runtime.SessionOptions()
        options.log_severity_level = 4
        level = self._runtime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if fused else level.ORT_DISABLE_ALL
        try:
            return self._runtime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ModelError(f"{self.name}: onnxruntime cannot load it ({_said(error)})") from None

    def _of_no_node(self) -> dict[str, Array]:
        """Inputs that nothing reads, which some converters leave open, with anything for them."""
        graph = self._model.graph
        read = {name for node in graph.node for name in node.input}
        read |= {item.name for item in graph.output}
        read |= {name for node in graph.node for a in node.attribute for name in _free(a)}
        return {
            item.name: np.zeros(_shape_of(item), _NUMPY.get(item.type, "float32"))
            for item in self._plain.get_inputs()
            if item.name not in read
        }

    def _fed(self, inputs: Sequence[Array]) -> dict[str, Array]:
        declared = [item for item in self._plain.get_inputs() if item.name not in self._unread]
        if len(declared) != len(inputs):
            named = ", ".join(f"{item.name!r} {item.shape}" for item in declared)
            raise ModelError(
                f"{self.name} has {len(declared)} inputs, and the source {len(inputs)}: {named}"
                f"{_LEFT_OPEN if len(declared) > len(inputs) else ''}"
            )
        order = reordered([item.name for item in declared], self.input_names)
        taken = {
            item.name: laid_for(inputs[place], item.shape, item.name).astype(
                _NUMPY.get(item.type, inputs[place].dtype)
            )
            for item, place in zip(declared, order, strict=True)
        }
        return taken | self._unread

    def _run(self, session: Any, names: Sequence[str] | None, inputs: Sequence[Array]) -> Any:
        try:
            return session.run(names, self._fed(inputs))
        except ModelError:
            raise
        except Exception as error:
            words = f"{self.name}: onnxruntime cannot run it ({_said(error)})"
            raise CandidateError("raised", words) from None

    def tensors(self, inputs: Sequence[Array]) -> list[Tensor]:
        """The inputs, and what the nodes make; shapes are found by running the file in parts."""
        fed = self._fed(inputs)
        given = {name: array for name, array in fed.items() if name not in self._unread}
        found = [Tensor(n, a.shape, a.dtype.name, "input of the file") for n, a in given.items()]
        names = [name for name in self._makers if name not in self._initial]
        for start in range(0, len(names), 16):
            part = names[start : start + 16]
            for name, array in zip(part, self._run(self._exposed, part, inputs), strict=True):
                if isinstance(array, np.ndarray):
                    node = self._makers[name]
                    found.append(Tensor(name, array.shape, array.dtype.name, self._described(node)))
        return found

    def _described(self, node: Any, depth: int = 0) -> str:
        """A node with its attributes, behind those that it is the end of: padding, window, sums."""
        words = self._alone(node)
        before = self._makers.get(node.input[0]) if node.input else None
        goes_on = node.op_type not in _MAIN or (before and before.op_type == "Pad")
        if before is None or depth >= _BEHIND or not goes_on:
            return words
        told = self._described(before, depth + 1)
        is_end = node.op_type in _MAIN or any(f"{kind}(" in told for kind in _MAIN)
        return f"{told}, {words}" if is_end else words

    def _alone(self, node: Any) -> str:
        values = [
            f"{a.name}={_plain(self._onnx.helper.get_attribute_value(a))}"
            for a in node.attribute
            if a.type in (a.INT, a.INTS, a.FLOAT, a.STRING)
        ]
        if node.op_type == "Pad" and len(node.input) > 1 and node.input[1] in self._initial:
            stored = next(i for i in self._model.graph.initializer if i.name == node.input[1])
            values.append(f"pads={self._onnx.numpy_helper.to_array(stored).tolist()}")
        words = f"{node.op_type}({', '.join(values)})"
        return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}...)"

    def fetch(self, names: Sequence[str], inputs: Sequence[Array]) -> list[Array]:
        """Some tensors."""
        fed = self._fed(inputs)
        wanted = [name for name in names if name not in fed]
        made = dict(
            zip(wanted, self._run(self._exposed, wanted, inputs) if wanted else [], strict=True)
        )
        return [made[name] if name in made else fed[name] for name in names]

    def outputs(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of the file as it is."""
        made: list[Array] = self._run(self._plain, None, inputs)
        return made

    def output_names(self) -> list[str]:
        """The outputs' names."""
        return [item.name for item in self._plain.get_outputs()]

    def named(self) -> bool:
        """Tensors are not named after layers reliably."""
        return False


def _free(attribute: Any) -> Iterator[str]:
    """The names that graphs within a node take, from wherever they are."""
    inner = [attribute.g] if attribute.HasField("g") else []
    for graph in (*attribute.graphs, *inner):
        for node in graph.node:
            yield from node.input
            for own in node.attribute:
                yield from _free(own)
        yield from (item.name for item in graph.output)


def _shape_of(item: Any) -> tuple[int, ...]:
    """The declared shape of an input, free lengths one."""
    return tuple(n if isinstance(n, int) and n > 0 else 1 for n in item.shape)


_NUMPY: Final = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
}

_OF_INTEGERS: Final = frozenset(
    {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"}
    | {"ConvInteger", "MatMulInteger", "QLinearAdd", "QGemm"}
)
"""Operators whose results are steps of a scale."""

_MAIN: Final = ("Conv", "MaxPool", "AveragePool", "Gemm", "MatMul")
"""Operators whose attributes, or weights, are what most mistakes are about."""
_BEHIND: Final = 4
"""Nodes before one that are looked at for one of these."""


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


_LEFT_OPEN: Final = (
    "; what the source does not have as an input is a constant that the converter left open: "
    "convert it again, or make it an initializer"
)


def _said(error: BaseException) -> str:
    """What the runtime says; of a long message its ends, as the reason is the last."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]} ... {text[-_SHOWN:]}"
