"""The symbolic calls of a layer: its input, its output and their shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reference_impl.engine.keras_tensor import KerasTensor, Node
from reference_impl.showing import shown


class LayerNodes:
    """The part of `Layer` that a graph is made of."""

    name: str
    inbound_nodes: list[Node]
    _build_shape: Any
    compute_output_shape: Callable[..., Any]

    def _first_call(self, what: str) -> Node:
        if not self.inbound_nodes:
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} was never called on a symbolic tensor and "
                f"has no `{what}`"
            )
        return self.inbound_nodes[0]

    @property
    def input(self) -> Any:
        """The symbolic tensor that the layer was first called on."""
        return _single(self._first_call("input").inputs)

    @property
    def output(self) -> Any:
        """The symbolic tensor that the layer's first symbolic call returned."""
        return _single(self._first_call("output").outputs)

    @property
    def input_shape(self) -> Any:
        """Shape of the inputs, batch included: of the symbolic calls, else as built.

        Raises:
            AttributeError: if the layer was neither called nor built, or on several shapes.
        """
        return self._shape_of_calls("input_shape", [node.inputs for node in self.inbound_nodes])

    @property
    def output_shape(self) -> Any:
        """Shape of the outputs, batch included: of the symbolic calls, else as built.

        Raises:
            AttributeError: if the layer was neither called nor built, or on several shapes.
        """
        return self._shape_of_calls("output_shape", [node.outputs for node in self.inbound_nodes])

    def _shape_of_calls(self, what: str, calls: list[tuple[KerasTensor, ...]]) -> Any:
        if not calls and self._build_shape is not None:
            built = self._build_shape
            return built if what == "input_shape" else self.compute_output_shape(built)
        shapes = list(dict.fromkeys(tuple(tensor.shape for tensor in call) for call in calls))
        if len(shapes) != 1:
            reason = f"was called on several shapes, {shown(shapes)}" if shapes else "is not built"
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} {reason} and has no `{what}`"
            )
        return _single(shapes[0])


def _single(items: tuple[Any, ...]) -> Any:
    return items[0] if len(items) == 1 else [*items]
