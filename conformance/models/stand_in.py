"""Layers outside the oracle, read from model files by its own reader.

A stand-in has the name, the configuration and the weights of a layer that `translation` knows, or
that an installed Keras computes; its output shape is found by running it on zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np

from conformance.models.operation import Operation, Span
from conformance.models.translation import TRANSLATIONS, dtype_of, operation_of
from reference_impl.engine.base_layer import Layer

_FREE: Final = (24, 36)
"""Two lengths in place of a free one: where the outputs differ, theirs is free as well."""

_BATCHES: Final = (1, 2)


class StandIn(Layer):
    """A layer of another class, of which only configuration and weights are kept."""

    class_name: ClassVar[str] = ""

    def __init__(self, **config: Any) -> None:
        super().__init__(name=config.get("name"), dtype=dtype_of(config))
        self.config = config
        self.weight_names: list[str] = []
        self.foreign: Any = None
        self.ndim = 0

    def build(self, input_shape: Any) -> None:
        """Make the weights, to be filled from the file."""
        shapes = _shapes(input_shape)
        self.ndim = len(shapes[0])
        for name, shape in self._weight_shapes(shapes[0], input_shape).items():
            self.weight_names.append(name)
            self.add_weight(shape=shape, initializer="zeros", name=name)

    def build_from_config(self, config: Any) -> None:
        """Nothing: the layer is built when it is called."""

    def _weight_shapes(self, shape: Any, given: Any) -> Mapping[str, tuple[int, ...]]:
        if self.class_name in TRANSLATIONS:
            return TRANSLATIONS[self.class_name].weights(self.config, shape)
        from conformance.models.foreign import built

        self.foreign = built(self.class_name, self.config, given)
        return {str(index): tuple(w.shape) for index, w in enumerate(self.foreign.weights)}

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The output at inference, in the layer's dtype."""
        given = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        spans = [Span.exact(array) for array in given]
        return self.operation(spans[0].value.ndim)(spans).value.astype(self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape that zeros give, twice where lengths are free."""
        made = [self._shape_on(_shapes(input_shape), which) for which in (0, 1)]
        return tuple(a if a == b else None for a, b in zip(*made, strict=True))

    def _shape_on(self, shapes: Sequence[Any], which: int) -> tuple[int, ...]:
        filled = [
            tuple(
                (_FREE if axis else _BATCHES)[which] if length is None else length
                for axis, length in enumerate(shape)
            )
            for shape in shapes
        ]
        spans = [Span.exact(np.zeros(shape)) for shape in filled]
        return self.operation(len(shapes[0]))(spans).value.shape

    def operation(self, ndim: int = 0) -> Operation:
        """What the layer computes, with its weights as they are."""
        arrays = [np.asarray(weight, np.float64) for weight in self.get_weights()]
        if self.class_name in TRANSLATIONS:
            named = dict(zip(self.weight_names, arrays, strict=True))
            return operation_of(self.class_name, self.config, ndim or self.ndim, named)
        from conformance.models.foreign import compute

        return Operation("elsewhere", {"compute": partial(compute, self.foreign, arrays)})

    def get_config(self) -> dict[str, Any]:
        """The configuration as it was read."""
        return self.config


class Opaque(StandIn):
    """A layer that nothing here computes: of the user's own, or of a Keras that is not installed.

    Nothing of it is run, and its weights are not kept; its outputs are a candidate's.
    """

    def build(self, input_shape: Any) -> None:
        """Nothing: there are no weights."""
        self.ndim = len(_shapes(input_shape)[0])

    def load_own_variables(self, store: Any) -> None:
        """Nothing: whatever is stored."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the file declares it, else that of the first input."""
        return self._declared() or tuple(_shapes(input_shape)[0])

    def _declared(self) -> tuple[Any, ...]:
        return tuple(self.config.get(DECLARED) or ())

    def operation(self, ndim: int = 0) -> Operation:
        """A shape."""
        return Operation("unknown", {"shape": self._declared()})


DECLARED: Final = "declared output shape"
"""The key of a configuration that `source` adds."""


def _shapes(given: Any) -> list[Any]:
    """The shapes of the inputs, one or several."""
    return [*given] if given and isinstance(given[0], (list, tuple)) else [given]


def stand_in(class_name: str, is_computed: bool = True) -> type[StandIn]:
    """The class that stands in for another, which is computed here, by Keras, or by nothing."""
    base = StandIn if is_computed else Opaque
    return type(class_name, (base,), {"class_name": class_name})
