"""Equivalent code: what a case is in other notations, and nothing that it does not need.

Each program takes the inputs, and the kernel and bias where there are any, in Keras' layout, and
makes ``outputs`` in Keras' layout; of ONNX, whose graphs are data, the ``nodes`` that do so and
the ``weights``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from conformance.explain.code.program import Unsayable, require_lengths
from conformance.explain.subject import Subject

__all__ = ["NOTATIONS", "Unsayable", "code"]

_WRITERS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = MappingProxyType(
    {
        "numpy": (
            "numpy_code",
            {"convolution": "convolution", "pooling": "pooling", "flatten": "flatten"},
        ),
        "torch.nn": (
            "torch_code",
            {
                "convolution": "convolution_module",
                "pooling": "pooling_module",
                "flatten": "flatten_module",
            },
        ),
        "torch.nn.functional": (
            "torch_code",
            {
                "convolution": "convolution_function",
                "pooling": "pooling_function",
                "flatten": "flatten_function",
            },
        ),
        "tf.keras": (
            "keras_code",
            {
                "convolution": "layer",
                "pooling": "layer",
                "flatten": "layer",
                "input": "declaration",
            },
        ),
        "jax": (
            "jax_code",
            {"convolution": "convolution", "pooling": "pooling", "flatten": "flatten"},
        ),
        "onnx": (
            "onnx_code",
            {"convolution": "convolution", "pooling": "pooling", "flatten": "flatten"},
        ),
    }
)
"""Of each notation: its module here, and the writer of each kind of layer."""

NOTATIONS: Final = tuple(_WRITERS)
"""The notations in which equivalent code is written."""


def code(subject: Subject, notation: str) -> str:
    """The program.

    Args:
        subject: the layer and its inputs.
        notation: one of `NOTATIONS`.

    Raises:
        Unsayable: where the notation has nothing for it, or a length is free.
        KeyError: for an unknown notation.
    """
    module, writers = _WRITERS[notation]
    if subject.family.name not in writers:
        raise Unsayable(f"{notation} has nothing that corresponds to {subject.case.layer}")
    if subject.family.name != "input":
        require_lengths(subject)
    loaded = import_module(f"{__name__}.{module}")
    write: Callable[[Subject], str] = getattr(loaded, writers[subject.family.name])
    return _without_unused_imports(write(subject))


def _without_unused_imports(program: str) -> str:
    """The program with no import that it does not use."""
    imports, gap, body = program.partition("\n\n")
    if "import" not in imports:
        return program
    kept = [line for line in imports.splitlines() if _is_used(line.split()[-1], body)]
    return "\n".join(kept) + gap + body if kept else body


def _is_used(name: str, body: str) -> bool:
    code_lines = (line.partition("#")[0] for line in body.splitlines())
    return any(re.search(rf"\b{name.partition('.')[0]}\b", line) for line in code_lines)
