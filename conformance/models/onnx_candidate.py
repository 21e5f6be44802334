"""ONNX files, run by onnxruntime with every intermediate tensor exposed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.models.candidates import Array, Tensor, laid_for, reordered
from conformance.models.errors import CandidateError, ModelError

_LARGEST: Final = 1 << 31
"""Bytes of a file: a protocol buffer has no more."""

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
        self.maker = f"onnxruntime {onnxruntime.__version__}"
        self._onnx, self._runtime = onnx, onnxruntime
        self._model = self._read(path)
        self._plain = self._session(self._model, fused=True)
        self._initial = {item.name for item in self._model.graph.initializer}
        self._exposed = self._session(self._with_all_outputs(), fused=False)
        self._makers = {
            output: node for node in self._model.graph.node for output in node.output if output
        }

    def _read(self, path: Path) -> Any:
        if path.stat().st_size > _LARGEST:
            raise ModelError(
                f"{path}: {path.stat().st_size} bytes; a protocol buffer has at most 2 GiB"
            )
        try:
            model = self._onnx.load(str(path), load_external_data=False)
        except Exception as error:
            raise ModelError(f"{path} is no ONNX file, or a damaged one ({_said(error)})") from None
        for tensor in self._all_tensors(model.graph, 0):
            if tensor.data_location == self._onnx.TensorProto.EXTERNAL or tensor.external_data:
                raise ModelError(
                    f"{path}: the tensor {tensor.name!r} is stored in another file, which is not "
                    "read; expected all data in the file itself "
                    "(onnx.save(onnx.load(file), copy) makes it so)"
                )
        if not model.graph.node:
            raise ModelError(f"{path}: the graph has no nodes")
        return model

    def _all_tensors(self, graph: Any, depth: int) -> Iterator[Any]:
        """Initializers and constants, those of graphs within nodes included."""
        if depth > 20:
            raise ModelError("graphs within graphs, deeper than 20")
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                for inner in (
                    *attribute.graphs,
                    *([attribute.g] if attribute.HasField("g") else []),
                ):
                    yield from self._all_tensors(inner, depth + 1)

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

    def _fed(self, inputs: Sequence[Array]) -> dict[str, Array]:
        declared = self._plain.get_inputs()
        if len(declared) != len(inputs):
            named = ", ".join(f"{item.name!r} {item.shape}" for item in declared)
            raise ModelError(
                f"{self.name} has {len(declared)} inputs, and the source {len(inputs)}: {named}"
                f"{_LEFT_OPEN if len(declared) > len(inputs) else ''}"
            )
        order = reordered([item.name for item in declared], self.input_names)
        return {
            item.name: laid_for(inputs[place], item.shape, item.name)
            for item, place in zip(declared, order, strict=True)
        }

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
        found = [Tensor(n, a.shape, a.dtype.name, "input of the file") for n, a in fed.items()]
        names = [name for name in self._makers if name not in self._initial]
        for start in range(0, len(names), 16):
            part = names[start : start + 16]
            for name, array in zip(part, self._run(self._exposed, part, inputs), strict=True):
                if isinstance(array, np.ndarray):
                    node = self._makers[name]
                    found.append(Tensor(name, array.shape, array.dtype.name, self._described(node)))
        return found

    def _described(self, node: Any) -> str:
        values = [
            f"{a.name}={self._onnx.helper.get_attribute_value(a)!r}"
            for a in node.attribute
            if a.type in (a.INT, a.INTS, a.FLOAT, a.STRING)
        ]
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


_LEFT_OPEN: Final = (
    "; what the source does not have as an input is a constant that the converter left open: "
    "convert it again, or make it an initializer"
)


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:_SHOWN]
