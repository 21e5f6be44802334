"""Protects the format of the fixtures: a reader written from its description alone reads it."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path

import golden_reader as reader
import numpy as np
import pytest
import small_fixtures

from conformance.cases.carrier import CARRIER
from conformance.cases.operands import operands
from conformance.golden import manifest as manifests
from conformance.golden.directory import read_all
from conformance.golden.expected import expected_value
from conformance.golden.fixture import EXPECTED, OBSERVED
from conformance.golden.stored import stored_outcome
from conformance.judge.equality import same_bits
from conformance.outcomes import Value

ROOT = Path(__file__).parent.parent
EARLIER = sorted(p for p in (ROOT / "tests" / "data").glob("fixtures_format_*") if p.is_dir())
MOST_PRODUCTS = 40_000


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fixtures")
    expected = small_fixtures.expected(small_fixtures.sample())
    small_fixtures.write(folder, [*expected, *map(small_fixtures.observed, expected)])
    return folder


def bits(values: list[float]) -> list[bytes]:
    """The values as float64 bits: every NaN alike, zeros told apart."""
    return [b"nan" if v != v else struct.pack("<d", v) for v in values]


def the_same(dtype: str, shape: list[int], values: list[float], array: np.ndarray) -> bool:
    with np.errstate(invalid="ignore"):
        exact = array.astype(np.float64) if "float" in dtype else array
    named = array.dtype.name == dtype and list(array.shape) == shape
    if "float" not in dtype:
        return named and values == exact.ravel().tolist()
    return named and bits(values) == bits(exact.ravel().tolist())


def agree(entry, data, value) -> bool:
    """Whether the reader finds in an entry what this project finds in it."""
    if "array" in entry:
        return the_same(*reader.array(entry["array"], data), value)
    if "arrays" in entry:
        return all(agree(item, data, value[name]) for name, item in entry["arrays"].items())
    if "shape" in entry:
        return entry["shape"] == list(value)
    return "literal" in entry or (entry == {"rejection": True} and value is None)


def test_the_reader_knows_nothing_of_this_project():
    program = "import sys, golden_reader; print(sorted({n.partition('.')[0] for n in sys.modules}))"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "tests", capture_output=True, text=True, check=True, encoding="utf-8",
    ).stdout  # fmt: skip
    assert not any(name in found for name in ("numpy", "conformance", "reference_impl"))


def test_the_reader_finds_every_expected_value(directory: Path):
    _, files = reader.read_directory(directory)
    found = 0
    for fixture in read_all(directory)[1]:
        if fixture.kind == EXPECTED:
            index, data = next(
                (i, d) for i, d in files.values()
                if i["kind"] == "expected" and i["layer"] == fixture.layer
            )  # fmt: skip
            for case, entry in index["cases"]:
                assert agree(entry, data, expected_value(fixture.entries[case], fixture.data)), case
                found += 1
    assert found == len(small_fixtures.sample())


def test_the_reader_finds_every_observed_array(directory: Path):
    """What was observed comes back through the reader bit for bit, in each of its forms."""
    _, files = reader.read_directory(directory)
    forms: dict[str, int] = {}
    for index, data in files.values():
        if index["kind"] == "observed":
            expected_index, expected_data = files[index["expected"]]
            expected = dict(expected_index["cases"])
            whole = dict(outcomes_of(directory, index["layer"]))
            entries = reader.observations(index, expected_index)
            assert entries.keys() == whole.keys()
            for case, entry in entries.items():
                form = next(iter(entry))
                forms[form] = forms.get(form, 0) + 1
                if isinstance(whole[case], Value):
                    value = whole[case].value
                    assert observed_agrees(entry, data, expected[case], expected_data, value), case
    assert set(forms) >= {
        "same", "ulps", "array", "arrays", "literal", "rejection", "unsupported", "crash", "timeout"
    }  # fmt: skip


def observed_agrees(entry, data, expected, expected_data, value) -> bool:
    if "ulps" in entry:
        content = expected["array"]
        return the_same(
            *content[:2], reader.displaced(content, expected_data, entry["ulps"], data), value
        )
    if "arrays" in entry:
        return all(
            observed_agrees(item, data, expected["arrays"][name], expected_data, value[name])
            for name, item in entry["arrays"].items()
        )
    same = "same" in entry
    return agree(expected if same else entry, expected_data if same else data, value)


def outcomes_of(directory: Path, layer: str):
    fixture = next(f for f in read_all(directory)[1] if f.kind == EXPECTED and f.layer == layer)
    return small_fixtures.outcomes(fixture)


def test_what_is_observed_comes_back(directory: Path):
    """The project's own decoding, of every outcome."""
    for fixture in read_all(directory)[1]:
        if fixture.kind == OBSERVED:
            for case, outcome in small_fixtures.outcomes(fixture.expected):
                stored = stored_outcome(fixture, case)
                assert type(stored) is type(outcome)
                if isinstance(outcome, Value):
                    assert same_bits(stored.value, outcome.value), case
                    assert same_bits(stored.repeat, outcome.repeat), case
                    assert stored.changed_inputs == outcome.changed_inputs
                else:
                    assert stored == outcome


def recomputable(case: str) -> bool:
    """Cases whose values the reader can compute: no activation, operands of kind `integers`."""
    layer, fields = reader.parse(case)
    plain = fields["observe"] == "output" and fields["operands"] == "integers"
    if not plain or layer not in reader.RANK or "activation" in fields:
        return False
    if not all(fields["inputs"]):
        return False
    window = math.prod(reader.geometry(layer, fields)[1])
    return window * math.prod(fields["inputs"]) * fields.get("filters", 1) <= MOST_PRODUCTS


def recompute(files, most: int) -> dict[tuple[str, str], int]:
    """Recompute values from the descriptors; how many cases by layer and dtype."""
    counts: dict[tuple[str, str], int] = {}
    for index, data in files.values():
        for case, entry in index["cases"] if index["kind"] == "expected" else ():
            layer, fields = reader.parse(case)
            key = layer, fields["dtype"]
            if "array" in entry and recomputable(case) and counts.get(key, 0) < most:
                _, _, stored = reader.array(entry["array"], data)
                assert reader.output(layer, fields) == stored, case
                counts[key] = counts.get(key, 0) + 1
    return counts


def standard_cases() -> tuple:
    return tuple(
        case
        for case in small_fixtures.grid("standard")
        if case.operands == "integers" and case.observe == "output" and case.dtype != "bfloat16"
        and case.inputs and 0 < np.prod(case.inputs) <= 300 and case.layer in reader.RANK
    )[::12]  # fmt: skip


def test_the_reader_recomputes_values_from_descriptors(tmp_path: Path, directory: Path):
    """The operand generator's description is complete, for the kind `integers`."""
    small_fixtures.write(tmp_path, small_fixtures.expected(standard_cases()))
    for folder in (directory, tmp_path):
        counts = recompute(reader.read_directory(folder)[1], most=12)
        assert {layer for layer, _ in counts} == set(reader.RANK)
    assert sum(counts.values()) >= 40


def test_the_reader_makes_the_same_operands():
    """Every element, where kernels are dense and where they are sparse."""
    for case in standard_cases():
        layer, fields = reader.parse(case.descriptor)
        made = operands(case)
        assert reader.inputs(fields) == made.inputs.ravel().tolist()
        if layer.startswith("Conv"):
            window = reader.geometry(layer, fields)[1]
            kernel, bias = reader.kernel_and_bias(fields, window)
            assert kernel == made.weights["kernel"].ravel().tolist()
            assert bias == made.weights.get("bias", np.zeros(len(bias))).tolist()


def test_the_reader_reads_the_committed_fixtures():
    if not (ROOT / "fixtures" / manifests.NAME).is_file():
        pytest.skip("no fixtures have been generated")
    manifest, files = reader.read_directory(ROOT / "fixtures")
    for name, (index, _) in files.items():
        assert (
            sum(number is not None for number in index["cases"])
            == (manifest["files"][name]["cases"])
        )
    counts = recompute(files, most=8)
    assert {dtype for _, dtype in counts} >= {"float16", "bfloat16", "float32", "float64", "int32"}


def test_there_is_a_fixture_of_every_format():
    names = [f"fixtures_format_{number}" for number in sorted(manifests.READABLE)]
    assert [folder.name for folder in EARLIER] == names


@pytest.mark.parametrize("folder", EARLIER, ids=lambda folder: folder.name)
def test_fixtures_of_every_format_are_read(folder: Path):
    """Their values are those that stand in readable form beside them."""
    _, fixtures = read_all(folder)
    lines = [
        f"{fixture.stem} {case}: {describe(fixture, case)}"
        for fixture in fixtures
        for case in fixture.entries
    ]
    stated = (folder.parent / f"{folder.name}.txt").read_text(encoding="utf-8")
    assert lines == stated.splitlines()


def describe(fixture, case: str) -> str:
    if fixture.kind == EXPECTED:
        return plainly(expected_value(fixture.entries[case], fixture.data))
    outcome = stored_outcome(fixture, case)
    if not isinstance(outcome, Value):
        return repr(outcome)
    repeat = "" if outcome.repeat is None else f"; repeat {plainly(outcome.repeat)}"
    changed = f"; changed {outcome.changed_inputs}" if outcome.changed_inputs else ""
    return plainly(outcome.value) + repeat + changed


def plainly(value) -> str:
    if isinstance(value, np.ndarray):
        name = "bfloat16" if value.dtype == CARRIER else value.dtype.name
        exact = value.astype(np.float64) if "float" in name else value
        return f"{name} {list(value.shape)} {exact.ravel().tolist()}"
    if isinstance(value, dict):
        return "; ".join(f"{name} {plainly(item)}" for name, item in value.items())
    return repr(value)
