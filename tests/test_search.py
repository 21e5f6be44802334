"""The search beyond the grids: what it finds, how small, how repeatably, and what it leaves."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import reference_impl

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, configuration, find, given, settings

from conformance.cases.case import Case, parse
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.cases.scenarios import SCENARIOS
from conformance.command_line import main
from conformance.counterexamples import Report, Search, cases
from conformance.judge.definition import forbidden
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value
from conformance.results import Evidence, Result
from conformance.running.session import Session

WELL_BEHAVED = Path(__file__).parent / "plugins" / "well_behaved.py"

RARE = f"""
import runpy

_right = runpy.run_path({str(WELL_BEHAVED)!r})


def MaxPooling1D(inputs, weights, config):
    y = _right["MaxPooling2D"](inputs[:, :, None], weights, {{
        **config,
        "pool_size": (*config["pool_size"], 1),
        "strides": (*config["strides"], 1),
        "data_format": "channels_last",
    }})[:, :, 0]
    if config["strides"] == (3,) and config["pool_size"][0] % 2 == 0 and inputs.shape[1] % 3 == 1:
        y[:, -1] -= 1
    return y
"""
"""Wrong only with stride 3, an even window and a length of one more than a multiple of three."""

FORGETFUL = f"""
import runpy

_right = runpy.run_path({str(WELL_BEHAVED)!r})
_met = set()


def MaxPooling2D(inputs, weights, config):
    _met.add(config["strides"])
    y = _right["MaxPooling2D"](inputs, weights, config)
    return y if len(_met) == 1 else y - y.dtype.type(1)
"""
"""Wrong once it has met two strides."""

MANY = settings(
    database=None, deadline=None, max_examples=100, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(autouse=True)
def few_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once something is found, the tests need not wait for more."""
    monkeypatch.setattr("conformance.counterexamples.MORE", 30)


@pytest.fixture
def rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "rare.py").write_text(RARE)
    monkeypatch.chdir(tmp_path)
    return "rare.py"


def searched(seed: int) -> Report:
    with Session() as session:
        return Search(
            lambda case: session.judge("rare.py", case), ["MaxPooling1D"], seed, seconds=300
        ).run()


def test_a_rare_fault_is_found_and_shrunk_alike_from_the_same_seed(rare: str) -> None:
    """Shrunk to what the fault needs: window, stride and the shortest length; nothing else."""
    first, second = searched(1), searched(1)
    found = first.findings[0]
    known = facts(found.case)
    assert known.strides == (3,)
    assert known.window == (2,)
    assert known.spatial[0] in (1, 4)
    assert (known.batch, known.channels, found.case.dtype) == (1, 1, "float32")
    assert found.result.evidence is not None
    assert [one.case for one in first.findings] == [one.case for one in second.findings]
    assert first.verdicts == second.verdicts


def test_the_command_prints_the_descriptor_and_how_to_reproduce_it(
    rare: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["search", "--implementation", rare, "--layer", "MaxPooling1D", "--seed", "1"]
    assert main(command) == 1
    lines = capsys.readouterr().out.splitlines()
    descriptor = lines[0].removeprefix("counterexample 1: ")
    assert parse(descriptor).layer == "MaxPooling1D"
    assert any(
        line.strip().startswith("conformance run --implementation rare.py --case ")
        for line in lines
    )
    assert "--seed 1 repeats the search" in lines[-1]
    assert main(["run", "--implementation", rare, "--case", descriptor]) == 1


@pytest.mark.usefixtures("rare")
def test_a_search_leaves_the_storage_of_other_properties_where_it_was(tmp_path: Path) -> None:
    """Neither a search nor a property of the same process later writes into the directory."""
    before = configuration.storage_directory().path
    assert searched(1).findings
    assert configuration.storage_directory().path == before
    assert {one.name for one in tmp_path.iterdir()} <= {"rare.py", "__pycache__"}


def test_a_failure_of_the_order_of_calls_is_told_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One counterexample for all, with the calls that show it as a command that fails.

    Another one may say that a case came out otherwise when it was called again.
    """
    (tmp_path / "forgetful.py").write_text(FORGETFUL)
    monkeypatch.chdir(tmp_path)
    command = ["search", "--implementation", "forgetful.py", "--layer", "MaxPooling2D"]
    assert main([*command, "--seed", "1", "--minutes", "0.5"]) == 1
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    (told,) = (n for n, line in enumerate(lines) if line.startswith("it depends on the order"))
    assert re.search("; after (1 other|one that differs in .*) it fails$", lines[told])
    assert sum(line.startswith("counterexample ") for line in lines) <= 2
    shown = next(line for line in lines[told:] if line.startswith("conformance run "))
    _, *arguments = shlex.split(shown)
    assert main(arguments) == 1
    assert main([*arguments[:-4], *arguments[-2:]]) == 0


def test_a_correct_implementation_has_no_counterexample(
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = str(WELL_BEHAVED)
    command = ["search", "--implementation", spec, "--minutes", "0.03", "--seed", "3"]
    assert main([*command, "--layer", "MaxPooling2D"]) == 0
    assert "no counterexample" in capsys.readouterr().out


def test_what_an_implementation_lacks_was_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    spec = str(WELL_BEHAVED)
    command = ["search", "--implementation", spec, "--minutes", "0.01", "--layer", "Input"]
    assert main(command) == 3
    assert "unsupported" in capsys.readouterr().out


def test_an_unknown_implementation_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--implementation", "no_such_module_at_all"]) == 2
    assert "no_such_module_at_all" in capsys.readouterr().err


@pytest.mark.parametrize("layer", LAYERS)
def test_random_cases_are_valid_or_expect_rejection(layer: str) -> None:
    """What depends on something else is derived: no case contradicts itself."""

    @MANY
    @given(cases(layer))
    def check(case: Case) -> None:
        assert parse(case.descriptor) == case
        assert (forbidden(case) is not None) == (case.observe == "rejection")

    check()


@pytest.mark.parametrize(
    "is_wanted",
    [
        lambda known: known.case.observe == "rejection",
        lambda known: known.case.observe == "gradients",
        lambda known: known.padding == "same" and known.window[0] > known.spatial[0],
        lambda known: known.channels_first and known.activation is not None,
        lambda known: isinstance(known.arguments.get("strides"), list),
        lambda known: known.case.observe == "training" and known.arguments.get("bias_regularizer"),
    ],
    ids=["rejection", "gradients", "long window", "activation, channels first", "list", "training"],
)
def test_random_cases_reach(is_wanted: object) -> None:
    def reached(case: Case) -> bool:
        known = facts(case)
        shaped = case.observe != "shape" or known.has_axes
        return shaped and bool(is_wanted(known))  # type: ignore[operator]

    find(cases("Conv2D"), reached, settings=settings(MANY, max_examples=5000))


def test_random_cases_go_beyond_the_grid() -> None:
    known = set(grid("standard"))
    find(cases("Conv2D"), lambda case: case not in known, settings=MANY)


def test_training_is_searched_and_shrunk() -> None:
    """A fault of training with strides alone is found among all cases, at its smallest."""

    def judge(case: Case) -> Result:
        strided = case.observe == "training" and max(facts(case).strides) > 1
        evidence = Evidence("x.py", case, Value("wrong"), "literal") if strided else None
        verdict = Verdict.DEVIATES if strided else Verdict.CONFORMS
        return Result(case, (), "x", verdict, None, "", "", evidence=evidence)

    report = Search(judge, ["Conv1D"], seed=2, seconds=300).run()
    (found,) = report.findings
    assert found.case.observe == "training"
    assert facts(found.case).strides == (2,)
    assert facts(found.case).window == (1,)
    assert report.tried["Conv1D", "training"] > 0


def test_trained_cases_conform_to_the_reference() -> None:
    """The expected weights are derived without it, so both derivations agree on random cases."""
    tried, scenario = [0], SCENARIOS["training"]

    @settings(MANY, max_examples=600, derandomize=True)
    @given(cases("Conv2D"))
    def check(case: Case) -> None:
        if case.observe == "training":
            tried[0] += 1
            assert scenario.run(reference_impl, case) == scenario.expected(case)

    check()
    assert tried[0] > 0
