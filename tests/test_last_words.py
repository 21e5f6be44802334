"""What is kept of what a process said before it ended."""

from __future__ import annotations

import os

import pytest

from conformance.implementations.last_words import BEGIN, LastWords, how_it_ended


def heard(*chunks: bytes) -> str:
    """The last words of a process that says these chunks."""
    words = LastWords()
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as said:
        for chunk in chunks:
            said.write(chunk)
        said.close()
        words.listen(stream)
    return words.text()


def test_what_was_said_before_the_case_is_forgotten() -> None:
    assert heard(b"of another case\n" + BEGIN + b"of this one\n") == "of this one"


def test_short_words_are_kept_as_they_are() -> None:
    assert heard(b"  error: one\ntwo\n") == "error: one\ntwo"


def test_of_much_the_end_is_kept_and_the_lines_that_tell_a_reason() -> None:
    text = heard(b"noise\nassertion failed: n > 0\n", b"at frame\n" * 3000, b"the end")
    assert text.startswith("assertion failed: n > 0\n...\n")
    assert text.endswith("at frame\nthe end")
    assert len(text) < 4200
    assert "noise" not in text


def test_a_reason_is_kept_however_many_lines_look_like_one() -> None:
    lines = b"".join(b"error %d %s\n" % (number, b"x" * 1000) for number in range(60))
    assert len(heard(lines)) < 10 * 401 + 4096 + 10


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert heard(b"a\xffb") == "a\ufffdb"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "a closed or garbled connection to the suite"),
        (3, "exit status 3"),
        (-11, "signal SIGSEGV"),
        (-250, "signal 250"),
    ],
)
def test_an_ending_is_put_into_words(status: int | None, words: str) -> None:
    assert how_it_ended(status) == words
