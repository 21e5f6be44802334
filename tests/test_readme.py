"""Protects the README: its snippets and commands run, and what they claim holds."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from conformance.cases.case import parse
from conformance.cases.facts import canonical_config
from conformance.command_line import main
from conformance.command_line.parser import parser
from conformance.implementations import registry
from conformance.known.reading import records_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
RECIPES = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
DESCRIPTORS = re.findall(r"--case '?([^'\s]+)", README)
SHOWN = re.findall(r"^    \$ (conformance run .*)\n((?:(?:    .*)?\n)+)", README, re.MULTILINE)
COMMANDS = [
    line
    for line in re.findall(r"(?:^    |^ *- (?:run: )?|^    run: )(conformance .*)$", README, re.M)
    if not line.endswith("\\")
]
PLACEHOLDERS = {"DESCRIPTOR": "Flatten/inputs:2x3", "$GITHUB_STEP_SUMMARY": "summary.md"}
SIGNATURES = {
    "my_layers.py": "def Flatten(inputs, weights, config)",
    "pooling.py": "def MaxPooling1D(inputs, weights, config)",
}


def words(command: str) -> list[str]:
    return [PLACEHOLDERS.get(word, word) for word in shlex.split(command)][1:]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A directory with the README's plug-ins."""
    for name, signature in SIGNATURES.items():
        snippet = next(text for text in SNIPPETS if signature in text)
        (tmp_path / name).write_text(snippet)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: text.splitlines()[0])
def test_python_snippets_run(snippet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_descriptors_parse(descriptor):
    assert parse(descriptor).descriptor == descriptor


def shape(text: str) -> list[str]:
    """Lines without their numbers, which grow with the grids, and without the cause's details."""
    lines = [re.sub(r"[\d,]+", "#", line.strip()) for line in text.splitlines() if line.strip()]
    return [
        line
        for line in lines
        if not re.match(r"# cases? of|maxpooling|# of # elements|no err", line)
    ]


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_what_a_run_prints_is_what_is_shown(command, output, project, capsys):
    status = main(words(command))
    printed = shape(capsys.readouterr().out)
    expected = shape(output)
    assert printed[: len(expected)] == expected
    assert status == (0 if output.lstrip().startswith("Nothing is wrong") else 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command):
    parser().parse_args(words(command))


@pytest.mark.parametrize("recipe", RECIPES, ids=["github", "gitlab"])
def test_the_commands_of_a_recipe_leave_what_it_uploads(recipe, project, capsys):
    commands = re.findall(r"(?:run: |- )(conformance .*)$", recipe, re.MULTILINE)
    assert commands
    for command in commands:
        assert main([*words(command), *(["--grid", "smoke"] if " run " in command else [])]) == 0
    for name in re.findall(r"[\w.]+\.(?:jsonl|html|xml)", recipe):
        assert (project / name).stat().st_size


@pytest.mark.parametrize(
    ("layer", "descriptor"),
    [
        ("Conv2D", "Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3"),
        ("MaxPooling1D", "MaxPooling1D/inputs:2x7x3"),
        ("Flatten", "Flatten/inputs:2x3"),
    ],
)
def test_the_keys_of_config_are_those_that_plugins_get(layer, descriptor):
    row = next(line for line in README.splitlines() if re.match(rf"\| .*`{layer}`.* \|", line))
    keys = set(re.findall(r"`(\w+)`", row.split("|")[2]))
    assert keys | {"data_format"} == set(canonical_config(parse(descriptor)))


def test_the_pictures_are_there_and_small():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    sizes = [(ROOT / name).stat().st_size for name in pictures]
    assert sum(sizes) < 200_000


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
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    command = ci.strip().splitlines()[-1]
    assert f"    {command}\n" in README


def test_the_record_of_a_known_deviation_can_be_read():
    (text,) = re.findall(r"^```toml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (record,) = records_of(text, "README.md")
    assert record.fault == ("pooling.nan",)


def test_the_options_that_are_shown_exist():
    for spec in re.findall(r"`((?:tf\.keras|torch\.nn)\[[^`*]*\])`", README):
        assert registry.resolve(spec).name
