"""The grids hit what they claim to hit, and no planted fault escapes the smallest of them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import combinations, pairwise, product
from math import prod

import numpy as np
import pytest
from equivalence_classes import classes, classes_of, hits
from planted_faults import (
    BEYOND_SMOKE,
    FAULTS,
    Array,
    Steps,
    accumulated_in,
    evaluate,
    noticed,
    outcome,
)

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.grids import (
    LEVELS,
    arguments,
    exhaustive,
    grid,
    networks,
    rejections,
    windows,
)
from conformance.cases.grids.axes import FAMILIES, Axis
from conformance.cases.grids.covering import each_level, each_pair
from conformance.cases.operands import Operands, operands
from conformance.cases.recipes import NUMBERS
from conformance.judge.definition import forbidden
from conformance.layers.registry import LAYERS, windowed_layers

SMOKE = grid("smoke")
STANDARD = grid("standard")


HAS_BFLOAT16 = importlib.util.find_spec("ml_dtypes") is not None


@cache
def hits_of_standard() -> Counter[str]:
    """How many cases of the standard grid each class has."""
    return hits(STANDARD)


def outputs(cases: tuple[Case, ...]) -> list[Case]:
    """The cases that observe values, as far as their operands can be made here."""
    return [
        case
        for case in cases
        if case.observe == "output" and (HAS_BFLOAT16 or case.dtype != "bfloat16")
    ]


def test_each_level_contains_the_one_before() -> None:
    for smaller, larger in pairwise(LEVELS):
        assert set(grid(smaller)) < set(grid(larger))


@pytest.mark.parametrize(
    ("level", "least", "most"),
    [("smoke", 300, 700), ("standard", 3000, 8500), ("full", 20000, 33000)],
)
def test_sizes_of_the_levels(level: str, least: int, most: int) -> None:
    assert least <= len(grid(level)) <= most


def test_an_unknown_level_is_named_in_the_error() -> None:
    with pytest.raises(
        ValueError, match="no grid 'large': expected one of smoke, standard, full, networks, beyond"
    ):
        grid("large")


@pytest.mark.parametrize("level", LEVELS)
def test_no_case_occurs_twice(level: str) -> None:
    descriptors = [case.descriptor for case in grid(level)]
    assert len(set(descriptors)) == len(descriptors)


def test_the_list_is_the_same_in_every_process() -> None:
    program = (
        "import hashlib; from conformance.cases.grids import grid;"
        "text = '\\n'.join(case.descriptor for case in grid('standard'));"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = [sys.executable, "-c", program]
    other = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    here = hashlib.sha256("\n".join(case.descriptor for case in STANDARD).encode()).hexdigest()
    assert other.stdout.strip() == here


def test_cases_are_ordered_by_layer_and_begin_with_the_plainest() -> None:
    for cases in (SMOKE, STANDARD):
        order = [[*LAYERS].index(case.layer) for case in cases]
        assert order == sorted(order)
        for layer in windowed_layers():
            first = next(case for case in cases if case.layer == layer)
            assert len(first.arguments) <= 2
            assert first.dtype == "float32"


def test_every_case_observed_by_value_or_shape_is_allowed_and_has_an_output() -> None:
    """A case that the documentation forbids would be a false accusation."""
    for case in STANDARD:
        known = facts(case)
        if case.observe not in ("output", "shape") or not known.rank:
            continue
        assert max(known.strides) == 1 or max(known.dilation) == 1, case
        if None not in known.spatial:
            assert all(axis.output >= (1 if known.padding == "valid" else 0) for axis in known.axes)


def work(case: Case) -> int:
    known = facts(case)
    if not known.rank:
        return 0
    positions = prod(axis.output for axis in known.axes) * (known.batch or 0)
    if known.is_convolution:
        return int(positions * known.config["filters"] * known.products)
    return positions * (known.channels or 0) * prod(known.window)


def test_cases_stay_small() -> None:
    """The second derivation adds up exact numbers: few cases may be long, none very long."""
    large = set(windows.large())
    assert len(large) <= 25
    assert max(map(work, large)) <= 1_000_000
    loads = [work(case) for case in outputs(STANDARD) if case not in large]
    assert max(loads) <= 140_000  # as many outputs as 16 bits cannot count, each of little work
    assert sum(load > 40_000 for load in loads) <= 6  # and uint16 planes, grouped 27 taps
    assert sum(load > 5_000 for load in loads) < len(loads) // 20
    assert sum(loads) / len(loads) < 1_600


def test_standard_hits_every_class() -> None:
    missed = [name for name, count in hits_of_standard().items() if count == 0]
    assert missed == []


SMOKE_FAMILIES = ("steps", "rows", "columns", "batch", "argument", "rejects", "distinct")
SMOKE_LEAVES_OUT = ("/length/long", "columns/length/zero", "batch/16 and more")


def test_smoke_hits_every_class_of_geometry_arguments_and_rejection() -> None:
    counts = hits(SMOKE)
    wanted = [name for name in classes() if name.split("/")[1] in SMOKE_FAMILIES]
    missed = {name for name in wanted if counts[name] == 0}
    assert {name for name in missed if not name.endswith(SMOKE_LEAVES_OUT)} == {
        name for name in missed if "input of rank" in name
    }


def test_smoke_has_every_kind_of_operands_and_activation() -> None:
    for field in ("operands", "activation"):
        names = {name.split("/")[2] for name in classes() if name.split("/")[1] == field}
        hit = {
            name.split("/")[2]
            for case in SMOKE
            for name in classes_of(case)
            if f"/{field}/" in name
        }
        assert hit == names


def test_every_pair_of_padding_totals_occurs_on_the_two_axes() -> None:
    totals = ("none", "even", "odd", "clipped")
    for layer, (one, other) in product(("Conv2D", "MaxPooling2D"), product(totals, repeat=2)):
        assert hits_of_standard()[f"{layer}/pair/same/{one} and {other}"] > 0


@pytest.mark.parametrize("anchor", [Axis(1, 4, 2, 1), Axis(4, 3, 4, 1), Axis(1, 2, 1, 2)])
def test_the_tuples_that_tell_eight_faults_apart_are_there(anchor: Axis) -> None:
    assert any(anchor in family for family in FAMILIES["same"])


def test_tuples_of_axes_are_distinct() -> None:
    for families in FAMILIES.values():
        together = [axis for family in families for axis in family]
        assert len(set(together)) == len(together)


def test_all_equal_pairs_of_sizes_occur_alone() -> None:
    """With two sizes equal, all others differ, so that one coincidence is seen at a time."""
    for case in windows.coincidences():
        equal = [name for name in classes_of(case) if name.split("/")[1] == "equal"]
        assert 1 <= len([name for name in equal if " and " in name]) <= 3, case


def test_each_pair_covers_and_is_short() -> None:
    factors = {"a": "xyz", "b": "pq", "c": "123", "d": "uvw"}
    rows = each_pair(factors)
    for one, other in combinations(factors, 2):
        assert {(row[one], row[other]) for row in rows} == set(
            product(factors[one], factors[other])
        )
    assert len(rows) <= 14


def test_each_level_covers() -> None:
    rows = each_level({"a": "xyz", "b": "pq"})
    assert [row["a"] for row in rows] == ["x", "y", "z"]
    assert {row["b"] for row in rows} == {"p", "q"}


@pytest.mark.parametrize("layer", LAYERS.names(lambda layer: layer.factors))
def test_every_pair_of_argument_values_occurs_in_standard(layer: str) -> None:
    factors = LAYERS[layer].factors
    rows = each_pair(factors)
    for one, other in combinations(factors, 2):
        met = {(str(row[one]), str(row[other])) for row in rows}
        assert met == {(str(a), str(b)) for a, b in product(factors[one], factors[other])}
    assert set(arguments.pairs()) <= set(STANDARD)


def test_every_documented_argument_is_varied() -> None:
    for layer in LAYERS.values():
        levels = (level for choices in layer.factors.values() for level in choices)
        varied = {name for level in levels for name in level}
        assert set(layer.signature) <= varied or not layer.takes_inputs


def test_rejections_are_many_and_none_is_also_expected_to_work() -> None:
    rejected = [case for case in STANDARD if case.observe == "rejection"]
    assert len(rejected) >= 250
    accepted = {case.descriptor for case in STANDARD if case.observe == "output"}
    assert not accepted & {case.replace(observe="output").descriptor for case in rejected}


def test_each_rejected_value_differs_from_an_accepted_case_in_one_argument() -> None:
    """So that a rejection is for the reason that the case is about."""
    for case in rejections.values():
        accepted = LAYERS[case.layer].accepted[1]
        changed = [n for n, value in case.arguments if n not in accepted or accepted[n] != value]
        assert len(changed) == 1, case


def test_the_full_grid_is_exhaustive_for_small_windows() -> None:
    conv1d = [case for case in exhaustive.small_windows() if case.layer == "Conv1D"]
    assert {facts(case).spatial for case in conv1d} == {(length,) for length in range(1, 10)}
    assert Case.of(
        "MaxPooling2D", (2, 5, 4, 2), pool_size=(3, 4), strides=(2, 3), padding="same"
    ) in set(grid("full"))


@pytest.fixture(scope="module")
def evaluated() -> list[tuple[Case, Operands, Array]]:
    """The cases of the smoke grid that observe values, and a few, with operands and results."""
    cases = [*outputs(SMOKE), *BEYOND_SMOKE]
    prepared = [(case, operands(case)) for case in cases]
    with np.errstate(all="ignore"):
        return [(case, arrays, evaluate(case, arrays)) for case, arrays in prepared]


def catches(case: Case, arrays: Operands, expected: Array, steps: Steps) -> bool:
    actual = outcome(case, arrays, steps)
    with np.errstate(all="ignore"):
        return actual is not None and noticed(case, arrays, expected, actual)


@pytest.mark.parametrize("fault", list(FAULTS))
def test_the_smoke_grid_catches(fault: str, evaluated: list[tuple[Case, Operands, Array]]) -> None:
    """With the few cases beside it that are in `standard`, as the next test holds."""
    assert any(catches(*one, FAULTS[fault]) for one in evaluated)


def test_the_cases_beside_the_smoke_grid_are_in_standard() -> None:
    assert set(BEYOND_SMOKE) <= set(grid("standard"))


@pytest.mark.parametrize("step", [1, -1])
def test_no_order_of_summation_is_taken_for_a_fault(
    step: int, evaluated: list[tuple[Case, Operands, Array]]
) -> None:
    """Sequential sums in float32 (float64 for float64), from either end, are correct."""
    for case, arrays, expected in evaluated:
        if case.dtype not in NUMBERS:
            continue
        dtype = "float64" if case.dtype == "float64" else "float32"
        assert not catches(case, arrays, expected, Steps(contract=accumulated_in(dtype, step))), (
            case
        )


def exchanged_where_equal(one: int, other: int) -> Steps:
    """The input's axes exchanged wherever that keeps its shape: a shortcut taken on equality."""

    def exchanged(x: Array) -> Array:
        fits = x.ndim > max(one, other) and x.shape[one] == x.shape[other]
        return x.swapaxes(one, other) if fits else x

    return Steps(inputs=exchanged)


@pytest.mark.parametrize("layer", windowed_layers())
def test_axes_exchanged_where_their_lengths_coincide_are_caught(layer: str) -> None:
    cases = [case for case in windows.coincidences() if case.layer == layer]
    prepared = [(case, operands(case)) for case in cases]
    results = [(case, arrays, evaluate(case, arrays)) for case, arrays in prepared]
    for one, other in combinations(range(LAYERS[layer].rank + 2), 2):
        steps = exchanged_where_equal(one, other)
        assert any(catches(*result, steps) for result in results)


@pytest.mark.parametrize(("one", "other"), list(combinations(range(4), 2)))
def test_kernel_axes_exchanged_where_their_lengths_coincide_are_caught(
    one: int, other: int
) -> None:
    def exchanged(kernel: Array) -> Array:
        fits = kernel.ndim == 4 and kernel.shape[one] == kernel.shape[other]
        return kernel.swapaxes(one, other) if fits else kernel

    cases = [case for case in windows.coincidences() if case.layer == "Conv2D"]
    prepared = [(case, operands(case)) for case in cases]
    results = [(case, arrays, evaluate(case, arrays)) for case, arrays in prepared]
    assert any(catches(*result, Steps(kernel=exchanged)) for result in results)


def test_outputs_tell_right_from_wrong(evaluated: list[tuple[Case, Operands, Array]]) -> None:
    """Few results are mostly zeros or NaN, or constant: equality with them would mean little."""
    weak = [case for case, _, expected in evaluated if expected.size > 1 and is_weak(expected)]
    assert {case.operands for case in weak} <= {"specials", "kernel_nan", "kernel_infinity"}


def is_weak(result: Array) -> bool:
    values = result.astype(np.float64)
    numbers = values[~np.isnan(values)]
    telling = np.count_nonzero(numbers) > result.size // 4
    return not telling or numbers.min() == numbers.max()


def test_the_tier_of_networks_has_layers_of_twenty_networks_forward_and_backward() -> None:
    """Each valid, so that no shape is misspelled; gradients of half of them at least."""
    cases = grid("networks")
    assert len(networks.NETWORKS) >= 20
    assert not set(cases) & set(grid("full"))
    assert 2 * sum(case.observe == "gradients" for case in cases) >= 0.8 * len(cases)
    for case in cases:
        assert forbidden(case) is None, case
        assert all(axis.output for axis in facts(case).axes)
