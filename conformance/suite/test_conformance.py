"""Every case as a pytest item whose id is the case's descriptor.

Where several implementations are judged, the id starts with the implementation's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conformance import known as deviations
from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.command_line.errors import UsageError
from conformance.command_line.run import select_implementations
from conformance.command_line.selection import narrowed
from conformance.implementations import registry
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS
from conformance.results import ACCEPTED, Result
from conformance.running.limits import Limits
from conformance.running.session import Session
from conformance.suite.plugin import RESULTS
from conformance.suite.readings import Readings


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item per implementation and case."""
    if metafunc.function is not test_conforms:
        return
    options = metafunc.config.option
    try:
        names = select_implementations(options.conformance_implementation)
        for name in names:
            registry.resolve(name)
        cases = _cases(options)
        deviations.load(options.conformance_known)
    except (UsageError, ImplementationError, OSError, ValueError) as error:
        raise pytest.UsageError(str(error)) from error
    prefixed = len(names) > 1
    metafunc.parametrize(
        ("implementation", "case"),
        [(name, case) for name in names for case in cases],
        ids=[f"{name}/{case}" if prefixed else str(case) for name in names for case in cases],
    )


def _cases(options: Any) -> list[Case]:
    """The cases that the options select.

    Raises:
        UsageError: for a layer or a clause that does not exist.
    """
    unknown = set(options.conformance_layer) - set(LAYERS)
    if unknown:
        raise UsageError(
            f"--conformance-layer {min(unknown)!r} is unknown: expected one of {', '.join(LAYERS)}"
        )
    cases = grid(options.conformance_grid)
    return narrowed(cases, options.conformance_layer, options.conformance_clause)


@pytest.fixture(scope="session")
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """The isolated processes, kept for all items of the session."""
    options = request.config.option
    limits = Limits(timeout=options.conformance_timeout)
    with Session(limits, options.conformance_known) as opened:
        yield opened


@pytest.fixture(scope="session")
def readings(session: Session, request: pytest.FixtureRequest) -> Readings:
    """What is known of other readings of ambiguous clauses, kept for all items of the session."""
    options = request.config.option
    cases = narrowed(grid(options.conformance_grid), options.conformance_layer, [])
    return Readings(session, cases)


def test_conforms(
    implementation: str,
    case: Case,
    session: Session,
    readings: Readings,
    request: pytest.FixtureRequest,
) -> None:
    """The implementation does what the case's clauses say."""
    result = readings.settled(implementation, session.judge(implementation, case))
    request.config.stash.setdefault(RESULTS, []).append(result)
    if result.verdict is Verdict.UNSUPPORTED:
        pytest.skip(result.message)
    if result.verdict is Verdict.KNOWN_DEVIATION:
        pytest.xfail(result.message)
    if result.verdict not in ACCEPTED:
        pytest.fail(_grounds(result), pytrace=False)


def _grounds(result: Result) -> str:
    lines = [
        f"{result.implementation}: {result.verdict}: {result.case}",
        f"clauses: {', '.join(result.clauses)}",
        result.message,
    ]
    lines += [f"diagnosis: {result.diagnosis}"] if result.diagnosis else []
    return "\n".join([*lines, result.reproduce])
