"""The arguments of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from conformance.command_line.collecting import collecting_later, collecting_seldom
from conformance.command_line.errors import UsageError
from conformance.explain.documented import arguments
from conformance.layers.registry import LAYERS
from conformance.report.formats import add_formats
from conformance.version import __version__

IMPLEMENTATION = "NAME|MODULE[:ATTRIBUTE]|FILE.py|exec:COMMAND"
GRIDS = ("smoke", "standard", "full", "networks", "beyond")


def parser() -> argparse.ArgumentParser:
    """The parser of ``conformance`` with its sub-commands."""
    top = argparse.ArgumentParser(
        prog="conformance",
        description="Judges implementations of the documented Keras layers, clause by clause.",
        epilog="Exit status: 0 all conform, are unsupported, or deviate as recorded; 1 something "
        "else; 2 wrong usage; 3 nothing was judged.",
    )
    top.add_argument("--version", action="version", version=f"conformance {__version__}")
    commands = top.add_subparsers(dest="name", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_report(commands)
    _add_compare(commands)
    _add_smoke(commands)
    _add_converted(commands)
    _add_list(commands)
    _add_explain(commands)
    _add_golden(commands)
    _add_field(commands)
    _add_shrink(commands)
    _add_search(commands)
    _add_selftest(commands)
    return top


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="judge implementations",
        description="Judge implementations on a grid of cases and print the verdict by clause; "
        "of an implementation that fails, the known faults that explain its failures, else where "
        "they first differ and what they share, with a command that shrinks one to the smallest.",
    )
    run.set_defaults(command=_run)
    run.add_argument(
        "--implementation",
        action="append",
        metavar=IMPLEMENTATION,
        help="a built-in implementation (* matches several), or a plug-in; may be repeated; "
        "without it: every installed one of reference, tf.keras and torch.nn",
    )
    add_selection(run)
    run.add_argument(
        "-n",
        dest="workers",
        type=_positive(int),
        metavar="WORKERS",
        help="how many pairs of processes work at the same time, one that judges and one that "
        "holds the implementation (default 1)",
    )
    _add_cluster(run, "judge")
    _add_model(run)
    run.add_argument(
        "--memory",
        type=_positive(float),
        metavar="GIB",
        help="memory for the data of a worker (default: three quarters of the machine's); beyond "
        "it allocations fail, where the system can do that",
    )
    run.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="judge only the I-th of N disjoint parts of the cases, which together are all",
    )
    run.add_argument(
        "--known",
        action="append",
        default=[],
        metavar="FILE.toml",
        help="records of known deviations, besides the suite's own; may be repeated",
    )
    reports = run.add_mutually_exclusive_group()
    reports.add_argument(
        "--jsonl",
        type=Path,
        metavar="FILE",
        help="write a JSON-lines report, result by result; - is standard output",
    )
    reports.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="go on with the run of this JSON-lines report, which was cut off: the same command, "
        "with --resume instead of --jsonl",
    )
    add_formats(run)
    run.add_argument(
        "--max-failures",
        type=_positive(int),
        metavar="N",
        help="stop after so many results that fail the run",
    )
    run.add_argument(
        "--retries",
        type=_positive(int),
        default=0,
        metavar="N",
        help="judge what fails so many times more; what then conforms is told as flaky, and still "
        "fails the run",
    )
    run.add_argument(
        "--timeout",
        type=_positive(float),
        default=60.0,
        metavar="SECONDS",
        help="time allowed for one case (default 60)",
    )


def _add_cluster(command: Any, what: str) -> None:
    command.add_argument(
        "--cluster",
        metavar="ADDRESS|local:N",
        help=f"{what} on the workers of a Dask cluster, given by its scheduler's address, or on N "
        "workers of this machine; needs the extra `cluster`",
    )


def _add_model(run: Any) -> None:
    run.add_argument(
        "--model",
        type=Path,
        metavar="FILE.keras",
        help="judge what Keras makes of this model, instead of a grid: the other name of "
        "conformance model FILE --against tf.keras",
    )
    run.add_argument(
        "--inputs",
        type=Path,
        action="append",
        metavar="FILE.npy",
        help="an input of --model, once for each; without it: the suite's own operands",
    )


def _add_report(commands: Any) -> None:
    report = commands.add_parser(
        "report",
        help="render the reports of runs in another form",
        description="Read the JSON-lines reports of one run or of several, merge them, print the "
        "summary, and write what is asked for. Exit status: 0, or 2 for a file that is no report.",
    )
    report.set_defaults(command=_later("report", "report"))
    report.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl", help="a run's --jsonl")
    add_formats(report)


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        "compare",
        help="tell what changed between two runs",
        description="Compare two JSON-lines reports: what fails newly, what was mended, what is "
        "newly unsupported. Exit status: 1 where a case fails that was judged before and did not, "
        "or was unsupported; 0 otherwise; 2 for a file that is no report.",
    )
    compare.set_defaults(command=_later("compare", "compare_runs"))
    compare.add_argument("old", type=Path, metavar="OLD.jsonl", help="the earlier run")
    compare.add_argument("new", type=Path, metavar="NEW.jsonl", help="the later run")
    compare.add_argument("--verbose", action="store_true", help="list every case")


def _add_smoke(commands: Any) -> None:
    smoke = commands.add_parser(
        "smoke",
        help="tell whether an implementation can be judged at all",
        description="Load an implementation and put the simplest cases of each layer to it, which "
        "tells one that is broken (cannot be imported, offers no callable, has another signature, "
        "answers in no known form) from one that does not conform. Exit status: 0 it can be "
        "judged and these cases conform; 1 it can be judged, and some do not; 2 it cannot be "
        "judged; 3 it offers none of the layers.",
    )
    smoke.set_defaults(command=_later("smoke", "smoke"))
    smoke.add_argument(
        "--implementation",
        action="append",
        required=True,
        metavar=IMPLEMENTATION,
        help="the implementation; may be repeated",
    )
    smoke.add_argument(
        "--timeout",
        type=_positive(float),
        default=60.0,
        metavar="SECONDS",
        help="time allowed for one case (default 60)",
    )


def _add_converted(commands: Any) -> None:
    model = commands.add_parser(
        "model",
        help="judge what a converter has made of a model",
        description="Judge a converted model layer by layer: each layer is computed from the "
        "candidate's own input of it, and judged by what rounding can explain, so that the one "
        "that is wrong is named, and no other; and the final outputs as a whole. Exit status: 0 "
        "right or rounding; 1 wrong, or it crashed, hung or raised; 2 a file that cannot be used; "
        "3 nothing was judged.",
    )
    model.set_defaults(command=_later("converted", "run_converted"))
    model.add_argument("source", type=Path, metavar="SOURCE", help="a .keras or .h5 file")
    model.add_argument(
        "--against",
        action="append",
        metavar="CANDIDATE",
        help="a .onnx or .tflite file, FILE.py[:ATTRIBUTE] with a callable that takes the inputs "
        "and returns the outputs or a dict of them by layer name, or, for the source itself, "
        "tf.keras (the default), with options as in tf.keras[graph], or keras[backend=torch|jax]; "
        "may be repeated",
    )
    model.add_argument(
        "--inputs",
        action="append",
        metavar="[NAME=]FILE.npy",
        help="an input of the model, once for each, by order or name; without it: ordinary ones, "
        "integers, and one with a spike",
    )
    model.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="LAYER=TENSOR",
        help="the candidate's tensor that is a layer's output, where it is not found",
    )
    model.add_argument(
        "--verbose", action="store_true", help="show each layer's tensor, and how it was found"
    )
    model.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="write the first wrong layer there, as a program with what the candidate gave it",
    )
    model.add_argument("--quiet", action="store_true", help="show no progress")
    model.add_argument(
        "--timeout",
        type=_positive(float),
        default=600.0,
        metavar="SECONDS",
        help="time allowed for one run of a candidate (default 600)",
    )
    for name in ("jsonl", "junit", "html"):
        model.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write a {name} report")


def _add_list(commands: Any) -> None:
    listing = commands.add_parser("list", help="show clauses, cases, implementations or defects")
    listing.set_defaults(command=_later("listing", "show"))
    listing.add_argument("what", choices=("clauses", "cases", "implementations", "defects"))
    add_selection(listing)
    listing.add_argument("--json", action="store_true", help="print one JSON array")
    listing.add_argument(
        "--markdown",
        action="store_true",
        help="print clauses as a document, each with its source, formula and example; or defects",
    )
    listing.add_argument(
        "--report",
        metavar="ID",
        help="print a defect as a report to be filed with its project, in the form it asks for",
    )


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser(
        "explain",
        help="explain a case, a layer on an input shape, or a clause",
        description="Explain why an output has its shape, where the padding is, what the windows "
        "read, which clauses apply and who is known to deviate; a clause with its source, formula "
        "and a worked example. Exit status: 0, or 2 for what cannot be explained.",
    )
    explain.set_defaults(command=_explain)
    explain.add_argument(
        "subject",
        nargs="?",
        metavar="DESCRIPTOR|LAYER|CLAUSE-ID",
        help="a case; a layer's name, with --input and its arguments; or a clause's id, or what "
        "several begin with",
    )
    explain.add_argument("--input", metavar="N,N,...", help="the input's shape with its batch")
    explain.add_argument(
        "--code",
        metavar="NOTATION",
        help="print the equivalent code alone: all, "
        "or one of numpy, torch.nn, torch.nn.functional (torch for both), tf.keras, jax, onnx",
    )
    explain.add_argument(
        "--from-torch",
        metavar="MODULE",
        help="a module such as 'Conv2d(3, 8, 3, stride=2, padding=1)', with --input as torch has "
        "it: which documented arguments give the same",
    )
    explain.add_argument("--svg", type=Path, metavar="FILE", help="write the picture as SVG")
    explain.add_argument("--ascii", action="store_true", help="draw in plain ASCII")
    explain.add_argument("--json", action="store_true", help="print one JSON object")
    of_layer = explain.add_argument_group("arguments of a layer, 3,2 for a tuple")
    for name in arguments():
        of_layer.add_argument(f"--{name.replace('_', '-')}", dest=f"layer_{name}", metavar="VALUE")


def _add_golden(commands: Any) -> None:
    golden = commands.add_parser("golden", help="verify or regenerate the stored fixtures")
    actions = golden.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="check files, values and observations")
    regenerate = actions.add_parser("regenerate", help="write every expected value anew")
    observe = actions.add_parser("observe", help="store anew what tf.keras and torch.nn do")
    for action, command, workers in (
        (verify, "verify_fixtures", None),
        (regenerate, "regenerate", 1),
        (observe, "observe", 1),
    ):
        action.set_defaults(command=_later("golden", command))
        action.add_argument("--directory", type=Path, help="default: the project's fixtures")
        action.add_argument("-n", dest="workers", type=_positive(int), default=workers)
    regenerate.add_argument("--reason", required=True, help="why, for the manifest")
    observe.add_argument("--reason", required=True, help="why, for the manifest")
    observe.add_argument("--implementation", action="append", metavar="NAME")


def _add_field(commands: Any) -> None:
    field = commands.add_parser("field", help="judge every implementation, and tell of all")
    actions = field.add_subparsers(dest="action", metavar="ACTION", required=True)
    judge = actions.add_parser(
        "run",
        help="judge what is installed of the field, with its variants",
        description="Judge every installed implementation, in all variants in which people run it, "
        "or those that are named; the exit status is that of conformance run.",
    )
    judge.add_argument("names", nargs="*", metavar="NAME", help="an implementation, or its extra")
    judge.add_argument("--grid", choices=GRIDS, default="smoke", help="default smoke")
    judge.add_argument("-n", dest="workers", type=_positive(int), default=1, metavar="WORKERS")
    judge.add_argument("--timeout", type=_positive(float), default=60.0, metavar="SECONDS")
    judge.add_argument("--jsonl", type=Path, metavar="FILE", help="write a JSON-lines report")
    judge.add_argument(
        "--record", type=Path, metavar="FOLDER", help="store what was seen, for the table"
    )
    record = actions.add_parser("record", help="store what reports say, for the table")
    record.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl", help="a run's --jsonl")
    table = actions.add_parser("table", help="the page of the field, from what is stored")
    table.add_argument(
        "--short", type=Path, metavar="README.md", help="put the table in short into this document"
    )
    for action in (record, table):
        action.add_argument("--directory", type=Path, help="default: field in the fixtures")
    for action, command in ((judge, "judge"), (record, "record"), (table, "table")):
        action.set_defaults(command=_field(command))


def _add_shrink(commands: Any) -> None:
    shrink = commands.add_parser(
        "shrink",
        help="shrink a failing case",
        description="Shrink a failing case to a smallest one that fails for the same reason (the "
        "same known fault, else the same stage), and print it as a command and as a program that "
        "needs only NumPy and the implementation. Of several cases the last is shrunk together "
        "with those after which it fails. Exit status: 1, or 0 where it does not fail.",
    )
    shrink.set_defaults(command=_later("shrinking", "shrink"))
    shrink.add_argument(
        "descriptors",
        metavar="DESCRIPTOR",
        nargs="+",
        help="the failing case, after those that make it fail where it conforms alone",
    )
    shrink.add_argument(
        "--implementation",
        required=True,
        metavar=IMPLEMENTATION,
        help="the implementation in which it fails",
    )
    shrink.add_argument(
        "--seconds",
        type=_positive(float),
        default=60.0,
        help="when to stop with the smallest case so far (default 60)",
    )
    shrink.add_argument(
        "--timeout",
        type=_positive(float),
        default=60.0,
        metavar="SECONDS",
        help="time allowed for one case (default 60)",
    )


def _add_search(commands: Any) -> None:
    search = commands.add_parser(
        "search",
        help="look for counterexamples beyond the grids",
        description="Judge random cases, the sizes in them free, until the time is up or something "
        "fails; shrink what fails and print it. Known deviations are counted only. Needs the "
        "package hypothesis. Exit status: 0 nothing found, 1 found, 2 wrong usage, 3 nothing was "
        "judged.",
    )
    search.set_defaults(command=_later("search", "search"))
    search.add_argument(
        "--implementation",
        required=True,
        metavar=IMPLEMENTATION,
        help="the implementation to search",
    )
    search.add_argument(
        "--layer",
        action="append",
        choices=LAYERS,
        metavar="NAME",
        help=f"only this layer: {', '.join(LAYERS)}; may be repeated",
    )
    search.add_argument(
        "--minutes", type=_positive(float), default=1.0, help="when to stop (default 1)"
    )
    _add_cluster(search, "search")
    search.add_argument(
        "--seed", type=int, help="the same seed tries the same cases; default: another each time"
    )
    search.add_argument(
        "--timeout",
        type=_positive(float),
        default=60.0,
        metavar="SECONDS",
        help="time allowed for one case (default 60)",
    )


def _add_selftest(commands: Any) -> None:
    selftest = commands.add_parser(
        "selftest",
        help="plant known faults and see whether the suite finds and names them",
        description="Plant each fault of the catalogue, alone, in an implementation; the suite has "
        "to detect it and to name it. Correct implementations that are written in other ways must "
        "raise no alarm. Exit status: 0 for a full score, else 1.",
    )
    selftest.set_defaults(command=_later("selftest", "selftest"))
    selftest.add_argument(
        "--fault", action="append", metavar="ID", help="only this fault; may be repeated"
    )
    selftest.add_argument("--grid", choices=GRIDS, default="smoke", help="default: smoke")


def _field(command: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from conformance.command_line import field

        status: int = getattr(field, command)(options)
        return status

    return run


def _later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """What a command does, its module imported when it is asked for."""

    def run(options: argparse.Namespace) -> int:
        with collecting_later():
            command = getattr(import_module(f"conformance.command_line.{module}"), function)
        status: int = command(options)
        return status

    return run


def add_selection(command: argparse.ArgumentParser) -> None:
    """Add the options that select cases."""
    command.add_argument(
        "--layer",
        action="append",
        choices=LAYERS,
        metavar="NAME",
        help=f"only this layer: {', '.join(LAYERS)}; may be repeated",
    )
    command.add_argument(
        "--clause",
        action="append",
        metavar="ID",
        help="only cases of this clause; a trailing .* takes all below it",
    )
    command.add_argument(
        "--case", action="append", metavar="DESCRIPTOR", help="this case; instead of a grid"
    )
    command.add_argument(
        "--grid",
        choices=GRIDS,
        default="standard",
        help="smoke: each class of cases once; standard (the default): their pairs; full: also all "
        "windows on one axis with lengths to 9, windows to 5, strides to 4, dilation rates to 3, "
        "and on two axes to 6, 4, 3 and 2; networks: layers of known networks, apart; "
        "beyond: inputs of more than 2**31 bytes, for which there must be memory",
    )


def _run(options: argparse.Namespace) -> int:
    if options.model is not None:
        from conformance.command_line.model import run_model

        return run_model(options)
    if options.inputs:
        raise UsageError("--inputs is for --model: a case makes its own operands")
    from conformance.command_line.run import run

    with collecting_seldom():
        return run(options)


def _explain(options: argparse.Namespace) -> int:
    with collecting_later():
        from conformance.command_line.explain import explain

        return explain(options)


def _positive(kind: type) -> Any:
    def convert(text: str) -> Any:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return value

    convert.__name__ = f"positive {kind.__name__}"
    return convert


def _shard(text: str) -> tuple[int, int]:
    """A part and the number of parts, of the form ``I/N``."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form I/N with 1 <= I <= N")
    return int(part), int(parts)
