"""The documented layers."""
