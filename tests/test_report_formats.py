"""Protects the reports for machines: well-formed whatever an implementation says, and bounded."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from report_samples import CASES, HOSTILE, header, record, wrong

from conformance.report import badge, github, junit, markdown, page
from conformance.report.account import Account
from conformance.report.terminal import summary

HOSTILE_IDS = range(len(HOSTILE))


def account(*records, **implementations):
    made = Account(header(**(implementations or {"mine": "1.0"})))
    for one in records:
        made.add(one)
    return made


def hostile(text):
    name = text[:2000]
    return account(
        wrong(CASES[0], message=text, diagnosis=text, implementation=name, reproduce=text),
        record(CASES[1], "unsupported", message=text, implementation=name),
        record(CASES[2], "known_deviation", message=text, diagnosis=text, implementation=name),
        record(text, "crashed", message=text, implementation=name, clauses=[text]),
        **{name: text},
    )


READING = "Conforms to another reading of maxpooling.gradients.ties, which is ambiguous: the last."


def test_every_form_tells_another_reading_that_conforms_and_accepts_it():
    ran = account(record(message=READING), record(CASES[1]), record(CASES[2], message=READING))
    assert ran.is_accepted
    text = summary(ran)
    assert text.startswith("Nothing is wrong in 3 results.")
    assert f"\n  mine (2 cases): {READING}" in text.replace("\n    ", " ")
    assert f"`mine` (2 cases): `{READING}`" in markdown.render(ran).decode()
    assert github.commands(ran) == [f"::notice title=conformance::mine, 2 cases: {READING}"]
    (told,) = page.data(ran)["readings"]
    assert (told["words"], told["cases"]) == (READING, [0, 2])
    cases = ElementTree.fromstring(junit.render(ran)).findall(".//testcase")
    assert [READING in case.findtext("system-out", "") for case in cases] == [True, False, True]


def many():
    """Twenty causes in ten implementations, thirty known deviations."""
    names = {f"implementation-{n}": str(n) for n in range(10)}
    records = [
        wrong(f"Flatten/inputs:2x{i + 2}", diagnosis=f"cause {i}", implementation=name)
        for name in names
        for i in range(2)
    ]
    records += [
        record(
            f"Flatten/inputs:3x{i + 2}",
            "known_deviation",
            diagnosis=f"known {i}",
            implementation="implementation-0",
        )
        for i in range(30)
    ]
    records += [
        record(f"Flatten/inputs:4x{i + 2}", message=READING, implementation=f"implementation-{i}")
        for i in range(3)
    ]
    made = account(*records, **names)
    made.notes += [f"note {n}" for n in range(9)]
    return made


@pytest.mark.parametrize("text", HOSTILE, ids=HOSTILE_IDS)
def test_junit_is_well_formed_whatever_is_said(text):
    suites = ElementTree.fromstring(junit.render(hostile(text)))
    suite = suites.find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "1")


@pytest.mark.parametrize(
    "code", [0, 7, 8, 0xB, 0x1B, 0x7F, 0x85, 0x9B, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF]
)
def test_junit_escapes_each_character_that_xml_forbids(code):
    text = junit.render(account(wrong(message=f"a{chr(code)}b", diagnosis=None)))
    message = ElementTree.fromstring(text).find(".//failure").get("message")
    assert message == (
        f"a{chr(code)}b"
        if code == 0x85
        else f"a\\x{code:02x}b"
        if code < 256
        else f"a\\u{code:04x}b"
    )


def test_junit_has_durations_and_the_diagnosis_in_the_message():
    made = account(wrong(seconds=0.25), record(CASES[1], seconds=1.5))
    suite = ElementTree.fromstring(junit.render(made)).find("testsuite")
    assert [case.get("time") for case in suite.findall("testcase")] == ["0.250000", "1.500000"]
    assert suite.get("time") == "1.750000"
    message = suite.find(".//failure").get("message")
    assert message.startswith("the extra SAME padding goes first: 3 of 448 elements are wrong")


@pytest.mark.parametrize("text", HOSTILE, ids=HOSTILE_IDS)
def test_markdown_shows_what_is_said_in_code_spans_alone(text):
    lines = markdown.render(hostile(text)).decode().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) < 2500
    for line in lines:
        outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        outside = re.sub(r"</?(details|summary)>", "", outside)
        assert not re.search(r"[<@`]|::|script", outside), line


def test_markdown_of_many_causes_stays_within_40_lines_and_says_what_is_left_out():
    lines = markdown.render(many()).decode().splitlines()
    assert len(lines) <= 40
    assert "and 17 more causes with 17 cases" in lines
    assert "and 5 more implementations" in lines
    assert "- and 27 more records" in lines
    assert lines[-1] == "</details>"


def test_markdown_of_a_run_without_failures_has_the_counts_in_a_table():
    text = markdown.render(account(*(record(case) for case in CASES))).decode()
    assert text.startswith("### ✅ Keras layer conformance\n\nNothing is wrong in 4 results.\n")
    assert "| `mine` | `1.0` | 4 |\n" in text


def test_github_gets_one_command_per_cause_and_nothing_else_to_obey():
    for text in HOSTILE:
        commands = github.commands(hostile(text))
        assert all(re.match(r"::(error|warning) title=[^:,]*::", line) for line in commands)
        assert not any("\n" in line or "\r" in line for line in commands)
    commands = github.commands(account(wrong(CASES[0]), wrong(CASES[1])))
    assert len(commands) == 1
    assert commands[0].startswith("::error title=mine%3A 2 cases wrong::The extra SAME padding")


def test_github_is_not_given_more_errors_than_it_shows():
    errors = [line for line in github.commands(many()) if line.startswith("::error")]
    assert len(errors) == github.MOST
    assert "And 11 more causes with 11 cases" in errors[-1]


@pytest.mark.parametrize(
    ("records", "notes", "message", "colour"),
    [
        ([record()], [], "1 ok", "brightgreen"),
        ([record(), record(CASES[1], "known_deviation")], [], "2 judged, 1 known", "green"),
        ([record(), wrong(CASES[1])], [], "1 of 2 wrong", "red"),
        ([record()], ["it was stopped"], "incomplete", "lightgrey"),
        ([record(verdict="unsupported")], [], "nothing judged", "lightgrey"),
        ([], [], "nothing judged", "lightgrey"),
    ],
)
def test_the_badge_has_the_endpoint_s_form(records, notes, message, colour):
    made = account(*records)
    made.notes += notes
    assert json.loads(badge.render(made)) == {
        "schemaVersion": 1,
        "label": "keras conformance",
        "message": message,
        "color": colour,
    }


@pytest.mark.parametrize("text", HOSTILE, ids=HOSTILE_IDS)
def test_the_page_s_data_cannot_end_their_script_element(text):
    content = page.render(hostile(text)).decode()
    start = content.index('<script id="data" type="application/json">')
    inner = content[content.index(">", start) + 1 : content.index("</script>", start)]
    assert "<" not in inner
    found = json.loads(inner)
    assert len(found["cases"]) == 4
    assert len(content) < 500_000


def test_the_page_loads_nothing_from_elsewhere():
    content = page.render(account(record())).decode()
    assert not re.search(r"(src|href)=[\"']?(https?:|//)|@import|url\(", content)
    assert "default-src 'none'" in content


def test_each_verdict_clause_and_message_stands_in_the_page_once():
    made = account(
        *(record(f"Flatten/inputs:2x{n}", "unsupported", message="no Flatten") for n in range(9)),
        record(CASES[0]),
        record(CASES[1]),
    )
    found = page.data(made)
    assert found["messages"].count("no Flatten") == 1
    assert len(found["sets"]) == 2
    assert found["implementations"][0]["verdicts"] == "u" * 9 + "oo"


def test_a_picture_of_a_failing_case_shows_the_window_of_its_worst_output():
    made = account(
        wrong(CASES[0], message="3 of 448 elements are wrong; the worst, [1, 6, 0, 2], is")
    )
    picture = page.data(made)["implementations"][0]["pictures"][0]
    assert picture["place"] == [1, 6, 0, 2]
    assert picture["field"] == [
        [5, 6, 7],
        [0, 1],
    ]  # pads 1, 1 along the rows; 0, 1 along the columns
    assert picture["input"]["size"] == [7, 8]
    assert picture["at"] == [6, 0]


@pytest.mark.parametrize(
    "case",
    [
        "Flatten/inputs:1x1000000000",
        "Conv2D",
        "nonsense",
        "Conv1D/inputs:2x5/filters:-1",
        "Input/shape:3",
        "Conv1D/inputs:2x5x3/filters:2/kernel_size:2/padding:same/dilation_rate:100000000",
    ],
)
def test_a_case_of_which_no_picture_can_be_made_goes_without(case):
    made = account(wrong(case))
    assert page.data(made)["implementations"][0]["pictures"] == {}


def test_results_beyond_every_number_are_json_all_the_same():
    made = account(wrong(ratio=float("inf")), wrong(CASES[1], ratio=float("nan")))
    assert json.loads(page._json(page.data(made)))["implementations"][0]["ratios"] == [1e300, -1]
