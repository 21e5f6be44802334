"""What torch.nn does instead of the documentation: PyTorch 2.13."""

from __future__ import annotations

from typing import Any, Final

from conformance.cases.facts import Facts
from conformance.known_deviations.record import KnownDeviation, is_well_formed, returns_a_value

_EVERY_MODE: Final = ("torch.nn", "torch.nn[*")
_VERSIONS: Final = {"torch": "2.13.*"}
_SIZES: Final = ("strides", "dilation_rate", "kernel_size", "pool_size")


def _record(identifier: str, clause: str, **fields: Any) -> KnownDeviation:
    common = {"implementations": _EVERY_MODE, "versions": _VERSIONS, "happens": returns_a_value}
    return KnownDeviation(identifier=identifier, clause=clause, **{**common, **fields})


def _has_one_size_for_more(facts: Facts) -> bool:
    sizes = [facts.case.keywords.get(name) for name in _SIZES]
    return facts.rank > 1 and any(isinstance(n, tuple | list) and len(n) == 1 for n in sizes)


def _strides_and_dilates(facts: Facts) -> bool:
    return (
        facts.observes_rejection
        and facts.is_convolution
        and is_well_formed(facts)
        and max(facts.strides) > 1
        and max(facts.dilation) > 1
    )


RECORDS: Final[tuple[KnownDeviation, ...]] = (
    _record(
        "torch.nn-bfloat16-not-local",
        "conv.output.locality",
        applies=lambda facts: (
            facts.is_convolution
            and facts.observes_values
            and facts.case.dtype == "bfloat16"
            and facts.case.operands in ("one_infinity", "one_nan")
        ),
        instead="oneDNN fills up odd numbers of bfloat16 products by a neighbour of the window "
        "times zero: an infinity gives NaN where it has no part",
        always=False,
        by_processor=True,
        reproducer="torch_nn_bfloat16_infinity.py",
    ),
    _record(
        "torch.nn-strides-with-dilation",
        "conv1d.strides.dilation-exclusive",
        applies=_strides_and_dilates,
        instead="strides and dilation are taken together, which torch documents",
        always=False,
    ),
    _record(
        "torch.nn-one-size-for-all-axes",
        "conv.strides.length",
        applies=lambda facts: facts.observes_rejection and _has_one_size_for_more(facts),
        instead="a tuple of one size stands for all axes",
        always=False,
    ),
    _record(
        "torch.nn-bias-by-truth",
        "conv.use-bias.boolean",
        applies=lambda facts: facts.observes_rejection and facts.given("use_bias"),
        instead="bias takes anything by its truth value",
        always=False,
    ),
    _record(
        "torch.nn-padding-by-number",
        "conv.padding.values",
        applies=lambda facts: (
            facts.observes_rejection and isinstance(facts.case.keywords.get("padding"), int)
        ),
        instead="an integer padding is that many zeros on both sides, which torch documents",
        always=False,
    ),
    _record(
        "torch.nn-unbatched-input",
        "conv.input.rank",
        applies=lambda facts: (
            facts.observes_rejection
            and facts.rank > 0
            and len(facts.case.inputs or ()) == facts.rank + 1
        ),
        instead="an input without batch axis is taken as one element, which torch documents",
        always=False,
    ),
    _record(
        "torch.nn-winograd",
        "conv.values.exact",
        implementations=("torch.nn[no-mkldnn]",),
        applies=lambda facts: (
            facts.is_convolution
            and facts.observes_values
            and facts.case.dtype == "float32"
            and (facts.batch or 0) >= 16
            and facts.window[-1] == 3
            and set(facts.strides) == {1}
        ),
        instead="from a batch of 16 on, another algorithm computes windows of 3: inexact on "
        "integers, dependent on the batch, and an infinity spreads beyond its window",
        reason="NNPACK's Winograd kernels, as far as the errors tell",
        always=False,
        by_processor=True,
        reproducer="torch_nn_winograd.py",
    ),
    _record(
        "torch.nn-half-padding-not-multiplied",
        "conv.padding.nonfinite-kernel",
        applies=lambda facts: (
            facts.is_convolution
            and facts.observes_values
            and facts.case.dtype in ("float16", "bfloat16")
            and facts.case.operands in ("kernel_nan", "kernel_infinity")
            and facts.padding == "same"
        ),
        instead="padding is skipped, so that a kernel element over it has no part even if it is "
        "infinite or NaN",
        always=False,
        by_processor=True,
    ),
)
