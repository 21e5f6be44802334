"""The clauses that a case tests, told from its descriptor alone."""

from __future__ import annotations

from functools import cache, lru_cache

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.layers.layer import Layer
from conformance.spec.clauses import clauses
from conformance.spec.covers import scenarios
from conformance.spec.covers.outputs import Predicate

Rules = tuple[tuple[str, Predicate], ...]


@cache
def _rules(layer: Layer, observe: str) -> Rules:
    """The rules of an observation whose clauses exist and concern the layer."""
    table = layer.covers.get(observe) or scenarios.TABLES.get(observe, {})
    own = layer.name.lower()
    rules = ((identifier.replace("{layer}", own), rule) for identifier, rule in table.items())
    return tuple(
        (identifier, rule)
        for identifier, rule in rules
        if identifier.partition(".")[0] in (own, layer.family) and identifier in clauses()
    )


@lru_cache(1024)  # implementations, records and reports ask of one case after another
def clauses_of(case: Case) -> tuple[str, ...]:
    """The ids of the clauses that the case tests, each once; none for an unknown observation."""
    known = facts(case)
    found = [name for name, rule in _rules(known.descriptor, case.observe) if rule(known)]
    names = known.descriptor.names.get(case.observe) or scenarios.NAMES.get(case.observe)
    if names is not None:
        found += names(known)
    return tuple(dict.fromkeys(found))
