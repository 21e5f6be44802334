"""``python -m conformance``: the command line."""

from __future__ import annotations

import os
import sys

from conformance.implementations.import_paths import import_after_the_library

if __name__ == "__main__":
    if sys.path[:1] in ([""], [os.getcwd()]):  # as -m puts it there
        del sys.path[0]
        import_after_the_library(os.getcwd())
    from conformance.command_line import main

    sys.exit(main())
