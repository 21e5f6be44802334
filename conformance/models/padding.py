"""The padding that a layer should have, and what a candidate's node has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from conformance.models.source import Step
from conformance.models.windows import axes


def padding_hint(step: Step, shape: Sequence[int], maker: str) -> str:
    """The padding that there should be, in the order in which ONNX has it, and the candidate's."""
    settings = step.operation.settings
    if "padding" not in settings or settings.get("padding") not in ("same", "valid"):
        return ""
    kernel = step.operation.weights.get("kernel")
    window = kernel.shape[:-2] if kernel is not None else settings["window"]
    last = (shape[0], *shape[2:], shape[1]) if settings["channels_first"] else shape
    geometry = axes(last, window, settings)
    ends = [
        max((a.places - 1) * a.stride + (a.window - 1) * a.dilation + 1 - a.before - n, 0)
        for a, n in zip(geometry, last[1:-1], strict=True)
    ]
    pads = [a.before for a in geometry] + ends
    right = f"{','.join(map(str, pads))} (all befores, then all afters)"
    found = _PADS.search(maker)
    if found is None:
        return f" The padding should be {right}."
    given = found.group(1).replace(" ", "")
    return f" The candidate's pads are {given} and should be {right}."


_PADS: Final = re.compile(r"(?:Conv|Pool)\([^)]*?pads=\[([\d, ]+)\]")
