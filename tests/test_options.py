"""Protects the options of implementations: what is asked for is what the worker process gets."""

from __future__ import annotations

from itertools import permutations

import on_gpu
import pytest

from conformance.command_line import main
from conformance.implementations import registry
from conformance.implementations.options import INSTRUCTION_SETS
from conformance.implementations.protocol import ImplementationError


def test_options_are_taken_in_any_order():
    names = {
        registry.resolve(f"torch.nn[{','.join(order)}]").name
        for order in permutations(("threads=2", "isa=avx2", "channels_last", "mkldnn=off"))
    }
    assert names == {"torch.nn[channels_last,mkldnn=off,isa=avx2,threads=2]"}


def test_blanks_around_names_and_values_do_not_matter():
    assert registry.resolve("torch.nn[ isa = avx2 , threads =2]").name == (
        "torch.nn[isa=avx2,threads=2]"
    )


@pytest.mark.parametrize(
    ("older", "name"),
    [
        ("tf.keras[onednn]", "tf.keras[onednn=on]"),
        ("tf.keras[graph,onednn]", "tf.keras[graph,onednn=on]"),
        ("tf.keras[onednn,jit]", "tf.keras[jit,onednn=on]"),
        ("tf.keras[graph]", "tf.keras[graph]"),
        ("tf.keras[jit]", "tf.keras[jit]"),
        ("torch.nn[no-mkldnn]", "torch.nn[mkldnn=off]"),
        ("torch.nn[channels_last]", "torch.nn[channels_last]"),
    ],
)
def test_older_spellings_stay(older, name):
    assert registry.resolve(older) == registry.resolve(name)
    assert registry.resolve(older).name == name


def test_without_options_nothing_is_decided_for_the_framework():
    for name in ("tf.keras", "torch.nn"):
        entry = registry.resolve(name)
        decided = {"OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA"}
        assert not decided & set(entry.environment)
        assert set(entry.options) == {"name"}


@pytest.mark.parametrize("isa", INSTRUCTION_SETS)
@pytest.mark.parametrize("name", ["tf.keras", "torch.nn"])
def test_instruction_sets_limit_every_library(name, isa):
    """PyTorch uses AVX-512 where its variable says so, also where the processor has none."""
    environment = registry.resolve(f"{name}[isa={isa}]").environment
    assert isa.replace("avx512", "avx512_core") in (
        environment["ONEDNN_MAX_CPU_ISA"].lower().replace("avx512_core_amx", "amx")
    )
    lower = {"sse41": "default", "avx": "default", "avx2": "avx2"}
    assert environment.get("ATEN_CPU_CAPABILITY") == lower.get(isa)
    assert "--xla_cpu_max_isa=" in environment["XLA_FLAGS"]


def test_threads_are_set_in_environment_and_library():
    entry = registry.resolve("torch.nn[threads=3]")
    assert entry.environment["OMP_NUM_THREADS"] == "3"
    assert entry.options["threads"] == 3


def test_onednn_is_switched_before_tensorflow_is_imported():
    assert registry.resolve("tf.keras[onednn=on]").environment["TF_ENABLE_ONEDNN_OPTS"] == "1"
    assert registry.resolve("tf.keras[onednn=off]").environment["TF_ENABLE_ONEDNN_OPTS"] == "0"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("tf.keras[graph,jit]", "graph and jit exclude each other"),
        ("tf.keras[isa=avx3]", r"isa=sse41\|avx\|.*but got 'avx3'"),
        ("tf.keras[isa]", "isa=.*but none is given"),
        ("tf.keras[onednn=maybe]", r"onednn=on\|off, but got 'maybe'"),
        ("torch.nn[thread=1]", r"no option 'thread=1' \(did you mean 'threads'\?\)"),
        ("torch.nn[threads=0]", "with N from 1 to 1024, but got '0'"),
        ("torch.nn[threads=02]", "with N from 1 to 1024, but got '02'"),
        ("torch.nn[threads=two]", "with N from 1 to 1024, but got 'two'"),
        ("torch.nn[threads=1,threads=2]", "given twice, as '1' and as '2'"),
        ("torch.nn[channels_last=1]", "takes no value"),
        ("torch.nn[graph]", "no option 'graph'"),
        ("torch.nn[]", "no option ''"),
        ("reference[isa=avx2]", "reference has no options"),
        ("golden[isa=avx2]", "golden has no options"),
        ("torch.mm[isa=avx2]", "is no implementation"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(spec, message):
    with pytest.raises(ImplementationError, match=message):
        registry.resolve(spec)


@pytest.mark.parametrize("command", ["run", "smoke", "search", "shrink"])
def test_options_that_there_are_not_are_wrong_usage(command, capsys):
    """And no traceback: one line that says what is allowed."""
    case = {"run": ["--case", "Flatten/inputs:2x3"], "shrink": ["Flatten/inputs:2x3"]}
    arguments = [command, *case.get(command, []), "--implementation", "torch.nn[thread=1]"]
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("conformance: torch.nn has no option 'thread=1' (did you mean 'threads'")
    assert "threads=N" in line


def test_every_variant_that_patterns_stand_for_has_its_canonical_name():
    for entry in registry.builtin():
        assert registry.resolve(entry.name) == entry


def test_the_modes_of_the_run_on_a_gpu_are_modes_that_there_are():
    """`tests/on_gpu.py` is prepared on machines without a device."""
    names = {registry.resolve(on_gpu.name_of(options)).name for options in on_gpu.MODES.values()}
    assert len(names) == len(on_gpu.MODES)
    assert all("device=cuda" in name for name in names)
