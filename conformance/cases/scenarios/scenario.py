"""What a scenario is, and the small helpers that scenarios share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.case import Case

Array = NDArray[Any]

_DECIMALS: Final = 5
_SIGNIFICANT: Final = 5


@dataclass(frozen=True)
class Scenario:
    """An observation that is not one layer's output: a few calls of the Keras API, and a literal.

    Attributes:
        name: the case's ``observe``.
        observe: makes the calls on a module with Keras' surface and returns a literal of numbers,
            strings, booleans, None, tuples, lists and dictionaries.
        expected: the literal that the documentation implies for a case.
        cases: the cases of the scenario, all of them in every grid above ``smoke``.
    """

    name: str
    observe: Callable[[Any, Case], Any]
    expected: Callable[[Case], Any]
    cases: tuple[Case, ...]

    def run(self, keras: Any, case: Case) -> Any:
        """The literal that `keras` gives: `reference_impl`, tf.keras or another such module.

        Raises:
            Exception: whatever `keras` raises where the scenario does not look for a rejection.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.observe(keras, case)


def listed(table: Mapping[Any, Any], key: Any, case: Case) -> Any:
    """The entry of a table from which a case's expected literal follows.

    Raises:
        ValueError: if there is none, which happens only to cases of the user's own.
    """
    try:
        return table[key]
    except KeyError:
        known = ", ".join(map(str, table))
        raise ValueError(
            f"no expected value is listed for {case}: {key!s} is none of {known}"
        ) from None


def tabulated(
    name: str, observe: Callable[[Any, Case], Any], table: Mapping[Case, Any]
) -> Scenario:
    """A scenario whose expected literals are listed case by case."""
    return Scenario(name, observe, lambda case: listed(table, case, case), tuple(table))


def construct(keras: Any, case: Case, **changes: Any) -> Any:
    """The case's layer, with some arguments changed or added."""
    return getattr(keras.layers, case.layer)(**(case.keywords | changes))


def input_shape(case: Case) -> tuple[int | None, ...]:
    """The shape of the case's input; for scenarios whose cases all have one.

    Raises:
        ValueError: if this one has none.
    """
    if case.inputs is None:
        raise ValueError(f"{case} gives no inputs: the scenario {case.observe!r} needs their shape")
    return case.inputs


def known_shape(case: Case, free: int = 2) -> tuple[int, ...]:
    """`input_shape` with a length in place of each free one."""
    return tuple(free if size is None else size for size in input_shape(case))


def unpacked(sizes: tuple[int, ...]) -> Any:
    """Sizes as one writes them: an integer for one axis."""
    return sizes[0] if len(sizes) == 1 else sizes


def attempt(action: Callable[[], Any]) -> str:
    """``accepted`` or, where `action` raises an ordinary exception, ``rejected``."""
    try:
        action()
    except Exception:
        return "rejected"
    return "accepted"


def static_shape(tensor: Any) -> tuple[int | None, ...]:
    """The shape of an array or symbolic tensor, with None for free lengths."""
    return tuple(None if size is None else int(size) for size in tensor.shape)


def array(tensor: Any) -> Array:
    """The values of a framework's tensor."""
    return np.asarray(tensor)


def decimals(tensor: Any) -> Any:
    """The values as nested lists, to five decimals.

    For values of magnitude below 8 that a few float32 operations produce: an error of 8 ulp is
    below 4e-6, so that values chosen away from the middle between two decimals round alike.
    """
    return (np.round(array(tensor).astype(np.float64), _DECIMALS) + 0.0).tolist()


def significant(tensor: Any) -> float:
    """A number to five significant digits, for sums of a few float32 products.

    An error of 64 ulp is below 8e-6 of the value, so that values chosen away from the middle
    between two such numbers round alike.
    """
    return float(f"{float(array(tensor)):.{_SIGNIFICANT}g}")
