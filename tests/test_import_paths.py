"""What is imported of a user's: the sources as they are now, and what lies beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.implementations.import_paths import module_of_file

PROGRAM = """
from pathlib import Path
from conformance.implementations.import_paths import module_of_file
print(module_of_file(Path("main.py"), "main").VALUE)
"""


@pytest.mark.parametrize(
    ("main", "beside"),
    [
        ("VALUE = {}", ""),
        ("import beside; VALUE = beside.OTHER", "OTHER = {}"),
    ],
    ids=["the file", "what lies beside it"],
)
def test_a_file_that_changes_within_a_second_is_read_anew(
    main: str, beside: str, tmp_path: Path
) -> None:
    """Python would take the bytecode of a file of the same second and size for its own."""

    def said(value: int) -> str:
        for name, text in (("main.py", main), ("beside.py", beside)):
            (tmp_path / name).write_text(text.format(value), encoding="utf-8")
            os.utime(tmp_path / name, (1_000_000_000, 1_000_000_000))
        command = [sys.executable, "-c", PROGRAM]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert [said(1), said(2)] == ["1", "2"]
    assert not (tmp_path / "__pycache__").exists()


def test_what_is_no_python_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="is no Python file"):
        module_of_file(tmp_path / "layers.txt", "layers")
