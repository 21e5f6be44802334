"""The catalogue of faults: ways in which implementations of these layers are known to go wrong.

Each is a variation of one step of `conformance.diagnosis.evaluation`.  Sources: reports of faults
in frameworks, converters and kernels, and what follows from the documentation by misreading it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from conformance.diagnosis import variations as v
from conformance.diagnosis.evaluation import (
    CORRECT,
    Backward,
    Steps,
    activate,
    flatten,
    in_parts,
    largest,
    span,
    to_channels_first,
    total_padding,
)

_GRADIENT_OF: Final = MappingProxyType(
    {
        **dict.fromkeys(("inputs", "flips", "reaching"), "inputs"),
        **{name: name for name in ("kernel", "bias")},
    }
)
"""Which gradient the steps of one alone belong to."""


@dataclass(frozen=True, eq=False)
class Fault:
    """One known fault.

    Attributes:
        identifier: its name in the catalogue.
        sentence: what the implementation does, to follow "what you get when".
        steps: the evaluation with the fault.
        only: the gradient in which alone it shows; empty for all, and for outputs.
        is_systematic: whether it is made by a rule (`systematic`), and told only where none that
            was seen somewhere explains as much.
    """

    identifier: str
    sentence: str
    steps: Steps
    only: str = ""
    is_systematic: bool = False

    @cached_property
    def gradients(self) -> frozenset[str]:
        """The gradients that can be wrong by it; empty where any can."""
        if self.only:
            return frozenset({self.only})
        if set(changes(self.steps)) != {"backward"}:
            return frozenset()
        given = self.steps.backward
        changed = {f.name for f in fields(Backward) if getattr(given, f.name) is not f.default}
        touched = {_GRADIENT_OF.get(name, "") for name in changed}
        return frozenset() if "" in touched else frozenset(touched)

    def of_gradient(self, name: str) -> Fault:
        """The same fault in one gradient alone."""
        sentence = f"in the gradient of the {name}, {self.sentence}"
        return Fault(f"gradient.{name}.{self.identifier}", sentence, self.steps, name)


def _with(step: str, change: Callable[[Any], Any]) -> Steps:
    """The evaluation with one step replaced."""
    changed: dict[str, Any] = {step: change}
    return Steps(**changed)


PADDING_LEFT_OUT: Final = Fault(
    "padding.left-out",
    "the padding is left out of the sums, not multiplied by kernel elements that are not finite",
    Steps(products=v.products_without_padding),
)


def _same() -> tuple[Fault, ...]:
    return (
        Fault(
            "same.odd-first",
            "the extra SAME padding goes first",
            v.same(lambda n, k, s, d: (total_padding(n, k, s, d) + 1) // 2),
        ),
        Fault(
            "same.half-window",
            "SAME pads half the window on both sides",
            v.same(v.half_window, v.outputs_of_half_window),
        ),
        Fault(
            "same.whole-stride",
            "SAME pads by a whole stride more where the stride divides the length, as where the "
            "remainder of zero is not taken for the stride",
            v.same(v.before_with_whole_stride),
        ),
        Fault(
            "same.half-less-one",
            "SAME pads (window - 1) // 2 on both sides, the window with its dilation",
            v.pads_on_both_sides(lambda k, d: (span(k, d) - 1) // 2),
        ),
        Fault(
            "same.half-less-one-undilated",
            "SAME pads (window - 1) // 2 on both sides, the window without its dilation",
            v.pads_on_both_sides(lambda k, d: (k - 1) // 2),
        ),
        Fault(
            "same.half-undilated",
            "SAME pads window // 2 on both sides, the window without its dilation",
            v.pads_on_both_sides(lambda k, d: k // 2),
        ),
        Fault(
            "same.half-times-dilation",
            "SAME takes half of the padding of a window without dilation, times the dilation rate",
            v.same(lambda n, k, s, d: d * (total_padding(n, k, s, 1) // 2)),
        ),
        Fault(
            "same.size",
            "SAME pads until there are as many outputs as inputs, though strides leave fewer",
            v.same(v.half_to_keep_size, lambda n, k, s, d: n),
        ),
        Fault(
            "same.undilated-shape",
            "SAME does not count the dilation in the padding, so that fewer windows fit",
            v.same(v.half_undilated, v.total_undilated),
        ),
        Fault(
            "same.span",
            "SAME counts the dilated window as window times dilation",
            v.same(v.half_of_window_times_dilation),
        ),
        Fault(
            "same.half-window-before",
            "SAME pads half the window before the first input",
            v.same(v.half_window),
        ),
        Fault(
            "same.stride-one",
            "SAME pads as for strides of 1",
            v.same(lambda n, k, s, d: (span(k, d) - 1) // 2),
        ),
        Fault(
            "same.undilated",
            "SAME does not count the dilation in the padding",
            v.same(v.half_undilated),
        ),
        Fault(
            "same.rounded-down",
            "the SAME output length is rounded down",
            v.same(v.half_total, lambda n, k, s, d: n // s),
        ),
        Fault(
            "same.from-end",
            "SAME windows are counted from the last input backwards",
            v.same(v.before_from_end),
        ),
        Fault(
            "same.surplus-dropped",
            "SAME pads by the larger half on both sides and leaves the first output out where that "
            "is too much, so that windows move by a whole stride",
            v.same(v.before_with_first_left_out),
        ),
        Fault("same.all-last", "all SAME padding goes last", v.same(lambda n, k, s, d: 0)),
        Fault("same.all-first", "all SAME padding goes first", v.same(total_padding)),
        Fault(
            "same.less-stride",
            "SAME pads by the window less the stride, whatever the stride leaves of the length",
            v.same(lambda n, k, s, d: max(span(k, d) - s, 0) // 2),
        ),
        Fault(
            "same.not-clipped",
            "a negative SAME padding, where the strides exceed the window, is not clipped to zero",
            v.same(v.half_not_clipped),
        ),
        Fault(
            "same.valid", "padding 'same' is read as 'valid'", v.padding_read_as("same", "valid")
        ),
        Fault(
            "same.axes-exchanged",
            "the SAME padding of rows and columns is exchanged",
            Steps(together=v.of_other_axis),
        ),
        Fault(
            "same.first-axis",
            "the SAME padding of the first axis is used for both",
            Steps(together=v.of_first_axis),
        ),
        Fault(
            "same.first-axis-twice",
            "the SAME padding of the first axis, on both sides, is used for all",
            Steps(together=v.of_one_axis(0)),
        ),
        Fault(
            "same.last-axis-twice",
            "the SAME padding of the last axis, on both sides, is used for all",
            Steps(together=v.of_one_axis(-1)),
        ),
        Fault("padding.one", "the padding holds ones", Steps(pad_value=1.0)),
        Fault(
            "padding.edge",
            "the padding repeats the edge",
            Steps(beyond=lambda index, n: np.clip(index, 0, n - 1)),
        ),
        Fault(
            "padding.mirror",
            "the padding mirrors the input at its edge, which is not repeated",
            Steps(beyond=v.mirrored(repeats_edge=False)),
        ),
        Fault(
            "padding.mirror-edge",
            "the padding mirrors the input, its edge included",
            Steps(beyond=v.mirrored(repeats_edge=True)),
        ),
        Fault(
            "padding.wraps", "the padding wraps around", Steps(beyond=lambda index, n: index % n)
        ),
        Fault(
            "valid.rounded-up",
            "the VALID output length is rounded up",
            Steps(geometry=v.valid_rounded_up),
        ),
        Fault(
            "valid.last-missing",
            "the last VALID window is left out where it ends at the last input",
            Steps(geometry=v.valid_without_last),
        ),
        Fault(
            "valid.same", "padding 'valid' is read as 'same'", v.padding_read_as("valid", "same")
        ),
    )


def _causal() -> tuple[Fault, ...]:
    return (
        Fault(
            "causal.same",
            "padding 'causal' is read as 'same'",
            v.padding_read_as("causal", "same"),
        ),
        Fault(
            "causal.valid",
            "padding 'causal' is read as 'valid'",
            v.padding_read_as("causal", "valid"),
        ),
        Fault(
            "causal.undilated",
            "causal padding does not count the dilation",
            Steps(geometry=v.causal_by_window),
        ),
        Fault(
            "causal.undilated-before",
            "the causal padding before the first step does not count the dilation",
            Steps(geometry=v.causal_of_window),
        ),
        Fault(
            "causal.same-total",
            "the causal padding is that of 'same', which strides lessen, all before the first step",
            Steps(geometry=v.causal_as_same),
        ),
        Fault(
            "causal.earlier",
            "causal windows end one step too early, before the step of their output",
            Steps(geometry=v.causal_one_earlier),
        ),
        Fault(
            "causal.cut-after",
            "causal convolutions are padded on both sides, and as many outputs as the padding has "
            "strides are cut off at the end, which leaves one too many where strides exceed 1",
            Steps(geometry=v.causal_cut_after),
        ),
        Fault(
            "causal.last",
            "the causal padding stands after the last step",
            Steps(geometry=v.causal_last),
        ),
    )


def _groups() -> tuple[Fault, ...]:
    return (
        Fault(
            "groups.interleaved",
            "the groups take the channels in turn, not one part each",
            Steps(groups=v.channels_in_turn),
        ),
        Fault(
            "groups.first",
            "all groups read the channels of the first",
            Steps(groups=v.first_channels),
        ),
        Fault(
            "groups.reversed",
            "the groups take the parts of the channels in reverse",
            Steps(groups=lambda windows, groups: in_parts(windows, groups)[::-1]),
        ),
        Fault(
            "groups.filters-in-turn",
            "the filters belong to the groups in turn, not one part to each",
            Steps(filters=v.filters_in_turn, joined=v.joined_in_turn),
        ),
        Fault(
            "groups.outputs-in-turn",
            "the outputs of the groups are put in turn, not one part after the other",
            Steps(joined=v.joined_in_turn),
        ),
    )


def _steps_of_windows() -> tuple[Fault, ...]:
    return (
        Fault(
            "strides.exchanged",
            "the strides of rows and columns are exchanged",
            v.read_as(strides=lambda s: v.exchanged(s.strides)),
        ),
        Fault(
            "strides.first",
            "the first stride is used for all axes",
            v.read_as(strides=lambda s: s.strides[:1] * len(s.strides)),
        ),
        Fault(
            "strides.ignored",
            "the strides are ignored",
            v.read_as(strides=lambda s: v.ones(s.strides)),
        ),
        Fault(
            "strides.pointwise",
            "the strides are ignored where the window is 1",
            Steps(settings=v.pointwise_without_strides),
        ),
        Fault(
            "dilation.ignored",
            "the dilation is ignored",
            v.read_as(dilation=lambda s: v.ones(s.dilation)),
        ),
        Fault(
            "dilation.exchanged",
            "the dilation rates of rows and columns are exchanged",
            v.read_as(dilation=lambda s: v.exchanged(s.dilation)),
        ),
        Fault(
            "dilation.first",
            "the first dilation rate is used for all axes",
            v.read_as(dilation=lambda s: s.dilation[:1] * len(s.window)),
        ),
        Fault(
            "dilation.one-more",
            "dilated taps lie one place too far apart",
            v.read_as(dilation=lambda s: tuple(d + (d > 1) for d in s.dilation)),
        ),
        Fault(
            "dilation.one-less",
            "dilated taps lie one place too near to each other",
            v.read_as(dilation=lambda s: tuple(d - (d > 1) for d in s.dilation)),
        ),
        Fault(
            "dilation.strides",
            "the dilation rates are taken for strides",
            v.read_as(
                strides=lambda s: s.dilation if max(s.dilation) > 1 else s.strides,
                dilation=lambda s: v.ones(s.dilation),
            ),
        ),
        Fault(
            "dilation.shape",
            "the dilation is not counted in the output's shape",
            Steps(geometry=v.undilated_shape),
        ),
    )


def _kernel() -> tuple[Fault, ...]:
    return (
        Fault(
            "kernel.flipped",
            "the kernel is flipped (a convolution, not a cross-correlation)",
            Steps(kernel=v.flipped),
        ),
        Fault(
            "kernel.flipped-first",
            "the kernel is flipped along its first axis",
            Steps(kernel=lambda w: w[::-1]),
        ),
        Fault(
            "kernel.flipped-last",
            "the kernel is flipped along its last spatial axis",
            Steps(kernel=v.flipped_along_last),
        ),
        Fault(
            "kernel.transposed",
            "the kernel's rows and columns are exchanged",
            Steps(kernel=v.swapped_window),
        ),
        Fault(
            "kernel.channels-reversed",
            "the kernel's channels are read in reverse",
            Steps(kernel=lambda w: w[..., ::-1, :]),
        ),
        Fault(
            "kernel.square",
            "the kernel's channels and filters are exchanged where there are as many of both",
            Steps(kernel=v.transposed_if_square),
        ),
        Fault(
            "kernel.diagonal",
            "each filter reads the channel of its own number alone, where there are as many of "
            "both, as in a depthwise convolution",
            Steps(kernel=v.diagonal_if_square),
        ),
        Fault(
            "kernel.filters-first",
            "the kernel's memory is read as (filters, channels, window)",
            Steps(kernel=v.read_filters_first),
        ),
        Fault(
            "kernel.filters-reversed",
            "the filters are in reverse",
            Steps(kernel=lambda w: w[..., ::-1]),
        ),
        Fault(
            "kernel.channels-of-four",
            "the channels beyond a multiple of four are left out",
            Steps(kernel=v.whole_groups_of_channels),
        ),
        *(
            Fault(
                f"kernel.channels-of-{block}",
                f"the channels beyond a multiple of {block} are left out, where there are more "
                f"than {block}",
                Steps(kernel=v.blocks_of_channels(block)),
            )
            for block in (8, 16, 32)
        ),
        *(
            Fault(
                f"kernel.products-of-{block}",
                f"the products of a sum beyond a multiple of {block} are left out, where there are "
                f"more than {block}",
                Steps(kernel=v.blocks_of_products(block)),
            )
            for block in (4, 8, 16, 32, 64, 128)
        ),
        *(
            Fault(
                f"kernel.channels-to-{count}",
                f"the channels beyond {count} are left out",
                Steps(kernel=partial(v.channels_to, count=count)),
            )
            for count in (64, 256, 512)
        ),
        Fault(
            "kernel.filters-of-four",
            "the filters beyond a multiple of four are left out",
            Steps(contract=v.whole_groups_of_filters),
        ),
        Fault(
            "kernel.tap",
            "the last taps of the kernel are too large by 1e-5",
            Steps(kernel=v.one_tap_off, on_grid=False),
        ),
    )


def _layout() -> tuple[Fault, ...]:
    return (
        Fault(
            "layout.reshaped",
            "channels_first input is reshaped, not transposed",
            Steps(to_last=v.reshaped_last),
        ),
        Fault(
            "layout.reversed",
            "the axes of channels_first input are put in reverse",
            Steps(to_last=v.reversed_axes),
        ),
        Fault(
            "layout.reshaped-back",
            "channels_first output is reshaped from channels last, not transposed",
            Steps(from_last=v.reshaped_first),
        ),
        Fault(
            "layout.transposed-back",
            "channels_first output has its rows and columns exchanged",
            Steps(from_last=lambda y: to_channels_first(y.swapaxes(1, -2))),
        ),
        Fault(
            "layout.columns-first",
            "the kernel is applied to channels_first input with rows and columns exchanged",
            Steps(
                to_last=v.with_axes_reversed,
                from_last=lambda y: to_channels_first(y.swapaxes(1, -2)),
            ),
        ),
        Fault(
            "layout.left",
            "channels_first output is left with its channels last",
            Steps(from_last=lambda y: y),
        ),
        Fault(
            "layout.ignored",
            "channels_first is ignored",
            v.read_as(channels_first=lambda s: False),
        ),
        Fault(
            "layout.default",
            "data_format defaults to channels_first",
            Steps(settings=v.channels_first_by_default),
        ),
        *(
            Fault(
                f"memory.{name}{how}",
                f"the {words} is read from {start}, as if it were contiguous",
                _with(step, read),
            )
            for name, words, step in (
                ("inputs", "input", "inputs"),
                ("kernel", "kernel", "kernel"),
                ("bias", "bias", "bias"),
            )
            for how, start, read in (
                ("", "the beginning of its memory", v.memory_order),
                (".from-first", "its first element on", v.from_first_on),
            )
        ),
        Fault(
            "batch.first",
            "every sample is given the first one's output",
            Steps(outputs=v.first_of_batch),
        ),
        Fault(
            "batch.eight",
            "the samples beyond the eighth are left out",
            Steps(outputs=v.first_eight),
        ),
        Fault("batch.reversed", "the samples are in reverse", Steps(outputs=lambda y: y[::-1])),
    )


def _bias() -> tuple[Fault, ...]:
    return (
        Fault("bias.missing", "the bias is left out", Steps(add_bias=lambda y, b: y)),
        Fault("bias.last", "the bias is added after the activation", Steps(bias_last=True)),
        Fault("bias.twice", "the bias is added twice", Steps(add_bias=lambda y, b: y + b + b)),
        Fault("bias.subtracted", "the bias is subtracted", Steps(add_bias=lambda y, b: y - b)),
        Fault(
            "bias.rows",
            "the bias is added along an axis other than the filters, where it is as long",
            Steps(add_bias=v.bias_by_rows),
        ),
        Fault(
            "bias.first",
            "the first filter's bias is used for all",
            Steps(add_bias=lambda y, b: y + b[:1]),
        ),
    )


def _activation() -> tuple[Fault, ...]:
    return (
        Fault(
            "activation.missing", "the activation is left out", Steps(activations=lambda _, y: y)
        ),
        Fault(
            "activation.twice",
            "the activation is applied twice",
            Steps(activations=lambda name, y: activate(name, activate(name, y))),
        ),
        Fault(
            "activation.relu",
            "relu is applied where there is no activation",
            Steps(activations=lambda name, y: CORRECT.activations(name or "relu", y)),
        ),
        Fault(
            "softmax.axis",
            "softmax is taken over axis 1",
            v.in_place_of("softmax", v.softmax_over(1)),
        ),
        Fault(
            "softmax.all",
            "softmax is taken over the whole sample",
            v.in_place_of("softmax", v.softmax_over(None)),
        ),
        Fault(
            "relu.nan",
            "relu turns NaN into zero",
            v.in_place_of("relu", lambda y: np.fmax(y, 0.0)),
        ),
        Fault("gelu.tanh", "gelu is approximated by tanh", v.in_place_of("gelu", v.gelu_by_tanh)),
        Fault(
            "hard_sigmoid.keras2",
            "hard_sigmoid is that of Keras 2, clip(0.2 x + 0.5, 0, 1)",
            v.in_place_of("hard_sigmoid", lambda y: np.clip(0.2 * y + 0.5, 0, 1)),
        ),
        Fault(
            "gelu.quick",
            "gelu is approximated by x times the sigmoid of 1.702 x",
            v.in_place_of("gelu", lambda y: y / (1 + np.exp(-1.702 * y))),
        ),
        Fault(
            "hard_silu.keras2",
            "hard_silu takes the hard_sigmoid of Keras 2, clip(0.2 x + 0.5, 0, 1)",
            v.in_place_of("hard_silu", lambda y: y * v.hard_sigmoid_of_keras2(y)),
        ),
        Fault(
            "relu6.cap",
            "relu6 has no upper limit",
            v.in_place_of("relu6", lambda y: np.maximum(y, 0)),
        ),
        Fault(
            "selu.rounded",
            "selu has constants of four decimals, 1.0507 and 1.6733",
            v.selu(1.0507, 1.6733),
        ),
        Fault("leaky_relu.keras2", "leaky_relu has the slope 0.3", v.leaky_relu(0.3)),
        Fault("leaky_relu.torch", "leaky_relu has the slope 0.01", v.leaky_relu(0.01)),
        *(
            Fault(
                f"activation.side-of-first-{block}",
                f"of {block} filters next to each other, the first one's sum decides for all "
                "whether the activation is that of negative or of positive sums, where the filters "
                f"are a multiple of {block}",
                Steps(activated_at=v.branch_of_first(block)),
            )
            for block in (2, 4, 8, 16)
        ),
        Fault(
            "elu.linear",
            "elu is clipped at -1 without its exponential",
            v.in_place_of("elu", lambda y: np.maximum(y, -1)),
        ),
    )


def _arithmetic() -> tuple[Fault, ...]:
    return (
        Fault(
            "arithmetic.tf32",
            "operands are rounded to TF32 (11 significant bits)",
            Steps(contract=v.rounded_operands(11)),
        ),
        Fault(
            "arithmetic.bfloat16",
            "operands are rounded to bfloat16",
            Steps(contract=v.rounded_operands(8)),
        ),
        *(
            Fault(
                f"arithmetic.{operands}-{bits}",
                f"the {words} is rounded to {BITS[bits]}"
                if operands == "kernel"
                else f"the {words} are rounded to {BITS[bits]}",
                Steps(contract=v.rounded_operands(bits, **{other: False})),
            )
            for operands, other, words in (
                ("inputs", "kernel", "inputs"),
                ("kernel", "inputs", "kernel"),
            )
            for bits in BITS
        ),
        *(
            Fault(
                f"bias.rounded-{bits}",
                f"the bias is rounded to {words}",
                Steps(add_bias=v.rounded_bias(bits)),
            )
            for bits, words in BITS.items()
        ),
        *(
            Fault(
                f"arithmetic.sums-{name}",
                f"the sums are rounded to {name} before the bias is added",
                Steps(contract=v.rounded_sums(name)),
            )
            for name in _NARROWER
        ),
        Fault(
            "arithmetic.products",
            "in 16 bits, each product is rounded before it is added to the sum",
            Steps(products=v.products_rounded_if_narrow, on_grid=False),
        ),
        *(
            Fault(
                f"results.{name}",
                f"the results are rounded to {name}",
                Steps(results=v.results_in(name)),
            )
            for name in _NARROWER
        ),
        *(
            Fault(
                f"results.{name}",
                f"the results are rounded {words}",
                Steps(results=v.results_towards(to_integer)),
            )
            for name, words, to_integer in (
                ("truncated", "towards zero", np.trunc),
                ("down", "down", np.floor),
                ("up", "up", np.ceil),
            )
        ),
        Fault(
            "arithmetic.float16",
            "sums are accumulated in float16",
            Steps(contract=v.accumulated_in("float16"), on_grid=False),
        ),
        Fault(
            "arithmetic.float32",
            "float64 sums are accumulated in float32",
            Steps(contract=v.accumulated_in("float32"), on_grid=False),
        ),
        Fault(
            "arithmetic.transform",
            "a transform over the whole sample spreads the round-off of its largest element",
            Steps(contract=v.spread, on_grid=False),
        ),
        Fault(
            "values.clamped",
            "sums are clamped to finite numbers, and NaN to the largest",
            Steps(sums=v.finite),
        ),
        Fault(
            "values.finite",
            "sums are clamped to finite numbers, and NaN to zero",
            Steps(sums=v.finite_or_zero),
        ),
        Fault(
            "values.nan-zero", "results that are NaN are given as zero", Steps(sums=v.nan_as(0.0))
        ),
        Fault(
            "values.zero-inputs",
            "the terms of inputs that are zero are left out, though the weight is not finite",
            Steps(contract=v.without_terms_of_zero),
        ),
        Fault(
            "values.zero-weights",
            "the terms of weights that are zero are left out, though the input is not finite",
            Steps(contract=v.without_terms_of_zero_weights),
        ),
        PADDING_LEFT_OUT,
        Fault("values.subnormal", "subnormal inputs are taken for zero", Steps(inputs=v.flushed)),
        Fault("values.nan", "NaN inputs are replaced by zero", Steps(inputs=v.without_nan)),
        Fault(
            "values.float16-specials",
            "the exponent of infinity and NaN in float16 is taken for one more power of 2, so that "
            "an infinite input is read as 65536",
            Steps(inputs=v.float16_without_specials),
        ),
        Fault(
            "values.infinity",
            "infinite inputs are replaced by the largest number",
            Steps(inputs=v.without_infinity),
        ),
    )


BITS: Final = MappingProxyType(
    {
        24: "float32",
        11: "11 significant bits, as TF32 and float16 have them",
        8: "8 significant bits, as bfloat16 has them",
    }
)
"""Precisions that operands are rounded to, in words."""

_NARROWER: Final = ("float32", "float16", "bfloat16")


def _windows() -> tuple[Fault, ...]:
    left_out = (
        ("last", "the last element", -1, None),
        ("first", "the first element", 0, None),
        ("last-row", "the last element along the first axis", -1, 0),
        ("first-row", "the first element along the first axis", 0, 0),
        ("last-column", "the last element along the last axis", -1, -1),
        ("first-column", "the first element along the last axis", 0, -1),
    )
    return (
        *(
            Fault(
                f"window.without-{name}",
                f"{words} of each window is left out",
                v.without_taps(place, axis),
            )
            for name, words, place, axis in left_out
        ),
        Fault(
            "window.one-column",
            "only the first element of each window along the last axis is read",
            v.with_first_taps(-1),
        ),
        Fault(
            "window.one-row",
            "only the first element of each window along the first axis is read",
            v.with_first_taps(0),
        ),
    )


def _displaced() -> tuple[Fault, ...]:
    return (
        Fault("window.later", "all windows start one place too late", v.starting(1)),
        Fault("window.earlier", "all windows start one place too early", v.starting(-1)),
    )


def _pooling() -> tuple[Fault, ...]:
    def pool(name: str, sentence: str, function: Callable[[Any, Any], Any]) -> Fault:
        return Fault(f"pooling.{name}", sentence, Steps(pool=function))

    return (
        pool("zero", "pooling takes the padding for zeros", v.pool_padding_as_zero),
        pool("nan", "pooling leaves NaN out", v.pool_ignoring_nan),
        pool("finite", "pooling starts from the least finite number", v.pool_from_finite_least),
        pool(
            "nan-first",
            "pooling keeps NaN only where it is the first element of its padded window",
            v.folded(v.greater_replaces, clipped=False),
        ),
        pool(
            "nan-first-inside",
            "pooling keeps NaN only where it is the first input of its window",
            v.folded(v.greater_replaces, clipped=True),
        ),
        pool(
            "nan-last",
            "pooling forgets NaN, and all before it, when the next element comes",
            v.folded(v.not_less_stays, clipped=False),
        ),
        pool(
            "nan-last-inside",
            "pooling forgets NaN, and all before it, when the next input comes",
            v.folded(v.not_less_stays, clipped=True),
        ),
        *(
            pool(f"from{start:g}", f"pooling starts from {words}", v.pool_from(start))
            for start, words in (
                (-32768.0, "-32768, the least number of 16 bits"),
                (-65504.0, "-65504, the least finite number of float16"),
                (-(2.0**24), "-2^24"),
                (-1e9, "-1e9"),
                (2.0**-126, "2^-126, the smallest normal number of float32"),
                (-(2.0**128) + 2.0**104, "the least finite number of float32"),
            )
        ),
        pool(
            "from-smallest-beside-padding",
            "pooling starts from the smallest positive normal number in windows that reach into "
            "the padding",
            v.pool_from_smallest_beside_padding,
        ),
        pool("mean", "pooling takes the mean", v.pool_mean),
        pool("least", "pooling takes the least element", lambda x, inside: -largest(-x, inside)),
        pool(
            "mask",
            "pooling selects by arithmetic, as m b + (1 - m) a with m one or zero, and zero times "
            "infinity is NaN",
            v.pool_by_mask,
        ),
        pool(
            "magnitude",
            "pooling takes the greatest magnitude",
            lambda x, inside: largest(np.abs(x), inside),
        ),
        pool(
            "magnitude-signed",
            "pooling takes the element of the greatest magnitude, with its sign",
            v.pool_by_magnitude,
        ),
        *(
            pool(
                f"first-{count}",
                f"the elements of a window beyond the first {count} are not read",
                v.pool_first(count),
            )
            for count in (4, 8, 9, 16, 32, 64)
        ),
        *(
            pool(
                f"whole-{block}",
                f"of a window with more than {block} elements, those beyond the last multiple of "
                f"{block} are not read",
                v.pool_in_passes(block, block),
            )
            for block in (2, 4, 8, 16)
        ),
        *(
            pool(
                f"halved-{name}",
                f"the elements of a window are reduced by halves, {words}, and the odd one that "
                "is left over of each step is not read",
                v.pool_halved(of_pairs=of_pairs),
            )
            for name, words, of_pairs in (
                ("parts", "the first half with the second", False),
                ("pairs", "each two neighbours in one", True),
            )
        ),
        *(
            pool(
                f"last-pass-{block}",
                f"a window is read in passes of {block} elements, each of which begins anew, so "
                "that only the last one counts",
                v.pool_last_pass(block),
            )
            for block in (4, 8, 9, 16)
        ),
        pool(
            "passes",
            "a window of more than 9 elements is read in passes, the first 9 and then 8 at a time, "
            "and what they leave over is not read",
            v.pool_in_passes(9, 8),
        ),
        pool(
            "positive",
            "pooling gives nothing below zero",
            lambda x, inside: np.maximum(largest(x, inside), 0),
        ),
        pool("channels", "pooling is over the channels as well", v.pool_channels),
        pool("float16", "pooling computes in float16", v.pool_through("float16")),
        pool("float32", "pooling computes in float32", v.pool_through("float32")),
        pool("float64", "pooling computes in float64", v.pool_through("float64")),
        *(
            pool(
                f"{name}-saturating",
                f"pooling computes in {name}, and what leaves the range of integers is its end",
                v.pool_through(name, saturates=True),
            )
            for name in ("float32", "float64")
        ),
        pool(
            "bits",
            "pooling compares the bits of floating-point numbers as those of integers, so that of "
            "negative numbers the least is taken",
            v.pool_by_bits,
        ),
        pool(
            "bits-padded",
            "pooling compares the bits of floating-point numbers as those of integers, those of "
            "the padding's -infinity as well",
            partial(v.pool_by_bits, padded=True),
        ),
        *(
            pool(
                f"difference{which}",
                "pooling compares two numbers by the sign of their difference, which integers that "
                f"are far apart do not hold{words}",
                v.folded(v.positive_difference_replaces, clipped=clipped),
            )
            for which, words, clipped in (
                ("", "", True),
                ("-padded", ", the least number of the padding among them", False),
            )
        ),
        pool(
            "signed",
            "pooling compares unsigned integers as signed ones",
            v.pool_with_sign("u", "i"),
        ),
        pool(
            "unsigned",
            "pooling compares signed integers as unsigned ones",
            v.pool_with_sign("i", "u"),
        ),
        Fault(
            "pooling.strides",
            "the strides of pooling default to 1",
            Steps(settings=v.pool_strides_one),
        ),
        Fault(
            "pooling.window",
            "the rows and columns of the pool are exchanged",
            Steps(settings=v.exchanged_window),
        ),
        Fault(
            "pooling.window-alone",
            "the rows and columns of the pool are exchanged, not those of strides that default to "
            "them",
            Steps(settings=v.exchanged_window_alone),
        ),
        Fault("pooling.size", "pool_size defaults to 3", Steps(settings=v.pool_size_three)),
        Fault(
            "pooling.global",
            "a pool as large as the input is taken for one of all inputs, though some lie outside "
            "of its windows",
            Steps(settings=v.pool_is_global),
        ),
    )


def _flatten() -> tuple[Fault, ...]:
    return (
        Fault(
            "flatten.ignored",
            "Flatten ignores channels_first",
            Steps(flatten=lambda x, first: flatten(x, False)),
        ),
        Fault(
            "flatten.exchanged",
            "Flatten takes channels_last for channels_first and the reverse",
            Steps(flatten=lambda x, first: flatten(x, not first)),
        ),
        Fault(
            "flatten.column-major",
            "Flatten goes in column-major order",
            Steps(flatten=v.column_major),
        ),
        Fault(
            "flatten.channels-before",
            "Flatten takes the channels before the other axes",
            Steps(flatten=v.channels_before),
        ),
        Fault(
            "flatten.channels-before-if-last",
            "Flatten takes the channels of channels_last before the other axes",
            Steps(flatten=v.channels_before_if_last),
        ),
        Fault(
            "flatten.rows-and-columns",
            "Flatten takes the axes between batch and channels in reverse",
            Steps(flatten=v.rows_and_columns),
        ),
        *(
            Fault(
                f"flatten.{name}",
                f"Flatten passes its elements through {name}",
                Steps(flatten=v.flattened_through(name)),
            )
            for name in ("float16", "float32", "float64")
        ),
        *(
            Fault(
                f"flatten.blocks-of-{count}",
                f"Flatten leaves channels in blocks of {count}, as packed layouts have them: one "
                "block of channels after the other, each with all of its places",
                Steps(flatten=v.in_blocks(count)),
            )
            for count in (4, 8, 16)
        ),
        Fault("flatten.batch", "Flatten flattens the batch as well", Steps(flatten=v.with_batch)),
    )


_ALL: Final = (
    *_same(),
    *_causal(),
    *_steps_of_windows(),
    *_windows(),
    *_displaced(),
    *_kernel(),
    *_groups(),
    *_layout(),
    *_bias(),
    *_activation(),
    *_pooling(),
    *_flatten(),
    *_arithmetic(),
)

OF_GEOMETRY: Final = (*_same(), *_causal(), *_steps_of_windows(), *_displaced())
"""The faults that go wrong in where the windows lie, forward or backward."""

FAULTS: Final = MappingProxyType({fault.identifier: fault for fault in _ALL})
"""The catalogue, by identifier."""

_CHAINED: Final = ("inputs", "kernel", "outputs", "together")


def combined(one: Fault, other: Fault) -> Steps | None:
    """The evaluation with both faults; None where they vary the same step and cannot both hold.

    An argument that is read as something else is not read as a third besides.
    """
    made = changes(one.steps)
    kinds = {fault.identifier.split(".")[0] for fault in (one, other)}
    if len(kinds) == 1 and "settings" in made and "settings" in changes(other.steps):
        return None
    for name, step in changes(other.steps).items():
        if name not in made:
            made[name] = step
        elif name in _CHAINED:
            made[name] = _chain(made[name], step)
        elif name == "settings":
            made[name] = _chain_settings(made[name], step)
        elif name != "on_grid":
            return None
    return replace(CORRECT, **made)


def changes(steps: Steps) -> dict[str, Any]:
    """The steps that are not the right ones, by name."""
    values = {field.name: getattr(steps, field.name) for field in fields(Steps)}
    return {name: value for name, value in values.items() if value is not getattr(CORRECT, name)}


def _chain(first: Callable[[Any], Any], then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: then(first(x))


def _chain_settings(first: Callable[..., Any], then: Callable[..., Any]) -> Callable[..., Any]:
    return lambda settings, case: then(first(settings, case), case)
