"""Stored expectations and observations."""
