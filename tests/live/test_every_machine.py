"""Protects the verdict against the desk that it is reached on: instruction sets, threads, modes.

One machine shows what older and smaller ones do, where its libraries are kept from newer
instructions.  Every combination is run on the cases whose outcome an instruction set or the number
of threads can change; none may deviate otherwise than recorded.  In graphs, each is run on some.
"""

from __future__ import annotations

from functools import cache

import pytest

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.cases.grids import grid
from conformance.implementations.machine import LEVELS
from conformance.results import ACCEPTED
from conformance.running.runner import Runner

pytestmark = pytest.mark.live

NARROW = ("float16", "bfloat16")
SPECIAL = ("one_nan", "one_infinity", "specials", "kernel_nan", "kernel_infinity", "subnormal")
INSTRUCTION_SETS = ("sse41", "avx2", "avx512", "avx512_bf16", "avx512_fp16")
TORCH = ("torch.nn[isa={}]", "torch.nn[channels_last,isa={}]")
TENSORFLOW = ("tf.keras[isa={}]", "tf.keras[graph,isa={}]")
THREADS = ("torch.nn[threads=1]", "torch.nn[channels_last,threads=4]", "tf.keras[threads=1]")
SWEEP = [
    *(form.format(isa) for form in (*TORCH, *TENSORFLOW) for isa in INSTRUCTION_SETS),
    *THREADS,
]
EVERY = 3
"""Of cases in a narrow dtype, one in so many is run."""

SHARED = "tf.keras[graph,"
"""Tracing a function for each case takes most of the time: these have each case once among them."""


def depends_on_machine(known: Facts) -> bool:
    """Whether an instruction set, or the number of threads, may change what a case gives."""
    if known.case.observe not in ("output", "gradients"):
        return False
    special = known.case.operands in SPECIAL
    is_pointwise = bool(known.rank) and set(known.window) == {1} and max(known.strides) > 1
    return special or (known.case.observe == "gradients" and is_pointwise)


@cache
def cases() -> tuple[Case, ...]:
    """The cases of the sweep, in the order of the grid."""
    narrow = [case for case in grid("standard") if case.dtype in NARROW]
    chosen = {*narrow[::EVERY], *(c for c in grid("standard") if depends_on_machine(facts(c)))}
    return tuple(case for case in grid("standard") if case in chosen)


def cases_of(name: str) -> tuple[Case, ...]:
    """The cases that one member of the sweep is put to."""
    sharing = [member for member in SWEEP if member.startswith(SHARED)]
    if name not in sharing:
        return cases()
    return tuple(sorted(cases(), key=kind_of))[sharing.index(name) :: len(sharing)]


def kind_of(case: Case) -> tuple[str, str, bool]:
    """What a case observes, its dtype, and whether it is of a convolution."""
    return case.observe, case.dtype, facts(case).is_convolution


@pytest.mark.parametrize("name", SWEEP)
def test_the_sweep_has_cases_of_every_kind(name: str) -> None:
    kinds = {kind_of(case) for case in cases_of(name)}
    assert {(o, d, True) for o in ("output", "gradients") for d in NARROW} <= kinds
    assert 150 < len(cases_of(name)) < 1500


def test_those_that_share_the_sweep_leave_out_none() -> None:
    sharing = [member for member in SWEEP if member.startswith(SHARED)]
    assert sorted(case for member in sharing for case in map(str, cases_of(member))) == sorted(
        map(str, cases())
    )


@pytest.mark.parametrize("name", SWEEP)
def test_nothing_deviates_otherwise_than_recorded(name: str) -> None:
    with Runner(cases_of(name), [name]) as runner:
        (subject,) = runner.subjects
        unaccepted = [
            f"{r.verdict}: {r.case}: {r.message}" for r in runner if r.verdict not in ACCEPTED
        ]
    assert unaccepted == []
    if "isa=" in name and "isa" in subject.machine:
        asked = name.partition("isa=")[2].rstrip("]")
        assert LEVELS.index(subject.machine["isa"]) <= LEVELS.index(asked)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("torch.nn[threads=3,isa=avx2]", {"threads": "3", "isa": "avx2"}),
        ("torch.nn[mkldnn=off,isa=sse41]", {"onednn": "off", "aten": "default"}),
        ("tf.keras[onednn=off]", {"onednn": "off"}),
        (
            "tf.keras[graph,onednn=on,isa=sse41,threads=2]",
            {"onednn": "on", "isa": "sse41", "threads": "2", "mode": "graph"},
        ),
    ],
)
def test_options_are_what_the_libraries_tell(name: str, told: dict[str, str]) -> None:
    with Runner([], [name]) as runner:
        (subject,) = runner.subjects
    assert {fact: subject.machine.get(fact) for fact in told} == told


@pytest.mark.parametrize(
    "name",
    [
        "tf.keras[device=cuda]",
        "torch.nn[device=cuda]",
        "torch.nn[device=cuda,tf32=off]",
        "torch.nn[channels_last,device=cuda,cudnn=deterministic]",
    ],
)
def test_a_device_that_is_not_there_is_unsupported(name: str) -> None:
    case = grid("smoke")[0]
    with Runner([case], [name]) as runner:
        (result,) = runner
    assert str(result.verdict) in ("unsupported", "conforms")
    if result.verdict == "unsupported":
        assert "no CUDA device" in result.message
