"""What is wrong with a fixture, always with the file's name."""

from __future__ import annotations

from pathlib import Path


class FixtureError(ValueError):
    """A fixture that cannot be used: which file, and why."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = Path(path)
        self.problem = problem
