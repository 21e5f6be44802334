"""Models: layers connected as a graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from reference_impl.config import reading
from reference_impl.engine import arguments, calling
from reference_impl.engine.base_layer import INFERRED, Certificate, Layer
from reference_impl.engine.graph import Graph, graph_between
from reference_impl.engine.identifiers import custom_object_scope
from reference_impl.engine.keras_tensor import KerasTensor, record_call, symbolic
from reference_impl.engine.layer_configuration import AUTOMATIC
from reference_impl.engine.model_inputs import fitted_input, inputs_by_structure, with_rank
from reference_impl.engine.naming import automatic_name, snake_case
from reference_impl.engine.saving import connect, graph_config, serialize
from reference_impl.engine.structure import flatten, map_shapes, map_structure, pack
from reference_impl.showing import shown

if TYPE_CHECKING:
    from reference_impl.engine.training import Training


class Model(Layer):
    """The layers between some inputs and some outputs; a layer itself.

    A subclass may define ``call`` instead, made of the layers among its attributes; it has a graph
    only while that is traced, for shapes and training (`reference_impl.engine.tracing`).

    Args:
        inputs: symbolic tensor, or lists, tuples or dictionaries of them.
        outputs: likewise; each must depend on the inputs alone.
        name: the model's name; automatic by default.
        trainable: whether training changes the layers' weights.
        **keywords: those of `Layer`, for a subclass that defines ``call``.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if an output depends on an input that is not given, or if two layers have the
            same name.
    """

    _training: Training | None = None
    _has_warned: bool = False

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        self._graph: Graph | None = None
        super().__init__(name=name, **keywords)
        if inputs is not None or outputs is not None:
            self._connect(inputs, outputs)
        if trainable is not True:
            self.trainable = trainable

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "layers":
            raise AttributeError(
                f"{type(self).__name__}: `layers` is the list of the model's layers and cannot be "
                "set; expected another name of the attribute (a Sequential has `add` and `pop`)"
            )
        super().__setattr__(name, value)

    def _automatic_name(self) -> str:
        if type(self) is not Model:
            return automatic_name(snake_case(type(self).__name__))
        return automatic_name("model" if reading() == "keras2" else "functional")

    def _connect(self, inputs: Any, outputs: Any) -> None:
        for argument, structure in (("inputs", inputs), ("outputs", outputs)):
            for tensor in flatten(structure):
                if not isinstance(tensor, KerasTensor):
                    raise arguments.wrong_type(
                        type(self).__name__, argument, tensor, "symbolic tensors (see Input)"
                    )
        if not flatten(outputs):
            raise arguments.wrong_value(
                type(self).__name__, "outputs", outputs, "at least one symbolic tensor"
            )
        self._input_structure = inputs
        self._output_structure = outputs
        self._graph = graph_between(flatten(inputs), flatten(outputs))
        self.built = True

    @property
    def is_graph(self) -> bool:
        """Whether a call runs the model's graph, which there is."""
        return self._is_functional and self._graph is not None

    @property
    def _is_functional(self) -> bool:
        """Whether the model is a graph, and not a ``call`` of its own."""
        return type(self).call is Model.call

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
        """The layers in Keras' order (see `Graph`), each after those that it depends on."""
        return self._members()

    @property
    def operations(self) -> list[Layer]:
        """The layers, and the operators between them."""
        return self.graph.operations

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name, or at a position in `layers`.

        Raises:
            ValueError: if there is none, or not exactly one of the arguments is given.
        """
        if (name is None) == (index is None):
            raise ValueError(
                f"{self.name}: argument `name` is {shown(name)} and argument `index` is "
                f"{shown(index)}; expected exactly one of them"
            )
        layers = self.layers
        names = [layer.name for layer in layers]
        if name in names:
            return layers[names.index(name)]
        position = None if index is None else arguments.as_integer(index)
        if position is not None and -len(layers) <= position < len(layers):
            return layers[position]
        given = f"`name` is {shown(name)}" if index is None else f"`index` is {shown(index)}"
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
    def output_names(self) -> list[str]:
        """Names of the outputs: the keys of a dictionary, else those of the layers, numbered."""
        if isinstance(self._output_structure, Mapping):
            return sorted(self._output_structure)
        return [tensor.history.operation.name for tensor in self.graph.outputs]

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs: the keys of a dictionary, else those of the input layers."""
        if isinstance(self._input_structure, Mapping):
            return sorted(self._input_structure)
        return _names(self.graph)

    @property
    def input_shape(self) -> Any:
        """Shape of the input, batch included; of several in their structure."""
        if self._graph is None and not self._is_functional:
            return super().input_shape
        return map_structure(lambda tensor: tensor.shape, self._packed_inputs())

    @property
    def output_shape(self) -> Any:
        """Shape of the output, batch included; of several in their structure."""
        if self._graph is None and not self._is_functional:
            return super().output_shape
        outputs = self.graph.outputs
        return pack(self._output_structure, [tensor.shape for tensor in outputs])

    def _packed_inputs(self) -> Any:
        tensors = self.graph.inputs
        return pack(self._input_structure, tensors)

    def compute_output_shape(self, *input_shapes: Any) -> Any:
        """Shape of the output, or structure of several, for other shapes of the inputs.

        Raises:
            ValueError: if a layer cannot take them.
        """
        if not self._is_functional:
            return super().compute_output_shape(*input_shapes)
        (given,) = input_shapes
        shapes: list[Any] = []
        map_shapes(shapes.append, given)
        tensors = [
            KerasTensor(arguments.shape(self.name, "input_shape", shape), start.dtype)
            for shape, start in zip(shapes, self.graph.inputs, strict=True)
        ]
        found = [tensor.shape for tensor in self.graph.infer(tensors)]
        return pack(self._output_structure, found)

    def build(self, input_shape: Any = None) -> None:
        """Of a graph nothing is left to build; a ``call`` builds its layers for a shape."""
        if self._is_functional or self.built:
            return
        shape = map_shapes(
            lambda item: arguments.shape(type(self).__name__, "input_shape", item), input_shape
        )
        self._build_shape = shape
        if type(self).call is not Model.call:
            self.compute_output_shape(shape)
        self.built = True

    # Calling

    def __call__(self, *given: Any, **keywords: Any) -> Any:
        """The outputs for arrays or symbolic tensors in the structure of `inputs`.

        Of a list or tuple of one output, that output alone, for arrays.  The inputs may be left
        out where every input wraps an array (see `Input`).  A dictionary by the inputs' names,
        lists for tuples, and arrays without a last axis of length 1 are taken, as Keras takes them.

        Raises:
            TypeError: if an array's dtype does not fit the input's.
            ValueError: if the structure or a shape does not fit.
        """
        if not self._is_functional:
            return super().__call__(*given, **keywords)
        self._prepare(*(given or keywords.values()))
        if calling.current() is None and not symbolic((given, keywords)):
            self.forget_activity()
        return self.apply(given, keywords)

    def _prepare(self, *given: Any) -> None:
        """What must happen before the inputs are looked at; a Sequential builds here."""

    def apply(self, given: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """A call as another layer or a graph makes it."""
        if not self._is_functional:
            return super().apply(given, keywords)
        keywords = dict(keywords)
        training = calling.resolved_training(keywords.pop("training", None))
        keywords.pop("mask", None)
        inputs = given[0] if given else keywords.pop("inputs", keywords.pop("x", None))
        if len(given) > 1 or keywords:
            raise arguments.ArgumentError(
                f"{self.name} was called with {len(given)} positional arguments and the keywords "
                f"{sorted(keywords)}; expected its inputs as one structure, and `training`"
            )
        self._prepare(inputs)
        flat = self.flat_inputs(inputs)
        if symbolic(flat):
            return self._symbolic_flat(flat)
        outer = calling.current() or calling.Context()
        with calling.within(calling.Context(training, outer.trace)):
            outputs = self.graph.run(self.fitted(flat))
        packed = pack(self._output_structure, outputs)
        is_alone = isinstance(packed, (list, tuple)) and len(packed) == 1
        return packed[0] if is_alone else packed

    def flat_inputs(self, inputs: Any) -> list[Any]:
        """One array or symbolic tensor per input; None for one that is optional.

        Raises:
            ValueError: if the structure does not fit.
        """
        starts = self.graph.inputs
        if inputs is None and all(tensor.value is not None for tensor in starts):
            return [tensor.value for tensor in starts]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            given = inputs_by_structure(self._input_structure, _names(self.graph), inputs)
        if caught and not self._has_warned:
            self._has_warned = True
            warnings.warn(str(caught[-1].message), UserWarning, stacklevel=2)
        if given is None or len(given) != len(starts):
            wanted = map_structure(lambda tensor: tensor.name, self._packed_inputs())
            raise arguments.wrong_value(
                self.name,
                "inputs",
                inputs,
                f"{len(starts)} array{'s' * (len(starts) > 1)}, in the structure {wanted}",
            )
        return given

    def fitted(self, inputs: Sequence[Any]) -> list[Any]:
        """One array per input, its shape checked, in the input's dtype; None for optional ones.

        Raises:
            TypeError: if a dtype does not fit.
            ValueError: if something is no array, or its shape does not fit.
        """
        pairs = zip(inputs, self.graph.inputs, strict=True)
        return [fitted_input(self.name, item, start) for item, start in pairs]

    def _symbolic_flat(self, inputs: Sequence[Any]) -> Any:
        for item in inputs:
            if not isinstance(item, KerasTensor):
                raise arguments.wrong_value(
                    self.name, "inputs", item, "symbolic tensors only, beside others"
                )
        ranked = [
            with_rank(self.name, x, y) for x, y in zip(inputs, self.graph.inputs, strict=True)
        ]
        outputs = self.graph.infer(ranked)
        fresh = [KerasTensor(item.shape, item.dtype, item.sparse) for item in outputs]
        structure = pack(self._input_structure, inputs)
        record_call(self, tuple(inputs), tuple(fresh), ((structure,), {}))
        return pack(self._output_structure, fresh)

    def compute_output_spec(self, *given: Any, **keywords: Any) -> Any:
        """Shapes and dtypes of the outputs for symbolic inputs, without recording the call."""
        if not self._is_functional:
            return super().compute_output_spec(*given, **keywords)
        self._prepare(given[0])
        outputs = self.graph.infer(self.flat_inputs(given[0]))
        return pack(self._output_structure, outputs)

    def call(self, *given: Any, **keywords: Any) -> Any:
        """The outputs for arrays; the same as a call."""
        return self(*given, **keywords)

    def predict(
        self,
        x: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for arrays, `batch_size` (32) of the examples at a time.

        Args:
            x: arrays in the structure of the inputs.
            batch_size: examples per call of the model; the outputs do not depend on it.
            verbose: nothing is shown, whatever it says.
            steps: number of batches after which to stop; None for all.
            callbacks: none are offered.

        Raises:
            TypeError: if an array's dtype does not fit the input's.
            ValueError: if the structure or a shape does not fit.
        """
        from reference_impl.engine.fitting import predicted

        return predicted(self, x, batch_size, steps, callbacks)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
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

    def _members(self) -> list[Layer]:
        """The layers: of the graph, and among the attributes."""
        if self._graph is None:
            return self._layers
        inner = self._graph.layers
        known = {id(layer) for layer in inner}
        return [*inner, *(layer for layer in self._layers if id(layer) not in known)]

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights to a ``.weights.h5`` file; see `reference_impl.engine.files`.

        Raises:
            ImportError: if h5py is not installed.
            ValueError: if the path ends in something else, or the model has no weights yet.
        """
        from reference_impl.engine.files.writing import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False) -> None:
        """Take the weights of a ``.weights.h5``, ``.h5`` or ``.keras`` file.

        Raises:
            ImportError: if h5py is not installed.
            OSError: if the file cannot be read.
            ValueError: if it is no such file, or the weights do not fit; nothing is set then.
                With `skip_mismatch` layers that do not fit are left as they are, with a warning.
        """
        from reference_impl.engine.files.reading import load_weights

        load_weights(self, filepath, skip_mismatch)

    def save(self, filepath: Any, overwrite: bool = True) -> None:
        """Write configuration and weights to a ``.keras`` or ``.h5`` file, as Keras does.

        Raises:
            ImportError: if h5py is not installed.
            ValueError: if the path ends in something else, or the model has no configuration.
        """
        from reference_impl.engine.files.writing import save_model

        save_model(self, filepath, overwrite)

    # Training

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **execution: Any,
    ) -> None:
        """Choose how the model is trained.

        Args:
            optimizer: ``"sgd"`` or a `reference_impl.optimizers.SGD`.  Keras' default ``rmsprop``
                is not offered: left so, the model is evaluated but not trained.
            loss: ``"mse"`` or a `reference_impl.losses.MeanSquaredError`; with several outputs,
                one for all, or a structure of one each, or a dictionary by the outputs' names;
                None for the model's own losses alone.
            loss_weights: a factor of each loss, likewise.
            metrics: ``"mse"`` or a `reference_impl.metrics.MeanSquaredError`, several in a list,
                for several outputs a list or dictionary of such.
            weighted_metrics: metrics that take the sample weights into account.
            **execution: Keras' ``run_eagerly``, ``jit_compile``, ``steps_per_execution`` and
                ``auto_scale_loss``, which have no effect.

        Raises:
            TypeError: if an argument is unknown.
            ValueError: if an argument is out of range, or something else than these.
        """
        from reference_impl.engine.training import Training

        metrics_given = {"metrics": metrics, "weighted_metrics": weighted_metrics}
        self._training = Training(
            self.name, optimizer, loss, loss_weights, metrics_given, execution
        )

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._training is not None

    def get_compile_config(self) -> dict[str, Any] | None:
        """How the model was compiled; None before that."""
        return None if self._training is None else self._training.get_config()

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile as `get_compile_config` says.

        Raises:
            TypeError: if an argument is of a wrong type.
            ValueError: if something is outside this oracle.
        """
        checked = arguments.configuration("compile_from_config", config)
        given = {name: value for name, value in checked.items() if value is not None}
        self.compile(**given)

    @property
    def optimizer(self) -> Any:
        """The optimizer of `compile`; None before it."""
        return None if self._training is None else self._training.optimizer

    @property
    def loss(self) -> Any:
        """The loss as it was given to `compile`; None before it."""
        return None if self._training is None else self._training.given_loss

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Make one training step; the loss before it (see `reference_impl.engine.training`).

        With metrics a list of the loss and theirs, or a dictionary by name.  Each is that of this
        batch (Keras 3 returns the mean over all calls since the last `fit` or `evaluate`).

        Args:
            x: arrays in the structure of the inputs.
            y: targets in that of the outputs.
            sample_weight: a factor of each example's loss; see `losses.MeanSquaredError`.
            class_weight: a dictionary from integer targets to factors, instead.
            return_dict: whether the results are a dictionary.

        Raises:
            TypeError: if a dtype does not fit.
            ValueError: if the model is not compiled, or a structure or shape does not fit.
            NotImplementedError: if a layer or regularizer defines no gradient.
        """
        from reference_impl.engine.fitting import Batch, results

        batch = Batch.of(self, x, y, sample_weight, class_weight)
        return results(self._compiled().step(self, batch), return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss on a batch, without a training step; otherwise as `train_on_batch`.

        Raises:
            TypeError: if a dtype does not fit.
            ValueError: if the model is not compiled, or a structure or shape does not fit.
        """
        from reference_impl.engine.fitting import Batch, results

        batch = Batch.of(self, x, y, sample_weight, None)
        return results(self._compiled().evaluate(self, batch), return_dict)

    def fit(self, x: Any = None, y: Any = None, **options: Any) -> Any:
        """Train for some epochs over arrays; the history of the losses.

        Args:
            x: arrays in the structure of the inputs.
            y: targets in that of the outputs.
            **options: ``batch_size`` (32), ``epochs`` (1), ``initial_epoch`` (0),
                ``steps_per_epoch``, ``shuffle`` (True: in an order drawn anew for each epoch;
                False: as given; or an order, a permutation of the examples, for every epoch),
                ``sample_weight``, ``class_weight``, ``validation_data``, ``validation_split``,
                ``validation_batch_size``, ``validation_steps``, ``validation_freq``, and
                ``verbose``, which has no effect.

        Returns:
            An object with ``history``, a dictionary from names to one number per epoch: the mean
            of the batches' losses, weighted by their sizes, and the metrics of all their examples.

        Raises:
            TypeError: if an option is unknown, or a dtype does not fit.
            ValueError: if something is out of range, or no array (data sets are not offered).
        """
        from reference_impl.engine.fitting import fit

        return fit(self, x, y, **options)

    def evaluate(self, x: Any = None, y: Any = None, **options: Any) -> Any:
        """The loss over arrays, and the metrics if there are some.

        Args:
            x: arrays in the structure of the inputs.
            y: targets in that of the outputs.
            **options: ``batch_size`` (32), ``steps``, ``sample_weight``, ``return_dict`` (False),
                and ``verbose``, which has no effect.

        Raises:
            TypeError: if an option is unknown, or a dtype does not fit.
            ValueError: if something is out of range, or no array.
        """
        from reference_impl.engine.fitting import evaluate

        return evaluate(self, x, y, **options)

    def _compiled(self) -> Training:
        if self._training is None:
            raise ValueError(f"{self.name}: the model is not compiled; expected `compile` first")
        return self._training

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """The layers and their calls in Keras 3's form; `from_config` is the inverse.

        Of a model with a ``call`` of its own, what its ``__init__`` was given, as of a layer.

        Raises:
            ValueError: if the model starts in the middle of another one.
        """
        if self._graph is None:
            return super().get_config()
        return {"name": self.name, "trainable": self.trainable} | graph_config(
            self.graph, self._input_structure, self._output_structure
        )

    @classmethod
    def from_config(cls, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Self:
        """A model from its configuration, in Keras 3's or Keras 2's form.

        Raises:
            TypeError: if an argument of a layer is of a wrong type.
            ValueError: if a class is unknown, an argument out of range, or a tensor missing.
        """
        with custom_object_scope(custom_objects):
            given = arguments.configuration(cls.__name__, config)
            if "layers" not in given and cls is not Model:
                return cls(**given)
            inputs, outputs = connect(given)
            own = ("layers", "input_layers", "output_layers", "name", "trainable")
            further = {name: value for name, value in given.items() if name not in own}
            named = {"name": given.get("name"), "trainable": given.get("trainable", True)}
            return cls(inputs=inputs, outputs=outputs, **named, **further)

    def get_build_config(self) -> dict[str, Any] | None:
        """Nothing for a graph, whose configuration holds its shapes."""
        return None if self._is_functional else super().get_build_config()

    def to_json(self, **options: Any) -> str:
        """The configuration, class included, as JSON text, with options of ``json.dumps``."""
        from json import dumps

        return dumps(serialize(self), **options)

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        **further: Any,
    ) -> None:
        """Print one line per layer: name, class, output shape, number of weights' elements.

        A layer that is not built yet has the shape ``?`` and ``0 (unbuilt)`` elements.

        Args:
            line_length: without effect, as is what follows but for `print_fn`.
            positions: without effect.
            print_fn: what prints a line; by default ``print``.
            **further: Keras' ``expand_nested``, ``show_trainable``, ``layer_range``.
        """
        show = print if print_fn is None else print_fn
        allowed = ("expand_nested", "show_trainable", "layer_range")
        unknown = {name: value for name, value in further.items() if name not in allowed}
        arguments.refuse_unknown(f"{self.name}.summary", unknown, allowed)
        show(f'Model: "{self.name}"')
        for layer in self.layers:
            show(_summary_line(layer))
        count = sum(_counted(layer) for layer in self.layers)
        show(f"Total params: {self.count_params() if self.built else count}")


AUTOMATIC.add(Model.get_config)
INFERRED.add(Model.compute_output_shape)


def _summary_line(layer: Layer) -> str:
    shapes = [tensor.shape for node in layer.inbound_nodes for tensor in node.outputs]
    if not shapes and layer.built:
        try:
            shapes = [layer.output_shape]
        except (AttributeError, NotImplementedError, ValueError):
            shapes = []
    shown_shapes = ", ".join(map(str, dict.fromkeys(map(str, shapes)))) or "?"
    count = str(layer.count_params()) if layer.built else "0 (unbuilt)"
    return f"{layer.name} ({type(layer).__name__})  {shown_shapes}  {count}"


def _counted(layer: Layer) -> int:
    return layer.count_params() if layer.built else 0


def _names(graph: Graph) -> list[str]:
    """The names of the inputs: those of their layers."""
    return [
        tensor._keras_history.operation.name if tensor._keras_history else tensor.name
        for tensor in graph.inputs
    ]
