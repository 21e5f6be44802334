"""Protects `conformance report` and `compare`: merging, incomplete runs, exit status, forms."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report_samples import CASES, header, record, write, wrong

from conformance.command_line import main, repeating
from conformance.report.reading import ReportError, read_account


def run_file(path, *records, whole=True, **implementations):
    return str(write(path, header(**(implementations or {"mine": "1.0"})), records, whole=whole))


def test_every_form_is_written_from_one_report(tmp_path, capsys):
    source = run_file(tmp_path / "run.jsonl", wrong(), *(record(case) for case in CASES[1:]))
    forms = {name: tmp_path / f"out.{name}" for name in ("html", "markdown", "junit", "badge")}
    options = [word for name, path in forms.items() for word in (f"--{name}", str(path))]
    assert main(["report", source, *options, "--github"]) == 0
    out = capsys.readouterr().out
    assert "1 of 4 results is wrong, for 1 cause." in out
    assert "::error title=mine%3A 1 case wrong::" in out
    assert ElementTree.parse(forms["junit"]).find("testsuite").get("tests") == "4"
    assert json.loads(forms["badge"].read_text())["message"] == "1 of 4 wrong"
    assert forms["markdown"].read_text().startswith("### ❌")
    assert forms["html"].read_text().startswith("<!doctype html>")


def test_a_form_on_standard_output_stands_there_alone(tmp_path, capsysbinary):
    source = run_file(tmp_path / "run.jsonl", record())
    assert main(["report", source, "--badge", "-"]) == 0
    said = capsysbinary.readouterr()
    assert json.loads(said.out)["message"] == "1 ok"
    assert b"Nothing is wrong in 1 result." in said.err


def test_quiet_prints_the_totals_alone(tmp_path, capsys):
    source = run_file(tmp_path / "run.jsonl", wrong(), record(CASES[1], "known_deviation"))
    assert main(["report", source, "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_shards_of_one_run_are_merged(tmp_path):
    parts = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    run_file(parts[0], record(CASES[0]), record(CASES[1]))
    run_file(parts[1], record(CASES[2]), wrong(CASES[3]))
    account = read_account(parts)
    assert account.implementations == ["mine"]
    assert len(account) == 4
    assert account.remarks == []


def test_one_implementation_in_two_versions_is_two(tmp_path):
    parts = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    run_file(parts[0], record(), mine="1.0")
    run_file(parts[1], wrong(), mine="2.0")
    account = read_account(parts)
    assert account.implementations == ["mine", "mine (2.0)"]
    assert account.find("mine", CASES[0]).verdict == "conforms"
    assert account.find("mine (2.0)", CASES[0]).verdict == "deviates"


def test_of_contradictory_results_the_graver_counts_and_it_is_said(tmp_path):
    parts = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    run_file(parts[0], wrong(), record(CASES[1]))
    run_file(parts[1], record(), record(CASES[1]))
    account = read_account(parts)
    assert account.find("mine", CASES[0]).verdict == "deviates"
    assert account.remarks == [
        "2 results are given more than once, 1 of them with another verdict: the graver one counts."
    ]


def test_a_report_without_its_footer_is_rendered_and_called_incomplete(tmp_path, capsys):
    source = run_file(tmp_path / "run.jsonl", record(), whole=False)
    assert main(["report", source]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "the footer is missing; the run did not finish." in out


def test_a_report_cut_off_within_a_line_keeps_the_lines_before(tmp_path):
    path = tmp_path / "run.jsonl"
    run_file(path, *(record(case) for case in CASES), whole=False)
    path.write_bytes(path.read_bytes()[:-20])
    account = read_account([path])
    assert len(account) == 3
    assert account.remarks == [f"{path}: the footer is missing; the run did not finish."]


def test_a_footer_that_counts_otherwise_is_told(tmp_path):
    path = tmp_path / "run.jsonl"
    run_file(path, record(), record(CASES[1]))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], lines[3], ""]))
    assert "the footer counts 2 results, the file holds 1" in read_account([path]).remarks[0]


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "result"}',
        '{"kind": "result", "case": 3, "implementation": "mine", "verdict": "conforms"}',
        '{"kind": "result", "case": "Flatten", "implementation": "mine", "verdict": "perfect"}',
        '{"kind": "result", "case": "Flatten", "implementation": "mine", "verdict": []}',
    ],
)
def test_lines_that_are_no_results_are_counted_and_the_others_kept(line, tmp_path):
    path = tmp_path / "run.jsonl"
    run_file(path, record())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], line, lines[2], ""]))
    account = read_account([path])
    assert len(account) == 1
    assert account.remarks[0] == f"{path}: 1 of its lines are no results."


@pytest.mark.parametrize("line", ["nonsense", "[]", "null", "[" * 100_000])
def test_a_report_ends_where_a_line_cannot_be_read(line, tmp_path):
    path = tmp_path / "run.jsonl"
    run_file(path, record(), record(CASES[1]))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], line, *lines[2:], ""]))
    account = read_account([path])
    assert len(account) == 1
    assert "did not finish" in account.remarks[0]


def test_records_with_nothing_but_case_implementation_and_verdict_are_enough(tmp_path, capsys):
    least = {"kind": "result", "case": CASES[0], "implementation": "mine", "verdict": "deviates"}
    path = tmp_path / "run.jsonl"
    path.write_text(f'{{"kind": "header"}}\n{json.dumps(least)}\n')
    page = tmp_path / "page.html"
    assert main(["report", str(path), "--html", str(page), "--verbose"]) == 0
    assert "1 of 1 result is wrong" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "text\n", '{"kind": "result"}\n', "\x00\xff"])
def test_a_file_that_is_no_report_is_refused_with_its_name(content, tmp_path, capsys):
    path = tmp_path / "other.txt"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ReportError, match=r"other\.txt: .*no report"):
        read_account([path])
    assert main(["report", str(path)]) == 2
    assert "other.txt" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(tmp_path, capsys):
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "No such file" in capsys.readouterr().err


VERDICTS = ("conforms", "known_deviation", "unsupported", "deviates", "crashed", "untrusted")
FAIL = ("deviates", "crashed")


@pytest.mark.parametrize("before", VERDICTS)
@pytest.mark.parametrize("now", VERDICTS)
def test_a_regression_alone_makes_compare_exit_with_1(before, now, tmp_path, capsys):
    old = run_file(tmp_path / "old.jsonl", record(verdict=before))
    new = run_file(tmp_path / "new.jsonl", record(verdict=now, diagnosis="a cause"))
    regression = now in FAIL and before not in FAIL
    assert main(["compare", old, new]) == int(regression)
    out = capsys.readouterr().out
    assert ("1 newly failing" in out) is regression
    assert ("1 mended" in out) is (before in FAIL and now not in (*FAIL, "unsupported"))
    assert ("1 newly unsupported" in out) is (now == "unsupported" and before != "unsupported")
    assert ("1 still failing" in out) is (before in FAIL and now in FAIL)


def test_compare_tells_regressions_by_cause_with_the_command(tmp_path, capsys):
    old = run_file(tmp_path / "old.jsonl", *(record(case) for case in CASES))
    new = run_file(tmp_path / "new.jsonl", *(wrong(case) for case in CASES[:2]), mine="1.1")
    assert main(["compare", old, new]) == 1
    out = capsys.readouterr().out
    assert "2 newly failing, 2 judged no more." in out
    assert out.count("The extra SAME padding goes first") == 1
    assert "--case Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3x2" in out


def test_a_failing_case_that_the_old_run_did_not_have_is_no_regression(tmp_path, capsys):
    old = run_file(tmp_path / "old.jsonl", record(CASES[1]))
    new = run_file(tmp_path / "new.jsonl", record(CASES[1]), wrong(CASES[0]))
    assert main(["compare", old, new]) == 0
    assert "1 failing that the old run did not judge" in capsys.readouterr().out


def test_single_implementations_are_compared_whatever_their_names(tmp_path):
    old = run_file(tmp_path / "old.jsonl", record(implementation="a"), a="1")
    new = run_file(tmp_path / "new.jsonl", wrong(implementation="b"), b="2")
    assert main(["compare", old, new]) == 1


def test_implementations_of_one_run_alone_are_named(tmp_path, capsys):
    old = run_file(tmp_path / "old.jsonl", record(implementation="a"), a="1")
    both = [record(implementation="a"), wrong(implementation="b")]
    new = run_file(tmp_path / "new.jsonl", *both, a="1", b="2")
    assert main(["compare", old, new]) == 0
    assert "Only in the new run, and not compared: b." in capsys.readouterr().out


def test_an_incomplete_run_is_told_by_compare(tmp_path, capsys):
    old = run_file(tmp_path / "old.jsonl", record())
    new = run_file(tmp_path / "new.jsonl", record(), whole=False)
    assert main(["compare", old, new]) == 0
    assert "did not finish" in " ".join(capsys.readouterr().out.split())


FLAKY = """
import pathlib
import numpy as np


def Flatten(inputs, weights, config):
    mark = pathlib.Path(__file__).with_suffix(f".{len(inputs)}")
    first = not mark.exists()
    mark.touch()
    y = inputs.reshape(len(inputs), -1)
    return y + 1 if first and len(inputs) == 2 else y * (len(inputs) != 3)
"""


@pytest.fixture
def flaky(tmp_path):
    path = tmp_path / "flaky.py"
    path.write_text(FLAKY)
    return str(path)


def test_an_answer_that_changes_between_runs_is_flaky_and_never_ok(flaky, tmp_path, capsys):
    report = tmp_path / "run.jsonl"
    command = ["run", "--implementation", flaky, "--retries", "2", "--jsonl", str(report)]
    for case in ("Flatten/inputs:2x3x4", "Flatten/inputs:3x3x4", "Flatten/inputs:4x3x4"):
        command += ["--case", case]
    assert main(command) == 1
    assert "Flaky: the answer changes from run to run" in capsys.readouterr().out
    account = read_account([report])
    two, three, four = account.of(account.implementations[0])
    assert two.verdict == "deviates"
    assert two.diagnosis.startswith("flaky")
    assert "did not in 2 of 2 further runs" in two.message
    assert three.verdict == "deviates"
    assert not (three.diagnosis or "").startswith("flaky")
    assert four.verdict == "conforms"


def test_a_run_stops_after_so_many_failures_and_says_so(tmp_path, capsys):
    path = tmp_path / "zeros.py"
    path.write_text("def Flatten(inputs, weights, config):\n    return inputs.reshape(-1) * 0\n")
    command = ["run", "--layer", "Flatten", "--grid", "smoke", "--implementation", str(path)]
    assert main([*command, "--max-failures", "3"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("3 of ")
    assert re.search(r"The run was stopped after \d of \d\d results\.", out)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("conformance 0.")


def test_the_page_of_a_live_run_shows_what_came_and_its_error_in_bounds(tmp_path):
    path, target = tmp_path / "half.py", tmp_path / "page.html"
    path.write_text(
        "import numpy as np\n\n"
        "def Conv1D(inputs, weights, config):\n"
        "    return (inputs @ weights['kernel'][0] + weights['bias']) * np.float32(1.001)\n"
    )
    case = "Conv1D/inputs:2x5x3/operands:reals/filters:2/kernel_size:1"
    command = ["run", "--implementation", str(path), "--case", case, "--html", str(target)]
    assert main(command) == 1
    content = target.read_text()
    start = content.index("application/json") + len('application/json">')
    shown = json.loads(content[start : content.index("</script>", start)])
    picture = shown["implementations"][0]["pictures"]["0"]
    row, column = picture["at"]
    worst = {name: picture[name]["values"][row][column] for name in ("expected", "actual", "error")}
    assert worst["actual"] == pytest.approx(worst["expected"] * 1.001, rel=1e-3)
    assert worst["error"] > 1
    ratio = shown["implementations"][0]["ratios"][0]
    assert worst["error"] == pytest.approx(ratio, rel=1e-2)


UTTERING = """
import numpy as np

name = "shouting\\x1b[2J"


def Flatten(inputs, weights, config):
    raise RuntimeError("\\x1b]0;title\\x07 \\udc80")
"""


@pytest.mark.parametrize("command", ["run --case {case}", "smoke", "shrink {case}"])
def test_no_command_sends_control_characters_of_others_to_the_terminal(command, tmp_path, capsys):
    path = tmp_path / "uttering.py"
    path.write_text(UTTERING)
    words = command.format(case="Flatten/inputs:2x3x4").split()
    assert main([*words, "--implementation", str(path)]) == 1
    said = capsys.readouterr()
    assert "RuntimeError: \\x1b]0;title\\x07 \\udc80" in said.out
    assert not re.search(r"[^\n -~]", said.out + said.err)


def test_a_plugin_that_cannot_be_loaded_is_told_printably(tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text("raise ValueError('\\x1b[2J')")
    assert main(["run", "--layer", "Flatten", "--implementation", str(path)]) == 2
    assert "\\x1b[2J" in capsys.readouterr().err


ONE_CASE = ["--implementation", "reference", "--case", "Flatten/inputs:2x3x4"]


@pytest.mark.parametrize("command", ["run", "report"])
@pytest.mark.parametrize("form", ["html", "markdown", "junit", "badge"])
def test_a_report_that_could_not_be_written_is_refused_beforehand(form, command, tmp_path, capsys):
    source = run_file(tmp_path / "run.jsonl", record())
    target = tmp_path / "missing" / "out"
    words = [command, *(ONE_CASE if command == "run" else [source]), f"--{form}", str(target)]
    assert main(words) == 2
    said = capsys.readouterr()
    assert f"--{form} {target} cannot be written" in said.err
    assert not said.out


def test_two_reports_for_one_file_are_refused(tmp_path, capsys):
    source = run_file(tmp_path / "run.jsonl", record())
    target = str(tmp_path / "out")
    assert main(["report", source, "--html", target, "--badge", target]) == 2
    assert "--html and --badge name the same file" in capsys.readouterr().err


def test_a_device_takes_a_report_and_stays_one(tmp_path):
    source = run_file(tmp_path / "run.jsonl", record())
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    assert main(["report", source, "--html", str(link), "--junit", "/dev/null"]) == 0
    assert link.is_symlink()
    assert link.resolve().is_char_device()


def test_a_run_that_stops_early_leaves_a_report_without_footer(tmp_path):
    path, report = tmp_path / "zeros.py", tmp_path / "run.jsonl"
    path.write_text("def Flatten(inputs, weights, config):\n    return inputs.reshape(-1) * 0\n")
    command = ["run", "--layer", "Flatten", "--grid", "smoke", "--implementation", str(path)]
    assert main([*command, "--max-failures", "3", "--jsonl", str(report)]) == 1
    account = read_account([report])
    assert sum(not entry.is_accepted for entry in account) == 3
    assert "did not finish" in account.remarks[0]


def with_records(path: Path, *stale: str) -> Path:
    """A run that was given two records of known deviations, some of which met no case."""
    lines = [header(mine="1") | {"known": {"one": "k.toml", "two": "k.toml"}}, record()]
    footer = {"kind": "footer", "results": 1, "verdicts": {"conforms": 1}, "stale": list(stale)}
    path.write_text("".join(json.dumps(line) + "\n" for line in (*lines, footer)))
    return path


@pytest.mark.parametrize("form", ["terminal", "markdown", "html"])
def test_a_record_is_stale_if_it_met_no_case_in_any_of_the_runs(form, tmp_path, capsys):
    shards = [with_records(tmp_path / "1.jsonl", "one", "two"), with_records(tmp_path / "2", "one")]
    report = tmp_path / "report"
    options = [] if form == "terminal" else [f"--{form}", str(report)]
    assert main(["report", *map(str, shards), *options]) == 0
    text = capsys.readouterr().out if form == "terminal" else report.read_text()
    assert "Stale record of known deviations: 'one' of k.toml" in text


@pytest.mark.parametrize("form", ["terminal", "markdown", "html"])
def test_what_changes_from_run_to_run_is_told_as_flaky(form, tmp_path, capsys):
    source = run_file(tmp_path / "run.jsonl", wrong(diagnosis=repeating.FLAKY))
    report = tmp_path / "report"
    options = [] if form == "terminal" else [f"--{form}", str(report)]
    assert main(["report", str(source), *options]) == 0
    text = capsys.readouterr().out if form == "terminal" else report.read_text()
    assert "the answer changes from run to run" in text
