"""The clauses: the documentation's testable statements, read from ``clauses.toml``.

A clause's id is ``layer.argument.property`` in kebab case.  What a layer's own section says has
one clause per layer (``conv1d``, ``conv2d``, ``maxpooling1d``, ``maxpooling2d``, ``flatten``,
``input``); what both convolution layers, or both pooling layers, share through the pages that the
documentation refers to, or through what it leaves unsaid, has one clause under ``conv`` or
``maxpooling``.

An entry of the file may stand for several clauses, one for each item of its list ``each``: the
item then replaces ``{each}`` in the id and the paraphrase.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from conformance.layers.layer import Layer

STANDINGS: Final[MappingProxyType[str, tuple[str, ...]]] = MappingProxyType(
    {
        "holds": (),
        "holds-if": ("condition",),
        "ambiguous": ("reading", "why"),
        "superseded": ("since", "now"),
        "added": ("since",),
    }
)
"""The standings, each with the notes that a clause of that standing must have."""

MEANINGS: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "holds": "as documented",
        "holds-if": "true under the condition that is given, and only then",
        "ambiguous": "the documentation allows several readings; judged by the one that is given",
        "superseded": "no longer true: newer versions of Keras do something else",
        "added": "not in the documentation: an argument that the layers have gained since",
    }
)
"""What each standing says of a clause, in words."""

SECTIONS: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "conv1d": "1 Conv1D",
        "conv2d": "2 Conv2D",
        "maxpooling1d": "3 MaxPooling1D",
        "maxpooling2d": "4 MaxPooling2D",
        "flatten": "5 Flatten",
        "input": "6 Input",
        "conv": "1 Conv1D and 2 Conv2D",
        "maxpooling": "3 MaxPooling1D and 4 MaxPooling2D",
    }
)
"""The documentation's sections, by the first part of a clause's id."""

_NOTES: Final = ("condition", "reading", "why", "since", "now", "selection")
_BINDING: Final = ("id", "standing", "condition", "reading", "since", "now", "selection")
_REQUIRED: Final = ("id", "bullet", "paraphrase", "standing")
ADDED_TO: Final = "Added to "
"""How the source of a clause begins that the documentation does not have."""
_IDENTIFIER: Final = re.compile(r"[a-z0-9]+(\.[a-z0-9]+(-[a-z0-9]+)*){2}\Z")


class ClauseError(ValueError):
    """An entry of the clause file that is not as it must be; the message names it."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One testable statement of the documentation.

    Attributes:
        id: ``layer.argument.property``.
        source: the section and, after a comma, the bullet or remark that makes the statement; for
            what was added, that it was, the section, and the argument.
        paraphrase: the statement in our words.
        standing: ``holds``; ``holds-if`` a condition; ``ambiguous``, judged by the reading
            chosen; ``superseded`` since a framework's version; or ``added``: no statement of the
            documentation, but what the layer has gained since.
        condition: under which it holds.
        reading: the one chosen where the documentation allows several, or is silent.
        why: the grounds for that reading.
        since: the framework's version from which it no longer holds, or from which it does.
        now: what holds instead since then.
        selection: how the oracle is told to follow the other reading, where it can.
    """

    id: str
    source: str
    paraphrase: str
    standing: str
    condition: str | None = None
    reading: str | None = None
    why: str | None = None
    since: str | None = None
    now: str | None = None
    selection: str | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers whose sections make the statement."""
        return tuple(re.findall(r"\d+ (\w+)", self.source.partition(",")[0]))


def parse_clauses(text: str) -> dict[str, Clause]:
    """The clauses of a TOML text, by id, in its order.

    Raises:
        ClauseError: naming the entry that lacks a key or has an unknown one, an unknown standing,
            layer or section, or an id that is malformed or given twice.
    """
    try:
        entries = tomllib.loads(text).get("clause", [])
    except tomllib.TOMLDecodeError as error:
        raise ClauseError(f"the clause file is not valid TOML: {error}") from error
    found: dict[str, Clause] = {}
    for entry in entries:
        for clause in _expanded(entry):
            if clause.id in found:
                raise ClauseError(f"clause {clause.id!r} is given twice")
            found[clause.id] = clause
    return found


def _expanded(entry: Mapping[str, Any]) -> Iterator[Clause]:
    """The clauses that one entry stands for."""
    _check_entry(entry)
    notes = {name: entry[name] for name in ("standing", *_NOTES) if name in entry}
    for item in entry.get("each", ("",)):
        identifier, paraphrase = (entry[k].replace("{each}", item) for k in ("id", "paraphrase"))
        section = SECTIONS.get(identifier.partition(".")[0])
        if not _IDENTIFIER.match(identifier) or section is None:
            raise ClauseError(
                f"clause {identifier!r} is not of the form layer.argument.property, in kebab case, "
                f"with one of the layers {', '.join(SECTIONS)}"
            )
        place = ADDED_TO if entry["standing"] == "added" else ""
        source = f"{place}{section}, {entry['bullet']}"
        yield Clause(id=identifier, source=source, paraphrase=paraphrase, **notes)


def _check_entry(entry: Mapping[str, Any]) -> None:
    name = entry.get("id", f"with the keys {', '.join(entry)}")
    missing = [key for key in _REQUIRED if not entry.get(key)]
    unknown = sorted(set(entry) - {*_REQUIRED, *_NOTES, "each"})
    if missing or unknown:
        raise ClauseError(
            f"clause {name!r}: missing {', '.join(missing) or 'nothing'}, "
            f"unknown {', '.join(unknown) or 'nothing'}"
        )
    if entry["standing"] not in STANDINGS:
        raise ClauseError(
            f"clause {name!r} has the standing {entry['standing']!r}: expected one of "
            + ", ".join(STANDINGS)
        )
    needed = STANDINGS[entry["standing"]]
    given = tuple(note for note in _NOTES if note in entry and note != "selection")
    if given != needed:
        raise ClauseError(
            f"clause {name!r} has the notes {given}: a clause that is {entry['standing']} has "
            f"{needed}"
        )
    if ("{each}" in entry["id"]) != bool(entry.get("each")):
        raise ClauseError(f"clause {name!r}: `each` and {{each}} in the id go together")


@cache
def clauses() -> Mapping[str, Clause]:
    """Every clause by its id, in the order of the documentation."""
    text = files("conformance.spec").joinpath("clauses.toml").read_text(encoding="utf-8")
    return MappingProxyType(parse_clauses(text))


@cache
def spec_sha256() -> str:
    """SHA-256, in hexadecimal, of what binds in the specification judged by (`binding_sha256`)."""
    return binding_sha256(clauses().values())


def binding_sha256(specification: Iterable[Clause]) -> str:
    """SHA-256, in hexadecimal, of what binds in some clauses, in whatever order they come.

    That is of each its id and standing, and the condition, reading, versions and selection that go
    with it.  How a clause is paraphrased, where it is found and why it is read so may be mended
    without another specification coming about.

    Its input is a JSON array, by id, of arrays ``[id, standing, condition, reading, since, now,
    selection]``, null where there is none, in ASCII and without blanks.
    """
    import json
    from hashlib import sha256

    rows = sorted([getattr(clause, name) for name in _BINDING] for clause in specification)
    return sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def first_parts(layer: Layer) -> tuple[str, str]:
    """How the ids of the clauses about a layer begin: its own, and those of its family."""
    return layer.name.lower(), layer.family


def select(name: str) -> tuple[Clause, ...]:
    """The clause of that id, or those whose ids begin with `name` and a full stop.

    Raises:
        KeyError: if there is none; the message shows ids that are close.
    """
    found = tuple(
        clause for id_, clause in clauses().items() if id_ == name or id_.startswith(f"{name}.")
    )
    if not found:
        from difflib import get_close_matches

        close = ", ".join(get_close_matches(name, list(clauses()), n=3)) or "none"
        raise KeyError(f"no clause is named {name!r}, nor begins so; close to it: {close}")
    return found
