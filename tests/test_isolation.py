"""The whole command on an implementation that misbehaves in every way: the report is complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_worker import ILL_BEHAVED, NAMES, healthy, misbehaving

from conformance.command_line import main

VERDICTS = {
    "aborts": ("crashed", "signal SIGABRT"),
    "segfaults": ("crashed", "signal SIGSEGV"),
    "divides_by_zero_in_native_code": ("crashed", "signal SIGFPE"),
    "ends_the_process": ("crashed", "exit status 7; its last words: about to end"),
    "calls_sys_exit": ("crashed", "exit status 3"),
    "calls_sys_exit_with_success": ("crashed", "exit status 0"),
    "raises_keyboard_interrupt": ("crashed", "KeyboardInterrupt"),
    "raises_a_base_exception": ("crashed", "nobody catches this"),
    "hangs": ("timed_out", "No answer came within 5 seconds."),
    "hangs_in_native_code": ("timed_out", "No answer came within 5 seconds."),
    "exhausts_the_memory": ("crashed", "memory exhausted"),
    "floods_both_streams": ("conforms", ""),
    "closes_the_standard_streams": ("conforms", ""),
    "leaves_a_process_behind_and_aborts": ("crashed", "signal SIGABRT"),
    "spoils_its_process": ("conforms", ""),
    "changes_its_inputs": ("deviates", "The call changed its operands: inputs."),
    "answers_differently_the_second_time": ("deviates", "A second call on the same operands"),
    "raises_the_second_time": ("deviates", "the second call on the same operands: once only"),
    "returns_a_view_that_it_changes_later": ("deviates", "overwrote the answer of an earlier one"),
    "returns_a_view_of_its_input": ("conforms", ""),
    "returns_lists": ("deviates", "dtype is float64"),
    "returns_a_ragged_list": ("deviates", "not convertible to an array"),
    "returns_another_dtype": ("deviates", "dtype is float64, but should be float32"),
    "returns_objects": ("deviates", "An array is expected"),
    "returns_another_shape": ("deviates", "The output's shape is"),
    "returns_a_scalar": ("deviates", "The output's shape is ()"),
    "returns_a_strided_array": ("conforms", ""),
    "returns_a_tensor": ("conforms", ""),
    "returns_a_tensor_that_refuses": ("deviates", "it requires grad"),
    "returns_nothing": ("deviates", "the answer is None"),
    "returns_a_text": ("deviates", "the answer is str 'flat'"),
    "rejects": ("deviates", "rejected with ValueError: no such batch"),
    "declares_it_unsupported": ("unsupported", "no such batch yet"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The lines of the report on every misbehaviour, a healthy case after each."""
    path = tmp_path_factory.mktemp("report") / "report.jsonl"
    arguments = ["run", "--implementation", ILL_BEHAVED, "--jsonl", str(path)]
    arguments += ["--timeout", "5", "--memory", "0.5"]
    for number, name in enumerate(NAMES):
        arguments += ["--case", str(misbehaving(name)), "--case", str(healthy(number))]
    assert main(arguments) == 1
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_report_is_complete_and_in_order(report: list[dict[str, Any]]) -> None:
    header, *results, footer = report
    assert header["kind"] == "header"
    assert header["implementations"] == {"ill-behaved": "ill-behaved 0.1"}
    expected = [
        str(case) for n, name in enumerate(NAMES) for case in (misbehaving(name), healthy(n))
    ]
    assert [result["case"] for result in results] == expected
    assert footer["kind"] == "footer"
    assert footer["results"] == len(expected)
    assert sum(footer["verdicts"].values()) == len(expected)


def test_every_misbehaviour_has_a_verdict_here() -> None:
    assert set(VERDICTS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_misbehaviour_gets_its_verdict(name: str, report: list[dict[str, Any]]) -> None:
    """And the healthy case after it conforms."""
    position = 1 + 2 * NAMES.index(name)
    result, after = report[position : position + 2]
    verdict, words = VERDICTS[name]
    assert (result["verdict"], after["verdict"]) == (verdict, "conforms"), result["message"]
    assert words in result["message"]


def test_a_missing_report_directory_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "report.jsonl"
    assert main(["run", "--implementation", ILL_BEHAVED, "--jsonl", str(path)]) == 2
