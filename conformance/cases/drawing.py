"""Random cases, by Hypothesis.

Every random case is valid by construction, or forbidden and then expected to be rejected: what
depends on something else is derived from it, not drawn and filtered.  A length follows from window,
steps and padding, the number of channels and filters from the work that is left, the spelling of
sizes from their values, and the kinds of operands from dtype, layer and activation.

Needs the package hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final

from hypothesis import strategies as st

from conformance.cases.case import Case
from conformance.cases.grids.axes import Axis
from conformance.cases.grids.build import shape
from conformance.cases.grids.values import ACTIVATIONS, dtypes_of, kinds_of
from conformance.cases.operands import FLOATING_DTYPES
from conformance.cases.scenarios.training import is_exact
from conformance.cases.scenarios.weighted import configured
from conformance.judge.definition import forbidden
from conformance.layers import LAYERS, REQUIRED, Layer, sizes_of
from reference_impl.ops.geometry import window_axis

Draw = Callable[[st.SearchStrategy[Any]], Any]

MULTIPLY_ADDS: Final = 6000
"""Most products in one case, as far as the window and the lengths leave a choice."""

_SUMMED: Final = ("integers", "reals", "small", "positive", "negative")
_ACTIVATED: Final = (*_SUMMED, "one_nan", "one_infinity", "wide", "tails", "edges")
_SLOPED: Final = (*_SUMMED, "slopes")
_DIFFERENTIATED: Final = (*_SUMMED, "constant", "strided", "reversed", "fortran")
_CALLED: Final = ("refilled", "resized", "reweighted")
_OF_INTEGERS: Final = ("integers", "small", "specials", "strided", "negative", "lowest")
_SIGNED_ONLY: Final = ("negative", "lowest")
_BATCHES: Final = (1, 2, 3, 5, 0, 16, 17)


def cases(layer: str) -> st.SearchStrategy[Case]:
    """Random cases of a layer."""
    return _drawn(LAYERS[layer])


@st.composite
def _drawn(draw: Draw, layer: Layer) -> Case:
    return layer.draw(draw)


@st.composite
def _axis(draw: Draw, padding: str, step: str, fits: bool) -> Axis:
    """A window along an axis, and a length that holds it, except where padded or where not to."""
    window = draw(st.integers(1, 7))
    stride = draw(st.integers(1, 5)) if step == "strides" else 1
    dilation = draw(st.integers(1, 4)) if step == "dilation_rate" else 1
    span = Axis(1, window, stride, dilation).span
    if padding != "valid":
        length = draw(st.integers(1, 16))
    elif fits:
        length = draw(st.integers(span, span + 9))
    else:
        length = draw(st.integers(1, max(span - 1, 1)))
    return Axis(length, window, stride, dilation)


@st.composite
def windowed(draw: Draw, layer: str) -> Case:
    """Cases of a layer that slides a window."""
    made = LAYERS[layer]
    if made.convolves and draw(st.integers(0, _SELDOM)) == _SELDOM:
        trained: Case = draw(_trained(layer))
        return trained
    padding = draw(st.sampled_from(made.paddings))
    step = draw(st.sampled_from(_STEPS if made.dilates else _STEPS[:2]))
    fits = draw(st.integers(0, 15)) < 15
    axes = [draw(_axis(padding, step, fits)) for _ in range(made.rank)]
    batch = draw(st.sampled_from(_BATCHES))
    room = max(MULTIPLY_ADDS // max(_products(axes, padding, batch), 1), 1)
    channels = draw(st.integers(1, min(room, 40)))
    arguments: dict[str, Any] = {}
    if made.convolves:
        arguments["filters"] = draw(st.integers(1, min(max(room // channels, 1), 40)))
    if "groups" in made.added:
        groups = draw(st.sampled_from(_GROUPS))
        channels, arguments["filters"] = channels * groups, arguments["filters"] * groups
        arguments |= draw(_optional("groups", groups, 1))
    arguments |= draw(_sizes(layer, axes)) | draw(_optional("padding", padding, "valid"))
    if made.rank == 2:
        formats = st.sampled_from((None, "channels_last", "channels_first"))
        arguments |= draw(_optional("data_format", draw(formats), None))
    inputs = shape(batch, [a.length for a in axes], channels, arguments.get("data_format"))
    case = Case.of(layer, inputs, **arguments)
    if forbidden(case):
        return case.replace(observe="rejection")
    observed: Case = draw(_observed(case))
    return observed


@st.composite
def _trained(draw: Draw, layer: str) -> Case:
    """A convolution that is trained for some steps, where float32 evaluates all of it exactly.

    The number of outputs is a power of two, from which the lengths follow.  Where the sums are too
    long all the same, the gradients are looked at instead.
    """
    made = LAYERS[layer]
    padding = draw(st.sampled_from(made.paddings))
    axes = [draw(_trained_axis(padding)) for _ in range(made.rank)]
    if max(a.stride for a in axes) > 1 and max(a.dilation for a in axes) > 1:
        axes = [a._replace(stride=1) if a.stride > 1 else a for a in axes]
    batch, channels = draw(st.sampled_from((1, 2))), draw(st.integers(1, 3))
    arguments = {"filters": 2} | draw(_sizes(layer, axes))
    arguments |= draw(_optional("padding", padding, "valid"))
    if made.rank == 2:
        formats = st.sampled_from((None, "channels_last", "channels_first"))
        arguments |= draw(_optional("data_format", draw(formats), None))
    for name, values in _TRAINED.items():
        arguments |= draw(_optional(name, draw(st.sampled_from(values)), values[0]))
    if arguments.get("use_bias") is False:
        arguments = {n: v for n, v in arguments.items() if not n.startswith("bias_")}
    inputs = shape(batch, [a.length for a in axes], channels, arguments.get("data_format"))
    case = Case.of(layer, inputs, observe="training", **arguments)
    return case if is_exact(case) else Case.of(layer, inputs, **arguments)


@st.composite
def _trained_axis(draw: Draw, padding: str) -> Axis:
    """A window along an axis, and a length that leaves one, two or four outputs."""
    outputs, window = draw(st.sampled_from((1, 2, 4))), draw(st.integers(1, 3))
    step = draw(st.sampled_from(_STEPS))
    stride = draw(st.integers(1, 3)) if step == "strides" else 1
    dilation = draw(st.integers(1, 3)) if step == "dilation_rate" else 1
    least = Axis(1, window, stride, dilation).span if padding == "valid" else 1
    rest = draw(st.integers(0, stride - 1))
    return Axis((outputs - 1) * stride + least + rest, window, stride, dilation)


_SELDOM: Final = 15
"""One of so many cases, and one, trains."""

_PENALTIES: Final = (
    None,
    configured("L1", l1=0.25),
    configured("L2", l2=0.125),
    configured("L1L2", l1=0.125, l2=0.25),
)
_TRAINED: Final[dict[str, tuple[Any, ...]]] = {
    "activation": (None, "relu"),
    "use_bias": (True, False),
    "kernel_regularizer": _PENALTIES,
    "bias_regularizer": _PENALTIES,
    "activity_regularizer": (None, configured("L1L2", l1=0.0625, l2=0.0625)),
    "kernel_constraint": (None, "non_neg"),
    "bias_constraint": (None, "non_neg"),
}
"""What training can be asked with, the default first; factors are dyadic, and sums exact."""

_GROUPS: Final = (1, 1, 1, 1, 2, 3)
_STEPS: Final = ("none", "strides", "dilation_rate")


def _products(axes: Sequence[Axis], padding: str, batch: int) -> int:
    """Number of products for one channel and one filter."""
    outputs = prod(max(window_axis(*axis, padding).output, 0) for axis in axes)
    return batch * outputs * prod(axis.window for axis in axes)


@st.composite
def _sizes(draw: Draw, layer: str, axes: Sequence[Axis]) -> dict[str, Any]:
    """Window and steps in any spelling; those at their default may be left out."""
    made = LAYERS[layer]
    window, strides, dilation = ([axis[i] for axis in axes] for i in (1, 2, 3))
    ones, default = [1] * len(axes), made.signature[made.window]
    named = {
        made.window: (window, [] if default is REQUIRED else [*sizes_of(default, made.rank)]),
        "strides": (strides, window if made.strides_by_window else ones),
    }
    if made.dilates:
        named["dilation_rate"] = (dilation, ones)
    arguments: dict[str, Any] = {}
    for name, (values, usual) in named.items():
        spelt_out = draw(st.booleans())
        if values != usual or spelt_out:
            arguments[name] = draw(_spelt(values))
    return arguments


def _spelt(values: list[int]) -> st.SearchStrategy[Any]:
    single = [values[0]] if len(set(values)) == 1 else []
    return st.sampled_from([*single, tuple(values), values])


@st.composite
def _optional(draw: Draw, name: str, value: Any, default: Any) -> dict[str, Any]:
    """An argument that may be left out where it is at its default.

    It is drawn in either case whether to leave it out: the default must not cost Hypothesis a
    choice more, or shrinking would shun it.
    """
    spelt_out = draw(st.booleans())
    return {name: value} if value != default or spelt_out else {}


@st.composite
def _observed(draw: Draw, case: Case) -> Case:
    """What a valid case observes, on which operands: outputs, gradients, or the shape alone."""
    observe = draw(st.sampled_from(("output", "output", "output", "gradients", "shape")))
    if observe == "shape":
        hidden = [draw(st.booleans()) for _ in (case.inputs or ())[1:]]
        sizes = zip(case.inputs or (), [*hidden, False], strict=True)
        if case.keywords.get("data_format") == "channels_first" and len(hidden) > 1:
            sizes = zip(case.inputs or (), [hidden[0], False, *hidden[1:]], strict=True)
        return case.replace(observe=observe, inputs=tuple(None if h else n for n, h in sizes))
    dtypes = FLOATING_DTYPES if observe == "gradients" else dtypes_of(case.layer)
    dtype = draw(st.sampled_from(["float32", *(d for d in dtypes if d != "float32")]))
    arguments: dict[str, Any] = {}
    if LAYERS[case.layer].convolves:
        arguments |= draw(_optional("use_bias", draw(st.booleans()), True))
        names = st.one_of(st.none(), st.sampled_from(ACTIVATIONS))
        arguments |= draw(_optional("activation", draw(names), None))
    kinds = _kinds(case.layer, dtype, observe, arguments.get("activation"))
    seed = draw(st.integers(0, 3))
    rest = {"dtype": dtype, "operands": draw(st.sampled_from(kinds)), "seed": seed}
    return case.replace(observe=observe, **rest, **arguments)


def _kinds(layer: str, dtype: str, observe: str, activation: str | None) -> list[str]:
    """The kinds of operands that a case can have."""
    kinds = kinds_of(layer)
    if dtype not in FLOATING_DTYPES:
        signless = _SIGNED_ONLY if dtype.startswith("u") else ()
        return [kind for kind in _OF_INTEGERS if kind in kinds and kind not in signless]
    if activation is not None:
        return list(_SLOPED if observe == "gradients" else _ACTIVATED)
    if observe == "gradients":
        return list(_DIFFERENTIATED)
    return [*kinds, *(_CALLED if LAYERS[layer].convolves else _CALLED[:-1])]


@st.composite
def flattened(draw: Draw, layer: str) -> Case:
    """Cases of a layer that takes inputs of any rank."""
    sizes = st.sampled_from((1, 2, 3, 4, 5, 0))
    inputs = tuple(draw(st.lists(sizes, min_size=1, max_size=5)))
    formats = st.sampled_from((None, "channels_last", "channels_first"))
    case = Case.of(layer, inputs, **draw(_optional("data_format", draw(formats), None)))
    if len(inputs) == 1:
        return case
    observed: Case = draw(_observed(case))
    return observed


@st.composite
def declared(draw: Draw, layer: str) -> Case:
    """Shapes with and without free lengths, as a layer declares them."""
    sizes = draw(st.lists(st.one_of(st.integers(0, 40), st.none()), max_size=5))
    whole = bool(sizes) and draw(st.booleans())
    spelt = draw(st.sampled_from((tuple(sizes), sizes)))
    return Case.of(layer, observe="shape", **{"batch_shape" if whole else "shape": spelt})
