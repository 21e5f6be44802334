"""The convolution layers that scenarios on weights share.

They have 2 filters over 2 channels and a window of 2 taps, so that the kernel holds eight values
and the derivations can be done by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from conformance.cases.case import Case
from conformance.cases.scenarios.scenario import construct, unpacked
from conformance.layers.registry import LAYERS, convolution_layers


def inputs_of(layer: str) -> tuple[int, ...]:
    """Shape of the layer's inputs: 2 samples, on which the window has 2 positions."""
    return 2, 3, *[1] * (LAYERS[layer].rank - 1), 2


def window_of(layer: str) -> tuple[int, ...]:
    """The layer's window: 2 taps along the first axis."""
    return 2, *[1] * (LAYERS[layer].rank - 1)


def of(observe: str, layer: str, **arguments: Any) -> Case:
    """A case of one of the layers."""
    sizes: dict[str, Any] = {"filters": 2, "kernel_size": unpacked(window_of(layer))}
    return Case.of(layer, observe=observe, **(sizes | arguments))


def of_each(observe: str, **arguments: Any) -> tuple[Case, ...]:
    """The same case of both layers."""
    return tuple(of(observe, layer, **arguments) for layer in convolution_layers())


def each_layer(make: Callable[[str], Iterable[Case]]) -> tuple[Case, ...]:
    """The cases that `make` gives for each layer."""
    return tuple(case for layer in convolution_layers() for case in make(layer))


def built(keras: Any, case: Case, **changes: Any) -> Any:
    """The case's layer, some arguments changed, built on its input shape or on `inputs_of`."""
    layer = construct(keras, case, **changes)
    layer.build(case.inputs or inputs_of(case.layer))
    return layer


def configured(class_name: str, **config: Any) -> dict[str, Any]:
    """A configuration, as arguments take it instead of an object."""
    return {"class_name": class_name, "config": config}


def objects(keras: Any, case: Case) -> dict[str, Any]:
    """The case's configurations as objects, constructed by class and parameters."""
    modules = {
        "initializer": keras.initializers,
        "regularizer": keras.regularizers,
        "constraint": keras.constraints,
    }
    return {
        name: getattr(modules[name.rpartition("_")[2]], value["class_name"])(**value["config"])
        for name, value in case.arguments
        if isinstance(value, dict)
    }
