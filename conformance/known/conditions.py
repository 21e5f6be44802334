"""Conditions of a record: on the texts, on the fields of a case, on the machine.

A condition is a text, a number, a boolean, or a list of these of which one must hold.  A text is

* a pattern in which ``*`` stands for anything, the same from end to end otherwise;
* between slashes, a regular expression that is searched for: ``/padding:-?[0-9]+/``;
* after ``<=``, ``>=``, ``<``, ``>`` or ``!=``, a limit: ``>=16``; instruction sets are compared in
  their order: ``<=avx2``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.facts import Facts

Condition = str | bool | int | float | Sequence[Any]

_LIMIT: Final = re.compile(r"(<=|>=|!=|<|>)\s*(.+)\Z")
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {"<=": le, ">=": ge, "<": lt, ">": gt, "!=": ne}
)


class ConditionError(ValueError):
    """A condition that cannot be read."""


def _is_expression(text: str) -> bool:
    return len(text) > 1 and text.startswith("/") and text.endswith("/")


@cache
def pattern(text: str) -> re.Pattern[str]:
    """What a text of a condition matches, to be used with `search`.

    Raises:
        ConditionError: if it is a regular expression that is malformed.
    """
    if _is_expression(text):
        try:
            return re.compile(text[1:-1], re.DOTALL)
        except re.error as error:
            raise ConditionError(f"{text} is no regular expression: {error}") from error
    return re.compile(r"\A" + ".*".join(map(re.escape, text.split("*"))) + r"\Z", re.DOTALL)


def matches(text: str, value: str) -> bool:
    """Whether a value is what a text of a condition says."""
    if "*" in text or _is_expression(text):
        return pattern(text).search(value) is not None
    return text == value


def occurs(text: str, within: str) -> bool:
    """Whether a pattern occurs anywhere in a text, as those of messages do."""
    return matches(text if _is_expression(text) else f"*{text}*", within)


def holds(condition: Condition, value: Any) -> bool:
    """Whether a value meets a condition; None meets none but ``""``."""
    if isinstance(condition, list | tuple):
        return any(holds(one, value) for one in condition)
    if isinstance(condition, bool) or isinstance(value, bool):
        return condition is value
    if not isinstance(condition, str):
        return bool(condition == value)
    limit = _LIMIT.match(condition)
    if limit is not None:
        return _within(limit[1], limit[2], value)
    return matches(condition, "" if value is None else str(value))


def _within(operator: str, limit: str, value: Any) -> bool:
    if operator != "!=":
        try:
            return _COMPARE[operator](float(value), float(limit))
        except (TypeError, ValueError):
            pass
    return _is_level_within(operator, limit, value)


def _is_level_within(operator: str, limit: str, value: Any) -> bool:
    """`_within` for instruction sets, and for any other text that must differ."""
    from conformance.implementations.machine import LEVELS

    if value in LEVELS or limit in LEVELS:
        known = value in LEVELS and limit in LEVELS
        return known and _COMPARE[operator](LEVELS.index(value), LEVELS.index(limit))
    return operator == "!=" and str(value) != limit


def check(condition: Any) -> None:
    """See to it that a condition can be read.

    Raises:
        ConditionError: if it is of another type, or a malformed regular expression.
    """
    if isinstance(condition, list | tuple):
        if not condition:
            raise ConditionError("an empty list, which nothing meets")
        for one in condition:
            check(one)
    elif isinstance(condition, str):
        if _is_expression(condition):
            pattern(condition)
    elif not isinstance(condition, bool | int | float):
        raise ConditionError(
            f"{condition!r} is none of a text, a number, true, false, or a list of these"
        )


def _family(known: Facts) -> str:
    if known.is_convolution:
        return "convolution"
    return "pooling" if known.is_pooling else known.layer.lower()


def _filters_are_last_output(known: Facts) -> bool:
    """A biased channels_first convolution with as many filters as its last axis is long.

    In a training scenario it is the convolution of the scenario's model.
    """
    if known.case.observe in ("training", "constrained_training"):
        from conformance.cases.scenarios.training import convolution_of

        known = Facts(convolution_of(known.case))
    convolves = known.is_convolution and known.channels_first and known.has_axes
    return (
        convolves
        and bool(known.config["use_bias"])
        and bool(known.config["filters"] == known.axes[-1].output)
    )


FIELDS: Final[Mapping[str, Callable[[Facts], Any]]] = MappingProxyType(
    {
        "observe": lambda known: known.case.observe,
        "dtype": lambda known: known.case.dtype,
        "operands": lambda known: known.case.operands,
        "family": _family,
        "rank": lambda known: known.rank,
        "batch": lambda known: known.batch,
        "channels": lambda known: known.channels,
        "filters": lambda known: known.config.get("filters"),
        "groups": lambda known: known.groups,
        "padding": lambda known: known.padding,
        "activation": lambda known: known.activation,
        "data_format": lambda known: known.config.get("data_format"),
        "least_window": lambda known: min(known.window),
        "greatest_window": lambda known: max(known.window),
        "last_window": lambda known: known.window[-1],
        "least_stride": lambda known: min(known.strides),
        "greatest_stride": lambda known: max(known.strides),
        "greatest_dilation": lambda known: max(known.dilation),
        "first_gap": lambda known: known.strides[0] - known.window[0],
        "first_meeting_taps": lambda known: len(known.axes[0].meeting_taps),
        "last_output": lambda known: known.axes[-1].output,
        "positions": lambda known: math.prod(length or 0 for length in known.spatial),
        "products": lambda known: known.products,
        "input_rank": lambda known: len(known.case.inputs or ()) - known.rank,
        "empty_input": lambda known: 0 in (known.case.inputs or ()),
        "empty_output": lambda known: any(axis.output <= 0 for axis in known.axes),
        "well_formed": lambda known: known.is_well_formed and known.has_axes,
        "filters_are_last_output": _filters_are_last_output,
    }
)
"""The fields that a condition can be put on, by name.

Sizes are those of the canonical configuration; ``input_rank`` is the number of axes beside the
spatial ones, 2 where batch and channels are there; ``positions`` are the places of the inputs along
the spatial axes; ``first_gap`` is how many places lie between one window and the next along the
first of them, and ``first_meeting_taps`` how many taps meet an input there; ``last_output`` is the
length of the outputs along the last.
"""


def field_of(name: str, known: Facts) -> Any:
    """A field of a case; None where the case has none of that name."""
    try:
        return FIELDS[name](known)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None


def fields_hold(conditions: Mapping[str, Condition], known: Facts) -> bool:
    """Whether a case meets the conditions on all fields."""
    return all(holds(condition, field_of(name, known)) for name, condition in conditions.items())


def descriptor_matches(conditions: Sequence[str], case: Case) -> bool:
    """Whether one of the patterns matches the case's descriptor; true without any."""
    return not conditions or holds(conditions, case.descriptor)
