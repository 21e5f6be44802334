"""What can be read off a case without running it: canonical configuration and geometry.

Clauses, equivalence classes and known deviations are all stated as predicates over these facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from conformance.cases.case import Case
from conformance.judge.definition.arguments import is_allowed
from conformance.judge.definition.windows import Window
from conformance.layers.layer import Layer
from conformance.layers.registry import LAYERS
from reference_impl.ops.geometry import WindowAxis, window_axes


def canonical_config(case: Case) -> dict[str, Any]:
    """Every documented argument in canonical form: tuples of the layer's rank, defaults filled in.

    ``data_format`` is always given for the layers that are called on inputs, ``strides`` of a
    pooling layer is never None; names are in lower case, as Keras reads them.  Meaningful for cases
    whose arguments are valid.
    """
    return dict(facts(case).config)


@dataclass(frozen=True)
class Facts:
    """The facts of one case (see the properties); built by `facts`."""

    case: Case

    @cached_property
    def config(self) -> dict[str, Any]:
        """The canonical configuration (`canonical_config`)."""
        return LAYERS[self.case.layer].canonical(self.case.keywords)

    @property
    def layer(self) -> str:
        """The layer's documented name."""
        return self.case.layer

    @property
    def descriptor(self) -> Layer:
        """What the suite knows of the layer."""
        return LAYERS[self.case.layer]

    @property
    def is_convolution(self) -> bool:
        """Whether the layer contracts its inputs with a kernel."""
        return self.descriptor.convolves

    @property
    def is_pooling(self) -> bool:
        """Whether the layer reduces each window, channel by channel."""
        return self.descriptor.pools

    @property
    def rank(self) -> int:
        """Number of spatial axes of a layer that slides a window; 0 for the others."""
        return self.descriptor.rank

    @property
    def channels_first(self) -> bool:
        """Whether the channels stand before the spatial axes."""
        return bool(self.config.get("data_format") == "channels_first")

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """The constructor arguments as the caller writes them."""
        return self.case.keywords

    def given(self, argument: str) -> bool:
        """Whether the case passes `argument` to the constructor."""
        return argument in self.arguments

    @property
    def batch(self) -> int | None:
        """Length of the batch axis; None where it is free or there is no input."""
        return self.case.inputs[0] if self.case.inputs else None

    @cached_property
    def spatial(self) -> tuple[int | None, ...]:
        """Lengths of the spatial axes."""
        inputs = self.case.inputs or ()
        return tuple(inputs[2:] if self.channels_first else inputs[1:-1])

    @property
    def channels(self) -> int | None:
        """Length of the channel axis; None where it is free or there is none."""
        inputs = self.case.inputs or ()
        own = inputs[1:2] if self.channels_first else inputs[-1:]
        return own[0] if own else None

    @cached_property
    def window(self) -> tuple[int, ...]:
        """The kernel's or pool's lengths."""
        return tuple(self.config.get(self.descriptor.window) or ())

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """The strides, one per spatial axis."""
        return tuple(self.config.get("strides") or ())

    @cached_property
    def dilation(self) -> tuple[int, ...]:
        """The dilation rates, one per spatial axis; ones for pooling."""
        return tuple(self.config.get("dilation_rate") or (1,) * self.rank)

    @cached_property
    def padding(self) -> str | None:
        """The padding, in lower case."""
        padding = self.config.get("padding")
        return padding.lower() if isinstance(padding, str) else None

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The windows as the definition has them, one entry per spatial axis."""
        sizes = zip(self.window, self.strides, self.dilation, strict=True)
        return tuple(Window(*axis, self.padding or "valid") for axis in sizes)

    @cached_property
    def axes(self) -> tuple[WindowAxis, ...]:
        """The window geometry, one entry per spatial axis.

        Raises:
            ValueError: if a length is free, or there is no input or no padding.
        """
        lengths = tuple(length for length in self.spatial if length is not None)
        if self.padding is None or not lengths or len(lengths) < len(self.spatial):
            raise ValueError(f"{self.case} has no window geometry: a length or the padding is open")
        return window_axes(lengths, self.window, self.strides, self.dilation, self.padding)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The output's shape.

        Raises:
            ValueError: if a length is free, or there is no input.
        """
        shape = () if None in (self.case.inputs or ()) else self.descriptor.output_shape(self.case)
        sizes = tuple(size for size in shape if size is not None)
        if not sizes or len(sizes) != len(shape):
            raise ValueError(f"{self.case} has no known output shape: a length is open")
        return sizes

    @property
    def has_axes(self) -> bool:
        """Whether `axes` is known: the layer slides a window over known lengths."""
        return bool(self.rank) and bool(self.spatial) and None not in self.spatial

    @property
    def is_well_formed(self) -> bool:
        """Whether sizes, padding, data format and the input's rank give a window geometry."""
        layer = self.descriptor
        names = (*layer.sizes, "padding", "data_format")
        return (
            len(self.case.inputs or ()) == self.rank + 2
            and all(map(self.given, layer.required))
            and all(is_allowed(layer, n, v) for n, v in self.arguments.items() if n in names)
        )

    @property
    def groups(self) -> int:
        """Number of parts into which channels and filters are cut; 1 where it is ill-formed."""
        count = self.arguments.get("groups", 1)
        return count if type(count) is int and count > 0 else 1

    @property
    def products(self) -> int:
        """K, the number of products in one output element of a convolution."""
        count = (self.channels or 0) // self.groups
        for taps in self.window:
            count *= taps
        return count

    @property
    def activation(self) -> str | None:
        """The activation's name; None where none is applied."""
        activation = self.config.get("activation")
        return activation if isinstance(activation, str) else None


@lru_cache(1024)  # clauses, records and grids ask of one case after another
def facts(case: Case) -> Facts:
    """The facts of a case."""
    return Facts(case)
