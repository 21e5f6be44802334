"""Where a ``.keras`` file has the weights of the layers that a layer is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from reference_impl.engine.base_layer import Layer
from reference_impl.engine.layer_weights import OWN_ATTRIBUTES
from reference_impl.engine.model import Model
from reference_impl.engine.naming import snake_case

_CONTAINER: Final = "container"


LAYERS_GROUP: Final = "layers"
"""The name of a list or a dictionary within another."""


def inner_layers(layer: Layer) -> list[tuple[str, Layer]]:
    """The layers that a layer is made of, by the paths of their groups.

    As in Keras, those of a graph come first; then attributes in alphabetical order, private ones
    last, and among them the list `Model.layers`.  A layer in a container goes by its class,
    numbered from the second on, and a container in another by ``container``; of a layer that is
    met twice the first path counts.
    """
    seen: set[int] = set()
    attributes = {name: value for name, value in vars(layer).items() if name not in OWN_ATTRIBUTES}
    if not isinstance(layer, Model):
        first: list[tuple[str, Layer]] = []
    elif layer._is_functional:
        members = layer.layers if layer.built else layer._members()
        first = [*_places(LAYERS_GROUP, members, seen)]
    else:
        first, attributes[LAYERS_GROUP] = [], layer.layers
    ordered = sorted(attributes, key=lambda name: (name.startswith("_"), name))
    own = {id(item) for item in layer._layers}
    found = [place for name in ordered for place in _places(name, attributes[name], seen)]
    return [*first, *((path, inner) for path, inner in found if id(inner) in own)]


def _numbered(layer: Layer, counts: Counter[str]) -> str:
    kind = snake_case(type(layer).__name__)
    counts[kind] += 1
    return f"{kind}_{counts[kind] - 1}" if counts[kind] > 1 else kind


def _places(path: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Layer]]:
    """The layers in a value that were not seen before, by their paths."""
    if not isinstance(value, (Layer, list, tuple, dict)) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Layer):
        yield path, value
        return
    counts: Counter[str] = Counter()
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, Layer):
            yield from _places(f"{path}/{_numbered(item, counts)}", item, seen)
        elif isinstance(item, (list, tuple, dict)):
            counts[_CONTAINER] += 1
            number = f"_{counts[_CONTAINER] - 1}" if counts[_CONTAINER] > 1 else ""
            yield from _places(f"{path}/{_CONTAINER}{number}", item, seen)
