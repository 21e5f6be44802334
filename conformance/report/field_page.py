"""The table of the field: stored observations by clause, and in short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from conformance.report.field import Seen

_WRONG: Final = ("deviates", "crashed", "timed_out", "unexpected_conformance", "untrusted")
_KNOWN: Final = "known_deviation"
_OK: Final = "conforms"
_MARKS: Final = (
    ("●", "every case is as documented"),
    ("◐", "some cases are, in others it deviates"),
    ("○", "no case is"),
    ("✕", "a case ends or hangs the process"),
    ("·", "it declares all of them unsupported"),
)
BEGIN: Final = "<!-- the field: conformance field table --short -->"
END: Final = "<!-- end of the field -->"
"""Between these lines the README has the table in short."""


def short(observed: Sequence[Seen]) -> str:
    """The table in short: a line for each implementation without options."""
    plain = [one for one in observed if "[" not in one.implementation]
    lines = ["| implementation | as documented | otherwise | not taken | exact | largest error |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for one in plain:
        ok, wrong, none = _counts(one.verdicts)
        exact = _part(one.quality.exact)
        cells = [
            f"{one.implementation} {_version(one)}",
            *map(str, (ok, wrong, none)),
            exact,
            _number(one.quality.largest),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(observed: Sequence[Seen]) -> str:
    """All that is known of the field, as a document."""
    return "\n".join([*_head(observed), *_machines(observed), *_clauses(observed)]) + "\n"


def _head(observed: Sequence[Seen]) -> Iterator[str]:
    yield "# The field"
    yield ""
    grids = " and ".join(sorted({one.grid for one in observed}))
    yield f"{len(observed)} implementations, with the options in which people run them, on the"
    yield f"cases of the grid {grids}. Written by `conformance field table` from what is stored"
    yield "beside this page: of each the cases in which it deviates, and a digest of all others."
    yield ""
    yield "Errors are in units of the bound, the largest and the median of those that are not zero;"
    yield "`exact` counts the cases whose sums are exact, `local` those in which one input stands"
    yield "apart; `speed` is cases in a second of the implementation's own time, building included."
    yield ""
    yield (
        "| implementation | as documented | otherwise | crashes | not taken | largest error "
        "| typical | exact | repeatable | local | speed |"
    )
    yield f"| --- |{' ---: |' * 10}"
    yield from map(_row, observed)


def _row(one: Seen) -> str:
    ok, wrong, none = _counts(one.verdicts)
    ended = sum(one.verdicts.get(name, 0) for name in ("crashed", "timed_out"))
    quality = one.quality
    cells = [
        f"`{one.implementation}`",
        *map(str, (ok, wrong, ended, none)),
        _number(quality.largest),
        _number(quality.typical),
        _part(quality.exact),
        "yes" if quality.repeatable else "**no**",
        _part(quality.local),
        f"{one.rate:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _machines(observed: Sequence[Seen]) -> Iterator[str]:
    yield "\n## Versions and machines\n"
    yield "| implementation | versions | Python | machine | seen |"
    yield "| --- | --- | --- | --- | --- |"
    for one in observed:
        facts = ", ".join(f"{name} {value}" for name, value in sorted(one.machine.items()))
        seen = one.started.partition("T")[0]
        yield f"| `{one.implementation}` | {one.versions} | {one.python} | {facts} | {seen} |"


def _clauses(observed: Sequence[Seen]) -> Iterator[str]:
    yield "\n## By clause\n"
    yield "; ".join(f"{mark} {words}" for mark, words in _MARKS) + "."
    yield ""
    yield from (f"{number}. `{one.implementation}`" for number, one in enumerate(observed, 1))
    yield ""
    numbers = range(1, len(observed) + 1)
    yield f"| clause | {' | '.join(map(str, numbers))} |"
    yield f"| --- |{' :-: |' * len(observed)}"
    for clause in sorted({clause for one in observed for clause in one.clauses}):
        marks = (_mark(one.clauses.get(clause, {})) for one in observed)
        yield f"| `{clause}` | {' | '.join(marks)} |"


def _mark(counts: Mapping[str, int]) -> str:
    ok, wrong, _ = _counts(counts)
    marks = dict(
        zip(("all", "some", "none", "ended", "untold"), (m for m, _ in _MARKS), strict=True)
    )
    if counts.get("crashed") or counts.get("timed_out"):
        return marks["ended"]
    if not ok and not wrong:
        return marks["untold"] if counts else ""
    return marks["all"] if not wrong else marks["some"] if ok else marks["none"]


def _counts(verdicts: Mapping[str, int]) -> tuple[int, int, int]:
    """How many are as documented, otherwise, and not taken."""
    wrong = sum(verdicts.get(name, 0) for name in (*_WRONG, _KNOWN))
    return verdicts.get(_OK, 0), wrong, verdicts.get("unsupported", 0)


def _version(one: Seen) -> str:
    """The version of what bears the implementation's name, else of the first that it needs."""
    found = dict(part.rpartition(" ")[::2] for part in one.versions.split(", "))
    return found.get(one.implementation, next(iter(found.values())))


def _part(share: tuple[int, int]) -> str:
    some, judged = share
    return f"{some}/{judged}" if judged else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def replaced(text: str, table: str) -> str:
    """A document with the table in short between its two marks.

    Raises:
        ValueError: if it does not have both.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there are no lines {BEGIN} and {END}")
    return f"{before}{begin}\n\n{table}\n{end}{after}"
