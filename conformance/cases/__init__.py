"""Cases, grids, operands and equivalence classes."""
