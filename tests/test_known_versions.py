"""Protects the ranges of versions in records: they mean what PEP 440 says."""

from __future__ import annotations

from itertools import product

import pytest
from packaging.specifiers import SpecifierSet

from conformance.known.versions import RangeError, check_range, in_range

VERSIONS = (
    "1.0",
    "1.0.0",
    "1.1",
    "1.10",
    "2.0",
    "2.13.0",
    "2.13.0+cpu",
    "3.10",
    "3.12.0",
    "3.15.1",
    "3.15.0rc0",
    "1.0a1",
    "1.0b2",
    "1.0rc1",
    "1.0.dev3",
    "1.0a1.dev2",
    "1.0.post1",
    "1.0-1",
    "2.0.post2.dev1",
    "1!0.5",
)
WANTED = tuple(version for version in VERSIONS if "+" not in version)


@pytest.mark.parametrize("operator", ["==", "!=", "<=", ">=", "<", ">", "~="])
def test_every_operator_agrees_with_packaging(operator):
    for version, wanted in product(VERSIONS, WANTED):
        expected = SpecifierSet(operator + wanted, prereleases=True).contains(version)
        assert in_range(version, operator + wanted) == expected, (version, operator, wanted)


@pytest.mark.parametrize("wanted", ["1.*", "1.0.*", "2.13.*", "3.1.*", "3.15.*"])
def test_prefixes_agree_with_packaging(wanted):
    for version, operator in product(VERSIONS, ("==", "!=")):
        expected = SpecifierSet(operator + wanted, prereleases=True).contains(version)
        assert in_range(version, operator + wanted) == expected, (version, operator)


def test_all_parts_of_a_range_must_hold():
    assert in_range("3.12.0", ">=3.10, <3.15")
    assert not in_range("3.15.1", ">=3.10, <3.15")
    assert in_range("3.15.1", "")


@pytest.mark.parametrize("text", ["3.10", ">= ", "=>3.10", "<3.*", "~=3", ">=three", ">=3.10 <4"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(RangeError):
        check_range(text)


def test_what_is_no_version_is_refused():
    with pytest.raises(RangeError, match="'unknown' is no version"):
        in_range("unknown", ">=1")
