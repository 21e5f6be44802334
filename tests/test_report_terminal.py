"""Protects the summary that people read: its order, its width, its words, its harmlessness."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import unicodedata

import pytest
from report_samples import CASES, HOSTILE, WRONG, header, record, wrong

from conformance.cases.case import parse
from conformance.command_line.progress import Progress, duration
from conformance.report import page
from conformance.report.account import Account
from conformance.report.terminal import Style, _command, summary
from conformance.report.text import printable, show

ENDLESS = "Conv2D/" + "/".join(f"argument_{i}:'it is \"{i}\"'" for i in range(30))


def account(*records, **implementations):
    made = Account(header(**(implementations or {"mine": "1.0"})))
    for one in records:
        made.add(one)
    return made


def known(case, identifier, message="it rounds up (The output's shape is (1,), but ...)"):
    return record(case, "known_deviation", diagnosis=identifier, message=message)


def test_a_run_in_which_nothing_is_wrong_says_so_first_and_counts_its_clauses():
    lines = summary(account(*(record(case) for case in CASES))).splitlines()
    assert lines == [
        "Nothing is wrong in 4 results.",
        "  mine  1.0  4 ok",
        "  4 clauses without any deviation (--verbose lists them all)",
    ]


def test_failures_are_told_by_cause_with_the_smallest_case_and_its_command():
    text = summary(account(*(wrong(case) for case in CASES[:3]), record(CASES[3])))
    assert text.startswith("3 of 4 results are wrong, for 1 cause.\n")
    assert text.count("he extra SAME padding goes first") == 1
    assert f"conformance run --implementation mine --case {CASES[2]}" in text
    assert CASES[0] not in text
    assert "3 cases of 3 clauses" in text


def test_sections_come_in_the_order_totals_wrong_known_not_judged():
    text = summary(
        account(
            record(CASES[3], "unsupported", message="no Flatten"),
            known(CASES[2], "rounds-up"),
            wrong(CASES[0]),
            record(CASES[1]),
        )
    )
    heads = ("1 of 3 results is wrong", "Wrong in mine", "Known deviations", "Not judged")
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    assert "rounds-up (1 case): it rounds up\n" in text
    assert "1  no Flatten" in text


def test_known_deviations_take_one_line_per_record():
    records = [known(f"Flatten/inputs:2x{n}", f"record-{n % 3}") for n in range(1, 31)]
    lines = summary(account(*records)).splitlines()
    assert [line for line in lines if "record-" in line] == [
        f"  record-{n} (10 cases): it rounds up" for n in (1, 2, 0)
    ][-1:] + [f"  record-{n} (10 cases): it rounds up" for n in (1, 2)]


def test_no_more_than_a_handful_of_causes_is_shown_without_verbose():
    records = [wrong(f"Flatten/inputs:2x{n}", diagnosis=f"cause number {n}") for n in range(1, 11)]
    text = summary(account(*records))
    assert text.count("ause number") == 5
    assert "and 5 more causes with 5 cases: --verbose, or --html FILE" in text
    everything = summary(account(*records), Style(verbose=True))
    assert everything.count("ause number") == 10


def test_the_cause_of_most_cases_comes_first_and_what_is_no_failure_last():
    text = summary(
        account(
            record("Flatten/inputs:9x9", "untrusted", message="right, but"),
            record("Flatten/inputs:8x8", "untrusted", message="right, but"),
            record("Flatten/inputs:7x7", "untrusted", message="right, but"),
            wrong("Flatten/inputs:2x2", diagnosis="seldom"),
            wrong("Flatten/inputs:2x3", diagnosis="often"),
            wrong("Flatten/inputs:2x4", diagnosis="often"),
        )
    )
    places = [text.index(words) for words in ("1. Often", "2. Seldom", "3. The answer is right")]
    assert places == sorted(places)


def test_the_clauses_named_are_those_that_the_cause_is_about():
    general, own = ["general.a.b"], ["general.a.b", "own.a.b", "other.a.b"]
    records = [wrong(f"Flatten/inputs:2x{n}", clauses=own[:2]) for n in range(1, 5)]
    records += [wrong("Flatten/inputs:3x9", clauses=own)]
    records += [record(f"Flatten/inputs:4x{n}", clauses=general) for n in range(1, 9)]
    assert "3 clauses: own.a.b, general.a.b, other.a.b" in summary(account(*records))


def test_reasons_for_not_judging_are_told_by_kind_most_first():
    reasons = {"no 'gelu' here": 2, "no 'mish' here": 3, "no Conv1D": 4, "no Conv2D": 1}
    records = [
        record(f"Flatten/inputs:{count}x{n + 1}/seed:{i}", "unsupported", message=reason)
        for i, (reason, count) in enumerate(reasons.items())
        for n in range(count)
    ]
    lines = [line.split(None, 1) for line in summary(account(*records)).splitlines()[-3:]]
    assert lines == [["5", "no '...' here"], ["4", "no Conv1D"], ["1", "no Conv2D"]]


def test_verbose_shows_every_clause_and_every_case_of_a_cause():
    text = summary(account(*(wrong(case) for case in CASES[:3])), Style(verbose=True))
    assert all(case in text for case in CASES[:3])
    assert "  conv2d.padding.same  2 wrong" in text


def test_words_of_the_judge_s_stages_are_not_shown():
    text = summary(account(wrong(CASES[1], diagnosis=None, stage="statistics")))
    assert "Rounding errors larger than correct arithmetic makes on such operands.\n" in text
    assert "stage" not in text
    assert "statistics" not in text


@pytest.mark.parametrize(
    ("verdict", "message", "words"),
    [
        ("crashed", "The process ended: signal SIGSEGV.", "crashes (signal SIGSEGV)"),
        ("timed_out", "No answer came within 60 seconds.", "No answer within the time allowed"),
        (
            "deviates",
            "The case is valid, but was rejected with ValueError: 3 axes.",
            "ValueError: #",
        ),
        ("deviates", "The case must be rejected, but was accepted.", "refused is accepted"),
        ("untrusted", "The answer is right, but ...", "could not tell it from a wrong one"),
        ("unexpected_conformance", "conforms, although", "known deviation the-record, yet it"),
    ],
)
def test_what_has_no_diagnosis_is_told_by_what_happened(verdict, message, words):
    diagnosis = "the-record" if verdict == "unexpected_conformance" else None
    one = record(CASES[0], verdict, message=message, diagnosis=diagnosis)
    assert words in " ".join(summary(account(one)).split())


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("verbose", [False, True])
def test_whatever_an_implementation_says_lines_stay_printable_and_within_100_columns(text, verbose):
    names = {text[:300]: text[:5000]}
    records = [
        wrong(CASES[0], message=text, diagnosis=text, implementation=text[:300], reproduce=text),
        record(CASES[1], "unsupported", message=text, implementation=text[:300]),
        record(
            CASES[2], "known_deviation", message=text, diagnosis=text, implementation=text[:300]
        ),
        wrong(ENDLESS, message=WRONG, diagnosis=text[:50], implementation=text[:300]),
    ]
    shown = summary(account(*records, **names), Style(verbose=verbose))
    stream = io.StringIO()
    show(shown, stream)
    lines = stream.getvalue().splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert {unicodedata.category(c) for line in lines for c in line}.isdisjoint(
        {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
    )
    assert not any(line.lstrip().startswith("::") for line in lines)
    assert "##[" not in stream.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100])
@pytest.mark.parametrize("case", [*CASES, ENDLESS, f"Flatten/inputs:{'1x' * 90}1"])
def test_a_command_that_is_cut_is_the_same_command_to_a_shell(width, case):
    command = shlex.join(["conformance", "run", "--implementation", "a b.py", "--case", case])
    lines = list(_command(command, Style(width=width)))
    assert all(len(line) <= width for line in lines)
    script = 'conformance() { printf "%s\\0" "$@"; }\n' + "\n".join(lines)
    told = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout
    assert told.decode().split("\0")[:-1] == shlex.split(command)[1:]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("variables", "terminal", "colour"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colour_follows_the_terminal_and_the_environment(variables, terminal, colour, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    style = Style.of(Terminal() if terminal else io.StringIO())
    assert ("\x1b[" in summary(account(wrong()), style)) is colour


def test_the_width_is_the_terminal_s_up_to_100_columns(monkeypatch):
    for columns, width in (("70", 70), ("300", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        assert Style.of(Terminal()).width == width


def test_an_ascii_stream_gets_escapes_instead_of_an_error():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show("Schicht Ω", stream)
    stream.flush()
    assert stream.buffer.getvalue() == b"Schicht \\u03a9\n"


def test_printable_text_is_left_as_it_is():
    assert printable("a Ω\n\t") == "a Ω\n\\x09"


def test_the_command_of_the_smallest_case_is_a_case_that_parses():
    text = summary(account(*(wrong(case) for case in CASES[:3])))
    found = re.search(r"--case (\S+)", text)
    assert found
    assert parse(found.group(1)).descriptor in CASES


def test_progress_on_a_terminal_tells_what_is_left_and_clears_its_line(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("conformance.command_line.progress.time.monotonic", lambda: now[0])
    stream = Terminal()
    progress = Progress(stream)
    now[0] = 500.0  # in which implementations were loaded
    progress(1, 1000)
    assert stream.getvalue().endswith("judged 1 of 1,000 (0%)")
    now[0] += 10.0
    progress(101, 1000)
    assert stream.getvalue().endswith("judged 101 of 1,000 (10%), 1 min 30 s left")
    progress(1000, 1000)
    assert stream.getvalue().endswith("\r\x1b[K")


def test_progress_in_a_log_is_a_line_every_ten_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("conformance.command_line.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(stream)
    for second in range(35):
        now[0] = float(second)
        progress(second, 100)
    assert len(stream.getvalue().splitlines()) == 3
    assert "\x1b" not in stream.getvalue()


def test_quiet_progress_prints_nothing():
    stream = Terminal()
    Progress(stream, quiet=True)(1, 1)
    assert not stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.4, "4 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_in_words(seconds, words):
    assert duration(seconds) == words


def test_what_each_process_ran_on_is_told_once_for_all_that_ran_on_the_same():
    run = header(mine="1", other="2", silent="3")
    facts = {"isa": "avx2", "threads": "1", "onednn": "on", "onednn_version": "3.7.3"}
    ran = Account(run | {"machine": {"mine": facts, "other": facts, "silent": {}}})
    on_page = [one["machine"] for one in page.data(ran)["implementations"]]
    assert on_page == [*["instruction set avx2, 1 thread, oneDNN 3.7.3"] * 2, ""]
    text = summary(ran)
    assert text.count(" ran on ") == 1
    assert "  mine, other ran on instruction set avx2, 1 thread, oneDNN 3.7.3\n" in text + "\n"
