"""Explanations: why an output has its shape, where SAME pads, what the same is elsewhere.

The package itself is the function `explain`, so that both ``conformance.explain(layer, shape)`` and
``conformance.explain.picture.svg(case)`` are what they read like.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.explain.explanation import Explanation


class _Function(ModuleType):
    """A module that is called like the function it is named after."""

    def __call__(self, layer: Any, input_shape: Sequence[int | None]) -> Explanation:
        """`conformance.explain.explanation.explain`."""
        from conformance.explain.explanation import explain

        return explain(layer, input_shape)

    def __getattr__(self, name: str) -> Any:
        """Import a part of the package when it is asked for."""
        if name not in ("picture", "code", "clause", "torch_call", "explanation"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return import_module(f"{self.__name__}.{name}")


sys.modules[__name__].__class__ = _Function
