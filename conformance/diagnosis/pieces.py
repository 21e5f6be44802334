"""Of which simple pieces a curve is made: constants, lines, polynomials, each over a range of sums.

A formula of another library, or what a vectorised one is cut into, is known by its pieces: what it
is below and above its limits, and which polynomial lies between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final

import numpy as np

from conformance.diagnosis.curves import Curve, Formula
from conformance.diagnosis.wording import Floats, Mask, enumerated
from conformance.judge.definition.rounding import FORMATS

_MOST_PIECES: Final = 4
_LEAST: Final = 4
"""How many elements a piece has at least, and by how many more it has than numbers."""

_LEAST_ALIKE: Final = 3
"""The same of one of one number, which few others give."""

_MOST_DEGREE: Final = 4
"""Beyond, polynomials come near to any smooth function over a few numbers."""

_LEAST_PRECISE: Final = 2.0**-20
"""The roundoff beyond which they do so of low degree too; only constants and lines tell then."""

_SHARE: Final = 0.9
"""Which share of the elements pieces explain at least."""


@dataclass(frozen=True)
class _Kind:
    """Sums of functions of x, each times a number; times x where `times` is so."""

    terms: tuple[str, ...]
    times: bool = False

    @property
    def least(self) -> int:
        """How many elements tell it."""
        return _LEAST + len(self.terms) if self.terms != ("",) or self.times else _LEAST_ALIKE

    def matrix(self, x: Floats) -> Floats:
        """The functions at some sums, one a column."""
        with np.errstate(all="ignore"):
            columns = np.stack([_TERMS[term](x) for term in self.terms], axis=1)
            return np.asarray(columns * x[:, None] if self.times else columns)


def _power(n: int) -> Formula:
    return lambda x: x**n


_TERMS: Final[Mapping[str, Formula]] = {
    "": np.ones_like,
    "x": lambda x: x,
    **{f"x^{n}": _power(n) for n in range(2, _MOST_DEGREE + 1)},
    "exp(x)": np.exp,
    "(exp(x) - 1)": np.expm1,
    "exp(-x)": lambda x: np.exp(-x),
}


def _powers(degree: int) -> tuple[str, ...]:
    return ("", "x", *(f"x^{n}" for n in range(2, degree + 1)))[: degree + 1]


_KINDS: Final = (
    _Kind(("",)),
    _Kind(("",), times=True),
    _Kind(("", "x")),
    *(_Kind((term,)) for term in ("x^2", "x^3", "exp(x)", "(exp(x) - 1)")),
    _Kind(("", "(exp(x) - 1)")),
    _Kind(("", "exp(-x)")),
    _Kind(("", "x"), times=True),
    *(_Kind(_powers(n), times) for n in range(2, _MOST_DEGREE + 1) for times in (False, True)),
)
"""The plainest first."""

_TABLES: Final = {
    _Kind(("",)): "one number over each of several ranges, as where a table is looked up",
    _Kind(("", "x")): "one straight line after another, as where a table is interpolated",
}


@dataclass(frozen=True, eq=False)
class _Piece:
    """A kind with its numbers, over the elements from the first on, the last left out."""

    kind: _Kind
    numbers: Floats
    first: int
    last: int

    def of(self, curve: Curve) -> Mask:
        """Which elements it gives."""
        matrix, numbers = self.kind.matrix, self.numbers
        return curve.is_at(
            lambda x: matrix(x) @ numbers, lambda x: np.abs(matrix(x)) @ np.abs(numbers)
        )


def pieces(curve: Curve, own: Formula) -> str:
    """The pieces in words; empty where they are not simple, or too many.

    Args:
        curve: what is wrong.
        own: the right formula.
    """
    steps = _of_steps(curve, own)
    if steps:
        return steps
    found = list(_found(curve))
    if len(found) > _MOST_PIECES:
        return _of_table(curve, found) or _limits(curve, own)
    count = sum(piece.last - piece.first for piece in found)
    if not found or count < _SHARE * len(curve.sums):
        return _limits(curve, own)
    words = [_in_words(piece, own) for piece in found]
    if len(found) == 1 and count == len(curve.sums):
        return words[0]
    ends = [(curve.sums[piece.first], curve.sums[piece.last - 1]) for piece in found]
    told = zip(words, ends, strict=True)
    return ", ".join(f"{piece} from {low:.4g} to {high:.4g}" for piece, (low, high) in told)


def _of_steps(curve: Curve, own: Formula) -> str:
    """The multiple that sums are cut to where the right formula is taken of that; empty for none.

    Beyond the ends of a table one number is given, which tells nothing.
    """
    ends = np.isin(curve.given, curve.given[[0, -1]]) if curve.given.size else np.zeros(0, bool)
    inner = curve.only(~ends)
    if len(inner.sums) < _LEAST_IN_STEPS or np.mean(inner.is_at(own)) > 1 - _SHARE:
        return ""
    for step, (words, cut) in product(_STEPS, _CUTS.items()):
        given = inner.is_at(lambda x, step=step, cut=cut: own(step * cut(x / step)))  # type: ignore[misc]
        if np.mean(given) >= _SHARE:
            return (
                f"its value at the sum {words} a multiple of {step:g}, as where a table is looked "
                "up without interpolation"
            )
    return ""


_LEAST_IN_STEPS: Final = 16
_STEPS: Final = (*(2.0**-n for n in range(1, 13)), 0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
_CUTS: Final[Mapping[str, Formula]] = {
    "cut towards zero to": np.trunc,
    "rounded to": np.rint,
    "rounded down to": np.floor,
    "rounded up to": np.ceil,
}


def _limits(curve: Curve, own: Formula) -> str:
    """The one number that is given from the least sum on, or up to the largest; empty for none."""
    told = []
    for end, order in ((0, 1), (-1, -1)):
        limit = curve.given[end]
        with np.errstate(all="ignore"):
            is_near = np.abs(curve.given[::order] - limit) <= _NEAR * np.abs(limit)
        count = len(is_near) if is_near.all() else int(np.argmin(is_near))
        if _LEAST_LIMIT <= count < len(is_near):
            low, high = sorted((curve.sums[end], curve.sums[::order][count - 1]))
            told.append(f"{limit:.7g}{_value_at(limit, own)} from {low:.4g} to {high:.4g}")
    return f"{enumerated(told)}, and as other numbers between" if told else ""


_LEAST_LIMIT: Final = 6


def _of_table(curve: Curve, found: Sequence[_Piece]) -> str:
    """What many pieces of one kind are; empty where they are of several, or some lie apart."""
    first, last = found[1], found[-2]  # the ends are often limits
    if sum(piece.last - piece.first for piece in found[1:-1]) < _SHARE * (last.last - first.first):
        return ""
    told = {piece.kind: _TABLES.get(piece.kind, "") for piece in found[1:-1]}
    if len(told) > 1 or not all(told.values()):
        return ""
    (words,) = told.values()
    ends = [f"{curve.sums[piece.last - 1]:.4g}" for piece in found[1:-1]]
    return f"{words}, with changes at about {enumerated(ends)} and so on"


def _found(curve: Curve) -> Iterator[_Piece]:
    """The longest simple pieces one after another; of two as long, the plainer one."""
    kinds = [kind for kind in _KINDS if len(kind.terms) <= _most_terms(curve)]
    first, count = 0, 0
    while len(curve.sums) - first >= _LEAST_ALIKE and count <= _MOST_PIECES:
        reached = {kind: _reach(curve, kind, first) for kind in kinds}
        kind = max(reached, key=lambda kind: reached[kind])
        if reached[kind] - first < kind.least:
            first += 1
            continue
        numbers = _needed(curve.only(slice(first, reached[kind])), kind)
        piece = _Piece(kind, numbers, first, len(curve.sums))
        last = first + _end(~piece.of(curve)[first:])
        yield replace(piece, last=last)
        first, count = last, count + 1


def _most_terms(curve: Curve) -> int:
    return 2 if curve.unit > _LEAST_PRECISE else _MOST_DEGREE + 1


def _end(off: Mask) -> int:
    """From where on nothing holds: several elements are off one after another, not by chance."""
    runs = np.convolve(off, np.ones(_APART), "full")[_APART - 1 :] >= _APART
    return int(np.argmax(runs)) if runs.any() else len(off) - int(np.argmin(off[::-1]))


_APART: Final = 3


def _reach(curve: Curve, kind: _Kind, first: int) -> int:
    """Up to which element one kind gives all from the first on."""
    low, high = first, len(curve.sums)
    least = min(first + kind.least, high)
    if not _fits(curve.only(slice(first, least)), kind):
        return first
    low = least
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(curve.only(slice(first, middle)), kind):
            low = middle
        else:
            high = middle - 1
    return low


def _fits(curve: Curve, kind: _Kind) -> bool:
    numbers = _numbers(curve, kind)
    if numbers is None:
        return False
    return bool(_Piece(kind, numbers, 0, len(curve.sums)).of(curve).all())


def _numbers(curve: Curve, kind: _Kind) -> Floats | None:
    """The numbers of a kind that come nearest, each element weighed by what it may be off by."""
    with np.errstate(all="ignore"):
        room = np.abs(curve.given) + FORMATS[curve.dtype].smallest_normal / curve.unit
        weighted = kind.matrix(curve.sums) / room[:, None]
        scale = np.abs(weighted).max(axis=0)
    if not np.isfinite(scale).all() or not scale.all():
        return None
    found: Any = np.linalg.lstsq(weighted / scale, curve.given / room, rcond=None)[0] / scale
    return np.asarray(found, np.float64)


def _in_words(piece: _Piece, own: Formula) -> str:
    terms = [(n, t) for n, t in zip(piece.numbers, piece.kind.terms, strict=True) if n]
    if len(terms) == 1 and not terms[0][1]:
        (number, _), *_ = terms
        return _sum([(number, "x")]) if piece.kind.times else _sum(terms) + _value_at(number, own)
    return f"x times ({_sum(terms)})" if terms and piece.kind.times else _sum(terms)


def _value_at(number: float, own: Formula) -> str:
    """At which plain sum the right formula gives a number that is not plain itself."""
    if float(f"{number:.2g}") == number:
        return ""
    sums = np.concatenate([_PLAIN_SUMS, -_PLAIN_SUMS])
    with np.errstate(all="ignore"):
        found = sums[np.abs(own(sums) - number) <= _NEAR * abs(number)]
    return f" (its value at {found[0]:g})" if len(found) == 1 else ""


_PLAIN_SUMS: Final = np.arange(1, 401) / 4
_NEAR: Final = 2.0**-20


def _needed(curve: Curve, kind: _Kind) -> Floats:
    """The numbers, those that are not needed as zero, the others in as few digits as do."""
    numbers = _numbers(curve, kind)
    assert numbers is not None

    def do(tried: Floats) -> bool:
        return bool(_Piece(kind, tried, 0, len(curve.sums)).of(curve).all())

    together = (_in_digits(numbers, digits) for digits in _DIGITS)
    kept = next((tried for tried in together if do(tried)), numbers)
    for index, digits in product(range(len(kept)), (0, *_DIGITS)):
        tried = kept.copy()
        tried[index] = _in_digits(kept[index : index + 1], digits)[0]
        if np.any(tried != kept) and do(tried):
            kept = tried
    return kept


_DIGITS: Final = range(1, 9)


def _in_digits(numbers: Floats, digits: int) -> Floats:
    """Rounded to so many digits; to zero for none."""
    return np.array([float(f"{number:.{digits}g}") if digits else 0.0 for number in numbers])


def _sum(terms: Sequence[tuple[float, str]]) -> str:
    text = ""
    for number, term in terms:
        size = f"{abs(number):.7g}"
        part = (size if not term else term if size == "1" else f"{size} {term}") or "0"
        sign = " - " if number < 0 else " + "
        text += sign + part if text else ("-" if number < 0 else "") + part
    return text or "0"
