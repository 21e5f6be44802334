"""The built-in implementations by name, and plug-ins by module or file.

Nothing here imports a framework (`families`).  Those of the field, each declared in its own file,
are listed in `field`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from conformance.implementations import field, memory
from conformance.implementations.families import (
    GOLDEN_LOADER,
    Entry,
    Family,
    installed_version,
)
from conformance.implementations.options import (
    AUTO_PAD,
    DEVICE,
    ISA,
    THREADS,
    Effect,
    Option,
    Options,
    flag,
    one_of,
    split,
)
from conformance.implementations.protocol import ImplementationError
from conformance.version import __version__

if TYPE_CHECKING:
    from conformance.judge.expectation import LookUp

_PLUGIN_LOADER: Final = "conformance.implementations.plugin:load"
_PROGRAM_LOADER: Final = "conformance.implementations.program:load"
_STORED: Final = "conformance.golden.implementation"
_PROGRAM: Final = "exec:"
_PLUGIN_FORMS: Final = "MODULE, MODULE:ATTRIBUTE, FILE.py, FILE.py:ATTRIBUTE or exec:COMMAND"
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")

_ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""The oracle's values do not depend on threads; its products are too small to gain by them."""

_ONEDNN: Final = one_of(
    "onednn",
    "with its oneDNN kernels {}",
    {
        "on": Effect({"TF_ENABLE_ONEDNN_OPTS": "1"}),
        "off": Effect({"TF_ENABLE_ONEDNN_OPTS": "0"}),
    },
)
_MKLDNN: Final = one_of(
    "mkldnn",
    "with its oneDNN (mkldnn) kernels {}",
    {"on": Effect(arguments={"mkldnn": True}), "off": Effect(arguments={"mkldnn": False})},
)

_TF32: Final = one_of(
    "tf32",
    "with TF32 {}",
    {"on": Effect(arguments={"tf32": True}), "off": Effect(arguments={"tf32": False})},
)
_CUDNN: Final = one_of(
    "cudnn",
    "with cuDNN {}",
    {name: Effect(arguments={"cudnn": name}) for name in ("off", "benchmark", "deterministic")},
)

_BACKEND: Final = one_of(
    "backend",
    "on {}",
    {
        name: Effect({"KERAS_BACKEND": name}, {"backend": name}, needed)
        for name, needed in {
            "torch": ("torch",),
            "jax": ("jax",),
            "numpy": ("jax",),
            "openvino": ("openvino", "scipy"),
        }.items()
    },
)
_XNNPACK: Final = one_of(
    "xnnpack",
    "with its XNNPACK kernels {}",
    {"on": Effect(arguments={"xnnpack": True}), "off": Effect(arguments={"xnnpack": False})},
)
_X64: Final = Option(
    "x64", (), "with JAX's 64-bit dtypes", lambda _: Effect({"JAX_ENABLE_X64": "1"})
)

_OF_TENSORFLOW: Final = Options(
    (
        flag("graph", "called in a tf.function", mode="graph"),
        flag("jit", "compiled by XLA", mode="jit"),
        _ONEDNN,
        ISA,
        THREADS,
        DEVICE,
    ),
    spellings={"onednn": "onednn=on"},
    exclusive=("graph", "jit"),
)

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family(
                name="reference",
                summary="this project's oracle, judged against the second derivation of the "
                "definition",
                loader="conformance.implementations.reference:load",
                environment=_ONE_THREAD,
                trusted=True,
                by_definition=True,
            ),
            Family(
                name="golden",
                summary="the stored expected values, held against the present oracle",
                loader=GOLDEN_LOADER,
                arguments={"name": "golden", "observed": ""},
                trusted=True,
            ),
            *(
                Family(
                    name=f"golden:{observed}",
                    summary=f"what {observed} did when it was observed",
                    loader=GOLDEN_LOADER,
                    arguments={"name": f"golden:{observed}", "observed": observed},
                    trusted=True,
                )
                for observed in ("tf.keras", "torch.nn")
            ),
            Family(
                name="tf.keras",
                summary="tf.keras as it is imported, called eagerly unless said otherwise",
                loader="conformance.implementations.tf_keras:load",
                distributions=("tensorflow", "keras"),
                environment={"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
                options=_OF_TENSORFLOW,
                variants=(
                    "graph",
                    "jit",
                    "onednn=on",
                    "onednn=off",
                    "graph,onednn=on",
                    "graph,onednn=off",
                ),
            ),
            Family(
                name="tf_keras",
                summary="Keras 2, as tf.keras where TF_USE_LEGACY_KERAS says so",
                loader="conformance.implementations.tf_keras:load",
                distributions=("tensorflow", "tf_keras"),
                environment={"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
                options=_OF_TENSORFLOW,
                variants=("graph",),
                extra="field-tf-keras",
            ),
            Family(
                name="torch.nn",
                summary="torch.nn modules as they are imported",
                loader="conformance.implementations.torch_nn:load",
                distributions=("torch",),
                environment={"OMP_WAIT_POLICY": "PASSIVE"},
                options=Options(
                    (
                        flag("channels_last", "in the channels_last memory format", last=True),
                        _MKLDNN,
                        ISA,
                        THREADS,
                        DEVICE,
                        _TF32,
                        _CUDNN,
                    ),
                    spellings={"no-mkldnn": "mkldnn=off", "mkldnn": "mkldnn=on"},
                ),
                variants=("channels_last", "mkldnn=off"),
            ),
            Family(
                name="keras",
                summary="Keras on the backend that its settings name",
                loader="conformance.implementations.keras_backends:load",
                distributions=("keras",),
                environment={"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_WAIT_POLICY": "PASSIVE"},
                options=Options((_BACKEND, _X64, ISA, THREADS)),
                variants=("backend=torch", "backend=jax", "backend=numpy", "backend=openvino"),
                follows_settings=True,
            ),
            Family(
                name="onnxruntime",
                summary="onnxruntime on ONNX graphs, SAME padding given in numbers",
                loader="conformance.implementations.onnx_runtime:load",
                distributions=("onnx", "onnxruntime"),
                options=Options((AUTO_PAD, THREADS)),
                variants=("auto_pad",),
            ),
            Family(
                name="onnx.reference",
                summary="the onnx package's reference implementation, SAME padding in numbers",
                loader="conformance.implementations.onnx_reference:load",
                distributions=("onnx",),
                environment=_ONE_THREAD,
                options=Options((AUTO_PAD,)),
                variants=("auto_pad",),
            ),
            Family(
                name="tflite",
                summary="ai-edge-litert's interpreter on TFLite files",
                loader="conformance.implementations.tflite:load",
                distributions=("ai-edge-litert",),
                environment={"TF_CPP_MIN_LOG_LEVEL": "3"},
                options=Options((_XNNPACK, THREADS)),
                variants=("xnnpack=off",),
            ),
            *field.families(),
        )
    }
)
"""The built-in implementations by name, without options."""

_BUILTIN: Final = tuple(
    family.entry(split(f"_[{variant}]")[1] if variant else [])
    for family in FAMILIES.values()
    for variant in ("", *family.variants)
)


def builtin() -> tuple[Entry, ...]:
    """Every built-in implementation, installed or not, and the variants that patterns stand for.

    Any other combination of a family's options (`FAMILIES`) can be asked for as well.
    """
    return _BUILTIN


def resolve(spec: str) -> Entry:
    """The entry that `spec` names: a built-in implementation, else a plug-in.

    Raises:
        ImplementationError: if it is neither the name of a built-in implementation, with options
            that it has, nor of the form of a plug-in that exists.
    """
    base, given = split(spec)
    if base in FAMILIES:
        return FAMILIES[base].entry(given, spec)
    problem = _program_problem(spec) if is_program(spec) else _plugin_problem(spec)
    if problem:
        raise ImplementationError(f"{spec!r} is no implementation: {problem}{_known(spec)}")
    if is_program(spec):
        command = {"command": spec.removeprefix(_PROGRAM)}
        return Entry(spec, "a program", _PROGRAM_LOADER, command, environment=memory.ENVIRONMENT)
    return Entry(
        name=spec,
        summary="a plug-in",
        loader=_PLUGIN_LOADER,
        options={"spec": spec},
        environment=memory.ENVIRONMENT,
    )


def canonical(spec: str) -> str:
    """The name of a built-in implementation with its options in order; any other as it is.

    Raises:
        ImplementationError: for options that it does not have.
    """
    base, given = split(spec)
    return FAMILIES[base].entry(given, spec).name if base in FAMILIES else spec


def is_program(spec: str) -> bool:
    """Whether `spec` is ``exec:COMMAND``."""
    return spec.startswith(_PROGRAM)


def _program_problem(spec: str) -> str | None:
    """Why a command cannot be started; None where it can, as far as seen without doing so."""
    try:
        arguments = shlex.split(spec.removeprefix(_PROGRAM))
    except ValueError as error:
        return f"its command cannot be split into words ({error})"
    if not arguments:
        return "it names no command"
    if shutil.which(arguments[0]) is None:
        return f"there is no program {arguments[0]!r} that can be executed"
    return None


def _plugin_problem(spec: str) -> str | None:
    """Why `spec` cannot be a plug-in; None where it can, as far as seen without importing it."""
    path, _ = split_file(spec)
    if path is not None:
        return None if path.is_file() else f"there is no file {str(path)!r}"
    module = spec.partition(":")[0]
    if not _MODULE.match(module):
        return f"a plug-in is given as {_PLUGIN_FORMS}"
    if _module_exists(module):
        return None
    return f"there is no module {module!r} on the path or in the working directory"


def split_file(spec: str) -> tuple[Path | None, str]:
    """File path and attribute of a spec that names a file; ``(None, "")`` for one that does not."""
    for path, attribute in ((spec, ""), spec.rpartition(":")[::2]):
        if path.endswith(".py"):
            return Path(path), attribute
    return None, ""


def _module_exists(module: str) -> bool:
    """Whether a module of this name is found; only its topmost package is looked for."""
    top = module.partition(".")[0]
    if any(Path(top + suffix).exists() for suffix in ("", ".py")):
        return True
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def _known(spec: str) -> str:
    names = list(FAMILIES)
    close = difflib.get_close_matches(spec, names, n=3)
    hint = f"; did you mean {' or '.join(close)}" if close else ""
    return f"{hint}. Built-in ones: {', '.join(names)}. Plug-ins: {_PLUGIN_FORMS}."


def is_plugin(entry: Entry) -> bool:
    """Whether `entry` is not built in, and tells its name and version itself, once loaded."""
    return entry.loader in (_PLUGIN_LOADER, _PROGRAM_LOADER)


def installed(entry: Entry) -> bool:
    """Whether every distribution, or fixture, that `entry` needs is there."""
    if entry.is_stored:
        return bool(versions(entry))
    return all(installed_version(name) is not None for name in entry.distributions)


def options(entry: Entry) -> tuple[Option, ...]:
    """What a built-in implementation, named without options, can be asked for; nothing for others.

    They are given in brackets after its name, in any order.
    """
    return FAMILIES[entry.name].options.options if entry.name in FAMILIES else ()


def versions(entry: Entry) -> dict[str, str]:
    """The versions of the distributions that `entry` needs, by name, as far as installed.

    Where none is needed, that of this project.  A plug-in names its version itself, once loaded.
    """
    if is_plugin(entry):
        return {}
    if entry.is_stored:
        return _stored("stored_versions", entry)
    if not entry.distributions:
        return {"layerproof": __version__}
    found = {name: installed_version(name) for name in entry.distributions}
    return {name: version for name, version in found.items() if version is not None}


def stored_machine(entry: Entry) -> dict[str, str]:
    """What the process ran on whose observations `entry` answers with; nothing for others."""
    return _stored("stored_machine", entry) if entry.is_stored else {}


def _stored(function: str, entry: Entry) -> dict[str, str]:
    """What a function of the fixtures' module tells of an observed implementation."""
    found: Mapping[str, str] = getattr(importlib.import_module(_STORED), function)(
        entry.options["observed"]
    )
    return dict(found)


def stored_expectations() -> LookUp:
    """What the fixtures in use say is expected of a case; None of one that they do not hold."""
    expected: LookUp = importlib.import_module(_STORED).expectations()
    return expected
