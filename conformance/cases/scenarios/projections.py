"""Constraints: what is applied to weights after an update."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.scenarios.scenario import (
    array,
    construct,
    decimals,
    tabulated,
)
from conformance.cases.scenarios.weighted import (
    configured,
    objects,
    of,
    of_each,
)

_CONSTRAINED_KERNEL: Final = np.array([[[3, -0.3], [0, 1]], [[4, 0.4], [0, -2]]], np.float32)
"""Along axis 0 the vectors (3, 4), (-0.3, 0.4), (0, 0), (1, -2), of lengths 5, 0.5, 0, sqrt 5."""

_CONSTRAINED_BIAS: Final = np.array([3, -4], np.float32)


def _projected(keras: Any, case: Case, **changes: Any) -> Any:
    """The layer's constraint applied to weights; a kernel is shown without axes of length 1."""
    layer = construct(keras, case, **changes)
    if layer.bias_constraint is not None:
        return decimals(layer.bias_constraint(_CONSTRAINED_BIAS))
    kernel = _CONSTRAINED_KERNEL.reshape(*facts(case).window, 2, 2)
    return decimals(array(layer.kernel_constraint(kernel)).reshape(2, 2, 2))


def _observe_projection(keras: Any, case: Case) -> Any:
    return _projected(keras, case)


def _observe_projection_of_object(keras: Any, case: Case) -> Any:
    return _projected(keras, case, **objects(keras, case))


def _halved(weights: Any) -> Any:
    return weights / 2


def _observe_projection_of_callable(keras: Any, case: Case) -> Any:
    return _projected(keras, case, kernel_constraint=_halved)


_NON_NEGATIVE: Final = [[[3.0, 0.0], [0.0, 1.0]], [[4.0, 0.4], [0.0, 0.0]]]
_AT_MOST_TWO: Final = [[[1.2, -0.3], [0.0, 0.89443]], [[1.6, 0.4], [0.0, -1.78885]]]
_AT_MOST_ONE: Final = [[[0.6, -0.3], [0.0, 0.44721]], [[0.8, 0.4], [0.0, -0.89443]]]
_EXACTLY_ONE: Final = [[[0.6, -0.6], [0.0, 0.44721]], [[0.8, 0.8], [0.0, -0.89443]]]
_BETWEEN: Final = [[[1.8, -0.6], [0.0, 1.0]], [[2.4, 0.8], [0.0, -2.0]]]
_PER_FILTER: Final = [[[1.2, -0.26186], [0.0, 0.87287]], [[1.6, 0.34915], [0.0, -1.74574]]]
_PER_ELEMENT: Final = [[[2.0, -0.3], [0.0, 1.0]], [[2.0, 0.4], [0.0, -2.0]]]
"""Derivations of the projections, for `_CONSTRAINED_KERNEL`.

* non_neg: negative values become 0.
* max_norm, at most 2: (3, 4) becomes (3, 4) 2 / 5, (1, -2) becomes (1, -2) 2 / sqrt 5.
* min_max_norm, between 0 and 1: (3, 4) / 5 and (1, -2) / sqrt 5; (-0.3, 0.4) stays.
* unit_norm: (-0.3, 0.4) / 0.5 besides; the zero vector stays zero.
* min_max_norm, between 1 and 3: (3, 4) 3 / 5, (-0.3, 0.4) / 0.5, (1, -2) stays.
* max_norm over the axes 0, 1, 2 of a Conv2D kernel, all but the filters: the first filter is
  3, 0, 4, 0 of length 5; the second -0.3, 1, 0.4, -2 of length sqrt 5.25 = 2.29129.
* max_norm over axis 0 of a Conv2D kernel with a window of 1 by 2: that axis has one element, so
  that every value is a vector of its own, and 3 and 4 become 2.
"""


def _projections(layer: str) -> dict[Case, Any]:
    stronger = configured("MaxNorm", max_value=1)
    by_arguments: list[tuple[dict[str, Any], Any]] = [
        ({"kernel_constraint": "non_neg"}, _NON_NEGATIVE),
        ({"kernel_constraint": "NonNeg"}, _NON_NEGATIVE),
        ({"kernel_constraint": "max_norm"}, _AT_MOST_TWO),
        ({"kernel_constraint": "min_max_norm"}, _AT_MOST_ONE),
        ({"kernel_constraint": "unit_norm"}, _EXACTLY_ONE),
        ({"kernel_constraint": stronger}, _AT_MOST_ONE),
        ({"bias_constraint": "non_neg"}, [3.0, 0.0]),
        ({"bias_constraint": "max_norm"}, [1.2, -1.6]),
        ({"bias_constraint": "unit_norm"}, [0.6, -0.8]),
        ({"bias_constraint": stronger}, [0.6, -0.8]),
    ]
    return {of("constrained_weights", layer, **given): values for given, values in by_arguments}


def _all_projections() -> dict[Case, Any]:
    per_filter = configured("MaxNorm", max_value=2, axis=[0, 1, 2])
    between = configured("MinMaxNorm", min_value=1, max_value=3)
    extra = {
        of("constrained_weights", "Conv1D", kernel_constraint=between): _BETWEEN,
        of("constrained_weights", "Conv2D", kernel_constraint=per_filter): _PER_FILTER,
        of(
            "constrained_weights", "Conv2D", kernel_size=(1, 2), kernel_constraint="max_norm"
        ): _PER_ELEMENT,
    }
    return _projections("Conv1D") | _projections("Conv2D") | extra


SCENARIOS: Final = (
    tabulated("constrained_weights", _observe_projection, _all_projections()),
    tabulated(
        "constrained_weights_of_object",
        _observe_projection_of_object,
        dict.fromkeys(
            of_each(
                "constrained_weights_of_object",
                kernel_constraint=configured("MaxNorm", max_value=1),
            ),
            _AT_MOST_ONE,
        ),
    ),
    tabulated(
        "constrained_weights_of_callable",
        _observe_projection_of_callable,
        dict.fromkeys(
            of_each("constrained_weights_of_callable"),
            (_CONSTRAINED_KERNEL.astype(float) / 2).round(5).tolist(),
        ),
    ),
)
