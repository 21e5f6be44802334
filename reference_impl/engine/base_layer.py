"""The base class of all layers: building, calling, weights, losses, configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from math import prod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from reference_impl import constraints, initializers, regularizers
from reference_impl.config import reading
from reference_impl.engine import arguments, calling
from reference_impl.engine.arguments import Shape
from reference_impl.engine.construction import plain_arguments, takes_a_name
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


_PACKAGE = __package__.partition(".")[0]
_MADE_WITH = "_made_with"
_IN_EVERY_CONFIG = ("name", "dtype", "trainable", "activity_regularizer")


def _remembering(build: Callable[..., None]) -> Callable[..., None]:
    """A ``build`` of the user's, after which the layer is built, and knows on what shape."""

    @wraps(build)
    def remembered(self: Layer, *shapes: Any, **named: Any) -> None:
        self._is_complete = False
        with calling.scope(self):
            build(self, *shapes, **named)
        self.built = self._is_complete = True
        given = [*shapes, *named.values()]
        if self._build_shape is None and given:
            self._build_shape = map_shapes(tuple, given[0]) if given[0] is not None else None

    return remembered


def _initialized(init: Callable[..., None]) -> Callable[..., None]:
    """An ``__init__`` of the user's, which must have called that of `Layer`."""

    @wraps(init)
    def checked(self: Layer, *given: Any, **keywords: Any) -> None:
        init(self, *given, **keywords)
        if "_policy" not in vars(self):
            raise RuntimeError(
                f"{type(self).__name__}: its `__init__` did not call `super().__init__()`; "
                "expected that first of all"
            )

    return checked


class Layer:
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
    _is_documented: ClassVar[bool] = False
    """Whether it is one of this library's, which take one array and know its dtypes and shapes."""
    supports_masking: bool = False
    autocast: bool = True
    _is_complete: bool = False
    """Whether a build is over, after which no weight is added."""

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
            common = (*_IN_EVERY_CONFIG, "autocast", *_SHAPE_KEYWORDS)
            arguments.refuse_unknown(owner, keywords, (*common, *self._own_keywords))

    def __new__(cls, *given: Any, **keywords: Any) -> Self:
        """A layer that remembers what it was given, for the configuration of a user's class."""
        made = super().__new__(cls)
        if not cls.__module__.startswith(_PACKAGE):
            plain = plain_arguments(cls, given, keywords, _IN_EVERY_CONFIG)
            vars(made)[_MADE_WITH] = plain
        return made

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if cls.__module__.startswith(_PACKAGE):
            return
        if "__init__" in cls.__dict__:
            cls.__init__ = _initialized(cls.__dict__["__init__"])  # type: ignore[method-assign]
        if "build" in cls.__dict__:
            cls.build = _remembering(cls.__dict__["build"])  # type: ignore[method-assign]

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

    def add_weight(
        self,
        *arguments_given: Any,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
        **without_effect: Any,
    ) -> Variable:
        """Make a weight by an initializer, and keep it.

        ``add_weight(shape, initializer, dtype)`` as in Keras 3; in the reading of Keras 2 with its
        ``name`` before these, where the first positional argument is a string.

        Args:
            *arguments_given: as above.
            shape: an integer or a tuple of integers; () by default.
            initializer: ``glorot_uniform`` by default, ``zeros`` for a dtype that is no float.
            dtype: by default the layer's.
            trainable: whether training changes it.
            regularizer: adds its value of the weight to `losses`.
            constraint: what training applies after each update.
            name: by default ``variable``, numbered.
            **without_effect: Keras' ``autocast``, ``aggregation``, ``overwrite_with_gradient``.

        Raises:
            TypeError: if an argument is of a wrong type, given twice, or unknown.
            ValueError: if it is out of range, the initializer makes another shape, or the layer is
                built already: weights are made in ``__init__`` or ``build``.
        """
        owner = f"{type(self).__name__}.add_weight"
        if self._is_complete:
            raise ValueError(
                f"{owner}: {self.name!r} is built and cannot add new elements of state; expected "
                "all weights to be made in `__init__` or `build`"
            )
        given = {"shape": shape, "initializer": initializer, "dtype": dtype, "name": name}
        given = _with_positional(owner, arguments_given, given)
        if without_effect:
            unknown = {k: v for k, v in without_effect.items() if k not in _WEIGHT_KEYWORDS}
            known = (*given, "trainable", "regularizer", "constraint", *_WEIGHT_KEYWORDS)
            arguments.refuse_unknown(owner, unknown, known)
        variable = self._new_variable(owner, given, trainable, regularizer, constraint)
        self._weights.append(variable)
        return variable

    def _new_variable(
        self,
        owner: str,
        given: Mapping[str, Any],
        trainable: bool,
        regularizer: Any,
        constraint: Any,
    ) -> Variable:
        name = arguments.optional_name(owner, given["name"]) or automatic_name("variable")
        lengths = _lengths(owner, given["shape"])
        calling.check_elements(owner, name, lengths)
        dtype = self.dtype if given["dtype"] is None else given["dtype"]
        dtype = dtype_policy(owner, dtype, ALL_DTYPES).variable_dtype
        made = given["initializer"]
        if made is None:
            made = "glorot_uniform" if dtype in FLOATS else "zeros"
        value = initializers.get(made, owner, "initializer")(lengths, dtype=dtype)
        if np.shape(value) != lengths:
            raise ValueError(
                f"{type(self).__name__}: the initializer of `{name}` made the shape "
                f"{np.shape(value)}; expected {lengths}"
            )
        return Variable(
            value,
            dtype,
            name,
            calling.path_of(self, name),
            arguments.boolean(owner, "trainable", trainable),
            regularizers.get(regularizer, owner, "regularizer"),
            constraints.get(constraint, owner, "constraint"),
        )

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

    # Weights and losses

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._set_trainable(value)

    def _set_trainable(self, value: bool) -> None:
        """Set it, for the inner layers as well, as Keras does."""
        if not isinstance(value, (bool, np.bool_)):
            raise arguments.wrong_type(type(self).__name__, "trainable", value, "True or False")
        self._trainable = bool(value)
        for layer in self._members():
            layer.trainable = value

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

    @property
    def _layers(self) -> list[Layer]:
        """The layers among the attributes, each once; in lists and dictionaries, too."""
        if self._is_documented and type(self).__module__.startswith(_PACKAGE):
            return []
        found: dict[int, Layer] = {}
        for name, value in vars(self).items():
            if name not in OWN_ATTRIBUTES:
                found |= {id(item): item for item in _among(value, Layer) if item is not self}
        return [*found.values()]

    def _members(self) -> list[Layer]:
        """The layers that this one is made of."""
        return self._layers

    @property
    def _own_weights(self) -> list[Variable]:
        """The weights that are no other layer's: those added, and those among the attributes."""
        found = {id(weight): weight for weight in self._weights}
        if not (self._is_documented and self._weights):
            for name, value in vars(self).items():
                if name not in OWN_ATTRIBUTES:
                    found |= {id(item): item for item in _among(value, Variable)}
        return [*found.values()]

    @property
    def weights(self) -> list[Variable]:
        """The weights: kernel, then bias; own ones, then those of inner layers, each once."""
        members = self._members()
        if not members:
            return self._own_weights
        inner = (weight for layer in members for weight in layer.weights)
        return distinct([*self._own_weights, *inner])

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        if not self.trainable:
            return []
        inner = (weight for layer in self._members() for weight in layer.trainable_weights)
        return distinct([*(w for w in self._own_weights if w.trainable), *inner])

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
            TypeError: if one holds no real numbers; nothing is set then.
            ValueError: if their number or a shape is wrong; nothing is set then.
        """
        variables = self.weights
        if not isinstance(weights, (list, tuple)):
            weights = [*weights]
        if len(weights) != len(variables):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `weights` has {len(weights)} "
                f"arrays; expected {len(variables)}" + self._unbuilt_hint()
            )
        for variable, array in zip(variables, weights, strict=True):
            if np.shape(array) != variable.shape:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: argument `weights` gives "
                    f"`{variable.name}` the shape {np.shape(array)}; expected {variable.shape}"
                )
        arrays = [item.fitting(array) for item, array in zip(variables, weights, strict=True)]
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
        inner = [loss for layer in self._members() for loss in layer.activity_losses()]
        return [*self._activity_losses, *inner]

    def add_loss(self, loss: Any) -> None:
        """Add a loss, or several in a list, within ``call``; the next call starts over."""
        self._activity_losses.extend(loss if isinstance(loss, (list, tuple)) else [loss])

    def forget_activity(self) -> None:
        """Drop the activity losses, as each outermost call does first."""
        self._activity_losses = []
        for layer in self._members():
            layer.forget_activity()

    def weight_losses(self) -> list[Any]:
        """Regularization of the trainable weights, in their order."""
        return [
            weight.regularizer(weight.value)
            for weight in self.trainable_weights
            if weight.regularizer is not None
        ]

    def _record_activity(self, outputs: Array) -> None:
        """Keep the regularizer's value of the outputs over the batch size; 0 for a batch of 0."""
        batch = outputs.shape[0] if outputs.ndim else 1
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
        """The constructor's arguments in Keras 3's form; `from_config` is the inverse.

        Of a class of the user's that does not define it, all that its ``__init__`` was given.

        Raises:
            NotImplementedError: if these are not all plain values, given by name.
        """
        config: dict[str, Any] = {
            **self._automatic_config(),
            "trainable": self.trainable,
            "dtype": {
                "module": "keras",
                "class_name": "DTypePolicy",
                "config": {"name": self.dtype_policy.name},
                "registered_name": None,
            },
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    def _automatic_config(self) -> dict[str, Any]:
        """The name, and what a class without a ``get_config`` of its own was made with."""
        kind = type(self)
        named = {"name": self.name}
        if _MADE_WITH not in vars(self) or kind.get_config not in AUTOMATIC:
            return named
        given = vars(self)[_MADE_WITH]
        if given is None:
            raise NotImplementedError(
                f"{kind.__name__} {self.name!r} has no configuration: its `__init__` was given "
                "arguments that are not numbers, strings or structures of them, or given without "
                "names; expected a `get_config` in its class that returns them"
            )
        return {**(named if takes_a_name(kind) else {}), **given}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer from its configuration, in Keras 3's or Keras 2's form."""
        return cls(**arguments.configuration(cls.__name__, config))

    # Saved weights

    def save_own_variables(self, store: Any) -> None:
        """Put the weights that are no inner layer's into a store of arrays by number."""
        for number, weight in enumerate(self._weights):
            store[str(number)] = weight.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Take the weights that are no inner layer's from such a store.

        Raises:
            TypeError: if `store` is no dictionary from numbers, or what is like one.
            ValueError: if their number or a shape is wrong.
        """
        allowed = 'a dictionary of arrays by "0", "1", ...'
        if not hasattr(store, "keys"):
            raise arguments.wrong_type("load_own_variables", "store", store, allowed)
        keys = list(store.keys())
        if not all(isinstance(key, str) and key.isdecimal() for key in keys):
            raise arguments.wrong_type("load_own_variables", "store", store, allowed)
        keys.sort(key=int)
        if len(keys) != len(self._weights):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: {len(keys)} arrays are stored; expected "
                f"{len(self._weights)}" + self._unbuilt_hint()
            )
        arrays = [w.fitting(np.asarray(store[k])) for w, k in zip(self._weights, keys, strict=True)]
        for weight, array in zip(self._weights, arrays, strict=True):
            weight.assign(array)

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape that the layer was built on, as ``{"input_shape": ...}``."""
        return None if self._build_shape is None else {"input_shape": self._build_shape}

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Build on the shape of `get_build_config`.

        Raises:
            TypeError: if it is no dictionary, or its shape none.
            ValueError: if the shape is none that the layer takes.
        """
        if config is None:
            return
        shape = arguments.configuration("build_from_config", config).get("input_shape")
        if shape is not None:
            self.build(shape)


OWN_ATTRIBUTES = frozenset(
    {"inbound_nodes", "_weights", "_graph", "_sequence", "_tensors", "_training", "_policy"}
    | {"_input_structure", "_output_structure", "_build_shape", "_activity_losses", "optimizer"}
    | {"_used"}
)
"""Attributes of the engine, in which no inner layers or weights are looked for."""

INFERRED: set[Any] = {Layer.compute_output_shape}
"""Methods that find shapes by `Layer.compute_output_spec`, which therefore does not ask them."""

AUTOMATIC: set[Any] = {Layer.get_config}
"""Methods that know a class's own arguments only from what its ``__init__`` was given."""

_WEIGHT_KEYWORDS = ("autocast", "aggregation", "overwrite_with_gradient")


def _among(value: Any, kind: type, depth: int = 0) -> Iterator[Any]:
    """The objects of a kind in a value, or in the lists, tuples and dictionaries that it is."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, tuple, set, dict)) and depth < _DEEPEST:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _among(item, kind, depth + 1)


_DEEPEST = 20
"""Nesting of containers, which may hold themselves, in which inner layers are looked for."""


def distinct(weights: Sequence[Variable]) -> list[Variable]:
    """The weights, each once."""
    return [*{id(weight): weight for weight in weights}.values()]


def _takes_one(kind: type[Layer]) -> bool:
    """Whether the class's ``call`` has one parameter, so that a call has one input."""
    method = calling.signature(kind.call)
    return len(method.names) == 1 and not method.any_keyword and not method.any_position


def _with_free_batch(item: Any) -> Any:
    """A symbolic tensor of an array's shape, whose batch is free."""
    if isinstance(item, np.ndarray) and item.ndim:
        return KerasTensor((None, *item.shape[1:]), item.dtype.name)
    return item


def _with_positional(owner: str, given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Layer.add_weight` by name."""
    order: tuple[str, ...] = ("shape", "initializer", "dtype")
    if given and isinstance(given[0], str):
        if reading() != "keras2":
            raise arguments.ArgumentError(
                f"{owner}: argument `shape` is {shown(given[0])}; expected an integer or a tuple, "
                f"and the name as a keyword argument, `name={shown(given[0])}`"
            )
        order = ("name", *order)
    if len(given) > len(order):
        raise arguments.ArgumentError(
            f"{owner} was given {len(given)} positional arguments; expected at most the "
            f"{len(order)} arguments {', '.join(order)} so"
        )
    for name, value in zip(order, given, strict=False):
        if named[name] is not None:
            raise ValueError(
                f"{owner}: argument `{name}` is given twice, as {shown(value)} and as "
                f"{shown(named[name])}; expected it once"
            )
        named[name] = value
    return named


def _lengths(owner: str, shape: Any) -> tuple[int, ...]:
    """A shape without free lengths; an integer is a vector's, None a number's."""
    given = () if shape is None else shape
    single = arguments.as_integer(given)
    lengths = arguments.shape(owner, "shape", (single,) if single is not None else given)
    if None in lengths:
        raise arguments.wrong_value(owner, "shape", shape, "known lengths, none of them None")
    return tuple(length for length in lengths if length is not None)


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
