"""Outputs and gradients judged in someone's own tests: `assert_conforms`.

A converted layer, weights moved from Keras' layout ``(*window, channels, filters)`` to PyTorch's::

    layer = keras.layers.Conv2D(4, (3, 3), padding="same")       # reference_impl as keras
    layer.build(inputs.shape)
    kernel, bias = layer.get_weights()
    module.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    module.bias.data = torch.from_numpy(bias)
    outputs = module(torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy()))
    assert_conforms(outputs.permute(0, 2, 3, 1), layer, inputs)

A custom Keras layer, its own weights given to the oracle::

    layer = keras.layers.Conv1D(4, 3, activation="relu")
    layer.build(inputs.shape)
    layer.set_weights(custom.get_weights())
    assert_conforms(custom(inputs), layer, inputs)

A bare function::

    layer = keras.layers.MaxPooling1D(3, strides=2, padding="same")
    assert_conforms(pool(inputs, 3, 2), layer, inputs)

Gradients, of any framework, by name::

    gradients = {"inputs": x.grad, "kernel": kernel_gradient, "bias": module.bias.grad}
    assert_conforms(gradients, layer, inputs, upstream=upstream)

The judge is that of the suite (`conformance.judge`): shape, dtype, then each element against the
largest error that correct arithmetic can make; no tolerance is chosen.  Where the operands make
every order of summation exact, as small integers do, the sums have to be exact.
"""

from __future__ import annotations

from typing import Any

from conformance.asserting.gradients import assert_gradients_conform
from conformance.asserting.layer import assert_layer_conforms


def assert_conforms(actual: Any, layer: Any, inputs: Any, upstream: Any = None) -> None:
    """Assert that an output is what a layer is documented to make of its inputs.

    Args:
        actual: the output: a NumPy array, a tensor of PyTorch, TensorFlow or any other framework
            that NumPy converts, or nested lists (floats count as the layer's dtype if they are
            numbers of it, else as float64).  With `upstream`, a dict of gradients: ``inputs``,
            ``kernel``, ``bias``, or some of them, the kernel's in Keras' layout.  Of a model, its
            output, a list of its outputs, or a dict of outputs by layer name.
        layer: a built Conv1D, Conv2D, MaxPooling1D, MaxPooling2D or Flatten of `reference_impl`,
            with the weights of the layer under test; its dtype is the dtype expected.  Or a whole
            built model of `reference_impl`, of which the first wrong layer is named
            (`assert_model_conforms`).
        inputs: the inputs that `actual` was made of; converted to the layer's dtype first.
        upstream: the gradient of some scalar with respect to the layer's output.

    Both may be in any byte order and memory layout, memory-mapped, or tensors on a device, with
    gradients, or lists of them.  Masked arrays, which leave out elements, are refused.

    An activation may be one of Keras' with parameters, or a function of the caller's own: it is
    then evaluated in float64.  Where it is piecewise linear its slopes give the bound, where it is
    one of Keras', however written, the errors of its formula do; else its own evaluation shows how
    far errors of the sums can reach, and the message says so.  For gradients the slopes of a
    function of the caller's own are differences in float64.

    Raises:
        AssertionError: if it is not.  The message counts the wrong elements, shows the worst
            with index, value, expected value and error in units of the bound, and names the known
            fault that explains them, if one does.  Where the shape is wrong it says which
            permutation of axes would fit, and whether the values would then be right.
        TypeError: if `layer` is none of those layers, or of a subclass with a `call` or other code
            of its own, which would be judged by itself; or if `inputs` is no array.
        ValueError: if the layer is not built, does not take the inputs, or has an activation that
            cannot be evaluated, or that is the caller's own and mixes elements where gradients are
            judged.
    """
    __tracebackhide__ = True
    from reference_impl.engine.model import Model

    if isinstance(layer, Model):
        _assert_model(actual, layer, inputs, upstream)
    elif upstream is not None:
        assert_gradients_conform(actual, layer, inputs, upstream)
    else:
        assert_layer_conforms(actual, layer, inputs)


def _assert_model(actual: Any, model: Any, inputs: Any, upstream: Any) -> None:
    __tracebackhide__ = True
    from conformance.models.assertions import assert_model_conforms

    if upstream is not None:
        raise TypeError(
            "assert_conforms: argument `upstream` is given with a model; gradients are judged by "
            "layer"
        )
    assert_model_conforms(actual, model, inputs)
