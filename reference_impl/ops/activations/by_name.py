"""The forms of every element-wise activation, joined by its name.

Of each there are a real function, which decides every rounding; an expansion in double-double
arithmetic, unless rounding its argument gives the value; and of its derivative either the pieces on
which it is constant, or again a real function and an expansion.  The float64 enclosure and what is
known of its shape stand in `reference_impl.ops.activations.elementwise`, which names it.

Real functions are imported when they are first asked for, with this module: fractions and decimals
are slow to import and seldom needed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from reference_impl.ops.activations import expansions, formulas, slopes
from reference_impl.ops.activations.expansions import Function, Unguarded
from reference_impl.ops.activations.formulas import RealFunction
from reference_impl.ops.activations.pieces import PIECES, Piece


class Forms(NamedTuple):
    """What makes the forms of an activation from its parameters; None where it has no such form."""

    function: Callable[..., RealFunction]
    expansion: Callable[..., Unguarded] | None
    pieces: Callable[..., tuple[Piece, ...]] | None
    slope: Callable[..., RealFunction] | None
    slope_expansion: Callable[..., Unguarded] | None


FORMS: Final = {
    name: Forms(
        function,
        expansions.VALUES.get(name),
        PIECES.get(name),
        slopes.SLOPES.get(name),
        expansions.SLOPES.get(name),
    )
    for name, function in formulas.FUNCTIONS.items()
}


@lru_cache(maxsize=256)
def real_function(name: str, *parameters: float) -> RealFunction:
    """The activation as a real function."""
    return FORMS[name].function(*parameters)


@lru_cache(maxsize=256)
def expanded(name: str, *parameters: float) -> Function | None:
    """The activation in double-double arithmetic; None if it has no such form."""
    return _guarded(FORMS[name].expansion, parameters)


@lru_cache(maxsize=256)
def slope(name: str, *parameters: float) -> RealFunction:
    """The derivative of an activation that is not piecewise linear, as a real function.

    Raises:
        ValueError: if it is not known.
    """
    make = FORMS[name].slope
    if make is None:
        raise ValueError(f"the derivative of the activation {name!r} is not known")
    return make(*parameters)


@lru_cache(maxsize=256)
def expanded_slope(name: str, *parameters: float) -> Function | None:
    """The derivative in double-double arithmetic; None if it has no such form."""
    return _guarded(FORMS[name].slope_expansion, parameters)


def _guarded(
    make: Callable[..., Unguarded] | None, parameters: tuple[float, ...]
) -> Function | None:
    return None if make is None else expansions.guarded(make(*parameters))
