"""TFLite files, run by ai-edge-litert or TensorFlow's interpreter with all tensors kept."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.models.candidates import Array, Tensor, laid_for, reordered
from conformance.models.errors import CandidateError, ModelError, quantized


class TFLiteCandidate:
    """A TFLite file.

    Final outputs come from an interpreter with its defaults, intermediate tensors from one that
    keeps them all.

    Raises:
        ModelError: if it cannot be read, or no interpreter is installed.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.input_names: Sequence[str] = ()
        self.implementation = "tflite"
        interpreter, self.maker = _interpreter(path)
        content = path.read_bytes()
        if content[4:8] != b"TFL3":
            raise ModelError(f"{path} is no TFLite file: its identifier is missing")
        try:
            self._plain = interpreter(model_content=content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._kept = interpreter(
                    model_content=content, experimental_preserve_all_tensors=True
                )
            self._operators = self._kept._get_ops_details()
        except Exception as error:
            raise ModelError(f"{path} cannot be loaded ({_said(error)})") from None
        self._refuse_integers(path)
        self._options = _options(content)
        self._last: tuple[int, ...] | None = None

    def _refuse_integers(self, path: Path) -> None:
        """See to it that what the operators make are numbers, not steps of a scale.

        Raises:
            ModelError: if it is a quantized file.
        """
        details = {item["index"]: item for item in self._kept.get_tensor_details()}
        made = [details[i] for o in self._operators for i in o["outputs"] if i in details]
        scaled = [item for item in made if len(item["quantization_parameters"]["scales"])]
        if scaled:
            kind = np.dtype(scaled[0]["dtype"]).name
            raise ModelError(quantized(path, len(scaled), len(made), kind))

    def _fill(self, interpreter: Any, inputs: Sequence[Array]) -> list[Array]:
        details = [*interpreter.get_input_details()]
        if len(details) != len(inputs):
            raise ModelError(f"{self.name} has {len(details)} inputs, the source {len(inputs)}")
        order = reordered([item["name"] for item in details], self.input_names)
        inputs = [inputs[place] for place in order]
        laid = self._assigned(details, inputs)
        try:
            for item, array in laid:
                interpreter.resize_tensor_input(item["index"], array.shape)
            interpreter.allocate_tensors()
            for item, array in laid:
                interpreter.set_tensor(item["index"], array.astype(item["dtype"]))
            interpreter.invoke()
        except Exception as error:
            words = f"{self.name} cannot be run ({_said(error)})"
            raise CandidateError("raised", words) from None
        return [array for _, array in laid]

    def _assigned(self, details: Sequence[Any], inputs: Sequence[Array]) -> list[tuple[Any, Array]]:
        """Each input with the array that fits it: in order, else the first left that fits."""
        left, pairs = [*inputs], []
        for item in details:
            signature = [int(n) for n in item["shape_signature"]]
            signature = [0, *signature[1:]] if signature else signature
            for index, array in enumerate(left):
                try:
                    laid = laid_for(array, signature, item["name"])
                except ModelError:
                    continue
                pairs.append((item, laid))
                del left[index]
                break
            else:
                raise ModelError(
                    f"{self.name}: no input of the source fits {item['name']!r} {signature}"
                )
        return pairs

    def _ran(self, inputs: Sequence[Array]) -> None:
        key = tuple(id(array) for array in inputs)
        if self._last != key:
            self._fill(self._kept, inputs)
            self._last = key
            self._inputs = inputs  # kept alive, so that the key stays theirs

    def _index(self, name: str) -> int:
        return int(name.rpartition("@")[2])

    def tensors(self, inputs: Sequence[Array]) -> list[Tensor]:
        """The inputs, and what the operators make; ``name@number``, as names may repeat."""
        self._ran(inputs)
        details = {item["index"]: item for item in self._kept.get_tensor_details()}
        found = [self._tensor(item, "input of the file") for item in self._kept.get_input_details()]
        for operator in self._operators:
            made = [details[index] for index in operator["outputs"] if index in details]
            found += [self._tensor(item, self._described(operator)) for item in made]
        return found

    def _described(self, operator: Mapping[str, Any]) -> str:
        """An operator with its options, behind the padding that it takes."""
        name, index = str(operator["op_name"]), operator["index"]
        words = f"{name}({self._options[index]})" if self._options.get(index) else name
        taken = int(operator["inputs"][0]) if len(operator["inputs"]) else -1
        pads = [o for o in self._operators if o["op_name"] == "PAD" and taken in o["outputs"]]
        if not pads:
            return words
        with contextlib.suppress(ValueError):
            sizes = self._kept.get_tensor(int(pads[0]["inputs"][1])).tolist()
            return f"PAD(paddings={sizes}), {words}"
        return f"PAD, {words}"

    def _tensor(self, item: Mapping[str, Any], maker: str) -> Tensor:
        shape = tuple(int(n) for n in item["shape"])
        with contextlib.suppress(ValueError):
            shape = self._kept.get_tensor(item["index"]).shape
        return Tensor(f"{item['name']}@{item['index']}", shape, np.dtype(item["dtype"]).name, maker)

    def fetch(self, names: Sequence[str], inputs: Sequence[Array]) -> list[Array]:
        """Some tensors."""
        self._ran(inputs)
        return [np.array(self._kept.get_tensor(self._index(name))) for name in names]

    def outputs(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of the default interpreter, in the order of the signature if it has one."""
        self._fill(self._plain, inputs)
        return [np.array(self._plain.get_tensor(i)) for i in self._output_indices()]

    def _output_indices(self) -> list[int]:
        return [int(item["index"]) for item in self._plain.get_output_details()]

    def output_names(self) -> list[str]:
        """The outputs' names."""
        return [f"{item['name']}@{item['index']}" for item in self._plain.get_output_details()]

    def named(self) -> bool:
        """Tensors are not named after layers reliably."""
        return False


def _options(content: bytes) -> dict[int, str]:
    """The options of each operator in words; empty where the schema is not there to read them."""
    try:
        from ai_edge_litert import schema_py_generated as schema

        operators = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0].operators
    except Exception:  # the interpreter has accepted the file; its description may be missing
        return {}
    found = {}
    for index, operator in enumerate(operators):
        fields = vars(operator.builtinOptions) if operator.builtinOptions is not None else {}
        words = [f"{_snake(name)}={_named(name, value)}" for name, value in fields.items()]
        found[index] = ", ".join(word for word in words if "None" not in word)[:_SHOWN]
    return found


_ENUMERATED: Final = {
    "padding": ("SAME", "VALID"),
    "fusedActivationFunction": ("none", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"),
}
_SHOWN: Final = 160


def _named(field: str, value: Any) -> Any:
    names = _ENUMERATED.get(field, ())
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _interpreter(path: Path) -> tuple[Any, str]:
    try:
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        pass
    else:
        return Interpreter, f"ai-edge-litert {getattr(ai_edge_litert, '__version__', '')}".strip()
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ModelError(
            f"{path}: a TFLite file needs ai-edge-litert or tensorflow: install layerproof[tflite]"
        ) from error
    return tf.lite.Interpreter, f"tensorflow {tf.__version__}"


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]
