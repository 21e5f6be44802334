"""An activation has a home in the oracle, one in the judge and a clause, joined by its name."""

from __future__ import annotations

import math
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from real_functions import nearest, normal_distribution

from conformance.cases.grids.values import ACTIVATIONS as IN_GRIDS
from conformance.judge.activations import ACTIVATIONS, through_activation, through_slope
from conformance.judge.activations.activation import Elementwise
from conformance.judge.definition.rounding import FORMATS
from conformance.spec.covers.names import ACTIVATIONS as CLAUSES
from reference_impl import activations as oracle
from reference_impl.ops.activations import (
    by_name,
    elementwise,
    expansions,
    formulas,
    pieces,
    slopes,
)
from reference_impl.ops.activations.elementwise import Elementwise as Certified

WITHOUT_A_VALUE = {"threshold"}
"""Known to Keras by name, but of more than one argument: it must be refused as an activation."""

WIDE = FORMATS["float64"]


def test_every_name_is_known_to_the_oracle_the_judge_and_the_clauses() -> None:
    assert set(oracle._REGISTRY.names("keras3")) == set(ACTIVATIONS) | WITHOUT_A_VALUE
    assert set(CLAUSES) == set(ACTIVATIONS) | WITHOUT_A_VALUE
    assert {*IN_GRIDS, "glu"} == set(ACTIVATIONS)
    assert all(name == activation.name for name, activation in ACTIVATIONS.items())


def test_every_name_has_a_certified_form_in_the_oracle() -> None:
    for name in ACTIVATIONS:
        assert oracle.certified(oracle.get(name)) is not None, name


TABLES: dict[str, dict[str, Any]] = {
    "functions": formulas.FUNCTIONS,
    "expansions": expansions.VALUES,
    "pieces": pieces.PIECES,
    "slopes": slopes.SLOPES,
    "expanded slopes": expansions.SLOPES,
}

ROUNDED = {"linear", "hard_tanh"}
"""Their value is that of the rounded argument, so that they need no expansion."""


@pytest.mark.parametrize("name", sorted({name for table in TABLES.values() for name in table}))
def test_every_element_wise_activation_has_all_its_forms(name: str) -> None:
    """A form in one table alone would be used by nobody, and one forgotten costs its users time."""
    forms = by_name.FORMS[name]
    assert (forms.expansion is None) is (name in ROUNDED)
    is_smooth = forms.pieces is None
    assert (forms.slope is not None) is is_smooth
    assert (forms.slope_expansion is not None) is is_smooth


def test_the_certified_functions_are_those_that_have_forms() -> None:
    """And each that is defined with them bears the name of its own."""
    made = [
        *(value for value in vars(elementwise).values() if isinstance(value, Certified)),
        *(elementwise.relu(0.0, math.inf, 0.5), elementwise.elu(2.0), elementwise.celu(2.0)),
        *(elementwise.squareplus(4.0), elementwise.thresholded(1.0, 2.0)),
        *(elementwise.soft_shrink(0.5), elementwise.hard_shrink(0.5)),
    ]
    assert {activation.name for activation in made} == set(by_name.FORMS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_four_derivations_of_the_judge_are_of_one_function(name: str) -> None:
    """Definition and slope, exactly and in floating point, on either side of every joint."""
    activation = ACTIVATIONS[name]
    row = [-4.0, -2.5, -0.75, -0.25, 0.25, 0.75, 2.5, 7.0]
    upstream = [1.0, -2.0, 0.5, 1.5][: len(row) if activation.keeps_shape else 4] * 2
    upstream = upstream[: len(row) if activation.keeps_shape else len(row) // 2]
    exact = [Fraction(x) for x in row]
    value = activation.rounded(exact, len(row), WIDE)
    u = [Fraction(x) for x in upstream]
    gradient = activation.pulled_back(exact, u, len(row), len(upstream))
    given = np.array([row])
    running = through_activation(name, given, np.zeros_like(given), WIDE)
    back = through_slope(name, given, np.zeros_like(given), np.array([upstream]), WIDE, exact=False)
    assert np.all(np.abs(running.value[0] - value) <= running.error[0] + 1e-15)
    assert np.all(np.abs(back.value[0] - gradient) <= back.error[0] + 1e-15)


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=list(FORMATS))
def test_the_definition_of_gelu_is_right_where_another_formula_takes_over(fmt: Any) -> None:
    """The series near zero and the fraction of the tail from 8 on, against a third derivation."""
    for size in (0.5, 5.0, 7.9999, 8.0, 8.0001, 9.3, 14.2, 25.0):
        for x in (Fraction(size), Fraction(-size)):
            wanted = nearest(abs(x) * normal_distribution(x), fmt.name)
            assert abs(ACTIVATIONS["gelu"].round_one(x, fmt)) == wanted


@pytest.mark.parametrize("name", [n for n, one in ACTIVATIONS.items() if not one.rowwise])
def test_limits_are_those_of_the_definition(name: str) -> None:
    activation = ACTIVATIONS[name]
    assert isinstance(activation, Elementwise)
    for side, far in ((0, -1 << 90), (1, 1 << 90)):
        limit, near = float(activation.limits[side]), activation.round_one(Fraction(far), WIDE)
        expected = math.copysign(math.inf, near) if abs(near) > 1e9 else near
        assert limit == pytest.approx(expected, abs=1e-9), far


def test_no_part_of_an_activation_is_left_at_its_default() -> None:
    """An activation of each element has either steps or a formula of its slope."""
    default = {f.name: f.default for f in fields(Elementwise)}["running_slope"]
    for name, activation in ACTIVATIONS.items():
        if isinstance(activation, Elementwise):
            has_formula = activation.running_slope is not default
            assert has_formula is (activation.steps is None), name
