"""Families of built-in implementations, and the entries that their options make of them.

Nothing here imports a framework: whether one is installed, and in which version, is read from the
metadata of the installed distributions.  `Entry.load` imports it, in the worker process.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from conformance.implementations import memory
from conformance.implementations.options import Options, choose
from conformance.implementations.protocol import Implementation, ImplementationError

GOLDEN_LOADER: Final = "conformance.golden.implementation:load"
"""What answers from the fixtures."""


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
        return self.loader == GOLDEN_LOADER

    @property
    def is_observed(self) -> bool:
        """Whether it answers with what another implementation did, not with expected values."""
        return self.is_stored and bool(self.options["observed"])

    def load(self) -> Implementation:
        """Import what it needs and make it.

        Raises:
            ImplementationError: if it is not installed or, for a plug-in, cannot be used.
        """
        missing = [name for name in self.distributions if installed_version(name) is None]
        if missing:
            raise ImplementationError(
                f"{self.name} needs {', '.join(missing)}, which is not installed"
            )
        module, _, function = self.loader.partition(":")
        made: Implementation = getattr(importlib.import_module(module), function)(**self.options)
        return made


@dataclass(frozen=True)
class Family:
    """A built-in implementation with all its options.

    Attributes:
        name: its name without options.
        summary: what it is, in one sentence.
        loader, arguments, distributions, environment, trusted, by_definition: as of `Entry`.
        options: what can be asked for.
        variants: combinations of options in which people run it, which ``NAME[*`` stands for.
        modules: what it imports, which nothing else does; empty where NumPy alone is enough.
        extra: the extra of this project that installs it, which is the name of its tox environment
            too; empty where it has none of its own.
        follows_settings: whether it is, without options, what the user's settings make of it, so
            that its name does not say what was judged.
    """

    name: str
    summary: str
    loader: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    distributions: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    trusted: bool = False
    by_definition: bool = False
    options: Options = field(default_factory=Options)
    variants: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    extra: str = ""
    follows_settings: bool = False

    def entry(self, given: list[str], spec: str = "") -> Entry:
        """The implementation with the given options.

        Raises:
            ImplementationError: for options that it does not have, or that do not go together.
        """
        if given and not self.options.options:
            raise ImplementationError(f"{spec!r}: {self.name} has no options")
        choice = choose(self.name, given, self.options)
        name = self.name + choice.canonical
        return Entry(
            name=name,
            summary=", ".join([self.summary, *choice.summaries]),
            loader=self.loader,
            options={"name": name, **self.arguments, **choice.arguments},
            distributions=(*self.distributions, *choice.distributions),
            environment={**memory.ENVIRONMENT, **self.environment, **choice.environment},
            trusted=self.trusted,
            by_definition=self.by_definition,
        )


_TENSORFLOW_DISTRIBUTIONS: Final = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-intel",
    "tensorflow-macos",
)
"""The names under which TensorFlow is distributed."""


_OF_NODE: Final = "npm:"
"""What stands before the name of a package of Node.js."""


def node_modules() -> tuple[Path, ...]:
    """Where packages of Node.js are looked for: beside Python's own, and where it is told to."""
    told = os.environ.get("NODE_PATH", "").split(os.pathsep)
    return (Path(sys.prefix, "node_modules"), *(Path(path) for path in told if path))


def _version_of_node(package: str) -> str | None:
    for folder in node_modules():
        with contextlib.suppress(OSError, ValueError, KeyError):
            described = json.loads((folder / package / "package.json").read_text(encoding="utf-8"))
            return str(described["version"])
    return None


@cache
def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None where it is not.

    That of a package of Node.js is asked for as ``npm:PACKAGE``.
    """
    if distribution.startswith(_OF_NODE):
        return _version_of_node(distribution.removeprefix(_OF_NODE))
    from importlib import metadata  # 20 ms that most processes do without

    tensorflow = distribution == "tensorflow"
    for name in _TENSORFLOW_DISTRIBUTIONS if tensorflow else (distribution,):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
