"""Training against Keras 3 and a loop on torch.nn: the scenarios, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

import reference_impl
from conformance.cases.facts import canonical_config
from conformance.cases.scenarios import SCENARIOS
from conformance.cases.scenarios.training import convolution_of, five_digits, plan
from reference_impl.ops.geometry import window_axes

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("default")]

CASES = {
    case.descriptor: case
    for name in ("training", "constrained_training")
    for case in SCENARIOS[name].cases
}
CHANNELS_LAST = {d: c for d, c in CASES.items() if "channels_first" not in d or "Flatten" in d}


@pytest.mark.parametrize("descriptor", CHANNELS_LAST)
def test_keras_trains_as_derived(keras3, descriptor):
    """Weights bit by bit, losses to five digits, after each step."""
    case = CHANNELS_LAST[descriptor]
    scenario = SCENARIOS[case.observe]
    assert scenario.run(keras3, case) == scenario.expected(case)


def test_keras_trains_the_documentations_example(keras3):
    scenario = SCENARIOS["trained_example"]
    case = scenario.cases[0]
    assert scenario.run(keras3, case) == scenario.expected(case)


def graph(keras):
    """A shared layer, a branch of its own, and two outputs."""
    start = keras.Input((6, 2), name="start")
    shared = keras.layers.Conv1D(
        2, 2, padding="same", name="shared", activity_regularizer=keras.regularizers.L2(0.125)
    )
    pooled = keras.layers.MaxPooling1D(1, name="pooled")(shared(start))
    flat = keras.layers.Flatten(name="flat")(shared(pooled))
    return keras.Model(start, [flat, keras.layers.Conv1D(1, 3, name="branch")(pooled)])


def trained(keras):
    """Two steps on small dyadic numbers."""
    model = graph(keras)
    generator = np.random.default_rng(5)
    shapes = [array.shape for array in model.get_weights()]
    model.set_weights([generator.integers(-1, 2, s).astype(np.float32) / 2 for s in shapes])
    x = generator.integers(-1, 2, (2, 6, 2)).astype(np.float32)
    y = [generator.integers(-1, 2, s).astype(np.float32) for s in ((2, 12), (2, 4, 1))]
    model.compile(keras.optimizers.SGD(0.25, momentum=0.5), ["mse", "mse"])
    result = model.train_on_batch(x, y)
    return result if isinstance(result, float) else result[0], model.get_weights()


def test_graphs_with_shared_layers_train_as_in_keras(keras3):
    """24 outputs make 1/24 inexact: weights to the errors of a few float32 operations.

    The weights are below 4 and made by sums of fewer than 100 products of magnitude below 4, one
    step: 100 * 2**-24 * 4 * 4 bounds what any order of summation does (see `judge.sums`).
    """
    loss, weights = trained(keras3)
    expected_loss, expected = trained(reference_impl)
    assert abs(float(loss) - expected_loss) < 100 * 2.0**-24 * 16
    for found, wanted in zip(weights, expected, strict=True):
        assert np.max(np.abs(found - wanted)) < 100 * 2.0**-24 * 16


# The same training by hand on torch.nn


def padded(torch, images, case, value):
    """Padding as `same` has it, which torch.nn does not offer beside strides."""
    config = canonical_config(case)
    window = config.get("kernel_size") or config["pool_size"]
    dilation = config.get("dilation_rate") or (1,) * len(window)
    spatial = tuple(images.shape[2:])
    axes = window_axes(spatial, window, config["strides"], dilation, config["padding"])
    sides = [side for axis in reversed(axes) for side in (axis.pad_before, axis.pad_after)]
    return torch.nn.functional.pad(images, sides, value=value)


def torch_outputs(torch, case, module, inputs):
    """The model's flat outputs and those of its convolution, channels last."""
    first = convolution_of(case)
    config = canonical_config(first)
    images = torch.from_numpy(inputs)
    images = images if config["data_format"] == "channels_first" else images.movedim(-1, 1)
    made = module(padded(torch, images, first, 0.0))
    made = torch.relu(made) if config["activation"] == "relu" else made
    outputs = made
    if case.layer.startswith("MaxPooling"):
        given = canonical_config(case)
        kind = getattr(torch.nn, f"MaxPool{case.layer[-2:].lower()}")
        pool = kind(given["pool_size"], given["strides"])
        outputs = pool(padded(torch, outputs, case, -torch.inf))
    last = outputs.movedim(1, -1)
    if case.layer == "Flatten" and canonical_config(case)["data_format"] == "channels_first":
        last = last.movedim(1, -1)
    return torch.nn.Flatten()(last), made.movedim(1, -1)


def penalty(torch, identifier, values):
    if identifier is None or values is None:
        return 0.0
    config = identifier["config"]
    return config.get("l1", 0.0) * values.abs().sum() + config.get("l2", 0.0) * values.pow(2).sum()


def constrain(torch, identifier, weight):
    """A constraint on a weight in torch's layout, whose axis 2 is Keras' axis 0."""
    if identifier is None:
        return
    if identifier == "non_neg":
        weight.clamp_(min=0)
        return
    name, config = identifier["class_name"], identifier["config"]
    norm = weight.pow(2).sum(2, keepdim=True).sqrt()
    low = {"UnitNorm": 1.0, "MaxNorm": 0.0}.get(name, config.get("min_value", 0.0))
    high = 1.0 if name == "UnitNorm" else config["max_value"]
    weight.mul_(norm.clamp(low, high) / (1e-7 + norm))


def torch_steps(torch, case):
    given, first = plan(case), convolution_of(case)
    config, keywords = canonical_config(first), case.keywords
    kind = getattr(torch.nn, first.layer.replace("D", "d"))
    channels, filters = given.kernel.shape[-2:]
    module = kind(
        channels,
        filters,
        config["kernel_size"],
        config["strides"],
        dilation=config["dilation_rate"],
        bias=given.bias is not None,
    )
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.moveaxis(given.kernel, (-1, -2), (0, 1)).copy()))
        if given.bias is not None:
            module.bias.copy_(torch.from_numpy(given.bias))
    optimizer = torch.optim.SGD(module.parameters(), given.rate)
    steps = []
    for _ in range(given.steps):
        optimizer.zero_grad()
        outputs, made = torch_outputs(torch, case, module, given.inputs)
        loss = torch.nn.MSELoss()(outputs, torch.from_numpy(given.targets))
        loss = loss + penalty(torch, keywords.get("kernel_regularizer"), module.weight)
        loss = loss + penalty(torch, keywords.get("bias_regularizer"), module.bias)
        loss = loss + penalty(torch, keywords.get("activity_regularizer"), made) / len(outputs)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            constrain(torch, keywords.get("kernel_constraint"), module.weight)
            if module.bias is not None:
                constrain(torch, keywords.get("bias_constraint"), module.bias)
        kernel = np.moveaxis(module.weight.detach().numpy(), (0, 1), (-1, -2))
        weights = [kernel] if module.bias is None else [kernel, module.bias.detach().numpy()]
        steps.append(
            {
                "loss": five_digits(float(loss.detach())),
                "weights": [w.tolist() for w in weights],
            }
        )
    return steps


@pytest.mark.parametrize("descriptor", CASES)
def test_a_torch_loop_trains_as_derived(descriptor):
    """Both data formats; the same bits after each step."""
    torch = pytest.importorskip("torch")
    case = CASES[descriptor]
    assert torch_steps(torch, case) == SCENARIOS[case.observe].expected(case)
