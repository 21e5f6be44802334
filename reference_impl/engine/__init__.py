"""The layer base class, the symbolic graph, naming and argument checks."""
