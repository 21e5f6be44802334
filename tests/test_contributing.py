"""Protects the map for contributors: every file that it names is there, every package is on it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {
    *("conformance", "fixtures", "reference_impl", "tests"),
    *("pyproject.toml", "tox.ini", "README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md"),
    *("DEFECTS.md", "LICENSE"),
}
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


def test_the_top_level_holds_what_it_is_said_to_hold():
    """What a test or a tool leaves behind in the working directory is not kept by accident."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    top = {name.split("/")[0] for name in listed.stdout.split("\0") if name}
    assert {name for name in top if not name.startswith(".")} == TOP_LEVEL
