"""The pytest plugin: the options of ``pytest --pyargs conformance``.

It is registered for every pytest run of an environment that has this project installed, so it
imports nothing but pytest until a case is judged, and the names of all its options begin with
``--conformance-``.  For tests of one's own it offers the fixture `assert_conforms`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that say what is judged."""
    group = parser.getgroup("conformance", "layer conformance (pytest --pyargs conformance)")
    group.addoption(
        "--conformance-implementation",
        action="append",
        default=[],
        metavar="NAME|MODULE[:ATTRIBUTE]|FILE.py|exec:COMMAND",
        help="judge this implementation; may be repeated; default: every installed one of "
        "reference, tf.keras and torch.nn",
    )
    group.addoption(
        "--conformance-grid",
        default="standard",
        choices=("smoke", "standard", "full"),
        help="which cases (default: standard)",
    )
    group.addoption(
        "--conformance-layer",
        action="append",
        default=[],
        metavar="NAME",
        help="only the cases of this layer; may be repeated",
    )
    group.addoption(
        "--conformance-clause",
        action="append",
        default=[],
        metavar="ID",
        help="only cases of this clause; a trailing .* takes all below it; may be repeated",
    )
    group.addoption(
        "--conformance-known",
        action="append",
        default=[],
        metavar="FILE.toml",
        help="records of known deviations, besides the suite's own; may be repeated",
    )
    group.addoption(
        "--conformance-timeout",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="time allowed for one case (default: 60)",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return seconds


@pytest.fixture
def assert_conforms() -> Callable[[Any, Any, Any], None]:
    """``assert_conforms(actual, layer, inputs)`` of `conformance`; see there."""
    from conformance import assert_conforms as assertion

    return assertion
