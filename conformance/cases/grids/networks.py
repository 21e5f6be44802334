"""The tier ``networks``: shapes of layers of known networks, forward and backward.

Sizes, windows and strides are those of the papers, with one sample; depthwise convolutions are
convolutions in as many groups as channels.  They are whole layers as people run them, at which
libraries choose other kernels than at the sizes of the grids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from types import MappingProxyType
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.facts import facts

_MOST_PRODUCTS: Final = 1 << 27
"""Products of a layer whose gradients are asked for as well."""

Shape = tuple[tuple[int, ...], int, int | tuple[int, ...], Mapping[str, Any]]
"""Lengths and channels, filters (0: max pooling), window, and further arguments."""

_SAME: Final = {"padding": "same"}
_HALVED: Final = {"padding": "same", "strides": 2}
_CAUSAL: Final = {"padding": "causal"}


def _dilated(rate: int) -> dict[str, Any]:
    return {"padding": "same", "dilation_rate": rate}


def _apart(channels: int, strides: int = 1) -> dict[str, Any]:
    return {"padding": "same", "strides": strides, "groups": channels}


NETWORKS: Final[Mapping[str, tuple[Shape, ...]]] = MappingProxyType(
    {
        "LeNet-5": (
            ((28, 28, 1), 6, 5, _SAME),
            ((14, 14, 6), 16, 5, {}),
            ((28, 28, 6), 0, 2, {}),
        ),
        "AlexNet": (
            ((227, 227, 3), 96, 11, {"strides": 4}),
            ((27, 27, 96), 256, 5, {"padding": "same", "groups": 2}),
            ((13, 13, 256), 384, 3, _SAME),
            ((55, 55, 96), 0, 3, {"strides": 2}),
        ),
        "VGG-16": (
            ((224, 224, 3), 64, 3, _SAME),
            ((56, 56, 128), 256, 3, _SAME),
            ((14, 14, 512), 512, 3, _SAME),
            ((112, 112, 128), 0, 2, {}),
        ),
        "GoogLeNet": (
            ((28, 28, 192), 64, 1, {}),
            ((28, 28, 16), 32, 5, _SAME),
            ((14, 14, 480), 0, 3, {"padding": "same", "strides": 1}),
        ),
        "Inception v3": (
            ((299, 299, 3), 32, 3, {"strides": 2}),
            ((35, 35, 192), 32, 1, {}),
            ((17, 17, 128), 128, (1, 7), _SAME),
            ((17, 17, 128), 192, (7, 1), _SAME),
            ((17, 17, 192), 320, 3, {"strides": 2}),
            ((8, 8, 384), 384, (1, 3), _SAME),
        ),
        "ResNet-50": (
            ((224, 224, 3), 64, 7, _HALVED),
            ((112, 112, 64), 0, 3, _HALVED),
            ((56, 56, 64), 64, 1, {}),
            ((56, 56, 64), 64, 3, _SAME),
            ((56, 56, 256), 128, 1, {"strides": 2}),
            ((28, 28, 128), 128, 3, _HALVED),
            ((14, 14, 1024), 256, 1, {}),
            ((7, 7, 512), 2048, 1, {}),
        ),
        "ResNeXt-50": (
            ((56, 56, 128), 128, 3, {"padding": "same", "groups": 32}),
            ((14, 14, 512), 512, 3, {"padding": "same", "groups": 32}),
        ),
        "DenseNet-121": (
            ((56, 56, 64), 128, 1, {}),
            ((14, 14, 128), 32, 3, _SAME),
            ((7, 7, 992), 128, 1, {}),
        ),
        "SqueezeNet": (((55, 55, 96), 16, 1, {}), ((27, 27, 32), 128, 3, _SAME)),
        "MobileNet": (
            ((112, 112, 32), 32, 3, _apart(32)),
            ((28, 28, 256), 256, 3, _apart(256, 2)),
            ((7, 7, 1024), 1024, 1, {}),
        ),
        "MobileNetV2": (((56, 56, 24), 144, 1, {}), ((14, 14, 576), 576, 3, _apart(576, 2))),
        "ShuffleNet": (((28, 28, 240), 60, 1, {"groups": 3}),),
        "EfficientNet-B0": (
            ((28, 28, 240), 240, 3, _apart(240, 2)),
            ((14, 14, 480), 480, 5, _apart(480)),
            ((7, 7, 1152), 192, 1, {}),
        ),
        "Xception": (((19, 19, 728), 728, 3, _apart(728)), ((19, 19, 728), 728, 1, {})),
        "YOLOv3": (
            ((104, 104, 64), 128, 3, _HALVED),
            ((52, 52, 256), 128, 1, {}),
            ((13, 13, 512), 1024, 3, _SAME),
            ((13, 13, 1024), 255, 1, {}),
        ),
        "SSD300": (((19, 19, 1024), 126, 3, _SAME), ((38, 38, 512), 84, 3, _SAME)),
        "U-Net": (((64, 64, 64), 128, 3, _SAME), ((16, 16, 512), 256, 2, _SAME)),
        "DeepLabv3": (
            ((33, 33, 320), 256, 3, _dilated(6)),
            ((33, 33, 320), 256, 3, _dilated(18)),
        ),
        "ViT-B/16": (((224, 224, 3), 768, 16, {"strides": 16}),),
        "ViT-L/14": (((224, 224, 3), 1024, 14, {"strides": 14}),),
        "ConvNeXt-T": (
            ((224, 224, 3), 96, 4, {"strides": 4}),
            ((56, 56, 96), 96, 7, _apart(96)),
            ((14, 14, 384), 768, 2, {"strides": 2}),
        ),
        "DeepSpeech 2": (((161, 200, 1), 32, (41, 11), {"padding": "same", "strides": (2, 2)}),),
        "TextCNN": (((56, 300), 100, 3, {}), ((56, 300), 100, 5, {}), ((54, 100), 0, 54, {})),
        "M5": (((32000, 1), 128, 80, {"strides": 4}), ((7981, 128), 0, 4, {})),
        "WaveNet": (
            ((4096, 64), 128, 2, {**_CAUSAL, "dilation_rate": 512}),
            ((4096, 1), 64, 2, _CAUSAL),
        ),
        "Conv-TasNet": (((16000, 1), 512, 16, {"strides": 8}),),
        "wav2vec 2.0": (
            ((16000, 1), 512, 10, {"strides": 5}),
            ((799, 512), 512, 3, {"strides": 2}),
        ),
        "Whisper": (((3000, 80), 384, 3, _SAME), ((3000, 384), 384, 3, _HALVED)),
    }
)
"""Layers of networks by the network's name."""


def cases() -> Iterator[Case]:
    """Every shape once, in float32 on operands of random sign; gradients where they are quick."""
    for shapes in NETWORKS.values():
        for shape in shapes:
            case = _case(*shape)
            yield case
            if _products(case) <= _MOST_PRODUCTS:
                yield case.replace(observe="gradients")


def _case(
    sizes: tuple[int, ...], filters: int, window: int | tuple[int, ...], rest: Mapping[str, Any]
) -> Case:
    rank = len(sizes) - 1
    if not filters:
        name, arguments = f"MaxPooling{rank}D", {"pool_size": window, **rest}
    else:
        name = f"Conv{rank}D"
        arguments = {"filters": filters, "kernel_size": window, **rest}
    return Case.of(name, (1, *sizes), operands="reals", **arguments)


def _products(case: Case) -> int:
    """Products of the whole layer."""
    known = facts(case)
    outputs = prod(axis.output for axis in known.axes)
    return outputs * (known.products * known.config["filters"] if known.is_convolution else 1)
