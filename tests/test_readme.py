"""Protects the README: its snippets run, and what they claim holds."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from conformance.cases.case import parse
from conformance.command_line import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
DESCRIPTORS = re.findall(r"--case '([^']+)'", README)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: text.splitlines()[0])
def test_python_snippets_run(snippet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "README.md", "exec"), {"__name__": "readme"})


def test_the_plugin_snippet_conforms(tmp_path):
    snippet = next(text for text in SNIPPETS if "def Flatten(inputs, weights, config)" in text)
    path = tmp_path / "my_layers.py"
    path.write_text(snippet)
    arguments = ["run", "--grid", "smoke", "--layer", "Flatten", "--implementation", str(path)]
    assert main(arguments) == 0


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_descriptors_parse(descriptor):
    assert parse(descriptor).descriptor == descriptor


def test_the_commands_of_the_section_on_explanations_run(capsys):
    """And the first prints the picture that the README shows."""
    section = README.partition("## Explain\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^    \$ conformance (explain .+)$", section, re.MULTILINE)
    assert len(commands) == 3
    shown = section.partition("    ...\n")[2].partition("\n\n")[0]
    for command in commands:
        assert main(shlex.split(command)) == 0
    assert textwrap.dedent(shown) in capsys.readouterr().out


def test_the_test_command_is_what_ci_runs():
    ci = (Path(__file__).parents[1] / ".ci" / "run").read_text(encoding="utf-8")
    command = ci.strip().splitlines()[-1]
    assert f"    {command}\n" in README
