"""What can go wrong before anything is judged."""

from __future__ import annotations


class ModelError(Exception):
    """A source, candidate or input that cannot be used; the message names it and what is wrong."""
