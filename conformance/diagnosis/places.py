"""Where the wrong elements of outputs lie, and what they are, in words that lead to a loop.

What goes wrong in the remainder of a loop, beyond a block or at an end shows in the indices of the
wrong elements along one axis, whatever the arithmetic was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.backward import GradientPrediction
from conformance.diagnosis.evaluation import Prediction, to_channels_last
from conformance.diagnosis.hypotheses import Failure, Hypotheses, is_predictable
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value

Array = np.ndarray[Any, Any]

_BLOCKS: Final = (2, 4, 8, 16, 32, 64, 128)
_LEAST_FROM: Final = 4
"""The least index from which on elements are wrong that is called a limit, not an end."""

_LENGTHS: Final = 3
"""At how many lengths a remainder is seen at least, and at one failure more."""

_LEAST: Final = 2
"""How many failures a place is told of; one alone may be wrong there by chance."""

_FAR: Final = 32
"""The least index from which on one failure alone tells, if most elements there are wrong."""


_NAN_LOST: Final = "NaN is lost there"


_SEAMS: Final = tuple(2**power for power in range(3, 15))
"""Lengths of the pieces that an axis may be cut into."""

_FEW_OF_BLOCK: Final = 4
_OF_MOST_BLOCKS: Final = 0.75
"""At how many of the seams there may be elements are wrong at least."""


@dataclass(frozen=True, order=True)
class Place:
    """Indices along one axis, beyond which elements are wrong, and before which they are right.

    Attributes:
        axis: which axis, in words for several of its elements.
        block: the length of a block, whose remainder is wrong; 0 for `start`.
        start: the first wrong index, whatever the length.
        above: whether only axes longer than the block have it.
        whole: whether it is the whole blocks that are wrong, and their remainder is right.
    """

    axis: str
    block: int = 0
    start: int = 0
    above: bool = False
    whole: bool = False

    @property
    def words(self) -> str:
        """``the filters beyond a multiple of 8, where there are more than 8``."""
        if not self.block:
            return f"the {self.axis} from index {self.start} on"
        if self.whole:
            return f"the {self.axis} up to the last multiple of {self.block}, not those beyond,"
        above = f", where there are more than {self.block}" if self.above else ""
        return f"the {self.axis} beyond the last multiple of {self.block}{above}"

    def mask(self, length: int) -> Array:
        """Which indices of an axis of that length lie at the place."""
        index = np.arange(length)
        if self.whole:
            return np.asarray(index < length // self.block * self.block)
        return np.asarray(index >= self.first(length))

    def first(self, length: int) -> int:
        """The first index that is wrong; `length` where none is."""
        if not self.block:
            return min(self.start, length)
        if self.whole:
            return 0 if length >= self.block else length
        if self.above and length <= self.block:
            return length
        return length // self.block * self.block


@dataclass(frozen=True, eq=False)
class Located:
    """Failures whose wrong elements lie at one place.

    Attributes:
        place: the place.
        failures: these.
        contradicted: passing cases that have it as well.
        what: what the wrong elements are; empty where nothing simple is.
        end: the last index that is wrong in all of them, before the end of the axis, as at a seam
            between two pieces; None where there is no such index.
    """

    place: Place
    failures: tuple[Failure, ...]
    contradicted: tuple[Case, ...]
    what: str
    end: int | None = None

    @property
    def words(self) -> str:
        """The whole, to follow "only"."""
        where = self.place.words
        if self.end is not None and not self.place.block:
            where = f"{where.removesuffix(' on')} to {self.end}"
        return where + (f" ({self.what})" if self.what else "")

    @property
    def layers(self) -> str:
        """The layers in which they were seen."""
        return " and ".join(sorted({failure.case.layer for failure in self.failures}))


def located(
    failures: Sequence[Failure], passed: Sequence[Case], hypotheses: Hypotheses
) -> list[Located]:
    """The places that explain most failures, one after the other, as long as they are credible.

    A place is credible where more failures have their wrong elements there than passing cases have
    such elements at all.
    """
    seen = {f: one for f in failures if (one := _seen(f, hypotheses)) is not None}
    found: list[Located] = []
    while seen:
        best = _best(seen, passed)
        if best is None:
            break
        found.append(best)
        seen = {f: one for f, one in seen.items() if f not in set(best.failures)}
    return found


def places_of(failure: Failure, hypotheses: Hypotheses) -> frozenset[Place]:
    """All places that the wrong elements of a failure lie at, those after the first included."""
    seen = _seen(failure, hypotheses)
    if seen is None:
        return frozenset()
    plain = {axis: n for axis, n in seen.starts.items() if n and axis not in OVER_SEVERAL}
    return seen.places | {Place(axis, start=n) for axis, n in plain.items()}


def begins_within(place: Place, failure: Failure, hypotheses: Hypotheses) -> bool:
    """Whether elements before the place are right: of all that there are it tells nothing."""
    seen = _seen(failure, hypotheses)
    return seen is not None and place.first(seen.lengths[place.axis]) > 0


def is_within(place: Place, failure: Failure, hypotheses: Hypotheses) -> bool:
    """Whether all that is wrong lies at the place, of an axis that the output has."""
    seen = _seen(failure, hypotheses)
    if seen is None or place.axis not in seen.starts:
        return False
    mask = place.mask(seen.lengths[place.axis])
    return bool(mask[seen.starts[place.axis]] and mask[seen.ends[place.axis]])


def size_of(place: Place, failure: Failure, hypotheses: Hypotheses) -> float:
    """Which share of the elements of a failure lies at a place; all where that is not known."""
    seen = _seen(failure, hypotheses)
    return 1.0 if seen is None else _share(place, seen)


def _share(place: Place, seen: _Seen) -> float:
    length = seen.lengths[place.axis]
    return (length - place.first(length)) / length if length else 1.0


def are_at_one_place(one: Failure, other: Failure, hypotheses: Hypotheses) -> bool:
    """Whether the wrong elements of two failures of one layer lie beyond one limit of an axis."""
    if (one.case.layer, one.case.observe) != (other.case.layer, other.case.observe):
        return False
    seen = [_seen(failure, hypotheses) for failure in (one, other)]
    places = [{p for p in s.places if _tells(p)} if s is not None else set() for s in seen]
    return bool(places[0] & places[1])


def _tells(place: Place) -> bool:
    """Whether elements beyond a place are hardly there by chance."""
    return max(place.start, place.block) > _LEAST_FROM


def _best(seen: dict[Failure, _Seen], passed: Sequence[Case]) -> Located | None:
    counts = Counter(place for one in seen.values() for place in sorted(one.places))
    found: list[tuple[tuple[int, int, int], float, Place, int, Located]] = []
    for place, count in counts.most_common(_MOST_TRIED):
        if count < _LEAST and not any(place in one.dense for one in seen.values()):
            continue
        having = [failure for failure, one in seen.items() if place in one.places]
        for layers in _choices(having):
            those = [failure for failure in having if failure.case.layer in layers]
            against = [c for c in passed if c.layer in layers and _has(place, c)]
            telling = _telling(seen, those, against)
            if all(failure.case.operands in _BY_INDEX for failure in those):
                continue
            if _is_credible(place, [seen[f] for f in those], telling):
                end = _end(place.axis, [seen[failure] for failure in those])
                what = _what(seen, those) or _seams(place.axis, [seen[f] for f in those])
                one = Located(place, tuple(those), tuple(against), what, end)
                size = sum(_share(place, seen[failure]) for failure in those)
                found.append((_weight(one, telling), -size, place, len(found), one))
    return max(found)[-1] if found else None


_MOST_TRIED: Final = 40

_BY_INDEX: Final = frozenset({"edges", "tails"})
"""Kinds of operands whose values follow from the index, so that a place may be that of values."""


def _choices(failures: Sequence[Failure]) -> list[set[str]]:
    """The layers of some failures, each alone, and all of them where they are several."""
    layers = {failure.case.layer for failure in failures}
    return [{layer} for layer in sorted(layers)] + [layers] * (len(layers) > 1)


def _telling(seen: dict[Failure, _Seen], those: Sequence[Failure], against: Sequence[Case]) -> int:
    """How many passing cases speak against a place.

    Those of other dtypes or activations do not where all failures are of one, nor those without
    NaN where it is NaN that is lost.
    """
    dtypes = {failure.case.dtype for failure in those}
    activations = {_activation(failure.case) for failure in those}
    kinds = {failure.case.operands for failure in those}
    lost = all(seen[failure].effect == _NAN_LOST for failure in those)
    return sum(
        (len(dtypes) > 1 or case.dtype in dtypes)
        and (len(activations) > 1 or _activation(case) in activations)
        and (not lost or case.operands in kinds)
        for case in against
    )


def _activation(case: Case) -> str | None:
    given = case.keywords.get("activation")
    return None if given == "linear" else given


def _weight(one: Located, telling: int) -> tuple[int, int, int]:
    """Most failures for the least contradiction; of the same a plain limit of an axis of its own.

    Then small blocks; what is left goes to the smallest place.
    """
    plain = one.place.axis not in OVER_SEVERAL
    return len(one.failures) - telling, plain - one.place.above, -one.place.block


def _is_credible(place: Place, seen: Sequence[_Seen], against: int) -> bool:
    """A remainder shows at several lengths; a few failures lie in one by chance."""
    if len(seen) < _LEAST and not all(place in one.dense for one in seen):
        return False
    lengths = {one.lengths[place.axis] for one in seen}
    varied = len(lengths) >= _LENGTHS and len(seen) > _LENGTHS
    far = place.start >= (2 * _LEAST_FROM if len(lengths) > 1 else _FAR)
    return (varied or far) and len(seen) > against


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is wrong in one output.

    Attributes:
        places: all places that its wrong elements lie at.
        lengths: the lengths of its axes, by name.
        starts, ends: the first and the last wrong index along each axis.
        seams: by axis, which indices of every block are wrong, where others between them are right.
        effect: what the wrong elements are.
        dense: the places far along an axis from which on most elements are wrong.
    """

    places: frozenset[Place]
    lengths: dict[str, int]
    starts: dict[str, int]
    ends: dict[str, int]
    effect: str
    dense: frozenset[Place] = frozenset()
    seams: Mapping[str, str] = field(default_factory=dict)


def _seen(failure: Failure, hypotheses: Hypotheses) -> _Seen | None:
    case, outcome = failure.case, failure.outcome
    if not isinstance(outcome, Value) or not is_predictable(case) or not LAYERS[case.layer].rank:
        return None
    right = hypotheses.prediction((), case)
    if isinstance(right, GradientPrediction) and isinstance(outcome.value, dict):
        return _seen_in_gradients(case, outcome.value, right)
    if not isinstance(right, Prediction) or case.observe != "output":
        return None
    return _seen_in(outcome.value, right, axes_of_output(case), first=facts(case).channels_first)


def _seen_in_gradients(
    case: Case, actual: dict[str, Array], right: GradientPrediction
) -> _Seen | None:
    """Where one gradient is wrong and the others are right."""
    wrong = [name for name, part in right.parts.items() if not part.fits(actual.get(name))]
    if len(wrong) != 1:
        return None
    (name,) = wrong
    first = facts(case).channels_first and name == "inputs"
    return _seen_in(actual[name], right.parts[name], _axes_of_gradient(case, name), first=first)


def _seen_in(
    actual: Array, right: Prediction, axes: tuple[str, ...], *, first: bool
) -> _Seen | None:
    if not isinstance(actual, np.ndarray) or actual.shape != right.value.shape:
        return None
    wrong, given, wanted = (
        to_channels_last(a) if first else a for a in (~right.allows(actual), actual, right.value)
    )
    if not wrong.any():
        return None
    masks = _masks(wrong, axes) | _in_order(~right.allows(actual), wrong, axes)
    lengths = {axis: len(mask) for axis, mask in masks.items()}
    found = frozenset(place for axis, mask in masks.items() for place in _places(axis, mask))
    plain = dict(zip(axes, wrong.shape, strict=True))
    dense = frozenset(
        place for place in found if place.axis in plain and _is_dense(place, wrong, plain)
    )
    indices = {axis: np.flatnonzero(mask) for axis, mask in masks.items()}
    starts = {axis: int(index[0]) for axis, index in indices.items()}
    ends = {axis: int(index[-1]) for axis, index in indices.items()}
    seams = {axis: _of_every_block(index, lengths[axis]) for axis, index in indices.items()}
    return _Seen(found, lengths, starts, ends, _effect(wrong, given, wanted), dense, seams)


def _of_every_block(index: NDArray[np.intp], length: int) -> str:
    """Which indices of every block are wrong, few of all; empty where there is no such block."""
    for block in _SEAMS:
        places = np.unique(index % block)
        if 2 * block > length or len(places) > block // _FEW_OF_BLOCK:
            continue
        every = np.arange(length)
        among = np.isin(every % block, places)
        if np.isin(every[among], index).mean() >= _OF_MOST_BLOCKS:
            low, high = int(places[0]), int(places[-1])
            return f"of every {block} those from {low} to {high}"
    return ""


def _seams(axis: str, seen: Sequence[_Seen]) -> str:
    """The words in which most of what was seen agrees."""
    words, count = Counter(one.seams.get(axis, "") for one in seen).most_common(1)[0]
    return words if 2 * count > len(seen) else ""


def _is_dense(place: Place, wrong: Array, lengths: dict[str, int]) -> bool:
    beyond = wrong.swapaxes(0, list(lengths).index(place.axis))[place.start :]
    return place.start >= _FAR and bool(beyond.mean() > 0.5)


def _end(axis: str, seen: Sequence[_Seen]) -> int | None:
    """The last wrong index along an axis, where it is the same in all, and right ones follow."""
    ends = {one.ends[axis] for one in seen}
    follow = all(one.ends[axis] < one.lengths[axis] - 1 for one in seen)
    return ends.pop() if len(ends) == 1 and follow else None


def axes_of_output(case: Case) -> tuple[str, ...]:
    """The axes of an output whose channels are last, each in words for several elements."""
    last = "filters" if facts(case).is_convolution else "channels"
    return ("samples", *_inner(case), last)


def _axes_of_gradient(case: Case, name: str) -> tuple[str, ...]:
    """The axes of a gradient whose channels are last."""
    axes = {
        "inputs": ("samples", *_inner(case), "channels"),
        "kernel": (*_inner(case), "channels", "filters"),
        "bias": ("filters",),
    }[name]
    return tuple(f"{axis} of the gradient of the {name}" for axis in axes)


def _inner(case: Case) -> tuple[str, ...]:
    return ("steps",) if facts(case).rank == 1 else ("rows", "columns")


_PLANE: Final = "places of an output plane, counted row by row,"
_ORDER: Final = "elements of the output, counted as they lie in memory,"
_SPREAD: Final = "output places of all samples, counted one after the other,"
OVER_SEVERAL: Final = frozenset({_PLANE, _ORDER, _SPREAD})
"""What is counted over several axes; a limit, and no remainder, is that of one of them."""


def _masks(wrong: Array, axes: tuple[str, ...]) -> dict[str, Array]:
    """By axis, at which indices anything is wrong."""
    every = range(wrong.ndim)
    return {
        axis: np.asarray(wrong.any(axis=tuple(i for i in every if i != number)))
        for number, axis in enumerate(axes)
    }


def _in_order(in_memory: Array, wrong: Array, axes: tuple[str, ...]) -> dict[str, Array]:
    """The same over the places of a plane, and over all elements, of outputs."""
    if "samples" not in axes:
        return {}
    found = {_ORDER: in_memory.ravel(), _SPREAD: np.asarray(wrong.any(axis=-1)).ravel()}
    found[_PLANE] = wrong.any(axis=(0, -1)).ravel()
    return found


def _places(axis: str, mask: Array) -> Iterator[Place]:
    length, (indices,) = len(mask), np.nonzero(mask)
    lowest, highest = int(indices[0]), int(indices[-1])
    for block in _BLOCKS:
        if block < length and length % block and highest == length // block * block - 1:
            yield Place(axis, block, whole=True)
    if lowest == 0 and length >= min(_BLOCKS):
        return
    if lowest >= _LEAST_FROM and axis not in OVER_SEVERAL:
        yield Place(axis, start=lowest)
    for block in _BLOCKS:
        holds = block < length or (length == 1 and block == min(_BLOCKS))
        if holds and length % block and lowest >= length // block * block:
            yield Place(axis, block)
            if length > block:
                yield Place(axis, block, above=True)


def _effect(wrong: Array, given: Array, wanted: Array) -> str:
    values, right = given[wrong], wanted[wrong]
    if not np.any(values):
        return "they are zero"
    if values.dtype.kind not in "iu" and np.all(np.isnan(right) & ~np.isnan(values)):
        return _NAN_LOST
    if any(_repeats(np.moveaxis(wrong, axis, 0), np.moveaxis(given, axis, 0)) for axis in (-1, 0)):
        return "they repeat the first ones"
    return ""


def _repeats(wrong: Array, given: Array) -> bool:
    """Whether what is wrong along the first axis is what stands at its start."""
    start = int(np.argmax(wrong.any(axis=tuple(range(1, wrong.ndim)))))
    tail = len(given) - start
    is_number = given.dtype.kind not in "iu"
    return 0 < tail <= start and np.array_equal(given[start:], given[:tail], equal_nan=is_number)


def _what(seen: dict[Failure, _Seen], those: Sequence[Failure]) -> str:
    effects = {seen[failure].effect for failure in those}
    return effects.pop() if len(effects) == 1 else ""


@lru_cache(maxsize=8192)
def _lengths(case: Case) -> dict[str, int] | None:
    """The lengths of the axes by name, of all gradients; None where they are not known."""
    if case.observe not in ("output", "gradients") or not is_predictable(case):
        return None
    known = facts(case)
    if not known.rank:
        return None
    try:
        inner = [axis.output for axis in known.axes]
    except ValueError:
        return None
    channels, filters = known.channels or 0, known.config.get("filters", 0)
    batch = known.batch or 0
    if case.observe == "output":
        last = filters if known.is_convolution else channels
        over = {_ORDER: prod((batch, *inner, last)), _SPREAD: prod((batch, *inner))}
        over |= {_PLANE: prod(inner)}
        return dict(zip(axes_of_output(case), (batch, *inner, last), strict=True)) | over
    sizes = {"inputs": (batch, *(n or 0 for n in known.spatial), channels)}
    if known.is_convolution:
        sizes |= {"kernel": (*known.window, channels // known.groups, filters), "bias": (filters,)}
    names = (zip(_axes_of_gradient(case, n), s, strict=True) for n, s in sizes.items())
    return {axis: length for pairs in names for axis, length in pairs}


def _has(place: Place, case: Case) -> bool:
    length = (_lengths(case) or {}).get(place.axis, 0)
    return place.first(length) < length
