"""Which inputs the windows of a pooling look at, and where its gradients go; and that in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from conformance.diagnosis.attribution import which
from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.displaced_looks import elsewhere_in_memory
from conformance.diagnosis.questions.products import (
    AXES,
    NOTHING,
    SEVERAL,
    Law,
    Told,
    formula,
    place_in_words,
)
from conformance.diagnosis.questions.reads import along_values
from conformance.diagnosis.questions.window_looks import (
    NEXT_IN_MEMORY,
    Looks,
    next_in_memory,
    of_other_sample,
    without_middle,
)
from conformance.diagnosis.wording import enumerated

Span = tuple[int, int]
"""The first and the last input of a window along an axis."""

_MOST_WINDOWS: Final = 4
"""Of how many windows the ends are told."""

_LEAST_COUNTED: Final = 2
"""How many gradients go elsewhere at least where it is told how places are counted."""


def look_words(looks: Looks) -> Told:
    """In which way windows look elsewhere; without words where they do not."""
    wrong: Array = np.asarray(looks.got != looks.right)
    if not wrong.any():
        return Told()
    if next_in_memory(looks):
        return Told((NEXT_IN_MEMORY,))
    law = of_other_sample(looks) or without_middle(looks)
    if law:
        return Told((law,), is_law=True)
    words = _never(looks)
    if words:
        return Told(words)
    laws = elsewhere_in_memory(looks)
    laws = laws or tuple(law for law in (_moved_to_fit(looks), _other_ends(looks)) if law)
    if laws:
        return Told(laws, is_law=True)
    ends = _ends(looks)
    return Told((ends,)) if ends else Told((_first_look(looks, wrong),), for_all=False)


def _axes_of(places: Array) -> tuple[str, ...]:
    return ("sample", *AXES[places.shape[1] - 2], "channel")


def _never(looks: Looks) -> tuple[str, ...]:
    """Which inputs no window looks at, where that is all."""
    if (looks.got & ~looks.right).any():
        return ()
    outputs = tuple(range(1, looks.right.ndim))
    asked = np.asarray(looks.right.any(axis=outputs))
    seen = np.asarray(looks.got.any(axis=outputs))
    missed: Array = np.asarray(asked & ~seen)
    if not np.array_equal(looks.got[~missed], looks.right[~missed]):
        return ()
    told: list[str] = []
    for axis, values in zip(_axes_of(looks.inputs), looks.inputs.T, strict=True):
        along = along_values(values[asked], missed[asked])
        if along is not None and not along.all():
            told += (f"{w} looked at by no window" for w in which(along, f"input {axis}s"))
    return tuple(told)


def _along(looks: Looks) -> Iterator[tuple[str, int, Array, dict[int, Span], dict[int, Span]]]:
    """Of each axis: its name, length and windows, and where these look, as found and as right."""
    axes = _axes_of(looks.inputs)[1:-1]
    for number, (axis, length, windows) in enumerate(
        zip(axes, looks.lengths, looks.windows, strict=False), 1
    ):
        got, right = (
            _spans(looks.inputs[:, number], one, 1 + number) for one in (looks.got, looks.right)
        )
        if got != right:
            yield axis, length, windows, got, right


def _moved_to_fit(looks: Looks) -> str:
    """Whether windows that reach into the padding lie, whole, at the end of the input instead."""
    sides: set[str] = set()
    for _, length, windows, got, right in _along(looks):
        for index, span in right.items():
            low, high = int(windows[index, 0]), int(windows[index, -1])
            at_end, at_start = (length - 1 - high + low, length - 1), (0, high - low)
            if got.get(index) == span:
                continue
            if high >= length and got.get(index) == at_end:
                sides.add("beyond the last input are moved back, to end with it")
            elif low < 0 and got.get(index) == at_start:
                sides.add("before the first input are moved on, to begin with it")
            else:
                return ""
    return f"windows that reach {enumerated(sorted(sides))}" if sides else ""


def _other_ends(looks: Looks) -> str:
    """The laws of where windows begin and end along the first axis where they do elsewhere."""
    for axis, length, windows, got, right in _along(looks):
        if got.keys() != right.keys():
            return ""
        index = np.array(sorted(right))
        told = []
        for side, verb in ((0, "begin"), (-1, "end")):
            wanted = windows[index, side]
            given = np.array([got[i][side] for i in sorted(right)])
            stride = int(np.diff(windows[:2, 0]).sum())
            law, own = (_line(index, one, length, stride) for one in (given, wanted))
            if law is None or own is None:
                return ""
            if law != own:
                should = f"where it should {verb} at {formula(own)}"
                told.append(f"{verb}s at input {axis} {formula(law)}, {should}")
        if told:
            return f"along {axis}s, the window of output i {enumerated(told)}"
    return ""


def _line(index: Array, ends: Array, length: int, stride: int) -> Law | None:
    """The law of ends that lie within the input, by the index; None where they follow none.

    At the first and the last input, ends may be cut off.  Two alone tell it by the right stride.
    """
    inner = (ends > 0) & (ends < length - 1)
    if inner.sum() < 2:
        return None
    i, end = index[inner], ends[inner]
    step, start = (int(n) for n in np.rint(np.polyfit(i, end, 1)))
    if inner.sum() == 2 and step != stride:
        return None
    line = np.clip(index * step + start, 0, length - 1)
    return {"i": step, "": start} if np.array_equal(line, np.clip(ends, 0, length - 1)) else None


def _ends(looks: Looks) -> str:
    """Where windows begin and end along the first axis along which they do elsewhere."""
    for number, axis in enumerate(_axes_of(looks.inputs)[1:-1], 1):
        got, right = (
            _spans(looks.inputs[:, number], one, 1 + number) for one in (looks.got, looks.right)
        )
        differing = [index for index in right if got.get(index) != right[index]]
        if differing:
            shown = differing[:_MOST_WINDOWS]
            does, should = ([_span(one.get(i)) for i in shown] for one in (got, right))
            return (
                f"the window of output {axis} {enumerated(shown)} looks at input {axis}s "
                f"{enumerated(does)}, where it should look at {enumerated(should)}"
            )
    return ""


def _spans(values: Array, looks: Array, axis: int) -> dict[int, Span]:
    """For each index of outputs along an axis, the least and largest of the inputs looked at."""
    others = tuple(i for i in range(1, looks.ndim) if i != axis)
    by_output = np.asarray(looks.any(axis=others))
    found = {}
    for index in range(by_output.shape[1]):
        seen = values[by_output[:, index]]
        if len(seen):
            found[index] = int(seen.min()), int(seen.max())
    return found


def _span(ends: Span | None) -> str:
    if ends is None:
        return "none"
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _first_look(looks: Looks, wrong: Array) -> str:
    """The first output that looks at what it should not, or not at what it should."""
    mark, *output = (int(axis[0]) for axis in np.nonzero(wrong))
    does = "looks" if looks.got[(mark, *output)] else "does not look"
    should = "should not" if does == "looks" else "should"
    at = f"{does} at input {place_in_words(looks.inputs[mark])}"
    return f"output {place_in_words(output)} {at}, where it {should}"


@dataclass(frozen=True, eq=False)
class Sent:
    """Where the gradients of outputs of a pooling go.

    Attributes:
        outputs: the sample, place and channel of the outputs that were marked.
        right: those of the inputs that their gradients belong to.
        got: the same as it was found; `NOTHING` or `SEVERAL` in all columns.
        lengths, counts: the spatial lengths of the inputs and of the outputs.
        windows: for each axis, the input places of the windows, those in the padding as well.
    """

    outputs: Array
    right: Array
    got: Array
    lengths: tuple[int, ...]
    counts: tuple[int, ...]
    windows: Sequence[Array]


def sent_words(sent: Sent) -> Told:
    """In which way gradients go elsewhere; without words where they do not."""
    wrong = np.asarray((sent.got != sent.right).any(axis=1))
    if not wrong.any():
        return Told()
    words = tuple(told for tell in _WAYS_TO_SEND if (told := tell(sent)))
    return Told(words) if words else Told((_first_sent(sent, int(wrong.argmax())),), False)


def _to_first_sample(sent: Sent) -> str:
    """Whether what belongs to all samples goes to the first."""
    others = np.array_equal(sent.got[:, 1:], sent.right[:, 1:])
    if not others or sent.got[:, 0].any() or not sent.right[:, 0].any():
        return ""
    return (
        "the gradients of all samples go to the first, as where the index of an input does not "
        "count the samples before it"
    )


def _by_cut_windows(sent: Sent) -> str:
    """Whether places in windows cut to the input are taken for those in whole ones, or these so."""
    inner = slice(1, 1 + len(sent.windows))
    lengths = np.array(sent.lengths)
    starts = np.stack(
        [w[sent.outputs[:, axis], 0] for axis, w in enumerate(sent.windows, 1)], axis=1
    )
    for sign, words in ((1, _IN_PART), (-1, _IN_WHOLE)):
        moved = sent.right.copy()
        moved[:, inner] += sign * np.minimum(starts, 0)
        outside = (moved < 0).any(axis=1) | (moved[:, inner] >= lengths).any(axis=1)
        moved[outside] = NOTHING
        if np.array_equal(moved, sent.got):
            return f"of windows that begin before the first input, {words}"
    return ""


_IN_PART: Final = (
    "the gradient goes as many places before the input that it belongs to, as where its place is "
    "counted in the part of the window that lies within the input, and used as one of the whole "
    "window"
)
_IN_WHOLE: Final = (
    "the gradient goes as many places beyond the input that it belongs to, as where its place is "
    "counted in the whole window, and used as one of the part that lies within the input"
)


def _counted_anew(sent: Sent) -> str:
    """From which place of a window on the places are counted from its first one again."""
    right, got = (_places_in_windows(sent, one) for one in (sent.right, sent.got))
    wrong = right != got
    if (got < 0).any() or wrong.sum() < _LEAST_COUNTED:
        return ""
    count = int((right - got)[wrong][0])
    if count < 2 or not np.array_equal(got, right % count):
        return ""
    return (
        f"the gradient of an output goes to place p - {count} of its window, counted one after "
        f"another from 0, where it should go to a place p from {count} on: they are counted "
        f"modulo {count}"
    )


def _places_in_windows(sent: Sent, inputs: Array) -> Array:
    """The places of inputs in the windows of their outputs, row by row; -1 of what is in none."""
    place = np.zeros(len(inputs), dtype=np.intp)
    outside = inputs[:, 0] != sent.outputs[:, 0]
    for axis, windows in enumerate(sent.windows, 1):
        taps = windows[sent.outputs[:, axis]] == inputs[:, axis, None]
        place = place * taps.shape[1] + taps.argmax(axis=1)
        outside |= ~taps.any(axis=1)
    return np.where(outside, -1, place)


def _moved_alike(sent: Sent) -> str:
    """By how many places along one axis all gradients go too far."""
    if (sent.got < 0).any():
        return ""
    differing = [
        (axis, set(by.tolist()))
        for axis, by in zip(_axes_of(sent.right), (sent.got - sent.right).T, strict=True)
        if by.any()
    ]
    if len(differing) != 1 or len(differing[0][1]) != 1:
        return ""
    axis, (by,) = differing[0]
    side = "after" if by > 0 else "before"
    far = f"one {axis}" if abs(by) == 1 else f"{abs(by)} {axis}s"
    return f"the gradient of an output goes {far} {side} the input that it belongs to"


def _by_window_height(sent: Sent) -> str:
    """Whether the place in a window is taken apart by its height in place of its width."""
    if len(sent.windows) != len(("rows", "columns")):
        return ""
    rows, columns = sent.windows
    height, width = rows.shape[1], columns.shape[1]
    taps = divmod(_places_in_windows(sent, sent.right), height)
    moved = sent.right.copy()
    for axis, (windows, tap) in enumerate(zip(sent.windows, taps, strict=True), 1):
        moved[:, axis] = windows[sent.outputs[:, axis], 0] + tap
    inner = moved[:, 1 : 1 + len(sent.windows)]
    moved[((inner < 0) | (inner >= np.array(sent.lengths))).any(axis=1)] = NOTHING
    if height == width or not np.array_equal(moved, sent.got):
        return ""
    return (
        "the place of the largest in its window, counted row by row, is taken apart by the number "
        "of the window's rows, where it should be by that of its columns"
    )


def _by_other_rows(sent: Sent) -> str:
    """Where the flat indices of inputs are made with another length of rows."""
    if sent.right.shape[1] != len(("sample", "row", "column", "channel")):
        return ""
    found = (sent.got >= 0).all(axis=1)
    row, column = sent.right[found, 1], sent.right[found, 2]
    columns, of_outputs = sent.lengths[-1], sent.counts[-1]
    flat = sent.got[found, 1] * columns + sent.got[found, 2]
    lengths = {int(n) for n in (flat - column)[row > 0] // row[row > 0]}
    if len(lengths) != 1 or min(lengths) < 1 or lengths == {columns}:
        return ""
    if not np.array_equal(row * min(lengths) + column, flat):
        return ""
    (length,) = lengths
    why = ", as many as outputs have columns" if length == of_outputs else ""
    return (
        f"the index of the input that a gradient goes to is made with rows of {length}{why}, where "
        f"inputs have {columns} columns"
    )


def _in_two_parts(sent: Sent) -> str:
    """Whether what a first part of the outputs gives is lost where a second one begins."""
    for axis, windows in enumerate(sent.windows, 1):
        for split in range(1, len(windows)):
            lost = sent.outputs[:, axis] < split
            lost &= sent.right[:, axis] >= max(int(windows[split, 0]), 0)
            moved = sent.right.copy()
            moved[lost] = NOTHING
            if np.array_equal(moved, sent.got):
                return _LOST_BETWEEN.format(axis=_axes_of(sent.right)[axis])
    return ""


_LOST_BETWEEN: Final = (
    "along output {axis}s, the outputs are handled in two parts, and what the first one gives to "
    "inputs that the second one reads as well is lost, as where its result is stored and not added"
)


def _by_two_lengths(sent: Sent) -> str:
    """Where flat indices of inputs are taken apart by another length of rows than made with."""
    if sent.right.shape[1] != len(("sample", "row", "column", "channel")):
        return ""
    columns, of_outputs = sent.lengths[-1], sent.counts[-1]
    flat = sent.right[:, 1] * columns + sent.right[:, 2]
    for length in range(1, 2 * columns):
        moved = sent.right.copy()
        moved[:, 1], moved[:, 2] = np.divmod(flat, length)
        moved[(moved[:, 1] >= sent.lengths[0]) | (moved[:, 2] >= columns)] = NOTHING
        if np.array_equal(moved, sent.got):
            why = ", as many as outputs have columns" if length == of_outputs else ""
            return (
                f"the index of the input that a gradient goes to is taken apart into row and "
                f"column by rows of {length}{why}, where inputs have {columns} columns"
            )
    return ""


def _first_sent(sent: Sent, row: int) -> str:
    got = sent.got[row]
    does = {NOTHING: "nowhere", SEVERAL: "to several inputs"}.get(int(got[0]))
    does = does or f"to input {place_in_words(got)}"
    return (
        f"the gradient of output {place_in_words(sent.outputs[row])} goes {does}, where it should "
        f"go to input {place_in_words(sent.right[row])}, which is the largest of its window"
    )


_WAYS_TO_SEND: Final = (
    *(_to_first_sample, _by_cut_windows, _by_window_height, _counted_anew),
    *(_moved_alike, _in_two_parts, _by_other_rows, _by_two_lengths),
)
