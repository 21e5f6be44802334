"""What must be rejected: prohibitions of the documentation, and ill-formed arguments.

Every case but those of Input has an input array, so that an implementation that looks at its
arguments no earlier than it must can still reject.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from conformance.cases.case import Case
from conformance.layers.layer import Layer, Spoilt
from conformance.layers.registry import LAYERS


def _rejected(layer: Layer, inputs: tuple[int, ...] | None, **arguments: Any) -> Case:
    return Case.of(layer.name, inputs, observe="rejection", **arguments)


def values() -> Iterator[Case]:
    """One argument at a value that it may not have."""
    for layer in LAYERS.values():
        inputs, accepted = layer.accepted
        for name, bad_values in layer.bad_values.items():
            for value in bad_values:
                yield _rejected(layer, inputs, **(accepted | {name: value}))


def _spoilt(
    layer: Layer, pairs: Iterable[dict[str, Any]], windows: Sequence[Spoilt], ranks: Sequence[Any]
) -> Iterator[Case]:
    """Arguments that do not go together, or not with the input; missing arguments."""
    inputs, accepted = layer.accepted
    for sizes in pairs:
        yield _rejected(layer, inputs, **accepted, **sizes)
    for shape, arguments in windows:
        yield _rejected(layer, shape, **arguments)
    for shape in ranks:
        yield _rejected(layer, shape, **accepted)
    for bad in layer.bad_arguments:
        yield _rejected(layer, inputs if layer.takes_inputs else None, **bad)


def relations() -> Iterator[Case]:
    """Arguments that do not go together, or not with the input; missing arguments."""
    for layer in LAYERS.values():
        pairs = (
            {"strides": strides, "dilation_rate": rate, **padding}
            for strides, rate in layer.exclusive
            for padding in ({}, {"padding": "same"})
        )
        yield from _spoilt(layer, pairs, layer.without_output, layer.wrong_ranks)


def smoke() -> Iterator[Case]:
    """The first bad value of every argument, the first pair of steps, the first of the rest."""
    for layer in LAYERS.values():
        inputs, accepted = layer.accepted
        for name, bad_values in layer.bad_values.items():
            yield _rejected(layer, inputs, **(accepted | {name: bad_values[0]}))
        pairs = [{"strides": s, "dilation_rate": rate} for s, rate in layer.exclusive[1:2]]
        yield from _spoilt(layer, pairs, layer.without_output[1:2], layer.wrong_ranks[-1:])
