"""torch.nn as an implementation under test.

A documented option that a module has is passed to it; one that it refuses is expressed around it:
layouts by permutation, SAME padding that torch cannot pad by itself (with strides, or by an odd
total) and causal padding by an explicit pad of zeros, or of the lowest value before pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from conformance.cases.case import Case
from conformance.cases.facts import canonical_config
from conformance.cases.operands import Operands
from conformance.implementations.canonical import has_plain_geometry, uncanonical
from conformance.implementations.histories import Made, observe_layer
from conformance.implementations.machine import torch_facts
from conformance.implementations.observation import as_array, describe_result
from conformance.implementations.protocol import Implementation, ImplementationError
from conformance.implementations.torch_activations import ACTIVATIONS
from conformance.layers.layer import Layer
from conformance.layers.registry import LAYERS
from conformance.outcomes import Outcome, Unsupported, Value

Tensor = Any
Module = Callable[[Tensor], Tensor]

_NUMBER_TYPES: Final = frozenset(
    {"float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"}
)
_CONVOLUTIONS: Final[Mapping[int, Any]] = {1: nn.Conv1d, 2: nn.Conv2d}
_POOLINGS: Final[Mapping[int, Any]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d}
_TORCH_NAMES: Final = {
    "filters": "out_channels",
    "kernel_size": "kernel_size",
    "pool_size": "kernel_size",
    "strides": "stride",
    "padding": "padding",
    "dilation_rate": "dilation",
    "use_bias": "bias",
    "groups": "groups",
}


def load(
    name: str = "torch.nn",
    *,
    last: bool = False,
    mkldnn: bool | None = None,
    threads: int | None = None,
    device: str = "cpu",
    tf32: bool | None = None,
    cudnn: str = "",
) -> Implementation:
    """torch.nn modules.

    Args:
        name: how reports call it.
        last: whether modules and inputs are in the channels_last memory format.
        mkldnn: whether the oneDNN kernels may be used; torch's own choice by default.
        threads: how many it may use; torch's own choice by default.
        device: ``cpu`` or ``cuda``.
        tf32: whether CUDA may round float32 operands to TF32; torch's own choice by default.
        cudnn: ``off``, ``benchmark`` (the algorithm that is the fastest in a trial) or
            ``deterministic``; torch's own choice by default.

    Raises:
        ImplementationError: for settings of CUDA on another device.
    """
    if device != "cuda" and (tf32 is not None or cudnn):
        raise ImplementationError(f"{name}: tf32 and cudnn are settings of CUDA; add device=cuda")
    _set_cuda(tf32, cudnn)
    if threads is not None:
        torch.set_num_threads(threads)
    if mkldnn is not None:
        torch.backends.mkldnn.set_flags(mkldnn)
    return TorchNN(name, last=last, device=device)


def _set_cuda(tf32: bool | None, cudnn: str) -> None:
    if tf32 is not None:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.enabled = cudnn != "off"
    torch.backends.cudnn.benchmark = cudnn == "benchmark"
    torch.backends.cudnn.deterministic = cudnn == "deterministic"


def _facts_of_cuda() -> dict[str, str]:
    """What the device is, and how its libraries are set."""
    if not torch.cuda.is_available():
        return {}
    cudnn = torch.backends.cudnn
    return {
        "gpu": torch.cuda.get_device_name(),
        "cuda": str(torch.version.cuda),
        "cudnn": f"{cudnn.version()} {'on' if cudnn.enabled else 'off'}",
        "tf32": "on" if cudnn.allow_tf32 else "off",
    }


def _facts(device: str) -> dict[str, str]:
    """What torch and its libraries tell of how they run here."""
    facts = torch_facts(torch, device)
    return facts | _facts_of_cuda() if device == "cuda" else facts


class TorchNN:
    """torch.nn, behind the protocol of `conformance.implementations.protocol`."""

    def __init__(self, name: str, *, last: bool, device: str = "cpu") -> None:
        self.name = name
        self.version = str(torch.__version__)
        self.machine = _facts(device)
        self._last = last
        self._device = device

    def evaluate(self, case: Case, operands: Any) -> Outcome:
        """Express the case by modules, and look at what it observes."""
        observe = {
            "output": self._output,
            "gradients": self._gradients,
            "shape": self._shape,
            "rejection": self._rejection,
        }
        if self._device == "cuda" and not torch.cuda.is_available():
            return Unsupported("torch finds no CUDA device on this machine")
        if case.observe not in observe or not LAYERS[case.layer].takes_inputs:
            return Unsupported("torch.nn has no Keras-style model API")
        if not _is_expressed(LAYERS[case.layer]):
            return Unsupported(f"torch.nn is not asked for {case.layer}")
        if LAYERS[case.layer].rank and case.dtype not in _NUMBER_TYPES:
            return Unsupported(f"torch.nn has no {case.layer} in {case.dtype}")
        with torch.no_grad():
            return observe[case.observe](case, operands)

    def _output(self, case: Case, operands: Any) -> Outcome:
        config = canonical_config(case)
        reason = _unsupported(case, config)
        if reason:
            return Unsupported(reason)
        return self._observed(case, config, operands, lambda layer: layer)

    def _gradients(self, case: Case, operands: Any) -> Outcome:
        """By autograd, with respect to the input and the module's parameters."""
        config = canonical_config(case)
        reason = _unsupported(case, config)
        if reason:
            return Unsupported(reason)
        return self._observed(case, config, operands, lambda layer: partial(_differentiated, layer))

    def _observed(
        self,
        case: Case,
        config: dict[str, Any],
        operands: Operands,
        observe: Callable[[Any], Callable[..., Any]],
    ) -> Outcome:
        def make(given: Operands) -> Made:
            weights = {name: self._tensor(array) for name, array in given.weights.items()}
            layer = self._layer(case, config, self._tensor(given.inputs), weights)
            function = observe(layer)

            def call(*arrays: Any) -> Any:
                return function(*map(self._tensor, arrays))

            def assign(values: Mapping[str, Any]) -> None:
                tensors = {name: self._tensor(array) for name, array in values.items()}
                _assign(_module_of(layer), tensors)

            return Made(call, assign)

        return observe_layer(case, operands, make)

    def _shape(self, case: Case, operands: Any) -> Outcome:
        del operands
        if case.inputs is None or None in case.inputs:
            return Unsupported("torch.nn has no symbolic inputs with a free length")
        config = canonical_config(case)
        reason = _unsupported(case, config)
        if reason:
            return Unsupported(reason)
        inputs = torch.empty(case.inputs, dtype=getattr(torch, case.dtype), device="meta")
        return Value(tuple(self._layer(case, config, inputs, {})(inputs).shape))

    def _rejection(self, case: Case, operands: Any) -> Outcome:
        reason = _unaskable(case)
        if reason:
            return Unsupported(reason)
        if _is_expressible(case):
            inputs = torch.zeros(case.inputs or (), dtype=getattr(torch, case.dtype))
            result = self._layer(case, canonical_config(case), inputs, {})(inputs)
        else:
            result = _call_literally(case)
        return Value(describe_result(as_array(result)))

    def _tensor(self, array: Any) -> Tensor:
        tensor = _tensor(array)
        return tensor if self._device == "cpu" else tensor.to(self._device)

    def _layer(
        self, case: Case, config: dict[str, Any], inputs: Tensor, weights: dict[str, Tensor]
    ) -> Module:
        """The whole layer, from Keras' layout to Keras' layout."""
        if LAYERS[case.layer].moves:
            return _Flatten(first=config["data_format"] == "channels_first")
        first = config["data_format"] == "channels_first"
        shape = inputs.shape if first else (inputs.shape[0], inputs.shape[-1], *inputs.shape[1:-1])
        make = _convolution if LAYERS[case.layer].convolves else _pooling
        module = make(config, shape, inputs, weights)
        activation = ACTIVATIONS[config.get("activation") or "linear"]
        return _Layer(module, activation, first=first, last=self._last)


@dataclass(frozen=True)
class _Layer:
    """A module between the layouts.

    A channels_last input becomes a contiguous channels_first tensor, as torch's users have it,
    unless its memory was not contiguous to begin with: then torch gets the strides as they are.
    """

    module: Any
    activation: Module
    first: bool
    last: bool

    def __call__(self, inputs: Tensor) -> Tensor:
        x = inputs if self.first else inputs.movedim(-1, 1)
        if self.last and x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        elif not self.last and inputs.is_contiguous():
            x = x.contiguous()
        y = self.module(x)
        return self.activation(y if self.first else y.movedim(1, -1))


def _differentiated(layer: Any, inputs: Tensor, upstream: Tensor) -> dict[str, Tensor]:
    """The gradients by name, that of the kernel in Keras' layout."""
    parameters = dict(getattr(_module_of(layer), "named_parameters", dict)())
    x = inputs.detach().requires_grad_()
    with torch.enable_grad():
        y = layer(x)
    found = torch.autograd.grad(y, [x, *parameters.values()], upstream)
    gradients = dict(zip(("inputs", *parameters), found, strict=True))
    if "weight" in gradients:
        gradients["kernel"] = gradients.pop("weight").movedim((0, 1), (-1, -2))
    return gradients


def _module_of(layer: Any) -> Any:
    """The module of a layer that may be padded before, or None."""
    module = getattr(layer, "module", None)
    return getattr(module, "module", module)


def _assign(module: Any, weights: Mapping[str, Tensor]) -> None:
    """Put weights in the place of a convolution's."""
    with torch.no_grad():
        module.weight.copy_(weights["kernel"].movedim((-1, -2), (0, 1)))
        if "bias" in weights:
            module.bias.copy_(weights["bias"])


def _is_expressed(layer: Layer) -> bool:
    """Whether the layer is one of those that this module builds of torch's."""
    return layer.convolves or (layer.pools and layer.selects) or (layer.moves and not layer.rank)


@dataclass(frozen=True)
class _Flatten:
    """Keras' Flatten: channels last, then all axes but the batch in C order."""

    first: bool

    def __call__(self, inputs: Tensor) -> Tensor:
        x = inputs.movedim(1, -1) if self.first and inputs.ndim > 2 else inputs
        flatten: Module = nn.Flatten()
        return flatten(x if x.ndim != 1 else x.unsqueeze(1))


@dataclass(frozen=True)
class _Padded:
    """A module behind an explicit pad; `pads` as `torch.nn.functional.pad` takes them."""

    pads: tuple[int, ...]
    value: float
    module: Any

    def __call__(self, x: Tensor) -> Tensor:
        return self.module(functional.pad(x, self.pads, value=self.value))


def _convolution(
    config: dict[str, Any], shape: Sequence[int], inputs: Tensor, weights: dict[str, Tensor]
) -> Module:
    """Conv1d or Conv2d with the case's weights (`shape` is channels_first)."""
    window, strides, dilation = config["kernel_size"], config["strides"], config["dilation_rate"]
    pads = _pads(config, shape[2:], window, strides, dilation)
    by_name = config["padding"].lower() == "same" and max(strides) == 1
    own: Any = "same" if by_name else _symmetric(pads)
    module = _CONVOLUTIONS[len(window)](
        shape[1],
        config["filters"],
        window,
        stride=strides,
        padding=0 if own is None else own,
        dilation=dilation,
        groups=config["groups"],
        bias=bool(config["use_bias"]),
        dtype=inputs.dtype,
        device=inputs.device,
    )
    if weights:
        _assign(module, weights)
    return module if own is not None else _Padded(_for_pad(pads), 0.0, module)


def _pooling(
    config: dict[str, Any], shape: Sequence[int], inputs: Tensor, weights: dict[str, Tensor]
) -> Module:
    """MaxPool1d or MaxPool2d (`shape` is channels_first)."""
    del weights
    window, strides = config["pool_size"], config["strides"]
    pads = _pads(config, shape[2:], window, strides, (1,) * len(window))
    own = _symmetric(pads)
    module = _POOLINGS[len(window)](window, strides, padding=0 if own is None else own)
    if len(window) == 1 and not inputs.dtype.is_floating_point:
        module = _on_a_plane(window, strides, own or (0,))
    if own is not None:
        return module  # type: ignore[no-any-return]
    lowest = -np.inf if inputs.dtype.is_floating_point else torch.iinfo(inputs.dtype).min
    return _Padded(_for_pad(pads), lowest, module)


def _on_a_plane(window: Sequence[int], strides: Sequence[int], padding: Sequence[int]) -> Module:
    """MaxPool2d along one axis: MaxPool1d takes no integers."""
    module = nn.MaxPool2d((*window, 1), (*strides, 1), padding=(*padding, 0))
    return lambda x: module(x.unsqueeze(-1)).squeeze(-1)


def _pads(
    config: dict[str, Any],
    lengths: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> list[tuple[int, int]]:
    """Pads before and after each spatial axis: SAME's extra one stands after."""
    if config["padding"].lower() == "valid":
        return [(0, 0)] * len(window)
    if config["padding"].lower() == "causal":
        return [((k - 1) * d, 0) for k, d in zip(window, dilation, strict=True)]
    pads = []
    for n, k, s, d in zip(lengths, window, strides, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def _symmetric(pads: Sequence[tuple[int, int]]) -> tuple[int, ...] | None:
    """The pads as torch's own `padding` takes them; None where before and after differ."""
    return tuple(b for b, _ in pads) if all(b == a for b, a in pads) else None


def _for_pad(pads: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(length for pair in reversed(pads) for length in pair)


def _tensor(array: Any) -> Tensor:
    """A tensor on the array's own memory where torch can have that, else on a copy.

    torch has neither read-only tensors, nor negative strides, nor the other byte order.
    """
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "V":  # bfloat16; the name of a dtype is slow to come by
        return _tensor(array.view(np.int16)).view(torch.bfloat16)
    if not array.flags.writeable or min(array.strides, default=0) < 0:
        array = array.copy()
    return torch.from_numpy(array)


def _unsupported(case: Case, config: dict[str, Any]) -> str | None:
    """Why torch.nn has no module for a valid case; None where it has."""
    inputs = case.inputs or ()
    first = config.get("data_format") == "channels_first"
    spatial, channels = (inputs[2:], inputs[1:2]) if first else (inputs[1:-1], inputs[-1:])
    if LAYERS[case.layer].rank and 0 in spatial:
        return "torch.nn's convolutions and poolings take no empty spatial axis"
    if LAYERS[case.layer].pools and 0 in channels:
        return "torch.nn's poolings take no empty axis but the batch"
    return _inexpressible(config)


def _inexpressible(config: dict[str, Any]) -> str | None:
    activation = config.get("activation")
    if activation is None or (isinstance(activation, str) and activation in ACTIVATIONS):
        return None
    return f"torch.nn has nothing for the activation {activation!r}"


def _unaskable(case: Case) -> str | None:
    """Why torch cannot be asked whether it rejects the case's arguments; None where it can."""
    if case.inputs is not None and None in case.inputs:
        return "torch.nn has no symbolic inputs with a free length"
    for name, value in case.arguments:
        documented = name in LAYERS[case.layer].defaults and name not in _TORCH_NAMES
        if documented and not _is_ordinary(name, value):
            return f"torch.nn's modules have no argument that corresponds to {name}"
    return None


def _is_ordinary(name: str, value: Any) -> bool:
    """Whether an argument without a counterpart in torch has a value that the adapter expresses."""
    if name == "data_format":
        return value in (None, "channels_first", "channels_last")
    return name == "activation" and _inexpressible({"activation": value}) is None


def _is_expressible(case: Case) -> bool:
    """Whether all is well-formed by itself, so that what is wrong is how it goes together."""
    rank = LAYERS[case.layer].rank
    right_rank = not rank or len(case.inputs or ()) == rank + 2
    return right_rank and uncanonical(case) is None and has_plain_geometry(case)


def _call_literally(case: Case) -> Tensor:
    """Construct the module with the arguments as they are, under torch's names, and call it."""
    ignored = ("data_format", "activation")
    arguments = {_TORCH_NAMES.get(k, k): v for k, v in case.arguments if k not in ignored}
    if arguments.get("padding") == "valid":
        arguments["padding"] = 0
    inputs = torch.zeros(case.inputs or (), dtype=getattr(torch, case.dtype))
    if LAYERS[case.layer].moves:
        return nn.Flatten(**arguments)(inputs)
    rank = LAYERS[case.layer].rank
    axis = 1 if inputs.ndim > rank + 1 else 0  # torch takes the latter for unbatched
    if case.keywords.get("data_format") != "channels_first" and inputs.ndim > axis:
        inputs = inputs.movedim(-1, axis)
    if LAYERS[case.layer].convolves:
        channels = inputs.shape[axis] if inputs.ndim > axis else 1
        return _CONVOLUTIONS[rank](channels, **arguments, dtype=inputs.dtype)(inputs)
    return _POOLINGS[rank](**arguments)(inputs)
