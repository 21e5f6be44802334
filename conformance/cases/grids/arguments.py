"""Arguments: every way to write them, left out or given, and every pair of their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from conformance.cases.case import Case
from conformance.cases.grids.build import shape
from conformance.cases.grids.covering import each_level, each_pair
from conformance.layers.registry import LAYERS, windowed_layers

Fragment = Mapping[str, Any]


def _cases(layer: str, rows: list[dict[str, Fragment]]) -> Iterator[Case]:
    for row in rows:
        fields: dict[str, Any] = {}
        for fragment in row.values():
            fields |= fragment
        batch = fields.pop("batch")
        inputs = shape(batch, LAYERS[layer].spatial, 3, fields.get("data_format"))
        yield Case.of(layer, inputs, **fields)


def smoke() -> Iterator[Case]:
    """Every value of every argument once."""
    for name, layer in LAYERS.items():
        if layer.factors:
            yield from _cases(name, each_level(layer.factors))


def pairs() -> Iterator[Case]:
    """Every pair of values of two arguments."""
    for name, layer in LAYERS.items():
        if layer.factors:
            yield from _cases(name, each_pair(layer.factors))


def spellings() -> Iterator[Case]:
    """Sizes as integer, tuple and list in every combination, steps at their default and given."""
    for name in windowed_layers():
        layer = LAYERS[name]
        values = {layer.window: 3, "strides": 2 if layer.pools else 1}
        values |= {"dilation_rate": 1} if layer.dilates else {}
        forms: list[tuple[Any, ...]] = [
            (v, (v,) * layer.rank, [v] * layer.rank) for v in values.values()
        ]
        if layer.strides_by_window:
            forms[1] = (*forms[1], None)
        spatial = (8,) if layer.rank == 1 else (8, 7) if layer.pools else (6, 5)
        rest = {"filters": 4} if layer.convolves else {}
        for spelt in product(*forms):
            yield Case.of(name, (2, *spatial, 3), **rest, **dict(zip(values, spelt, strict=True)))
