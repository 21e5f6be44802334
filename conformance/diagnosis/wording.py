"""What can be said of failures that no fault explains: which gradients, for which arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import Operands
from conformance.diagnosis.backward import GradientPrediction
from conformance.diagnosis.evaluation import predict, sums_of, to_channels_last
from conformance.diagnosis.hypotheses import Failure, Predicted, operands_of
from conformance.diagnosis.stages import padded_outputs
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.expectation import expect
from conformance.judge.gradients import judge_gradients
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def wrong_and_right_gradients(failure: Failure) -> tuple[list[str], list[str]]:
    """Which gradients are wrong, and which are right; neither where it cannot be told."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    right = expect(case, arrays)
    if not isinstance(actual, dict) or actual.keys() != right.value.keys():
        return [], []

    def is_wrong(name: str) -> bool:
        expected, given = {name: right.value[name]}, {name: actual[name]}
        strict = right.demands_equality
        judged = judge_gradients(case, arrays, expected, given, strict=strict)
        return judged.verdict is not Verdict.CONFORMS

    wrong = [name for name in right.value if is_wrong(name)]
    return wrong, [name for name in right.value if name not in wrong]


def wrong_gradients(wrong: Sequence[str], others: Sequence[str]) -> str:
    """Which gradients are wrong, and which are right; empty where it cannot be told."""
    if not wrong:
        return ""
    well = f"; {_listed(others)} {_are(others)} right" if others else ""
    return f"the gradient of {_listed(wrong)} {_are(wrong[:1])} wrong{well}"


def gradients_given(failure: Failure, right: Predicted | None, wrong: Sequence[str]) -> str:
    """What all that is wrong in some gradients is: NaN, infinite, or zero."""
    given = failure.outcome.value if isinstance(failure.outcome, Value) else None
    if not wrong or not isinstance(given, dict) or not isinstance(right, GradientPrediction):
        return ""
    pairs = [(np.asarray(given[name]), right.parts[name]) for name in wrong if name in right.parts]
    if any(array.shape != part.value.shape for array, part in pairs):
        return ""
    values = [as_float64(array[~part.allows(array)]) for array, part in pairs]
    off = np.concatenate([v.ravel() for v in values]) if values else np.zeros(0)
    told = {
        "NaN": np.isnan(off),
        "infinite, as where a number overflows on the way": np.isinf(off),
        "zero": off == 0,
    }
    words = next((words for words, mask in told.items() if off.size and mask.all()), "")
    return f"; what is wrong is {words}" if words else ""


def enumerated(items: Iterable[object]) -> str:
    """The items as a sentence has them: "a, b and c"; empty where there are none."""
    *rest, last = [*map(str, items)] or [""]
    return f"{', '.join(rest)} and {last}" if rest else last


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def what_of_nan(failure: Failure) -> str:
    """Whether NaN is lost, or made, and of what; empty where it is both."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    right = predict(case, operands_of(case), with_error=False).value
    if not isinstance(actual, np.ndarray) or actual.shape != right.shape:
        return ""
    lost, made = np.isnan(right) & ~np.isnan(actual), np.isnan(actual) & ~np.isnan(right)
    if lost.any() and not made.any():
        return f"it is lost{_given_as(actual[lost])}"
    return "" if lost.any() or not made.any() else _made_of(failure, right, made)


def _made_of(failure: Failure, right: NDArray[Any], made: Mask) -> str:
    """Of what NaN is made, where there should be none."""
    arrays = operands_of(failure.case)
    if _are_at_the_border(failure, made):
        return f"it is made {_MASKED}"
    if LAYERS[failure.case.layer].convolves and _sums_are_infinite(failure, made):
        return "it is made where the sum is infinite, as where that is multiplied by zero"
    if arrays.inputs is not None and np.isnan(as_float64(arrays.inputs)).any():
        return "it spreads to outputs whose windows hold none"
    if np.isinf(right[made]).all():
        return (
            "infinity becomes NaN, as where it is multiplied by zero, or a transform such as "
            "Winograd's subtracts it from itself"
        )
    return "it is made of finite numbers" if np.isfinite(right[made]).all() else "it is made"


_MASKED: Final = (
    "only where windows reach into the padding, as where that is read from somewhere and "
    "multiplied by zero"
)


def _are_at_the_border(failure: Failure, where: Mask) -> bool:
    """Whether some outputs are all among those whose window reaches into the padding."""
    padded = padded_outputs(failure.case, operands_of(failure.case))
    if padded is None or padded.all() or not where.any():
        return False
    return not (where & ~np.broadcast_to(padded, where.shape)).any()


def _sums_are_infinite(failure: Failure, where: Mask) -> bool:
    sums = sums_of(failure.case, operands_of(failure.case))
    has_activation = failure.case.keywords.get("activation") not in (None, "linear")
    return has_activation and sums.shape == where.shape and bool(np.isinf(sums[where]).all())


def one_number(failure: Failure) -> str:
    """The one number that all wrong outputs are, where there are several; empty for more."""
    outcome = failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    right = predict(failure.case, operands_of(failure.case))
    if not isinstance(actual, np.ndarray) or actual.shape != right.value.shape:
        return ""
    wrong = ~right.allows(actual)
    given, wanted = np.unique(as_float64(actual[wrong])), np.unique(as_float64(right.value[wrong]))
    told = len(given) == 1 < len(wanted) and np.isfinite(given).all()
    return f"they are all {given[0] + 0.0:g}" if told else ""


def what_of_infinity(failure: Failure) -> str:
    """What is given where infinity of either sign should be; empty where it is not one thing."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    right = predict(case, operands_of(case), with_error=False).value
    if not isinstance(actual, np.ndarray) or actual.shape != right.shape:
        return ""
    wrong = np.isinf(right) & (actual != right)
    if not wrong.any():
        return "finite numbers overflow" if np.isinf(actual).any() else ""
    which = np.unique(right[wrong])
    name = f"{which[0]:g}" if len(which) == 1 else "infinity"
    return f"{name} is lost{_given_as(actual[wrong])}"


def _given_as(values: NDArray[Any]) -> str:
    """The one or two limits or small numbers that are given in place of others; else empty."""
    given = np.unique(values.astype(np.float64))
    limits = [np.inf, *(f.largest for f in FORMATS.values())]
    is_told = np.isin(np.abs(given), [*limits, *range(9)]) | np.isnan(given)
    if len(given) > 2 or not is_told.all():
        return ""
    return f", given as {_listed([f'{v:.9g}' for v in given])}"


def dtype_given(failure: Failure) -> str:
    """Which dtype came in place of which; empty where it is not told."""
    outcome = failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    if isinstance(actual, dict):
        return _amiss(failure, actual, lambda array: array.dtype.name)
    if not isinstance(actual, np.ndarray) or failure.case.observe != "output":
        return ""
    given = actual.dtype.name
    return "" if given == failure.case.dtype else given


def shape_given(failure: Failure) -> str:
    """What is amiss with the shape, in words without numbers; empty where it is not told."""
    outcome = failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    if isinstance(actual, dict):
        return _amiss(failure, actual, None)
    if failure.case.observe != "output" or actual is None:
        return ""
    if not isinstance(actual, np.ndarray):
        return f"it is of the type {type(actual).__name__}"
    right = predict(failure.case, operands_of(failure.case), with_error=False).value
    if actual.ndim < right.ndim and actual.shape == tuple(n for n in right.shape if n > 1):
        return "axes of length 1 are missing"
    if actual.ndim == right.ndim:
        return ""
    return f"it has {_axes(actual.ndim)} in place of {right.ndim}"


def _amiss(failure: Failure, given: dict[str, Any], name_of: Callable[[Any], str] | None) -> str:
    """Which gradients differ from the right ones in their dtype's name, or in their shape.

    Where no gradients are asked for, what an implementation names so tells nothing.
    """
    if failure.case.observe != "gradients":
        return ""
    told = []
    for name, right in expect(failure.case, operands_of(failure.case)).value.items():
        one = given.get(name)
        if not isinstance(one, np.ndarray):
            return ""
        if name_of is not None and name_of(one) != name_of(right):
            told.append(f"the gradient of {name} is {name_of(one)}")
        elif name_of is None and one.shape != right.shape:
            axes = _axes_of(failure.case, name)
            told.append(f"the gradient of {name} {_compared(one.shape, right.shape, axes)}")
    return " and ".join(told)


def _axes(count: int) -> str:
    return "1 axis" if count == 1 else f"{count} axes"


def _axes_of(case: Case, name: str) -> tuple[str, ...]:
    """The axes of a gradient, in words for several of its elements."""
    known = facts(case)
    inner = {1: ("steps",), 2: ("rows", "columns")}.get(known.rank, ())
    if name == "kernel":
        return (*inner, "channels", "filters")
    if name == "bias":
        return ("filters",)
    last = ("channels", *inner) if known.channels_first else (*inner, "channels")
    return ("samples", *last)


def _compared(given: tuple[int, ...], right: tuple[int, ...], axes: tuple[str, ...]) -> str:
    if len(given) != len(right):
        return f"has {_axes(len(given))} in place of {len(right)}"
    if sorted(given) == sorted(right):
        return "has its axes in another order"
    if len(axes) != len(right):
        return "has another shape"
    pairs = list(zip(axes, given, right, strict=True))
    more = _listed([axis for axis, one, other in pairs if one > other])
    fewer = _listed([axis for axis, one, other in pairs if one < other])
    told = [f"has more {more}"] * bool(more) + [f"has fewer {fewer}"] * bool(fewer)
    cut = ", as where what no window reaches is left out" if "samples" in axes and not more else ""
    return " and ".join(told) + cut


_LEAST_RELATED: Final = 6
"""How many elements there are at least where one number is said to relate them all."""


def relation(failure: Failure) -> str:
    """By which number all wrong elements are too large, or multiplied; empty for none."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    if not isinstance(actual, np.ndarray) or case.dtype == "bool":
        return ""
    right = predict(case, operands_of(case))
    if actual.shape != right.value.shape or actual.dtype != right.value.dtype:
        return ""
    wrong = ~right.allows(actual) & np.isfinite(right.wide)
    given, wanted = actual[wrong].astype(np.float64), right.wide[wrong].astype(np.float64)
    if _are_flushed(given, wanted, case.dtype):
        return _FLUSHED
    is_computed = _is_computed(failure, wrong, given, wanted)
    told = _COMPUTED if is_computed else _of_one_number(given, wanted)
    if told or not _are_several(given, wanted):
        return told
    if actual.dtype.itemsize > 1 and right.allows(actual.byteswap()).all():
        return "the bytes of every element are in the other order"
    is_plain = case.keywords.get("activation") in (None, "linear")
    return _related(given, wanted, _roundoff(case.dtype), is_plain=is_plain)


def _is_computed(failure: Failure, wrong: Mask, given: Floats, wanted: Floats) -> bool:
    """Whether maxima are near the right ones, as by roundings of numbers like those of a window."""
    case, inputs = failure.case, operands_of(failure.case).inputs
    if not LAYERS[case.layer].pools or case.dtype not in FORMATS or inputs is None:
        return False
    numbers = as_float64(inputs)
    magnitudes = Operands(np.where(np.isfinite(numbers), np.abs(numbers), 0.0), {})
    largest = predict(case.replace(dtype="float64"), magnitudes).wide[wrong]
    near = np.abs(given - wanted) <= 2 * _roundoff(case.dtype) * largest
    return len(given) > 0 and bool(near.all())


_COMPUTED: Final = (
    "maxima are off by rounding errors, as where they are computed, such as by max(a - b, 0) + b, "
    "and not chosen"
)


def _of_one_number(given: Floats, wanted: Floats) -> str:
    """What is given for one number that should be there in several places; empty for several."""
    if len(given) < 2 or np.ptp(wanted) or np.ptp(given):
        return ""
    return f"what should be {wanted[0]:g} is {given[0]:g}"


def _are_several(given: Floats, wanted: Floats) -> bool:
    """Whether there are enough numbers to be related, all finite, and not all to be the same."""
    is_enough = len(given) >= _LEAST_RELATED and bool(np.isfinite(given).all())
    return is_enough and bool(np.ptp(wanted) != 0)


def _are_flushed(given: NDArray[Any], wanted: NDArray[Any], dtype: str) -> bool:
    """Whether all, of which there are some, are zero where they should be subnormal numbers."""
    if dtype not in FORMATS or not len(given) or given.any() or not wanted.all():
        return False
    return bool((np.abs(wanted) < FORMATS[dtype].smallest_normal).all())


_FLUSHED: Final = "results that are subnormal are given as zero"

_LEAST_ON_STEPS: Final = 24
_MOST_LEVELS: Final = MappingProxyType({16: "4", 256: "8"})
"""Levels to which numbers are quantised, and the bits that they take."""


def quantised(failure: Failure) -> str:
    """Whether all outputs of a filter lie on steps, which the right ones do not; else empty."""
    outcome = failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    if failure.case.observe != "output" or not isinstance(actual, np.ndarray):
        return ""
    if actual.size < _LEAST_ON_STEPS or actual.dtype.kind != "f":
        return ""
    bits = next((b for most, b in _MOST_LEVELS.items() if 0 < _levels(failure, actual) <= most), "")
    right = (
        predict(failure.case, operands_of(failure.case), with_error=False).wide if bits else actual
    )
    if not bits or right.shape != actual.shape or _levels(failure, right) in range(1, 257):
        return ""
    return (
        f"all outputs lie on steps, of which {2 ** int(bits)} reach from the least to the largest, "
        f"as where they are quantised to {bits} bits"
    )


def _levels(failure: Failure, numbers: NDArray[Any]) -> int:
    """How many steps reach over the numbers of a filter at most; 0 where they lie on none.

    What differs between filters may be a bias.
    """
    is_first = facts(failure.case).channels_first and numbers.ndim > 2
    last = to_channels_last(numbers) if is_first else numbers
    rows, unit = last.astype(np.float64).reshape(-1, last.shape[-1]), _roundoff(failure.case.dtype)
    if not np.isfinite(rows).all():
        return 0
    values = np.unique(rows - rows.min(axis=0))
    if len(values) < _LEAST_RELATED:
        return 0
    gaps = np.diff(values)
    room = 8 * unit * float(np.abs(rows).max())
    step = float(gaps[gaps > room].min(initial=np.inf))
    if not 0 < step < np.inf or room > step / 16:
        return 0
    index = values / step
    off = np.abs(index - np.rint(index)) * step
    is_on_steps = bool((off <= room + step / 64).all())
    return int(np.rint(index[-1])) + 1 if is_on_steps else 0


def nearness(failure: Failure) -> str:
    """How near plain sums are to the right ones, where they are near; empty where they are not.

    The measure is the sum of the magnitudes of the products, which rounding errors are parts of.
    """
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    if not is_near_told(case) or not isinstance(actual, np.ndarray):
        return ""
    arrays, linear = operands_of(case), case.replace(activation=None)
    right = predict(case, arrays)
    if arrays.inputs is None or actual.shape != right.value.shape or actual.dtype.kind not in "fV":
        return ""
    wrong = ~right.allows(actual)
    if _are_flushed(actual[wrong], right.wide[wrong], case.dtype):
        return _FLUSHED
    with np.errstate(all="ignore"):
        magnitudes = Operands(
            np.abs(arrays.inputs), {name: np.abs(w) for name, w in arrays.weights.items()}
        )
        size = predict(linear, magnitudes, with_error=False).wide
        off = np.abs(as_float64(actual) - right.wide)
        ratio = np.where(off == 0, 0.0, off / size)
    off_by = float(ratio.max(initial=0.0))
    return next((words for limit, words in _NEAR_OF[case.dtype] if off_by <= limit), "")


def is_near_told(case: Case) -> bool:
    """Whether of a case's outputs it can be told how near they are."""
    return case.dtype in _NEAR_OF and case.keywords.get("activation") in (None, "linear", "relu")


SINGLE: Final = (2.0**-20, "as where float64 is computed in float32")
"""How far off float64 is where it is computed in float32, and words for it."""

_TRANSFORMED: Final = (
    "with errors larger than those of {}, and far smaller than those of {}, as where a transform "
    "such as Winograd's or Fourier's is used, an approximation, or operands in parts"
)

_NEAR_OF: Final[Mapping[str, tuple[tuple[float, str], ...]]] = MappingProxyType(
    {
        "float64": (
            (2.0**-36, _TRANSFORMED.format("float64", "float32")),
            SINGLE,
            (2.0**-7, "as where float64 is computed in 16 bits"),
        ),
        "float32": (
            (2.0**-17, _TRANSFORMED.format("float32", "16 bits or TF32")),
            (2.0**-7, "as where float32 is computed in TF32, float16 or bfloat16"),
        ),
        "float16": ((2.0**-8, "as where sums are rounded to float16 on the way"),),
        "bfloat16": ((2.0**-5, "as where sums are rounded to bfloat16 on the way"),),
    }
)
"""By the dtype: how far off, of the sum of the products' magnitudes, and what that is like."""


def _roundoff(dtype: str) -> float:
    return FORMATS[dtype].unit_roundoff if dtype in FORMATS else 0.0


def _related(given: Floats, wanted: Floats, unit: float, *, is_plain: bool) -> str:
    def are_given(numbers: Floats, scale: Floats) -> bool:
        return bool(np.all(np.abs(given - numbers) <= 8 * unit * (np.abs(given) + np.abs(scale))))

    if np.ptp(given) == 0:
        return f"every wrong element is {given[0] + 0.0:g}" if is_plain else ""
    by = _plain(float(np.median(given - wanted)))
    if by and are_given(wanted + by, wanted):
        return f"every wrong element is too {'large' if by > 0 else 'small'} by {abs(by):g}"
    with np.errstate(all="ignore"):
        times = _plain(float(np.nanmedian(given / wanted)))
    if abs(times - 1) > _SLIGHT and times and are_given(times * wanted, times * wanted):
        if times == -1:
            return "every wrong element has the other sign"
        return f"every wrong element is {times:g} times what it should be"
    return ""


_SLIGHT: Final = 2.0**-6
"""A factor nearer to one is round-off of a narrow format."""


def _plain(number: float) -> float:
    """The number with six digits, which is what is said of it."""
    return float(f"{number:.6g}") if np.isfinite(number) else 0.0


def makes_nan(failure: Failure) -> bool:
    """Whether outputs are NaN or infinite that should be finite, and all others are right."""
    outcome = failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    right = predict(failure.case, operands_of(failure.case))
    if not isinstance(actual, np.ndarray):
        return False
    if actual.shape != right.value.shape or actual.dtype != right.value.dtype:
        return False
    made = np.isfinite(right.value) & ~np.isfinite(actual)
    return bool(made.any() and (made | right.allows(actual)).all())


def reach_of_error(failure: Failure) -> str:
    """How far beyond its window an input that stands apart is felt; empty where it is not told."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    gauge, right = expect(case, arrays).gauge(case, arrays), predict(case, arrays)
    if gauge is None or gauge.touched is None or not isinstance(actual, np.ndarray):
        return ""
    if actual.shape != right.value.shape:
        return ""
    wrong = ~right.allows(actual)
    wrong = to_channels_last(wrong) if facts(case).channels_first else wrong
    if makes_nan(failure) and _are_at_the_border(failure, ~right.allows(actual)):
        return _MASKED
    felt: Mask = np.asarray(wrong.any(axis=-1), np.bool_)
    reached: Mask = np.asarray(gauge.touched.any(axis=-1), np.bool_)
    if (_samples(felt & ~reached) & ~_samples(reached)).any():
        return "even in other samples"
    for _ in range(1, _TILE):
        reached = _grown(reached)
        if not (felt & ~reached).any():
            beyond = _grown(reached) & ~reached
            return _TILES if beyond.any() else ""
    return "far off, as a Fourier transform of the whole sample has it"


_TILE: Final = 6
_TILES: Final = (
    "a few places beyond, as Winograd's transform of tiles has it, or sums made in whole blocks "
    "whose rest is multiplied by zero"
)


def _samples(places: Mask) -> Mask:
    return np.asarray(places.reshape(len(places), -1).any(axis=1), np.bool_)


def _grown(places: Mask) -> Mask:
    """With the neighbours along every axis but the first."""
    for axis in range(1, places.ndim):
        moved = np.moveaxis(places, axis, 0)
        wider = moved.copy()
        wider[1:] |= moved[:-1]
        wider[:-1] |= moved[1:]
        places = np.moveaxis(wider, 0, axis)
    return places
