"""ncnn, an engine in C++ for phones: nets of one layer, sample by sample."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.adapted import FLOAT32, everywhere
from conformance.implementations.field.functions import Functions, Tensor, Window
from conformance.implementations.options import THREADS, Effect, Options, flag, one_of

_SAME: Final = -233
_ACTIVATIONS: Final = {
    "elu": "ELU 0=1.0",
    "gelu": "GELU 0=0",
    "hard_sigmoid": f"HardSigmoid 0={1 / 6:.9g} 1=0.5",
    "hard_silu": f"HardSwish 0={1 / 6:.9g} 1=0.5",
    "leaky_relu": "ReLU 0=0.2",
    "mish": "Mish",
    "relu": "ReLU",
    "selu": "SELU",
    "sigmoid": "Sigmoid",
    "silu": "Swish",
    "swish": "Swish",
    "tanh": "TanH",
}


class NCNN(Functions):
    """A net for each call; ncnn has no batches."""

    maker: ClassVar = "ncnn"
    distribution: ClassVar = "ncnn"
    module: ClassVar = "ncnn"
    takes: ClassVar = Takes(
        everywhere(*FLOAT32), frozenset({"linear", "softmax", *_ACTIVATIONS}), empty="none"
    )
    pads: ClassVar = "same"

    def __init__(
        self, name: str, threads: int | None = None, pads: str = "", winograd: bool = True
    ) -> None:
        self._winograd = winograd
        super().__init__(name, threads, pads)

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """Convolution, ConvolutionDepthWise (which is any in groups), or those of one axis."""
        rank = len(window.size)
        kind = f"Convolution{'DepthWise' if window.groups > 1 else ''}{'1D' if rank == 1 else ''}"
        names = {0: kernel.shape[0], 5: int(bias is not None), 6: kernel.size, 7: window.groups}
        sizes = {1: window.size, 2: window.dilation, 3: window.strides}
        pads = {4: _SAME} if window.padding == "same" else _pads(4, window, after=15)
        data = [np.zeros(1, np.uint32), kernel, *(() if bias is None else (bias,))]
        return self._net(kind, names | _by_axis(sizes) | pads, data, x)

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """Pooling and Pooling1D."""
        kind = "Pooling" if len(window.size) == 2 else "Pooling1D"
        sizes = _by_axis({1: window.size, 2: window.strides})
        pads = {5: 2} if window.padding == "same" else {5: 1} | _pads(3, window, after=14)
        return self._net(kind, {0: 0} | sizes | pads, [], x)

    def flatten(self, x: Tensor) -> Tensor:
        """Of each sample."""
        return self._net("Flatten", {}, [], x)

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """A layer of its own."""
        if name == "softmax":
            return self._net("Softmax", {0: axis - 1 if axis > 0 else axis, 1: 1}, [], y)
        kind, *arguments = _ACTIVATIONS[name].split()
        numbers: dict[int, Any] = {int(k): v for k, v in (a.split("=") for a in arguments)}
        return self._net(kind, numbers, [], y)

    def _net(self, kind: str, parameters: dict[int, Any], data: list[Array], x: Array) -> Array:
        net = self.library.Net()
        net.opt.use_winograd_convolution = self._winograd
        net.opt.num_threads = self.threads or net.opt.num_threads
        given = " ".join(f"{number}={value}" for number, value in parameters.items())
        layer = f"{kind} made 1 1 inputs outputs {given}"
        if net.load_param_mem(f"7767517\n2 2\nInput inputs 0 1 inputs\n{layer}\n"):
            raise ValueError(f"ncnn does not take the parameters {given} of {kind}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "weights.bin")
            path.write_bytes(b"".join(np.ascontiguousarray(part).tobytes() for part in data))
            if net.load_model(str(path)):
                raise ValueError(f"ncnn does not take the weights of {kind}")
        return np.stack([self._run(net, sample) for sample in x])

    def _run(self, net: Any, sample: Array) -> Array:
        extractor = net.create_extractor()
        extractor.input("inputs", self.library.Mat(np.ascontiguousarray(sample)).clone())
        status, made = extractor.extract("outputs")
        if status:
            raise ValueError(f"ncnn extracts nothing (status {status})")
        return np.array(made)


def _by_axis(sizes: dict[int, tuple[int, ...]]) -> dict[int, int]:
    """Parameters by axis: that of the width has the number, that of the height ten more."""
    return {
        number + 10 * place: size
        for number, axes in sizes.items()
        for place, size in enumerate(reversed(axes))
    }


def _pads(left: int, window: Window, after: int) -> dict[int, int]:
    """Pads left and top, and those right and bottom from `after` on."""
    axes = [*reversed(window.pads)]
    befores = {left + 10 * place: before for place, (before, _) in enumerate(axes)}
    return befores | {after + place: behind for place, (_, behind) in enumerate(axes)}


FAMILY: Final = NCNN.family(
    "ncnn",
    "ncnn's layers, in C++, each in a net",
    options=Options(
        (
            flag("explicit", "with SAME padding given in numbers", pads="pairs"),
            one_of(
                "winograd",
                "with Winograd's algorithm {}",
                {value: Effect(arguments={"winograd": value == "on"}) for value in ("on", "off")},
            ),
            THREADS,
        )
    ),
    variants=("explicit", "winograd=off"),
)
