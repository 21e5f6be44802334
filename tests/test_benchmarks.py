"""Protects the benchmarks: each can be called, and what tricks are switched off by is there."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent / "benchmarks"


@pytest.fixture
def tricks(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setattr(sys, "path", [str(HERE), *sys.path])
    yield importlib.import_module("tricks")
    for name in ("tricks", "convolutions"):
        sys.modules.pop(name, None)


def test_every_trick_can_be_switched_off_and_names_its_benchmark(tricks: ModuleType):
    for trick in tricks.TRICKS:
        assert trick.serves
        before = [getattr(module, name) for module, name, _ in trick.without]
        with trick.switched_off():
            values = [value for _, _, value in trick.without]
            assert [getattr(module, name) for module, name, _ in trick.without] == values
        assert [getattr(module, name) for module, name, _ in trick.without] == before


def test_a_trick_changes_no_value(tricks: ModuleType):
    """Of those whose benchmark is short; the others' sizes are tested where they stand."""
    short = [one for one in tricks.TRICKS if "element" in one.serves and "262144" not in one.serves]
    assert len(short) == 2
    for trick in short:
        call = trick.call()
        expected = call().tobytes()
        with trick.switched_off():
            assert call().tobytes() == expected


def test_every_benchmark_has_a_main(tricks: ModuleType):
    del tricks
    for path in HERE.glob("*.py"):
        assert "def main(" in path.read_text(encoding="utf-8"), path
