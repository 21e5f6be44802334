"""The clauses that a case tests, told from its descriptor alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.spec.clauses import clauses
from conformance.spec.covers import gradients, outputs, rejections, scenarios
from conformance.spec.covers.outputs import Predicate, Table
from conformance.spec.covers.scenarios import Names
from conformance.spec.signatures import LAYERS

Rules = tuple[tuple[tuple[str, Predicate], ...], Names | None]

_FAMILIES: Final[Mapping[str, str]] = {
    "Conv1D": "conv",
    "Conv2D": "conv",
    "MaxPooling1D": "maxpooling",
    "MaxPooling2D": "maxpooling",
    "Flatten": "flatten",
    "Input": "input",
}
"""The first part of the ids of clauses that a layer shares with another."""

_TABLES: Final[Mapping[tuple[str, str], Table]] = {
    ("conv", "output"): outputs.CONVOLUTION_OUTPUT,
    ("conv", "gradients"): gradients.CONVOLUTION,
    ("conv", "shape"): outputs.CONVOLUTION_SHAPE,
    ("conv", "rejection"): rejections.CONVOLUTION,
    ("maxpooling", "output"): outputs.POOLING_OUTPUT,
    ("maxpooling", "gradients"): gradients.POOLING,
    ("maxpooling", "shape"): outputs.POOLING_SHAPE,
    ("maxpooling", "rejection"): rejections.POOLING,
    ("flatten", "output"): outputs.FLATTEN_OUTPUT,
    ("flatten", "gradients"): gradients.FLATTEN,
    ("flatten", "shape"): outputs.FLATTEN_SHAPE,
    ("flatten", "rejection"): rejections.FLATTEN,
    ("input", "shape"): outputs.INPUT_SHAPE,
    ("input", "rejection"): rejections.INPUT,
}


_NAMES: Final[Mapping[tuple[str, str], Names]] = {("conv", "output"): outputs.named_activation}
"""The clauses on predefined names besides."""


def _of_layer(layer: str, table: Table) -> tuple[tuple[str, Predicate], ...]:
    """The rules whose clauses exist and concern the layer."""
    own = layer.lower()
    rules = ((identifier.replace("{layer}", own), rule) for identifier, rule in table.items())
    return tuple(
        (identifier, rule)
        for identifier, rule in rules
        if identifier.partition(".")[0] in (own, _FAMILIES[layer]) and identifier in clauses()
    )


def _index() -> dict[tuple[str, str], Rules]:
    """The rules of every layer and observation."""
    index: dict[tuple[str, str], Rules] = {}
    for layer in LAYERS:
        for (family, observe), table in _TABLES.items():
            if family == _FAMILIES[layer]:
                index[layer, observe] = _of_layer(layer, table), _NAMES.get((family, observe))
        for observe, table in scenarios.TABLES.items():
            index[layer, observe] = _of_layer(layer, table), scenarios.NAMES.get(observe)
    return index


_RULES: Final = _index()


def clauses_of(case: Case) -> tuple[str, ...]:
    """The ids of the clauses that the case tests, each once; none for an unknown observation."""
    rules, names = _RULES.get((case.layer, case.observe), ((), None))
    known = facts(case)
    found = [identifier for identifier, rule in rules if rule(known)]
    if names is not None:
        found += names(known)
    return tuple(dict.fromkeys(found))
