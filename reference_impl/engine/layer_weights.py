"""The weights of a layer: its own and those of layers in it, their losses, how they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reference_impl import constraints, initializers, regularizers
from reference_impl.config import reading
from reference_impl.engine import arguments, calling
from reference_impl.engine.construction import is_of_this_library
from reference_impl.engine.dtypes import ALL_DTYPES, FLOATS, Array, dtype_policy
from reference_impl.engine.naming import automatic_name
from reference_impl.engine.variable import Variable
from reference_impl.showing import shown

if TYPE_CHECKING:
    from reference_impl.engine.base_layer import Layer


class LayerWeights:
    """The part of `Layer` that has weights, and layers with weights among its attributes."""

    name: str
    dtype: str
    built: bool
    activity_regularizer: Any
    _weights: list[Variable]
    _activity_losses: list[Any]
    _is_documented: ClassVar[bool] = False
    """Whether it is one of this library's, which take one array and know its dtypes and shapes."""
    _is_complete: bool = False
    """Whether a build is over, after which no weight is added."""

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
    def _layers(self) -> list[Layer]:
        """The layers among the attributes, each once; in lists and dictionaries, too."""
        if self._is_documented and is_of_this_library(type(self)):
            return []
        found: dict[int, Layer] = {}
        for name, value in vars(self).items():
            if name not in OWN_ATTRIBUTES:
                found |= {
                    id(item): item for item in _among(value, LayerWeights) if item is not self
                }
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


OWN_ATTRIBUTES = frozenset(
    {"inbound_nodes", "_weights", "_graph", "_sequence", "_tensors", "_training", "_policy"}
    | {"_input_structure", "_output_structure", "_build_shape", "_activity_losses", "optimizer"}
    | {"_used"}
)
"""Attributes of the engine, in which no inner layers or weights are looked for."""

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
