"""The fixture directory: where it is, reading all of it, and replacing it as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from conformance.golden import lock
from conformance.golden import manifest as manifests
from conformance.golden.container import LARGEST_FILE, unpack
from conformance.golden.errors import FixtureError
from conformance.golden.fixture import EXPECTED, Fixture, read_fixture
from conformance.golden.manifest import FileRecord, Manifest
from conformance.report.files import write_atomically

VARIABLE: Final = "CONFORMANCE_FIXTURES"
"""Environment variable that names another fixture directory."""

_COMPANIONS: Final = frozenset({manifests.NAME, "README.md", "field"})


def fixture_directory() -> Path:
    """The directory in use.

    It is the one that the environment variable names, else ``fixtures`` beside the package (a
    source checkout), else the copy installed inside the package.
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    package = Path(__file__).resolve().parent
    root = package.parent.parent
    is_checkout = (root / "pyproject.toml").is_file()
    return root / "fixtures" if is_checkout else package / "fixtures"


def read_all(directory: Path) -> tuple[Manifest, list[Fixture]]:
    """The manifest and every fixture it names, each held against it.

    Raises:
        FixtureError: for the first file that is missing, truncated, altered, extra or foreign.
    """
    manifest = manifests.read_manifest(directory)
    check_strangers(directory, manifest)
    return manifest, read_named(directory, manifest, lambda name: True)


def read_named(directory: Path, manifest: Manifest, wanted: Callable[[str], bool]) -> list[Fixture]:
    """The expected values, and those observations whose file names are wanted.

    Raises:
        FixtureError: for the first file that is not what the manifest says.
    """
    expected = {
        name: read_one(directory, name, record, {})
        for name, record in manifest.files.items()
        if name.startswith(f"{EXPECTED}-")
    }
    observed = [
        read_one(directory, name, record, expected)
        for name, record in manifest.files.items()
        if name not in expected and wanted(name)
    ]
    return [*expected.values(), *observed]


def read_one(
    directory: Path, name: str, record: FileRecord, expected: Mapping[str, Fixture]
) -> Fixture:
    """One fixture, held against its record.

    Args:
        directory: where it is.
        name: its file name.
        record: what the manifest says of it.
        expected: the fixtures of expected values, by the names of their files.

    Raises:
        FixtureError: if the file is not what the manifest says.
    """
    content = manifests.read_file(directory, name, record)
    fixture = _fixture(directory / name, content, tuple(expected.items()))
    if len(fixture.entries) != record.cases:
        raise FixtureError(
            directory / name,
            f"holds {len(fixture.entries)} cases; the manifest says {record.cases}",
        )
    if fixture.stem != manifests.stem_of(name):
        raise FixtureError(directory / name, f"holds {fixture.stem}, which its name does not say")
    return fixture


@lru_cache(maxsize=64)  # the goldens of a run, and their versions, are told from the same files
def _fixture(path: Path, content: bytes, expected: tuple[tuple[str, Fixture], ...]) -> Fixture:
    return read_fixture(path, content, dict(expected))


def check_strangers(directory: Path, manifest: Manifest) -> None:
    """Refuse files that are neither named by the manifest nor left by an interruption.

    Raises:
        FixtureError: for the first such file.
    """
    for path in sorted(directory.iterdir()):
        known = path.name in manifest.files or path.name in _COMPANIONS
        if not known and not is_leftover(path):
            raise FixtureError(path, "is not named by the manifest: an extra or foreign file")


def is_leftover(path: Path) -> bool:
    """Whether an unnamed file is what an interrupted regeneration leaves behind.

    That is a temporary file, or a whole fixture that carries its own digest in its name.
    """
    if path.name.startswith(".") and path.name.endswith(".tmp"):
        return path.is_file()
    if path.suffix != ".npz" or not path.is_file() or path.stat().st_size > LARGEST_FILE:
        return False
    return manifests.names_its_content(path, path.read_bytes())


def replace_all(
    directory: Path, fixtures: Iterable[Fixture], *, suite_version: str, spec_sha256: str,
    reason: str, versions: dict[str, str],
) -> bool:  # fmt: skip
    """Replace the directory's fixtures; return whether anything changed.

    New files first, then the manifest in one step, then the removal of what it no longer names:
    whatever the moment of an interruption, the manifest in place names only whole files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        fixture.file_name: (fixture, _bytes_for(directory, fixture)) for fixture in fixtures
    }
    records = {
        name: FileRecord(manifests.digest(content), len(content), len(fixture.entries))
        for name, (fixture, content) in contents.items()
    }
    new = Manifest(manifests.FORMAT, suite_version, spec_sha256, reason, versions, records)
    if _present(directory, new):
        _remove_unnamed(directory, new)
        return False
    for name, (_, content) in contents.items():
        write_atomically(directory / name, content)
    write_atomically(directory / manifests.NAME, new.to_json())
    _remove_unnamed(directory, new)
    return True


def _bytes_for(directory: Path, fixture: Fixture) -> bytes:
    """The bytes of a fixture's file: those in place, where they hold its content.

    Another zlib may have compressed them otherwise, which is no change.
    """
    path = directory / fixture.file_name
    try:
        if path.is_file() and path.stat().st_size <= LARGEST_FILE:
            content = path.read_bytes()
            if unpack(path, content) == fixture.content:
                return content
    except (OSError, FixtureError):
        pass
    return fixture.pack()


def _present(directory: Path, new: Manifest) -> bool:
    """Whether the directory already holds exactly the content that `new` describes."""
    try:
        old = manifests.read_manifest(directory)
        check_strangers(directory, old)
        for name, record in old.files.items():
            manifests.read_file(directory, name, record)
    except FixtureError:
        return False
    return old.same_content(new)


def _remove_unnamed(directory: Path, manifest: Manifest) -> None:
    for path in directory.iterdir():
        kept = path.name in manifest.files or path.name == lock.NAME
        if not kept and path.is_file() and is_leftover(path):
            path.unlink()


def expected_of(fixtures: Iterable[Fixture]) -> dict[str, Fixture]:
    """The fixtures of expected values by layer."""
    return {fixture.layer: fixture for fixture in fixtures if fixture.kind == EXPECTED}
