"""The layers by name.

A case needs its layer's signature as soon as it is made, while a layer's descriptor refers to the
grids, the judge and the diagnosis, which are made of cases.  So the descriptors are plugged in by
the name of their module, when the first layer is asked for: nothing that asks a layer depends on
what a layer refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from conformance.layers.layer import Layer

_DOCUMENTED: Final = "conformance.layers.documented"


class UnknownLayerError(LookupError):
    """A layer of which there is no descriptor; the message says which there are."""


class Registry(Mapping[str, Layer]):
    """The descriptors by the layers' names, in the order of the documentation."""

    def __init__(self) -> None:
        self._known: dict[str, Layer] | None = None

    @property
    def _all(self) -> dict[str, Layer]:
        if self._known is None:
            documented = import_module(_DOCUMENTED).DOCUMENTED
            self._known = {layer.name: layer for layer in documented}
        return self._known

    def __getitem__(self, name: str) -> Layer:
        layer = (self._known or self._all).get(name)
        if layer is None:
            known = ", ".join(self._all)
            raise UnknownLayerError(f"there is no layer {name!r}: expected one of {known}")
        return layer

    def __contains__(self, name: object) -> bool:
        return name in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def names(self, having: Callable[[Layer], Any] = lambda _: True) -> tuple[str, ...]:
        """The names of the layers, or of those of which something holds."""
        return tuple(name for name, layer in self._all.items() if having(layer))

    @contextmanager
    def with_layer(self, layer: Layer) -> Iterator[Layer]:
        """One more layer, the last of all, until the context ends."""
        self._all[layer.name] = layer
        try:
            yield layer
        finally:
            self._all.pop(layer.name, None)


LAYERS: Final = Registry()
"""The documented layers."""


def windowed_layers() -> tuple[str, ...]:
    """The layers that slide a window."""
    return LAYERS.names(lambda layer: layer.rank)


def convolution_layers() -> tuple[str, ...]:
    """The layers that contract their inputs with a kernel."""
    return LAYERS.names(lambda layer: layer.convolves)


def pooling_layers() -> tuple[str, ...]:
    """The layers that reduce each window."""
    return LAYERS.names(lambda layer: layer.pools)


def called_layers() -> tuple[str, ...]:
    """The layers that are called on inputs."""
    return LAYERS.names(lambda layer: layer.takes_inputs)
