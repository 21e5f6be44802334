"""What the way back from torch claims, on torch: same where it says so, other where it does not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import reference_impl as keras
from conformance.explain.torch_call import answer
from conformance.explain.torch_module import TorchCallError

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore:Using padding=.same.")]

CONVOLUTIONS = [
    f"Conv1d(2, 3, {k}, stride={s}, padding={p}, dilation={d})"
    for k, s, p, d in itertools.product(range(1, 5), range(1, 4), range(4), range(1, 3))
] + [f"Conv1d(2, 3, {k}, padding='same')" for k in range(1, 5)]
PADDED = [
    f"Sequential(nn.ZeroPad1d(({before}, {after})), nn.Conv1d(2, 3, {k}, stride={s}, dilation={d}))"
    for before, after, k, s, d in itertools.product(range(4), range(3), (2, 3), (1, 2), (1, 2))
]
POOLINGS = [
    f"MaxPool1d({k}, {s}, {p}, ceil_mode={c})"
    for k, s, p, c in itertools.product(range(1, 5), range(1, 4), range(3), (False, True))
]


def outputs_of(torch, text, inputs):
    """Torch's output, and the oracle's weights for it."""
    whole = eval(f"nn.{text}", {"nn": torch.nn})
    module = whole[-1] if text.startswith("Sequential") else whole
    weights = []
    if hasattr(module, "weight"):
        shape = module.weight.shape
        values = torch.arange(1, module.weight.numel() + 1, dtype=torch.float32).reshape(shape)
        module.weight.data, module.bias.data = values, torch.arange(3.0)
        weights = [values.permute(2, 1, 0).numpy(), np.arange(3, dtype=np.float32)]
    with torch.no_grad():
        outputs = whole(torch.from_numpy(inputs))
    return outputs.numpy(), weights


def documented(case, weights, images):
    layer = getattr(keras.layers, case.layer)(**case.keywords)
    layer.build(images.shape)
    if weights:
        layer.set_weights(weights)
    return layer(images)


@pytest.mark.parametrize(
    "texts", [CONVOLUTIONS, PADDED, POOLINGS], ids=["convolutions", "padded", "poolings"]
)
def test_the_same_is_the_same_and_the_other_is_other(texts):
    """Over all small arguments and lengths, with every element and every tap another number."""
    torch = pytest.importorskip("torch")
    counts = {"same": 0, "other": 0, "refused": 0}
    for text, length in itertools.product(texts, range(1, 9)):
        inputs = np.arange(1, 2 * length + 1, dtype=np.float32).reshape(1, 2, length)
        try:
            answered = answer(text, inputs.shape)
        except TorchCallError:
            with pytest.raises(RuntimeError):
                outputs_of(torch, text, inputs)
            counts["refused"] += 1
            continue
        actual, weights = outputs_of(torch, text, inputs)
        assert actual.shape == answered.torch_output
        images = inputs.transpose(0, 2, 1)
        for subject in answered.candidates.values():
            if subject.output_shape is None:
                continue
            expected = documented(subject.case, weights, images).transpose(0, 2, 1)
            if subject is answered.same:
                assert np.array_equal(actual, expected), (text, length)
            elif answered.same is None and len(weights) and length > 4:
                assert not np.array_equal(actual, expected), (text, length)
        counts["same" if answered.same else "other"] += 1
    assert min(counts.values()) > 20, counts
