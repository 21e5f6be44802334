"""Numerical building blocks on arrays: geometry, certified sums, convolution, pooling."""
