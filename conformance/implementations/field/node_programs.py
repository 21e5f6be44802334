"""Programs in JavaScript, run by Node.js, with packages of its registry.

The packages stand in ``node_modules`` of the environment that Python runs in, or where
``NODE_PATH`` says: ``npm install --prefix "$VIRTUAL_ENV" PACKAGE``.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Final

from conformance.implementations.families import node_modules
from conformance.implementations.program import ProgramPlugin
from conformance.implementations.program import load as load_program
from conformance.implementations.protocol import Implementation, ImplementationError

_PROGRAMS: Final = Path(__file__).parent / "programs"


def command(script: str, *arguments: str) -> str:
    """The command that runs a script of the folder ``programs``.

    Raises:
        ImplementationError: if there is no Node.js.
    """
    node = shutil.which("node")
    if node is None:
        raise ImplementationError(f"{script} needs Node.js: there is no program node on the path")
    os.environ["NODE_PATH"] = os.pathsep.join(map(str, node_modules()))
    return shlex.join([node, str(_PROGRAMS / script), *arguments])


def load(name: str, script: str, arguments: tuple[str, ...] = ()) -> Implementation:
    """A script that has the layers, by the protocol of `conformance.implementations.program`.

    Raises:
        ImplementationError: if it cannot be started.
    """
    made = load_program(command(script, *arguments))
    assert isinstance(made, ProgramPlugin)
    made.name = name
    return made
