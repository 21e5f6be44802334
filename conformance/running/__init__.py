"""Distributing cases over worker processes, and judging what comes back."""
