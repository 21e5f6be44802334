"""The base class of all layers: building, calling, weights, losses, configuration."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from reference_impl import constraints, initializers, regularizers
from reference_impl.engine import arguments
from reference_impl.engine.arguments import Shape, shown
from reference_impl.engine.dtypes import (
    FLOATS,
    Array,
    as_array,
    convert,
    dtype_name,
    is_float,
    numpy_dtype,
)
from reference_impl.engine.keras_tensor import KerasTensor, Node, record_call
from reference_impl.engine.naming import automatic_name, snake_case
from reference_impl.engine.variable import Variable

_SHAPE_KEYWORDS = ("input_shape", "batch_input_shape", "input_dim")


class Certificate(NamedTuple):
    """A layer's output with its proof.

    Attributes:
        value: the output, as a call returns it.
        bound: float64, per element: the greatest distance to the exact value of the definition;
            infinite where nothing is proven, after an activation or in a layer of the caller's own.
        resolved: number of elements that the fast path could not decide and exact arithmetic did.
    """

    value: Array
    bound: NDArray[np.float64]
    resolved: int


class Layer:
    """A layer with one input and one output.

    A subclass defines `create_weights` (or Keras' ``build``), `call` and `compute_output_shape`,
    and in `check_input` what shapes it refuses.

    Args:
        name: the layer's name; by default its class name in snake case, numbered.
        dtype: dtype of weights and results; by default `reference_impl.config.floatx`.
        trainable: whether training changes the weights.
        activity_regularizer: adds its value of the output, divided by the batch size, to
            `losses` at each call.
        input_shape: shape of one input without the batch, None for a free length; lets a first
            layer build its `Sequential` model.  ``batch_input_shape`` includes the batch;
            ``input_dim=n`` stands for ``input_shape=(n,)``.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if an argument is out of range or unknown.
    """

    _layer_dtypes: ClassVar[tuple[str, ...]] = FLOATS
    _input_dtypes: ClassVar[tuple[str, ...]] = FLOATS
    _own_keywords: ClassVar[tuple[str, ...]] = ()
    _is_exact: ClassVar[bool] = False
    """Whether the layer only moves or selects elements, so that its bound is zero."""

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
        activity_regularizer: Any = None,
        **keywords: Any,
    ) -> None:
        owner = type(self).__name__
        self.name = arguments.optional_name(owner, name) or self._automatic_name()
        self.dtype = dtype_name(owner, dtype, self._layer_dtypes)
        self._numpy_dtype = numpy_dtype(self.dtype)
        self.trainable = trainable
        self.activity_regularizer = regularizers.get(
            activity_regularizer, owner, "activity_regularizer"
        )
        self.given_batch_shape = _take_batch_shape(owner, keywords)
        if keywords:
            common = ("name", "dtype", "trainable", "activity_regularizer", *_SHAPE_KEYWORDS)
            arguments.refuse_unknown(owner, keywords, (*common, *self._own_keywords))
        self.built = False
        self.inbound_nodes: list[Node] = []
        self._weights: list[Variable] = []
        self._build_shape: Shape | None = None
        self._activity_losses: list[Any] = []

    def _automatic_name(self) -> str:
        return automatic_name(snake_case(type(self).__name__))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    # Building

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of a shape, batch included.

        Raises:
            ValueError: if the layer cannot take such inputs.
        """
        shape = arguments.shape(type(self).__name__, "input_shape", input_shape)
        self.check_input(shape)
        self._weights = []
        self.create_weights(shape)
        self._build_shape = shape
        self.built = True

    def create_weights(self, input_shape: Shape) -> None:
        """Add the weights for inputs of a checked shape; by default there are none."""

    def check_input(self, shape: Shape) -> None:
        """Refuse an input shape, batch included, that the layer cannot take."""

    def add_weight(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any = "glorot_uniform",
        regularizer: Any = None,
        constraint: Any = None,
        trainable: bool = True,
    ) -> Variable:
        """Make a weight by an initializer, in the layer's dtype, and keep it."""
        value = initializers.get(initializer)(shape, dtype=self.dtype)
        if np.shape(value) != shape:
            raise ValueError(
                f"{type(self).__name__}: the initializer of `{name}` made the shape "
                f"{np.shape(value)}; expected {shape}"
            )
        variable = Variable(
            value,
            self.dtype,
            name,
            f"{self.name}/{name}",
            trainable,
            regularizers.get(regularizer),
            constraints.get(constraint),
        )
        self._weights.append(variable)
        return variable

    # Calling

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """The layer's output: an array for an array, a symbolic tensor for a symbolic tensor.

        Arrays of another floating-point width are converted to the layer's dtype, one rounding
        each; the inputs are never changed.  `training` is taken and has no effect.

        Raises:
            TypeError: if the inputs' dtype is not one that the layer takes.
            ValueError: if `inputs` is no array, or of a shape that the layer cannot take.
        """
        if isinstance(inputs, KerasTensor):
            return self._symbolic_call(inputs)
        self.forget_activity()
        return self._run(self._prepared(inputs))

    def _run(self, array: Array) -> Array:
        """The output for an array of the layer's dtype; records the activity loss."""
        outputs = self.call(array)
        if self.activity_regularizer is not None:
            self._record_activity(outputs)
        return outputs

    def call(self, inputs: Array) -> Array:
        """The output for an array of the layer's dtype; the layer must be built."""
        raise NotImplementedError(f"{type(self).__name__} defines no `call`")

    def certify(self, inputs: Any) -> Certificate:
        """The output with its proof: value, bound of the error, number resolved exactly.

        The value is that of a call; the bound is the greatest distance to the exact value of the
        definition, per element.

        Raises:
            TypeError: if the inputs' dtype is not one that the layer takes.
            ValueError: if `inputs` is no array, or of a shape that the layer cannot take.
        """
        return self._certified(self._prepared(inputs))

    def _certified(self, inputs: Array) -> Certificate:
        value = self.call(inputs)
        return Certificate(value, np.full(value.shape, 0.0 if self._is_exact else np.inf), 0)

    def gradients(self, inputs: Any, upstream: Any) -> dict[str, Array]:
        """The vector-Jacobian products of the output: ``sum_o upstream[o] d output[o] / d p``.

        Args:
            inputs: as for a call.
            upstream: the gradient of some scalar with respect to the output, of the output's
                shape; converted to the layer's dtype as inputs are.

        Returns:
            The gradients with respect to p = ``inputs`` and to each trainable weight, by its name
            (``kernel``, ``bias``), each of the shape of p, in the layer's dtype.  Each element is
            an exact sum rounded once; through an activation the terms of the sum are the upstream
            elements times its derivatives, each product rounded once to float64 before.

        Raises:
            TypeError: if a dtype is not floating-point.
            ValueError: if an array's shape does not fit, or no derivative of the activation is
                known.
        """
        array = self._prepared(inputs)
        given = as_array(type(self).__name__, upstream)
        if not (is_float(array.dtype) and is_float(given.dtype)):
            raise TypeError(
                f"{type(self).__name__}: arguments `inputs` and `upstream` are of dtype "
                f"{array.dtype.name} and {given.dtype.name}; expected {', '.join(FLOATS)}"
            )
        shape = self.compute_output_shape(array.shape)
        if given.shape != shape:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `upstream` has the shape "
                f"{given.shape}; expected that of the output, {shape}"
            )
        found = self._gradients(array, convert(given, self.dtype))
        trained = {weight.name for weight in self.trainable_weights}
        return {name: found[name] for name in found if name == "inputs" or name in trained}

    def _gradients(self, inputs: Array, upstream: Array) -> dict[str, Array]:
        """`gradients` for arrays of the layer's dtype."""
        raise NotImplementedError(f"{type(self).__name__} defines no gradients")

    def _prepared(self, inputs: Any) -> Array:
        """The inputs as an array of a dtype and shape that the layer takes; builds the layer."""
        array = as_array(type(self).__name__, inputs)
        if array.dtype != self._numpy_dtype:
            array = self._cast(array)
        self.check_input(array.shape)
        if not self.built:
            self.build((None, *array.shape[1:]))
            self.built = True
        return array

    def _cast(self, array: Array) -> Array:
        if is_float(array.dtype) and self.dtype in FLOATS:
            return convert(array, self.dtype)
        self._check_dtype(array.dtype.name)
        return array

    def _check_dtype(self, name: str) -> None:
        """Refuse inputs that are neither of the layer's dtype nor converted to it."""
        is_taken = name in self._input_dtypes and (name not in FLOATS or self.dtype in FLOATS)
        if not is_taken:
            taken = [item for item in self._input_dtypes if item not in FLOATS]
            floats = [*FLOATS] if self.dtype in FLOATS else []
            raise TypeError(
                f"{type(self).__name__}: argument `inputs` is of dtype {name}, the layer of dtype "
                f"{self.dtype}; expected inputs of dtype {', '.join([*floats, *taken])}"
            )

    def _symbolic_call(self, inputs: KerasTensor) -> KerasTensor:
        self._check_dtype(inputs.dtype)
        if not self.built:
            self.build(inputs.shape)
            self.built = True
        output = self.compute_output_spec(inputs)
        record_call(self, (inputs,), (output,))
        return output

    def compute_output_spec(self, inputs: KerasTensor) -> KerasTensor:
        """The output's shape and dtype for a symbolic input, without recording the call.

        Raises:
            TypeError: if the layer does not take the input's dtype.
            ValueError: if it does not take its shape.
        """
        self._check_dtype(inputs.dtype)
        dtype = self.dtype if inputs.dtype in FLOATS else inputs.dtype
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        """The output's shape for an input shape, batch included; None stays free.

        Raises:
            ValueError: if the layer cannot take such inputs.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no `compute_output_shape`")

    def call_flat(self, inputs: Sequence[Any]) -> list[Any]:
        """A call on a list of inputs, returning a list of outputs, as graphs make it.

        It adds to the activity losses of a layer that the graph calls several times.
        """
        (single,) = inputs
        if isinstance(single, KerasTensor):
            return [self(single)]
        return [self._run(self._prepared(single))]

    def infer_flat(self, inputs: Sequence[KerasTensor]) -> list[KerasTensor]:
        """`compute_output_spec` on a list of inputs, returning a list of outputs."""
        (single,) = inputs
        return [self.compute_output_spec(single)]

    # Weights and losses

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._set_trainable(value)

    def _set_trainable(self, value: bool) -> None:
        self._trainable = arguments.boolean(type(self).__name__, "trainable", value)

    @property
    def compute_dtype(self) -> str:
        """Dtype of the results: the layer's."""
        return self.dtype

    @property
    def variable_dtype(self) -> str:
        """Dtype of the weights: the layer's."""
        return self.dtype

    @property
    def weights(self) -> list[Variable]:
        """The weights: kernel, then bias."""
        return [*self._weights]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return [weight for weight in self.weights if self.trainable and weight.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves as they are."""
        trained = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in trained]

    @property
    def variables(self) -> list[Variable]:
        """Another name of `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """Another name of `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Another name of `non_trainable_weights`."""
        return self.non_trainable_weights

    def get_weights(self) -> list[Array]:
        """Copies of the weights' arrays."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Copy arrays into the weights, in their order.

        Raises:
            ValueError: if their number or a shape is wrong; nothing is set then.
        """
        variables = self.weights
        if len(weights) != len(variables):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `weights` has {len(weights)} "
                f"arrays; expected {len(variables)}" + self._unbuilt_hint()
            )
        arrays = [np.asarray(array) for array in weights]
        for variable, array in zip(variables, arrays, strict=True):
            if array.shape != variable.shape:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: argument `weights` gives "
                    f"`{variable.name}` the shape {array.shape}; expected {variable.shape}"
                )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    def _unbuilt_hint(self) -> str:
        return "" if self.built else " (the layer is not built: call it or `build` first)"

    def count_params(self) -> int:
        """Number of elements of all weights.

        Raises:
            ValueError: if the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} is not built and has no weights to count; "
                "expected a call or `build` before `count_params`"
            )
        return sum(prod(weight.shape) for weight in self.weights)

    def apply_constraints(self) -> None:
        """Apply each trainable weight's constraint, as training does after an update."""
        for weight in self.trainable_weights:
            if weight.constraint is not None:
                weight.assign(weight.constraint(weight.value))

    @property
    def losses(self) -> list[Any]:
        """Activity loss of the last call, then the weights' regularization losses."""
        return [*self.activity_losses(), *self.weight_losses()]

    def activity_losses(self) -> list[Any]:
        """Activity regularization of the last call, divided by its batch size.

        Of a layer that a model calls several times: one loss per call.
        """
        return [*self._activity_losses]

    def forget_activity(self) -> None:
        """Drop the activity losses, as each outermost call does first."""
        self._activity_losses = []

    def weight_losses(self) -> list[Any]:
        """Regularization of the trainable weights, in their order."""
        return [
            weight.regularizer(weight.value)
            for weight in self.trainable_weights
            if weight.regularizer is not None
        ]

    def _record_activity(self, outputs: Array) -> None:
        """Keep the regularizer's value of the outputs over the batch size; 0 for a batch of 0."""
        batch = outputs.shape[0]
        regularizer = self.activity_regularizer
        if not batch:
            loss: Any = 0.0
        elif isinstance(regularizer, regularizers.Regularizer):
            loss = regularizer.penalty(outputs, batch)
        else:
            loss = regularizer(outputs) / batch
        self._activity_losses.append(loss)

    # The symbolic graph

    def _first_call(self, what: str) -> Node:
        if not self.inbound_nodes:
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} was never called on a symbolic tensor and "
                f"has no `{what}`"
            )
        return self.inbound_nodes[0]

    @property
    def input(self) -> Any:
        """The symbolic tensor that the layer was first called on."""
        return _single(self._first_call("input").inputs)

    @property
    def output(self) -> Any:
        """The symbolic tensor that the layer's first symbolic call returned."""
        return _single(self._first_call("output").outputs)

    @property
    def input_shape(self) -> Any:
        """Shape of the inputs, batch included: of the symbolic calls, else as built.

        Raises:
            AttributeError: if the layer was neither called nor built, or on several shapes.
        """
        return self._shape_of_calls("input_shape", [node.inputs for node in self.inbound_nodes])

    @property
    def output_shape(self) -> Any:
        """Shape of the outputs, batch included: of the symbolic calls, else as built.

        Raises:
            AttributeError: if the layer was neither called nor built, or on several shapes.
        """
        return self._shape_of_calls("output_shape", [node.outputs for node in self.inbound_nodes])

    def _shape_of_calls(self, what: str, calls: list[tuple[KerasTensor, ...]]) -> Any:
        if not calls and self._build_shape is not None:
            built = self._build_shape
            return built if what == "input_shape" else self.compute_output_shape(built)
        shapes = list(dict.fromkeys(tuple(tensor.shape for tensor in call) for call in calls))
        if len(shapes) != 1:
            reason = f"was called on several shapes, {shown(shapes)}" if shapes else "is not built"
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} {reason} and has no `{what}`"
            )
        return _single(shapes[0])

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments in Keras 3's form; `from_config` is the inverse."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": {
                "module": "keras",
                "class_name": "DTypePolicy",
                "config": {"name": self.dtype},
                "registered_name": None,
            },
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer from its configuration, in Keras 3's or Keras 2's form."""
        return cls(**config)

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape that the layer was built on, as ``{"input_shape": ...}``."""
        return None if self._build_shape is None else {"input_shape": self._build_shape}

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Build on the shape of `get_build_config`."""
        if config and config.get("input_shape") is not None:
            self.build(config["input_shape"])


def _single(items: tuple[Any, ...]) -> Any:
    return items[0] if len(items) == 1 else [*items]


def _take_batch_shape(owner: str, keywords: dict[str, Any]) -> Shape | None:
    """The input shape with its batch from whichever keyword gives it; removes them.

    Raises:
        ValueError: if two of them are given.
    """
    given = {
        name: value
        for name in _SHAPE_KEYWORDS
        if name in keywords and (value := keywords.pop(name)) is not None
    }
    if len(given) > 1:
        names = " and ".join(f"`{name}`={shown(value)}" for name, value in given.items())
        raise ValueError(f"{owner}: {names} are given; expected only one of them")
    for name, value in given.items():
        if name == "input_dim":
            return (None, arguments.positive_integer(owner, name, value))
        shape = arguments.shape(owner, name, value)
        return shape if name == "batch_input_shape" else (None, *shape)
    return None
