"""Models whose layers stand one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from reference_impl.config import floatx, reading
from reference_impl.engine import arguments, calling
from reference_impl.engine.arguments import Shape
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import FLOATS, as_array, is_array, is_float
from reference_impl.engine.identifiers import custom_object_scope
from reference_impl.engine.input_layer import InputLayer
from reference_impl.engine.keras_tensor import KerasTensor
from reference_impl.engine.model import Model
from reference_impl.engine.saving import deserialize, serialize
from reference_impl.showing import shown


class Sequential(Model):
    """Layers that each take the output of the one before.

    The shape of the input comes from ``input_shape`` on the first layer, from an `Input` added
    before it, from `build`, or from the first call.

    Args:
        layers: the layers, in order; None for none yet; in the reading of Keras 2 also one alone.
        name: the model's name; automatic by default.
        trainable: whether training changes the layers' weights.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if a layer cannot follow the one before it, or its name is taken.
    """

    def __init__(
        self,
        layers: Sequence[Layer | KerasTensor] | Layer | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        self._graph = None
        self._is_growing = False
        self._sequence: list[Layer] = []
        self._tensors: list[KerasTensor] = []
        Layer.__init__(self, name=name)
        if isinstance(layers, Layer) and reading() == "keras2":
            layers = [layers]
        if layers is not None and not isinstance(layers, (list, tuple)):
            raise arguments.wrong_type("Sequential", "layers", layers, "layers in a list, or None")
        self._add_all(layers or ())
        if trainable is not True:
            self.trainable = trainable

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
            with calling.scope(self):
                self._append(added)
        except Exception:
            self._tensors = tensors
            raise

    def _add_all(self, layers: Iterable[Layer | KerasTensor]) -> None:
        """Append layers, and connect them once: one by one takes time by the number's square."""
        self._is_growing = True
        try:
            for layer in layers:
                self.add(layer)
        finally:
            self._is_growing = False
        self._reconnect()

    def _append(self, layer: Layer) -> None:
        if not self._tensors and not self._sequence:
            self._start_for(layer)
        if self._tensors:
            self._tensors.append(self._extended(layer))
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

    def _extended(self, layer: Layer) -> KerasTensor:
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
        if self._is_growing:
            return
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
            ValueError: if there is no layer, a layer cannot take its inputs, or the model is built
                for another shape already.
        """
        if not self._sequence and not self._tensors:
            raise ValueError(f"Sequential: {self.name!r} has no layers; expected `add` first")
        if input_shape is None and self._tensors:
            return
        shape = arguments.shape("Sequential", "input_shape", input_shape)
        if self._tensors:
            known = self._tensors[0].shape
            if len(known) != len(shape) or any(
                None not in pair and pair[0] != pair[1] for pair in zip(known, shape, strict=True)
            ):
                raise ValueError(
                    f"Sequential: argument `input_shape` is {shape}, but {self.name!r} is already "
                    f"built for inputs of the shape {known}; expected that shape, or another model"
                )
            return
        self._begin(shape)

    def _begin(self, shape: Shape, dtype: str | None = None) -> None:
        if not self._sequence:
            raise ValueError(f"Sequential: {self.name!r} has no layers; expected `add` first")
        layers, self._sequence = self._sequence, []
        try:
            self._start(self._input_for(layers[0], shape, dtype))
            self._add_all(layers)
        except Exception:
            self._sequence, self._tensors = layers, []
            raise

    @property
    def _functional(self) -> Model | None:
        """The model of the layers' graph, once there is one."""
        if self._graph is None:
            return None
        return Model(self._input_structure, self._output_structure, name=self.name)

    def _prepare(self, *given: Any) -> None:
        """At a first call, the input's shape and dtype are those of what is given."""
        if self._tensors or not given:
            return
        (inputs,) = given[:1]
        if isinstance(inputs, KerasTensor):
            self._begin(inputs.shape, inputs.dtype)
        elif not self._is_chain(inputs):
            array = as_array(self.name, inputs)
            dtype = None if is_float(array.dtype) else array.dtype.name
            self._begin((None, *array.shape[1:]), dtype)

    def _is_chain(self, inputs: Any) -> bool:
        """Whether the layers are called one after the other, without a graph.

        So are those that take structures, and those whose shapes are not known beforehand.
        """
        if self._tensors or not self._sequence:
            return False
        is_structure = isinstance(inputs, Mapping) or (
            isinstance(inputs, (list, tuple)) and any(map(is_array, inputs))
        )
        return is_structure or any(_has_no_shapes(layer) for layer in self._sequence)

    def apply(self, given: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """A call as another layer or a graph makes it."""
        if len(given) == 1 and self._is_chain(given[0]):
            return self._chained(given[0], keywords.get("training"))
        return super().apply(given, keywords)

    def _chained(self, inputs: Any, training: bool | None) -> Any:
        outputs = inputs
        context = calling.Context(calling.resolved_training(training))
        with calling.within(context), calling.scope(self):
            for layer in self._sequence:
                outputs = layer.apply((outputs,), {})
        self.built = True
        return outputs

    def compute_output_shape(self, *input_shapes: Any) -> Any:
        """Shape of the output for another shape of the input."""
        if self._tensors:
            return super().compute_output_shape(*input_shapes)
        (shape,) = input_shapes
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
    def from_config(
        cls, config: dict[str, Any] | list[Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """A model from its configuration, in Keras 3's or Keras 2's form, or a list of layers.

        Raises:
            TypeError: if an argument of a layer is of a wrong type.
            ValueError: if a class is unknown or an argument out of range.
        """
        given = arguments.configuration(
            cls.__name__, {"layers": config} if isinstance(config, list) else config
        )
        layers = given.get("layers")
        if not isinstance(layers, (list, tuple)):
            raise ValueError(f"`config` holds the layers {shown(layers)}; expected a list of them")
        with custom_object_scope(custom_objects):
            made = [deserialize(entry) for entry in layers]
        model = cls(name=given.get("name"), trainable=given.get("trainable", True))
        model._add_all(made)
        if given.get("build_input_shape") is not None:
            model.build(given["build_input_shape"])
        return model


def _has_no_shapes(layer: Layer) -> bool:
    """Whether a layer says that its outputs have no shapes beforehand."""
    if type(layer).compute_output_spec in _KNOWN:
        return False
    try:
        layer.compute_output_spec(KerasTensor((None, 1), layer.compute_dtype))
    except NotImplementedError:
        return True
    except Exception:
        return False
    return False


_KNOWN = (Layer.compute_output_spec, Model.compute_output_spec)
