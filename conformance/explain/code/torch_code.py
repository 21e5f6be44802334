"""Equivalent code in PyTorch: modules, and functions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from conformance.explain.code.activations import torch_activation
from conformance.explain.code.program import (
    INTEGERS,
    Unsayable,
    given,
    is_padded,
    is_symmetric,
    kernel_to_first,
    lines,
    one_or_tuple,
    operands_comment,
    pairs,
    to_first,
    to_last,
)
from conformance.explain.subject import Subject

_TYPES: Final = frozenset(
    {"float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"}
)

_MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "celu": "nn.CELU()",
        "elu": "nn.ELU()",
        "gelu": "nn.GELU()",
        "hard_shrink": "nn.Hardshrink()",
        "hard_sigmoid": "nn.Hardsigmoid()",
        "hard_silu": "nn.Hardswish()",
        "hard_tanh": "nn.Hardtanh()",
        "leaky_relu": "nn.LeakyReLU(0.2)",
        "log_sigmoid": "nn.LogSigmoid()",
        "mish": "nn.Mish()",
        "relu": "nn.ReLU()",
        "relu6": "nn.ReLU6()",
        "selu": "nn.SELU()",
        "sigmoid": "nn.Sigmoid()",
        "silu": "nn.SiLU()",
        "soft_shrink": "nn.Softshrink()",
        "softplus": "nn.Softplus()",
        "softsign": "nn.Softsign()",
        "tanh": "nn.Tanh()",
        "tanh_shrink": "nn.Tanhshrink()",
    }
)
"""Activations that are modules of their own; those that mix elements depend on the layout."""


def convolution_module(subject: Subject) -> str:
    """``nn.Conv1d`` and ``nn.Conv2d``, behind a module that pads where torch's own cannot."""
    _check(subject)
    filters = subject.weights["kernel"][-1]
    groups = int(getattr(subject.layer, "groups", 1))
    arguments = [str(subject.channels), str(filters), one_or_tuple(subject.window)]
    arguments += given("stride", subject.strides)
    if is_padded(subject) and is_symmetric(subject):
        arguments.append(f"padding={one_or_tuple([before for before, _ in pairs(subject)])}")
    arguments += given("dilation", subject.dilation)
    arguments += [f"groups={groups}"] if groups > 1 else []
    arguments += [] if "bias" in subject.weights else ["bias=False"]
    loaded = [f"conv.weight.data = kernel.permute({kernel_to_first(subject.rank)})"]
    loaded += ["conv.bias.data = bias"] if "bias" in subject.weights else []
    return lines(
        _imports(subject),
        operands_comment(subject, "tensors"),
        [f"conv = nn.Conv{subject.rank}d({', '.join(arguments)})", *loaded],
        _module(subject, "conv", "0"),
    )


def pooling_module(subject: Subject) -> str:
    """``nn.MaxPool1d`` and ``nn.MaxPool2d``, behind a module that pads where torch's cannot."""
    _check(subject)
    own = is_padded(subject) and is_symmetric(subject)
    arguments = [one_or_tuple(subject.window)]
    if subject.strides != subject.window:
        arguments.append(f"stride={one_or_tuple(subject.strides)}")
    if own:
        arguments.append(f"padding={one_or_tuple([before for before, _ in pairs(subject)])}")
    if subject.rank == 1 and subject.dtype in INTEGERS:
        return _integers_on_a_plane(subject)
    return lines(
        _imports(subject),
        operands_comment(subject, "a tensor"),
        [f"pool = nn.MaxPool{subject.rank}d({', '.join(arguments)})"],
        _module(subject, "pool", _lowest(subject)),
    )


def flatten_module(subject: Subject) -> str:
    """``nn.Flatten`` of the channels-last tensor, as Keras has it."""
    return _flatten(subject, ["import torch", "from torch import nn", ""], "nn.Flatten()({0})")


def flatten_function(subject: Subject) -> str:
    """``flatten`` of the channels-last tensor, as Keras has it."""
    return _flatten(subject, ["import torch", ""], "{0}.flatten(1)")


def convolution_function(subject: Subject) -> str:
    """``functional.conv1d`` and ``functional.conv2d``, padded explicitly where needed."""
    _check(subject)
    groups = int(getattr(subject.layer, "groups", 1))
    weight = f"kernel.permute({kernel_to_first(subject.rank)})"
    arguments = ["x", weight, *(["bias"] if "bias" in subject.weights else [])]
    arguments += given("stride", subject.strides)
    if is_padded(subject) and is_symmetric(subject):
        arguments.append(f"padding={one_or_tuple([before for before, _ in pairs(subject)])}")
    arguments += given("dilation", subject.dilation)
    arguments += [f"groups={groups}"] if groups > 1 else []
    return lines(
        _FUNCTIONAL,
        operands_comment(subject, "tensors"),
        _padded(subject, "0"),
        [f"y = F.conv{subject.rank}d({', '.join(arguments)})"],
        _finished(subject),
    )


def pooling_function(subject: Subject) -> str:
    """``functional.max_pool1d`` and ``max_pool2d``, padded explicitly where needed."""
    _check(subject)
    if subject.rank == 1 and subject.dtype in INTEGERS:
        return _integers_on_a_plane(subject)
    arguments = ["x", one_or_tuple(subject.window)]
    if subject.strides != subject.window:
        arguments.append(f"stride={one_or_tuple(subject.strides)}")
    if is_padded(subject) and is_symmetric(subject):
        arguments.append(f"padding={one_or_tuple([before for before, _ in pairs(subject)])}")
    return lines(
        _FUNCTIONAL,
        operands_comment(subject, "a tensor"),
        _padded(subject, _lowest(subject)),
        [f"y = F.max_pool{subject.rank}d({', '.join(arguments)})"],
        _finished(subject),
    )


_FUNCTIONAL: Final = ("import torch", "from torch.nn import functional as F", "")


def _imports(subject: Subject) -> list[str]:
    name = subject.case.keywords.get("activation")
    outside = name is not None and name != "linear" and _as_module(subject) is None
    functional = ["from torch.nn import functional as F"] if outside else []
    return ["import torch", "from torch import nn", *functional, ""]


def _as_module(subject: Subject) -> str | None:
    name = subject.case.keywords.get("activation")
    names = {"swish": "silu", "hard_swish": "hard_silu"}
    return _MODULES.get(names.get(name, name)) if isinstance(name, str) else None


def _check(subject: Subject) -> None:
    if subject.dtype not in _TYPES:
        raise Unsayable(f"torch.nn computes nothing in {subject.dtype}")
    if 0 in subject.spatial:
        raise Unsayable("torch.nn takes no empty spatial axis")
    if subject.channels == 0:
        raise Unsayable("torch.nn takes no inputs without channels")


def _lowest(subject: Subject) -> str:
    if subject.dtype in INTEGERS:
        return f"torch.iinfo(torch.{subject.dtype}).min"
    return 'float("-inf")'


def _for_pad(subject: Subject) -> tuple[int, ...]:
    """The padding in torch's order: last axis first."""
    return tuple(length for pair in reversed(pairs(subject)) for length in pair)


def _images(subject: Subject) -> str:
    return "inputs" if subject.channels_first else f"inputs.permute({to_first(subject.rank)})"


def _module(subject: Subject, name: str, padded: str) -> list[str]:
    """The modules in a row, and their call between the layouts."""
    row = [name]
    if is_padded(subject) and not is_symmetric(subject):
        pads, rank = _for_pad(subject), subject.rank
        zeros = f"nn.ZeroPad{rank}d({pads})"
        row.insert(0, zeros if padded == "0" else f"nn.ConstantPad{rank}d({pads}, {padded})")
    activation = _as_module(subject)
    row += [activation] if activation else []
    made = [] if len(row) == 1 else [f"model = nn.Sequential({', '.join(row)})"]
    called = "model" if made else name
    last = "" if subject.channels_first else f".permute({to_last(subject.rank)})"
    call = f"y = {called}({_images(subject)}){last}"
    rest = [] if activation else torch_activation(subject)
    return [*made, "with torch.no_grad():", f"    {call}", *rest, "outputs = y"]


def _padded(subject: Subject, padded: str) -> list[str]:
    images = _images(subject)
    if not is_padded(subject) or is_symmetric(subject):
        return [f"x = {images}"]
    value = "" if padded == "0" else f", value={padded}"
    return [f"x = F.pad({images}, {_for_pad(subject)}{value})"]


def _finished(subject: Subject) -> list[str]:
    """Back to Keras' layout, and the activation."""
    last = [] if subject.channels_first else [f"y = y.permute({to_last(subject.rank)})"]
    return [*last, *torch_activation(subject), "outputs = y"]


def _integers_on_a_plane(subject: Subject) -> str:
    """Sequences of integers as images of one column: torch pools no others."""
    arguments = [f"({subject.window[0]}, 1)", f"stride=({subject.strides[0]}, 1)"]
    ((before, after),) = pairs(subject)
    x = [f"x = {_images(subject)}"]
    if before or after:
        x = [f"x = F.pad({_images(subject)}, ({before}, {after}), value={_lowest(subject)})"]
    return lines(
        _FUNCTIONAL,
        operands_comment(subject, "a tensor"),
        x,
        [f"y = F.max_pool2d(x.unsqueeze(-1), {', '.join(arguments)}).squeeze(-1)"],
        _finished(subject),
    )


def _flatten(subject: Subject, imports: list[str], call: str) -> str:
    axes = len(subject.input_shape)
    if axes == 1:
        return lines(
            imports, operands_comment(subject, "a tensor"), ["outputs = inputs.unsqueeze(1)"]
        )
    first = ", ".join(map(str, [0, *range(2, axes), 1]))
    source = f"inputs.permute({first})" if subject.channels_first and axes > 2 else "inputs"
    hint = f"# of x with the channels first, as torch has it: {call.format(f'x.permute({first})')}"
    return lines(
        imports,
        operands_comment(subject, "a tensor"),
        [hint] if axes > 2 and not subject.channels_first else [],
        [f"outputs = {call.format(source)}"],
    )
