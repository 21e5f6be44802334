"""The documentation that the clauses restate, so that a clause can be cited with its sentence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from conformance.spec.clauses import Clause

SIGNATURE: Final = "signature"
"""The bullet that is the constructor's line."""

_SECTION: Final = re.compile(r"(\d) \w+")


@dataclass(frozen=True)
class Sentence:
    """Where the documentation makes a clause's statement.

    Attributes:
        section: the section's number.
        heading: its heading, as it stands.
        bullet: the bullet or remark.
        text: what stands there, in the document's language; empty where it says nothing itself.
    """

    section: str
    heading: str
    bullet: str
    text: str


@cache
def document() -> dict[str, Any]:
    """The document: title, publisher, origin, address and date, and its sections by number."""
    text = files("conformance.explain").joinpath("document.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def sentences(clause: Clause) -> list[Sentence]:
    """Where the documentation has the clause: one entry for each section and bullet.

    None for what it does not have, the layers having gained it since.
    """
    if clause.standing == "added":
        return []
    sections, _, bullets = clause.source.partition(", ")
    return [
        Sentence(number, document()[number]["heading"], bullet, text)
        for number in section_numbers(sections)
        for bullet, text in _bullets(document()[number], bullets)
    ]


def section_numbers(sections: str) -> list[str]:
    """The numbers of the sections that a clause's source names."""
    return _SECTION.findall(sections)


def citation() -> str:
    """Title, publisher, address and date of the copy, or that it does not state them."""
    known = document()
    address = known["address"] or "address of the copy not stated"
    date = known["date"] or "date not stated"
    origin = " and ".join(known["origin"])
    return f"{known['title']} ({known['publisher']}; {address}; {date}), a copy of {origin}"


def _bullets(section: dict[str, str], bullets: str) -> Iterator[tuple[str, str]]:
    """The bullets that a clause names, each with its text, else with the signature's."""
    names = [bullets] if bullets in section else bullets.split(" and ")
    for name in names:
        yield name, section.get(name) or _in_signature(section, name)


def _in_signature(section: dict[str, str], argument: str) -> str:
    """What the signature says of an argument that has no bullet of its own."""
    return next(iter(re.findall(rf"\b{re.escape(argument)}=[^,)]+", section[SIGNATURE])), "")
