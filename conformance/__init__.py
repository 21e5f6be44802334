"""Judges implementations of the documented layers against a correctly rounded oracle."""
