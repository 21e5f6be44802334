"""The documentation as numbered clauses."""
