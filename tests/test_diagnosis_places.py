"""Faults of loops are told by where the wrong elements lie; a table of them and of their words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance.cases.case import Case, parse
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.cases.operands import Operands, operands
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.evaluation import evaluate
from conformance.diagnosis.hypotheses import Failure, Hypotheses
from conformance.diagnosis.places import are_at_one_place
from conformance.diagnosis.selftest import Bench
from conformance.outcomes import Value

Array = np.ndarray[Any, Any]
Change = Callable[[Array], None]


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Outputs of `standard` that are quickly had, among them sizes around all blocks."""
    cases = [case for case in grid("standard") if case.observe == "output"]
    plain = (case for case in cases if case.operands in ("integers", "one_nan"))
    return Bench(c for c in plain if c.dtype == "float32" and np.prod(c.inputs or 0) < 5000)


def of_layer(layer: str, change: Change) -> Callable[[Case, Operands], Array]:
    """An implementation whose outputs of one layer, channels last, are changed in place."""

    def compute(case: Case, operands: Operands) -> Array:
        y = evaluate(case, operands).copy()
        if case.layer == layer:
            change(np.moveaxis(y, 1, -1) if facts(case).channels_first else y)
        return y

    return compute


class Cut:
    """What a loop over blocks leaves."""

    def __init__(self, block: int, above: bool) -> None:
        self.block, self.above = block, above

    def of(self, length: int) -> slice:
        short = self.above and length <= self.block
        return slice(length if short else length // self.block * self.block, length)


def zero_filters(block: int) -> Change:
    def change(y: Array) -> None:
        y[..., Cut(block, above=True).of(y.shape[-1])] = 0

    return change


def repeat_filters(block: int) -> Change:
    def change(y: Array) -> None:
        part = Cut(block, above=True).of(y.shape[-1])
        y[..., part] = y[..., : part.stop - part.start]

    return change


def lose_nan(y: Array) -> None:
    part = y[..., Cut(2, above=False).of(y.shape[-1])]
    part[np.isnan(part)] = 0


def zero_columns(y: Array) -> None:
    y[..., Cut(4, above=True).of(y.shape[-2]), :] = 0


@pytest.mark.parametrize(
    ("layer", "change", "words"),
    [
        ("Conv1D", zero_filters(8), "filters beyond the last multiple of 8"),
        ("Conv2D", zero_filters(16), "filters beyond the last multiple of 16"),
        ("Conv2D", zero_filters(32), "filters beyond the last multiple of 32"),
        ("Conv2D", repeat_filters(8), "(they repeat the first ones)"),
        ("MaxPooling2D", zero_filters(8), "channels beyond the last multiple of 8"),
    ],
)
def test_the_remainder_of_a_loop_is_told(
    layer: str, change: Change, words: str, bench: Bench
) -> None:
    failures = bench.failures(of_layer(layer, change))
    failed = {failure.case for failure in failures}
    found = diagnose(failures, [case for case in bench.cases if case not in failed])
    assert found is not None
    largest = max(found.groups, key=lambda group: len(group.failures))
    assert words in largest.clause(len(failures)), found.message
    assert largest.stage == "place"
    assert len(largest.failures) > 0.8 * len(failures)


def test_places_that_are_not_written_are_told(bench: Bench) -> None:
    """By pooling, that wrong elements lie there; by a convolution, that they are zero as well."""
    for layer, words in (
        (
            "Conv2D",
            "those beyond the last multiple of 4, where there are more than 4, are not writt",
        ),
        ("MaxPooling2D", "columns beyond the last multiple of 4, where there are more than 4"),
    ):
        failures = bench.failures(of_layer(layer, zero_columns))
        failed = {failure.case for failure in failures}
        found = diagnose(failures, [case for case in bench.cases if case not in failed])
        assert found is not None
        assert words in found.groups[0].clause(len(failures)), found.message
        assert len(found.groups[0].failures) > 0.9 * len(failures)


def test_the_seams_between_pieces_of_an_axis_are_told() -> None:
    """The last two places of every 16 steps, as where windows do not see the next piece."""

    def wrong_at_seams(length: int) -> Failure:
        case = parse(f"Conv1D/inputs:2x{length}x2/filters:3/kernel_size:1")
        y = evaluate(case, operands(case)).copy()
        y[:, np.arange(length) % 16 >= 14] += 1 + np.arange(3)
        return Failure(case, Value(y), "exact")

    found = diagnose([wrong_at_seams(length) for length in (37, 42, 53, 70)])
    assert found is not None
    assert "of every 16 those from 14 to 15" in found.message


def test_failures_beyond_one_limit_of_an_axis_are_at_one_place() -> None:
    """So that a search does not report one loop's remainder for every padding and stride."""

    def wrong_from(line: str, channel: int) -> Failure:
        case = parse(line)
        y = evaluate(case, operands(case)).copy()
        y[..., channel:] += 1
        return Failure(case, Value(y), "exact")

    one = wrong_from("MaxPooling2D/inputs:1x1x1x33/pool_size:1", 32)
    other = wrong_from("MaxPooling2D/inputs:2x5x4x37/pool_size:2x1/padding:same", 32)
    elsewhere = wrong_from("MaxPooling2D/inputs:2x5x4x37/pool_size:2x1/padding:same", 0)
    of_another = wrong_from("MaxPooling1D/inputs:2x5x37/pool_size:2", 32)
    hypotheses = Hypotheses()
    assert are_at_one_place(one, other, hypotheses)
    assert not are_at_one_place(one, elsewhere, hypotheses)
    assert not are_at_one_place(one, of_another, hypotheses)


def over_order(block: int, *, whole: bool) -> Change:
    """The elements as they lie in memory: all whole blocks are wrong, or what they leave."""

    def change(y: Array) -> None:
        flat = np.array(y).reshape(-1)
        cut = len(flat) // block * block
        part = slice(0, cut) if whole else slice(cut, len(flat))
        flat[part] = flat[part] + 1 + np.arange(len(flat[part])) % 7
        y[...] = flat.reshape(y.shape)

    return change


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        (True, "as they lie in memory, up to the last multiple of 8, not those beyond"),
        (False, "as they lie in memory, beyond the last multiple of 8"),
    ],
)
def test_a_loop_over_all_elements_is_told(whole: bool, words: str) -> None:
    failures, passed = [], []
    for length in (5, 7, 8, 9, 11, 12, 13, 14, 16, 18, 21, 22):
        case = parse(f"Conv1D/inputs:2x{length}x2/filters:3/kernel_size:2/activation:tanh")
        y = evaluate(case, operands(case)).copy()
        over_order(8, whole=whole)(y)
        right = evaluate(case, operands(case))
        failed = not np.array_equal(y, right)
        failures += [Failure(case, Value(y), "exact")] if failed else []
        passed += [] if failed else [case]
    passed.append(parse("Conv1D/inputs:2x9x2/filters:3/kernel_size:2"))
    found = diagnose(failures, passed)
    assert found is not None
    assert words in found.message


def test_of_several_places_the_smallest_is_told() -> None:
    """The bias is left out in the last place of all, of batches of one and three samples."""
    failures = []
    for samples, length in ((1, 6), (3, 6), (3, 8), (3, 10)):
        case = parse(f"Conv1D/inputs:{samples}x{length}x2/filters:7/kernel_size:2")
        arrays = operands(case)
        y = evaluate(case, arrays).copy()
        y.reshape(-1, 7)[-1] -= arrays.weights["bias"]
        failures.append(Failure(case, Value(y), "exact"))
    found = diagnose(failures)
    assert found is not None
    assert (
        "the bias is left out, only in the output places of all samples, counted one after the "
        "other, beyond the last multiple of 2"
    ) in found.message


def test_outputs_that_are_a_remainder_as_a_whole_belong_to_it() -> None:
    """Planes of two and three places have no bias at all, larger ones but in what fours leave."""
    failures = []
    for rows, columns in ((1, 2), (1, 3), (3, 3), (3, 5), (5, 5), (2, 3), (3, 7)):
        case = parse(f"Conv2D/inputs:2x{rows}x{columns}x2/filters:7/kernel_size:1")
        arrays = operands(case)
        y = evaluate(case, arrays).copy()
        planes = y.reshape(2, -1, 7)
        planes[:, planes.shape[1] // 4 * 4 :] -= arrays.weights["bias"]
        failures.append(Failure(case, Value(planes.reshape(y.shape)), "exact"))
    fours = ((1, 4), (2, 4), (4, 4), (3, 8))
    passed = [parse(f"Conv2D/inputs:2x{r}x{c}x2/filters:7/kernel_size:1") for r, c in fours]
    found = diagnose(failures, passed)
    assert found is not None
    assert len(found.groups) == 1
    assert (
        "the bias is left out, only in the places of an output plane, counted row by row, beyond "
        "the last multiple of 4"
    ) in found.message
