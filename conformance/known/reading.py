"""Reading records of known deviations from TOML files.

One form for the package's own (``records/*.toml``) and for a user's (``--known FILE.toml``)::

    [[deviation]]
    id = "mine-pools-nan"
    implementation = "my_layers.py"
    versions = { my-layers = ">=1.2" }
    layer = "MaxPooling*"
    where = { operands = ["one_nan", "specials"] }
    fault = "pooling.nan"
    reason = "NaN is not compared, see the issue tracker"

Every key but ``id`` and ``implementation`` may be left out; those that are given must all match.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from conformance.judge.verdict import Verdict
from conformance.known import conditions
from conformance.known.conditions import FIELDS, ConditionError
from conformance.known.record import Record
from conformance.known.versions import RangeError, check_range
from conformance.layers.registry import LAYERS

_TABLE: Final = "deviation"
_LARGEST: Final = 2**20
_COVERABLE: Final = (Verdict.DEVIATES, Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.UNTRUSTED)
_GROUPS: Final = ("where", "what")
_OF_CASE: Final = ("clause", "layer", "case")
_OF_OUTCOME: Final = ("verdict", "stage", "message", "exception", "fault", "effect")
_LISTS: Final = ("implementation", *_OF_CASE, *_OF_OUTCOME)
_TEXTS: Final = ("instead", "reason", "reproducer", "report", "part_of")
_FLAGS: Final = ("always", "alone", "documented")
_KEYS: Final = ("id", "versions", "since", "until", "machine", *_FLAGS)
_DEFAULT_INSTEAD: Final = "recorded as a known deviation"


class RecordError(ValueError):
    """A file of records that cannot be used; the message names file, record and key."""


def read_records(path: Path) -> tuple[Record, ...]:
    """The records of a user's file.

    Raises:
        RecordError: if it cannot be read, or something in it is not of the form.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise RecordError(
                f"{path}: is larger than {_LARGEST} bytes; this is no list of records"
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise RecordError(f"{path}: cannot be read: {reason}") from error
    return records_of(text, str(path))


def own_records() -> tuple[Record, ...]:
    """The records of this package; a test sees to it that their names exist, see `check_names`."""
    folder = files("conformance.known").joinpath("records")
    texts = sorted((item.name, item.read_text("utf-8")) for item in folder.iterdir())
    return _distinct(
        record for name, text in texts if name.endswith(".toml") for record in _parsed(text, name)
    )


def records_of(text: str, source: str) -> tuple[Record, ...]:
    """The records that a text holds.

    Args:
        text: the content of a TOML file.
        source: what to call it in messages.

    Raises:
        RecordError: if it is not of the form.
    """
    records = _parsed(text, source)
    for record in records:
        check_names(record)
    return records


def check_names(record: Record) -> None:
    """See to it that there are verdicts, faults and effects of the names that a record gives.

    Raises:
        RecordError: naming the first of which there is none.
    """
    from conformance.diagnosis.faults import FAULTS
    from conformance.known.effects import EFFECTS

    known: dict[str, Collection[str]] = {"verdict": _COVERABLE, "fault": FAULTS, "effect": EFFECTS}
    for key, names in known.items():
        for text in getattr(record, key):
            if text not in names:
                raise RecordError(
                    f"{record.source}: deviation {record.identifier!r}: {key!r} is {text!r}; "
                    f"known are {', '.join(names)}"
                )


def _parsed(text: str, source: str) -> tuple[Record, ...]:
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecordError(f"{source}: is not TOML: {error}") from error
    entries = content.pop(_TABLE, [])
    if content:
        raise RecordError(f"{source}: has the key {min(content)!r}; only [[{_TABLE}]] is known")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RecordError(f"{source}: {_TABLE!r} must be an array of tables: [[{_TABLE}]]")
    return _distinct(_record(entry, source, number) for number, entry in enumerate(entries, 1))


def _distinct(records: Iterable[Record]) -> tuple[Record, ...]:
    found: dict[str, Record] = {}
    for record in records:
        if record.identifier in found:
            raise RecordError(f"{record.source}: the id {record.identifier!r} is given twice")
        found[record.identifier] = record
    return tuple(found.values())


def _record(entry: dict[str, Any], source: str, number: int) -> Record:
    name = entry.get("id")
    where = f"{source}: deviation {name!r}" if name else f"{source}: deviation number {number}"
    for key in ("id", "implementation"):
        if not entry.get(key):
            raise RecordError(f"{where}: the key {key!r} is missing")
    try:
        return Record(**_arguments(_flattened(entry)), source=source)
    except (ConditionError, RangeError) as error:
        raise RecordError(f"{where}: {error}") from error


def _flattened(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of ``where`` and ``what`` beside the others; conditions on fields stay in ``where``.

    Raises:
        ConditionError: if a key stands in two places, or in a table that has no such key.
    """
    flat = {key: value for key, value in entry.items() if key not in _GROUPS}
    fields_of_case: dict[str, Any] = {}
    for group, allowed in (("where", _OF_CASE), ("what", _OF_OUTCOME)):
        for key, value in _table(entry, group).items():
            if key in allowed:
                if key in flat:
                    raise ConditionError(f"{key!r} is given twice, once in {group!r}")
                flat[key] = value
            elif group == "where" and key in FIELDS:
                fields_of_case[key] = value
            else:
                known = [*allowed, *(FIELDS if group == "where" else ())]
                raise ConditionError(f"{group!r} has no key {key!r}; it takes {', '.join(known)}")
    return flat | {"where": fields_of_case}


def _table(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = entry.get(key, {})
    if not isinstance(table, dict):
        raise ConditionError(f"{key!r} must be a table, such as {key} = {{ ... }}")
    return table


def _arguments(entry: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Record` that an entry gives."""
    known = {*_LISTS, *_TEXTS, *_KEYS, "where"}
    unknown = sorted(set(entry) - known)
    if unknown:
        raise ConditionError(
            f"there is no key {unknown[0]!r}; known are {', '.join(sorted(known | {'what'}))}"
        )
    arguments: dict[str, Any] = {"identifier": _text(entry, "id")}
    arguments |= {key: _texts(entry, key) for key in _LISTS if key in entry}
    arguments |= {key: _text(entry, key) for key in _TEXTS if key in entry}
    arguments["instead"] = arguments.get("instead") or arguments.get("reason") or _DEFAULT_INSTEAD
    arguments |= {key: _conditions(entry, key) for key in ("machine", "where") if key in entry}
    arguments["versions"] = _versions(entry)
    for key in _FLAGS:
        if not isinstance(entry.get(key, False), bool):
            raise ConditionError(f"{key!r} must be true or false, not {entry[key]!r}")
    return arguments | {key: entry[key] for key in _FLAGS if key in entry}


def _text(entry: Mapping[str, Any], key: str) -> str:
    if not isinstance(entry[key], str):
        raise ConditionError(f"{key!r} must be a text, not {entry[key]!r}")
    return str(entry[key])


def _texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    given = entry[key] if isinstance(entry[key], list) else [entry[key]]
    if not given or not all(isinstance(text, str) for text in given):
        raise ConditionError(f"{key!r} must be a text or a list of texts, not {entry[key]!r}")
    for text in given:
        conditions.check(text)
    _check_layers(key, given)
    return tuple(given)


def _check_layers(key: str, given: list[str]) -> None:
    if key != "layer":
        return
    for text in given:
        if not any(conditions.matches(text, layer) for layer in LAYERS):
            raise ConditionError(f"'layer' is {text!r}; the layers are {', '.join(LAYERS)}")


def _conditions(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = _table(entry, key)
    for name, condition in table.items():
        try:
            conditions.check(condition)
        except ConditionError as error:
            raise ConditionError(f"{name!r} in {key!r}: {error}") from error
    return table


def _versions(entry: Mapping[str, Any]) -> dict[str, str]:
    """Ranges by distribution, from ``versions`` and from ``since`` and ``until``, joined."""
    ranges: dict[str, list[str]] = {}
    for key, form in (("versions", "{}"), ("since", ">={}"), ("until", "<{}")):
        for name, value in _table(entry, key).items():
            if not isinstance(value, str):
                raise ConditionError(f"{name!r} in {key!r} must be a text, not {value!r}")
            ranges.setdefault(name, []).append(form.format(value))
    joined = {name: ", ".join(parts) for name, parts in ranges.items()}
    for text in joined.values():
        check_range(text)
    return joined
