"""The conformance cases as pytest items."""
