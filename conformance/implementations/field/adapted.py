"""What the adapters of the field share: how they are declared, made, and asked for shapes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Final

import numpy as np

from conformance.cases.case import Case
from conformance.implementations.engine import Array, Engine
from conformance.implementations.families import Family, installed_version
from conformance.implementations.options import Options
from conformance.outcomes import Outcome, Unsupported
from reference_impl.engine.dtypes import numpy_dtype

FLOATS: Final = frozenset({"bfloat16", "float16", "float32", "float64"})
FLOAT32: Final = frozenset({"float32"})
SIGNED: Final = frozenset({"int8", "int16", "int32", "int64"})
UNSIGNED: Final = frozenset({"uint8", "uint16", "uint32", "uint64"})
INTEGERS: Final = SIGNED | UNSIGNED

_LARGEST: Final = 1 << 22
"""Elements of an input whose output is computed for its shape alone."""

_REMOVED: Final = {"bool": bool, "complex": complex, "float": float, "int": int, "object": object}
"""The aliases of NumPy that went with 1.24, and that packages which were not released since use."""


def everywhere(*names: str) -> dict[str, frozenset[str]]:
    """The same dtypes for convolution, pooling and Flatten."""
    return dict.fromkeys(("convolution", "pooling", "flatten"), frozenset(names))


class Adapted(Engine):
    """An engine of the field.

    Attributes:
        maker: what messages call it.
        takes: what it takes.
        distribution: the one whose version is its own.
        module: what it imports, and finds as `library`.
        removed_aliases: whether it uses aliases that NumPy no longer has.
    """

    distribution: ClassVar[str]
    module: ClassVar[str]
    removed_aliases: ClassVar[bool] = False

    def __init__(self, name: str, threads: int | None = None) -> None:
        version = installed_version(self.distribution) or "unknown"
        machine = {"device": "cpu", "threads": str(threads or os.cpu_count())}
        super().__init__(name, version, machine)
        if self.removed_aliases:
            for alias, kind in _REMOVED.items():
                vars(np).setdefault(alias, kind)
        self.library: Any = import_module(self.module)
        self.threads = threads
        self.begin()

    def begin(self) -> None:
        """What is to be set once, in the worker process: `threads`, precision, seeds."""

    @classmethod
    def family(
        cls,
        name: str,
        summary: str,
        *,
        also: tuple[str, ...] = (),
        options: Options | None = None,
        variants: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        extra: str = "",
    ) -> Family:
        """The declaration of an implementation that this class adapts.

        Args:
            name: what it is asked for by.
            summary: what it is, in one sentence.
            also: the distributions that it needs besides its own.
            options: what can be asked for.
            variants: combinations of them in which people run it.
            environment: of its worker processes.
            extra: the extra of this project that installs it, and tox environment that judges it;
                ``field-NAME`` by default.
        """
        return Family(
            name=name,
            summary=summary,
            loader=f"{cls.__module__}:{cls.__qualname__}",
            distributions=(cls.distribution, *also),
            environment=environment or {},
            options=options or Options(),
            variants=variants,
            modules=(cls.module.partition(".")[0],),
            extra=extra or f"field-{name}",
        )

    def _shape(self, case: Case, operands: Any) -> Outcome:
        """Computed, and so asked of no input that takes minutes."""
        if math.prod(length or 0 for length in case.inputs or ()) > _LARGEST:
            return Unsupported(f"{self.maker} infers no shapes, and computes none of this size")
        return super()._shape(case, operands)

    def shape(
        self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]
    ) -> tuple[int, ...]:
        """Of the output for zeros: that of what is computed, where nothing infers it."""
        inputs = np.zeros(shape, numpy_dtype(case.dtype))
        return tuple(int(n) for n in self.graph(case, shape, weights)(inputs).shape)
