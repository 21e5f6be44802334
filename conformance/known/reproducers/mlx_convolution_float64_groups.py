"""MLX has convolutions of float64, but refuses them with groups.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import mlx.core as mx

mx.set_default_device(mx.cpu)
x = mx.ones((1, 4, 4, 2), mx.float64)
mx.eval(mx.conv2d(x, mx.ones((2, 1, 1, 2), mx.float64)))
print("a convolution of float64 is computed")
try:
    mx.eval(mx.conv2d(x, mx.ones((2, 1, 1, 1), mx.float64), groups=2))
except ValueError as error:
    print(f"with two groups it is refused: {error}")
    sys.exit(0)
sys.exit(1)
