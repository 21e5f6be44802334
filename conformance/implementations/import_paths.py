"""Importing from a user's directory: behind Python's own library, and always what is there now."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType


class _FromSource(SourceFileLoader):
    """Compiles the source, and leaves no bytecode behind.

    Python knows a file's bytecode by the file's size and the second in which it was written: a file
    that is written twice within a second would be judged as it was before.
    """

    def get_code(self, fullname: str) -> CodeType:
        """The code of a module, of its source as it is now."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def import_after_the_library(directory: str) -> None:
    """Let modules be imported from a directory, from their sources, behind Python's own library.

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
        sys.path_importer_cache[directory] = FileFinder(
            directory,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (_FromSource, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )


def module_of_file(path: Path, name: str) -> ModuleType:
    """Import a file under a name; it may import what is beside it, as a script may.

    Its directory stands behind Python's own library: what is beside it must not replace that.

    Raises:
        ImportError: if it is no Python file.
    """
    import_after_the_library(str(path.resolve().parent))
    if path.suffix not in SOURCE_SUFFIXES:
        raise ImportError(f"{path} is no Python file")
    found = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module
