"""Protects the fixture files: their bytes, their refusal of anything odd, their replacement."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance.command_line import main
from conformance.golden import directory as directories
from conformance.golden import lock
from conformance.golden import manifest as manifests
from conformance.golden.container import LARGEST_MEMBER, pack, unpack
from conformance.golden.coverage import first_unused
from conformance.golden.directory import read_all, replace_all
from conformance.golden.errors import FixtureError
from conformance.golden.fixture import EXPECTED, OBSERVED, Fixture

OLD = [
    Fixture(EXPECTED, "Flatten", {"Flatten/inputs:2x3": {"shape": [2, 3]}}, b"old data"),
    Fixture(EXPECTED, "Input", {"Input/shape:(3,)": {"shape": [None, 3]}}, b""),
]
NEW = [
    Fixture(EXPECTED, "Flatten", {"Flatten/inputs:2x3": {"shape": [2, 4]}}, b"new data"),
    Fixture(EXPECTED, "Conv1D", {"Conv1D": {"rejection": True}}, b"more"),
]


def write(folder: Path, fixtures: list[Fixture], reason: str = "a test") -> bool:
    return replace_all(
        folder, fixtures, suite_version="1", spec_sha256="s", reason=reason, versions={}
    )


@pytest.fixture
def fixtures(tmp_path: Path) -> Path:
    write(tmp_path / "fixtures", OLD)
    return tmp_path / "fixtures"


def the_file(folder: Path) -> Path:
    return next(folder.glob("expected-flatten.*.npz"))


def name_of(stem: str, path: Path, content: bytes) -> str:
    """The name that content must have; of what is no fixture, any that is of the form."""
    try:
        return manifests.file_name(stem, *unpack(path, content))
    except FixtureError:
        return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.npz"


def rename_to_digest(path: Path, content: bytes, manifest_path: Path) -> Path:
    """Put `content` in the file's place, with name and manifest to match."""
    manifest = json.loads(manifest_path.read_text("utf-8"))
    record = manifest["files"].pop(path.name)
    path.unlink()
    digest = hashlib.sha256(content).hexdigest()
    path = path.with_name(name_of(manifests.stem_of(path.name), path, content))
    manifest["files"][path.name] = {**record, "sha256": digest, "bytes": len(content)}
    manifest_path.write_text(json.dumps(manifest), "utf-8")
    path.write_bytes(content)
    return path


def members(packed: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return b"".join(archive.read(member) for member in archive.infolist())


def test_a_file_depends_on_its_content_alone():
    packed = pack(b'{"a":1}', bytes(range(10)))
    digest = "de53a7001fe9e14c1a5750e9620054fadedf0cad3f852669d70e4233ddac3eec"
    assert hashlib.sha256(members(packed)).hexdigest() == digest
    assert packed == pack(b'{"a":1}', bytes(range(10)))
    assert manifests.file_name("x", b'{"a":1}', bytes(range(10))) == "x.cdd658feda2d.npz"


def test_files_of_another_compression_stay(fixtures: Path):
    """As another zlib would have made them: their content is the same, and so they are."""
    manifest = json.loads((fixtures / "manifest.json").read_text("utf-8"))
    for path in fixtures.glob("*.npz"):
        archive = io.BytesIO()
        with zipfile.ZipFile(path) as packed, zipfile.ZipFile(archive, "w") as file:
            for name in packed.namelist():
                file.writestr(name, packed.read(name))
        content = archive.getvalue()
        assert content != path.read_bytes()
        record = manifest["files"][path.name]
        record |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        path.write_bytes(content)
    (fixtures / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    before = contents(fixtures)
    assert not write(fixtures, OLD)
    assert contents(fixtures) == before
    assert write(fixtures, [OLD[0], NEW[1]])
    kept = the_file(fixtures)
    assert contents(fixtures)[kept.name] == before[kept.name]
    read_all(fixtures)


def test_numpy_reads_a_file_without_pickle(fixtures: Path):
    with np.load(the_file(fixtures), allow_pickle=False) as archive:
        assert archive["data"].tobytes() == b"old data"
        assert json.loads(archive["index"].tobytes())["layer"] == "Flatten"


def test_what_was_written_is_read_again(fixtures: Path):
    manifest, read = read_all(fixtures)
    assert [f.pack() for f in read] == [f.pack() for f in OLD]
    assert manifest.reason == "a test"


def test_writing_the_same_again_changes_no_file(fixtures: Path):
    before = {path: path.stat().st_mtime_ns for path in fixtures.iterdir()}
    assert not write(fixtures, OLD, "another reason")
    assert {path: path.stat().st_mtime_ns for path in fixtures.iterdir()} == before


def test_replacing_leaves_only_the_new_files(fixtures: Path):
    assert write(fixtures, NEW)
    manifest, read = read_all(fixtures)
    assert {f.stem for f in read} == {"expected-flatten", "expected-conv1d"}
    assert {path.name for path in fixtures.iterdir()} == {*manifest.files, "manifest.json"}


class Interrupted(BaseException):
    """Stands for a signal."""


@pytest.mark.parametrize("moment", range(12))
def test_an_interruption_at_any_moment_leaves_whole_fixtures(fixtures, monkeypatch, moment):
    """Every file operation of a replacement in turn is the last one that happens."""
    count = 0

    def interrupting(operation):
        def run(*arguments, **keywords):
            nonlocal count
            if count == moment:
                raise Interrupted
            count += 1
            return operation(*arguments, **keywords)

        return run

    for name in ("open", "replace", "unlink"):
        monkeypatch.setattr(Path, name, interrupting(getattr(Path, name)))
    with pytest.raises(Interrupted):
        write(fixtures, NEW)
    monkeypatch.undo()
    packed = {fixture.pack() for fixture in read_all(fixtures)[1]}
    assert packed in ({f.pack() for f in OLD}, {f.pack() for f in NEW})
    write(fixtures, NEW)
    assert {fixture.pack() for fixture in read_all(fixtures)[1]} == {f.pack() for f in NEW}
    assert len(list(fixtures.iterdir())) == len(NEW) + 1


def corrupt_missing(folder: Path) -> Path:
    path = the_file(folder)
    path.unlink()
    return path


def corrupt_truncated(folder: Path) -> Path:
    path = the_file(folder)
    path.write_bytes(path.read_bytes()[:-7])
    return path


def corrupt_altered(folder: Path) -> Path:
    path = the_file(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


def corrupt_extra(folder: Path) -> Path:
    path = folder / "expected-extra.npz"
    path.write_bytes(the_file(folder).read_bytes())
    return path


def corrupt_foreign_kind(folder: Path) -> Path:
    path = folder / "notes.txt"
    path.write_text("a stranger", "utf-8")
    return path


def corrupt_no_archive(folder: Path) -> Path:
    return rename_to_digest(the_file(folder), b"no zip archive at all", folder / "manifest.json")


def bomb(size: int) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("index.npy", b"\0" * size)
        file.writestr("data.npy", b"")
    return archive.getvalue()


def corrupt_bomb(folder: Path) -> Path:
    """It announces what it is."""
    content = bomb(LARGEST_MEMBER + 1)
    return rename_to_digest(the_file(folder), content, folder / "manifest.json")


def corrupt_lying_bomb(folder: Path) -> Path:
    """It announces 77 bytes."""
    size = 20_000_000
    content = bomb(size).replace(size.to_bytes(4, "little"), (77).to_bytes(4, "little"))
    return rename_to_digest(the_file(folder), content, folder / "manifest.json")


def corrupt_method(folder: Path) -> Path:
    """Members compressed by another method than deflate."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_BZIP2) as file:
        for name in ("index.npy", "data.npy"):
            file.writestr(name, b"x")
    return rename_to_digest(the_file(folder), archive.getvalue(), folder / "manifest.json")


def corrupt_pickle(folder: Path) -> Path:
    archive = io.BytesIO()
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(archive, index=objects, data=np.zeros(3, np.uint8))
    return rename_to_digest(the_file(folder), archive.getvalue(), folder / "manifest.json")


def corrupt_header(folder: Path) -> Path:
    """The header announces a thousand billion bytes; eight follow."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }"
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"12345678"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.npy", member)
        file.writestr("data.npy", member)
    return rename_to_digest(the_file(folder), archive.getvalue(), folder / "manifest.json")


def corrupt_announced_size(folder: Path) -> Path:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["files"][the_file(folder).name]["bytes"] = 10**15
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder / "manifest.json"


def corrupt_count(folder: Path) -> Path:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["files"][the_file(folder).name]["cases"] = 7
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return the_file(folder)


def corrupt_version(folder: Path) -> Path:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}), "utf-8")
    return folder / "manifest.json"


def corrupt_path(folder: Path) -> Path:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["files"]["../outside.npz"] = next(iter(manifest["files"].values()))
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder / "manifest.json"


def corrupt_manifest(folder: Path) -> Path:
    (folder / "manifest.json").write_text("[]", "utf-8")
    return folder / "manifest.json"


def corrupt_no_manifest(folder: Path) -> Path:
    (folder / "manifest.json").unlink()
    return folder / "manifest.json"


def corrupt_nested(folder: Path) -> Path:
    content = pack(b"[" * 200_000, b"")
    return rename_to_digest(the_file(folder), content, folder / "manifest.json")


def corrupt_wrong_name(folder: Path) -> Path:
    """A whole fixture of another layer under this layer's name."""
    return rename_to_digest(the_file(folder), NEW[1].pack(), folder / "manifest.json")


def corrupt_huge_manifest(folder: Path) -> Path:
    (folder / "manifest.json").write_bytes(b" " * (2**20 + 1))
    return folder / "manifest.json"


def corrupt_directory(folder: Path) -> Path:
    """A directory where a file belongs."""
    path = folder / "expected-extra.0123456789ab.npz"
    path.mkdir()
    return path


def corrupt_two_of_a_kind(folder: Path) -> Path:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    name = the_file(folder).name
    manifest["files"]["expected-flatten.0.npz"] = manifest["files"][name]
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder / "manifest.json"


def corrupt_device(folder: Path) -> Path:
    """A device that never ends in the manifest's place."""
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").symlink_to("/dev/zero")
    return folder / "manifest.json"


def corrupt_fifo(folder: Path) -> Path:
    """A pipe into which nobody writes."""
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    return folder / "manifest.json"


def corrupt_key_twice(folder: Path) -> Path:
    return edit_manifest(folder, '"format": 1,', '"format": 99, "format": 1,')


def corrupt_boolean_version(folder: Path) -> Path:
    """True equals 1, and is no version."""
    return edit_manifest(folder, '"format": 1,', '"format": true,')


def corrupt_surrogate(folder: Path) -> Path:
    """Half of a surrogate pair, which cannot be printed, in the reason."""
    return edit_manifest(folder, '"a test"', '"a \\ud800 test"')


def corrupt_infinite_version(folder: Path) -> Path:
    return edit_manifest(folder, '"format": 1,', '"format": Infinity,')


def edit_manifest(folder: Path, old: str, new: str) -> Path:
    path = folder / "manifest.json"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return path


def corrupt_digest_in_name(folder: Path) -> Path:
    """The right content under a name that tells of another."""
    path = the_file(folder)
    renamed = path.rename(path.with_name("expected-flatten.0123456789ab.npz"))
    edit_manifest(folder, path.name, renamed.name)
    return renamed


CORRUPTIONS = [value for name, value in globals().items() if name.startswith("corrupt_")]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda corrupt: corrupt.__name__)
def test_anything_odd_is_refused_with_the_files_name(fixtures: Path, corrupt, capsys):
    """By every command: a message, a failing exit status, and no file touched."""
    path = corrupt(fixtures)
    before = contents(fixtures)
    with pytest.raises(FixtureError) as caught:
        read_all(fixtures)
    assert path.name in str(caught.value)
    assert main(["golden", "verify", "--directory", str(fixtures)]) == 1
    assert f"conformance: {path}" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["golden", "regenerate", "--reason", "why", "--directory", str(fixtures)])
    assert ended.value.code == 1
    assert f"conformance: {path}" in capsys.readouterr().err
    assert contents(fixtures) == before


def test_damaged_fixtures_cannot_be_judged(fixtures: Path, monkeypatch, capsys):
    path = corrupt_altered(fixtures)
    monkeypatch.setenv("CONFORMANCE_FIXTURES", str(fixtures))
    assert main(["run", "--implementation", "golden", "--grid", "smoke"]) == 2
    assert path.name in capsys.readouterr().err


ARRAY = ["uint8", [2], 0]
ODD_EXPECTED = [
    None, "array", [], {}, {"unknown": 1}, {"same": True}, {"ulps": ["int8", 0]},
    {"array": ARRAY, "shape": [2]}, {"array": None}, {"array": ["uint8", [2]]},
    {"array": ["object", [1], 0]}, {"array": [["uint8"], [1], 0]}, {"array": ["uint8", [-1], 0]},
    {"array": ["uint8", [2.0], 0]}, {"array": ["uint8", [True], 0]}, {"array": ["uint8", 2, 0]},
    {"array": ["uint8", [2], 1]}, {"array": ["uint8", [2], -1]}, {"array": ["uint8", [2], "0"]},
    {"array": ["float64", [1], 0]}, {"array": ["uint8", [2**40, 2**40], 0]},
    {"arrays": [ARRAY]}, {"arrays": {"inputs": ARRAY}}, {"arrays": {"inputs": {"same": True}}},
    {"shape": "2x3"}, {"shape": [2.5]}, {"shape": [-1]}, {"shape": [False]},
    {"rejection": False}, {"rejection": 1}, {"rejection": ["ValueError", "no"]},
    {"literal": {"code": "print()"}}, {"literal": {"float": "1.5"}}, {"literal": {"tuple": 1}},
    {"literal": {"dict": {"a": 1}}}, {"literal": {"dict": [[[1], 1]]}},
    {"literal": {"array": ["uint8", [9], 0]}}, {"literal": {"tuple": [], "dict": []}},
]  # fmt: skip
ODD_OBSERVED = [
    None, {}, {"same": 1}, {"same": True, "array": ARRAY}, {"shape": [2]}, {"rejection": True},
    {"rejection": ["ValueError"]}, {"rejection": ["ValueError", 5]}, {"unsupported": None},
    {"crash": ["x"]}, {"timeout": "1"}, {"timeout": -1}, {"ulps": ["float32", 0]},
    {"ulps": ["int8", 1]}, {"ulps": ["int16", 0]}, {"ulps": ["int8", -1]}, {"ulps": [0, "int8"]},
    {"repeat": {"array": ARRAY}}, {"same": True, "repeat": ARRAY},
    {"same": True, "repeat": {"same": True}}, {"crash": "x", "changed": ["inputs"]},
    {"same": True, "changed": "inputs"}, {"arrays": {"inputs": {"ulps": ["int8", 0]}}},
]  # fmt: skip
GOOD = Fixture(EXPECTED, "Flatten", {"Flatten": {"array": ARRAY}}, b"ab")


@pytest.mark.parametrize("entry", ODD_EXPECTED, ids=repr)
def test_an_odd_entry_is_refused_with_file_and_case(tmp_path: Path, entry):
    write(tmp_path, [Fixture(EXPECTED, "Flatten", {"Flatten/inputs:2": entry}, b"ab")])
    with pytest.raises(FixtureError, match=r"expected-flatten\..*npz: Flatten/inputs:2: "):
        read_all(tmp_path)


def observed(entry) -> Fixture:
    return Fixture(OBSERVED, "Flatten", {"Flatten": entry}, b"ab", "torch.nn", {}, "", GOOD)


@pytest.mark.parametrize("entry", ODD_OBSERVED, ids=repr)
def test_an_odd_observation_is_refused_with_file_and_case(tmp_path: Path, entry):
    write(tmp_path, [GOOD, observed(entry)])
    with pytest.raises(FixtureError, match=r"observed-torch\.nn-flatten\..*npz: Flatten: "):
        read_all(tmp_path)


def test_differences_from_what_is_no_array_are_refused(tmp_path: Path):
    rejected = Fixture(EXPECTED, "Flatten", {"Flatten": {"rejection": True}}, b"")
    for entry in ({"same": True}, {"ulps": ["int8", 0]}):
        data = Fixture(OBSERVED, "Flatten", {"Flatten": entry}, b"ab", "x", {}, "", rejected)
        write(tmp_path, [rejected, data])
        with pytest.raises(FixtureError, match="Flatten: "):
            read_all(tmp_path)


ODD_INDEXES = [
    b"", b"5", b"[]", b"{}", b'{"format":99}', b'{"format":[1]}',
    b'{"format":1,"kind":"other"}', b'{"format":1,"kind":"expected","layer":5,"cases":[]}',
    b'{"format":1,"kind":"expected","layer":"Flatten","cases":5}',
    b'{"format":1,"kind":"expected","layer":"Flatten","cases":[["a"]]}',
    b'{"format":1,"kind":"expected","layer":"Flatten","cases":[[5,{"rejection":true}]]}',
    b'{"format":1,"kind":"expected","layer":"Flatten","cases":[[["a"],{"rejection":true}]]}',
    b'{"format":1,"kind":"expected","layer":"Flatten","cases":[["a",{"literal":NaN}]]}',
    b'{"format":1,"kind":"expected","layer":"F","cases":[["a",{"shape":[]}],["a",{"shape":[]}]]}',
    b'{"format":1,"kind":"expected","layer":"Flatten","layer":"Flatten","cases":[]}',
    b'{"format":true,"kind":"expected","layer":"Flatten","cases":[]}',
    b'{"format":1,"kind":"expected","layer":"Flatten","cases":[["\\udfff",{"rejection":true}]]}',
    b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("index", ODD_INDEXES, ids=repr)
def test_an_odd_index_is_refused_with_the_files_name(fixtures: Path, index: bytes):
    path = rename_to_digest(the_file(fixtures), pack(index, b""), fixtures / "manifest.json")
    with pytest.raises(FixtureError, match=path.name):
        read_all(fixtures)


ODD_FIELDS = [
    {"expected": "expected-flatten.000000000000.npz"}, {"expected": None}, {"layer": "Input"},
    {"cases": []}, {"cases": [0, 0]}, {"cases": [1]}, {"cases": [-1]}, {"cases": ["0"]},
    {"cases": [False]}, {"outcomes": 5}, {"versions": ["1"]}, {"versions": {"torch": 1}},
    {"platform": 1}, {"implementation": ["torch.nn"]}, {"machine": {"isa": 1}},
    {"outcomes": [{"same": True}, {"unsupported": "no case's outcome"}]},
]  # fmt: skip


@pytest.mark.parametrize("fields", ODD_FIELDS, ids=repr)
def test_an_odd_field_of_observations_is_refused(tmp_path: Path, fields: dict):
    write(tmp_path, [GOOD, observed({"same": True})])
    path = next(tmp_path.glob("observed-*"))
    index, data = unpack(path, path.read_bytes())
    content = pack(json.dumps({**json.loads(index), **fields}).encode(), data)
    path = rename_to_digest(path, content, tmp_path / "manifest.json")
    with pytest.raises(FixtureError, match=path.name):
        read_all(tmp_path)


def test_leftovers_of_an_interruption_are_no_strangers(fixtures: Path):
    content = NEW[0].pack()
    (fixtures / NEW[0].file_name).write_bytes(content)
    (fixtures / ".manifest.json.123.tmp").write_bytes(b"half a manif")
    read_all(fixtures)


def test_a_symbolic_bomb_is_refused_before_it_is_read(tmp_path: Path):
    path = tmp_path / "big.npz"
    with path.open("wb") as stream:
        stream.truncate(directories.LARGEST_FILE + 1)
    assert not directories.is_leftover(path)


def test_unpacking_is_the_inverse_of_packing():
    for index, data in ((b"", b""), (b"{}", b"\x00" * 100), (b"x" * 70_000, b"y")):
        assert unpack(Path("x"), pack(index, data)) == (index, data)


ELEMENT = {"array": ["uint8", [1], 1]}
REFERRING = [
    {"array": ["uint8", [2], 0]}, {"arrays": {"inputs": {"array": ["uint8", [2], 0]}}},
    {"literal": {"tuple": [{"array": ["uint8", [1], 0]}, {"dict": [["a", ELEMENT]]}]}},
]  # fmt: skip
OBSERVED_REFERRING = [
    {"ulps": ["int8", 0]}, {"same": True, "repeat": {"array": ["uint8", [2], 0]}},
    {"array": ["uint8", [1], 0], "repeat": ELEMENT},
]  # fmt: skip


@pytest.mark.parametrize("entry", REFERRING, ids=repr)
def test_bytes_that_no_entry_refers_to_are_found(entry):
    """At the end and between two arrays, whatever form of entry refers to the others."""

    def unused(entries, data: bytes) -> int | None:
        return first_unused(Fixture(EXPECTED, "Flatten", entries, data))

    assert unused({"a": entry}, b"ab") is None
    assert unused({"a": entry}, b"abc") == 2
    assert unused({"a": entry, "b": {"array": ["uint8", [1], 3]}}, b"abcd") == 2
    assert unused({"a": entry, "b": {"array": ["bfloat16", [1], 1]}}, b"abc") is None


@pytest.mark.parametrize("entry", OBSERVED_REFERRING, ids=repr)
def test_bytes_that_no_observation_refers_to_are_found(entry):
    full = observed(entry)
    assert first_unused(full) is None
    assert first_unused(replace(full, data=b"abc")) == 2


def test_the_first_format_has_no_byte_that_no_entry_refers_to():
    for fixture in read_all(Path(__file__).parent / "data" / "fixtures_format_1")[1]:
        assert first_unused(fixture) is None


def test_the_lock_is_no_stranger_and_stays(fixtures: Path):
    """Nobody's replacement removes the lock of a regeneration that is at work."""
    (fixtures / lock.NAME).write_bytes(b"")
    read_all(fixtures)
    write(fixtures, NEW)
    assert (fixtures / lock.NAME).exists()
