"""What is explained: a case, the oracle's layer for it, and the geometry that the oracle gives.

Nothing here computes an output length, a padding or a canonical argument: the layer, built by the
oracle, is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import reference_impl
from conformance.cases.case import Case
from conformance.explain import documented
from conformance.explain.axes import Axis
from conformance.explain.families import INPUT, Family, family_of, is_too_short
from reference_impl.ops.geometry import WindowAxis, window_axes

Shape = tuple[int | None, ...]

AXIS_NAMES: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {1: ("steps",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}
)
"""What the spatial axes count, by their number."""

_WITHOUT_VALUES: Final = {"kernel_initializer": "zeros", "bias_initializer": "zeros"}
"""Weights are only counted, so they need no random values."""

_ALIKE: Final = ("float32", "bfloat16")
"""Dtypes built as float32; that of bfloat16 would need a package, and no value is computed."""


@dataclass(frozen=True)
class Subject:
    """One layer on inputs of one shape.

    Attributes:
        case: the layer and its arguments as the caller wrote them.
        layer: the oracle's layer for them, built where it takes the inputs.
        family: what layers of this kind have in common.
        input_shape: batch included; None for a free length.
        output_shape: None where the layer does not take the inputs.
        refusal: why it does not take them, in the oracle's words; empty where it does.
    """

    case: Case
    layer: Any
    family: Family
    input_shape: Shape
    output_shape: Shape | None
    refusal: str = ""

    @property
    def call(self) -> str:
        """The layer as Python constructs it, with the arguments that the caller passed."""
        return written_call(self.case)

    @property
    def dtype(self) -> str:
        """The dtype of inputs, weights and outputs."""
        return self.case.dtype

    @property
    def rank(self) -> int:
        """Number of spatial axes; 0 for a layer without a window."""
        return int(getattr(self.layer, "rank", 0))

    @property
    def channels_first(self) -> bool:
        """Whether the channels stand before the spatial axes."""
        return getattr(self.layer, "data_format", None) == "channels_first"

    @property
    def spatial(self) -> Shape:
        """Lengths of the spatial axes."""
        return self.input_shape[2:] if self.channels_first else self.input_shape[1:-1]

    @property
    def channels(self) -> int:
        """Number of channels of the input."""
        return int(self.input_shape[1 if self.channels_first else -1] or 0)

    @property
    def window(self) -> tuple[int, ...]:
        """The window's lengths."""
        return self.family.window(self.layer)

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides, one per spatial axis."""
        return tuple(self.layer.strides)

    @property
    def dilation(self) -> tuple[int, ...]:
        """The dilation rates, one per spatial axis."""
        return tuple(self.layer.dilation_rate)

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The spatial axes; none for a layer without a window."""
        if not self.rank:
            return ()
        lengths = [length or 0 for length in self.spatial]
        geometry = window_axes(
            lengths, self.window, self.strides, self.dilation, self.layer.padding
        )
        return tuple(
            Axis(name, self.layer.padding, axis, is_free=length is None)
            for name, axis, length in zip(
                AXIS_NAMES[self.rank], geometry, self.spatial, strict=True
            )
        )

    @property
    def geometry(self) -> tuple[WindowAxis, ...]:
        """The oracle's geometry of the spatial axes."""
        return tuple(axis.geometry for axis in self.axes)

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the built layer's weights, by name."""
        names = ("kernel", "bias")
        return dict(zip(names, (w.shape for w in self.layer.get_weights()), strict=False))

    @property
    def is_sized(self) -> bool:
        """Whether every length but the batch's is known, so that code can be written."""
        return self.output_shape is not None and None not in self.input_shape[1:]


def written_call(case: Case) -> str:
    """The constructor's call with the case's arguments, required ones by position."""
    required = documented.required(case.layer)
    parts = [repr(v) if n in required else f"{n}={v!r}" for n, v in case.arguments]
    if case.dtype != "float32":
        parts.append(f'dtype="{case.dtype}"')
    return f"{case.layer}({', '.join(parts)})".replace("'", '"')


def of_case(case: Case) -> Subject:
    """The subject of a case with an input shape.

    Raises:
        TypeError: if an argument is of a wrong type (the oracle's message).
        ValueError: if an argument is wrong, the input has a wrong number of axes or channels, or
            there is none.
    """
    if case.inputs is None and "shape" not in case.keywords and "batch_shape" not in case.keywords:
        raise ValueError(f"{case.descriptor} has no input shape; add one, such as inputs:1x7x9x3")
    layer = _construct(case)
    family = family_of(layer)
    shape = tuple(layer.shape) if case.inputs is None else case.inputs
    try:
        output, refusal = _built(layer, shape), ""
    except ValueError as error:
        if not is_too_short(layer, shape):
            raise
        output, refusal = None, str(error)
    return Subject(case, layer, family, shape, output, refusal)


def _construct(case: Case) -> Any:
    keywords = dict(case.keywords)
    keywords |= {n: v for n, v in _WITHOUT_VALUES.items() if n in documented.signature(case.layer)}
    if case.dtype not in _ALIKE:
        keywords["dtype"] = case.dtype
    if "name" not in documented.signature(case.layer):
        keywords.setdefault("name", case.layer.lower())  # automatic names differ from call to call
    makers = vars(reference_impl.layers)
    if case.layer not in makers:
        raise ValueError(f"the oracle has no layer {case.layer}, so nothing can be asked about it")
    return makers[case.layer](**keywords)


def _built(layer: Any, shape: Shape) -> Shape:
    if isinstance(layer, INPUT.oracle):
        return shape
    output: Shape = tuple(layer.compute_output_shape(shape))
    layer.build(shape)
    return output


def case_of(layer: Any, input_shape: Shape) -> Case:
    """The case of a layer of the oracle: the arguments without which it would be another.

    Raises:
        TypeError: if it is no layer of the oracle.
    """
    name = type(layer).__name__
    if name not in documented.layers() or not isinstance(layer, reference_impl.layers.Layer):
        raise TypeError(
            f"explain: argument `layer` is {layer!r}; expected a layer of reference_impl: "
            + ", ".join(documented.layers())
        )
    config = layer.get_config()
    make: Callable[..., Any] = type(layer)
    keywords = {
        argument: config[argument]
        for argument in (*documented.signature(name), *documented.BESIDES)
        if argument in config
    }
    for argument in tuple(keywords):
        others = {key: value for key, value in keywords.items() if key != argument}
        if argument not in documented.required(name) and _agree(make(**others), keywords):
            keywords = others
    if getattr(layer, "rank", 0):
        keywords = {argument: documented.short(value) for argument, value in keywords.items()}
    return Case.of(name, input_shape, dtype=str(layer.dtype), **keywords)


def _agree(layer: Any, keywords: Mapping[str, Any]) -> bool:
    """Whether a layer has these arguments in its configuration."""
    config = layer.get_config()
    return all(config[name] == value for name, value in keywords.items())
