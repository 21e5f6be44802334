"""The ``conformance`` command: its parser, and one module per sub-command.

Exit status: 0 everything conforms, is unsupported, or deviates as recorded; 1 something else;
2 wrong usage; 3 nothing was judged.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from conformance.command_line.errors import UsageError
from conformance.command_line.parser import parser
from conformance.report.text import say
from reference_impl.config import as_never_set

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        with as_never_set():
            return int(options.command(options))
    except UsageError as error:
        say(f"conformance: {error}", sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("conformance: interrupted; no report was written", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
