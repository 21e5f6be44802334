"""What the layers that slide a window share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.cases.grids import (
    arguments,
    calls,
    exhaustive,
    gradients,
    rejections,
    scenarios,
    surroundings,
    values,
    windows,
)
from conformance.layers.layer import EVERY_LAYER
from conformance.layers.plain import Plain

if TYPE_CHECKING:
    from conformance.judge.definition import Operands

Array = np.ndarray[Any, Any]

SIZE: Final = (0, -1, 2.5, None, "3", ())
"""What no size of a window or step may be, in any rank; None stands for itself in pooling."""

PADDINGS: Final = ("full", "", "reflect", None, 1)
FORMATS: Final = ("NHWC", "tf", "channels_middle", "", 1)


def levels(argument: str, *choices: Any) -> tuple[dict[str, Any], ...]:
    """Left out, and given as each of the values."""
    return ({}, *({argument: value} for value in choices))


def given(argument: str, *choices: Any) -> tuple[dict[str, Any], ...]:
    """Given as each of the values."""
    return levels(argument, *choices)[1:]


COMMON: Final[dict[str, Any]] = {
    "padding": levels("padding", "valid", "same"),
    "dtype": ({}, {"dtype": "float64"}, {"dtype": "float16"}),
    "operands": ({}, {"operands": "reals"}),
    "batch": ({"batch": 2}, {"batch": 1}, {"batch": 3}),
}
DATA_FORMAT: Final = levels("data_format", None, "channels_last", "channels_first")


def channels_last(array: Array, known: Facts) -> Array:
    """An array in the layout of the case's input with its channels last."""
    return np.moveaxis(array, 1, -1) if known.channels_first else array


class Windowed(Plain):
    """A layer that slides a window over its spatial axes."""

    undocumented: tuple[str, ...] = (*EVERY_LAYER, "data_format")
    grids = {
        "smoke": (
            windows.first_cases,
            windows.smoke,
            values.smoke,
            arguments.smoke,
            rejections.smoke,
            windows.few_sizes,
            windows.few_symbolic,
            gradients.smoke,
        ),
        "standard": (
            windows.coincidences,
            windows.cubes,
            windows.pointwise,
            windows.extremes,
            windows.tiled,
            windows.widths,
            windows.reach,
            windows.remainders,
            windows.batches,
            windows.large,
            windows.empties,
            windows.standard,
            values.kinds,
            values.counted,
            values.activations,
            values.tails,
            values.special_remainders,
            values.single_products,
            values.long_sums,
            calls.histories,
            calls.byte_orders,
            values.more_locality,
            arguments.spellings,
            arguments.pairs,
            windows.symbolic,
            scenarios.cases,
            rejections.values,
            rejections.relations,
            gradients.standard,
            windows.corners,
            values.rows,
            values.far_tails,
            gradients.farther_slopes,
            values.negative_nans,
            values.whole_vectors,
            windows.wide_strides,
            windows.far_elements,
            gradients.strided,
            gradients.wide_windows,
            values.idle_infinities,
            values.infinite_rows,
            surroundings.outputs,
            surroundings.gradients,
        ),
        "full": (exhaustive.small_windows, windows.uneven_batches, gradients.full),
    }

    def output_channels(self, known: Facts) -> int | None:
        """Length of the output's axis of channels."""
        return known.channels

    def output_shape(self, case: Case) -> tuple[int | None, ...]:
        """As `Layer.output_shape`."""
        known = facts(case)
        spatial = [
            None if length is None else max(window.output_length(length), 0)
            for window, length in zip(known.windows, known.spatial, strict=True)
        ]
        channels = self.output_channels(known)
        inner = [channels, *spatial] if known.channels_first else [*spatial, channels]
        return known.batch, *inner

    def objections_to_input(self, case: Case) -> Iterator[str]:
        """As `Layer.objections_to_input`."""
        known, shape = facts(case), case.inputs or ()
        if len(shape) != self.rank + 2:
            yield f"inputs of shape {shape}: {self.rank + 2} axes are expected"
            return
        yield from self.objections_to_channels(known)
        for window, length in zip(known.windows, known.spatial, strict=True):
            fits = length is None or window.padding != "valid" or window.output_length(length) > 0
            if not fits:
                yield f"inputs of shape {shape}: no window of span {window.span} fits into {length}"

    def objections_to_channels(self, known: Facts) -> Iterator[str]:
        """Why the number of channels or the dtype must be rejected."""
        del known
        yield from ()

    def reduced(self, case: Case, operands: Operands, reduce: Callable[..., list[Any]]) -> Any:
        """Elements that `reduce` makes of the input, channels last, and of the windows."""
        from conformance.judge.definition.layers import exact_values, order_with_channels_first

        known = facts(case)
        results = reduce(channels_last(exact_values(operands.inputs), known), known.windows)
        if not known.channels_first:
            return results
        batch, channels, *spatial = known.output_shape
        return [results[i] for i in order_with_channels_first((batch, *spatial, channels))]

    def gradients(self, case: Case, operands: Operands) -> dict[str, Array]:
        """As `Layer.gradients`."""
        known = facts(case)
        inputs, upstream = (
            channels_last(array.astype(np.float64), known)
            for array in (operands.inputs, operands.upstream)
        )
        found = self.pulled_back(known, inputs, upstream, operands.weights)
        if known.channels_first:
            found["inputs"] = np.moveaxis(found["inputs"], -1, 1)
        return found

    def pulled_back(
        self, known: Facts, inputs: Array, upstream: Array, weights: dict[str, Array]
    ) -> dict[str, Array]:
        """The gradients, from input and upstream gradient in float64, channels last."""
        raise NotImplementedError

    def draw(self, draw: Callable[[Any], Any]) -> Case:
        """As `Layer.draw`."""
        from conformance.cases import drawing  # needs Hypothesis

        case: Case = draw(drawing.windowed(self.name))
        return case
