"""Input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.cases.case import Case
from conformance.cases.grids import rejections, scenarios
from conformance.judge.definition.arguments import DTYPES, is_shape, objections_to_values
from conformance.layers.plain import Plain
from conformance.spec.covers import outputs
from conformance.spec.covers import rejections as covers_rejections


def _shapes() -> Iterator[Case]:
    """Shapes with and without free lengths."""
    for free_batch in (
        (32,),
        (10, 32),
        (None, 128),
        (128, 128, 3),
        (),
        (None, None, 3),
        (1,),
        (0,),
    ):
        yield Case.of("Input", shape=free_batch, observe="shape")
    for whole in ((10, 32), (None, 32), (None, None, 4), (1, 28, 28, 1), (0, 3)):
        yield Case.of("Input", batch_shape=whole, observe="shape")
    yield Case.of("Input", shape=[4, 5], observe="shape")
    yield Case.of("Input", shape=(3,), batch_shape=None, observe="shape")


class Input(Plain):
    """The sixth section of the documentation: it declares a shape, and takes no inputs."""

    family = "input"
    module = "engine.input_layer"
    takes_inputs = False
    undocumented = ("batch_size", "ragged", "optional")
    signature = {
        "shape": None,
        "batch_shape": None,
        "name": None,
        "dtype": None,
        "sparse": False,
        "tensor": None,
    }
    shape_arguments = ("shape", "batch_shape")
    covers = {"shape": outputs.INPUT_SHAPE, "rejection": covers_rejections.INPUT}
    grids = {
        "smoke": (rejections.smoke,),
        "standard": (_shapes, scenarios.cases, rejections.relations),
        "full": (),
    }
    bad_arguments = (
        {},
        {"shape": None},
        {"shape": (3,), "batch_shape": (2, 3)},
        {"shape": (3,), "batch_shape": (None, 3)},
        {"shape": (-1,)},
        {"shape": (4, -3)},
        {"shape": (2.5,)},
        {"shape": ("3",)},
        {"shape": 2.5},
        {"batch_shape": (2, -3)},
        {"batch_shape": (-2, 3)},
        {"batch_shape": (2, 1.5)},
        {"batch_shape": 2.5},
        {"shape": (3,), "dtype": "foo"},
        {"shape": (3,), "tensor": 3},
        {"shape": (3,), "tensor": "foo"},
        {"shape": (3,), "name": 3},
        {"shape": (3,), "sparse": "no"},
        {"shape": (3,), "foo": 1},
    )

    def objections(self, case: Case) -> Iterator[str]:
        """As `Layer.objections`."""
        given = case.keywords
        yield from objections_to_values(self, given)
        sources = [n for n in ("shape", "batch_shape", "tensor") if given.get(n) is not None]
        if not sources:
            yield "shape=None: one of shape, batch_shape and tensor is expected"
        if sources[:2] == ["shape", "batch_shape"]:
            yield "batch_shape: only one of shape and batch_shape is expected"
        for name in self.shape_arguments:
            if given.get(name) is not None and not is_shape(given[name]):
                yield f"{name}={given[name]!r}: a tuple of lengths, or None where free, is expected"
        if isinstance(given.get("tensor"), int | float | str | tuple | list):
            yield f"tensor={given['tensor']!r}: a tensor is expected"
        if case.dtype not in DTYPES:
            yield f"dtype={case.dtype!r}: a dtype's name is expected"

    def output_shape(self, case: Case) -> tuple[int | None, ...]:
        """The shape that is declared."""
        given = case.keywords
        if given.get("batch_shape") is not None:
            return tuple(given["batch_shape"])
        return (given.get("batch_size"), *given["shape"])

    def made_by(self, keras: Any, arguments: Mapping[str, Any]) -> Any:
        """The symbolic tensor."""
        return keras.Input(**arguments)

    def has_dtype_argument(self, dtype: str) -> bool:
        """Whether the dtype is given: not where it is the default."""
        return super().has_dtype_argument(dtype) and dtype != "float32"

    def draw(self, draw: Callable[[Any], Any]) -> Case:
        """As `Layer.draw`."""
        from conformance.cases import drawing  # needs Hypothesis

        case: Case = draw(drawing.declared(self.name))
        return case
