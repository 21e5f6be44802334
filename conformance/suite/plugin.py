"""The pytest plugin: the options of ``pytest --pyargs conformance``.

It is registered for every pytest run of an environment that has this project installed, so it
imports nothing but pytest until a case is judged, and the names of all its options begin with
``--conformance-``.  For tests of one's own it offers the fixture `assert_conforms`.  Where cases
were judged, it says at the end what explains those that failed.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable
from typing import Any, Final

import pytest

RESULTS: Final = pytest.StashKey[list[Any]]()
"""The results of the cases judged so far, in the configuration's stash."""

_HANDED: Final = "conformance"
"""Under which name a worker of pytest-xdist hands its results over."""


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
        choices=("smoke", "standard", "full", "networks", "beyond"),
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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist, hand the results to the process that prints."""
    output = getattr(session.config, "workeroutput", None)
    results = session.config.stash.get(RESULTS, [])
    if output is not None and results:
        output[_HANDED] = pickle.dumps(results)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the results of a worker of pytest-xdist that has ended."""
    handed = getattr(node, "workeroutput", {}).get(_HANDED)
    if handed is not None:
        node.config.stash.setdefault(RESULTS, []).extend(pickle.loads(handed))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what explains the cases that failed, and which records of the user's met no case."""
    results = config.stash.get(RESULTS, [])
    if not results:
        return
    from conformance.known import load
    from conformance.report.terminal import Style
    from conformance.suite.summary import lines

    style = Style(min(terminalreporter._tw.fullwidth, 100), terminalreporter.hasmarkup)
    said = lines(results, load(config.option.conformance_known), style)
    if said:
        terminalreporter.section("conformance")
        terminalreporter.write("\n".join(said) + "\n")


@pytest.fixture
def assert_conforms() -> Callable[[Any, Any, Any], None]:
    """``assert_conforms(actual, layer, inputs)`` of `conformance`; see there."""
    from conformance import assert_conforms as assertion

    return assertion
