"""What a run of the benchmarks comes to, in JSON and Markdown, and what changed between two."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Final

from measuring import Figure, Growth, figure_of, growth_of, line_of

KIND: Final = "benchmarks"
_DISTRIBUTIONS: Final = (
    "numpy",
    "scipy",
    "torch",
    "tensorflow",
    "tensorflow-cpu",
    "onnx",
    "onnxruntime",
)
_THREADS: Final = "OPENBLAS_NUM_THREADS"
_WIDE: Final = "convolution float64 of at least 64"


@dataclass(frozen=True)
class Run:
    """A run of the benchmarks.

    Attributes:
        machine: processor, cores, system, Python, threads.
        versions: of the packages that took part.
        date: when, to the day.
        left_out: what took no part, with the reason.
        figures: in the order in which they were measured.
        growths: how judging grows.
    """

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    date: str
    left_out: Mapping[str, str]
    figures: Sequence[Figure]
    growths: Sequence[Growth] = ()


def run_of(
    figures: Sequence[Figure], left_out: Mapping[str, str], growths: Sequence[Growth] = ()
) -> Run:
    """A run on this machine, today."""
    versions = {name: version for name in _DISTRIBUTIONS if (version := _version(name))}
    date = datetime.now(UTC).date().isoformat()
    return Run(machine(), versions, date, left_out, figures, growths)


def machine() -> dict[str, str]:
    """What the figures depend on besides the versions."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": os.environ.get(_THREADS, "not set"),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def as_json(run: Run) -> str:
    """The run, for `compare` and other programs."""
    fields = dataclasses.asdict(run)
    return json.dumps({"kind": KIND, **fields}, indent=1, ensure_ascii=False) + "\n"


def read(path: Path) -> Run:
    """A run that `as_json` has written.

    Raises:
        ValueError: if it is none.
        OSError: if it cannot be read.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["kind"] != KIND:
            raise KeyError("kind")
        figures = [figure_of(record) for record in fields["figures"]]
        return Run(
            dict(fields["machine"]),
            dict(fields["versions"]),
            str(fields["date"]),
            dict(fields["left_out"]),
            figures,
            tuple(growth_of(record) for record in fields.get("growths", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no file of the benchmarks: {error}") from error


def as_markdown(run: Run) -> str:
    """The run as a table for each group, with the machine above and what was left out below."""
    facts = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    parts = [f"{run.date}; {facts}; {versions}.", ""]
    for group, figures in groupby(run.figures, lambda one: one.benchmark.partition("/")[0]):
        parts += _table(group, list(figures))
    if run.growths:
        parts += ["### growth", "", *(f"    {line_of(one)}" for one in run.growths), ""]
    parts += in_short(run.figures)
    parts += [f"{name} was left out: {reason}." for name, reason in run.left_out.items()]
    return "\n".join(parts).rstrip() + "\n"


def _table(group: str, figures: Sequence[Figure]) -> list[str]:
    rows = [
        f"| {one.benchmark.partition('/')[2]} | {one.candidate} | {one.ratio:.3g} "
        f"({one.low:.3g} to {one.high:.3g}) | {time_of(one)} |"
        for one in figures
    ]
    means = [
        f"| geometric mean of {count} | {name} | {mean:.3g} | |"
        for name, (mean, count) in geometric_means(figures).items()
    ]
    return [
        f"### {group}, as a ratio to the first of each",
        "",
        "| benchmark | candidate | ratio (quartiles) | time |",
        "| --- | --- | --- | --- |",
        *rows,
        *means,
        "",
    ]


@dataclass(frozen=True)
class Short:
    """A line of what a run comes to: the geometric mean of ratios over a group.

    Attributes:
        what: in words.
        group: what the names of the benchmarks begin with.
        over: the candidate whose time is above the fraction.
        under: the candidate whose time is below it.
    """

    what: str
    group: str
    over: str
    under: str


_SLICED: Final = "certified float64", "products of slices"

SHORT: Final = (
    Short("plain float32 / torch", "convolution float32", "plain", "torch"),
    Short("plain float32 / NumPy's product", "convolution float32", "plain", "matmul"),
    Short("plain float64 / torch", "convolution float64", "plain", "torch"),
    Short("plain float64 / NumPy's product", "convolution float64", "plain", "matmul"),
    Short("certified float32 / plain float64, K >= 64", _WIDE, "certified float32", "plain"),
    Short("certified float64 / plain float64, K >= 64", _WIDE, "certified float64", "plain"),
    Short("certified float64 / its products, K >= 64", _WIDE, *_SLICED),
    Short("gradients / forward, float32", "gradients", "certified gradients", "certified forward"),
    Short("gradients / their products", "gradients", "certified gradients", "products"),
    Short("max pooling / torch", "max pooling", "ours", "torch"),
    Short("gradient of max pooling / torch", "gradient of max pooling", "ours", "torch"),
    Short("activations / torch", "activations", "expanded", "torch"),
    Short("judged / certified", "judge", "judged", "certified"),
    Short("judged by a known value / certified", "judge", "judged by a known value", "certified"),
)


def in_short(figures: Sequence[Figure]) -> list[str]:
    """A table of the ratios that the others come to."""
    rows = [
        f"| {one.what} | {mean:.3g} | {count} |"
        for one in SHORT
        for mean, count in [_short(one, figures)]
        if count
    ]
    head = ["### In short, geometric means", "", "| time of / beside | ratio | layers |"]
    return [*head, "| --- | --- | --- |", *rows, ""] if rows else []


def _short(line: Short, figures: Sequence[Figure]) -> tuple[float, int]:
    """The mean, and of how many benchmarks that have both."""
    found: dict[str, dict[str, float]] = {}
    for one in figures:
        if one.benchmark.startswith(line.group) and one.candidate in (line.over, line.under):
            found.setdefault(one.benchmark, {})[one.candidate] = one.ratio
    ratios = [pair[line.over] / pair[line.under] for pair in found.values() if len(pair) == 2]
    if not ratios:
        return 0.0, 0
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)), len(ratios)


def geometric_means(figures: Iterable[Figure]) -> dict[str, tuple[float, int]]:
    """Of each candidate's ratios over the benchmarks of a group, where it is in several."""
    ratios: dict[str, list[float]] = {}
    for one in figures:
        if one.candidate != one.base and one.ratio > 0:
            ratios.setdefault(f"{one.candidate} / {one.base}", []).append(one.ratio)
    return {
        name: (math.exp(math.fsum(map(math.log, values)) / len(values)), len(values))
        for name, values in ratios.items()
        if len(values) > 1
    }


def time_of(figure: Figure) -> str:
    """Time of an item; of cases and the like, how many in a second as well."""
    text = _in_units(figure.seconds)
    if not figure.of:
        return text
    return f"{text} each of the {figure.of}, {1 / max(figure.seconds, 1e-9):,.0f} in a second"


def _in_units(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def compare(old: Run, new: Run) -> tuple[list[str], bool]:
    """What changed beyond the spread, in lines, and whether something has become slower.

    A figure has changed where the quartiles of its ratio do not overlap, memory where it is more or
    less by a tenth.  What a peer is held against stands above the fraction, so that every ratio is
    smaller where ours is faster.
    """
    peers = {(f.benchmark, f.candidate) for run in (old, new) for f in run.figures if f.is_peer}
    before, after = (_by_name(run.figures, peers) for run in (old, new))
    lines = [
        f"{what}: {one.get(what, 'none')} before, {other.get(what, 'none')} now"
        for one, other in ((old.machine, new.machine), (old.versions, new.versions))
        for what in sorted(one.keys() | other.keys())
        if one.get(what) != other.get(what)
    ]
    slower = [
        _changed(before[name], after[name]) for name in before if _is_slower(before, after, name)
    ]
    faster = [
        _changed(before[name], after[name]) for name in before if _is_slower(after, before, name)
    ]
    slower += _larger(old.growths, new.growths)
    faster += _larger(new.growths, old.growths)
    common = before.keys() & after.keys()
    lines += [f"slower: {text}" for text in slower] + [f"faster: {text}" for text in faster]
    lines += [f"only before: {_name(one)}" for name, one in before.items() if name not in common]
    lines += [f"only now: {_name(one)}" for name, one in after.items() if name not in common]
    grown = {_of(one) for one in old.growths} & {_of(one) for one in new.growths}
    unchanged = len(common) + len(grown) - len(slower) - len(faster)
    lines.append(f"{len(slower)} slower, {len(faster)} faster, {unchanged} within the spread")
    return lines, bool(slower)


def _larger(less: Iterable[Growth], more: Iterable[Growth]) -> list[str]:
    """Of what the memory is more by a tenth in the second."""
    most = {_of(one): LARGER * one.megabytes for one in less}
    return [
        f"memory of {one.count:,} {one.what}, of which the larger is {one.megabytes:.3g} MB"
        for one in more
        if one.megabytes > most.get(_of(one), math.inf)
    ]


def _of(one: Growth) -> tuple[str, int]:
    return one.what, one.count


LARGER: Final = 1.1

_Name = tuple[str, str, str]


def _by_name(figures: Iterable[Figure], peers: Collection[tuple[str, str]]) -> dict[_Name, Figure]:
    turned = (
        _turned(one) if (one.benchmark, one.candidate) in peers and one.ratio > 0 else one
        for one in figures
        if one.candidate != one.base
    )
    return {(one.benchmark, one.candidate, one.base): one for one in turned}


def _turned(figure: Figure) -> Figure:
    """The ratio of the base to the candidate; the medians and quartiles are those of inverses."""
    return replace(
        figure,
        candidate=figure.base,
        base=figure.candidate,
        ratio=1 / figure.ratio,
        low=1 / figure.high,
        high=1 / max(figure.low, sys.float_info.min),
    )


def _is_slower(before: Mapping[_Name, Figure], after: Mapping[_Name, Figure], name: _Name) -> bool:
    return name in before and name in after and after[name].low > before[name].high


def _changed(before: Figure, after: Figure) -> str:
    return (
        f"{_name(after)}: {before.ratio:.3g} ({before.low:.3g} to {before.high:.3g}) before, "
        f"{after.ratio:.3g} ({after.low:.3g} to {after.high:.3g}) now"
    )


def _name(figure: Figure) -> str:
    return f"{figure.benchmark}: {figure.candidate} / {figure.base}"


def say(text: str) -> None:
    """Print a line at once."""
    print(text, file=sys.stdout, flush=True)
