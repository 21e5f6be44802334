"""Equivalent code in NumPy alone: the definition as a loop over the windows."""

from __future__ import annotations

from typing import Final

from conformance.explain.code.activations import numpy_activation
from conformance.explain.code.program import (
    INTEGERS,
    SIXTEEN_BITS,
    is_padded,
    lines,
    operands_comment,
    pairs,
)
from conformance.explain.subject import Subject
from reference_impl.ops.geometry import WindowAxis

_INDICES: Final = "ijk"


def convolution(subject: Subject) -> str:
    """A convolution: each window contracted with the kernel."""
    axes = f"{subject.rank + 1}"
    x, wide = ("x", True) if subject.dtype in SIXTEEN_BITS else ("inputs", False)
    contraction = f"np.tensordot(x[{_window(subject)}], kernel, {axes})"
    groups = int(getattr(subject.layer, "groups", 1))
    body = [f"y[{_output(subject)}] = {contraction}"] if groups == 1 else _grouped(subject, groups)
    names = [name for name in ("kernel", "bias") if name in subject.weights]
    widened = [f'{name} = {name}.astype("float32")' for name in names] if wide else []
    return lines(
        _imports(subject),
        operands_comment(subject, "arrays"),
        ['x = inputs.astype("float32")  # the sums are kept in float32', *widened] if wide else [],
        _prepared(subject, x, "0"),
        [f"y = np.zeros({_shape(subject)}, x.dtype)"],
        _loop(subject, body),
        ["y = y + bias"] if "bias" in subject.weights else [],
        _arranged(subject),
        numpy_activation(subject),
        ["outputs = y.astype(inputs.dtype)" if wide else "outputs = y"],
    )


def pooling(subject: Subject) -> str:
    """Max pooling: the largest element of each window."""
    lowest = "np.iinfo(inputs.dtype).min" if subject.dtype in INTEGERS else "-np.inf"
    spatial = tuple(range(1, subject.rank + 1))
    axis = spatial[0] if len(spatial) == 1 else spatial
    body = [f"y[{_output(subject)}] = x[{_window(subject)}].max(axis={axis})"]
    return lines(
        ["import numpy as np", ""],
        operands_comment(subject, "an array"),
        _prepared(subject, "inputs", lowest),
        [f"y = np.empty({_shape(subject)}, x.dtype)"],
        _loop(subject, body),
        _arranged(subject),
        ["outputs = y"],
    )


def flatten(subject: Subject) -> str:
    """One row for each element of the batch, the channels varying fastest."""
    moved = ".reshape"
    if subject.channels_first and len(subject.input_shape) > 2:
        order = [0, *range(2, len(subject.input_shape)), 1]
        moved = f".transpose({', '.join(map(str, order))}).reshape"
    assert subject.output_shape is not None
    return lines(
        operands_comment(subject, "an array"),
        [f"outputs = inputs{moved}({_batch(subject)}, {subject.output_shape[1]})"],
    )


def _imports(subject: Subject) -> list[str]:
    needs_math = subject.case.keywords.get("activation") == "gelu"
    return (
        ["import math", "", "import numpy as np", ""] if needs_math else ["import numpy as np", ""]
    )


def _batch(subject: Subject) -> str:
    return "len(inputs)" if subject.input_shape[0] is None else str(subject.input_shape[0])


def _prepared(subject: Subject, x: str, padded: str) -> list[str]:
    """``x``: the inputs, channels last, padded."""
    source = f"np.moveaxis({x}, 1, -1)" if subject.channels_first else x
    if not is_padded(subject):
        return [] if source == "x" else [f"x = {source}"]
    pads = ", ".join(map(str, [(0, 0), *pairs(subject), (0, 0)]))
    value = "" if padded == "0" else f", constant_values={padded}"
    return [f"x = np.pad({source}, ({pads}){value})"]


def _shape(subject: Subject) -> str:
    channels = "kernel.shape[-1]" if "kernel" in subject.weights else "x.shape[-1]"
    inner = [max(axis.output, 0) for axis in subject.geometry]
    return f"({_batch(subject)}, {', '.join(map(str, inner))}, {channels})"


def _output(subject: Subject) -> str:
    return ", ".join([":", *_INDICES[: subject.rank]])


def _window(subject: Subject) -> str:
    """The slices of one window."""
    return ", ".join([":", *map(_slice, subject.geometry, _INDICES)])


def _slice(axis: WindowAxis, index: str) -> str:
    start = index if axis.stride == 1 else f"{axis.stride} * {index}"
    step = f" : {axis.dilation}" if axis.dilation > 1 else ""
    return f"{start} : {start} + {axis.receptive_field}{step}"


def _loop(subject: Subject, body: list[str]) -> list[str]:
    """The loops over all output positions."""
    loops = []
    for depth, axis in enumerate(subject.geometry):
        loops.append(f"{'    ' * depth}for {_INDICES[depth]} in range({max(axis.output, 0)}):")
    indent = "    " * subject.rank
    return [*loops, *(f"{indent}{line}" for line in body)]


def _grouped(subject: Subject, groups: int) -> list[str]:
    """Each group of filters sees its own channels alone."""
    rank = subject.rank
    return [
        f"w = np.split(x[{_window(subject)}], {groups}, axis=-1)",
        f"k = np.split(kernel, {groups}, axis=-1)",
        f"sums = [np.tensordot(a, b, {rank + 1}) for a, b in zip(w, k)]",
        f"y[{_output(subject)}] = np.concatenate(sums, axis=-1)",
    ]


def _arranged(subject: Subject) -> list[str]:
    return ["y = np.moveaxis(y, -1, 1)"] if subject.channels_first else []
