"""Training: steps of stochastic gradient descent on the mean squared error.

Each case trains a small model for a few steps.  Operands, factors and learning rates are dyadic
and so small that float32 evaluates every sum exactly, in any order: weights are compared bit by
bit, losses (which square the outputs) to five significant digits.  The expected values come from
`exact`: the definition in loops, differentiated forward.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.case import Case
from conformance.cases.facts import Facts, canonical_config, facts
from conformance.cases.scenarios.exact import ZERO, Dual, Dyadic, total
from conformance.cases.scenarios.models import image_data_format
from conformance.cases.scenarios.scenario import Scenario, array, construct, input_shape
from conformance.cases.scenarios.weighted import configured
from conformance.judge.definition.windows import PADDED
from conformance.layers.registry import LAYERS, convolution_layers

Objects = NDArray[np.object_]

STEPS: Final = 3
_FIXED: Final[dict[str, Any]] = {"filters": 2, "kernel_size": 2}
"""The convolution that stands before a pooling or Flatten layer."""


def _pattern(count: int, values: Sequence[float], step: int) -> list[float]:
    """`count` of the values in an order that repeats late."""
    return [values[(step * i + i * i // 3) % len(values)] for i in range(count)]


@dataclass(frozen=True)
class Plan:
    """What is trained: the model's operands and how it is trained.

    Attributes:
        inputs: of shape `input_shape`.
        kernel: initial kernel.
        bias: initial bias; None without one.
        targets: of the output's shape.
        rate: the learning rate.
        steps: number of training steps.
    """

    inputs: NDArray[np.float32]
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    targets: NDArray[np.float32]
    rate: float
    steps: int = STEPS

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """Kernel and bias."""
        return [self.kernel] if self.bias is None else [self.kernel, self.bias]


def convolution_of(case: Case) -> Case:
    """The convolution of the case's model: the case's layer, or the one that stands before it."""
    known = facts(case)
    if known.is_convolution:
        return case
    layout = known.config["data_format"] if known.rank else "channels_last"
    rank = len(input_shape(case)) - 2
    layer = next(name for name in convolution_layers() if LAYERS[name].rank == rank)
    return Case.of(layer, case.inputs, **_FIXED, data_format=layout)


def _arrays(case: Case) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of the input and of the kernel."""
    shape = tuple(size or 0 for size in input_shape(case))
    config = canonical_config(convolution_of(case))
    channels = shape[1 if config["data_format"] == "channels_first" else -1]
    return shape, (*config["kernel_size"], channels, config["filters"])


def _plan(case: Case) -> Plan:
    """Small integers and halves; the learning rate makes ``rate 2 / n`` equal to 1/16.

    Raises:
        ValueError: if the number of outputs is no power of two.
    """
    shape, kernel_shape = _arrays(case)
    inputs = np.reshape(_pattern(math.prod(shape), (1, -1, 0, 1, 0), 2), shape)
    kernel = np.reshape(_pattern(math.prod(kernel_shape), (0.5, -1, 1, 0, -0.5), 1), kernel_shape)
    use_bias = canonical_config(convolution_of(case))["use_bias"]
    bias = np.array([0.5, -0.5], np.float32) if use_bias else None
    outputs = _flat_outputs(case, _images(case, inputs), _constants(kernel), _constants(bias))
    batch, width = len(outputs), len(outputs[0])
    targets = np.reshape(_pattern(batch * width, (1, 0, -2, 2, -1), 3), (batch, width))
    arrays = (
        inputs.astype(np.float32),
        kernel.astype(np.float32),
        bias,
        targets.astype(np.float32),
    )
    return Plan(*arrays, rate=batch * width / 32)


def _constrained_plan(case: Case) -> Plan:
    """Inputs of zero, so that the kernel's gradient is that of its regularizer, ``w / (2 rate)``.

    Each update halves the kernel.  Its vectors along the first axis are multiples of (3, 4), whose
    lengths are integers, so that the norms and their quotients are exact too; UnitNorm takes the
    vectors (0, 16) and stops after one step.
    """
    shape, kernel_shape = _arrays(case)
    unit = name_of_constraint(case) == "UnitNorm"
    pairs = ((0, 16), (-16, 0), (32, 0), (0, -32))
    if not unit:
        pairs = ((48, 64), (-64, 48), (24, -32), (-96, -128))
    kernel = np.array([pairs[i % 4] for i in range(math.prod(kernel_shape[1:]))], np.float32)
    zeros = np.zeros(shape, np.float32)
    bias = np.array([0.5, -0.5], np.float32)
    kernel = kernel.T.reshape(kernel_shape)
    outputs = _flat_outputs(case, _images(case, zeros), _constants(kernel), _constants(bias))
    targets = np.tile(np.array([2, -1], np.float32), (len(outputs), outputs.shape[1] // 2))
    return Plan(zeros, kernel, bias, targets, rate=1.0, steps=1 if unit else STEPS)


def name_of_constraint(case: Case) -> str:
    """The class name of the kernel's constraint; empty without one."""
    given = case.keywords.get("kernel_constraint")
    return str(given["class_name"]) if isinstance(given, dict) else ""


def plan(case: Case) -> Plan:
    """The operands of a case of either scenario."""
    return _constrained_plan(case) if case.observe == "constrained_training" else _plan(case)


# On a module with Keras' surface


def model_of(keras: Any, case: Case) -> Any:
    """The case's layer in a model: a convolution before it or none, a Flatten after it or none."""
    layers = [keras.Input(input_shape(case)[1:])]
    if not facts(case).is_convolution:
        layers.append(construct(keras, convolution_of(case)))
    layers.append(construct(keras, case))
    if not facts(case).descriptor.moves:
        layers.append(keras.layers.Flatten(data_format=canonical_config(case)["data_format"]))
    return keras.Sequential(layers)


def _observe(keras: Any, case: Case) -> Any:
    """Loss and weights, step by step."""
    given = plan(case)
    model = model_of(keras, case)
    model.set_weights(given.weights)
    optimizer = keras.optimizers.SGD(given.rate)
    model.compile(optimizer=optimizer, loss="mse")
    return [_step(model, given) for _ in range(given.steps)]


def _step(model: Any, given: Plan) -> dict[str, Any]:
    loss = model.train_on_batch(given.inputs, given.targets)
    weights = [array(weight).tolist() for weight in model.get_weights()]
    return {"loss": five_digits(float(loss)), "weights": weights}


def five_digits(value: float) -> float:
    """To five significant digits; see `significant` in `conformance.cases.scenarios.scenario`."""
    return float(f"{value:.5g}")


# By the definition


def _constants(values: Any) -> Objects | None:
    """An array of exact numbers without derivatives."""
    if values is None:
        return None
    flat = [Dual(Dyadic.of(float(value))) for value in np.ravel(values)]
    return _shaped(flat, np.shape(values))


def _shaped(items: Sequence[Any], shape: tuple[int, ...]) -> Objects:
    result = np.empty(len(items), object)
    result[:] = items
    return result.reshape(shape)


def _images(case: Case, inputs: NDArray[Any]) -> Objects:
    """The inputs, channels last."""
    config = canonical_config(convolution_of(case))
    given = _shaped([Dyadic.of(float(value)) for value in np.ravel(inputs)], inputs.shape)
    return np.moveaxis(given, 1, -1) if config["data_format"] == "channels_first" else given


def _windows(known: Facts, spatial: Sequence[int]) -> list[list[list[int]]]:
    """Per axis and window the positions of its taps in the input."""
    return [window.reads(n).tolist() for window, n in zip(known.windows, spatial, strict=True)]


def _outputs_over(
    windows: list[list[list[int]]], batch: int, channels: int
) -> Iterator[tuple[int, Any, int]]:
    """Sample, taps of each axis and channel of every output, in row-major order."""
    yield from product(range(batch), product(*windows), range(channels))


def _inside(
    images: Objects, sample: int, taps: Sequence[Sequence[int]]
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """The taps of a window that read an input: their indices, and the channels that they read."""
    for numbers in product(*(range(len(axis)) for axis in taps)):
        place = tuple(axis[number] for axis, number in zip(taps, numbers, strict=True))
        if PADDED not in place:
            yield numbers, images[(sample, *place)]


def _convolved(known: Facts, images: Objects, kernel: Objects, bias: Objects | None) -> Objects:
    windows = _windows(known, images.shape[1:-1])
    filters = kernel.shape[-1]
    outputs = []
    for sample, taps, f in _outputs_over(windows, len(images), filters):
        terms = [
            kernel[(*numbers, c, f)].times(pixel)
            for numbers, pixels in _inside(images, sample, taps)
            for c, pixel in enumerate(pixels)
        ]
        value = total(terms if bias is None else [*terms, bias[f]])
        outputs.append(_activated(known.activation, value))
    return _shaped(outputs, (len(images), *map(len, windows), filters))


def _activated(name: str | None, value: Dual) -> Dual:
    if name == "relu" and value.value.sign <= 0:
        return Dual(ZERO)
    return value


def _pooled(known: Facts, images: Objects) -> Objects:
    """The first of the largest inputs of each window."""
    windows = _windows(known, images.shape[1:-1])
    outputs = [
        max(
            (pixels[c] for _, pixels in _inside(images, sample, taps)),
            key=lambda item: float(item.value),
        )
        for sample, taps, c in _outputs_over(windows, len(images), images.shape[-1])
    ]
    return _shaped(outputs, (len(images), *map(len, windows), images.shape[-1]))


def _flat_outputs(
    case: Case, images: Objects, kernel: Objects | None, bias: Objects | None
) -> Objects:
    """The model's outputs, one row per sample."""
    assert kernel is not None
    outputs = _convolved(facts(convolution_of(case)), images, kernel, bias)
    known = facts(case)
    if known.is_pooling:
        outputs = _pooled(known, outputs)
    if known.descriptor.moves and known.channels_first:
        outputs = np.moveaxis(outputs, 1, -1)
    return outputs.reshape(len(outputs), -1)


def _penalty(identifier: Any, values: Any) -> list[Dual]:
    """``l1 sum |v| + l2 sum v**2`` of a configured regularizer."""
    if identifier is None:
        return []
    config = identifier["config"]
    l1, l2 = (Dyadic.of(config.get(name, 0.0)) for name in ("l1", "l2"))
    flat = [item for item in np.ravel(values) if item is not None]
    return [item.magnitude().times(l1) + item.squared().times(l2) for item in flat]


def _loss(case: Case, given: Plan, parameters: list[Objects]) -> Dual:
    kernel, bias = parameters[0], parameters[1] if len(parameters) > 1 else None
    outputs = _flat_outputs(case, _images(case, given.inputs), kernel, bias)
    share = Dyadic.of(1 / outputs.size)
    targets = np.ravel(given.targets).tolist()
    terms = [
        (output + Dual(Dyadic.of(-target))).squared().times(share)
        for output, target in zip(outputs.ravel(), targets, strict=True)
    ]
    keywords = case.keywords
    per_sample = Dyadic.of(1 / len(outputs))
    activity = _penalty(keywords.get("activity_regularizer"), outputs)
    terms += [term.times(per_sample) for term in activity]
    terms += _penalty(keywords.get("kernel_regularizer"), kernel)
    terms += _penalty(keywords.get("bias_regularizer"), bias)
    return total(terms)


def _constrained(identifier: Any, weights: Objects) -> Objects:
    """A projection of exact numbers.

    Norms are taken along axis 0, and epsilon is left out: beside a norm of 2 or more it is below
    the half of float32's spacing.
    """
    name = identifier["class_name"] if isinstance(identifier, dict) else identifier
    if name == "non_neg":
        flat = [item if item.sign >= 0 else ZERO for item in weights.ravel()]
        return _shaped(flat, weights.shape)
    parameters = identifier["config"]
    vectors = weights.reshape(len(weights), -1).T
    columns = [_scaled(name, parameters, vector) for vector in vectors]
    flat = np.array(columns, object).T.ravel().tolist()
    return _shaped(flat, weights.shape)


def _scaled(name: str, parameters: dict[str, float], vector: Objects) -> list[Dyadic]:
    values = [int(float(item)) for item in vector]
    squares = sum(value * value for value in values)
    norm = math.isqrt(squares)
    if norm * norm != squares or norm < 2 or values != [float(item) for item in vector]:
        raise ValueError(f"{values} has no integer norm of at least 2")
    low, high = {
        "UnitNorm": (1.0, 1.0),
        "MaxNorm": (0.0, parameters.get("max_value", 2.0)),
        "MinMaxNorm": (parameters.get("min_value", 0.0), parameters.get("max_value", 1.0)),
    }[name]
    return [Dyadic.of(value * min(max(norm, low), high) / norm) for value in values]


class InexactError(ArithmeticError):
    """A sum that float32 may round: the case's operands do not suit it."""


def _update(values: Objects, slopes: dict[int, Dyadic], first: int, rate: Dyadic) -> Objects:
    """``w - rate g``, all of it exact.

    Raises:
        InexactError: if float32 may round on the way.
    """
    results = []
    for index, value in enumerate(values.ravel(), first):
        gradient = slopes.get(index, ZERO)
        result = value + -(gradient.stored() * rate)
        if not (gradient.is_exact and result.is_exact):
            raise InexactError(f"the gradient {gradient} or the weight {result} is too long")
        results.append(result.stored())
    return _shaped(results, values.shape)


def _exact_step(case: Case, given: Plan, weights: list[Objects]) -> tuple[float, list[Objects]]:
    parameters, firsts = [], []
    count = 0
    for values in weights:
        indexed = enumerate(values.ravel(), count)
        duals = [Dual(value, {index: Dyadic(1)}) for index, value in indexed]
        parameters.append(_shaped(duals, values.shape))
        firsts.append(count)
        count += values.size
    loss = _loss(case, given, parameters)
    rate = Dyadic.of(given.rate)
    updated = [
        _update(values, loss.slopes, first, rate)
        for values, first in zip(weights, firsts, strict=True)
    ]
    names = ("kernel_constraint", "bias_constraint")
    constraints = [case.keywords.get(name) for name in names[: len(updated)]]
    return float(loss.value), [
        values if constraint is None else _constrained(constraint, values)
        for values, constraint in zip(updated, constraints, strict=True)
    ]


def exact_steps(case: Case) -> list[tuple[float, list[Any]]]:
    """The loss before and the weights after each step, as floats.

    Raises:
        InexactError: if float32 may round a weight or gradient on the way.
        ValueError: if a factor or the number of outputs is not dyadic.
    """
    given = plan(case)
    weights = [
        _shaped([Dyadic.of(float(value)) for value in np.ravel(values)], values.shape)
        for values in given.weights
    ]
    steps = []
    for _ in range(given.steps):
        loss, weights = _exact_step(case, given, weights)
        steps.append((loss, [np.vectorize(float, otypes=[float])(w).tolist() for w in weights]))
    return steps


def is_exact(case: Case) -> bool:
    """Whether float32 evaluates every weight and gradient of a case exactly."""
    try:
        exact_steps(case)
    except (InexactError, ValueError):
        return False
    return True


def _expected(case: Case) -> Any:
    """`exact_steps`, the losses to five digits."""
    return [{"loss": five_digits(loss), "weights": weights} for loss, weights in exact_steps(case)]


# The cases

_L1: Final = configured("L1", l1=0.25)
_L2: Final = configured("L2", l2=0.125)
_BOTH: Final = configured("L1L2", l1=0.125, l2=0.25)
_SMALL: Final = configured("L1L2", l1=0.0625, l2=0.0625)
_REGULARIZED: Final[dict[str, Any]] = {
    "kernel_regularizer": _L2,
    "bias_regularizer": _L1,
    "activity_regularizer": _SMALL,
}
_ALL: Final[dict[str, Any]] = _REGULARIZED | {
    "kernel_constraint": "non_neg",
    "bias_constraint": "non_neg",
}


def _training_cases() -> Iterator[Case]:
    for arguments in (
        {},
        {"kernel_regularizer": _BOTH},
        {"bias_regularizer": _BOTH},
        {"activity_regularizer": _SMALL},
        {"kernel_constraint": "non_neg"},
        {"bias_constraint": "non_neg"},
        _ALL,
        _ALL | {"activation": "relu"},
        _REGULARIZED | {"use_bias": False, "bias_regularizer": None},
        _ALL | {"strides": 2, "padding": "same"},
        _ALL | {"dilation_rate": 2, "padding": "same"},
    ):
        yield _case("Conv1D", _conv1d_inputs(arguments), **_FIXED, **arguments)
    for arguments in (
        _ALL,
        _ALL | {"strides": (2, 1), "padding": "same"},
        _ALL | {"padding": "same", "kernel_size": (3, 2), "dilation_rate": (1, 2)},
    ):
        for layout in ("channels_last", "channels_first"):
            shape = _conv2d_inputs(arguments, layout)
            yield _case("Conv2D", shape, **(_FIXED | arguments), data_format=layout)
    yield from _pooling_cases()


def _pooling_cases() -> Iterator[Case]:
    yield _case("MaxPooling1D", (2, 5, 2))
    yield _case("MaxPooling1D", (2, 5, 2), pool_size=3, strides=1, padding="same")
    yield _case("MaxPooling2D", (2, 5, 3, 2))
    yield _case("MaxPooling2D", (2, 5, 3, 2), pool_size=(3, 2), strides=(1, 2), padding="same")
    yield _case("MaxPooling2D", (2, 2, 5, 3), data_format="channels_first")
    yield _case("Flatten", (2, 3, 3, 2))
    yield _case("Flatten", (2, 3, 3, 2), data_format="channels_first")


def _case(layer: str, inputs: tuple[int, ...], **arguments: Any) -> Case:
    given = {name: value for name, value in arguments.items() if value is not None}
    return Case.of(layer, inputs, observe="training", **given)


def _conv1d_inputs(arguments: dict[str, Any]) -> tuple[int, ...]:
    """2 samples of 2 channels, so long that there are 4 outputs per filter."""
    same = arguments.get("padding") == "same"
    return (2, 4 * arguments.get("strides", 1) if same else 5, 2)


def _conv2d_inputs(arguments: dict[str, Any], layout: str) -> tuple[int, ...]:
    """2 samples of 2 channels, so large that the outputs are 2 by 2 per filter."""
    same = arguments.get("padding") == "same"
    spatial = [2 * s for s in arguments.get("strides", (1, 1))] if same else [3, 3]
    return (2, 2, *spatial) if layout == "channels_first" else (2, *spatial, 2)


def _constrained_cases() -> Iterator[Case]:
    halving = configured("L2", l2=0.25)
    constraints = (
        configured("MaxNorm", max_value=20),
        configured("MinMaxNorm", min_value=10, max_value=20),
        configured("UnitNorm"),
    )
    for constraint in constraints:
        for layer, inputs, window in (("Conv1D", (2, 5, 2), 2), ("Conv2D", (2, 3, 3, 2), (2, 2))):
            yield Case.of(
                layer,
                inputs,
                observe="constrained_training",
                filters=2,
                kernel_size=window,
                kernel_regularizer=halving,
                kernel_constraint=constraint,
            )


# The documentation's example

_EXAMPLE_RATE: Final = 0.5


def _example_operands(case: Case) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """An input of -1, 0 and 1, and per filter a target that is a multiple of 3.

    The multiple lets 1 / 6144, of which float32 is a rounded third, cancel exactly.
    """
    places = np.indices((1, 3, 32, 32)).astype(np.int64)
    inputs = (places[1] + 2 * places[2] * places[2] + places[3] * (places[3] + 1) // 2) % 3 - 1
    layout = canonical_config(case)["data_format"]
    positions = 32 * 32 if layout == "channels_first" else 3 * 32
    targets = np.tile(3 * (np.arange(64) % 5 - 2), positions)
    return inputs.astype(np.float32), targets.astype(np.float32)[None]


def _observe_example(keras: Any, case: Case) -> Any:
    """The documentation's model, its weights zero, after one step."""
    inputs, targets = _example_operands(case)
    with image_data_format(keras, canonical_config(case)["data_format"]):
        first = keras.layers.Conv2D(64, (3, 3), input_shape=(3, 32, 32), padding="same")
        model = keras.Sequential([first, keras.layers.Flatten()])
        model.set_weights([np.zeros_like(array(weight)) for weight in model.get_weights()])
        model.compile(optimizer=keras.optimizers.SGD(_EXAMPLE_RATE), loss="mse")
        loss = float(model.train_on_batch(inputs, targets))
    kernel, bias = (array(weight).astype(np.float64) for weight in model.get_weights())
    return _example_literal(loss, kernel, bias)


def _example_literal(loss: float, kernel: NDArray[Any], bias: NDArray[Any]) -> dict[str, Any]:
    """The values of the first three filters, and a sum in which every element has its own factor.

    The elements are multiples of 2**-16 below 1, the factors integers below 2**16: float64 adds
    the products without rounding.
    """
    factors = (np.arange(kernel.size) * 7919 % 65521).reshape(kernel.shape)
    return {
        "loss": five_digits(loss),
        "kernel": kernel[:, :, :2, :3].tolist(),
        "weighted sum": float((kernel * factors).sum()),
        "bias": bias.tolist(),
    }


def _expect_example(case: Case) -> Any:
    """With weights of zero the outputs are zero, and the gradient of output (h, w, f) is -2 t_f/n.

    The gradient of the kernel's element (a, b, c, f) is that times the sum of the inputs
    (h + a - 1, w + b - 1, c) over all outputs, and that of the bias times their number.
    """
    inputs, targets = _example_operands(case)
    layout = canonical_config(case)["data_format"]
    image = inputs[0].astype(np.float64)
    image = np.moveaxis(image, 0, -1) if layout == "channels_first" else image
    height, width, _ = image.shape
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    sums = [[padded[a : a + height, b : b + width].sum((0, 1)) for b in range(3)] for a in range(3)]
    per_filter = 2 * targets[0, :64].astype(np.float64)
    step = _EXAMPLE_RATE * per_filter / targets.size
    kernel, bias = np.array(sums)[..., None] * step, height * width * step
    return _example_literal(float(np.mean(targets.astype(np.float64) ** 2)), kernel, bias)


SCENARIOS: Final = (
    Scenario("training", _observe, _expected, tuple(_training_cases())),
    Scenario("constrained_training", _observe, _expected, tuple(_constrained_cases())),
    Scenario(
        "trained_example",
        _observe_example,
        _expect_example,
        tuple(
            Case.of("Flatten", observe="trained_example", data_format=layout)
            for layout in ("channels_last", "channels_first")
        ),
    ),
)
