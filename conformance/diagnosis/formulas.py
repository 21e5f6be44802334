"""Familiar formulas that an activation may be computed by in the place of its own.

Most are made of few parts: what squashes numbers to -1 to 1 makes tanh, sigmoid, silu, gelu and
mish; what is taken for exp(x) makes all of these, elu and softplus.  Each part is tried in all.
In words, x is the sum that the activation is applied to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from conformance.diagnosis.curves import Curve, Formula
from conformance.diagnosis.evaluation import activate
from conformance.diagnosis.wording import Floats
from conformance.judge.activations import named
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.sums import round_to

_DISTINCT: Final = 6
_DISTINCT_PRECISE: Final = 4
"""How many different results are seen at least where a formula is named; and of float64."""


_NEARLY_ALL: Final = 0.99
"""Which share is given by it at least: how far sums may be off is estimated."""


def formula_for(name: str, wrong: Curve, right: Curve) -> tuple[str, bool]:
    """The formula that gives all that is wrong; and whether it gives what is right as well.

    Args:
        name: the activation.
        wrong: the elements that are wrong.
        right: those that are not, in the same cases.
    """
    least = _DISTINCT_PRECISE if wrong.dtype == "float64" else _DISTINCT
    if named(name).rowwise or len(np.unique(wrong.given)) < least:
        return "", False
    found = ""
    for words, formula in (*_PLAINEST, *_of_own(name), *_MADE_OF_PARTS):
        if wrong.is_at(formula).mean() > _NEARLY_ALL:
            if not len(right.sums) or right.is_at(formula).mean() > _NEARLY_ALL:
                return words, True
            found = found or words
    return found, False


def _erf(x: Floats) -> Floats:
    return np.asarray(np.vectorize(math.erf, otypes=[float])(x))


def _tanh_to(x: Floats, limit: float, made: Formula) -> Floats:
    return made(np.clip(x, -limit, limit))


_SQUASHING: Final[Mapping[str, Formula]] = MappingProxyType(
    {
        "tanh({})": np.tanh,
        "clip({}, -1, 1)": lambda x: np.clip(x, -1, 1),
        "erf({})": _erf,
        "u / (1 + |u|) of u = {}": lambda x: x / (1 + np.abs(x)),
        "u / sqrt(1 + u^2) of u = {}": lambda x: x / np.sqrt(1 + x * x),
        "2 / pi * atan(pi / 2 * {})": lambda x: 2 / np.pi * np.arctan(np.pi / 2 * x),
        "2 / pi * atan({})": lambda x: 2 / np.pi * np.arctan(x),
        "u (27 + u^2) / (27 + 9 u^2) of u = {}": lambda x: x * (27 + x * x) / (27 + 9 * x * x),
        "u (27 + u^2) / (27 + 9 u^2) of u = {}, cut to [-3, 3]": lambda x: _tanh_to(
            x, 3, lambda u: u * (27 + u * u) / (27 + 9 * u * u)
        ),
        "u (15 + u^2) / (15 + 6 u^2) of u = {}": lambda x: x * (15 + x * x) / (15 + 6 * x * x),
        "u - u^3 / 3 of u = {}": lambda x: x - x**3 / 3,
    }
)
"""What squashes numbers to -1 to 1, or is nearly so."""

_ROOT: Final = math.sqrt(2 / math.pi)
_ARGUMENTS: Final[Mapping[str, Formula]] = MappingProxyType(
    {
        "x": lambda x: x,
        "x / 2": lambda x: x / 2,
        "2 x": lambda x: 2 * x,
        "0.4 x": lambda x: 0.4 * x,
        "x / 3": lambda x: x / 3,
        "x / sqrt(2)": lambda x: x / math.sqrt(2),
        "0.851 x": lambda x: 0.851 * x,
        "1.702 x": lambda x: 1.702 * x,
        "sqrt(2 / pi) x": lambda x: _ROOT * x,
        "sqrt(2 / pi) (x + 0.044715 x^3)": lambda x: _ROOT * (x + 0.044715 * x**3),
    }
)
_OF_SQUASHED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "{}": lambda t, _: t,
        "(1 + {}) / 2": lambda t, _: (1 + t) / 2,
        "x (1 + {}) / 2": lambda t, x: x * (1 + t) / 2,
        "x - ({})": lambda t, x: x - t,
    }
)


def _power_for_exp(n: int) -> Formula:
    return lambda x: (1 + x / n) ** n


def _cut_exp(n: int) -> Formula:
    return lambda x: np.exp(np.clip(x, -n, n))


_EXPONENTIALS: Final[Mapping[str, Formula]] = MappingProxyType(
    {
        "exp({})": np.exp,
        "2^({})": np.exp2,
        "1 + {0}": lambda x: 1 + x,
        "1 + {0} + ({0})^2 / 2": lambda x: 1 + x + x * x / 2,
        "1 + {0} + ({0})^2 / 2 + ({0})^3 / 6": lambda x: 1 + x + x * x / 2 + x**3 / 6,
        **{f"(1 + ({{}}) / {n})^{n}": _power_for_exp(n) for n in (256, 1024, 4096)},
        **{
            f"exp(u) of u = {{}} cut to [-{n}, {n}]": _cut_exp(n)
            for n in (10, 15, 16, 20, 30, 50, 80, 87, 88)
        },
    }
)
_OF_EXPONENTIAL: Final[Mapping[tuple[str, str], Any]] = MappingProxyType(
    {
        ("{}", "x"): lambda e, x: e(x),
        ("{} - 1", "x"): lambda e, x: e(x) - 1,
        ("{} - 1 where x < 0", "x"): lambda e, x: np.where(x < 0, e(x) - 1, x),
        ("1 / (1 + {})", "-x"): lambda e, x: 1 / (1 + e(-x)),
        ("x / (1 + {})", "-x"): lambda e, x: x / (1 + e(-x)),
        ("log(1 + {})", "x"): lambda e, x: np.log1p(e(x)),
        ("-log(1 + {})", "-x"): lambda e, x: -np.log1p(e(-x)),
        ("1 - 2 / (1 + {})", "2 x"): lambda e, x: 1 - 2 / (1 + e(2 * x)),
        ("x tanh(log(1 + {}))", "x"): lambda e, x: x * np.tanh(np.log1p(e(x))),
        ("x tanh({})", "x"): lambda e, x: x * np.tanh(e(x)),
    }
)


_ALPHAS: Final = (0.1, 0.25, 0.5, 1.0, 1.05070098, 1.67326324, 1.75809934, 2.0)
_BETAS: Final = (0.1, 0.25, 0.5, 0.7, math.log(2), 1.5, 1.67326324, 1.702, 1.782, 2, 3, 5, 10)
_SQUARES: Final = (0.01, 0.25, 0.5, 1, 2, 3, 4, 8, 16)
_WITH_NUMBERS: Final[Mapping[str, tuple[Sequence[float], Any]]] = MappingProxyType(
    {
        "log(1 + exp({0} x)) / {0}": (_BETAS, lambda x, b: np.logaddexp(b * x, 0) / b),
        "{} log(1 + exp(x))": (_BETAS, lambda x, b: b * np.logaddexp(x, 0)),
        "x / (1 + exp(-{} x))": (_BETAS, lambda x, b: x / (1 + np.exp(-b * x))),
        "1 / (1 + exp(-{} x))": (_BETAS, lambda x, b: 1 / (1 + np.exp(-b * x))),
        "(x + sqrt(x^2 + {})) / 2": (_SQUARES, lambda x, b: (x + np.sqrt(x * x + b)) / 2),
        "x / ({} + |x|)": (_SQUARES, lambda x, b: x / (b + np.abs(x))),
        "{} (exp(x) - 1) where x < 0": (
            _ALPHAS,
            lambda x, a: np.where(x < 0, a * np.expm1(x), x),
        ),
        "{0} (exp(x / {0}) - 1) where x < 0": (
            _ALPHAS,
            lambda x, a: np.where(x < 0, a * np.expm1(x / a), x),
        ),
    }
)
"""Those that have a number, and what it may be."""


def _with_numbers() -> Iterator[tuple[str, Formula]]:
    for words, (numbers, function) in _WITH_NUMBERS.items():
        for number in numbers:
            yield words.format(f"{number:.9g}"), _of_number(function, number)


def _of_number(function: Any, number: float) -> Formula:
    return lambda x: np.asarray(function(x, number))


def _plain() -> Iterator[tuple[str, Formula]]:
    yield "x", lambda x: x
    yield "|x|", np.abs
    yield "x^2", np.square
    yield "max(x, 0)", lambda x: np.maximum(x, 0)
    yield "max(x, 0)^2", lambda x: np.maximum(x, 0) ** 2
    yield "x / (1 + x)", lambda x: x / (1 + x)
    for words, whole in (("without its fraction", np.trunc), ("rounded", np.rint)):
        yield from _of_whole(words, whole)
    yield "x / (1 + x^2)", lambda x: x / (1 + x * x)
    yield "log(1 + |x|)", lambda x: np.log1p(np.abs(x))
    yield "x tanh(max(x, 0))", lambda x: x * np.tanh(np.maximum(x, 0))
    yield "x sigmoid(x)^2", lambda x: x * activate("sigmoid", x) ** 2
    for squash, told in _SQUASHING.items():
        words = squash.format("log(1 + exp(x))")
        yield f"x times {words}", lambda x, t=told: x * t(np.logaddexp(x, 0))  # type: ignore[misc]


def _of_whole(words: str, whole: Formula) -> Iterator[tuple[str, Formula]]:
    """What is computed by |x|, where that is an integer, as of C's abs()."""
    yield f"x / (1 + |x| {words})", lambda x: x / (1 + whole(np.abs(x)))
    yield (
        f"max(x, 0) + log(1 + exp(-|x| {words}))",
        lambda x: np.maximum(x, 0) + np.log1p(np.exp(-whole(np.abs(x)))),
    )
    yield (
        f"min(x, 0) - log(1 + exp(-|x| {words}))",
        lambda x: np.minimum(x, 0) - np.log1p(np.exp(-whole(np.abs(x)))),
    )


def _made_of_parts() -> Iterator[tuple[str, Formula]]:
    for (outer, of), (squash, t), (argument, a) in product(
        _OF_SQUASHED.items(), _SQUASHING.items(), _ARGUMENTS.items()
    ):
        words = outer.format(squash.format(argument))
        yield words, lambda x, of=of, t=t, a=a: of(t(a(x)), x)  # type: ignore[misc]
    for ((outer, argument), of), (words, e) in product(
        _OF_EXPONENTIAL.items(), _EXPONENTIALS.items()
    ):
        yield outer.format(words.format(argument)), lambda x, of=of, e=e: of(e, x)  # type: ignore[misc]


_PLAINEST: Final = (*_plain(), *_with_numbers())
_MADE_OF_PARTS: Final = tuple(_made_of_parts())


def _rounded(name: str) -> Formula:
    return lambda x: np.asarray(round_to(np.asarray(x), FORMATS[name]), np.float64)


_CHANGES: Final[Sequence[tuple[str, Formula]]] = (
    ("-x", np.negative),
    ("|x|", np.abs),
    ("-|x|", lambda x: -np.abs(x)),
    ("x / 2", lambda x: x / 2),
    ("2 x", lambda x: 2 * x),
    ("x^2", np.square),
    ("1.702 x", lambda x: 1.702 * x),
    ("x rounded to an integer", np.rint),
    ("x without its fraction", np.trunc),
    ("the largest integer that is not above x", np.floor),
    *((f"x rounded to {n}", _rounded(n)) for n in ("bfloat16", "float16", "float32")),
)
"""What may be taken for the sum."""

_RESULTS: Final[Sequence[tuple[str, Any]]] = (
    ("-{}(x)", lambda f, _: -f),
    ("|{}(x)|", lambda f, _: np.abs(f)),
    ("1 - {}(x)", lambda f, _: 1 - f),
    ("x times {}(x)", lambda f, x: f * x),
    ("x - {}(x)", lambda f, x: x - f),
    ("{}(x) squared", lambda f, _: f * f),
    ("{}(x) divided by x", lambda f, x: f / x),
    ("{}(x) rounded to bfloat16", lambda f, _: _rounded("bfloat16")(f)),
    ("{}(x) rounded to float16", lambda f, _: _rounded("float16")(f)),
)


@cache
def _of_own(name: str) -> Sequence[tuple[str, Formula]]:
    """The activation itself, of another argument or with something done to its result."""

    def own(x: Floats) -> Floats:
        return activate(name, x)

    def of_changed(change: Formula) -> Formula:
        return lambda x: own(change(x))

    def changed(result: Any) -> Formula:
        return lambda x: np.asarray(result(own(x), x))

    return (
        *((f"{name} of {words}", of_changed(change)) for words, change in _CHANGES),
        (f"{name} of {name}(x)", of_changed(own)),
        *((words.format(name), changed(result)) for words, result in _RESULTS),
    )
