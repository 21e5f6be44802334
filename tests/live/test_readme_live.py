"""Protects the README: its snippets that need a framework (marked ``py``) run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```py\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_there_is_a_snippet_for_each_framework() -> None:
    assert [snippet.split()[1] for snippet in SNIPPETS] == ["numpy", "keras"]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["torch", "keras"])
def test_the_snippets_run(snippet: str) -> None:
    assert "assert_conforms(out" in snippet
    exec(compile(snippet, "README.md", "exec"), {"__name__": "readme"})
