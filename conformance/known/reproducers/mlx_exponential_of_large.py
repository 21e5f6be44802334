"""MLX' softmax is off by as many units in the last place as its arguments are large.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import mlx.core as mx
import numpy as np

x = np.array([0.0, -60.0, -70.0, -80.0], np.float32)
right = np.exp(x.astype(np.float64))
right /= right.sum()
y = np.array(mx.softmax(mx.array(x), stream=mx.cpu)).astype(np.float64)
units = np.abs(y - right) / (right * 2.0**-24)
print("softmax of", x, "is off by", units.round(1), "units of its roundoff")
sys.exit(int(units.max() < 8))
