"""``conformance report``: render the reports of runs, merged, in any form."""

from __future__ import annotations

import argparse

from conformance.command_line.errors import UsageError
from conformance.report.files import check_outputs
from conformance.report.formats import outputs, print_summary, write_formats
from conformance.report.reading import read_account


def report(options: argparse.Namespace) -> int:
    """Read, merge, and write; the exit status is 0, since the runs have said how they went.

    Raises:
        UsageError: for a file that is no report, or one that cannot be written.
    """
    try:
        check_outputs(outputs(options))
        account = read_account(options.files)
        write_formats(options, account)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    print_summary(options, account)
    return 0
