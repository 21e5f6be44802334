"""Convolutions against their definition on exact integers, over all formats and operand kinds."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
from adversarial import ALL_FORMATS, ALL_KINDS, Problem, make_operands, problems
from exact_convolution import check_rounding, exact_convolution

from reference_impl.ops.convolution import convolution_sums, plain_convolution
from reference_impl.ops.evaluation import evaluate
from reference_impl.ops.formats import FORMATS, Format
from reference_impl.ops.geometry import window_axes

ELEMENTS = 1500
"""Outputs per format and kind."""


def get_format(name: str) -> Format:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return FORMATS[name]


def mismatches(problem: Problem, kind: str, format: Format, seed: int) -> list[str]:
    """Complaints about one convolution; every other one has a bias."""
    random = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    x, w, b = make_operands(kind, problem, format, random)
    bias = b if seed % 2 else None
    certified = evaluate(convolution_sums(x, w, bias, problem.axes), None, format)
    assert certified.value.dtype == format.dtype
    exact = exact_convolution(x, w, bias, problem.axes, format.quantum_exponent)
    values = certified.value.astype(np.float64).reshape(-1).tolist()
    complaints = (check_rounding(v, e, format) for v, e in zip(values, exact, strict=True))
    return [complaint for complaint in complaints if complaint]


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("name", ALL_FORMATS)
def test_every_value_is_the_exact_sum_rounded_once(name: str, kind: str) -> None:
    format = get_format(name)
    for seed, problem in enumerate(problems(ELEMENTS)):
        assert mismatches(problem, kind, format, seed) == [], (problem, seed)
