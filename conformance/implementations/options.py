"""The options of a built-in implementation: ``NAME[option,option=value,...]``, in any order.

An option is a flag (``graph``), or has a value (``isa=avx2``).  Each is applied as environment
variables of the worker process, before anything is imported there, or as an argument of the
loader.  The canonical spelling of a name orders the options as its family lists them, so that two
spellings of the same implementation are one.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from conformance.implementations.protocol import ImplementationError

_FORM: Final = re.compile(r"(?P<base>[^\[\]]+)\[(?P<options>[^\[\]]*)\]\Z")
_MOST_THREADS: Final = 1024


@dataclass(frozen=True)
class Effect:
    """What a chosen option does.

    Attributes:
        environment: variables of the worker process.
        arguments: keyword arguments of the loader.
        distributions: what has to be installed for it.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    distributions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """One option of a family.

    Attributes:
        name: its name.
        allowed: its values in words, as they are listed; empty for a flag.
        summary: what it does, in words, with ``{}`` for the value.
        effect: what a value does (the empty text for a flag); None for a value that is refused.
    """

    name: str
    allowed: tuple[str, ...]
    summary: str
    effect: Callable[[str], Effect | None]

    @property
    def is_flag(self) -> bool:
        """Whether it is given without a value."""
        return not self.allowed

    @property
    def form(self) -> str:
        """How it is written: ``graph``, ``onednn=on|off``."""
        return self.name if self.is_flag else f"{self.name}={'|'.join(self.allowed)}"


@dataclass(frozen=True)
class Options:
    """What a family of implementations can be asked for.

    Attributes:
        options: the options in canonical order.
        spellings: older spellings of an option, such as ``no-mkldnn`` for ``mkldnn=off``.
        exclusive: names of which at most one may be given.
    """

    options: tuple[Option, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict)
    exclusive: tuple[str, ...] = ()

    @property
    def forms(self) -> str:
        """All options as they are written, for messages and listings."""
        return ", ".join(option.form for option in self.options)


@dataclass(frozen=True)
class Choice:
    """The options chosen for one implementation, in canonical order.

    Attributes:
        chosen: option and value, which is empty for a flag.
    """

    chosen: tuple[tuple[Option, str], ...] = ()

    @property
    def canonical(self) -> str:
        """``[option,option=value]``; empty without options."""
        parts = [o.name if o.is_flag else f"{o.name}={value}" for o, value in self.chosen]
        return f"[{','.join(parts)}]" if parts else ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of all options."""
        return {k: v for effect in self._effects for k, v in effect.environment.items()}

    @property
    def arguments(self) -> dict[str, Any]:
        """The loader's arguments of all options."""
        return {k: v for effect in self._effects for k, v in effect.arguments.items()}

    @property
    def distributions(self) -> tuple[str, ...]:
        """What all options need."""
        return tuple(name for effect in self._effects for name in effect.distributions)

    @property
    def summaries(self) -> tuple[str, ...]:
        """What the options do, in words."""
        return tuple(option.summary.format(value) for option, value in self.chosen)

    @property
    def _effects(self) -> list[Effect]:
        return [option.effect(value) or Effect() for option, value in self.chosen]


def split(spec: str) -> tuple[str, list[str]]:
    """Base name and options of a specification; no options where it has no brackets."""
    match = _FORM.match(spec)
    if match is None:
        return spec, []
    return match["base"], [_without_blanks(part) for part in match["options"].split(",")]


def _without_blanks(part: str) -> str:
    """An option without blanks around its name and its value."""
    return "=".join(word.strip() for word in part.split("="))


def choose(base: str, given: list[str], family: Options) -> Choice:
    """The options that were given, checked and in canonical order.

    Raises:
        ImplementationError: for one that the family does not have, a value that it does not take,
            or options that exclude one another; the message says what is allowed.
    """
    values: dict[str, str] = {}
    for part in given:
        name, value = _parsed(base, family.spellings.get(part, part), family)
        if name in values and values[name] != value:
            raise ImplementationError(
                f"{base}[{','.join(given)}]: the option {name!r} is given twice, as "
                f"{values[name]!r} and as {value!r}"
            )
        values[name] = value
    clash = [name for name in family.exclusive if name in values]
    if len(clash) > 1:
        raise ImplementationError(
            f"{base}[{','.join(given)}]: {' and '.join(clash)} exclude each other; give one"
        )
    chosen = [(o, values[o.name]) for o in family.options if o.name in values]
    return Choice(tuple(chosen))


def _parsed(base: str, part: str, family: Options) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    option = next((option for option in family.options if option.name == name), None)
    if option is None:
        raise ImplementationError(
            f"{base} has no option {part!r}{_hint(name, family)}; it takes {family.forms}"
        )
    if option.is_flag and equals:
        raise ImplementationError(f"{base}: the option {name!r} takes no value, but got {value!r}")
    if not option.is_flag and option.effect(value) is None:
        given = f"got {value!r}" if equals else "none is given"
        allowed = option.form.replace("N", f"N, with N from 1 to {_MOST_THREADS}")
        raise ImplementationError(f"{base}: the option is {allowed}, but {given}")
    return name, value


def _hint(name: str, family: Options) -> str:
    close = difflib.get_close_matches(name, [option.name for option in family.options], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def flag(name: str, summary: str, **arguments: Any) -> Option:
    """An option without a value, which is an argument of the loader."""
    return Option(name, (), summary, lambda _: Effect(arguments=arguments))


def one_of(name: str, summary: str, effects: Mapping[str, Effect]) -> Option:
    """An option with a few values."""
    return Option(name, tuple(effects), summary, effects.get)


def _threads(value: str) -> Effect | None:
    if value not in map(str, range(1, _MOST_THREADS + 1)):
        return None
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    )
    return Effect(dict.fromkeys(names, value), {"threads": int(value)})


THREADS: Final = Option("threads", ("N",), "on threads: {}", _threads)
"""How many threads a process computes with."""


def _limited(onednn: str, aten: str, xla: str, mkl: str) -> Effect:
    """Variables of each library; ATen's is empty where it needs no limit.

    ATen takes its variable for what the processor has, and uses instructions that are not there.
    """
    return Effect(
        {
            "ONEDNN_MAX_CPU_ISA": onednn,
            "DNNL_MAX_CPU_ISA": onednn,
            "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa={xla}".lstrip(),
            "MKL_ENABLE_INSTRUCTIONS": mkl,
        }
        | ({"ATEN_CPU_CAPABILITY": aten} if aten else {})
    )


INSTRUCTION_SETS: Final[Mapping[str, Effect]] = MappingProxyType(
    {
        "sse41": _limited("SSE41", "default", "SSE4_2", "SSE4_2"),
        "avx": _limited("AVX", "default", "AVX", "AVX"),
        "avx2": _limited("AVX2", "avx2", "AVX2", "AVX2"),
        "avx512": _limited("AVX512_CORE", "", "AVX512", "AVX512"),
        "avx512_vnni": _limited("AVX512_CORE_VNNI", "", "AVX512", "AVX512"),
        "avx512_bf16": _limited("AVX512_CORE_BF16", "", "AVX512", "AVX512"),
        "avx512_fp16": _limited("AVX512_CORE_FP16", "", "AVX512", "AVX512"),
        "amx": _limited("AVX512_CORE_AMX", "", "AVX512", "AVX512"),
    }
)
"""Instruction sets of x86-64 from the oldest, and what keeps libraries from using newer ones.

A processor that has less is not made to have more.
"""

ISA: Final = one_of("isa", "with no instructions newer than {}", INSTRUCTION_SETS)
"""The newest instruction set that may be used."""

DEVICE: Final = one_of(
    "device",
    "on device {}",
    {
        "cpu": Effect({"CUDA_VISIBLE_DEVICES": "-1"}, {"device": "cpu"}),
        "cuda": Effect(arguments={"device": "cuda"}),
    },
)
"""Where it is computed."""

AUTO_PAD: Final = flag("auto_pad", "which works out SAME padding itself", auto_pad=True)
"""Whether SAME padding is left to a runtime of graphs, instead of being given in numbers."""
