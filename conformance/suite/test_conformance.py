"""Every case as a pytest item whose id is the case's descriptor.

Where several implementations are judged, the id starts with the implementation's name.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.command_line.errors import UsageError
from conformance.command_line.run import select_implementations
from conformance.implementations import registry
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.results import ACCEPTED, Result
from conformance.suite.session import Session


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item per implementation and case."""
    if metafunc.function is not test_conforms:
        return
    options = metafunc.config.option
    try:
        names = select_implementations(options.implementation)
        for name in names:
            registry.resolve(name)
    except (UsageError, ImplementationError) as error:
        raise pytest.UsageError(str(error)) from error
    cases = grid(options.grid)
    prefixed = len(names) > 1
    metafunc.parametrize(
        ("implementation", "case"),
        [(name, case) for name in names for case in cases],
        ids=[f"{name}/{case}" if prefixed else str(case) for name in names for case in cases],
    )


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """The worker processes, kept for all items of the session."""
    with Session() as opened:
        yield opened


def test_conforms(implementation: str, case: Case, session: Session) -> None:
    """The implementation does what the case's clauses say."""
    __tracebackhide__ = True
    result = session.judge(implementation, case)
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
