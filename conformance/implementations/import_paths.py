"""Importing from a directory without letting it replace Python's own library."""

from __future__ import annotations

import os
import sys
import sysconfig


def import_after_the_library(directory: str) -> None:
    """Let modules be imported from a directory, behind Python's own library.

    A ``random.py`` there must not take the place of the library's.
    """
    library = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    own = [
        index
        for index, path in enumerate(sys.path)
        if path in library or os.path.basename(path) == "lib-dynload"
    ]
    if directory not in sys.path:
        sys.path.insert(max(own, default=-1) + 1, directory)
