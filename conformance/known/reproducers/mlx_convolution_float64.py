"""A convolution of float64 in MLX is computed in float32.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)
inputs = np.array([1 + 2.0**-40, 1]).reshape(1, 2, 1)
outputs = mx.conv1d(mx.array(inputs, mx.float64), mx.array(np.ones((1, 1, 1)), mx.float64))
given = float(np.array(outputs)[0, 0, 0])
print(f"{outputs.dtype}: 1 times 1 + 2**-40 is {given!r}, but should be {inputs[0, 0, 0]!r}")
sys.exit(int(given == inputs[0, 0, 0]))
