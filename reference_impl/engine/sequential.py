"""Models whose layers stand one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from reference_impl.config import floatx, reading
from reference_impl.engine import arguments
from reference_impl.engine.arguments import Shape, shown
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import FLOATS, as_array, is_float
from reference_impl.engine.input_layer import InputLayer
from reference_impl.engine.keras_tensor import KerasTensor
from reference_impl.engine.model import Model
from reference_impl.engine.naming import automatic_name, snake_case
from reference_impl.engine.saving import deserialize, serialize


class Sequential(Model):
    """Layers that each take the output of the one before.

    The shape of the input comes from ``input_shape`` on the first layer, from an `Input` added
    before it, from `build`, or from the first call.

    Args:
        layers: the layers, in order; None for none yet.
        name: the model's name; automatic by default.
        trainable: whether training changes the layers' weights.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if a layer cannot follow the one before it, or its name is taken.
    """

    def __init__(
        self,
        layers: Sequence[Layer | KerasTensor] | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        self._graph = None
        self._sequence: list[Layer] = []
        self._tensors: list[KerasTensor] = []
        Layer.__init__(self, name=name)
        if layers is not None and not isinstance(layers, (list, tuple)):
            raise arguments.wrong_type("Sequential", "layers", layers, "a list of layers, or None")
        for layer in layers or ():
            self.add(layer)
        if trainable is not True:
            self.trainable = trainable

    def _automatic_name(self) -> str:
        return automatic_name(snake_case(type(self).__name__))

    # Structure

    def add(self, layer: Layer | KerasTensor) -> None:
        """Append a layer, or the result of `Input`.

        Raises:
            TypeError: if it is neither.
            ValueError: if it cannot follow the layer before it, or its name is taken.
        """
        added = self._checked(layer)
        if isinstance(added, InputLayer):
            self._start(added)
            return
        tensors = [*self._tensors]
        try:
            self._append(added)
        except Exception:
            self._tensors = tensors
            raise

    def _append(self, layer: Layer) -> None:
        if not self._tensors and not self._sequence:
            self._start_for(layer)
        if self._tensors:
            self._tensors.append(self._called(layer))
        self._sequence.append(layer)
        self._reconnect()

    def _checked(self, added: Any) -> Layer:
        layer = added
        if isinstance(added, KerasTensor) and isinstance(added.history.operation, InputLayer):
            layer = added.history.operation
        if not isinstance(layer, Layer):
            raise arguments.wrong_type(
                "Sequential", "layer", added, "a layer, or the result of Input"
            )
        others = [tensor.history.operation for tensor in self._tensors[:1]] + self._sequence
        if any(other.name == layer.name and other is not layer for other in others):
            raise ValueError(
                f"Sequential: the `name` of the added layer is {layer.name!r}, which another layer "
                f"of {self.name!r} has; expected names that are unique in the model"
            )
        return layer

    def _start(self, layer: InputLayer) -> None:
        if self._tensors or self._sequence:
            raise ValueError(
                f"Sequential: argument `layer` is the input {layer.name!r}; expected it as the "
                "first layer only"
            )
        self._tensors = [layer.output]
        self._reconnect()

    def _start_for(self, layer: Layer) -> None:
        """Begin with the input that a first layer tells the shape of."""
        if layer.given_batch_shape is not None:
            self._start(self._input_for(layer, layer.given_batch_shape))
        elif isinstance(layer, Model) and layer.built:
            (start,) = layer.inputs
            self._start(InputLayer(batch_shape=start.shape, dtype=start.dtype))

    def _input_for(self, layer: Layer, shape: Shape, dtype: str | None = None) -> InputLayer:
        """The input before `layer`; its dtype is a matter of reading (see `config.reading`)."""
        if dtype is None:
            own = layer.dtype not in FLOATS or reading() == "keras2"
            dtype = layer.dtype if own else floatx()
        return InputLayer(batch_shape=shape, dtype=dtype)

    def _called(self, layer: Layer) -> KerasTensor:
        output = layer(self._tensors[-1])
        if not isinstance(output, KerasTensor):
            raise ValueError(
                f"Sequential: argument `layer` is {layer!r} with the outputs {shown(output)}; "
                "expected a layer with one output"
            )
        return output

    def pop(self) -> Layer:
        """Remove the last layer and return it.

        Raises:
            IndexError: if there is none.
        """
        layer = self._sequence.pop()
        if self._tensors:
            self._tensors.pop()
        self._reconnect()
        return layer

    def _reconnect(self) -> None:
        """Let the graph span the layers so far."""
        if self._tensors and self._sequence:
            self._connect(self._tensors[0], self._tensors[-1])
        else:
            self._graph, self.built = None, False

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return [*self._sequence]

    def _members(self) -> list[Layer]:
        return self._sequence

    # Building and calling

    def build(self, input_shape: Any = None) -> None:
        """Build every layer for inputs of a shape, batch included.

        Raises:
            ValueError: if there is no layer, or a layer cannot take its inputs.
        """
        if self._tensors:
            return
        self._begin(arguments.shape("Sequential", "input_shape", input_shape))

    def _begin(self, shape: Shape, dtype: str | None = None) -> None:
        if not self._sequence:
            raise ValueError(f"Sequential: {self.name!r} has no layers; expected `add` first")
        layers, self._sequence = self._sequence, []
        try:
            self._start(self._input_for(layers[0], shape, dtype))
            for layer in layers:
                self.add(layer)
        except Exception:
            self._sequence, self._tensors = layers, []
            raise

    def call_flat(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs, given one array or symbolic tensor."""
        self._build_for(inputs[0])
        return super().call_flat(inputs)

    def _flat_inputs(self, inputs: Any) -> list[Any]:
        if not isinstance(inputs, (list, tuple)):
            self._build_for(inputs)
        return super()._flat_inputs(inputs)

    def _build_for(self, inputs: Any) -> None:
        """At a first call, the input's shape and dtype are those of the array given."""
        if self._tensors:
            return
        if isinstance(inputs, KerasTensor):
            self._begin(inputs.shape, inputs.dtype)
            return
        array = as_array(self.name, inputs)
        dtype = None if is_float(array.dtype) else array.dtype.name
        self._begin((None, *array.shape[1:]), dtype)

    def infer_flat(self, inputs: Sequence[KerasTensor]) -> list[KerasTensor]:
        """The output's shape and dtype, given one symbolic tensor."""
        self._build_for(inputs[0])
        return super().infer_flat(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the output for another shape of the input."""
        if self._tensors:
            return super().compute_output_shape(input_shape)
        shape = input_shape
        for layer in self._sequence:
            shape = layer.compute_output_shape(shape)
        return shape

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """The layers in Keras 3's form; `from_config` is the inverse."""
        config = Layer.get_config(self)
        starts = [tensor.history.operation for tensor in self._tensors[:1]]
        config["layers"] = [serialize(layer) for layer in (*starts, *self._sequence)]
        if self._tensors:
            config["build_input_shape"] = self._tensors[0].shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any] | list[Any]) -> Self:
        """A model from its configuration, in Keras 3's or Keras 2's form, or a list of layers.

        Raises:
            TypeError: if an argument of a layer is of a wrong type.
            ValueError: if a class is unknown or an argument out of range.
        """
        given: dict[str, Any] = {"layers": config} if isinstance(config, list) else config
        layers = [deserialize(entry) for entry in given["layers"]]
        model = cls(layers, given.get("name"), given.get("trainable", True))
        if given.get("build_input_shape") is not None:
            model.build(given["build_input_shape"])
        return model
