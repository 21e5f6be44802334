"""Protects explained clauses: each can be cited, and its example runs and tests it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import conformance
from conformance.cases.case import parse
from conformance.cases.operands import has_its_dtype
from conformance.explain.clause import ClauseExplanation, as_markdown, explain_clauses, noted
from conformance.explain.document import citation, document, sentences
from conformance.explain.example import worked
from conformance.spec.clauses import clauses
from conformance.spec.coverage import clauses_of

UNSAID = {"training", "description", "order of the bullets"}
"""What the sources call by a name, though the documentation has no such sentence."""


@pytest.fixture(scope="module")
def explained():
    return {identifier: ClauseExplanation(clause) for identifier, clause in clauses().items()}


def test_every_example_tests_its_clause(explained):
    for identifier, one in explained.items():
        assert identifier in clauses_of(one.case), identifier


def test_no_example_is_of_a_clause_that_is_gone():
    assert set(noted()) <= set(clauses())


def test_a_clause_without_an_example_is_shown_by_a_case_of_the_grid(monkeypatch):
    from conformance.explain import clause

    monkeypatch.setattr(clause, "_notes", dict)
    (one,) = explain_clauses("conv.padding.same-split")
    assert "conv.padding.same-split" in clauses_of(one.case)


def test_every_example_runs(explained):
    """What must be refused is refused, and nothing else is; what gives outputs shows them."""
    for identifier, one in explained.items():
        if not has_its_dtype(one.case):
            assert "needs the package ml_dtypes" in one.example
            continue
        text = one.example
        assert ("refused:" in text) == (one.case.observe == "rejection"), identifier
        if one.case.observe == "output":
            assert "outputs (" in text, identifier


def test_every_clause_has_its_sentence_in_the_document(explained):
    for identifier, clause in clauses().items():
        cited = sentences(clause)
        assert bool(cited) == (clause.standing != "added"), identifier
        for sentence in cited:
            assert sentence.heading == document()[sentence.section]["heading"]
            if sentence.bullet not in UNSAID:
                assert sentence.text, (identifier, sentence)


def test_every_explanation_states_standing_reading_and_source(explained):
    for identifier, one in explained.items():
        text = str(one)
        assert text.startswith(identifier)
        assert document()["title"] in re.sub(r"\s+", " ", text)
        for note in one.notes.values():
            assert note.split()[0] in text
        assert "deviates" in text
        assert one.as_dict()["example"] == one.example


def test_the_digits_of_an_output_are_the_inputs_of_its_window():
    """By hand: SAME with a window of 2 has its one zero behind the last input."""
    lines = worked(parse("Conv1D/inputs:1x4x1/filters:1/kernel_size:2/padding:same")).splitlines()
    assert lines == [
        "inputs (1, 4, 1): 1 2 3 4",
        "kernel (2, 1, 1): 1 10",
        "bias (1,): 0",
        "outputs (1, 4, 1): 21 32 43 4",
    ]


def test_who_deviates_is_named_with_versions():
    (one,) = explain_clauses("maxpooling.values.nan")
    assert re.search(r"tf\.keras.*tensorflow >=2\.\d\d", " ".join(str(one).split()))


def test_several_clauses_begin_so():
    found = [one.clause.id for one in explain_clauses("conv2d.padding")]
    assert found == [name for name in clauses() if name.startswith("conv2d.padding.")]


def test_an_unknown_clause_is_answered_with_close_ones():
    with pytest.raises(KeyError, match=r"conv\.padding\.same-split"):
        explain_clauses("conv.padding.same-spilt")


def test_the_citation_says_what_the_copy_does_not_state():
    assert "address of the copy not stated; date not stated" in citation()
    assert "https://keras-cn.readthedocs.io/en/latest/layers/pooling_layer/" in citation()


def test_the_markdown_document_has_every_clause_once_by_section():
    text = as_markdown()
    headings = re.findall(r"^### (\S+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(clauses())
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections == list(dict.fromkeys(c.source.partition(",")[0] for c in clauses().values()))
    assert len(sections) == 8 + 2  # two of them hold what the layers have gained
    assert text.count("```text") * 2 == text.count("```")


def test_the_markdown_document_may_be_a_part():
    text = as_markdown(iter(["conv2d.padding.same"]))
    assert re.findall(r"^### (\S+)$", text, re.MULTILINE) == ["conv2d.padding.same"]


def test_the_citation_file_names_this_version_and_the_document():
    """What it needs at least: https://citation-file-format.github.io, version 1.2.0."""
    text = (Path(__file__).parents[1] / "CITATION.cff").read_text(encoding="utf-8")
    for key in ("cff-version: 1.2.0", "message:", "title:", "authors:", "license: Apache-2.0"):
        assert re.search(rf"^{re.escape(key)}", text, re.MULTILINE)
    assert f"version: {conformance.__version__}\n" in text
    assert document()["title"] in text
    assert all(address in text for address in document()["origin"])
