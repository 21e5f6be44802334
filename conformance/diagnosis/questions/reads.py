"""What the products of a convolution read, and that in words.

Where all reads follow another law, an integer combination of indices, both laws are told: "output
row i reads input row 2*i + a with kernel row a, where it should read 2*i + a - 1".  Else it is
told which terms are left out or counted how often, or for which indices the reads are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Final

import numpy as np

from conformance.diagnosis.attribution import SOME, how_often, in_words, which
from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.blocks import cut_at_blocks, shifted_from_block
from conformance.diagnosis.questions.cuts import (
    ends_missed,
    kernel_not_moved_on,
    outputs_not_moved_on,
    phase_lost,
)
from conformance.diagnosis.questions.kernel_order import kernel_in_another_order
from conformance.diagnosis.questions.laws import ENOUGH, law_of
from conformance.diagnosis.questions.memory import elsewhere_in_memory, one_after_another
from conformance.diagnosis.questions.orders import in_another_order
from conformance.diagnosis.questions.parts import counted_in_parts, parts_of_outputs
from conformance.diagnosis.questions.products import (
    AXES,
    NOTHING,
    PLACES,
    SEVERAL,
    TAPS,
    Law,
    Reads,
    Told,
    formula,
    place_in_words,
)


def read_words(reads: Reads) -> Told:
    """In which way reads are wrong; without words where they are not, or are of no element."""
    wrong = reads.wrong
    if not wrong.any():
        return Told()
    if not (reads.inside & wrong).any():
        return _of_padding(reads.only(wrong))
    words = cut_at_blocks(reads, of_one=False) or ends_missed(reads) or phase_lost(reads)
    words = words or (*_counted(reads), *cut_at_blocks(reads, of_one=True))
    if words or (reads.got[wrong] == SEVERAL).all():
        return Told(words)
    law = in_another_order(reads) or kernel_in_another_order(reads)
    cut = kernel_not_moved_on(reads, by_some=True) or outputs_not_moved_on(reads)
    laws = one_after_another(reads) or cut or _laws(reads)
    laws = laws or (*shifted_from_block(reads), *([law] if law else []))
    laws = laws or elsewhere_in_memory(reads)
    if laws:
        return Told(laws, is_law=True, also=kernel_not_moved_on(reads, by_some=False))
    parts = parts_of_outputs(reads)
    return Told(parts) if parts else Told((_in_part(reads) or _example(reads),), for_all=False)


def _counted(reads: Reads) -> tuple[str, ...]:
    """Where the right elements are read, but not once each: along an axis, or in a part."""
    along = _weighted(reads)
    told = tuple(words for words in along if not words.startswith(SOME))
    cut = _cut_without_dilation(reads)
    return cut or told or counted_in_parts(reads) or _of_phases(reads) or along


def _cut_without_dilation(reads: Reads) -> tuple[str, ...]:
    """Whether kernel elements are left out by how far windows reach beyond the input, undilated."""
    rates = np.array([reads.laws[1 + a][TAPS[a]] for a in range(reads.rank)])
    missing = reads.inside & (reads.weight == 0)
    if (rates == 1).all() or not missing.any() or (reads.wrong & ~missing).any():
        return ()
    taps = reads.entries[:, 1 + reads.rank : 1 + 2 * reads.rank]
    counts = taps.max(axis=0) + 1
    starts = reads.right[:, 1:-2] - taps * rates
    beyond = starts + (counts - 1) * rates - (np.array(reads.lengths) - 1)
    for words, left_out in (
        ("before the first input", taps < -starts),
        ("beyond the last input", taps >= counts - beyond),
    ):
        if np.array_equal(missing, reads.inside & left_out.any(axis=1)):
            return (_CUT_WITHOUT_DILATION.format(words),)
    return ()


_CUT_WITHOUT_DILATION: Final = (
    "of windows that reach {}, as many kernel elements are left out as they reach places beyond "
    "it, whatever the dilation rate"
)


def _of_phases(reads: Reads) -> tuple[str, ...]:
    """Whether all elements of the kernel that are left out have one remainder by the stride."""
    inside = reads.only(reads.inside)
    missing = inside.weight == 0
    told = np.zeros(len(missing), bool)
    for a in range(reads.rank):
        stride, tap = reads.laws[1 + a][PLACES[a]], inside.entries[:, 1 + reads.rank + a]
        without = [t for t in np.unique(tap) if missing[tap == t].all()]
        if len({int(t) % stride for t in without}) == 1 < stride:
            told |= np.isin(tap, without)
    if not np.array_equal(told, inside.wrong):
        return ()
    return (_TOO_FEW,)


_TOO_FEW: Final = (
    "kernel elements of one remainder by the stride along an axis are left out, as where the sums "
    "for each remainder are made of too few"
)


def _of_padding(wrong: Reads) -> Told:
    """What is read in the place of the padding, where all else is right."""
    words = _all_of_padding(wrong)
    if words:
        return Told((words,), of_padding=True)
    words = f"inputs are read in the place of the padding: {_example(wrong)}"
    return Told((words,), for_all=False, of_padding=True)


def _all_of_padding(wrong: Reads) -> str:
    """What stands in all of the padding that is read wrongly; empty where it is nothing known."""
    places = np.unique(wrong.right[:, :-1], axis=0)
    if (wrong.got[:, :-1] == wrong.got[0, :-1]).all() and len(places) > 1:
        return "the padding is read as some other number than zero"
    if _is_next_in_memory(wrong):
        side = _side(wrong)
        next_one = f"row of inputs, where {side} is reached" if side else "sample"
        return (
            "in the place of the padding stands what lies next to it in memory, such as the next "
            + next_one
        )
    continued = _continued(wrong)
    if continued:
        return f"in the place of the padding, the input is {continued}"
    law = _law_before_the_first(wrong)
    return f"inputs are read in the place of the padding: {law}" if law else ""


def _side(wrong: Reads) -> str:
    """Beyond which end of rows alone, of two axes or more, padding is read wrongly; or empty."""
    index, axis = wrong.right[:, wrong.rank], AXES[wrong.rank][-1]
    if wrong.rank < len(("row", "column")):
        return ""
    if (index >= wrong.lengths[-1]).all():
        return f"the padding after the last {axis}"
    return f"the padding before the first {axis}" if (index < 0).all() else ""


def _continued(wrong: Reads) -> str:
    """In which familiar way the input goes on beyond its ends; empty for none."""
    right, lengths = wrong.right[:, 1:-2], np.array(wrong.lengths)
    others = np.delete(wrong.got == wrong.right, range(1, 1 + wrong.rank), axis=1)
    if not others.all() or len(wrong.got) < ENOUGH:
        return ""
    ways = {
        "continued periodically": right % lengths,
        "continued by its first and last elements": np.clip(right, 0, lengths - 1),
        "mirrored, the first and the last elements not repeated": _mirrored(
            right, 2 * lengths - 2, 0
        ),
        "mirrored": _mirrored(right, 2 * lengths, 1),
    }
    told = [words for words, x in ways.items() if np.array_equal(x, wrong.got[:, 1:-2])]
    return told[0] if 0 < len(told) < len(ways) else ""  # of one input all ways are the same


def _is_next_in_memory(wrong: Reads) -> bool:
    """Whether places beyond an axis are those of the next index of the axis before it."""
    got, right = (_in_memory(places, wrong.lengths) for places in (wrong.got, wrong.right))
    same = np.array_equal(wrong.got[:, -2:], wrong.right[:, -2:])
    several = len(np.unique(wrong.right, axis=0)) > ENOUGH
    return same and several and np.array_equal(got, right)


def _in_memory(places: Array, lengths: Sequence[int]) -> Array:
    """The numbers of places of all samples, one after the other."""
    number = places[:, 0]
    for column, length in enumerate(lengths, 1):
        number = number * length + places[:, column]
    return np.asarray(number)


def _mirrored(index: Array, period: Array, repeated: int) -> Array:
    """Indices that go back and forth; whether the ends are repeated."""
    within = index % np.maximum(period, 1)
    return np.asarray(np.minimum(within, period - repeated - within))


def _law_before_the_first(wrong: Reads) -> str:
    """Which input is read before the first along one axis; empty where it follows no law."""
    axes = AXES[wrong.rank]
    before = wrong.right[:, 1:-2] < 0
    within = (wrong.right[:, 1:-2] < np.array(wrong.lengths)).all(axis=1)
    for number, axis in enumerate(axes):
        part = wrong.only(np.asarray(within & before[:, number] & (before.sum(axis=1) == 1)))
        laws = [law_of(part, part.got[:, 1 + a]) for a in range(len(axes))]
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
    told += _beyond_multiples(reads, weight, odd[0])
    return tuple(told)


def _beyond_multiples(reads: Reads, weight: Array, times: float) -> list[str]:
    """Whether what is not read once are places, taps or outputs beyond the multiples of a rate."""
    told = list[str]()
    for what, index_of, name, symbols in _OF_RATES:
        beyond = np.zeros(len(weight), bool)
        for a in range(reads.rank):
            rate = reads.laws[1 + a][symbols[a]]
            index = index_of(reads, a)
            count = int(index.max()) + 1
            beyond |= (index >= count // rate * rate) & (count > rate)
        beyond &= reads.inside
        if beyond.any() and np.array_equal(beyond, reads.inside & (weight == times)):
            told.append(
                f"{what.format(f'beyond the last multiple of the {name} along an axis')} are "
                f"{how_often(float(times))}"
            )
    return told


def _taps(reads: Reads, axis: int) -> Array:
    return np.asarray(reads.entries[:, 1 + reads.rank + axis])


def _padded_places(reads: Reads, axis: int) -> Array:
    read = reads.right[:, 1 + axis]
    return np.asarray(read - min(int(read.min()), 0))


def _places(reads: Reads, axis: int) -> Array:
    return np.asarray(reads.entries[:, 1 + axis])


_INPUTS: Final = "inputs {}, counted with the padding,"
_OF_RATES: Final = (
    ("kernel elements {}", _taps, "stride", PLACES),
    (_INPUTS, _padded_places, "dilation rate", TAPS),
    (_INPUTS, _padded_places, "stride", PLACES),
    ("outputs {}", _places, "dilation rate", TAPS),
)
"""What may be left out beyond a rate's multiples: words, its index, the rate, its symbols."""


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


def _laws(reads: Reads) -> tuple[str, ...]:
    """The laws of the columns that follow another one, and what of any numbers they are like."""
    law = _law(reads)
    reasons = {one for axis in law.split("; ") for one in axis.split(_AS_WHERE)[1:]}
    generic = [f"inputs are read{_AS_WHERE}{reason}" for reason in reasons if len(reasons) == 1]
    return (law, *generic) if law else ()


_AS_WHERE: Final = ", as where "


def _law(reads: Reads) -> str:
    """The laws of the columns that follow another one; empty where one follows none."""
    found = reads.only(np.asarray((reads.got >= 0).all(axis=1)))
    told = []
    for column, right in enumerate(reads.laws):
        other = law_of(found, found.got[:, column] - found.right[:, column])
        if other is None:
            return ""
        if other:
            told.append(_law_in_words(reads, column, _sum(right, other), right))
    return "; ".join(told)


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
        f"it should read {formula(right)}{_of_rates(got, right, place, tap)}"
    )


def _of_rates(got: Law, right: Law, place: str, tap: str) -> str:
    """What a law of places says of strides and dilation."""
    stride, dilation = right.get(place, 0), right.get(tap, 0)
    given = got.get(place, 0), got.get(tap, 0)
    if stride != dilation and given == (dilation, stride):
        return f"{_AS_WHERE}strides and dilation rate are exchanged"
    if given == (stride, 1) != (stride, dilation):
        return f"{_AS_WHERE}the dilation rate is ignored"
    if given == (1, dilation) != (stride, dilation):
        return f"{_AS_WHERE}the strides are ignored"
    return ""


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


_TIMES: Final = (2.0, 3.0)
"""How often an input is rather counted than another one is read, whose number is so large."""


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
    if reads.inside[row] and reads.weight[row] in _TIMES:
        times = how_often(float(reads.weight[row]))
        return f"output {place_in_words(output)} has {should} with kernel element {element} {times}"
    return (
        f"output {place_in_words(output)} reads {does} with kernel element {element}, "
        f"where it should read {should}"
    )
