"""DEFECTS.md is what the records of known deviations say, each defect once."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from conformance import known
from conformance.command_line import main
from conformance.known import filing
from conformance.known.defects import Harm, as_markdown, defects, harm_of
from conformance.known.record import Record

ROOT = Path(__file__).resolve().parents[1]
RECORD = Record("one", ("some.thing[*fast*",), {"some": ">=1.0"}, instead="it rounds twice")


def test_the_document_is_current() -> None:
    """`conformance list defects --markdown > DEFECTS.md` writes it."""
    written = (ROOT / "DEFECTS.md").read_text("utf-8")
    assert written == as_markdown(defects(known.own()))


def test_every_record_of_a_defect_stands_in_one() -> None:
    listed = [
        one.identifier for found in defects(known.own()) for one in (found.record, *found.parts)
    ]
    expected = [record.identifier for record in known.own() if not record.documented]
    assert sorted(listed) == sorted(expected)


@pytest.mark.parametrize(
    ("changes", "harm"),
    [
        ({}, Harm.SILENT),
        ({"effect": ("relu-drops-nan",)}, Harm.SILENT),
        ({"message": ("['loss'] is * but should be *",)}, Harm.SILENT),
        ({"verdict": ("crashed", "timed_out")}, Harm.ENDS),
        ({"exception": ("ValueError: *",)}, Harm.REFUSES),
        ({"message": ("was rejected with",)}, Harm.REFUSES),
        ({"message": ("must be rejected*but was accepted",)}, Harm.ACCEPTS),
        ({"message": ("should be 'rejected'",)}, Harm.ACCEPTS),
    ],
)
def test_the_harm_is_told_by_what_the_record_explains(
    changes: dict[str, tuple[str, ...]], harm: Harm
) -> None:
    assert harm_of(replace(RECORD, **changes)) == harm  # type: ignore[arg-type]


def test_parts_stand_with_the_record_that_leads_and_the_worst_counts() -> None:
    part = replace(
        RECORD, identifier="two", verdict=("crashed",), instead="it crashes", part_of="one"
    )
    documented = replace(RECORD, identifier="three", documented=True)
    (found,) = defects([part, RECORD, documented])
    assert (found.record, found.parts, found.harm) == (RECORD, (part,), Harm.ENDS)
    text = as_markdown([found])
    assert "| some.thing | 1 | 0 | 0 | 0 |" in text
    assert "It rounds twice. It crashes." in text
    assert "- report: not searched for" in text


@pytest.mark.parametrize("record", known.own(), ids=lambda record: record.identifier)
def test_a_report_is_named_as_trackers_name_it(record: Record) -> None:
    reports = record.report.split(", ") if record.report not in ("", "none found") else []
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#[1-9]\d*", report) for report in reports)


def test_a_part_of_nothing_is_told() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        defects([replace(RECORD, part_of="nowhere")])


def test_listed_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "defects"]) == 0
    text = capsys.readouterr().out
    assert main(["list", "defects", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["id"] for entry in listed] == [
        one.record.identifier for one in defects(known.own())
    ]
    assert all(entry["id"] in text and entry["harm"] in list(Harm) for entry in listed)


REPORTS = ROOT / "conformance" / "known" / "reports"
FOUND = {one.record.identifier: one for one in defects(known.own())}


@pytest.mark.parametrize("identifier", filing.WORST)
def test_the_reports_of_the_worst_are_current(identifier: str) -> None:
    """`conformance list defects --report ID > conformance/known/reports/ID.md` writes each."""
    written = (REPORTS / f"{identifier}.md").read_text("utf-8")
    assert written == filing.report(FOUND[identifier])
    assert "```python" in written


def test_the_worst_are_ten_and_nothing_else_is_ready_to_be_filed() -> None:
    assert len(set(filing.WORST)) == 10
    assert {path.stem for path in REPORTS.glob("*.md")} == set(filing.WORST)


@pytest.mark.parametrize("identifier", FOUND)
def test_every_defect_can_be_filed_in_the_form_of_its_project(identifier: str) -> None:
    """Nothing that stands for something is left, and the program is there where there is one."""
    record = FOUND[identifier].record
    text = filing.report(FOUND[identifier])
    assert re.match(r"<!-- [\w. /-]+ -->\n\n# \S", text)
    told = re.sub(r"```python.*?```", "", text, flags=re.DOTALL)
    assert not re.search(r"\{(what|expected|code|versions|cause|seen|system)\}", told)
    assert bool(record.reproducer) == ("```python" in text)
    assert record.report in text or record.report == "none found"


def test_a_report_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "defects", "--report", filing.WORST[0]]) == 0
    assert capsys.readouterr().out == filing.report(FOUND[filing.WORST[0]])
    assert main(["list", "defects", "--report", "ncnn-pooling-negative-pad"]) == 2
    assert "did you mean ncnn-pooling-negative-pads" in capsys.readouterr().err
    assert main(["list", "clauses", "--report", "x"]) == 2
