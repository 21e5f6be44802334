"""The built-in implementations by name, and plug-ins by module or file.

Nothing here imports a framework: whether one is installed, and in which version, is read from the
metadata of the installed distributions.  `Entry.load` imports it, in the worker process.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from conformance import __version__
from conformance.implementations.protocol import Implementation, ImplementationError

_PLUGIN_LOADER: Final = "conformance.implementations.plugin:load"
_PROGRAM_LOADER: Final = "conformance.implementations.program:load"
_PROGRAM: Final = "exec:"
_PLUGIN_FORMS: Final = "MODULE, MODULE:ATTRIBUTE, FILE.py, FILE.py:ATTRIBUTE or exec:COMMAND"
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")

_ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_TENSORFLOW: Final = {
    **_ONE_THREAD,
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}


@dataclass(frozen=True)
class Entry:
    """An implementation that can be asked for.

    Attributes:
        name: the name to ask for, variant in brackets.
        summary: what it is, in one sentence.
        loader: module and function, as ``MODULE:FUNCTION``, that make the implementation.
        options: keyword arguments for the loader.
        distributions: the distributions that it needs; empty where NumPy alone is enough.
        environment: environment variables of its worker processes.
        trusted: whether it may be evaluated in the suite's own process.
        by_definition: whether it is the oracle itself, and so judged by the second derivation.
    """

    name: str
    summary: str
    loader: str
    options: Mapping[str, Any] = field(default_factory=dict)
    distributions: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    trusted: bool = False
    by_definition: bool = False

    @property
    def is_stored(self) -> bool:
        """Whether it answers from the fixtures, and so needs no operands."""
        return self.loader.startswith("conformance.implementations.golden:")

    def load(self) -> Implementation:
        """Import what it needs and make it.

        Raises:
            ImplementationError: if it is not installed or, for a plug-in, cannot be used.
        """
        missing = [name for name in self.distributions if _version(name) is None]
        if missing:
            raise ImplementationError(
                f"{self.name} needs {', '.join(missing)}, which is not installed"
            )
        module, _, function = self.loader.partition(":")
        made: Implementation = getattr(importlib.import_module(module), function)(**self.options)
        return made


def _tensorflow(variant: str, summary: str, mode: str, *, onednn: bool) -> Entry:
    return Entry(
        name=f"tf.keras[{variant}]" if variant else "tf.keras",
        summary=summary,
        loader="conformance.implementations.tf_keras:load",
        options={"mode": mode, "onednn": onednn},
        distributions=("tensorflow", "keras"),
        environment={**_TENSORFLOW, "TF_ENABLE_ONEDNN_OPTS": "01"[onednn]},
    )


def _torch(variant: str, summary: str, **options: bool) -> Entry:
    return Entry(
        name=f"torch.nn[{variant}]" if variant else "torch.nn",
        summary=summary,
        loader="conformance.implementations.torch_nn:load",
        options=options,
        distributions=("torch",),
        environment={**_ONE_THREAD, "CUDA_VISIBLE_DEVICES": "-1"},
    )


def _golden(observed: str, summary: str) -> Entry:
    name = f"golden:{observed}" if observed else "golden"
    return Entry(
        name=name,
        summary=summary,
        loader="conformance.implementations.golden:load",
        options={"name": name, "observed": observed},
        trusted=True,
    )


_OWN: Final = "TensorFlow's own CPU kernels"
_ONEDNN: Final = "the oneDNN kernels"

_BUILTIN: Final = (
    Entry(
        name="reference",
        summary="this project's oracle, judged against the second derivation of the definition",
        loader="conformance.implementations.reference:load",
        environment=_ONE_THREAD,
        trusted=True,
        by_definition=True,
    ),
    _golden("", "the stored expected values, held against the present oracle"),
    _golden("tf.keras", "what tf.keras did when it was observed"),
    _golden("torch.nn", "what torch.nn did when it was observed"),
    _tensorflow("", f"tf.keras called eagerly, on {_OWN}", "eager", onednn=False),
    _tensorflow("onednn", f"tf.keras called eagerly, on {_ONEDNN}", "eager", onednn=True),
    _tensorflow("graph", f"tf.keras in a tf.function, on {_OWN}", "graph", onednn=False),
    _tensorflow("jit", f"tf.keras compiled by XLA, beside {_OWN}", "jit", onednn=False),
    _tensorflow("graph,onednn", f"tf.keras in a tf.function, on {_ONEDNN}", "graph", onednn=True),
    _tensorflow("jit,onednn", f"tf.keras compiled by XLA, beside {_ONEDNN}", "jit", onednn=True),
    _torch("", "torch.nn modules in the default memory format"),
    _torch("channels_last", "torch.nn modules in the channels_last memory format", last=True),
    _torch("no-mkldnn", "torch.nn modules with oneDNN (mkldnn) switched off", mkldnn=False),
)


def builtin() -> tuple[Entry, ...]:
    """Every built-in implementation, installed or not."""
    return _BUILTIN


def resolve(spec: str) -> Entry:
    """The entry that `spec` names: a built-in implementation, else a plug-in.

    Raises:
        ImplementationError: if it is neither the name of a built-in implementation nor of the
            form of a plug-in that exists.
    """
    for entry in _BUILTIN:
        if entry.name == spec:
            return entry
    problem = _program_problem(spec) if is_program(spec) else _plugin_problem(spec)
    if problem:
        raise ImplementationError(f"{spec!r} is no implementation: {problem}{_known(spec)}")
    if is_program(spec):
        command = {"command": spec.removeprefix(_PROGRAM)}
        return Entry(spec, "a program", _PROGRAM_LOADER, command, environment=_ONE_THREAD)
    return Entry(
        name=spec,
        summary="a plug-in",
        loader=_PLUGIN_LOADER,
        options={"spec": spec},
        environment=_ONE_THREAD,
    )


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
    names = [entry.name for entry in _BUILTIN]
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
    return all(_version(name) is not None for name in entry.distributions)


def versions(entry: Entry) -> dict[str, str]:
    """The versions of the distributions that `entry` needs, by name, as far as installed.

    Where none is needed, that of this project.  A plug-in names its version itself, once loaded.
    """
    if is_plugin(entry):
        return {}
    if entry.is_stored:
        from conformance.implementations.golden import stored_versions

        return dict(stored_versions(entry.options["observed"]))
    if not entry.distributions:
        return {"layerproof": __version__}
    found = {name: _version(name) for name in entry.distributions}
    return {name: version for name, version in found.items() if version is not None}


_TENSORFLOW_DISTRIBUTIONS: Final = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-intel",
    "tensorflow-macos",
)
"""The names under which TensorFlow is distributed."""


@cache
def _version(distribution: str) -> str | None:
    tensorflow = distribution == "tensorflow"
    for name in _TENSORFLOW_DISTRIBUTIONS if tensorflow else (distribution,):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
