"""Protects what a report says of the machine: the instruction set by oneDNN's own description."""

from __future__ import annotations

import pytest

from conformance.implementations.machine import LEVELS, level_of, onednn_facts

DESCRIPTIONS = {
    "Intel SSE4.1": "sse41",
    "Intel AVX": "avx",
    "Intel AVX2": "avx2",
    "Intel AVX2 with Intel DL Boost": "avx2",
    "Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions": "avx512",
    "Intel AVX-512 with Intel DL Boost": "avx512_vnni",
    "Intel AVX-512 with Intel DL Boost and bfloat16 support": "avx512_bf16",
    "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support": "avx512_fp16",
    "Intel AVX 10.1": "avx512_fp16",
    "Intel AVX10.1": "avx512_fp16",
    "Intel AVX10.1 and Intel AMX with bfloat16 and 8-bit integer support": "amx",
    "Intel AVX-512 with float16, Intel DL Boost and bfloat16 support and Intel AMX with bfloat16 "
    "and 8-bit integer support": "amx",
}
"""What several releases of oneDNN say of each."""


@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_the_instruction_set_is_told_by_the_words_of_every_release(description: str) -> None:
    assert level_of(description) == DESCRIPTIONS[description]
    assert DESCRIPTIONS[description] in LEVELS


def test_an_instruction_set_that_nobody_knows_is_told_in_the_librarys_own_words() -> None:
    assert level_of("AArch64 SVE (256 bits)") == "AArch64 SVE (256 bits)"


def test_a_library_that_says_nothing_gives_no_facts() -> None:
    assert onednn_facts(lambda: None) == {}
