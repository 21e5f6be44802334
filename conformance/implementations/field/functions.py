"""Engines that have functions of arrays: a convolution, a pooling, activations.

Layouts, the order of a kernel's axes, padding that the engine does not do itself, and one axis
where it has only two, stand here.  All of it is done by NumPy before the engine gets its arrays
and after it has answered, so that an engine differentiates its own functions alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.implementations.engine import Array, Call, Pads, family_of, pads_of
from conformance.implementations.field.adapted import Adapted
from conformance.implementations.observation import as_array

Tensor = Any


@dataclass(frozen=True)
class Window:
    """A window as the engine is to slide it; all but `groups` and `padding` per spatial axis.

    Attributes:
        size, strides, dilation: of the window.
        groups: of the convolution.
        pads: before and after; none where the input has been padded already.
        padding: ``same`` where SAME is left to the engine, else ``valid`` or ``explicit``.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    pads: Pads
    padding: str

    @property
    def before(self) -> tuple[int, ...]:
        """The pads before each axis, which are those after it where an engine takes only such."""
        return tuple(before for before, _ in self.pads)

    @property
    def flat(self) -> tuple[int, ...]:
        """All befores, then all afters."""
        return tuple(pair[end] for end in (0, 1) for pair in self.pads)


class Functions(Adapted):
    """An engine that has functions of arrays.

    Attributes:
        channels_first: whether its arrays have channels before the spatial axes.
        kernel: the axes of its kernels: ``o`` filters, ``i`` channels, ``*`` the window.
        pads: the padding that it does itself: ``pairs`` before and after each axis, ``equal``
            where both are the same, ``same`` by that name, ``none``.  Other padding is done first.
        pooled_pads: the same of pooling, where it differs.
        planar: whether it has windows over two axes alone, so that one axis becomes two.
    """

    channels_first: ClassVar[bool] = True
    kernel: ClassVar[str] = "oi*"
    pads: ClassVar[str] = "none"
    pooled_pads: ClassVar[str] = ""
    planar: ClassVar[bool] = False

    def __init__(
        self, name: str, threads: int | None = None, pads: str = "", channels_first: bool = False
    ) -> None:
        """An engine that does the padding `pads` instead of its own, where that is given."""
        self._pads = pads or self.pads
        self._pooled_pads = pads or self.pooled_pads or self.pads
        self._first = channels_first or self.channels_first
        super().__init__(name, threads)

    def tensor(self, array: Array) -> Tensor:
        """The engine's array of a contiguous one that nothing else refers to."""
        return array

    def array(self, tensor: Tensor) -> Any:
        """What NumPy makes an array of, of an engine's array."""
        return tensor

    @abstractmethod
    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """A convolution, in the engine's layouts."""

    @abstractmethod
    def pool(self, x: Tensor, window: Window) -> Tensor:
        """A maximum over windows, in the engine's layout."""

    def flatten(self, x: Tensor) -> Tensor:
        """All axes but the batch as one."""
        return x.reshape(x.shape[0], int(np.prod(x.shape[1:], dtype=np.int64)))

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """An activation; `axis` is where those that mix elements work."""
        raise NotImplementedError(f"{self.maker} has no activation {name} along axis {axis}")

    def backward(
        self, function: Callable[..., Tensor], given: Sequence[Tensor], upstream: Tensor
    ) -> Sequence[Tensor]:
        """The gradients of a function with respect to all that it is given."""
        raise NotImplementedError(f"{self.maker} differentiates nothing")

    def graph(self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Call:
        """The engine's functions between NumPy's transpositions."""
        plan = self._plan(case, shape)
        given = [self.tensor(array) for array in plan.weights(weights)]

        def call(inputs: Array) -> Any:
            found = plan.function(self.tensor(plan.entered(inputs)), *given)
            return plan.restored(as_array(self.array(found)))

        return call

    def derivative(
        self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]
    ) -> Callable[[Array, Array], dict[str, Any]]:
        """As `backward` has it of the engine's function, in Keras' layouts."""
        plan = self._plan(case, shape)
        given = plan.weights(weights)

        def call(inputs: Array, upstream: Array) -> dict[str, Any]:
            tensors = [self.tensor(a.copy()) for a in (plan.entered(inputs), *given)]
            u = self.tensor(plan.left(upstream))
            found = [as_array(self.array(g)) for g in self.backward(plan.function, tensors, u)]
            return dict(zip(("inputs", *weights), plan.gradients(found), strict=True))

        return call

    def _plan(self, case: Case, shape: tuple[int, ...]) -> _Plan:
        known = facts(case)
        if family_of(known) == "flatten":
            first = known.channels_first and len(shape) > 2
            return _Plan(self.flatten, _Flattened(len(shape), first))
        lifted = self.planar and known.rank == 1
        own = self._pads if known.is_convolution else self._pooled_pads
        before, window = divided(known, own)
        layout = _Layout(known.rank, known.channels_first, self._first, lifted, self.kernel)
        if lifted:
            window = _lifted(window)
        function = _Layer(self, known, window, layout.last)
        return _Plan(function, layout, before, _beyond(known))


@dataclass(frozen=True)
class _Layer:
    """A layer in the engine's layouts."""

    engine: Functions
    known: Facts
    window: Window
    axis: int

    def __call__(self, x: Tensor, kernel: Tensor = None, bias: Tensor = None) -> Tensor:
        if self.known.is_convolution:
            y = self.engine.convolve(x, kernel, bias, self.window)
        else:
            y = self.engine.pool(x, self.window)
        name = self.known.activation or "linear"
        return y if name == "linear" else self.engine.activate(name, y, self.axis)


@dataclass(frozen=True)
class _Flattened:
    """Flatten's layout: channels last."""

    ndim: int
    first: bool

    def entered(self, array: Array) -> Array:
        if self.ndim == 1:
            return array[:, None]
        return np.moveaxis(array, 1, -1) if self.first else array

    def entered_back(self, array: Array) -> Array:
        if self.ndim == 1:
            return array[:, 0]
        return np.moveaxis(array, -1, 1) if self.first else array

    def left(self, array: Array) -> Array:
        return array

    restored = left

    def kernel(self, array: Array) -> Array:
        return array

    kernel_back = kernel


@dataclass(frozen=True)
class _Layout:
    """Keras' layout and the engine's.

    Attributes:
        rank: number of spatial axes.
        given: whether Keras' arrays have channels first.
        wanted: whether the engine's have.
        lifted: whether the engine gets an axis of length 1 before the one that there is.
        axes: of the engine's kernels, as `Functions.kernel`.
    """

    rank: int
    given: bool
    wanted: bool
    lifted: bool
    axes: str

    @property
    def last(self) -> int:
        """Which of the engine's axes is Keras' last."""
        if self.given == self.wanted:
            return -1
        return -2 if self.given else 1

    def entered(self, array: Array) -> Array:
        """An input or output as the engine has it."""
        return self._with_axis(_moved(array, self.given, self.wanted), self.wanted)

    def entered_back(self, array: Array) -> Array:
        """An input or output of the engine as Keras has it."""
        return _moved(self._without_axis(array, self.wanted), self.wanted, self.given)

    left = entered
    restored = entered_back

    def kernel(self, array: Array) -> Array:
        """A kernel as the engine has it."""
        return np.transpose(array[None] if self.lifted else array, self._order)

    def kernel_back(self, array: Array) -> Array:
        """A kernel of the engine as Keras has it."""
        found = np.transpose(array, np.argsort(self._order))
        return found[0] if self.lifted else found

    @property
    def _order(self) -> list[int]:
        rank = self.rank + self.lifted
        axes = {"*": [*range(rank)], "i": [rank], "o": [rank + 1]}
        return [axis for letter in self.axes for axis in axes[letter]]

    def _with_axis(self, array: Array, first: bool) -> Array:
        return np.expand_dims(array, 2 if first else 1) if self.lifted else array

    def _without_axis(self, array: Array, first: bool) -> Array:
        return np.squeeze(array, 2 if first else 1) if self.lifted else array


def _moved(array: Array, first: bool, wanted: bool) -> Array:
    if first == wanted:
        return array
    return np.moveaxis(array, 1, -1) if first else np.moveaxis(array, -1, 1)


@dataclass(frozen=True)
class _Plan:
    """A function of the engine's, and the way of arrays to it and back.

    Attributes:
        function: of the input, the kernel and the bias.
        layout: of its arrays.
        before: the zeros to add first, per spatial axis.
        beyond: what is added in place of zeros.
    """

    function: Callable[..., Tensor]
    layout: _Flattened | _Layout
    before: Pads = field(default=())
    beyond: float = 0

    def entered(self, inputs: Array) -> Array:
        """The input as the engine gets it."""
        array = self.layout.entered(inputs)
        if any(map(any, self.before)):
            return np.pad(array, self._pads(array.ndim), constant_values=self.beyond)
        return np.array(array, order="C")

    def weights(self, weights: Mapping[str, Array]) -> list[Array]:
        """The weights as the engine gets them."""
        return [
            np.array(self.layout.kernel(w) if name == "kernel" else w, order="C")
            for name, w in weights.items()
        ]

    def left(self, upstream: Array) -> Array:
        """The output's gradient as the engine gets it."""
        return np.array(self.layout.left(upstream), order="C")

    def restored(self, result: Any) -> Any:
        """What the engine answered, in Keras' layout; what is no array, or of other axes, as is."""
        try:
            return self.layout.restored(result)
        except (AttributeError, TypeError, ValueError, IndexError):
            return result

    def gradients(self, found: Sequence[Array]) -> list[Array]:
        """The gradients of the input, the kernel and the bias in Keras' layouts."""
        inputs, *weights = found
        if any(map(any, self.before)):
            ends = zip(self._pads(inputs.ndim), inputs.shape, strict=True)
            inputs = inputs[tuple(slice(b, n - a) for (b, a), n in ends)]
        if weights:
            weights[0] = self.layout.kernel_back(weights[0])
        return [self.layout.entered_back(inputs), *weights]

    def _pads(self, ndim: int) -> list[tuple[int, int]]:
        """The zeros to add along each axis of the engine's."""
        assert isinstance(self.layout, _Layout)
        pads = [*((0, 0),) * (ndim - 2 - len(self.before)), *self.before]
        ends = [(0, 0)]
        return ends * 2 + pads if self.layout.wanted else [*ends, *pads, *ends]


_NOTHING: Final = (0, 0)


def divided(known: Facts, own: str) -> tuple[Pads, Window]:
    """The padding to be done first, and the window with what is left to the engine.

    Args:
        known: of the case.
        own: what the engine does itself, as `Functions.pads`.
    """
    pads = pads_of(known)
    plain = (_NOTHING,) * known.rank
    window = Window(known.window, known.strides, known.dilation, known.groups, plain, "valid")
    if own == "same" and known.padding == "same":
        return plain, replace(window, padding="same")
    if own == "pairs" or (own == "equal" and all(b == a for b, a in pads)):
        padding = "explicit" if any(map(any, pads)) else "valid"
        return plain, replace(window, pads=pads, padding=padding)
    return pads, window


def _lifted(window: Window) -> Window:
    return replace(
        window,
        size=(1, *window.size),
        strides=(1, *window.strides),
        dilation=(1, *window.dilation),
        pads=(_NOTHING, *window.pads),
    )


def _beyond(known: Facts) -> float:
    """What stands beyond the input: zero, or for a maximum the least of all."""
    if known.is_convolution:
        return 0
    dtype = known.case.dtype
    return float(np.iinfo(dtype).min) if "int" in dtype else -np.inf
