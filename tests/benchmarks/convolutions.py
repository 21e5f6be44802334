"""Times of plain and certified convolutions, as ratios within one run.

    OPENBLAS_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks convolutions [SHAPE ...]

Per shape, with M windows of K products and F filters: how fast the plain convolution is beside
NumPy's matrix product of the same M, K, F (``matmul``, 1 is as fast), and how much longer certified
values take than the plain float64 convolution (``certified32``, ``certified64``), with the number
of elements that went to the exact path.  Medians of processor time, the candidates taking turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from reference_impl.ops.convolution import convolution_sums, plain_convolution
from reference_impl.ops.evaluation import Certified, evaluate
from reference_impl.ops.formats import format_of
from reference_impl.ops.geometry import window_axes

Sizes = tuple[int, ...]

SHAPES: dict[str, tuple[Sizes, Sizes, int, int, int, str]] = {
    "lenet-1": ((32, 28, 28, 1), (5, 5), 6, 1, 1, "same"),
    "lenet-2": ((32, 14, 14, 6), (5, 5), 16, 1, 1, "valid"),
    "cifar": ((32, 32, 32, 3), (3, 3), 32, 1, 1, "same"),
    "resnet-56x64": ((1, 56, 56, 64), (3, 3), 64, 1, 1, "same"),
    "resnet-1x1": ((1, 56, 56, 64), (1, 1), 256, 1, 1, "valid"),
    "resnet-stem": ((1, 224, 224, 3), (7, 7), 64, 2, 1, "same"),
    "resnet-14x256": ((1, 14, 14, 256), (3, 3), 256, 1, 1, "same"),
    "resnet-7x512": ((1, 7, 7, 512), (3, 3), 512, 1, 1, "same"),
    "resnet-28x128": ((1, 56, 56, 128), (3, 3), 128, 2, 1, "same"),
    "vgg-1": ((1, 224, 224, 3), (3, 3), 64, 1, 1, "same"),
    "aspp": ((1, 33, 33, 512), (3, 3), 256, 1, 12, "same"),
    "audio": ((4, 16000, 1), (80,), 128, 4, 1, "valid"),
    "conv1d": ((1, 1024, 512), (3,), 512, 1, 1, "same"),
    "wavenet": ((1, 16512, 32), (2,), 64, 1, 512, "valid"),
    "tiny": ((2, 7, 8, 3), (3, 3), 4, 1, 1, "valid"),
}
"""Input, window, filters, stride, dilation, padding."""


def medians(candidates: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of processor time of each candidate."""
    times: list[list[float]] = [[] for _ in candidates]
    for repeat in range(repeats + 1):
        for candidate, taken in zip(candidates, times, strict=True):
            started = time.process_time()
            candidate()
            if repeat:
                taken.append(time.process_time() - started)
    return [statistics.median(taken) for taken in times]


def report(name: str) -> str:
    """One line about one shape."""
    shape, window, filters, stride, dilation, padding = SHAPES[name]
    spatial, rank = shape[1:-1], len(window)
    axes = window_axes(spatial, window, (stride,) * rank, (dilation,) * rank, padding)
    random = np.random.default_rng(0)
    wide = [random.standard_normal(s) for s in (shape, (*window, shape[-1], filters), (filters,))]
    narrow = [operand.astype(np.float32) for operand in wide]

    def certified(operands: list[np.ndarray]) -> Certified:
        sums = convolution_sums(operands[0], operands[1], operands[2], axes)
        return evaluate(sums, None, format_of(operands[0].dtype))

    windows = plain_convolution(wide[0], wide[1], axes).size // filters
    products = wide[1].size // filters
    matrices = random.standard_normal((windows, products)), wide[1].reshape(products, filters)
    singles = matrices[0].astype(np.float32), matrices[1].astype(np.float32)
    matmul32, plain32, matmul64, plain64, certified32, certified64 = medians(
        [
            lambda: singles[0] @ singles[1],
            lambda: plain_convolution(narrow[0], narrow[1], axes),
            lambda: matrices[0] @ matrices[1],
            lambda: plain_convolution(wide[0], wide[1], axes),
            lambda: certified(narrow),
            lambda: certified(wide),
        ],
        repeats=max(5, min(51, int(5e9 / (windows * products * filters)))),
    )
    return (
        f"{name:14} M {windows:6} K {products:5} F {filters:4}"
        f"  plain32 {plain32 * 1e3:7.3f} ms, matmul {matmul32 / plain32:.2f}"
        f"  plain64 {plain64 * 1e3:7.3f} ms, matmul {matmul64 / plain64:.2f}"
        f"  certified32 {certified32 / plain64:5.2f} ({certified(narrow).resolved})"
        f"  certified64 {certified64 / plain64:5.2f} ({certified(wide).resolved})"
    )


def main(arguments: Sequence[str]) -> None:
    """Print a line for each of the shapes named, or for all."""
    for chosen in arguments or SHAPES:
        print(report(chosen), flush=True)
