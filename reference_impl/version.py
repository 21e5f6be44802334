"""The version of this project, in a module of its own: importing it imports nothing else."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
