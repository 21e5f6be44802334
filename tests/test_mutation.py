"""Protects the records of mutants that survive: they are found by content, and none is stale."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "mutation"
ORACLE = Path(__file__).parents[1] / "reference_impl"
RECORDS = tomllib.loads((HERE / "survivors.toml").read_text(encoding="utf-8"))["survivor"]

SOURCE = '''
"""A module."""

from math import floor

LIMIT = 3


def smallest(values):
    """The smallest one."""
    return min(values) if len(values) < LIMIT else floor(values[0])
'''


def lines_of(module: str, function: str) -> set[str]:
    """The lines of a function, or of a module where it names none."""
    source = (ORACLE / module).read_text(encoding="utf-8")
    lines = source.splitlines()
    if not function:
        return {line.strip() for line in lines}
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)]
    named = [node for node in nodes if node.name == function]
    return {line.strip() for n in named for line in lines[n.lineno - 1 : n.end_lineno]}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record['line']}")
def test_a_recorded_survivor_changes_a_line_that_is_there(record: dict[str, str]):
    """Where the line has changed, its mutants are others: run them, and record what survives."""
    assert record.keys() == {"module", "function", "line", "why"}
    assert record["why"]
    assert record["line"] in lines_of(record["module"], record["function"])


def test_no_survivor_is_recorded_twice():
    places = [(one["module"], one["function"], one["line"]) for one in RECORDS]
    assert len(set(places)) == len(places)


def test_mutants_are_told_by_content(monkeypatch: pytest.MonkeyPatch):
    """Other imports above, or another function, leave the identities of all mutants as they are."""
    monkeypatch.setattr(sys, "path", [str(HERE), *sys.path])
    from operators import mutants

    def identities(source: str) -> list[tuple[str, str, str, str]]:
        found = [(m.function, m.text, m.operator, m.change) for m in mutants(source)]
        return [identity for identity in found if identity[0] != "other"]

    before = identities(SOURCE)
    assert before
    moved = SOURCE.replace("from math import floor", "from math import (\n    ceil,\n    floor,\n)")
    moved = moved.replace("\n\n\ndef", "\n\n\ndef other(x):\n    return x + 1\n\n\ndef", 1)
    assert moved != SOURCE
    assert identities(moved) == before
