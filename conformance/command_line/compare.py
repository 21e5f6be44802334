"""``conformance compare``: what changed between two runs."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from conformance.command_line.errors import UsageError
from conformance.report.compare import compare, in_words
from conformance.report.reading import ReportError, read_account
from conformance.report.terminal import Style
from conformance.report.text import show

_REGRESSION: Final = 1


def compare_runs(options: argparse.Namespace) -> int:
    """Print what changed; 1 on a regression, else 0.

    Raises:
        UsageError: for a file that is no report.
    """
    try:
        old, new = read_account([options.old]), read_account([options.new])
    except ReportError as error:
        raise UsageError(str(error)) from error
    found = compare(old, new)
    show(in_words(found, Style.of(sys.stdout, verbose=options.verbose)), sys.stdout)
    return _REGRESSION if found.regressions else 0
