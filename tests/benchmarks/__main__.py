"""The benchmark of this project: every figure as a ratio within one run, for a person to read.

    PYTHONPATH=. python tests/benchmarks [NAME ...] [--json FILE] [--markdown FILE]
    PYTHONPATH=. python tests/benchmarks compare OLD.json NEW.json

NAME is what the names of some benchmarks begin with, such as ``convolution``, ``judge``,
``suite/start`` or ``tricks``; without any, all run.  Of each, the candidates take turns on one
thread; a ratio is to the first of them, with the quartiles of its rounds.  Peers that are not
installed are left out, and named.  ``compare`` says what changed beyond these quartiles; its exit
status is 1 where something has become slower, 2 for a file that is none.  ``growth`` is the last
group: how time and memory of judging grow over three decades of cases and of elements.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)


def main(arguments: Sequence[str]) -> int:
    """Measure, or compare two files; the exit status."""
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    if list(arguments[:1]) == ["compare"]:
        return compare(arguments[1:])
    return measure(arguments)


def compare(arguments: Sequence[str]) -> int:
    """Print what changed between two files."""
    import writing

    parser = argparse.ArgumentParser(prog="benchmarks compare", allow_abbrev=False)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args(arguments)
    try:
        lines, slower = writing.compare(writing.read(options.old), writing.read(options.new))
    except (OSError, ValueError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 1 if slower else 0


def measure(arguments: Sequence[str]) -> int:
    """Measure what is asked for, print it as it comes, and write the files."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each, about (default 2)")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, one round: a test")
    options = parser.parse_args(arguments)
    for name in THREADS:
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import registered
    import writing

    chosen = registered.chosen(options.names, tiny=options.tiny)
    growing = registered.growing(options.names)
    if not chosen and not growing:
        groups = ", ".join(registered.groups())
        print(f"benchmarks: none begins so; there are {groups}", file=sys.stderr)
        return 2
    run = registered.measured(chosen, growing, options.seconds, tiny=options.tiny)
    for path, render in ((options.json, writing.as_json), (options.markdown, writing.as_markdown)):
        if path is not None:
            path.write_text(render(run), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
