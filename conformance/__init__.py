"""Judges implementations of the documented Keras layers against a correctly rounded oracle.

`assert_conforms` does so for one array in someone's own tests; `explain` says why an output has its
shape, where its padding is, and what the same is in other frameworks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.version import __version__

if TYPE_CHECKING:
    from conformance.assertions import assert_conforms
    from conformance.explain.explanation import explain

__all__ = ["__version__", "assert_conforms", "explain"]


def __getattr__(name: str) -> Any:
    """Import `assert_conforms` or `explain`, and what they need, when it is asked for."""
    if name == "explain":
        from importlib import import_module

        return import_module("conformance.explain")
    if name != "assert_conforms":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from conformance.assertions import assert_conforms

    return assert_conforms
