"""Operators on symbolic tensors: ``a + b`` and its like, as calls that a graph records.

On arrays each is NumPy's operator of that name, which rounds each element once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import numpy as np

from reference_impl.engine.arguments import as_integer, wrong_type
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import FLOATS, Array, as_array, convert, numpy_dtype
from reference_impl.engine.identifiers import Registry
from reference_impl.engine.keras_tensor import KerasTensor, record_call, symbolic
from reference_impl.ops.formats import format_of
from reference_impl.ops.gradients import totals
from reference_impl.showing import shown

OPERATIONS: Final = Registry("operation", "keras.src.ops.numpy")
"""The operators that a configuration may name."""

Pulled = list[Array | None]


class Operation(Layer):
    """An operator; a node of a graph, though no layer of the model."""

    def __init__(self, *, name: str | None = None, **keywords: Any) -> None:
        super().__init__(name=name, **keywords)
        self.built = True

    def call(self, *given: Any) -> Any:
        """The operator's value for arrays and numbers."""
        raise NotImplementedError

    def __call__(self, *given: Any, **keywords: Any) -> Any:
        """The operator's value, or the symbolic tensor of a symbolic call."""
        return self.apply(given, keywords)

    def apply(self, given: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """A call: operands are taken as they are, and a symbolic call is recorded."""
        tensors = symbolic(given)
        operands = tuple(self._operand(item, tensors) for item in given)
        try:
            if not tensors:
                return self.call(*operands)
            output: KerasTensor = self.compute_output_spec(*operands)
        except (OverflowError, MemoryError) as error:
            raise ValueError(
                f"{type(self).__name__}: the operands are {shown(operands)}; expected "
                f"numbers within the range of their dtype ({shown(str(error))})"
            ) from None
        record_call(self, tuple(tensors), (output,), (operands, {}))
        return output

    def compute_output_spec(self, *given: Any, **keywords: Any) -> Any:
        """Shape and dtype as NumPy finds them; what differs for free lengths 2 and 3 is free."""
        first, second = (self.call(*(_zeros(item, n) for item in given)) for n in (2, 3))
        pairs = zip(np.shape(first), np.shape(second), strict=True)
        shape = tuple(n if n == m else None for n, m in pairs)
        return KerasTensor(shape, np.asarray(first).dtype.name)

    def _operand(self, item: Any, tensors: list[KerasTensor]) -> Any:
        """Tensors and numbers as they are, all else as arrays, of float64 in the tensors' dtype.

        Raises:
            TypeError: if it is masked, or no numbers.
            ValueError: if it is no array.
        """
        if isinstance(item, (KerasTensor, bool, int, float, np.generic)):
            return item
        array = as_array(type(self).__name__, item, "operand")
        dtypes = [tensor.dtype for tensor in tensors if tensor.dtype in FLOATS]
        return convert(array, dtypes[0]) if array.dtype == np.float64 and dtypes else array

    def pull(self, upstream: Array, *given: Any) -> Pulled:
        """The gradients of the operands; of those that are no arrays, None.

        Raises:
            NotImplementedError: if the operator has none here.
        """
        raise NotImplementedError(
            f"the gradient of the operator {type(self).__name__} is not known; expected only Add, "
            "Subtract, Multiply, Negative and GetItem after trainable layers"
        )

    def get_config(self) -> dict[str, Any]:
        """``{"name": ...}``."""
        return {"name": self.name}


def _zeros(item: Any, length: int) -> Any:
    if not isinstance(item, KerasTensor):
        return item
    return np.zeros([length if n is None else n for n in item.shape], numpy_dtype(item.dtype))


def _as_operand(upstream: Array, operand: Any) -> Array | None:
    """The gradient of an operand that was broadcast: sums over its axes, rounded once."""
    if not isinstance(operand, np.ndarray):
        return None
    added = upstream.ndim - operand.ndim
    lengths = (1,) * added + operand.shape
    axes = [n for n in range(upstream.ndim) if n < added or lengths[n] < upstream.shape[n]]
    if not axes:
        return upstream
    kept = [n for n in range(upstream.ndim) if n not in axes]
    rows = upstream.transpose(*kept, *axes).reshape(operand.size, -1)
    return totals(rows, format_of(upstream.dtype)).reshape(operand.shape)


class _Plain(Operation):
    """An operator of Python's, and of NumPy's."""

    _function: ClassVar[Callable[..., Any]]

    def call(self, *given: Any) -> Any:
        """The operator's value for arrays and numbers."""
        with np.errstate(all="ignore"):
            return type(self)._function(*given)


class Add(_Plain):
    """``a + b``."""

    _function = staticmethod(operator.add)

    def pull(self, upstream: Array, *given: Any) -> Pulled:
        """The upstream gradient, for both."""
        return [_as_operand(upstream, operand) for operand in given]


class Subtract(_Plain):
    """``a - b``."""

    _function = staticmethod(operator.sub)

    def pull(self, upstream: Array, *given: Any) -> Pulled:
        """The upstream gradient, and its negative."""
        first, second = given
        return [_as_operand(upstream, first), _as_operand(-upstream, second)]


class Multiply(_Plain):
    """``a b``."""

    _function = staticmethod(operator.mul)

    def pull(self, upstream: Array, *given: Any) -> Pulled:
        """The upstream gradient times the other operand, rounded once before it is added up."""
        first, second = given
        with np.errstate(all="ignore"):
            products = (
                np.asarray(upstream * second, upstream.dtype),
                np.asarray(upstream * first, upstream.dtype),
            )
        return [_as_operand(p, o) for p, o in zip(products, given, strict=True)]


class Negative(_Plain):
    """``-a``."""

    _function = staticmethod(operator.neg)

    def pull(self, upstream: Array, *given: Any) -> Pulled:
        """The negative of the upstream gradient."""
        return [-upstream]


def _without_gradient(name: str, function: Callable[..., Any], text: str) -> type[_Plain]:
    """An operator of Python's that is not differentiated here."""
    members = {"__doc__": text, "__module__": __name__, "_function": staticmethod(function)}
    return type(name, (_Plain,), members)


TrueDivide = _without_gradient("TrueDivide", operator.truediv, "``a / b``.")
FloorDivide = _without_gradient("FloorDivide", operator.floordiv, "``a // b``.")
Mod = _without_gradient("Mod", operator.mod, "``a % b``.")
Power = _without_gradient("Power", operator.pow, "``a ** b``.")
Matmul = _without_gradient("Matmul", operator.matmul, "``a @ b``, in ordinary arithmetic.")
Absolute = _without_gradient("Absolute", operator.abs, "``abs(a)``.")
Less = _without_gradient("Less", operator.lt, "``a < b``.")
LessEqual = _without_gradient("LessEqual", operator.le, "``a <= b``.")
Greater = _without_gradient("Greater", operator.gt, "``a > b``.")
GreaterEqual = _without_gradient("GreaterEqual", operator.ge, "``a >= b``.")
NotEqual = _without_gradient("NotEqual", operator.ne, "``a != b``.")
LogicalAnd = _without_gradient("LogicalAnd", np.logical_and, "``a & b``: neither is 0.")
LogicalOr = _without_gradient("LogicalOr", np.logical_or, "``a | b``: one is not 0.")
LogicalXor = _without_gradient("LogicalXor", np.logical_xor, "``a ^ b``: just one is not 0.")
LogicalNot = _without_gradient("LogicalNot", np.logical_not, "``~a``: it is 0.")
Round = _without_gradient("Round", np.round, "``round(a)``, ties to even.")


class GetItem(Operation):
    """``a[key]`` for integers, slices, None and an ellipsis, or a tuple of them.

    Raises:
        TypeError: if the key is something else.
    """

    def __init__(self, key: Any, *, name: str | None = None, **keywords: Any) -> None:
        super().__init__(name=name, **keywords)
        self.key = _key(key)

    def call(self, *given: Any) -> Any:
        """The elements.

        Raises:
            ValueError: if the array has none of such places.
        """
        (array,) = given
        try:
            return array[self.key]
        except IndexError as error:
            raise ValueError(
                f"{self.name}: argument `key` is {shown(self.key)}; expected places in an array "
                f"of the shape {np.shape(array)}"
            ) from error

    def pull(self, upstream: Array, *given: Any) -> Pulled:
        """The upstream gradient at its place, zeros elsewhere."""
        gradient = np.zeros(np.shape(given[0]), upstream.dtype)
        gradient[self.key] = upstream
        return [gradient]

    def get_config(self) -> dict[str, Any]:
        """``{"name": ..., "key": ...}``, slices as their three parts."""
        return {"name": self.name, "key": [_written(part) for part in self.key]}


def _key(key: Any) -> tuple[Any, ...]:
    parts = key if isinstance(key, (tuple, list)) else (key,)
    return tuple(_part(part) for part in parts)


def _part(part: Any) -> Any:
    if isinstance(part, Mapping):
        return slice(*part["slice"]) if "slice" in part else Ellipsis
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    number = as_integer(part)
    if number is None:
        raise wrong_type("GetItem", "key", part, "an integer, a slice, None or ...")
    return number


def _written(part: Any) -> Any:
    if isinstance(part, slice):
        return {"slice": [part.start, part.stop, part.step]}
    return {"ellipsis": True} if part is Ellipsis else part


_KINDS: Final[tuple[type[Operation], ...]] = (
    *(Add, Subtract, Multiply, Negative, TrueDivide, FloorDivide, Mod, Power, Matmul),
    *(Absolute, Less, LessEqual, Greater, GreaterEqual, NotEqual, GetItem),
    *(LogicalAnd, LogicalOr, LogicalXor, LogicalNot, Round),
)
for _kind in _KINDS:
    OPERATIONS.add(_kind)


def _method(kind: type[Operation], order: int = 1) -> Callable[..., Any]:
    """A method that applies an operator to its operands, or with -1 to them in reverse."""

    def method(*given: Any) -> Any:
        return kind()(*given[::order])

    return method


_COMPARISONS: Final[dict[str, type[Operation]]] = {
    "lt": Less,
    "le": LessEqual,
    "gt": Greater,
    "ge": GreaterEqual,
    "ne": NotEqual,
}
_ARITHMETIC: Final[dict[str, type[Operation]]] = {
    "add": Add,
    "sub": Subtract,
    "mul": Multiply,
    "truediv": TrueDivide,
    "floordiv": FloorDivide,
    "mod": Mod,
    "pow": Power,
    "matmul": Matmul,
    "and": LogicalAnd,
    "or": LogicalOr,
    "xor": LogicalXor,
}
_METHODS: Final[dict[str, Callable[..., Any]]] = {
    **{name: _method(kind) for name, kind in (_ARITHMETIC | _COMPARISONS).items()},
    **{f"r{name}": _method(kind, -1) for name, kind in _ARITHMETIC.items()},
    "neg": _method(Negative),
    "abs": _method(Absolute),
    "invert": _method(LogicalNot),
    "round": _method(Round),
    "getitem": lambda self, key: GetItem(key)(self),
}
for _name, _bound in _METHODS.items():
    setattr(KerasTensor, f"__{_name}__", _bound)
