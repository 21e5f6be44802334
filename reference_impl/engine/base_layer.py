"""The base class of all layers: dtypes, building, and calls on arrays and symbolic tensors.

What a layer has beside is in `LayerWeights`, `LayerConfiguration` and `LayerNodes`.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl import regularizers
from reference_impl.engine import arguments, calling
from reference_impl.engine.arguments import Shape
from reference_impl.engine.dtypes import (
    ALL_DTYPES,
    FLOATS,
    Array,
    DTypePolicy,
    as_array,
    convert,
    dtype_policy,
    is_array,
    is_float,
    numpy_dtype,
)
from reference_impl.engine.keras_tensor import KerasTensor, Node, record_call, symbolic
from reference_impl.engine.layer_configuration import IN_EVERY_CONFIG, LayerConfiguration
from reference_impl.engine.layer_nodes import LayerNodes
from reference_impl.engine.layer_weights import LayerWeights
from reference_impl.engine.naming import automatic_name, snake_case
from reference_impl.engine.structure import flatten, map_shapes, map_structure
from reference_impl.engine.variable import Variable
from reference_impl.showing import shown

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


class Layer(LayerWeights, LayerConfiguration, LayerNodes):
    """A layer: a function of arrays with weights of its own, and of symbolic tensors.

    A subclass defines ``__init__``, ``build``, ``call`` and, where it wants, `compute_output_shape`
    and ``get_config``, as in Keras.  Without `compute_output_shape` the output's shape is found by
    calling it on symbolic tensors, or on arrays of zeros.  Layers and weights among its attributes,
    also in lists and dictionaries, are part of it.

    Args:
        name: the layer's name; by default its class name in snake case, numbered.
        dtype: dtype of weights and results, or a policy such as ``mixed_float16`` (float32 weights
            that are rounded to float16, in which the results are); by default
            `reference_impl.config.floatx`.
        trainable: whether training changes the weights.
        activity_regularizer: adds its value of the output, divided by the batch size, to
            `losses` at each call.
        autocast: whether floats among the arguments of a ``call`` of the caller's own are converted
            to the layer's dtype.
        input_shape: shape of one input without the batch, None for a free length; lets a first
            layer build its `Sequential` model.  ``batch_input_shape`` includes the batch;
            ``input_dim=n`` stands for ``input_shape=(n,)``.

    Attributes:
        supports_masking: kept as it is set: no layer here makes masks.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if an argument is out of range or unknown.
    """

    _layer_dtypes: ClassVar[tuple[str, ...]] = FLOATS
    _input_dtypes: ClassVar[tuple[str, ...]] = ALL_DTYPES
    _own_keywords: ClassVar[tuple[str, ...]] = ()
    _is_exact: ClassVar[bool] = False
    """Whether the layer only moves or selects elements, so that its bound is zero."""
    supports_masking: bool = False
    autocast: bool = True

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
        activity_regularizer: Any = None,
        autocast: bool = True,
        **keywords: Any,
    ) -> None:
        owner = type(self).__name__
        if autocast is not True:
            self.autocast = arguments.boolean(owner, "autocast", autocast)
        self.name = arguments.optional_name(owner, name) or self._automatic_name()
        self.dtype_policy = dtype_policy(owner, dtype, self._layer_dtypes)
        self.built = False
        self.inbound_nodes: list[Node] = []
        self._weights: list[Variable] = []
        self._build_shape: Any = None
        self._activity_losses: list[Any] = []
        self.trainable = trainable
        self.activity_regularizer = regularizers.get(
            activity_regularizer, owner, "activity_regularizer"
        )
        self.given_batch_shape = _take_batch_shape(owner, keywords)
        if keywords:
            common = (*IN_EVERY_CONFIG, "autocast", *_SHAPE_KEYWORDS)
            arguments.refuse_unknown(owner, keywords, (*common, *self._own_keywords))

    @property
    def dtype_policy(self) -> DTypePolicy:
        """The dtypes of the weights and of the results."""
        return self._policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._policy = dtype_policy(type(self).__name__, value, self._layer_dtypes)
        self.dtype = self._policy.variable_dtype
        self._numpy_dtype = numpy_dtype(self._policy.compute_dtype)

    def _automatic_name(self) -> str:
        return automatic_name(snake_case(type(self).__name__))

    def __repr__(self) -> str:
        built = self.__dict__.get("built", False)
        return f"<{type(self).__name__} name={self.__dict__.get('name')}, built={built}>"

    # Building

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of a shape, batch included.

        Raises:
            ValueError: if the layer cannot take such inputs.
        """
        shape = self._checked_shape(input_shape)
        self._weights = []
        self.create_weights(shape)
        self._build_shape = shape
        self.built = True

    def _checked_shape(self, input_shape: Any) -> Any:
        """A shape that the layer can take; the layers of others may take structures of shapes."""
        owner = type(self).__name__
        if not self._is_documented:
            return map_shapes(lambda s: arguments.shape(owner, "input_shape", s), input_shape)
        shape = arguments.shape(owner, "input_shape", input_shape)
        self.check_input(shape)
        return shape

    def _build_at_init(self) -> None:
        """Without weights a layer is built from the start, unless a subclass builds something."""
        self.built = type(self).build is Layer.build

    def create_weights(self, input_shape: Shape) -> None:
        """Add the weights for inputs of a checked shape; by default there are none."""

    def check_input(self, shape: Shape) -> None:
        """Refuse an input shape, batch included, that the layer cannot take."""

    # Calling

    def __call__(self, *given: Any, **keywords: Any) -> Any:
        """The layer's output: an array for an array, a symbolic tensor for a symbolic tensor.

        Arrays of another floating-point width are converted to the layer's dtype, one rounding
        each; the inputs are never changed.  ``training`` reaches the ``call`` of layers that have
        such a parameter, and has no effect on others.

        Raises:
            TypeError: if the inputs' dtype is not one that the layer takes, or the arguments do
                not fit ``call``.
            ValueError: if an input is no array, or of a shape that the layer cannot take.
        """
        if len(given) == 1 and not keywords and self.is_documented:
            (inputs,) = given
            if isinstance(inputs, KerasTensor):
                return self._symbolic_call(inputs)
            if calling.current() is None:
                self.forget_activity()
            return self._run(self._prepared(inputs))
        if calling.current() is None and not symbolic((given, keywords)):
            self.forget_activity()
        return self.apply(given, keywords)

    def apply(self, given: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """A call as another layer or a graph makes it: what it adds to `losses` stays.

        A symbolic call is recorded.
        """
        given, keywords = self._arguments(given, keywords)
        tensors = symbolic((given, keywords))
        if tensors:
            return self._recorded(given, keywords, tensors)
        if self.is_documented:
            return self._run(self._prepared(given[0]))
        return self._called(given, keywords)

    def _arguments(
        self, given: tuple[Any, ...], keywords: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of `call`: arrays converted, `training` only where it is a parameter.

        Raises:
            TypeError: if they do not fit.
            ValueError: if a positional argument is no tensor.
        """
        method = calling.signature(type(self).call)
        keywords = dict(keywords)
        for name in ("training", "mask"):
            if not method.takes(name):
                keywords.pop(name, None)
        if self.is_documented:
            if not given and method.names[0] in keywords:
                given = (keywords.pop(method.names[0]),)
            if len(given) != 1 or keywords:
                raise arguments.ArgumentError(
                    f"{type(self).__name__} {self.name!r} was called with {len(given)} positional "
                    f"arguments and the keywords {sorted(keywords)}; expected one input"
                )
            return given, {}
        converted = map_structure(self._converted, (given, keywords))
        for item in flatten(converted[0]):
            if not (item is None or isinstance(item, (np.ndarray, KerasTensor))):
                raise ValueError(
                    f"{type(self).__name__} {self.name!r} was called with {shown(item)} as a "
                    "positional argument; expected arrays and symbolic tensors there, and other "
                    "things as keyword arguments"
                )
        return tuple(converted[0]), dict(converted[1])

    def _converted(self, item: Any) -> Any:
        """Arrays of floats in the layer's dtype; everything else as it is."""
        if isinstance(item, KerasTensor) or not is_array(item):
            return item
        array = as_array(type(self).__name__, item)
        if self.autocast and is_float(array.dtype) and self.compute_dtype in FLOATS:
            return convert(array, self.compute_dtype)
        return array

    def _called(self, given: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """`call` on arrays, within the context that its own calls see."""
        self._build_for(given, keywords)
        keywords = self._with_training(keywords)
        with calling.within(self._inner_context(keywords)), calling.scope(self):
            outputs = self.call(*given, **keywords)
        self.built = True
        if self.activity_regularizer is not None:
            for output in flatten(outputs):
                self._record_activity(np.asarray(output))
        return outputs

    def _with_training(self, keywords: dict[str, Any]) -> dict[str, Any]:
        if not calling.signature(type(self).call).takes("training"):
            return keywords
        training = calling.resolved_training(keywords.get("training"))
        return keywords if training is None else keywords | {"training": training}

    def _inner_context(self, keywords: dict[str, Any]) -> calling.Context:
        outer = calling.current() or calling.Context()
        training = keywords.get("training", outer.training)
        return calling.Context(training, outer.trace)

    def _build_for(self, given: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Build for the shapes of a call, unless that is done; the batch stays free."""
        if self.built:
            return
        named = calling.bound(type(self).call, given, keywords)
        tensors = {name: value for name, value in named.items() if calling.has_tensors(value)}
        tensors = map_structure(_with_free_batch, tensors)
        shapes = calling.build_arguments(type(self).build, type(self).call, tensors)
        if isinstance(shapes, dict):
            self.build(**shapes)
        else:
            self.build(*shapes)
            if self._build_shape is None:
                self._build_shape = shapes[0]
        self.built = self._is_complete = True

    def _recorded(
        self, given: tuple[Any, ...], keywords: dict[str, Any], tensors: list[KerasTensor]
    ) -> Any:
        """A symbolic call."""
        if not (self.is_documented):
            self._build_for(given, keywords)
            outputs = self.compute_output_spec(*given, **keywords)
            self.built = True
            made = tuple(flatten(outputs))
            record_call(self, tuple(tensors), made, (given, keywords))
            return outputs
        return self._symbolic_call(given[0])

    def _run(self, array: Array) -> Array:
        """The output for an array of the layer's dtype; records the activity loss."""
        outputs: Array = self.call(array)
        if self.activity_regularizer is not None:
            self._record_activity(outputs)
        return outputs

    def call(self, *given: Any, **keywords: Any) -> Any:
        """The output for arrays of the layer's dtype; the layer must be built."""
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
        if not (self.is_documented):
            return self._traced_gradients(inputs, upstream)
        array = self._prepared(inputs)
        given = as_array(type(self).__name__, upstream, "upstream")
        if not (is_float(array.dtype) and is_float(given.dtype)):
            raise arguments.ArgumentError(
                f"{type(self).__name__}: arguments `inputs` and `upstream` are of dtype "
                f"{array.dtype.name} and {given.dtype.name}; expected {', '.join(FLOATS)}"
            )
        shape = self.compute_output_shape(array.shape)
        if given.shape != shape:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `upstream` has the shape "
                f"{given.shape}; expected that of the output, {shape}"
            )
        found = self._gradients(array, convert(given, self.compute_dtype))
        trained = {weight.name for weight in self.trainable_weights}
        wanted = {name: found[name] for name in found if name == "inputs" or name in trained}
        return {
            name: array if name == "inputs" else convert(array, self.variable_dtype)
            for name, array in wanted.items()
        }

    def _traced_gradients(self, inputs: Any, upstream: Any) -> dict[str, Array]:
        """`gradients` of a layer whose ``call`` is made of layers and operators.

        A class may define ``_gradients(inputs, upstream)`` instead, which returns them.
        """
        if type(self)._gradients is not Layer._gradients:
            array, given = (self._converted(item) for item in (inputs, upstream))
            return self._gradients(array, given)
        from reference_impl.engine.training import gradients_by_trace

        return gradients_by_trace(self, inputs, upstream)

    def _gradients(self, inputs: Array, upstream: Array) -> dict[str, Array]:
        """`gradients` for arrays of the layer's dtype."""
        raise NotImplementedError(f"{type(self).__name__} defines no gradients")

    def _prepared(self, inputs: Any) -> Array:
        """The inputs as an array of a dtype and shape that the layer takes; builds the layer."""
        array = as_array(type(self).__name__, inputs)
        if array.dtype != self._numpy_dtype or not array.dtype.isnative:
            array = self._cast(array)
        self.check_input(array.shape)
        if not self.built or self._build_shape is None:
            self.build((None, *array.shape[1:]))
            self.built = True
        return array

    def _cast(self, array: Array) -> Array:
        if is_float(array.dtype) and self.compute_dtype in FLOATS:
            return convert(array, self.compute_dtype)
        self._check_dtype(array.dtype.name)
        return convert(array, array.dtype.name)

    def _check_dtype(self, name: str) -> None:
        """Refuse inputs that are neither of the layer's dtype nor converted to it."""
        own = self.compute_dtype
        is_taken = name in self._input_dtypes and (name not in FLOATS or own in FLOATS)
        if not is_taken:
            taken = [item for item in self._input_dtypes if item not in FLOATS]
            floats = [*FLOATS] if own in FLOATS else []
            raise arguments.ArgumentError(
                f"{type(self).__name__}: argument `inputs` is of dtype {name}, the layer of dtype "
                f"{own}; expected inputs of dtype {', '.join([*floats, *taken])}"
            )

    def _symbolic_call(self, inputs: KerasTensor) -> KerasTensor:
        self._check_dtype(inputs.dtype)
        if not self.built or self._build_shape is None:
            self.build(inputs.shape)
            self.built = True
        output: KerasTensor = self.compute_output_spec(inputs)
        record_call(self, (inputs,), (output,))
        return output

    def compute_output_spec(self, *given: Any, **keywords: Any) -> Any:
        """The output's shape and dtype for a symbolic input, without recording the call.

        Raises:
            TypeError: if the layer does not take the input's dtype.
            ValueError: if it does not take its shape, or ``call`` fails on symbolic tensors and on
                arrays of zeros alike, so that the shape is not known.
        """
        if type(self).compute_output_shape in INFERRED:
            from reference_impl.engine.tracing import inferred

            return inferred(self, given, keywords)
        first = symbolic((given, keywords))[0]
        self._check_dtype(first.dtype)
        dtype = self.compute_dtype if first.dtype in FLOATS else first.dtype
        named = calling.bound(type(self).call, given, keywords)
        tensors = {name: value for name, value in named.items() if calling.has_tensors(value)}
        method = type(self).compute_output_shape
        shapes = calling.build_arguments(method, type(self).call, tensors)
        is_named = isinstance(shapes, dict)
        outputs = method(self, **dict(shapes)) if is_named else method(self, *shapes)
        return map_shapes(lambda shape: KerasTensor(tuple(shape), dtype), outputs)

    def compute_output_shape(self, *input_shapes: Any) -> Any:
        """The output's shape for an input shape, batch included; None stays free.

        Raises:
            ValueError: if the layer cannot take such inputs, or the shape is not known.
        """
        tensors = [
            map_shapes(lambda s: KerasTensor(tuple(s), self.compute_dtype), shape)
            for shape in input_shapes
        ]
        outputs = self.compute_output_spec(*tensors)
        return map_structure(lambda tensor: tensor.shape, outputs)

    def compute_mask(self, inputs: Any = None, previous_mask: Any = None) -> Any:
        """The mask of the outputs: that of the inputs, as it was given."""
        return previous_mask

    @property
    def compute_dtype(self) -> str:
        """Dtype of the results."""
        return self._policy.compute_dtype

    @property
    def input_dtype(self) -> str:
        """Dtype that floating-point inputs are converted to: that of the results."""
        return self._policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """Dtype of the weights."""
        return self._policy.variable_dtype

    @property
    def path(self) -> str:
        """The layer's name."""
        return self.name

    @property
    def is_documented(self) -> bool:
        """Whether it is one of this library's layers, or calls like one: one array, one output."""
        return self._is_documented and _takes_one(type(self))

    @property
    def metrics(self) -> list[Any]:
        """Nothing: layers keep no metrics here."""
        return []


INFERRED: set[Any] = {Layer.compute_output_shape}
"""Methods that find shapes by `Layer.compute_output_spec`, which therefore does not ask them."""


def _takes_one(kind: type[Layer]) -> bool:
    """Whether the class's ``call`` has one parameter, so that a call has one input."""
    method = calling.signature(kind.call)
    return len(method.names) == 1 and not method.any_keyword and not method.any_position


def _with_free_batch(item: Any) -> Any:
    """A symbolic tensor of an array's shape, whose batch is free."""
    if isinstance(item, np.ndarray) and item.ndim:
        return KerasTensor((None, *item.shape[1:]), item.dtype.name)
    return item


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
