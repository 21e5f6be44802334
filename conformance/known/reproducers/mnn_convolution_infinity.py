"""MNN's convolution gives the largest finite number for infinity, and for NaN.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import MNN.expr as F
import numpy as np


def const(values, *shape):
    """A constant of MNN's."""
    return F.const(np.array(values, np.float32), [*shape], F.NCHW)


x = F.convert(const([1, np.inf, np.nan], 1, 1, 1, 3), F.NC4HW4)
made = F.conv2d(x, const([1], 1, 1, 1, 1), const([0], 1))
y = np.array(F.convert(made, F.NCHW).read()).ravel()
print("1, inf and nan times 1 are", y, "but should be 1, inf and nan")
sys.exit(int(np.array_equal(y, [1, np.inf, np.nan], equal_nan=True)))
