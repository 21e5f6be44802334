"""Flatten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product
from math import prod
from typing import TYPE_CHECKING, Any, Final

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.grids import arguments, calls, gradients, rejections, scenarios, values
from conformance.cases.operands import FLOATING_DTYPES, INTEGER_DTYPES
from conformance.layers.plain import Plain
from conformance.layers.windowed import COMMON, DATA_FORMAT, FORMATS, Array
from conformance.spec.covers import gradients as covers_gradients
from conformance.spec.covers import outputs
from conformance.spec.covers import rejections as covers_rejections

if TYPE_CHECKING:
    from conformance.diagnosis.evaluation import Prediction, Steps
    from conformance.judge.definition import Operands

_SHAPES: Final = (
    (2, 3, 4),
    (2, 3, 4, 5),
    (3, 5),
    (2, 4, 3, 2, 5),
    (1, 6, 2, 3),
    (3, 1, 4, 2),
    (2, 5, 1, 3),
    (2, 3, 5, 1),
    (1, 1, 1, 1),
    (4, 4, 4, 4),
    (2, 3, 3, 2),
    (7, 1),
    (1, 60),
    (0, 3, 4),
    (0, 2, 3, 4),
    (2, 0, 3),
    (2, 3, 0),
    (2, 4, 0, 3),
    (2, 3, 2, 2, 2, 2),
    (17, 2, 3),
    (2, 3, 8),
    (2, 8, 3),
    (1, 2, 3, 16),
    (1, 16, 3, 2),
    (2, 3, 1, 32),
)
"""With channels in whole blocks of four and more, too, which packed layouts keep apart."""

_FORMATS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"data_format": "channels_last"},
    {"data_format": "channels_first"},
    {"data_format": None},
)
_LAYOUTS: Final = ("strided", "reversed", "fortran", "broadcast", "readonly", "sliced")


def _smoke() -> Iterator[Case]:
    """The first ranks in every data format, special values, memory layouts, integers."""
    for inputs, given in product(_SHAPES[:4], _FORMATS[:3]):
        yield Case.of("Flatten", inputs, **given)
    yield Case.of("Flatten", (0, 3, 4), data_format="channels_first")
    for kind in ("specials", *_LAYOUTS):
        yield Case.of("Flatten", (2, 3, 4, 5), operands=kind, data_format="channels_first")
    for dtype in ("float64", "int64", "uint8"):
        yield Case.of("Flatten", (2, 3, 4), dtype=dtype)


def _standard() -> Iterator[Case]:
    """Every rank, data format, dtype, kind and memory layout."""
    for inputs, given in product(_SHAPES, _FORMATS):
        yield Case.of("Flatten", inputs, **given)
    for given in _FORMATS[:3]:
        yield Case.of("Flatten", (4,), **given)
    for kind, dtype in product(values.kinds_of("Flatten"), FLOATING_DTYPES):
        given = {"data_format": "channels_first"}
        yield Case.of("Flatten", (2, 5, 4, 3), operands=kind, dtype=dtype, **given)
    for dtype, given in product(INTEGER_DTYPES, _FORMATS[:3]):
        yield Case.of("Flatten", (2, 3, 4), dtype=dtype, **given)
        yield Case.of("Flatten", (2, 3, 2, 5), dtype=dtype, operands="specials", **given)


def _symbolic() -> Iterator[Case]:
    """Shapes with free lengths."""
    free: tuple[tuple[int | None, ...], ...] = (
        (None, 3, 4),
        (None, 7),
        (None, None, 4),
        (2, None, 4),
        (2, 3, None),
        (None, None, None, 3),
        (None, 3, 32, 32),
        (None, 64, 32, 32),
        (128, 1000, 1000, 3),
        (None, 0, 4),
    )
    for inputs, given in product(free, _FORMATS[:3]):
        yield Case.of("Flatten", inputs, observe="shape", **given)


def _few_gradients() -> Iterator[Case]:
    yield from gradients.differentiated(islice(_smoke(), 0, None, 4))


def _gradients() -> Iterator[Case]:
    yield from gradients.differentiated(_smoke())
    yield from gradients.differentiated(islice(_standard(), 0, None, 5))


def _long() -> Iterator[Case]:
    """Channels and places beyond the blocks that are transposed at once, and beyond 2^15 elements.

    Neither is a multiple of a block's length, so that there are rests along both, and a corner.
    """
    first = {"data_format": "channels_first"}
    yield Case.of("Flatten", (1, 67, 491), **first)
    for given in ({}, {"dtype": "float16"}, {"observe": "gradients"}):
        yield Case.of("Flatten", (2, 35, 9, 11), **given, **first)


class Flatten(Plain):
    """The fifth section of the documentation: all axes but the batch in one."""

    family = "flatten"
    moves = True
    signature = {"data_format": None}
    integer_dtypes = INTEGER_DTYPES
    left_out_kinds = values.ONLY_OF_SUMS
    input_ranks = (1, 2, 3, 4, 5, 6)
    covers = {
        "output": outputs.FLATTEN_OUTPUT,
        "gradients": covers_gradients.FLATTEN,
        "shape": outputs.FLATTEN_SHAPE,
        "rejection": covers_rejections.FLATTEN,
    }
    grids = {
        "smoke": (_smoke, arguments.smoke, rejections.smoke, _few_gradients),
        "standard": (
            _standard,
            arguments.pairs,
            _symbolic,
            scenarios.cases,
            rejections.values,
            rejections.relations,
            _gradients,
            calls.histories,
            calls.byte_orders,
            calls.moved_views,
            _long,
        ),
        "full": (),
    }
    factors = {
        "data_format": DATA_FORMAT,
        "dtype": COMMON["dtype"],
        "operands": COMMON["operands"],
        "batch": COMMON["batch"],
    }
    spatial = (4, 5)
    accepted = ((2, 3, 4), {})
    bad_values = {"data_format": FORMATS, "foo": (1,)}
    wrong_ranks = ((),)
    other_values = {"data_format": "channels_first"}
    positions = (1,)

    def objections_to_input(self, case: Case) -> Iterator[str]:
        """As `Layer.objections_to_input`."""
        if not case.inputs:
            yield "inputs: a batch axis is expected"

    def output_shape(self, case: Case) -> tuple[int | None, ...]:
        """The batch, and the product of the other lengths."""
        batch, *rest = case.inputs or ()
        known = [size for size in rest if size is not None]
        return batch, prod(known) if len(known) == len(rest) else None

    def output(self, case: Case, operands: Operands) -> Sequence[Any]:
        """Each sample's elements, the channels varying fastest."""
        from conformance.judge.definition.layers import exact_values, flatten_order

        order = flatten_order(operands.inputs.shape[1:], facts(case).channels_first)
        return [sample[place].item() for sample in exact_values(operands.inputs) for place in order]

    def gradients(self, case: Case, operands: Operands) -> dict[str, Array]:
        """The upstream elements in the places of the inputs."""
        from conformance.judge.definition.backward import flattened

        first = facts(case).channels_first
        return {"inputs": flattened(operands.inputs, operands.upstream, first)}

    def predict(
        self, case: Case, operands: Operands, steps: Steps, *, with_error: bool
    ) -> Prediction:
        """As `Layer.predict`."""
        from conformance.diagnosis.evaluation import predict_flatten

        del with_error
        return predict_flatten(case, operands, steps)

    def draw(self, draw: Callable[[Any], Any]) -> Case:
        """As `Layer.draw`."""
        from conformance.cases import drawing  # needs Hypothesis

        case: Case = draw(drawing.flattened(self.name))
        return case
