"""Wrong usage of the command line."""

from __future__ import annotations


class UsageError(Exception):
    """Wrong usage: what was given, and what is allowed."""
