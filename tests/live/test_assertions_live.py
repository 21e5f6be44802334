"""`assert_conforms` on layers of PyTorch and Keras, as their users would write it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import reference_impl
from conformance import assert_conforms

pytestmark = pytest.mark.live


def real(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def oracle(layer: Any, inputs: Any) -> Any:
    layer.build(inputs.shape)
    weights = [real(*weight.shape, seed=n + 1) for n, weight in enumerate(layer.get_weights())]
    layer.set_weights(weights)
    return layer


def converted(layer: Any, padding: Any) -> Any:
    """A torch.nn.Conv2d with the weights of a Conv2D."""
    import torch

    kernel, bias = layer.get_weights()
    module = torch.nn.Conv2d(3, 4, layer.kernel_size, padding=padding)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()))
        module.bias.copy_(torch.from_numpy(bias))
    return module


def test_a_converted_torch_layer() -> None:
    """With its gradient still attached, and permuted back to channels last."""
    import torch

    inputs = real(2, 7, 8, 3)
    layer = oracle(reference_impl.layers.Conv2D(4, (3, 3), padding="same"), inputs)
    images = torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy())
    outputs = converted(layer, "same")(images)
    assert outputs.requires_grad
    assert_conforms(outputs.permute(0, 2, 3, 1), layer, inputs)


def test_a_converted_torch_layer_whose_kernel_was_not_moved_is_explained() -> None:
    """Rows and columns of the kernel exchanged, as a wrong permutation does."""
    import torch

    inputs = real(2, 7, 8, 3)
    layer = oracle(reference_impl.layers.Conv2D(4, (3, 3), padding="same"), inputs)
    module = converted(layer, "same")
    with torch.no_grad():
        module.weight.copy_(module.weight.transpose(2, 3).clone())
    outputs = module(torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy()))
    with pytest.raises(AssertionError, match="It is what you get when"):
        assert_conforms(outputs.permute(0, 2, 3, 1), layer, inputs)


def test_torch_bfloat16() -> None:
    import torch

    inputs = real(2, 7, 8, 3)
    keywords = {"padding": "same", "data_format": "channels_first", "dtype": "bfloat16"}
    first = inputs.transpose(0, 3, 1, 2)
    layer = oracle(reference_impl.layers.Conv2D(4, (3, 3), **keywords), first)
    module = torch.nn.Conv2d(3, 4, (3, 3), padding="same", dtype=torch.bfloat16)
    kernel, bias = (torch.from_numpy(weight.astype(np.float32)) for weight in layer.get_weights())
    with torch.no_grad():
        module.weight.copy_(kernel.permute(3, 2, 0, 1))
        module.bias.copy_(bias)
    assert_conforms(module(torch.from_numpy(first.copy()).bfloat16()), layer, first)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "softmax"])
def test_a_custom_keras_layer(activation: str) -> None:
    import keras

    @keras.saving.register_keras_serializable("tests")
    class Sliding(keras.layers.Conv1D):  # type: ignore[misc]
        """A custom layer: the convolution as a sum over the taps."""

        def call(self, inputs: Any) -> Any:
            steps = inputs.shape[1] - self.kernel_size[0] + 1
            taps = range(self.kernel_size[0])
            terms = [
                keras.ops.matmul(inputs[:, tap : tap + steps], self.kernel[tap]) for tap in taps
            ]
            return self.activation(sum(terms) + self.bias)

    inputs = real(2, 9, 3)
    custom = Sliding(4, 3, activation=activation)
    outputs = custom(inputs)
    layer = reference_impl.layers.Conv1D(4, 3, activation=activation)
    layer.build(inputs.shape)
    layer.set_weights(custom.get_weights())
    assert_conforms(outputs, layer, inputs)
    with pytest.raises(AssertionError, match="elements are wrong"):
        assert_conforms(outputs * 1.01, layer, inputs)


def test_keras_pooling_in_bfloat16() -> None:
    import keras

    inputs = np.random.default_rng(0).integers(-9, 9, (2, 7, 3)).astype(np.float32)
    outputs = keras.layers.MaxPooling1D(3, strides=2, dtype="bfloat16")(inputs)
    layer = reference_impl.layers.MaxPooling1D(3, strides=2, dtype="bfloat16")
    assert_conforms(outputs, layer, inputs)
