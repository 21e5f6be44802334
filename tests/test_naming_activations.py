"""What is said of activations that are computed by another formula, or in pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from test_naming import PLAIN, Array, Slip, assert_is_said_of_most, of_activation

from conformance.diagnosis.curves import curve_of
from conformance.diagnosis.formulas import formula_for
from conformance.diagnosis.pieces import pieces

WITH_BIAS = tuple(
    f"Conv1D/inputs:{sizes}/operands:{kind}/dtype:{dtype}/filters:5/kernel_size:1/activation:{{}}"
    for dtype in ("float32", "float64")
    for kind, sizes in (("reals", "4x40x3"), ("wide", "2x20x3"))
)
CASES = (
    *WITH_BIAS,
    "Conv1D/inputs:2x20x3/operands:reals/filters:5/kernel_size:1/use_bias:False/activation:{}",
)


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def fraction(x: Array) -> Array:
    return np.asarray(x * (27 + x * x) / (27 + 9 * x * x))


def by_half(x: Array) -> Array:
    return np.asarray(x.astype(np.float16).astype(np.float64))


SLIPS: Mapping[tuple[str, str], tuple[Callable[[Array], Array], str]] = {
    ("silu", "a cubic polynomial that is cut"): (
        lambda x: x * np.clip(0.5 + 0.25 * x * (1 + 0.04585 * x**2), 0, 1),
        "x times (0.5 + 0.25 x + 0.0114625 x^3)",
    ),
    ("silu", "another factor"): (lambda x: x * sigmoid(1.702 * x), "x / (1 + exp(-1.702 x))"),
    ("silu", "the other sign"): (lambda x: -x * sigmoid(-x), "silu of -x"),
    ("tanh", "a fraction that is cut"): (
        lambda x: (
            np.clip(x, -3, 3) * (27 + np.clip(x, -3, 3) ** 2) / (27 + 9 * np.clip(x, -3, 3) ** 2)
        ),
        "u (27 + u^2) / (27 + 9 u^2) of u = x, cut to [-3, 3]",
    ),
    ("tanh", "cut off at 2"): (lambda x: np.tanh(np.clip(x, -2, 2)), "(its value at 2)"),
    ("tanh", "a table"): (
        lambda x: np.interp(x, np.arange(-8, 8.1) / 2, np.tanh(np.arange(-8, 8.1) / 2)),
        "one straight line after another, as where a table is interpolated",
    ),
    ("softsign", "an integer"): (
        lambda x: x / (1 + np.trunc(np.abs(x))),
        "x / (1 + |x| without its fraction)",
    ),
    ("softsign", "waves"): (
        lambda x: x / (1 + np.abs(x)) + np.sin(9 * x) / 8,
        "; the sums themselves are right",
    ),
    ("sigmoid", "a fine table"): (
        lambda x: np.interp(x, np.arange(-256, 257) / 128, sigmoid(np.arange(-256, 257) / 128)),
        "and 0.8807971 (its value at 2) from",
    ),
    ("sigmoid", "softsign"): (
        lambda x: 0.5 + 0.5 * x / (1 + np.abs(x)),
        "(1 + u / (1 + |u|) of u = x) / 2",
    ),
    ("sigmoid", "parabolas"): (
        lambda x: np.where(np.abs(x) > 4, x > 4, 0.5 + x * (0.25 - np.abs(x) / 32)),
        "0.5 + 0.25 x - 0.03125 x^2 from",
    ),
    ("sigmoid", "sums in float16"): (
        lambda x: sigmoid(by_half(x)),
        "sigmoid of x rounded to float16",
    ),
    ("gelu", "no cube"): (
        lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * x)),
        "x (1 + tanh(sqrt(2 / pi) x)) / 2",
    ),
    ("softplus", "another beta"): (lambda x: np.logaddexp(2 * x, 0) / 2, "log(1 + exp(2 x)) / 2"),
    ("softplus", "a threshold"): (
        lambda x: np.where(x > 2, x, np.logaddexp(x, 0)),
        "where it is given as x, x being the sum",
    ),
    ("celu", "another alpha"): (
        lambda x: np.where(x > 0, x, 0.5 * np.expm1(2 * x)),
        "0.5 (exp(x / 0.5) - 1) where x < 0",
    ),
    ("selu", "no scale"): (
        lambda x: np.where(x > 0, x, 1.6732632 * np.expm1(x)),
        "1.673263 (exp(x) - 1)",
    ),
    ("mish", "no logarithm"): (lambda x: x * np.tanh(np.exp(x)), "x tanh(exp(x))"),
    ("exponential", "base 2"): (np.exp2, "is given as 2^(x), x being the sum, which is right"),
    ("relu", "leaks"): (lambda x: np.where(x > 0, x, 0.01 * x), "where it is given as 0.01 x"),
    ("tanh_shrink", "the first term"): (lambda x: x**3 / 3, "x - (u - u^3 / 3 of u = x)"),
    ("squareplus", "another b"): (
        lambda x: (x + np.sqrt(x * x + 1)) / 2,
        "(x + sqrt(x^2 + 1)) / 2",
    ),
}


@pytest.mark.parametrize("key", SLIPS, ids=", ".join)
def test_the_formula_of_an_activation_is_told(key: tuple[str, str]) -> None:
    name, what = key
    function, words = SLIPS[key]
    cases = (*(case.format(name) for case in CASES), *PLAIN)
    assert_is_said_of_most(Slip(what, cases, of_activation(name, function), words))


def test_no_formula_is_said_of_noise() -> None:
    rng = np.random.default_rng(1)
    sums = rng.normal(size=300)
    given = np.tanh(sums) + rng.normal(size=300) * 1e-3
    curve = curve_of(sums, given, np.zeros_like(sums), "float32")
    assert formula_for("tanh", curve, curve.only(slice(0, 0))) == ("", False)
    assert not pieces(curve, np.tanh)


@pytest.mark.parametrize(
    ("cut", "words"), [(np.trunc, "cut towards zero to"), (np.rint, "rounded to")]
)
@pytest.mark.parametrize("step", [2.0**-7, 0.01])
def test_tables_without_interpolation_are_told(cut: Any, words: str, step: float) -> None:
    """Of 1024 numbers or so, beyond whose ends the last one is given."""
    sums = np.random.default_rng(1).normal(size=500) * 3
    given = np.tanh(np.clip(cut(sums / step) * step, -4, 4))
    curve = curve_of(sums, given, np.zeros_like(sums), "float32")
    assert pieces(curve, np.tanh) == (
        f"its value at the sum {words} a multiple of {step:g}, as where a table is looked up "
        "without interpolation"
    )


def test_what_gives_the_wrong_elements_alone_is_no_whole_formula() -> None:
    sums = np.linspace(-4, 4, 200)
    curve = curve_of(sums, np.where(sums < 0, sums / 2, sums), np.zeros_like(sums), "float32")
    negative = curve.sums < 0
    assert formula_for("relu", curve.only(~negative), curve.only(negative)) == ("x", False)


def test_the_part_of_the_outputs_where_an_activation_is_wrong_is_told() -> None:
    """The first four of each five filters, and eight of nine, have another tanh."""

    def body(y: Array) -> Array:
        made, count = np.tanh(y), y.shape[-1] // 4 * 4
        made[..., :count] = y[..., :count] / (1 + np.abs(y[..., :count]))
        return made

    cases = tuple(
        f"Conv1D/inputs:2x{n}x3/operands:reals/filters:{f}/kernel_size:2/activation:tanh"
        for n in (7, 9)
        for f in (5, 9)
    )
    assert_is_said_of_most(
        Slip(
            "another tanh",
            (*cases, *PLAIN),
            of_activation("tanh", body),
            "only in the filters up to the last multiple of 4, not those beyond",
        )
    )
