"""``python -m conformance``: the command line."""

from __future__ import annotations

import sys

from conformance.command_line import main

if __name__ == "__main__":
    sys.exit(main())
