"""What a worker process really runs on, as its libraries tell.

oneDNN says which instruction set it chose on the first lines that it prints where
``ONEDNN_VERBOSE`` asks for any; nothing else that these libraries offer says so.  They go to the
process' standard output, from which they are read here.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from conformance.implementations.options import INSTRUCTION_SETS

LEVELS: Final = tuple(INSTRUCTION_SETS)
"""Instruction sets of x86-64, from the oldest."""

_SAID: Final = re.compile(rb"^(?:onednn|dnnl)_verbose,(?:v1,)?info,cpu,isa:(.*)$", re.MULTILINE)
_VERSION: Final = re.compile(
    rb"^(?:onednn|dnnl)_verbose,(?:v1,)?info,oneDNN v([\w.]+)", re.MULTILINE
)

_BY_WORDS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("amx", ("AMX",)),
    ("avx512_fp16", ("AVX-512", "with float16")),
    ("avx512_fp16", ("AVX10",)),  # as oneDNN 3.12 calls it, here and in the next
    ("avx512_fp16", ("AVX 10",)),
    ("avx512_bf16", ("AVX-512", "bfloat16")),
    ("avx512_vnni", ("AVX-512", "DL Boost")),
    ("avx512", ("AVX-512",)),
    ("avx2", ("AVX2",)),
    ("avx", ("AVX",)),
    ("sse41", ("SSE4.1",)),
)
"""What oneDNN's description of an instruction set contains, the newest first."""


def level_of(description: str) -> str:
    """The instruction set that oneDNN describes; its own words where it is none of `LEVELS`."""
    for level, words in _BY_WORDS:
        if all(word in description for word in words):
            return level
    return description


def onednn_facts(compute: Callable[[], object]) -> dict[str, str]:
    """What oneDNN prints of itself while `compute` runs: ``isa`` and ``onednn_version``.

    Empty where it prints nothing, since it takes no part or was asked for nothing.
    """
    with _standard_output() as said:
        compute()
    text = b"".join(said)
    isa, version = _SAID.search(text), _VERSION.search(text)
    facts = {}
    if isa is not None:
        facts["isa"] = level_of(isa[1].decode(errors="replace").strip())
    if version is not None:
        facts["onednn_version"] = version[1].decode()
    return facts


def torch_facts(torch: Any, device: str = "cpu") -> dict[str, str]:
    """How the given torch runs here, and on a processor what its oneDNN says of itself."""
    facts = {
        "device": device,
        "onednn": "on" if torch.backends.mkldnn.enabled else "off",
        "threads": str(torch.get_num_threads()),
        "aten": torch.backends.cpu.get_cpu_capability().lower(),
    }
    if device != "cpu":
        return facts
    if not torch.backends.mkldnn.is_available():
        return facts | {"onednn": "off"}
    image, kernel = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 1)
    with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        said = onednn_facts(
            lambda: torch.mkldnn_convolution(image, kernel, None, (0, 0), (1, 1), (1, 1), 1)
        )
    return facts | said


@contextmanager
def _standard_output() -> Iterator[list[bytes]]:
    """Whatever is written to file descriptor 1 in the block, once it has ended."""
    said: list[bytes] = []
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        before = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            yield said
            _flush_c_streams()
        finally:
            os.dup2(before, 1)
            os.close(before)
            file.seek(0)
            said.append(file.read())


def _flush_c_streams() -> None:
    """Flush what C code has printed; without it, it would appear later."""
    import ctypes

    try:
        ctypes.CDLL(None).fflush(None)
    except (OSError, AttributeError, TypeError):  # no C library to be had under that name
        return


def processor() -> dict[str, str]:
    """The processor's name and the instruction sets beyond the baseline that NumPy finds on it."""
    found = {"processor": _model_name() or platform.processor() or platform.machine()}
    for module in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        try:
            features = importlib.import_module(module).__cpu_features__
        except (ImportError, AttributeError):  # the second is where it stood before NumPy 2
            continue
        names = sorted(name for name, has in features.items() if has)
        return found | {"features": " ".join(names)}
    return found


def _model_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            lines = dict(line.split(":", 1) for line in stream if ":" in line)
    except OSError:
        return ""
    return {key.strip(): value.strip() for key, value in lines.items()}.get("model name", "")
