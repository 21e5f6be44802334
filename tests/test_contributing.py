"""Protects the map for contributors: every file that it names is there, every package is on it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`((?:conformance|fixtures|reference_impl|tests)/[\w./]*)`", TEXT)


def test_every_file_that_is_named_is_there():
    assert len(NAMED) > 30
    assert not [name for name in NAMED if not (ROOT / name).exists()]


def test_the_packages_are_those_whose_order_lint_checks():
    """The table of packages, from top to bottom, is a refinement of the order that is checked."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (order,) = [
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == ["conformance"]
    ]
    checked = [sorted(re.split(r" \| ", row)) for row in order]
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    shown = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert shown == [name for row in checked for name in row]
