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


def torch_forms(torch: Any, array: Any) -> dict[str, Any]:
    """One array as tensors that say by a bit, a stride or a graph what their elements are."""
    plain = torch.from_numpy(array.copy())
    with torch.inference_mode():
        inferred = plain + 0
    return {
        "a leaf with gradient": plain.clone().requires_grad_(),
        "a result with gradient": plain.clone().requires_grad_() * 1,
        "a parameter": torch.nn.Parameter(plain.clone()),
        "the negative bit": torch._neg_view(-plain),
        "the imaginary part of a conjugate": torch.complex(plain, -plain).conj().imag,
        "not contiguous": plain.permute(2, 1, 0).contiguous().permute(2, 1, 0),
        "inference mode": inferred,
        "a list of tensors with gradient": [*plain.clone().requires_grad_()],
    }


def test_whatever_a_torch_tensor_is_its_values_count() -> None:
    """Gradients, negative and conjugate bits, strides: as inputs, as output, and for the layer."""
    import torch

    inputs = real(2, 7, 3)
    layer = oracle(reference_impl.layers.Conv1D(4, 3), inputs)
    forms, outputs = torch_forms(torch, inputs), torch_forms(torch, layer(inputs))
    for name, form in forms.items():
        assert layer(form).tobytes() == layer(inputs).tobytes(), name
        assert_conforms(outputs[name], layer, form)
        with pytest.raises(AssertionError, match="elements are wrong"):
            assert_conforms(outputs[name], layer, inputs * np.float32(1.01))


def test_tensors_without_values_are_refused() -> None:
    """Meta and fake tensors, symbolic, sparse and quantised ones."""
    import keras
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    inputs = real(2, 7, 3)
    layer = oracle(reference_impl.layers.Conv1D(4, 3), inputs)
    plain = torch.from_numpy(inputs)
    with FakeTensorMode():
        fake = torch.empty(2, 7, 3)
    for tensor in (
        torch.empty((2, 7, 3), device="meta"),
        fake,
        plain.to_sparse(),
        keras.KerasTensor((2, 7, 3)),
    ):
        with pytest.raises((TypeError, ValueError), match="argument `inputs` is"):
            layer(tensor)
        with pytest.raises(TypeError, match=r"of shape \(2, 7, 3\) and dtype .*not convertible"):
            assert_conforms(layer(inputs), layer, tensor)
        with pytest.raises(AssertionError, match="an array is expected, but the output is"):
            assert_conforms(tensor, layer, inputs)


def test_tensorflow_and_jax_arrays() -> None:
    """Constants and variables of TensorFlow and Keras, and arrays of JAX, as inputs and output."""
    import keras
    import tensorflow as tf

    inputs = real(2, 7, 3)
    layer = oracle(reference_impl.layers.Conv1D(4, 3), inputs)
    makers = [tf.constant, tf.Variable, keras.Variable]
    try:
        import jax.numpy
    except ImportError:
        pass  # JAX is not among the frameworks that the suite needs
    else:
        makers.append(jax.numpy.asarray)
    for make in makers:
        assert layer(make(inputs)).tobytes() == layer(inputs).tobytes()
        assert_conforms(make(layer(inputs)), layer, make(inputs))
        with pytest.raises(AssertionError, match="elements are wrong"):
            assert_conforms(make(layer(inputs) * np.float32(1.01)), layer, inputs)
