"""Protects what is stored of the field, and the table that is made of it offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.command_line import main
from conformance.report import field, field_page
from conformance.report.account import Account
from conformance.spec.clauses import clauses

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "fixtures" / "field"
HEADER = {
    "suite_version": "0.1.0",
    "spec_sha256": "ab",
    "platform": "Linux",
    "python": "3.11.7",
    "implementations": {"mine[fast]": "mine 1.0, other 2.0"},
    "machine": {"mine[fast]": {"threads": "2"}},
    "grid": "smoke",
    "started": "2026-01-02T03:04:05+00:00",
}


def result(case: str, verdict: str, clause: str = "conv.values.exact", **more: object) -> dict:
    return {
        "kind": "result",
        "case": case,
        "clauses": [clause],
        "implementation": "mine[fast]",
        "verdict": verdict,
        "ratio": None,
        "seconds": 0.5,
        **more,
    }


RESULTS = [
    result("a", "conforms", ratio=0.25),
    result("b", "conforms", ratio=0.75),
    result("c", "deviates", ratio=12.0, stage="exact", message="3 of 4 elements are wrong."),
    result("d", "unsupported", message="not taken", seconds=9.0),
    result("e", "known_deviation", "conv.output.locality", diagnosis="mine-spreads"),
    result("f", "crashed", "conv.values.nan", stage="process", message="signal SIGSEGV"),
]


def account(results: list[dict] = RESULTS, **header: object) -> Account:
    made = Account(HEADER | header)
    for one in results:
        made.add(one)
    return made


def test_quality_and_speed_are_those_of_what_was_judged():
    (one,) = field.seen(account())
    assert one.quality == field.Quality(12.0, 0.75, (2, 3), True, (0, 1))
    assert one.rate == 2.0
    assert [d.case for d in one.deviations] == ["c", "e", "f"]
    assert [d.known for d in one.deviations] == ["", "mine-spreads", ""]


def test_another_answer_to_the_same_call_is_not_repeatable():
    again = [*RESULTS, result("g", "deviates", stage="repeat", message="another answer")]
    (one,) = field.seen(account(again))
    assert not one.quality.repeatable


def test_what_is_stored_is_read_as_it_was(tmp_path):
    observed = field.seen(account())
    (path,) = field.store(observed, tmp_path)
    assert path.name == "mine-fast.json"
    assert field.stored(tmp_path) == observed


def test_the_digest_is_that_of_all_that_is_as_documented():
    """A change of a verdict shows, the order of results and times do not."""
    (one,) = field.seen(account())
    (turned,) = field.seen(account([r | {"seconds": 1.0} for r in RESULTS[::-1]]))
    assert turned.digest == one.digest
    for index in (0, 3):
        other = [*RESULTS]
        other[index] = RESULTS[index] | {"verdict": "conforms" if index else "unsupported"}
        assert field.seen(account(other))[0].digest != one.digest


def test_no_more_is_stored_than_is_allowed(tmp_path):
    many = [result("x" * 200 + str(n), "deviates", message="m" * 200) for n in range(400)]
    with pytest.raises(ValueError, match="at most 100000 are stored"):
        field.store(field.seen(account(many)), tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_selection_of_cases_is_not_stored():
    with pytest.raises(ValueError, match="a whole grid"):
        field.seen(account(grid=None))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "quality": {}}', b"\xff"]
)
def test_what_is_no_observation_is_named(tmp_path, content, capsys):
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(field.StoredError, match=r"bad\.json"):
        field.stored(tmp_path)
    assert main(["field", "table", "--directory", str(tmp_path)]) == 2
    assert "bad.json" in capsys.readouterr().err


def test_marks_tell_all_some_none_and_crashes_apart():
    text = field_page.page(field.seen(account()))
    rows = {
        line.split("|")[1].strip(" `"): line.split("|")[2].strip()
        for line in text.partition("## By clause")[2].splitlines()
        if line.startswith("| `")
    }
    assert rows == {
        "conv.output.locality": "○",
        "conv.values.exact": "◐",
        "conv.values.nan": "✕",
    }
    only = field_page.page(field.seen(account(RESULTS[3:4])))
    assert "| `conv.values.exact` | · |" in only


def test_commands_store_and_tell(tmp_path, capsys):
    report = tmp_path / "run.jsonl"
    assert main(["field", "run", "nobody"]) == 2
    assert "there is no implementation nobody" in capsys.readouterr().err
    footer = {"kind": "footer", "results": len(RESULTS), "verdicts": {}}
    lines = [{"kind": "header", **HEADER}, *RESULTS, footer]
    report.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    folder = str(tmp_path / "stored")
    assert main(["field", "record", str(report), "--directory", folder]) == 0
    assert main(["field", "table", "--directory", folder]) == 0
    assert "| `mine[fast]` | 2 | 3 | 1 | 1 | 12 | 0.75 | 2/3 | yes | 0/1 | 2 |" in (
        capsys.readouterr().out
    )
    page = tmp_path / "page.md"
    page.write_text("no marks", encoding="utf-8")
    assert main(["field", "table", "--directory", folder, "--short", str(page)]) == 2
    page.write_text(f"a\n{field_page.BEGIN}\nold\n{field_page.END}\nb\n", encoding="utf-8")
    assert main(["field", "table", "--directory", folder, "--short", str(page)]) == 0
    assert "old" not in page.read_text(encoding="utf-8")


def test_the_page_and_the_readme_are_those_of_what_is_stored():
    """Rebuilt offline: no framework is needed for the table."""
    observed = field.stored(FOLDER)
    assert len(observed) > 10
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert page == field_page.page(observed), "conformance field table > fixtures/field/README.md"
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    made = field_page.replaced(text, field_page.short(observed))
    assert text == made, "conformance field table --short README.md"


def test_stored_observations_are_small_and_speak_of_clauses_that_there_are():
    for path in FOLDER.glob("*.json"):
        assert path.stat().st_size <= field.LARGEST
        assert set(field.read(path).clauses) <= set(clauses())
