"""What the products of a convolution read, and that in words.

Where all reads follow another law, an integer combination of indices, both laws are told: "output
row i reads input row 2*i + a with kernel row a, where it should read 2*i + a - 1".  Else it is
told which terms are left out or counted how often, or for which indices the reads are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Any, Final

import numpy as np

from conformance.diagnosis.attribution import how_often, in_words, which
from conformance.diagnosis.evaluation import Array

Law = Mapping[str, int]
"""An index as a sum of others by their symbols, each times a number; the constant by ``""``."""

NOTHING: Final = -1
SEVERAL: Final = -2
"""In the place of an index: nothing is read, or more than one element."""

AXES: Final = {1: ("step",), 2: ("row", "column"), 3: ("plane", "row", "column")}
PLACES: Final = "ijk"
TAPS: Final = "abd"

_ENOUGH: Final = 6
"""How many more reads a law must explain than it has numbers."""


@dataclass(frozen=True)
class Told:
    """What is said of reads.

    Attributes:
        words: all words that hold; of few reads several may, of which others tell which is meant.
        for_all: whether they say what is read for all that was asked, not for one element.
        is_law: whether they are a law, which few reads do not follow by chance.
    """

    words: tuple[str, ...] = ()
    for_all: bool = True
    is_law: bool = False


@dataclass(frozen=True, eq=False)
class Reads:
    """The products of a convolution that were looked at, one a row.

    Attributes:
        entries: the output's sample and place, the kernel element's taps, its channel within the
            group, and its filter.
        right: the sample, place and channel of the input, and the filter of the output, that belong
            together; the place is outside of the input where it is padding.
        got: the same as it was found; `NOTHING` or `SEVERAL` in all columns.
        weight: how often the right input was read; NaN where another was read as well.
        inside: whether the right input is no padding.
        lengths: the spatial lengths of the inputs.
        laws: what the columns of `right` are.
        per_group: the filters of a group.
        groups: the number of groups.
    """

    entries: Array
    right: Array
    got: Array
    weight: Array
    inside: Array
    lengths: tuple[int, ...]
    laws: tuple[Law, ...]
    per_group: int
    groups: int

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return int(self.right.shape[1]) - 3

    @property
    def wrong(self) -> Array:
        """Which reads are not as they should be."""
        same = (self.got == self.right).all(axis=1)
        nothing = (self.got == NOTHING).all(axis=1)
        return np.asarray(~np.where(self.inside, same, nothing))

    def only(self, chosen: Array) -> Reads:
        """Some of the reads."""
        rows = ("entries", "right", "got", "weight", "inside")
        return replace(self, **{name: getattr(self, name)[chosen] for name in rows})

    def variables(self) -> Iterator[tuple[str, str, Array]]:
        """Symbol, name in the plural, and values, of what an entry is told by."""
        axes, e = AXES[self.rank], self.entries
        yield "n", "samples", e[:, 0]
        for a, axis in enumerate(axes):
            yield PLACES[a], f"output {axis}s", e[:, 1 + a]
        for a, axis in enumerate(axes):
            yield TAPS[a], f"kernel {axis}s", e[:, 1 + self.rank + a]
        yield "c", "channels of a group" if self.groups > 1 else "channels", e[:, -2]
        if self.groups > 1:
            yield "g", "groups", e[:, -1] // self.per_group
        yield "f", "filters of a group" if self.groups > 1 else "filters", e[:, -1] % self.per_group

    def indices(self) -> Iterator[tuple[str, Array]]:
        """Names in the plural, and values, of what reads may be wrong along."""
        for a, axis in enumerate(AXES[self.rank]):
            yield f"input {axis}s", self.right[:, 1 + a]
        yield "input channels", self.right[:, -2]
        yield from ((name, values) for _, name, values in self.variables())


def read_words(reads: Reads) -> Told:
    """In which way reads are wrong; without words where they are not, or are of no element."""
    wrong = reads.wrong
    if not wrong.any():
        return Told()
    if not (reads.inside & wrong).any():
        return Told((_of_padding(reads.only(wrong)),))
    words = _weighted(reads)
    if words or (reads.got[wrong] == SEVERAL).all():
        return Told(words)
    law = _law(reads) or in_another_order(reads)
    return (
        Told((law,), is_law=True)
        if law
        else Told((_in_part(reads) or _example(reads),), for_all=False)
    )


def _of_padding(wrong: Reads) -> str:
    """What is read in the place of the padding, where all else is right."""
    if (wrong.got[:, :-1] == wrong.got[0, :-1]).all():
        return "the padding is read as some other number than zero"
    law = _law_before_the_first(wrong)
    return f"inputs are read in the place of the padding: {law or _example(wrong)}"


def _law_before_the_first(wrong: Reads) -> str:
    """Which input is read before the first along one axis; empty where it follows no law."""
    axes = AXES[wrong.rank]
    before = wrong.right[:, 1:-2] < 0
    within = (wrong.right[:, 1:-2] < np.array(wrong.lengths)).all(axis=1)
    for number, axis in enumerate(axes):
        part = wrong.only(np.asarray(within & before[:, number] & (before.sum(axis=1) == 1)))
        laws = [_other_law(part, part.got[:, 1 + a]) for a in range(len(axes))]
        if len(part.got) and (part.got >= 0).all() and None not in laws:
            indices = ", ".join(f"{name} {PLACES[a]}" for a, name in enumerate(axes))
            read = zip(axes, laws, strict=True)
            places = ", ".join(f"{name} {formula(law or {})}" for name, law in read)
            taps = ", ".join(f"{name} {TAPS[a]}" for a, name in enumerate(axes))
            return (
                f"before the first {axis}, output {indices} reads input {places} with kernel {taps}"
            )
    return ""


def _weighted(reads: Reads) -> tuple[str, ...]:
    """Where the right elements are read, but not once each."""
    if (reads.wrong & ~reads.inside).any():
        return ()  # what is not read where it should be may be read in the place of the padding
    weight = np.where(reads.inside, reads.weight, 1.0)
    odd = np.unique(weight[weight != 1])
    if len(odd) != 1 or not np.isfinite(odd).all():
        return ()
    told = ["no input is read at all"] * bool((reads.got[reads.inside] == NOTHING).all())
    told += _from_other_length(reads, weight, odd[0])
    for name, values in reads.indices():
        along = along_values(values[reads.inside], weight[reads.inside])
        told += [] if along is None else in_words(along, name)
    return tuple(told)


def _from_other_length(reads: Reads, weight: Array, times: float) -> list[str]:
    """Whether what is not read once are the inputs from the length of another axis on."""
    axes, told = AXES[reads.rank], list[str]()
    for (a, axis), (b, other) in permutations(enumerate(axes), 2):
        index = reads.right[:, 1 + a]
        beyond = reads.inside & (index >= reads.lengths[b])
        if beyond.any() and np.array_equal(beyond, reads.inside & (weight == times)):
            how = how_often(float(times))
            told.append(f"the input {axis}s from as many on as there are {other}s are {how}")
    return told


def along_values(values: Array, what: Array) -> Array | None:
    """What there is for each value, from zero on; None where one value has several.

    Of what is not among the values it is what is usual: a weight of one, nothing wrong.
    """
    if not len(values) or values.min() < 0:
        return None
    first = np.full(values.max() + 1, what.dtype.kind == "f", what.dtype)
    first[values] = what
    return first if np.array_equal(first[values], what) else None


def _law(reads: Reads) -> str:
    """The laws of the columns that follow another one; empty where one follows none."""
    found = reads.only(np.asarray((reads.got >= 0).all(axis=1)))
    told = []
    for column, right in enumerate(reads.laws):
        other = _other_law(found, found.got[:, column] - found.right[:, column])
        if other is None:
            return ""
        if other:
            told.append(_law_in_words(reads, column, _sum(right, other), right))
    return "; ".join(told)


def in_another_order(reads: Reads) -> str:
    """Whether each output is right for another one along the axes, and for which."""
    read: Array = np.asarray((reads.got >= 0).all(axis=1))
    last = reads.right.shape[1] - 2
    if not np.array_equal(reads.got[read, last:], reads.right[read, last:]):
        return ""
    told = []
    for column in range(1 + reads.rank):
        source = _sources(reads, column, read)
        if source is None:
            return ""
        if any(index != other for index, other in source.items()):
            told.append(_order_in_words(reads, column, list(source.values())))
    return "; ".join(told)


def _sources(reads: Reads, column: int, read: Array) -> dict[int, int] | None:
    """For each index of outputs along an axis, the index for which its reads are right.

    None where one has reads of several, or they follow from other indices too.
    """
    moved = reads.got[read, column] - reads.right[read, column]
    stride = reads.laws[column]["n" if column == 0 else PLACES[column - 1]]
    index = reads.entries[read, column]
    if (moved % stride).any():
        return None
    source = index + moved // stride
    found = {int(i): int(source[index == i][0]) for i in np.unique(index)}
    is_one = all(
        found[i] == other for i, other in zip(index.tolist(), source.tolist(), strict=True)
    )
    told = len(found) > _LEAST_ORDERED or not moved.any()
    return found if is_one and told else None


_LEAST_ORDERED: Final = 2


def _order_in_words(reads: Reads, column: int, order: Sequence[int]) -> str:
    axis, law = ("sample", *AXES[reads.rank])[column], reads.laws[column]
    steps = _phases(order)
    if steps > 1:
        names = {} if column == 0 else {law[TAPS[column - 1]]: "the dilation rate"}
        names |= {} if column == 0 else {law[PLACES[column - 1]]: "the strides"}
        return (
            f"the outputs along the {axis}s are right, but stand in another order: those whose "
            f"index leaves the same remainder when it is divided by {names.get(steps, steps)} "
            "follow one another, where they should take turns"
        )
    length, far = _blocks(order)
    if far == 0 and 2 * length == len(order):
        return f"the second half of the output {axis}s holds what belongs to the first half"
    if length:
        return (
            f"output {axis}s are done in blocks of {length}, and each block has what belongs "
            f"{far} {axis}s after the block before, not {length}"
        )
    shown = ", ".join(map(str, order[:_MOST_SHOWN])) + ", ..." * (len(order) > _MOST_SHOWN)
    return f"the output {axis}s hold, from the first on, what belongs to {axis}s {shown}"


_MOST_SHOWN: Final = 12


def _blocks(order: Sequence[int]) -> tuple[int, int]:
    """The length of blocks, and how far apart what they hold lies; zeros where it is not so."""
    for length in range(2, len(order)):
        for far in range(2 * length):
            if list(order) == [i // length * far + i % length for i in range(len(order))]:
                return length, far
    return 0, 0


def _phases(order: Sequence[int]) -> int:
    """By which number an order is that of the remainders, those of one after another; else 0."""
    count = len(order)
    for steps in range(2, count):
        phases = [index for first in range(steps) for index in range(first, count, steps)]
        if list(order) == phases and phases != sorted(phases):
            return steps
    return 0


def _other_law(reads: Reads, difference: Array) -> Law | None:
    """What a difference is a sum of: a constant, one index or two; None where of none."""
    if not difference.any():
        return {}
    columns = {symbol: values for symbol, _, values in reads.variables() if np.ptp(values)}
    for count in (0, 1, 2, len(columns)):
        for symbols in combinations(columns, count):
            numbers = _numbers([columns[symbol] for symbol in symbols], difference)
            if numbers:
                return dict(zip(("", *symbols), numbers, strict=True))
    return None


def _numbers(columns: Sequence[Array], sums: Array) -> list[int]:
    """The constant and the factors of columns that add up to sums; empty where there are none."""
    if len(sums) < len(columns) + 1 + _ENOUGH:
        return []
    matrix = np.stack([np.ones(len(sums)), *columns], axis=1)
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        return []
    numbers = np.rint(np.linalg.lstsq(matrix, sums, rcond=None)[0]).astype(int)
    return list(numbers.tolist()) if np.array_equal(matrix @ numbers, sums) else []


def _sum(one: Law, other: Law) -> Law:
    return {s: one.get(s, 0) + other.get(s, 0) for s in dict.fromkeys((*one, *other))}


def _law_in_words(reads: Reads, column: int, got: Law, right: Law) -> str:
    last = len(reads.laws) - 1
    if column == 0:
        return f"output sample n reads input sample {formula(got)}"
    if column == last:
        return f"what belongs to output channel {formula(right)} goes to channel {formula(got)}"
    if column == last - 1:
        of = " of group g" if reads.groups > 1 else ""
        return (
            f"channel c{of} of the kernel meets input channel {formula(got)}, where it should "
            f"meet {formula(right)}"
        )
    axis = AXES[reads.rank][column - 1]
    place, tap = PLACES[column - 1], TAPS[column - 1]
    return (
        f"output {axis} {place} reads input {axis} {formula(got)} with kernel {axis} {tap}, where "
        f"it should read {formula(right)}"
    )


def formula(law: Law) -> str:
    """A law as it is written: ``2*i + a - 1``."""
    terms = [(number, symbol) for symbol, number in law.items() if symbol and number]
    terms.sort(key=lambda term: term[0] < 0)
    constant = law.get("", 0)
    parts = [(number < 0, _term(abs(number), symbol)) for number, symbol in terms]
    if constant or not parts:
        parts.append((constant < 0, str(abs(constant))))
    (negative, first), *rest = parts
    text = f"-{first}" if negative else first
    return text + "".join(f" {'-' if minus else '+'} {part}" for minus, part in rest)


def _term(number: int, symbol: str) -> str:
    return symbol if number == 1 else f"{number}*{symbol}"


def _in_part(reads: Reads) -> str:
    """For which indices along one axis reads are wrong, and in which way; others are right."""
    wrong = reads.wrong
    for name, values in reads.indices():
        chosen = (values >= 0) & (reads.inside | wrong)
        along = along_values(values[chosen], wrong[chosen])
        if along is None or along.all():
            continue
        part = reads.only(wrong)
        return f"{which(along, name)[0]} wrong: {_law(part) or _example(part)}"
    return ""


def _example(reads: Reads) -> str:
    """The first wrong read."""
    row = int(np.argmax(reads.wrong))
    entry, right, got = reads.entries[row], reads.right[row], reads.got[row]
    rank = reads.rank
    output, element = [*entry[: 1 + rank], entry[-1]], place_in_words(entry[1 + rank :])
    should = f"input {place_in_words(right[:-1])}" if reads.inside[row] else "the padding"
    read = {NOTHING: "nothing", SEVERAL: "what no input holds"}.get(int(got[0]))
    does = read or f"input {place_in_words(got[:-1])}"
    if not read and got[-1] != right[-1]:
        does += f" into channel {got[-1]}"
    return (
        f"output {place_in_words(output)} reads {does} with kernel element {element}, "
        f"where it should read {should}"
    )


def place_in_words(indices: Sequence[Any] | Array) -> str:
    """Indices as they are written: ``[0, 2, 1]``."""
    return f"[{', '.join(str(int(i)) for i in indices)}]"
