"""What engines of files have in common: runtimes that run a graph, and know nothing of Keras.

An adapter says once what its engine takes (`Takes`), so that a plain refusal is declared and does
not stand among wrong values, and builds the graph of a case; the rest is here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.implementations.canonical import has_plain_geometry, uncanonical
from conformance.implementations.histories import Made, observe_layer
from conformance.implementations.observation import as_array, describe_result
from conformance.layers.registry import LAYERS
from conformance.outcomes import Outcome, Unsupported, Value
from reference_impl.engine.dtypes import numpy_dtype

Array = np.ndarray[Any, Any]
Call = Callable[[Array], Any]
Pads = tuple[tuple[int, int], ...]

_FAMILIES: Final = ("convolution", "pooling", "flatten")


@dataclass(frozen=True)
class Takes:
    """What an engine takes.

    Attributes:
        dtypes: for ``convolution``, ``pooling`` and ``flatten`` the names of dtypes.
        activations: names; of the others it has no operator.
        empty: which arrays without elements it takes: ``any``, ``batch`` where only the batch axis
            may be empty, or ``none``.
        ranks: numbers of spatial axes over which it slides windows.
        dilation: whether it dilates kernels.
        groups: whether it convolves in groups.
        gradients: whether it differentiates.
        largest: the most elements of an output, where it is asked for shapes by computing.
        narrower: of activations that are not taken in every dtype, the dtypes in which they are.
    """

    dtypes: Mapping[str, frozenset[str]]
    activations: frozenset[str]
    empty: str = "any"
    ranks: frozenset[int] = frozenset({1, 2})
    dilation: bool = True
    groups: bool = True
    gradients: bool = False
    largest: int | None = None
    narrower: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Engine(ABC):
    """An engine behind the protocol of `conformance.implementations.protocol`.

    Attributes:
        maker: what messages call it.
        takes: what it takes.
        thread_safe: whether two threads may run graphs of theirs at once.
    """

    maker: ClassVar[str]
    takes: ClassVar[Takes]
    thread_safe: ClassVar[bool] = True

    def __init__(self, name: str, version: str, machine: Mapping[str, str]) -> None:
        self.name, self.version, self.machine = name, version, dict(machine)

    @abstractmethod
    def graph(self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Call:
        """What runs the layer of a case, in Keras' layout at both ends."""

    def evaluate(self, case: Case, operands: Any) -> Outcome:
        """Build the graph of the case, and look at what it observes."""
        observe = {
            "output": self._output,
            "shape": self._shape,
            "rejection": self._rejection,
        }
        if self.takes.gradients:
            observe["gradients"] = self._gradients
        layer = LAYERS[case.layer]
        if case.observe not in observe or not layer.takes_inputs:
            return Unsupported(f"{self.maker} runs a layer's output, and has no model API")
        if family_of(facts(case)) not in _FAMILIES:
            return Unsupported(f"{self.maker} is not asked for {case.layer}")
        if case.inputs is None or None in case.inputs:
            return Unsupported(f"{self.maker} is asked on inputs of known lengths alone")
        if case.observe == "rejection" and not _is_askable(case):
            return Unsupported(f"{self.maker} has no arguments of Keras' that it could refuse")
        reason = self.refusal(facts(case))
        return Unsupported(reason) if reason else observe[case.observe](case, operands)

    def refusal(self, known: Facts) -> str | None:
        """What the engine says of itself that it does not take; None where it takes the case."""
        takes, family = self.takes, family_of(known)
        if known.case.dtype not in takes.dtypes[family]:
            return f"{self.maker} has no {family} in {known.case.dtype}"
        reason = self._of_windows(known) if known.rank else None
        if reason:
            return reason
        if takes.empty != "any" and _is_empty(known, takes.empty == "batch"):
            axes = " but along the batch" if takes.empty == "batch" else ""
            return f"{self.maker} takes no arrays without elements{axes}"
        activation = known.activation or "linear"
        if activation not in takes.activations:
            return f"{self.maker} has no operator for the activation {activation}"
        if known.case.dtype not in takes.narrower.get(activation, {known.case.dtype}):
            return f"{self.maker} has no {activation} in {known.case.dtype}"
        return None

    def _of_windows(self, known: Facts) -> str | None:
        """What it does not take of a window that slides."""
        takes = self.takes
        if known.rank not in takes.ranks:
            return f"{self.maker} slides no windows over {known.rank} axes"
        if not takes.dilation and max(known.dilation) > 1:
            return f"{self.maker} has no dilated convolution"
        if not takes.groups and known.groups > 1:
            return f"{self.maker} has no convolution in groups"
        lengths = (axis.output for axis in known.axes) if known.has_axes else ()
        if takes.largest is not None and math.prod(lengths) > takes.largest:
            return f"{self.maker} is asked for no outputs of more than {takes.largest} elements"
        return None

    def _output(self, case: Case, operands: Any) -> Outcome:
        return self._observed(case, operands, self.graph)

    def _gradients(self, case: Case, operands: Any) -> Outcome:
        return self._observed(case, operands, self.derivative)

    def _observed(self, case: Case, operands: Any, build: Callable[..., Any]) -> Outcome:
        def make(given: Any) -> Made:
            call = build(case, given.inputs.shape, given.weights)
            return Made(call, takes_other_sizes=False, thread_safe=self.thread_safe)

        return observe_layer(case, operands, make)

    def derivative(
        self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]
    ) -> Callable[[Array, Array], dict[str, Any]]:
        """What gives, of the input and the output's gradient, the gradients by name.

        Only engines that say that they differentiate are asked.
        """
        raise NotImplementedError(f"{self.maker} differentiates no {case.layer} of {shape}")

    def _shape(self, case: Case, operands: Any) -> Outcome:
        del operands
        return Value(self.shape(case, *self._zeros(case)))

    @abstractmethod
    def shape(
        self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]
    ) -> tuple[int, ...]:
        """The output's shape as the engine infers it, without running anything."""

    def _rejection(self, case: Case, operands: Any) -> Outcome:
        del operands
        return Value(describe_result(self._on_zeros(case)))

    def _on_zeros(self, case: Case) -> Any:
        shape, weights = self._zeros(case)
        inputs = np.zeros(shape, numpy_dtype(case.dtype))
        return as_array(self.graph(case, shape, weights)(inputs))

    @staticmethod
    def _zeros(case: Case) -> tuple[tuple[int, ...], dict[str, Array]]:
        """The input's shape, and weights of zeros."""
        dtype = numpy_dtype(case.dtype)
        sizes = LAYERS[case.layer].weight_shapes(case)
        weights = {name: np.zeros(size, dtype) for name, size in sizes.items()}
        return tuple(length or 0 for length in case.inputs or ()), weights


def family_of(known: Facts) -> str:
    """``convolution``, ``pooling``, ``flatten``, or the layer's name where it is none of these."""
    if known.is_convolution:
        return "convolution"
    if known.is_pooling and known.descriptor.selects:
        return "pooling"
    return "flatten" if known.descriptor.moves and not known.rank else known.layer


def pads_of(known: Facts) -> Pads:
    """The zeros before and after each spatial axis: SAME's extra one stands after."""
    if known.padding == "causal":
        pairs = zip(known.window, known.dilation, strict=True)
        return tuple(((k - 1) * d, 0) for k, d in pairs)
    if known.padding != "same":
        return ((0, 0),) * known.rank
    pads = []
    axes = zip(known.spatial, known.window, known.strides, known.dilation, strict=True)
    for length, k, s, d in axes:
        n = length or 0
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def _is_empty(known: Facts, but_batch: bool) -> bool:
    """Whether the input, or the output of a valid case, has an axis without elements."""
    lengths = [*(known.case.inputs or ())][int(but_batch) :]
    if known.case.observe == "rejection":
        return 0 in lengths
    return bool(known.rank or not but_batch) and (0 in lengths or _has_no_output(known))


def _has_no_output(known: Facts) -> bool:
    return known.has_axes and any(axis.output <= 0 for axis in known.axes)


def _is_askable(case: Case) -> bool:
    """Whether a graph can say what must be rejected: the input is at fault, not an argument."""
    known = facts(case)
    well_formed = uncanonical(case) is None and has_plain_geometry(case)
    if not known.rank or not well_formed or not known.is_well_formed:
        return False
    exclusive = max(known.strides) > 1 and max(known.dilation) > 1
    if exclusive or (known.is_convolution and known.config["filters"] <= 0):
        return False
    return not any(known.descriptor.objections(case)) or _has_no_output(known)
