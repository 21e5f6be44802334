"""What recorded deviations do to a result, computed, so that a record covers nothing else.

Each effect is a model of what an implementation does instead of the definition.  It holds where
every element of the outcome is either right, as the judge has it, or what the model gives: a wrong
element of another kind is not covered.  Faults of the catalogue are models too (`explained_by`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from conformance.known.effects import gradients, outputs, slopes, sparsemax, training
from conformance.known.effects.elements import explained_by

if TYPE_CHECKING:
    from conformance.known.record import Found

__all__ = ["EFFECTS", "explained_by"]

EFFECTS: Final[Mapping[str, Callable[[Found], bool]]] = MappingProxyType(
    {
        effect.__name__.replace("_", "-"): effect
        for effect in (
            gradients.bias_gradient_along_last_axis,
            gradients.gradient_of_pooled_zeros,
            gradients.gradient_of_positive_maxima_alone,
            gradients.gradients_computed_in_float32,
            gradients.gradients_of_undilated_window,
            gradients.gradients_through_selu_of_five_decimals,
            gradients.kernel_gradient_overrun,
            gradients.narrow_partial_sums,
            gradients.narrow_sums,
            gradients.neighbour_of_slope_times_zero,
            gradients.subnormals_compared_as_zeros,
            gradients.uninitialised_kernel_gradient,
            outputs.computed_in_float32,
            outputs.dilation_by_zeros,
            outputs.exponential_of_nan_is_zero,
            outputs.exponential_of_rounded_argument,
            outputs.exponential_reduced_in_two_roundings,
            outputs.gelu_with_float32_erf,
            outputs.gelu_with_float32_root,
            outputs.groups_times_zero,
            outputs.hard_silu_by_six_times_the_sum,
            outputs.lanes_times_zero,
            outputs.inputs_of_32_bits,
            outputs.inputs_of_other_byte_order,
            outputs.larger_tiles,
            outputs.log_of_softmax,
            outputs.logistic_by_absolute_error,
            outputs.neighbour_times_zero,
            outputs.nothing_where_padding_is_negative,
            outputs.padding_skipped,
            outputs.pads_of_unit_strides,
            outputs.pooling_compares_all_with_greater,
            outputs.pooling_compares_from_least_finite,
            outputs.pooling_compares_with_greater,
            outputs.pooling_restarts_at_nan,
            outputs.pooling_restarts_at_nan_and_clamps,
            outputs.relu_drops_nan,
            outputs.rounded_up_from_odd_alone,
            outputs.same_cropped,
            outputs.selu_of_five_decimals,
            outputs.shape_of_input,
            outputs.softplus_of_itself_from_twenty,
            outputs.softsign_by_reciprocal,
            outputs.subnormal_parts_are_lost,
            outputs.subnormals_as_zeros,
            outputs.summed_in_float16,
            outputs.sums_are_clamped,
            outputs.transform_of_all_samples,
            slopes.gradients_through_gelu_with_float32_root,
            slopes.gradients_through_selu_of_rounded_power,
            slopes.gradients_through_softplus_of_itself,
            sparsemax.sparsemax_by_sum_of_sums,
            training.earlier_training,
            training.losses_times_batch,
        )
    }
)
"""The effects by name, as records give them."""
