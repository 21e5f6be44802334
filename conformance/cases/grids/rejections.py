"""What must be rejected: prohibitions of the documentation, and ill-formed arguments.

Every case but those of Input has an input array, so that an implementation that looks at its
arguments no earlier than it must can still reject.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from conformance.cases.case import Case

_SIZE: Final = (0, -1, 2.5, None, "3", ())
"""What no size of a window or step may be, in any rank; None stands for itself in pooling."""

_PADDINGS: Final = ("full", "", "reflect", None, 1)
_FORMATS: Final = ("NHWC", "tf", "channels_middle", "", 1)
_IDENTIFIERS: Final = {
    "activation": ("foo", "", 3, "threshold"),
    "kernel_initializer": ("foo", "xavier", 3, "identity"),
    "bias_initializer": ("foo",),
    "kernel_regularizer": ("foo", "l3"),
    "bias_regularizer": ("foo",),
    "activity_regularizer": ("foo",),
    "kernel_constraint": ("foo", 3),
    "bias_constraint": ("foo",),
}
_FILTERS: Final = (0, -1, 2.5, None, "4", (4,))
_WEIGHTED: Final = {"filters": _FILTERS, "use_bias": ("no", 2), **_IDENTIFIERS, "foo": (1,)}

_VALUES: Final[Mapping[str, Mapping[str, tuple[Any, ...]]]] = {
    "Conv1D": {
        "kernel_size": (*_SIZE, (0,), [-1], (3, 3), [2, 2, 2], (2.5,)),
        "strides": (*_SIZE, (0,), (1, 1), [-2], (1.5,)),
        "dilation_rate": (*_SIZE, (0,), (1, 1), [-2], (1.5,)),
        "padding": _PADDINGS,
        **_WEIGHTED,
    },
    "Conv2D": {
        "kernel_size": (*_SIZE, (0, 3), (3, 0), [3, -1], (3,), (3, 3, 3), (2.5, 3)),
        "strides": (*_SIZE, (0, 1), (1, 0), [1, -1], (2,), (1, 1, 1), (1.5, 1)),
        "dilation_rate": (*_SIZE, (0, 1), (1, 0), [1, -1], (2,), (1, 1, 1), (1.5, 1)),
        "padding": (*_PADDINGS, "causal"),
        "data_format": _FORMATS,
        **_WEIGHTED,
    },
    "MaxPooling1D": {
        "pool_size": (*_SIZE, (0,), (2, 2), [-2], (2.5,)),
        "strides": (0, -1, 2.5, "2", (), (0,), (2, 2), (1.5,)),
        "padding": (*_PADDINGS, "causal"),
        "foo": (1,),
    },
    "MaxPooling2D": {
        "pool_size": (*_SIZE, (0, 2), (2, 0), [2, -1], (2,), (2, 2, 2), (2.5, 2)),
        "strides": (0, -1, 2.5, "2", (), (0, 1), (1, 0), [1, -1], (2,), (2, 2, 2), (1.5, 1)),
        "padding": (*_PADDINGS, "causal"),
        "data_format": _FORMATS,
        "foo": (1,),
    },
    "Flatten": {"data_format": _FORMATS, "foo": (1,)},
}
"""Values that the argument may not have, by layer."""

ACCEPTED: Final[Mapping[str, tuple[tuple[int, ...], dict[str, Any]]]] = {
    "Conv1D": ((2, 8, 3), {"filters": 4, "kernel_size": 3}),
    "Conv2D": ((2, 7, 8, 3), {"filters": 4, "kernel_size": (3, 2)}),
    "MaxPooling1D": ((2, 8, 3), {}),
    "MaxPooling2D": ((2, 7, 8, 3), {}),
    "Flatten": ((2, 3, 4), {}),
}
"""Input shape and arguments that are accepted; each case spoils them in one point."""

_STEPS: Final[Mapping[str, tuple[tuple[Any, Any], ...]]] = {
    "Conv1D": ((2, 2), (2, 3), (3, 2), ((2,), (2,)), ([2], [4]), (2, (2,))),
    "Conv2D": (
        (2, 2),
        ((2, 1), (1, 2)),
        ((1, 2), (2, 1)),
        ((1, 2), (1, 2)),
        ((2, 1), (2, 1)),
        ([3, 1], 2),
        (2, [1, 3]),
        ((2, 3), (3, 2)),
    ),
}
"""Strides and dilation rates of which both have a component other than 1."""

_NO_OUTPUT: Final[Mapping[str, tuple[tuple[tuple[int, ...], dict[str, Any]], ...]]] = {
    "Conv1D": (
        ((2, 2, 3), {"filters": 4, "kernel_size": 3}),
        ((2, 1, 3), {"filters": 4, "kernel_size": 4, "strides": 2}),
        ((2, 4, 3), {"filters": 4, "kernel_size": 3, "dilation_rate": 2}),
        ((2, 0, 3), {"filters": 4, "kernel_size": 1}),
    ),
    "Conv2D": (
        ((2, 2, 2, 3), {"filters": 4, "kernel_size": 3}),
        ((2, 2, 9, 3), {"filters": 4, "kernel_size": (3, 2)}),
        ((2, 9, 2, 3), {"filters": 4, "kernel_size": (2, 3)}),
        ((2, 9, 4, 3), {"filters": 4, "kernel_size": 3, "dilation_rate": (1, 2)}),
        ((2, 3, 2, 9), {"filters": 4, "kernel_size": 3, "data_format": "channels_first"}),
        ((2, 0, 4, 3), {"filters": 4, "kernel_size": 1}),
    ),
    "MaxPooling1D": (
        ((2, 1, 3), {}),
        ((2, 3, 3), {"pool_size": 5}),
        ((2, 2, 3), {"pool_size": 3, "strides": 1}),
    ),
    "MaxPooling2D": (
        ((2, 1, 1, 3), {}),
        ((2, 2, 9, 3), {"pool_size": (3, 2)}),
        ((2, 9, 2, 3), {"pool_size": (2, 4), "strides": 1}),
        ((2, 3, 2, 9), {"pool_size": 3, "data_format": "channels_first"}),
    ),
}
"""Windows longer than an input that is not padded: there is no output."""

_RANKS: Final[Mapping[str, tuple[tuple[int, ...], ...]]] = {
    "Conv1D": ((8,), (2, 8), (2, 7, 8, 3)),
    "Conv2D": ((8,), (7, 8), (7, 8, 3), (1, 2, 7, 8, 3)),
    "MaxPooling1D": ((8,), (2, 8), (2, 7, 8, 3)),
    "MaxPooling2D": ((8,), (7, 8), (7, 8, 3), (1, 2, 7, 8, 3)),
    "Flatten": ((),),
}
"""Input shapes of a rank that the layer does not take."""

_MISSING: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("Conv1D", {"kernel_size": 3}),
    ("Conv1D", {"filters": 4}),
    ("Conv1D", {}),
    ("Conv2D", {"kernel_size": (3, 2)}),
    ("Conv2D", {"filters": 4}),
    ("Conv2D", {}),
)
"""Arguments that lack a required one."""

_INPUT: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"shape": None},
    {"shape": (3,), "batch_shape": (2, 3)},
    {"shape": (3,), "batch_shape": (None, 3)},
    {"shape": (-1,)},
    {"shape": (4, -3)},
    {"shape": (2.5,)},
    {"shape": ("3",)},
    {"shape": 2.5},
    {"batch_shape": (2, -3)},
    {"batch_shape": (-2, 3)},
    {"batch_shape": (2, 1.5)},
    {"batch_shape": 2.5},
    {"shape": (3,), "dtype": "foo"},
    {"shape": (3,), "tensor": 3},
    {"shape": (3,), "tensor": "foo"},
    {"shape": (3,), "name": 3},
    {"shape": (3,), "sparse": "no"},
    {"shape": (3,), "foo": 1},
)
"""Arguments with which Input declares nothing."""


def _rejected(layer: str, inputs: tuple[int, ...] | None, **arguments: Any) -> Case:
    return Case.of(layer, inputs, observe="rejection", **arguments)


def values() -> Iterator[Case]:
    """One argument at a value that it may not have."""
    for layer, arguments in _VALUES.items():
        inputs, accepted = ACCEPTED[layer]
        for name, bad_values in arguments.items():
            for value in bad_values:
                yield _rejected(layer, inputs, **(accepted | {name: value}))


def relations() -> Iterator[Case]:
    """Arguments that do not go together, or not with the input; missing arguments; Input."""
    for layer, pairs in _STEPS.items():
        inputs, accepted = ACCEPTED[layer]
        for strides, rate in pairs:
            for padding in ({}, {"padding": "same"}):
                sizes = {"strides": strides, "dilation_rate": rate}
                yield _rejected(layer, inputs, **accepted, **sizes, **padding)
    for layer, spoilt in _NO_OUTPUT.items():
        for inputs, arguments in spoilt:
            yield _rejected(layer, inputs, **arguments)
    for layer, shapes in _RANKS.items():
        for inputs in shapes:
            yield _rejected(layer, inputs, **ACCEPTED[layer][1])
    for layer, arguments in _MISSING:
        yield _rejected(layer, ACCEPTED[layer][0], **arguments)
    for arguments in _INPUT:
        yield _rejected("Input", None, **arguments)


def smoke() -> Iterator[Case]:
    """The first bad value of every argument, the first pair of steps, the first of the rest."""
    seen = set()
    for case in values():
        inputs, accepted = ACCEPTED[case.layer]
        spoilt = next(n for n, v in case.arguments if n not in accepted or v != accepted[n])
        if (case.layer, spoilt) not in seen:
            seen.add((case.layer, spoilt))
            yield case
    for layer, pairs in _STEPS.items():
        inputs, accepted = ACCEPTED[layer]
        strides, rate = pairs[1]
        yield _rejected(layer, inputs, **accepted, strides=strides, dilation_rate=rate)
    for layer, spoilt_inputs in _NO_OUTPUT.items():
        inputs, arguments = spoilt_inputs[1]
        yield _rejected(layer, inputs, **arguments)
    for layer, shapes in _RANKS.items():
        yield _rejected(layer, shapes[-1], **ACCEPTED[layer][1])
    for layer, arguments in _MISSING:
        yield _rejected(layer, ACCEPTED[layer][0], **arguments)
    for arguments in _INPUT:
        yield _rejected("Input", None, **arguments)
