"""The forms in which a report is written, each with its option; all but the terminal's."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from conformance.report.files import STANDARD_OUTPUT, write_atomically

if TYPE_CHECKING:
    from conformance.report.account import Account


@dataclass(frozen=True)
class Format:
    """One form of report.

    Attributes:
        option: the option, without its dashes, that asks for it.
        module: where its ``render(account) -> bytes`` is; imported only when asked for.
        help: what the option does.
    """

    option: str
    module: str
    help: str

    def render(self, account: Account) -> bytes:
        """The report."""
        render = importlib.import_module(self.module).render
        return cast("Callable[[Account], bytes]", render)(account)


FORMATS: Final = (
    Format("html", "conformance.report.page", "write a page to look at, in one file"),
    Format("markdown", "conformance.report.markdown", "write a summary of at most 40 lines"),
    Format("junit", "conformance.report.junit", "write a JUnit report"),
    Format("badge", "conformance.report.badge", "write a badge for shields.io's endpoint"),
)
"""All forms that are written to files."""


def add_formats(command: argparse.ArgumentParser) -> None:
    """Add an option for every form to a sub-command, and those that say what is printed."""
    for form in FORMATS:
        command.add_argument(f"--{form.option}", type=Path, metavar="FILE", help=form.help)
    command.add_argument(
        "--github",
        action="store_true",
        help="print an annotation for GitHub Actions for each cause of failures",
    )
    amount = command.add_mutually_exclusive_group()
    amount.add_argument("--quiet", action="store_true", help="print the totals alone")
    amount.add_argument(
        "--verbose", action="store_true", help="print every clause, every cause and all its cases"
    )


def write_formats(options: argparse.Namespace, account: Account) -> None:
    """Write every form that is asked for.

    Raises:
        OSError: if a file cannot be written.
    """
    for form in FORMATS:
        path = getattr(options, form.option)
        if path is not None:
            _write(path, form.render(account))


def _write(path: Path, content: bytes) -> None:
    if path == STANDARD_OUTPUT:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_atomically(path, content)


def print_summary(options: argparse.Namespace, account: Account) -> None:
    """Print the summary, and the annotations where they are asked for.

    The summary goes to standard error where a report takes standard output.
    """
    from conformance.report import github, terminal
    from conformance.report.text import show

    taken = STANDARD_OUTPUT in outputs(options).values()
    stream = sys.stderr if taken else sys.stdout
    style = terminal.Style.of(stream, verbose=options.verbose)
    if options.quiet:
        show("\n".join(terminal.totals(account, style)), stream)
    else:
        show(terminal.summary(account, style), stream)
    if options.github:
        print("\n".join(github.commands(account)), file=stream)


def outputs(options: argparse.Namespace) -> dict[str, Path]:
    """The files that will be written, by their options."""
    names = ("jsonl", *(form.option for form in FORMATS))
    return {f"--{name}": path for name in names if (path := getattr(options, name, None))}
