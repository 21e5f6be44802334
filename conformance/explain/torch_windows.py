"""Where the windows of a module of torch.nn lie, along each axis, as torch documents it."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.explain.torch_module import Module, TorchCallError, sizes_of
from reference_impl.ops.geometry import receptive_field


@dataclass(frozen=True)
class Side:
    """The geometry of torch's module along one axis."""

    length: int
    window: int
    stride: int
    dilation: int
    pad_before: int
    pad_after: int
    ceil: bool = False

    @property
    def output(self) -> int:
        """Number of windows, as torch documents it."""
        span = receptive_field(self.window, self.dilation)
        free = self.length + self.pad_before + self.pad_after - span
        if not self.ceil:
            return free // self.stride + 1
        count = -(-free // self.stride) + 1
        begins_in_padding = (count - 1) * self.stride >= self.length + self.pad_before
        return count - 1 if begins_in_padding else count


def sides_of(module: Module, spatial: tuple[int, ...]) -> tuple[Side, ...]:
    """The geometry along each spatial axis, zeros padded before the module included.

    Raises:
        TorchCallError: if torch refuses the arguments, or no window fits.
    """
    keywords, rank = module.keywords, len(spatial)
    window = keywords.get("kernel_size") or keywords["pool_size"]
    dilation = keywords.get("dilation_rate", (1,) * rank)
    pads = _pads(module, window, keywords["strides"], dilation)
    ceil = bool(module.arguments.get("ceil_mode", False))
    sides = tuple(
        Side(n, k, s, d, before, after, ceil)
        for n, k, s, d, (before, after) in zip(
            spatial, window, keywords["strides"], dilation, pads, strict=True
        )
    )
    if any(side.output < 1 for side in sides):
        raise TorchCallError(f"{module.call} refuses spatial lengths {spatial}: no window fits")
    return sides


def _pads(
    module: Module, window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """The padding before and after each axis, by the module and by what stands before it."""
    own = _own_pads(module, window, strides, dilation)
    zeros = module.zeros or ((0, 0),) * len(window)
    return [(a + c, b + d) for (a, b), (c, d) in zip(own, zeros, strict=True)]


def _own_pads(
    module: Module, window: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """The padding before and after each axis, as torch documents it."""
    padding = module.arguments["padding"]
    if min(*window, *strides, *dilation) < 1:
        raise TorchCallError(f"{module.call}: window, stride and dilation must be at least 1")
    if not isinstance(padding, str):
        pads = sizes_of("padding", padding, len(window))
        if "in_channels" not in module.arguments and any(
            2 * p > k for p, k in zip(pads, window, strict=True)
        ):
            raise TorchCallError(
                f"{module.call}: torch pads by at most half the window when pooling"
            )
        return [(pad, pad) for pad in pads]
    if padding == "valid":
        return [(0, 0)] * len(window)
    if padding != "same" or max(strides) > 1 or "in_channels" not in module.arguments:
        raise TorchCallError(
            f"the argument padding={padding!r} is refused by torch here; expected integers, "
            "'valid', or, for convolutions of stride 1, 'same'"
        )
    spans = [receptive_field(k, d) for k, d in zip(window, dilation, strict=True)]
    return [((span - 1) // 2, span - 1 - (span - 1) // 2) for span in spans]
