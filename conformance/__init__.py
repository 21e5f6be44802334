"""Judges implementations of the documented Keras layers against a correctly rounded oracle.

`assert_conforms` does so for one array in someone's own tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from conformance.assertions import assert_conforms

__all__ = ["__version__", "assert_conforms"]

__version__: Final = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `assert_conforms`, and with it the judge and the oracle, when it is asked for."""
    if name != "assert_conforms":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from conformance.assertions import assert_conforms

    return assert_conforms
