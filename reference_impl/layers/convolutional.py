"""Convolution layers: one class for any number of spatial axes, and its two documented forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from reference_impl import activations, constraints, initializers, regularizers
from reference_impl.config import certification
from reference_impl.engine import arguments
from reference_impl.engine.arguments import VALID, Shape
from reference_impl.engine.base_layer import Certificate
from reference_impl.engine.dtypes import FLOATS, Array, as_float64, convert
from reference_impl.engine.variable import Variable
from reference_impl.layers.windowed import Windowed
from reference_impl.ops.activations.derivatives import pull_back
from reference_impl.ops.convolution import Weights
from reference_impl.ops.evaluation import Certified, evaluate
from reference_impl.ops.formats import format_of
from reference_impl.ops.geometry import Axes
from reference_impl.ops.gradients import bias_gradient
from reference_impl.ops.grouped import (
    grouped_convolution,
    grouped_input_gradient,
    grouped_kernel_gradient,
    grouped_sums,
)
from reference_impl.showing import shown


class Conv(Windowed):
    """Convolution over `rank` spatial axes.

    The definition, the spatial axes written with one index::

        out[b, o, f] = activation(bias[f] + sum over t, c of
                                  x[b, o stride + t dilation - pad, c] kernel[t, c, f])

    with x zero outside the input (a cross-correlation: the kernel is not flipped).  The kernel is
    ``(*kernel_size, channels, filters)``, the bias ``(filters,)``.

    With `groups` of g, channels and filters are cut into g equal parts, in order, and the filters
    of a part sum over the channels of the same part alone: ``filters / g`` filters read the
    ``channels / g`` channels that begin at ``(f // (filters / g)) (channels / g)``.  The kernel is
    then ``(*kernel_size, channels / g, filters)``.

    Each output is the exact value of the definition, rounded once to the layer's dtype; an
    activation that is not one of `reference_impl.activations` is applied to the rounded sum.

    Args:
        filters: number of output channels.
        kernel_size: the window's lengths, vertical first.
        strides: distance between neighbouring windows; not 1 only where `dilation_rate` is 1.
        padding: ``valid`` or ``same``, in Conv1D also ``causal``, in any case.
        data_format: ``channels_last`` or ``channels_first``; None for the global setting.
        dilation_rate: distance between neighbouring elements of a window.
        activation: a name, a configuration, an element-wise callable, or None for the identity.
            Those that mix elements (softmax) act on the last axis, whatever the data format.
        use_bias: whether the bias is added.
        kernel_initializer: makes the initial kernel.
        bias_initializer: makes the initial bias.
        kernel_regularizer: adds its value of the kernel to `losses`.
        bias_regularizer: adds its value of the bias to `losses`.
        activity_regularizer: adds its value of the output over the batch size to `losses`.
        kernel_constraint: what training applies to the kernel after each update.
        bias_constraint: what training applies to the bias after each update.
        groups: number of parts into which channels and filters are cut; divides both.  The
            documentation does not know it, so that it has no position: those of the documented
            arguments stay what they are.
        **keywords: those of `Layer`; ``border_mode``, ``dim_ordering`` and
            ``image_dim_ordering`` are Keras 1's names of ``padding`` and ``data_format``.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if an argument is out of range or unknown.
    """

    _own_keywords: ClassVar[tuple[str, ...]] = (*Windowed._own_keywords, "groups")
    _input_dtypes: ClassVar[tuple[str, ...]] = FLOATS
    _used: Weights | None = None

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = VALID,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        groups: int = 1,
        **keywords: Any,
    ) -> None:
        owner = type(self).__name__
        keywords["activity_regularizer"] = activity_regularizer
        super().__init__(
            ("kernel_size", kernel_size), strides, padding, data_format, dilation_rate, **keywords
        )
        self.filters = arguments.positive_integer(owner, "filters", filters)
        self.groups = arguments.positive_integer(owner, "groups", groups)
        self.use_bias = arguments.boolean(owner, "use_bias", use_bias)
        self._refuse_combinations()
        self.activation = activation
        self.kernel_initializer = initializers.get(kernel_initializer, owner, "kernel_initializer")
        self.bias_initializer = initializers.get(bias_initializer, owner, "bias_initializer")
        self.kernel_regularizer = regularizers.get(kernel_regularizer, owner, "kernel_regularizer")
        self.bias_regularizer = regularizers.get(bias_regularizer, owner, "bias_regularizer")
        self.kernel_constraint = constraints.get(kernel_constraint, owner, "kernel_constraint")
        self.bias_constraint = constraints.get(bias_constraint, owner, "bias_constraint")
        self._kernel: Variable | None = None
        self._bias: Variable | None = None

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """The window's lengths."""
        return self._window

    def _refuse_combinations(self) -> None:
        owner = type(self).__name__
        if self.filters % self.groups:
            raise ValueError(
                f"{owner}: argument `filters` is {self.filters} and argument `groups` is "
                f"{self.groups}; expected a number of groups that divides the filters"
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{owner}: argument `strides` is {self.strides} and argument `dilation_rate` is "
                f"{self.dilation_rate}; expected one of them to be all ones"
            )

    @property
    def activation(self) -> Any:
        """The activation, a callable on arrays."""
        return self._activation

    @activation.setter
    def activation(self, identifier: Any) -> None:
        owner = type(self).__name__
        self._activation = activations.get(identifier, owner, "activation")
        self._is_linear = self._activation is activations.linear
        self._certified_activation = (
            None if self._is_linear else activations.certified(self._activation)
        )

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what the activation says of itself, which is made of closures."""
        state = {**self.__dict__, "_used": None}
        del state["_certified_activation"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.activation = self._activation

    # Building

    def check_input(self, shape: Shape) -> None:
        """Refuse a wrong rank, length or number of channels.

        Raises:
            ValueError: naming the shape and what is expected.
        """
        super().check_input(shape)
        channels = shape[self.channel_axis]
        expected = self.kernel.shape[-2] * self.groups if self.built else channels
        if not channels or channels != expected:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `inputs` has the shape {shape} "
                f"with {channels} channels on axis {self.channel_axis}; expected "
                + (f"{expected} channels" if expected else "a known number of at least 1")
            )
        if channels % self.groups:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `inputs` has the shape {shape} "
                f"with {channels} channels on axis {self.channel_axis} and argument `groups` is "
                f"{self.groups}; expected a number of groups that divides the channels"
            )

    def create_weights(self, input_shape: Shape) -> None:
        """Make the kernel ``(*kernel_size, channels / groups, filters)`` and the bias."""
        channels = input_shape[self.channel_axis]
        assert channels is not None
        self._kernel = self.add_weight(
            (*self.kernel_size, channels // self.groups, self.filters),
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self._bias = self.add_weight(
                (self.filters,),
                self.bias_initializer,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    @property
    def kernel(self) -> Variable:
        """The kernel.

        Raises:
            AttributeError: if the layer is not built.
        """
        if self._kernel is None:
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} is not built and has no `kernel`"
            )
        return self._kernel

    @property
    def bias(self) -> Variable | None:
        """The bias; None without one.

        Raises:
            AttributeError: if the layer is not built.
        """
        if self._kernel is None:
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} is not built and has no `bias`"
            )
        return self._bias

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        """The output's shape, batch included; None stays free.

        Raises:
            ValueError: if the layer cannot take such inputs.
        """
        shape = arguments.shape(type(self).__name__, "input_shape", input_shape)
        self.check_input(shape)
        return self._activated_shape(self._output_shape(shape, self.filters))

    def _activated_shape(self, shape: Shape) -> Shape:
        """Some activations that mix the last axis (glu) shorten it."""
        last = shape[-1]
        if self._is_elementwise or last is None:
            return shape
        return (*shape[:-1], np.shape(self.activation(np.zeros((1, last), self._numpy_dtype)))[-1])

    # Calling

    @property
    def _kernel_used(self) -> Array:
        """The kernel in the dtype of the results: rounded once under a mixed policy."""
        return convert(self.kernel.value, self.compute_dtype)

    @property
    def _bias_used(self) -> Array | None:
        return None if self._bias is None else convert(self._bias.value, self.compute_dtype)

    @property
    def _weights_used(self) -> Weights:
        """Both, with what the certified sums take from them, kept until one is assigned anew.

        Under a mixed policy they are rounded at every use, so that nothing is kept.
        """
        kernel, bias, used = self._kernel_used, self._bias_used, self._used
        if used is None or used.kernel is not kernel or used.bias is not bias:
            used = self._used = Weights(kernel, bias)
        return used

    @property
    def _is_elementwise(self) -> bool:
        return self._certified_activation is None or self._certified_activation.axis is None

    def call(self, inputs: Array) -> Array:
        """The output for an array of the layer's dtype; the layer must be built."""
        return self._exact(inputs)[0].value if certification() else self._plain(inputs)

    def _certified(self, inputs: Array) -> Certificate:
        certified, is_proven = self._exact(inputs)
        bound = certified.bound if is_proven else np.full(certified.value.shape, np.inf)
        return Certificate(certified.value, bound, certified.resolved)

    def _exact(self, inputs: Array) -> tuple[Certified, bool]:
        """The output, and whether it is correctly rounded (not with a foreign activation)."""
        activation = self._certified_activation
        images = self._channels_last(inputs)
        sums = grouped_sums(images, self._weights_used, self._axes(inputs.shape))
        format = format_of(self.compute_dtype)
        if self._is_elementwise:
            certified = evaluate(sums, activation, format)
            value = self._arranged(certified.value)
        else:
            if self._channels_first:
                sums = sums.moveaxis(-1, 1)
            certified = evaluate(sums, activation, format)
            value = certified.value
        is_proven = self._is_linear or activation is not None
        value = value if is_proven else self._applied(value)
        return Certified(value, format, certified.resolved), is_proven

    def _gradients(self, inputs: Array, upstream: Array) -> dict[str, Array]:
        """Through the activation the upstream gradient is rounded once to float64; see `pull_back`.

        The sums of that with the operands are rounded once to the layer's dtype.  Without an
        activation, or with one of slopes 0 and 1, nothing is rounded before.
        """
        axes, format = self._axes(inputs.shape), format_of(self.compute_dtype)
        images, kernel, groups = self._channels_last(inputs), self._kernel_used, self.groups
        gradient = self._channels_last(self._pulled_back(images, upstream, axes))
        found = {
            "inputs": self._arranged(
                grouped_input_gradient(kernel, gradient, axes, format, groups)
            ),
            "kernel": grouped_kernel_gradient(images, gradient, axes, format, groups),
        }
        return found | ({"bias": bias_gradient(gradient, format)} if self.use_bias else {})

    def _pulled_back(self, images: Array, upstream: Array, axes: Axes) -> Array:
        """The gradient of the sums: in the layer's dtype if that holds it, else in float64."""
        if self._is_linear:
            return upstream
        activation = self._certified_activation
        if activation is None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `activation` is "
                f"{shown(self.activation)}, whose derivative is not known; expected one of "
                "reference_impl.activations"
            )
        sums = grouped_sums(images, self._weights_used, axes)
        if self._channels_first:
            sums = sums.moveaxis(-1, 1)
        wide = pull_back(sums, as_float64(upstream), activation)
        narrow = convert(wide, self.compute_dtype)
        return narrow if np.array_equal(as_float64(narrow), wide, equal_nan=True) else wide

    def _plain(self, inputs: Array) -> Array:
        """The output in ordinary floating-point arithmetic of the layer's dtype."""
        images = self._channels_last(inputs)
        with np.errstate(all="ignore"):
            value = grouped_convolution(images, self._kernel_used, self._axes(inputs.shape))
            if self._bias_used is not None:
                value += self._bias_used
        return self._approximated(self._arranged(value))

    def _approximated(self, value: Array) -> Array:
        """The activation in float64 arithmetic, by the middle of its enclosure where it has one."""
        if self._is_linear:
            return value
        if self._certified_activation is None:
            return self._applied(value)
        wide = as_float64(value)
        low, high = self._certified_activation.enclose(wide, wide)
        return convert(low / 2 + high / 2, self.compute_dtype)

    def _applied(self, value: Array) -> Array:
        """A foreign activation at the rounded sums, its result in the layer's dtype.

        Raises:
            ValueError: if it changes the shape.
        """
        result = np.asarray(self.activation(value))
        if result.shape != value.shape:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `activation` is "
                f"{shown(self.activation)} and made the shape {result.shape} of {value.shape}; "
                "expected an element-wise function"
            )
        return convert(result, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments in Keras 3's form; `from_config` is the inverse."""
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


class Conv1D(Conv):
    """Convolution of sequences: ``(batch, steps, channels)`` to ``(batch, steps, filters)``.

    ``data_format``, not documented for this layer, is taken as a keyword, and so is the padding
    ``causal``: ``(kernel_size - 1) dilation_rate`` zeros before the first step and none after the
    last, so that an output depends on no later step.  See `Conv`.
    """

    rank = 1
    _paddings = (*arguments.PADDINGS, arguments.CAUSAL)

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = VALID,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        data_format: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **keywords,
        )


class Conv2D(Conv):
    """Convolution of images: ``(batch, rows, columns, channels)`` to ``(..., filters)``.

    See `Conv`.
    """

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = VALID,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **keywords: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **keywords,
        )


Convolution1D = Conv1D
Convolution2D = Conv2D
