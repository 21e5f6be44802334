"""Running the equivalent programs of `conformance.explain.code`, and judging what they make.

As a command, every program of a whole grid:

    python tests/explained_programs.py NOTATION... [--grid standard] [--every N]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

import reference_impl
from conformance import assert_conforms
from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.cases.operands import INTEGER_DTYPES, has_its_dtype, operands
from conformance.explain.code import NOTATIONS, Unsayable, code
from conformance.explain.subject import of_case
from conformance.implementations import registry
from conformance.known import Record, Who, own

IMPLEMENTATIONS = {
    "torch.nn": ("torch.nn",),
    "torch.nn.functional": ("torch.nn",),
    "tf.keras": ("tf.keras", "tf.keras[onednn]"),
    "jax": ("keras[backend=jax,x64]",),
}
"""The implementations whose known deviations a notation's programs may share."""

DISTRIBUTIONS = {
    "torch.nn": ("torch",),
    "torch.nn.functional": ("torch",),
    "tf.keras": ("tensorflow",),
    "jax": ("jax",),
    "onnx": ("onnx", "onnxruntime"),
}
"""What has to be importable to run a notation's programs."""


class UnsupportedError(Exception):
    """The installed runtime has no kernel for what the program says."""


def execute(notation: str, program: str, arrays: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """What the program makes of the arrays."""
    return RUNNERS[notation](program, arrays)


def _plainly(program: str, arrays: Mapping[str, Any]) -> Any:
    scope = dict(arrays)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(program, "explained", "exec"), scope)
    return scope


def _numpy(program: str, arrays: Mapping[str, Any]) -> Any:
    return _plainly(program, arrays)["outputs"]


def _torch(program: str, arrays: Mapping[str, Any]) -> Any:
    from conformance.implementations.torch_nn import _tensor

    outputs = _plainly(program, {name: _tensor(array) for name, array in arrays.items()})
    return outputs["outputs"].detach()


def _keras(program: str, arrays: Mapping[str, Any]) -> Any:
    try:
        return np.asarray(_plainly(program, arrays)["outputs"])
    except Exception as error:
        if "only supports the NHWC" in str(error):
            raise UnsupportedError("TensorFlow has no such kernel on the CPU") from error
        raise


def _jax(program: str, arrays: Mapping[str, Any]) -> Any:
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", "64" in arrays["inputs"].dtype.name)
    return np.asarray(_plainly(program, arrays)["outputs"])


def _onnx(program: str, arrays: Mapping[str, Any]) -> Any:
    from onnx import helper, numpy_helper

    scope = _plainly(program, arrays)
    inputs = arrays["inputs"]
    element = helper.np_dtype_to_tensor_dtype(inputs.dtype)
    weights = {k: np.ascontiguousarray(v) for k, v in scope.get("weights", {}).items()}
    graph = helper.make_graph(
        scope["nodes"],
        "explained",
        [helper.make_tensor_value_info("inputs", element, inputs.shape)],
        [helper.make_tensor_value_info("outputs", element, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = [helper.make_opsetid("", 22)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    return _evaluated(model, np.ascontiguousarray(inputs))


def _evaluated(model: Any, inputs: Any) -> Any:
    """The graph's output by ONNX Runtime."""
    import onnxruntime

    if inputs.dtype.name == "bfloat16":
        raise UnsupportedError("ONNX Runtime takes no bfloat16 arrays of NumPy's")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented as error:
        raise UnsupportedError(str(error).splitlines()[0]) from error
    return session.run(None, {"inputs": inputs})[0]


RUNNERS: dict[str, Callable[[str, Mapping[str, Any]], Any]] = {
    "numpy": _numpy,
    "torch.nn": _torch,
    "torch.nn.functional": _torch,
    "tf.keras": _keras,
    "jax": _jax,
    "onnx": _onnx,
}


def built(case: Case, arrays: Any) -> Any:
    """The oracle's layer with the case's weights."""
    arguments = case.keywords
    if case.dtype not in INTEGER_DTYPES:
        arguments["dtype"] = case.dtype
    layer = getattr(reference_impl.layers, case.layer)(**arguments)
    layer.build(arrays.inputs.shape)
    if arrays.weights:
        layer.set_weights(list(arrays.weights.values()))
    return layer


def judge(notation: str, case: Case) -> str:
    """How the case's program fares: ``conforms``, ``unsayable``, ``unsupported`` or ``known``.

    Raises:
        AssertionError: if it gives something else than the oracle, which the notation's framework
            is not known for.
    """
    try:
        program = code(of_case(case), notation)
    except Unsayable:
        return "unsayable"
    if may_end_process(notation, case):
        return "known"
    arrays = operands(case)
    try:
        outputs = execute(notation, program, {"inputs": arrays.inputs, **arrays.weights})
        assert_conforms(outputs, built(case, arrays), arrays.inputs)
    except UnsupportedError:
        return "unsupported"
    except Exception as error:
        if is_known(notation, case):
            return "known"
        raise AssertionError(f"{case}\n{program}\n{type(error).__name__}: {error}") from error
    return "conforms"


def recorded_of(notation: str, case: Case) -> Iterator[Record]:
    """The deviations recorded, on any machine, of the notation's framework for this very case."""
    for name in IMPLEMENTATIONS.get(notation, ()):
        yield from (record for record in speaking_of(name) if record.concerns(case))


@cache
def speaking_of(name: str) -> tuple[Record, ...]:
    """The records of an installed implementation, of whatever machine."""
    who = Who((name,), registry.versions(registry.resolve(name)))
    return tuple(record for record in own() if replace(record, machine={}).speaks_of(who))


def may_end_process(notation: str, case: Case) -> bool:
    """Whether the framework may end or spoil this process, so that it is not asked here."""
    return any(record.alone for record in recorded_of(notation, case))


def is_known(notation: str, case: Case) -> bool:
    """Whether a deviation is known of the notation's framework for this very case."""
    faults = RUNTIME_FAULTS.get(notation, {}).values()
    return any(concerns(case) for concerns in faults) or any(recorded_of(notation, case))


_INFINITE = ("one_infinity", "kernel_infinity", "idle_infinity", "specials", "overflow")

RUNTIME_FAULTS: dict[str, dict[str, Callable[[Case], bool]]] = {
    "torch.nn": {
        "torch 2.13: gelu of infinity is NaN on contiguous tensors": lambda case: (
            case.keywords.get("activation") == "gelu" and case.operands in _INFINITE
        ),
    },
    "jax": {
        "JAX 0.10: XLA takes subnormal numbers for zero on the CPU": lambda case: (
            case.operands in ("specials", "subnormal", "wide", "lowest")
        ),
    },
    "onnx": {
        "ONNX Runtime 1.32: MaxPool leaves NaN out of its maximum": lambda case: (
            facts(case).is_pooling and case.operands in ("one_nan", "negative_nan", "specials")
        ),
        "ONNX Runtime 1.32: the logistic function is off by up to ten bounds": lambda case: (
            case.keywords.get("activation") in ("sigmoid", "silu", "swish", "glu")
        ),
        "ONNX Runtime 1.32: MaxPool gives the lowest finite number for -infinity": lambda case: (
            facts(case).is_pooling and case.operands == "lowest"
        ),
        "ONNX Runtime 1.32: empty axes are refused": lambda case: 0 in (case.inputs or ()),
        "ONNX Runtime 1.32: padding is skipped, whatever the kernel over it": lambda case: (
            case.operands in ("kernel_nan", "kernel_infinity", "idle_infinity")
        ),
    },
}
"""What runtimes do wrongly that no record of the suite covers, in words, and for which cases."""


def cases(grid_name: str) -> Iterator[Case]:
    """The cases of a grid whose outputs are looked at."""
    return (c for c in grid(grid_name) if c.observe == "output" and has_its_dtype(c))


def main(arguments: list[str]) -> int:
    """Judge the programs of a grid; print the counts, and every failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notation", nargs="+", choices=NOTATIONS)
    parser.add_argument("--grid", default="standard")
    parser.add_argument("--every", type=int, default=1, help="only every Nth case")
    options = parser.parse_args(arguments)
    failures = 0
    for notation in options.notation:
        counts: Counter[str] = Counter()
        for case in list(cases(options.grid))[:: options.every]:
            try:
                counts[judge(notation, case)] += 1
            except AssertionError as error:
                counts["fails"] += 1
                print(f"{notation}: {error}\n", flush=True)
        failures += counts["fails"]
        print(f"{notation}: {dict(counts)}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
