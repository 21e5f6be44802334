"""The ``conformance`` command: its parser, and one module per sub-command.

Exit status: 0 everything conforms, is unsupported, or deviates as recorded; 1 something else;
2 wrong usage; 3 nothing was judged; 128 and the signal's number where one ended it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Final

from conformance.command_line.collecting import collecting_later
from conformance.command_line.errors import UsageError
from conformance.command_line.parser import parser
from conformance.command_line.signals import as_exceptions, signal_of
from conformance.report.text import say
from reference_impl.config import as_never_set

EXIT_USAGE = 2
EXIT_SIGNAL = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    _have_standard_streams()
    with collecting_later():
        options = parser().parse_args(arguments)
    try:
        with as_never_set(), as_exceptions():
            status = int(options.command(options))
            sys.stdout.flush()  # while what goes wrong with it can still be said
            return status
    except UsageError as error:
        say(f"conformance: {error}", sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt as interruption:
        with contextlib.suppress(OSError):
            print("conformance: interrupted", file=sys.stderr)
        return EXIT_SIGNAL + signal_of(interruption)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        say(f"conformance: what was to be written could not be: {error}", sys.stderr)
        return 1


_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The errors of a device that takes no more."""


def _have_standard_streams() -> None:
    """Open what is closed of the streams 0 to 2, and let no name be unprintable on them."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            descriptor = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, os.fdopen(descriptor, "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
