"""The adapters of tf.keras and torch.nn: variants, options that the framework lacks, rejections."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from conformance.cases.case import Case, parse
from conformance.cases.operands import operands
from conformance.implementations import registry
from conformance.implementations.observation import evaluate
from conformance.judge.activations import ACTIVATIONS as DOCUMENTED_ACTIVATIONS
from conformance.judge.verdict import Verdict
from conformance.outcomes import Rejection, Unsupported, Value
from conformance.running.runner import run

pytestmark = pytest.mark.live

TENSORFLOW = [entry.name for entry in registry.builtin() if entry.name.startswith("tf.keras")]
TORCH = [entry.name for entry in registry.builtin() if entry.name.startswith("torch.nn")]


def cases_of_every_kind() -> Iterator[Case]:
    """A few of each layer, layout, dtype and observation, none near a known deviation."""
    for data_format, dtype in product(("channels_last", "channels_first"), ("float32", "float16")):
        shape = (2, 7, 8, 3) if data_format == "channels_last" else (2, 3, 7, 8)
        common: dict[str, Any] = {"data_format": data_format, "dtype": dtype}
        yield Case.of("Conv2D", shape, filters=5, kernel_size=(3, 2), padding="same", **common)
        yield Case.of("MaxPooling2D", shape, padding="same", strides=3, **common)
        yield Case.of("Flatten", shape, **common)
    for operand_kind in ("strided", "reversed", "readonly"):
        yield Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=3, operands=operand_kind)
    yield Case.of("MaxPooling1D", (2, 9, 3), dtype="int32", padding="same", pool_size=4)
    yield Case.of("Conv2D", (2, 7, 8, 3), filters=5, kernel_size=(3, 2), dtype="bfloat16")
    yield Case.of("Conv1D", (None, 9, 3), filters=4, kernel_size=3, observe="shape")
    yield Case.of("Conv1D", (2, 9, 3), filters=0, kernel_size=3, observe="rejection")
    yield Case.of("Conv2D", (2, 2, 8, 3), filters=4, kernel_size=3, observe="rejection")


CASES = tuple(cases_of_every_kind())


def test_every_mode_of_tensorflow_conforms() -> None:
    """All of them at work at the same time.

    Channels_first is unsupported where TensorFlow has no kernel, which also shows that the variants
    run with and without those of oneDNN.  Whether it has float16 kernels, and is chosen by default,
    depends on the processor.
    """
    for result in run(CASES, TENSORFLOW):
        name, case = result.implementation, result.case
        assert result.verdict in (_OK, _UNSUPPORTED), (name, case, result.message)
        concerned = case.layer == "Conv2D" and case.keywords.get("data_format") == "channels_first"
        is_unsupported = result.verdict is _UNSUPPORTED
        if not concerned or name.startswith("tf.keras[jit"):
            assert not is_unsupported, (name, case)
        elif "onednn=off" in name:
            assert is_unsupported, (name, case)
        elif "onednn=on" in name and case.dtype == "float32":
            assert not is_unsupported, (name, case)


@pytest.mark.parametrize("name", TORCH)
def test_every_mode_of_torch_conforms(name: str) -> None:
    results = list(run(CASES, [name]))
    assert [(r.case, r.message) for r in results if r.verdict not in (_OK, _UNSUPPORTED)] == []
    unsupported = [r.case.descriptor for r in results if r.verdict is _UNSUPPORTED]
    assert unsupported == ["Conv1D/observe:shape/inputs:Nonex9x3/filters:4/kernel_size:3"]


_OK = Verdict.CONFORMS
_UNSUPPORTED = Verdict.UNSUPPORTED


@pytest.fixture
def torch_nn() -> Iterator[Any]:
    """The adapter's module, with torch's oneDNN switch as it was afterwards."""
    import torch

    from conformance.implementations import torch_nn as module

    before = torch.backends.mkldnn.enabled
    yield module
    torch.backends.mkldnn.set_flags(before)


def sizes() -> Iterator[tuple[int, int, int, int]]:
    """Length, window, stride, dilation."""
    for n, k, s, d in product((1, 2, 5, 6), (1, 2, 3, 4), (1, 2, 3, 5), (1, 2)):
        if s == 1 or d == 1:
            yield n, k, s, d


def test_same_padding_is_expressed_for_every_geometry(torch_nn: Any) -> None:
    """Strides, odd totals, windows larger than the input: torch alone has no SAME for them."""
    implementation = torch_nn.load()
    for n, k, s, d in sizes():
        case = Case.of(
            "Conv1D",
            (1, n, 2),
            filters=3,
            kernel_size=k,
            strides=s,
            dilation_rate=d,
            padding="same",
        )
        outcome = evaluate(implementation, case, operands(case))
        assert isinstance(outcome, Value), case
        assert np.array_equal(outcome.value, convolution(case)), case


def convolution(case: Case) -> Any:
    """Padding first the smaller half, then the definition's sum, exact on these operands."""
    arrays = operands(case)
    assert arrays.inputs is not None
    kernel, bias = arrays.weights["kernel"], arrays.weights["bias"]
    n, k = arrays.inputs.shape[1], kernel.shape[0]
    s, d = case.keywords["strides"], case.keywords["dilation_rate"]
    length = -(-n // s)
    total = max((length - 1) * s + (k - 1) * d + 1 - n, 0)
    padded = np.pad(arrays.inputs, ((0, 0), (total // 2, total - total // 2), (0, 0)))
    taps = [padded[:, t * d : t * d + (length - 1) * s + 1 : s] @ kernel[t] for t in range(k)]
    return sum(taps) + bias


def test_pooling_pads_with_what_never_wins(torch_nn: Any) -> None:
    for dtype, n, k, s in product(("float32", "int8"), (1, 2, 5, 6), (1, 2, 3, 4), (1, 2, 3)):
        case = Case.of(
            "MaxPooling1D",
            (2, n, 3),
            pool_size=k,
            strides=s,
            padding="same",
            dtype=dtype,
            operands="negative",
        )
        outcome = evaluate(torch_nn.load(), case, operands(case))
        assert isinstance(outcome, Value), case
        assert outcome.value.dtype == dtype
        assert outcome.value.max() < 0, case


def test_every_documented_activation_is_expressed() -> None:
    from conformance.implementations.torch_activations import ACTIVATIONS

    assert set(DOCUMENTED_ACTIVATIONS) - set(ACTIVATIONS) == set()


@pytest.mark.parametrize("last", [False, True])
def test_the_memory_format_is_the_variants(
    last: bool, torch_nn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    seen = []

    def forward(module: Any, x: Any) -> Any:
        seen.append(x.is_contiguous(memory_format=torch.channels_last))
        return x

    monkeypatch.setattr(torch.nn.MaxPool2d, "forward", forward)
    case = Case.of("MaxPooling2D", (2, 7, 8, 3))
    evaluate(torch_nn.load(last=last), case, operands(case))
    assert seen == [last, last]


@pytest.mark.parametrize("enabled", [False, True])
def test_mkldnn_is_switched_as_the_variant_says(enabled: bool, torch_nn: Any) -> None:
    import torch

    torch_nn.load(mkldnn=enabled)
    assert torch.backends.mkldnn.enabled is enabled


@pytest.mark.parametrize(
    ("descriptor", "reason"),
    [
        ("Conv1D/observe:losses/filters:2/kernel_size:2", "no Keras-style model API"),
        ("Input/observe:shape/shape:(3,)", "no Keras-style model API"),
        ("MaxPooling2D/inputs:2x7x8x3/dtype:uint16", "no MaxPooling2D in uint16"),
        ("MaxPooling2D/inputs:2x7x8x0", "no empty axis but the batch"),
        ("Conv1D/inputs:2x0x3/filters:4/kernel_size:2/padding:same", "no empty spatial axis"),
        ("Conv1D/observe:shape/inputs:Nonex8x3/filters:4/kernel_size:3", "free length"),
        (
            "Conv1D/observe:rejection/inputs:2x8x3/filters:4/kernel_size:3/kernel_initializer:foo",
            "no argument that corresponds to kernel_initializer",
        ),
        (
            "Flatten/observe:rejection/inputs:2x3x4/data_format:tf",
            "no argument that corresponds to data_format",
        ),
    ],
)
def test_what_torch_cannot_express_is_declared(descriptor: str, reason: str, torch_nn: Any) -> None:
    case = parse(descriptor)
    outcome = evaluate(torch_nn.load(), case, operands(case))
    assert isinstance(outcome, Unsupported)
    assert reason in outcome.reason


@pytest.mark.parametrize(
    ("fragment", "exception"),
    [
        ("kernel_size:0", "RuntimeError"),
        ("kernel_size:'3'", "TypeError"),
        ("kernel_size:3/strides:0", "RuntimeError"),
        ("kernel_size:3/padding:full", "ValueError"),
        ("kernel_size:3/foo:1", "TypeError"),
        ("kernel_size:9", "RuntimeError"),
    ],
)
def test_rejections_are_torchs_own(fragment: str, exception: str, torch_nn: Any) -> None:
    case = parse(f"Conv1D/observe:rejection/inputs:2x8x3/filters:4/{fragment}")
    outcome = evaluate(torch_nn.load(), case, operands(case))
    assert isinstance(outcome, Rejection)
    assert outcome.exception == exception


def test_unbatched_input_is_offered_as_torch_takes_it(torch_nn: Any) -> None:
    """The adapter must not turn into a rejection what torch documents that it accepts."""
    case = parse("Conv2D/observe:rejection/inputs:7x8x3/filters:4/kernel_size:3x2")
    outcome = evaluate(torch_nn.load(), case, operands(case))
    assert outcome == Value("an array of shape (4, 5, 7) and dtype float32")
