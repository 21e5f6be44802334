"""Penalties: what regularizers add to the losses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.scenarios.scenario import (
    Scenario,
    listed,
    significant,
    tabulated,
)
from conformance.cases.scenarios.weighted import (
    built,
    each_layer,
    inputs_of,
    objects,
    of,
    of_each,
)

_KERNEL: Final = np.array([[[1, -2], [3, -4]], [[0, 1], [-1, 2]]], np.float32) / 2
_BIAS: Final = np.array([0.5, -1.5], np.float32)

_SUMS: Final = {
    "kernel_regularizer": (7.0, 9.0),
    "bias_regularizer": (2.0, 2.5),
    "activity_regularizer": (4.0, 5.0),
}
"""Sums of absolute values and of squares.

The kernel's magnitudes are 1/2, 1, 3/2, 2, 0, 1/2, 1/2, 1: 7 in all, their squares 9.  The bias has
1/2 and 3/2: 2 and 5/2.  The input is zero, so that the output is the bias at 2 positions of 2
samples: 8 and 10, divided by the batch of 2.
"""


def _losses(keras: Any, case: Case, **changes: Any) -> Any:
    layer = built(keras, case, **changes)
    kernel_shape = layer.get_weights()[0].shape
    layer.set_weights([_KERNEL.reshape(kernel_shape), _BIAS])
    layer(np.zeros(inputs_of(case.layer), np.float32))
    return sorted(significant(loss) for loss in layer.losses)


def _observe_losses(keras: Any, case: Case) -> Any:
    return _losses(keras, case)


def _observe_losses_of_object(keras: Any, case: Case) -> Any:
    return _losses(keras, case, **objects(keras, case))


def _factors(identifier: Any, case: Case) -> tuple[float, float]:
    """The factors of the sum of absolute values and of the sum of squares."""
    names = {"l1": (0.01, 0.0), "l2": (0.0, 0.01), "l1l2": (0.0, 0.0)}
    if isinstance(identifier, dict):
        config = identifier["config"]
        return config.get("l1", 0.0), config.get("l2", 0.0)
    l1, l2 = listed(names, identifier.lower(), case)
    return l1, l2


def _expect_losses(case: Case) -> Any:
    """l1 times the sum of absolute values plus l2 times the sum of squares (`_SUMS`)."""
    given = [(name, value) for name, value in case.arguments if name in _SUMS]
    losses = []
    for name, identifier in given:
        l1, l2 = _factors(identifier, case)
        absolute, squares = _SUMS[name]
        losses.append(float(f"{l1 * absolute + l2 * squares:.5g}"))
    return sorted(losses)


_BOTH: Final = {"class_name": "L1L2", "config": {"l1": 0.25, "l2": 0.5}}
_FULL: Final = {"class_name": "L2", "config": {"l2": 0.5}}


def _loss_cases(layer: str) -> Iterable[Case]:
    for argument in _SUMS:
        for identifier in ("l1", "l2", _BOTH):
            yield of("losses", layer, **{argument: identifier})
    for identifier in ("L1", "L2", "l1l2", _FULL):
        yield of("losses", layer, kernel_regularizer=identifier)
    together = {"kernel_regularizer": "l2", "bias_regularizer": "l1", "activity_regularizer": _FULL}
    yield of("losses", layer, **together)
    yield of("losses", layer)


def _twice_the_first(weights: Any) -> Any:
    return 2 * weights[(0,) * len(weights.shape)]


def _observe_losses_of_callable(keras: Any, case: Case) -> Any:
    return _losses(keras, case, kernel_regularizer=_twice_the_first)


def _orthogonal(factor: float, mode: str) -> dict[str, Any]:
    parameters = {"factor": factor, "mode": mode}
    return {"class_name": "OrthogonalRegularizer", "config": parameters}


def _observe_matrix_penalty(keras: Any, case: Case) -> Any:
    """A regularizer that is for matrices, on a tensor as a layer returns it."""
    matrix = keras.layers.Flatten()(np.array([[3, 4, 0], [0, 4, 3]], np.float32))
    return significant(keras.regularizers.get(case.keywords["kernel_regularizer"])(matrix))


_MATRIX_PENALTIES: Final = {
    of("matrix_penalty", "Conv1D", kernel_regularizer="orthogonal_regularizer"): 0.0064,
    of("matrix_penalty", "Conv1D", kernel_regularizer=_orthogonal(0.5, "rows")): 0.32,
    of("matrix_penalty", "Conv1D", kernel_regularizer=_orthogonal(0.75, "columns")): 0.35355,
}
"""The matrix is (3, 4, 0), (0, 4, 3).

Both rows have length 5, and their product is 16: the one pair of rows has the cosine 16 / 25.  The
columns (3, 0), (4, 4), (0, 3) have the cosines sqrt(1/2), 0 and sqrt(1/2), on average 0.47140; a
factor 3/4 makes it sqrt(1/8).
"""


def _observe_array_penalty(keras: Any, case: Case) -> Any:
    """The same on a NumPy array."""
    matrix = np.array([[3, 4], [0, 5]], np.float32)
    return significant(keras.regularizers.get(case.keywords["kernel_regularizer"])(matrix))


_ARRAY_PENALTIES: Final = {
    of("array_penalty", "Conv1D", kernel_regularizer=_orthogonal(0.5, "rows")): 0.4,
    of("array_penalty", "Conv1D", kernel_regularizer=_orthogonal(0.5, "columns")): 0.31235,
}
"""The rows (3, 4) and (0, 5) have the cosine 4 / 5, the columns (3, 0) and (4, 5) 4 / sqrt 41."""


SCENARIOS: Final = (
    Scenario("losses", _observe_losses, _expect_losses, each_layer(_loss_cases)),
    Scenario(
        "losses_of_object",
        _observe_losses_of_object,
        _expect_losses,
        (
            *of_each("losses_of_object", kernel_regularizer=_FULL),
            *of_each("losses_of_object", activity_regularizer=_BOTH),
        ),
    ),
    Scenario(
        "losses_of_callable",
        _observe_losses_of_callable,
        lambda _: [1.0],
        of_each("losses_of_callable"),
    ),
    tabulated("matrix_penalty", _observe_matrix_penalty, _MATRIX_PENALTIES),
    tabulated("array_penalty", _observe_array_penalty, _ARRAY_PENALTIES),
)
