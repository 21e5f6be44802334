"""A clause explained: where the documentation has it, what it means, an example, who deviates."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from conformance.cases.case import Case, parse
from conformance.explain.deviations import Deviation, as_lines, deviations_from, deviations_of
from conformance.explain.document import (
    SIGNATURE,
    Sentence,
    citation,
    document,
    section_numbers,
    sentences,
)
from conformance.explain.example import worked
from conformance.explain.text import WIDTH, labelled
from conformance.spec.clauses import MEANINGS, Clause, clauses, select

_NOTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "condition": "condition",
        "reading": "reading",
        "why": "why",
        "since": "since",
        "now": "now",
        "selection": "selection",
    }
)


@dataclass(frozen=True)
class ClauseExplanation:
    """One clause, with all that is known of it.

    Attributes:
        clause: the clause.
    """

    clause: Clause

    @property
    def sentences(self) -> list[Sentence]:
        """Where the documentation has it."""
        return sentences(self.clause)

    @property
    def formula(self) -> str:
        """The statement as a formula; empty where it has none."""
        return str(_notes().get(self.clause.id, {}).get("formula", ""))

    @cached_property
    def case(self) -> Case:
        """A case that shows it."""
        noted = _notes().get(self.clause.id, {}).get("case")
        return parse(noted) if noted else _smallest(self.clause.id)

    @property
    def example(self) -> str:
        """The case, run on the oracle, with its operands and what comes of them."""
        return worked(self.case)

    @property
    def deviations(self) -> list[Deviation]:
        """The deviations recorded for the clause, or met by its example as it stands."""
        recorded = {d.identifier: d for d in deviations_from(self.clause.id)}
        met = {d.identifier: d for d in deviations_of(self.case) if not d.when}
        return list((recorded | met).values())

    @property
    def notes(self) -> dict[str, str]:
        """The standing's notes: condition, reading and its grounds, or what holds since when."""
        given = asdict(self.clause)
        return {label: given[name] for name, label in _NOTES.items() if given[name]}

    def as_dict(self) -> dict[str, Any]:
        """The explanation as JSON has it."""
        return {
            **{name: value for name, value in asdict(self.clause).items() if value is not None},
            "document": citation(),
            "sentences": [asdict(sentence) for sentence in self.sentences],
            "formula": self.formula,
            "case": self.case.descriptor,
            "example": self.example,
            "deviations": [asdict(deviation) for deviation in self.deviations],
        }

    def __str__(self) -> str:
        lines = [self.clause.id, "", textwrap.fill(self.clause.paraphrase, WIDTH), ""]
        lines += [labelled("formula", self.formula)] if self.formula else []
        lines.append(labelled("standing", _standing(self.clause)))
        lines += [labelled(label, text) for label, text in self.notes.items()]
        lines += ["", labelled("document", citation())]
        lines += [_cited(sentence) for sentence in self.sentences]
        lines += ["", f"Example   {self.case.descriptor}", textwrap.indent(self.example, " " * 10)]
        deviating = as_lines(self.deviations) or ["no known implementation"]
        lines += ["", *(labelled("deviates", line) for line in deviating)]
        return "\n".join(lines)


def _standing(clause: Clause) -> str:
    return f"{clause.standing}: {MEANINGS[clause.standing]}"


def explain_clauses(name: str) -> list[ClauseExplanation]:
    """The clause of an id, or all whose ids begin so.

    Raises:
        KeyError: if there is none; the message shows ids that are close.
    """
    return [ClauseExplanation(clause) for clause in select(name)]


def _cited(sentence: Sentence) -> str:
    place = f"section {sentence.heading!r}, {sentence.bullet}"
    said = f": “{sentence.text}”" if sentence.text else ": not stated; it follows from the layer"
    return labelled("", place + said)


@cache
def _notes() -> Mapping[str, Mapping[str, str]]:
    text = files("conformance.explain").joinpath("examples.toml").read_text(encoding="utf-8")
    return MappingProxyType(tomllib.loads(text))


def noted() -> Iterator[str]:
    """The ids of the clauses that the file of examples knows."""
    return iter(_notes())


@cache
def _smallest(identifier: str) -> Case:
    """The case of the standard grid that tests a clause with the shortest descriptor."""
    from conformance.cases.grids import grid
    from conformance.spec.coverage import clauses_of

    shown = (case for case in grid("standard") if identifier in clauses_of(case))
    return min(shown, key=lambda case: len(case.descriptor))


def as_markdown(identifiers: Iterator[str] | None = None) -> str:
    """The clauses as one document in Markdown, section by section.

    Args:
        identifiers: those wanted; without it all.
    """
    sections: dict[str, list[ClauseExplanation]] = {}
    for identifier in clauses() if identifiers is None else identifiers:
        clause = clauses()[identifier]
        section = clause.source.partition(",")[0]
        sections.setdefault(section, []).append(ClauseExplanation(clause))
    count = sum(map(len, sections.values()))
    standings = "\n".join(f"- *{name}*: {meaning}" for name, meaning in MEANINGS.items())
    contents = "\n".join(
        f"- {section}: {explained[0].clause.id} to {explained[-1].clause.id}"
        for section, explained in sections.items()
    )
    parts = [
        _MARKDOWN_HEAD.format(
            citation=citation(), count=count, standings=standings, contents=contents
        )
    ]
    for section, explained in sections.items():
        parts += [f"## {section}", *_signatures(section), *map(_markdown, explained)]
    return "\n\n".join(parts) + "\n"


_MARKDOWN_HEAD: Final = """\
# The clauses

The documentation of the layers as numbered statements, {count} in number.

Source: {citation}.

{contents}

Each has a standing:

{standings}

An example is a case of the suite by its descriptor, with its operands and what the oracle makes of
them; `conformance explain` with a statement's name shows it alone.

In formulas n is the length of an axis, k the window, s the stride, d the dilation, e the span of a
window, x the inputs, w the kernel, b the bias, y the outputs and g the upstream gradient; o counts
outputs, i inputs, t taps, c channels and f filters; \\* is the cross-correlation."""


def _markdown(explained: ClauseExplanation) -> str:
    clause = explained.clause
    lines = [f"### {clause.id}", "", _escaped(clause.paraphrase), ""]
    if explained.formula:
        lines += ["```text", explained.formula, "```", ""]
    lines.append(f"- standing: {_standing(clause)}")
    lines += [f"- {label}: {_escaped(text)}" for label, text in explained.notes.items()]
    for sentence in explained.sentences:
        is_said = sentence.text and sentence.bullet != SIGNATURE
        said = f": “{_escaped(sentence.text)}”" if is_said else ""
        lines.append(f"- source: section {sentence.heading}, {sentence.bullet}{said}")
    lines.append(f"- example: `{explained.case.descriptor}`")
    lines += [f"- deviates: {line}" for line in map(_escaped, as_lines(explained.deviations))]
    lines += ["", "```text", explained.example, "```"]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("*", "\\*")


def _signatures(section: str) -> list[str]:
    """The constructor lines of the documentation's sections that a heading names."""
    found = [document()[number] for number in section_numbers(section)]
    return [f"“{known['heading']}”: `{known[SIGNATURE]}`" for known in found]
