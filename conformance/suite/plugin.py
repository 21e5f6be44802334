"""The pytest plugin: the options of ``pytest --pyargs conformance``.

It is registered for every pytest run of an environment that has this project installed, so it
imports nothing but pytest until a case is judged.  For tests of one's own it offers the fixture
`assert_conforms`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that say what is judged."""
    group = parser.getgroup("conformance", "layer conformance (pytest --pyargs conformance)")
    group.addoption(
        "--implementation",
        action="append",
        default=[],
        metavar="NAME|MODULE[:ATTRIBUTE]|FILE.py|exec:COMMAND",
        help="judge this implementation; may be repeated; default: every installed one of "
        "reference, tf.keras and torch.nn",
    )
    group.addoption(
        "--grid",
        default="standard",
        choices=("smoke", "standard", "full"),
        help="which cases (default: standard)",
    )


@pytest.fixture
def assert_conforms() -> Callable[[Any, Any, Any], None]:
    """``assert_conforms(actual, layer, inputs)`` of `conformance`; see there."""
    from conformance import assert_conforms as assertion

    return assertion
