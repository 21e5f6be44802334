"""Expectations, bounds and verdicts."""
