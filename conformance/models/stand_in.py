"""Layers outside the oracle, read from model files by its own reader.

A stand-in has the name, the configuration and the weights of a layer that `translation` knows, or
that an installed Keras computes; its output shape is found by running it on zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np

from conformance.models.operation import Operation, Span
from conformance.models.translation import TRANSLATIONS, dtype_of, is_translated, operation_of
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.keras_tensor import KerasTensor, record_call, symbolic

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
        self.is_translated = False
        self.ndim = 0

    def build(self, input_shape: Any) -> None:
        """Make the weights, to be filled from the file."""
        shapes = _shapes(input_shape)
        self.ndim = len(shapes[0])
        self.is_translated = self.class_name in TRANSLATIONS and is_translated(
            self.class_name, self.config, shapes[0]
        )
        for name, shape in self._weight_shapes(shapes[0], input_shape).items():
            self.weight_names.append(name)
            self.add_weight(shape=shape, initializer="zeros", name=name)

    def build_from_config(self, config: Any) -> None:
        """Nothing: the layer is built when it is called."""

    def _weight_shapes(self, shape: Any, given: Any) -> Mapping[str, tuple[int, ...]]:
        if self.is_translated:
            return TRANSLATIONS[self.class_name].weights(self.config, shape)
        from conformance.models.foreign import built, is_keras_layer

        if not is_keras_layer(self.class_name):
            return {}
        own = {key: value for key, value in self.config.items() if key != DECLARED}
        self.foreign = built(self.class_name, own, given)
        return {str(index): tuple(w.shape) for index, w in enumerate(self.foreign.weights)}

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The output at inference, in the layer's dtype."""
        given = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        spans = [Span.exact(array) for array in given]
        return self.operation(spans[0].value.ndim)(spans).value.astype(self.compute_dtype)

    def compute_output_spec(self, *given: Any, **keywords: Any) -> Any:
        """As of a layer; of its own dtype on integers as well, unless it only moves elements."""
        made = super().compute_output_spec(*given, **keywords)
        if not isinstance(made, KerasTensor) or self.operation().is_exact:
            return made
        return KerasTensor(made.shape, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape that zeros give, twice where lengths are free; else as the file has it."""
        if not self.is_translated and self.foreign is None:
            return tuple(self.declared()[0] or _shapes(input_shape)[0])
        return free_where_they_differ(partial(self.shape_on, _shapes(input_shape)))

    def shape_on(self, shapes: Sequence[Any], which: int, output: int = 0) -> tuple[int, ...]:
        """The shape of an output on zeros, with the one or the other length in place of a free one.

        Args:
            shapes: of the inputs.
            which: 0 or 1.
            output: which of the outputs.
        """
        filled = [
            tuple(
                (_FREE if axis else _BATCHES)[which] if length is None else length
                for axis, length in enumerate(shape)
            )
            for shape in shapes
        ]
        spans = [Span.exact(np.zeros(shape)) for shape in filled]
        return self.output_operation(len(shapes[0]), output)(spans).value.shape

    def declared(self) -> list[Any]:
        """The outputs' shapes as the file has them; None of one that it does not tell."""
        return self.config.get(DECLARED) or [None]

    def load_own_variables(self, store: Any) -> None:
        """The weights, of a layer that is computed; of another whatever is stored is left."""
        if self.is_translated or self.foreign is not None:
            super().load_own_variables(store)

    def output_operation(self, ndim: int, output: int) -> Operation:
        """What one of the outputs is; there is one."""
        return self.operation(ndim)

    def operation(self, ndim: int = 0) -> Operation:
        """What the layer computes, with its weights as they are."""
        arrays = [np.asarray(weight, np.float64) for weight in self.get_weights()]
        if self.is_translated:
            named = dict(zip(self.weight_names, arrays, strict=True))
            return operation_of(self.class_name, self.config, ndim or self.ndim, named)
        if self.foreign is None:
            return Operation("unknown", {"shape": tuple(self.declared()[0] or ())})
        from conformance.models.foreign import compute

        return Operation("elsewhere", {"compute": partial(compute, self.foreign, arrays)})

    def get_config(self) -> dict[str, Any]:
        """The configuration as it was read."""
        return self.config


class Opaque(StandIn):
    """A layer that nothing here computes: of the user's own, or of a Keras that is not installed.

    Nothing of it is run, and its weights are not kept; its outputs are a candidate's.
    """

    def __call__(self, *given: Any, **keywords: Any) -> Any:
        """The symbolic outputs, as the file declares them."""
        taken = tuple(symbolic((given, keywords)))
        dtype = self.compute_dtype
        outputs = tuple(KerasTensor(tuple(shape), dtype) for shape in self._shapes_on(taken))
        record_call(self, taken, outputs, (given, keywords))
        self.built = True
        return outputs if len(outputs) > 1 else outputs[0]

    def _shapes_on(self, taken: Sequence[KerasTensor]) -> list[Any]:
        """Of each output: as the file declares it, else that of the first input."""
        return [shape or taken[0].shape for shape in self.declared()]

    def operation(self, ndim: int = 0) -> Operation:
        """A shape: the first output's."""
        return self.output_operation(ndim, 0)

    def output_operation(self, ndim: int, output: int) -> Operation:
        """A shape."""
        return Operation("unknown", {"shape": tuple(self.declared()[output] or ())})


def free_where_they_differ(shape_on: Callable[..., tuple[int, ...]]) -> Any:
    """A shape that is found for two lengths in place of free ones."""
    made = [shape_on(which=which) for which in (0, 1)]
    return tuple(a if a == b else None for a, b in zip(*made, strict=True))


DECLARED: Final = "declared output shapes"
"""The key of a configuration that `source` adds."""


def _shapes(given: Any) -> list[Any]:
    """The shapes of the inputs, one or several."""
    return [*given] if given and isinstance(given[0], (list, tuple)) else [given]


def stand_in(class_name: str) -> type[StandIn]:
    """The class that stands in for another, which is computed here or by Keras."""
    return type(class_name, (StandIn,), {"class_name": class_name})


def opaque(class_name: str) -> type[Opaque]:
    """The class that stands in for another, which nothing computes."""
    return type(class_name, (Opaque,), {"class_name": class_name})
