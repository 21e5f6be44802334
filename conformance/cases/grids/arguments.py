"""Arguments: every way to write them, left out or given, and every pair of their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.grids.build import shape
from conformance.cases.grids.covering import each_level, each_pair

Fragment = Mapping[str, Any]

_NOTHING: Final[Fragment] = {}


def _levels(argument: str, *values: Any) -> tuple[Fragment, ...]:
    """Left out, and given as each of the values."""
    return (_NOTHING, *({argument: value} for value in values))


def _given(argument: str, *values: Any) -> tuple[Fragment, ...]:
    return _levels(argument, *values)[1:]


_GLOROT: Final = {"class_name": "GlorotUniform", "config": {}}

_WEIGHTED: Final[dict[str, Sequence[Fragment]]] = {
    "filters": _given("filters", 4, 2, 5),
    "activation": _levels("activation", None, "linear", "tanh", "sigmoid"),
    "use_bias": _levels("use_bias", True, False),
    "kernel_initializer": _levels("kernel_initializer", "glorot_uniform", "zeros", _GLOROT),
    "bias_initializer": _levels("bias_initializer", "zeros", "random_normal"),
    "kernel_regularizer": _levels("kernel_regularizer", None, "l2"),
    "bias_regularizer": _levels("bias_regularizer", None, "l1"),
    "activity_regularizer": _levels("activity_regularizer", None, "l2"),
    "kernel_constraint": _levels("kernel_constraint", None, "max_norm"),
    "bias_constraint": _levels("bias_constraint", None, "non_neg"),
}
_COMMON: Final[dict[str, Sequence[Fragment]]] = {
    "padding": _levels("padding", "valid", "same"),
    "dtype": ({}, {"dtype": "float64"}, {"dtype": "float16"}),
    "operands": ({}, {"operands": "reals"}),
    "batch": ({"batch": 2}, {"batch": 1}, {"batch": 3}),
}
_DATA_FORMAT: Final = _levels("data_format", None, "channels_last", "channels_first")

FACTORS: Final[Mapping[str, Mapping[str, Sequence[Fragment]]]] = {
    "Conv1D": {
        "kernel_size": _given("kernel_size", 3, (2,), [4], 1),
        "step": (
            *_levels("strides", 1, 2, (3,), [2]),
            *_given("dilation_rate", 1, 2, (3,), [2]),
            {"strides": 1, "dilation_rate": 2},
            {"strides": [2], "dilation_rate": (1,)},
        ),
        **_WEIGHTED,
        **_COMMON,
    },
    "Conv2D": {
        "kernel_size": _given("kernel_size", 3, (2, 3), [3, 2], 1),
        "step": (
            *_levels("strides", 1, 2, (2, 1), [1, 3]),
            *_given("dilation_rate", 1, 2, (1, 2), [3, 1]),
            {"strides": (1, 1), "dilation_rate": (2, 1)},
            {"strides": [3, 2], "dilation_rate": 1},
        ),
        "data_format": _DATA_FORMAT,
        **_WEIGHTED,
        **_COMMON,
    },
    "MaxPooling1D": {
        "pool_size": _levels("pool_size", 2, 3, 1),
        "strides": _levels("strides", None, 1, 2, 3),
        **_COMMON,
    },
    "MaxPooling2D": {
        "pool_size": _levels("pool_size", 2, (2, 3), (3, 1)),
        "strides": _levels("strides", None, 1, 2, (1, 2), (3, 2)),
        "data_format": _DATA_FORMAT,
        **_COMMON,
    },
    "Flatten": {
        "data_format": _DATA_FORMAT,
        "dtype": _COMMON["dtype"],
        "operands": _COMMON["operands"],
        "batch": _COMMON["batch"],
    },
}
"""What an argument may be, by layer: fragments of the keyword arguments of a case.

Strides and dilation rate are one factor, since most of their pairs are forbidden.
"""

_SPATIAL: Final = {
    "Conv1D": (10,),
    "MaxPooling1D": (9,),
    "Conv2D": (7, 5),
    "MaxPooling2D": (7, 8),
    "Flatten": (4, 5),
}


def _cases(layer: str, rows: list[dict[str, Fragment]]) -> Iterator[Case]:
    for row in rows:
        fields: dict[str, Any] = {}
        for fragment in row.values():
            fields |= fragment
        batch = fields.pop("batch")
        inputs = shape(batch, _SPATIAL[layer], 3, fields.get("data_format"))
        yield Case.of(layer, inputs, **fields)


def smoke() -> Iterator[Case]:
    """Every value of every argument once."""
    for layer, factors in FACTORS.items():
        yield from _cases(layer, each_level(factors))


def pairs() -> Iterator[Case]:
    """Every pair of values of two arguments."""
    for layer, factors in FACTORS.items():
        yield from _cases(layer, each_pair(factors))


def spellings() -> Iterator[Case]:
    """Sizes as integer, tuple and list in every combination, steps at their default and given."""
    for kernel, strides, rate in product((3, (3,), [3]), (1, (1,), [1]), (1, (1,), [1])):
        sizes = {"kernel_size": kernel, "strides": strides, "dilation_rate": rate}
        yield Case.of("Conv1D", (2, 8, 3), filters=4, **sizes)
    square = (3, (3, 3), [3, 3])
    unit = (1, (1, 1), [1, 1])
    for kernel, strides, rate in product(square, unit, unit):
        sizes = {"kernel_size": kernel, "strides": strides, "dilation_rate": rate}
        yield Case.of("Conv2D", (2, 6, 5, 3), filters=4, **sizes)
    for pool, strides in product((3, (3,), [3]), (2, (2,), [2], None)):
        yield Case.of("MaxPooling1D", (2, 8, 3), pool_size=pool, strides=strides)
    for size, step in product((3, (3, 3), [3, 3]), (2, (2, 2), [2, 2], None)):
        yield Case.of("MaxPooling2D", (2, 8, 7, 3), pool_size=size, strides=step)
