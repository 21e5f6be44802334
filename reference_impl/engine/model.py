"""Models: layers connected as a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from reference_impl.config import reading
from reference_impl.engine import arguments
from reference_impl.engine.base_layer import Certificate, Layer
from reference_impl.engine.dtypes import FLOATS, Array, as_array, convert, is_float, numpy_dtype
from reference_impl.engine.graph import Graph, graph_between
from reference_impl.engine.keras_tensor import KerasTensor, record_call
from reference_impl.engine.naming import automatic_name
from reference_impl.engine.saving import connect, graph_config, serialize
from reference_impl.engine.structure import flatten, pack
from reference_impl.engine.variable import Variable

if TYPE_CHECKING:
    from reference_impl.engine.training import Training


class Model(Layer):
    """The layers between some inputs and some outputs; a layer itself.

    Args:
        inputs: symbolic tensor, or a list, tuple or dictionary of them.
        outputs: likewise; each must depend on the inputs alone.
        name: the model's name; automatic by default.
        trainable: whether training changes the layers' weights.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if an output depends on an input that is not given, or if two layers have the
            same name.
    """

    _training: Training | None = None

    def __init__(
        self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True
    ) -> None:
        self._graph: Graph | None = None
        super().__init__(name=name)
        self._connect(inputs, outputs)
        if trainable is not True:
            self.trainable = trainable

    def _automatic_name(self) -> str:
        return automatic_name("model" if reading() == "keras2" else "functional")

    def _connect(self, inputs: Any, outputs: Any) -> None:
        for argument, structure in (("inputs", inputs), ("outputs", outputs)):
            for tensor in flatten(structure):
                if not isinstance(tensor, KerasTensor):
                    raise arguments.wrong_type(
                        type(self).__name__, argument, tensor, "symbolic tensors (see Input)"
                    )
        self._input_structure = inputs
        self._output_structure = outputs
        self._graph = graph_between(flatten(inputs), flatten(outputs))
        self.built = True

    @property
    def graph(self) -> Graph:
        """The graph of the layers.

        Raises:
            AttributeError: if the model is not built.
        """
        if self._graph is None:
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} is not built and has no inputs and outputs "
                "yet; expected `input_shape` on its first layer, `build`, or a call"
            )
        return self._graph

    # Structure

    @property
    def layers(self) -> list[Layer]:
        """The layers, inputs first, each after those that it depends on."""
        return self.graph.layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name, or at a position in `layers`.

        Raises:
            ValueError: if there is none, or not exactly one of the arguments is given.
        """
        if (name is None) == (index is None):
            raise ValueError(
                f"{self.name}: argument `name` is {name!r} and argument `index` is {index!r}; "
                "expected exactly one of them"
            )
        layers = self.layers
        for position, layer in enumerate(layers):
            if layer.name == name or position == index:
                return layer
        given = f"`name` is {name!r}" if index is None else f"`index` is {index!r}"
        names = [layer.name for layer in layers]
        raise ValueError(f"{self.name}: argument {given}; expected one of the layers {names}")

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic tensors where the model starts."""
        return [*self.graph.inputs]

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic tensors where the model ends."""
        return [*self.graph.outputs]

    @property
    def input(self) -> Any:
        """The inputs in the structure that the model was made with."""
        return pack(self._input_structure, self.graph.inputs)

    @property
    def output(self) -> Any:
        """The outputs in the structure that the model was made with."""
        return pack(self._output_structure, self.graph.outputs)

    @property
    def input_shape(self) -> Any:
        """Shape of the input, batch included; a list of several."""
        return _alone([tensor.shape for tensor in self.graph.inputs])

    @property
    def output_shape(self) -> Any:
        """Shape of the output, batch included; a list of several."""
        return _alone([tensor.shape for tensor in self.graph.outputs])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the output, or list of several, for other shapes of the inputs.

        Raises:
            ValueError: if a layer cannot take them.
        """
        several = len(self.graph.inputs) > 1
        shapes = input_shape if several else [input_shape]
        tensors = [
            KerasTensor(arguments.shape(self.name, "input_shape", shape), start.dtype)
            for shape, start in zip(shapes, self.graph.inputs, strict=True)
        ]
        return _alone([tensor.shape for tensor in self.graph.infer(tensors)])

    def build(self, input_shape: Any = None) -> None:
        """Nothing is left to build: the inputs have given the shapes."""

    # Calling

    def __call__(self, inputs: Any = None, training: bool | None = None) -> Any:
        """The outputs for arrays or symbolic tensors in the structure of `inputs`.

        `inputs` may be left out where every input wraps an array (see `Input`).

        Raises:
            TypeError: if an array's dtype does not fit the input's.
            ValueError: if the structure or a shape does not fit.
        """
        arrays = self._flat_inputs(inputs)
        self.forget_activity()
        outputs = self.call_flat(arrays)
        return pack(self._output_structure, outputs)

    def _flat_inputs(self, inputs: Any) -> list[Any]:
        """One array or symbolic tensor per input.

        Raises:
            ValueError: if the structure does not fit.
        """
        starts = self.graph.inputs
        if inputs is None and all(tensor.value is not None for tensor in starts):
            return [tensor.value for tensor in starts]
        template = self._input_structure
        is_alone = not isinstance(template, (dict, list, tuple))
        if is_alone and not isinstance(inputs, (list, tuple)):
            return [inputs]
        given = flatten(inputs)
        keys = set(inputs) if isinstance(inputs, dict) else None
        expected_keys = set(template) if isinstance(template, dict) else None
        if len(given) != len(starts) or keys != expected_keys:
            raise arguments.wrong_value(
                self.name, "inputs", inputs, f"{len(starts)} arrays, in the structure {self.input}"
            )
        return given

    def call_flat(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs, given one array or symbolic tensor per input."""
        if any(isinstance(item, KerasTensor) for item in inputs):
            return self._symbolic_flat(inputs)
        return self.graph.run(self.fitted(inputs))

    def fitted(self, inputs: Sequence[Any]) -> list[Array]:
        """One array per input, its shape checked, in the input's dtype.

        Raises:
            TypeError: if a dtype does not fit.
            ValueError: if something is no array, or its shape does not fit.
        """
        pairs = zip(inputs, self.graph.inputs, strict=True)
        return [_fitted(self.name, item, start) for item, start in pairs]

    def _symbolic_flat(self, inputs: Sequence[Any]) -> list[KerasTensor]:
        for item in inputs:
            if not isinstance(item, KerasTensor):
                raise arguments.wrong_value(
                    self.name, "inputs", item, "symbolic tensors only, beside others"
                )
        outputs = self.infer_flat(inputs)
        fresh = [KerasTensor(item.shape, item.dtype, item.sparse) for item in outputs]
        record_call(self, tuple(inputs), tuple(fresh))
        return fresh

    def infer_flat(self, inputs: Sequence[KerasTensor]) -> list[KerasTensor]:
        """The outputs' shapes and dtypes, given one symbolic tensor per input."""
        return self.graph.infer(inputs)

    def call(self, inputs: Any) -> Any:
        """The outputs for arrays; the same as a call."""
        return self(inputs)

    def predict(self, x: Any = None, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """The outputs for arrays; they do not depend on `batch_size`.

        Raises:
            TypeError: if an array's dtype does not fit the input's.
            ValueError: if the structure or a shape does not fit.
        """
        return self(x)

    def certify(self, inputs: Any) -> Certificate:
        """A model has no certificate of its own; its layers have.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"{self.name}: only a layer certifies its output, for inputs that are taken as exact; "
            "expected `certify` on one of the model's layers"
        )

    # Weights and losses

    def _set_trainable(self, value: bool) -> None:
        """Set it for every layer, as Keras does."""
        super()._set_trainable(value)
        for layer in self._members():
            layer.trainable = value

    def _members(self) -> list[Layer]:
        """The layers; none before the model is connected."""
        return [] if self._graph is None else self._graph.layers

    @property
    def weights(self) -> list[Variable]:
        """The weights of all layers, in the order of `layers`, a shared one once."""
        return _distinct(weight for layer in self._members() for weight in layer.weights)

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        layers = self._members() if self.trainable else []
        return _distinct(weight for layer in layers for weight in layer.trainable_weights)

    def activity_losses(self) -> list[Any]:
        """Activity regularization of every layer's last call."""
        return [loss for layer in self._members() for loss in layer.activity_losses()]

    def forget_activity(self) -> None:
        """Drop every layer's activity losses."""
        for layer in self._members():
            layer.forget_activity()

    # Training

    def compile(self, optimizer: Any, loss: Any, metrics: None = None, **execution: Any) -> None:
        """Choose how the model is trained.

        Args:
            optimizer: ``"sgd"`` or a `reference_impl.optimizers.SGD`.
            loss: ``"mse"`` or a `reference_impl.losses.MeanSquaredError`; with several outputs,
                one for all or a list of one each.
            metrics: none are offered.
            **execution: Keras' ``run_eagerly``, ``jit_compile`` and ``auto_scale_loss``, which
                have no effect.

        Raises:
            TypeError: if an argument is unknown.
            ValueError: if an argument is out of range.
        """
        from reference_impl.engine.training import Training

        self._training = Training(self.name, optimizer, loss, metrics, execution)

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._training is not None

    @property
    def optimizer(self) -> Any:
        """The optimizer of `compile`; None before it."""
        return None if self._training is None else self._training.optimizer

    @property
    def loss(self) -> Any:
        """The loss as it was given to `compile`; None before it."""
        return None if self._training is None else self._training.given_loss

    def train_on_batch(self, x: Any, y: Any = None) -> float:
        """Make one training step; the loss before it (see `reference_impl.engine.training`).

        Raises:
            TypeError: if a dtype does not fit.
            ValueError: if the model is not compiled, or a structure or shape does not fit.
            NotImplementedError: if a layer or regularizer defines no gradient.
        """
        return self._compiled().step(self, self._flat_inputs(x), y)

    def test_on_batch(self, x: Any, y: Any = None) -> float:
        """The loss on a batch, without a training step.

        Raises:
            TypeError: if a dtype does not fit.
            ValueError: if the model is not compiled, or a structure or shape does not fit.
        """
        return self._compiled().evaluate(self, self._flat_inputs(x), y)

    def _compiled(self) -> Training:
        if self._training is None:
            raise ValueError(f"{self.name}: the model is not compiled; expected `compile` first")
        return self._training

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """The layers and their calls in Keras 3's form; `from_config` is the inverse.

        Raises:
            ValueError: if the model starts in the middle of another one.
        """
        return {"name": self.name, "trainable": self.trainable} | graph_config(
            self.graph, self._input_structure, self._output_structure
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A model from its configuration, in Keras 3's or Keras 2's form.

        Raises:
            TypeError: if an argument of a layer is of a wrong type.
            ValueError: if a class is unknown, an argument out of range, or a tensor missing.
        """
        inputs, outputs = connect(config)
        return cls(inputs, outputs, config.get("name"), config.get("trainable", True))

    def get_build_config(self) -> dict[str, Any] | None:
        """Nothing: the configuration of a model holds its shapes."""
        return None

    def to_json(self) -> str:
        """The configuration, class included, as JSON text."""
        from json import dumps

        return dumps(serialize(self))

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print one line per layer: name, class, output shape, number of weights' elements."""
        print_fn(f'Model: "{self.name}"')
        for layer in self.layers:
            shapes = [tensor.shape for node in layer.inbound_nodes for tensor in node.outputs]
            shown = ", ".join(map(str, dict.fromkeys(shapes)))
            print_fn(f"{layer.name} ({type(layer).__name__})  {shown}  {layer.count_params()}")
        print_fn(f"Total params: {self.count_params()}")


def _alone(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


def _distinct(weights: Iterable[Variable]) -> list[Variable]:
    return [*{id(weight): weight for weight in weights}.values()]


def _fitted(owner: str, inputs: Any, start: KerasTensor) -> Array:
    """An array as an input of a model takes it: shape checked, in the input's dtype.

    Raises:
        TypeError: if its dtype does not fit: of floating point or complex for an integer input.
        ValueError: if it is no array, or its shape does not fit.
    """
    array = as_array(owner, inputs)
    fits = array.ndim == start.ndim and all(
        length in (None, given) for length, given in zip(start.shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{owner}: argument `inputs` has the shape {array.shape}; expected {start.shape} for "
            f"the input {start.name!r}"
        )
    wanted = numpy_dtype(start.dtype)
    to_float = start.dtype in FLOATS and (is_float(array.dtype) or array.dtype.kind in "iub")
    if not to_float and not np.can_cast(array.dtype, wanted, "safe"):
        raise TypeError(
            f"{owner}: argument `inputs` is of dtype {array.dtype.name}; expected {start.dtype} "
            f"for the input {start.name!r}"
        )
    return convert(array, start.dtype)
