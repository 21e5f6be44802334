"""Version ranges in the notation of PEP 440, such as ``>=3.10, <3.16``.

It is the part of PEP 440 that ranges of released packages need, so that records can be read where
NumPy alone is installed; the tests hold it against `packaging`.  A local part (``2.13.0+cpu``) does
not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

_VERSION: Final = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>a|b|c|rc|alpha|beta|pre|preview)[-_.]?(?P<number>\d*))?"
    r"(?:-(?P<implicit>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_number>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?\Z",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(r"(?P<operator>===|~=|==|!=|<=|>=|<|>)\s*(?P<version>\S+)\Z")
_PRE: Final = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_LAST: Final = ("z", 0)
"""What sorts behind every pre-release: a release has none."""

Key = tuple[Any, ...]


class RangeError(ValueError):
    """A version or a range that is not written as PEP 440 has it."""


@cache
def _match(version: str) -> re.Match[str]:
    match = _VERSION.match(version.strip())
    if match is None:
        raise RangeError(f"{version!r} is no version")
    return match


def _release(version: str) -> tuple[int, ...]:
    """The numbers of the release, trailing zeros left out."""
    numbers = [int(part) for part in _match(version)["release"].split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _key(version: str) -> Key:
    """What orders versions: epoch, release, pre-release, post-release, development release."""
    match = _match(version)
    pre = match["pre"] and match["pre"].lower()
    post = match["implicit"] or (match["post"] and (match["post_number"] or "0"))
    stage = (_PRE.get(pre, pre), int(match["number"] or 0)) if pre else _LAST
    if match["dev"] and not pre and post is None:
        stage = ("", 0)
    return (
        int(match["epoch"] or 0),
        _release(version),
        stage,
        -1 if post is None else int(post),
        (0, int(match["dev_number"] or 0)) if match["dev"] else (1, 0),
    )


def is_prerelease(version: str) -> bool:
    """Whether a version is one of before a release."""
    return bool(_match(version)["pre"] or _match(version)["dev"])


def _is_final(version: str) -> bool:
    """Whether a version is a release itself, neither one before nor a correction after."""
    return not is_prerelease(version) and _key(version)[3] < 0


def _begins_with(version: str, prefix: str) -> bool:
    wanted = [int(part) for part in _match(prefix)["release"].split(".")]
    given = [int(part) for part in _match(version)["release"].split(".")]
    given += [0] * (len(wanted) - len(given))
    return given[: len(wanted)] == wanted and _key(version)[0] == _key(prefix)[0]


def _equal(version: str, wanted: str) -> bool:
    if wanted.endswith(".*"):
        return _begins_with(version, wanted[:-2])
    return _key(version) == _key(wanted)


def _compatible(version: str, wanted: str) -> bool:
    release = _match(wanted)["release"].split(".")
    if len(release) < 2:
        raise RangeError(f"'~={wanted}' needs a version of at least two numbers")
    return _key(version) >= _key(wanted) and _begins_with(
        version, f"{_key(wanted)[0]}!{'.'.join(release[:-1])}"
    )


def _below(version: str, wanted: str) -> bool:
    """Before it, and not one of its pre-releases unless it is one itself."""
    if not _key(version) < _key(wanted):
        return False
    same = _key(version)[:2] == _key(wanted)[:2]
    return not (is_prerelease(version) and same and _is_final(wanted))


def _above(version: str, wanted: str) -> bool:
    """After it, and not one of its post-releases unless it is one itself."""
    if not _key(version) > _key(wanted):
        return False
    is_post = _key(version)[3] >= 0 and _is_final(wanted)
    return not (is_post and _key(version)[:2] == _key(wanted)[:2])


_OPERATORS: Final[dict[str, Callable[[str, str], bool]]] = {
    "===": lambda version, wanted: version == wanted,
    "~=": _compatible,
    "==": _equal,
    "!=": lambda version, wanted: not _equal(version, wanted),
    "<=": lambda version, wanted: _key(version) <= _key(wanted),
    ">=": lambda version, wanted: _key(version) >= _key(wanted),
    "<": _below,
    ">": _above,
}


def _clauses(text: str) -> list[tuple[str, str]]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    matches = [(part, _CLAUSE.match(part)) for part in parts]
    for part, match in matches:
        if match is None:
            raise RangeError(
                f"{part!r} in the version range {text!r} is none of ==, !=, <=, >=, <, >, ~= and a "
                "version"
            )
    return [(match["operator"], match["version"]) for _, match in matches if match]


def check_range(text: str) -> None:
    """See to it that a range is well formed.

    Raises:
        RangeError: naming the part that is not.
    """
    for operator, wanted in _clauses(text):
        if wanted.endswith(".*") and operator not in ("==", "!="):
            raise RangeError(f"'{operator}{wanted}': only == and != take a version that ends in .*")
        if operator != "===":
            _OPERATORS[operator]("1.0", wanted)


def in_range(version: str, text: str) -> bool:
    """Whether a version lies in a range; every version lies in an empty one.

    Raises:
        RangeError: if either is not written as PEP 440 has it.
    """
    return all(_OPERATORS[operator](version, wanted) for operator, wanted in _clauses(text))
