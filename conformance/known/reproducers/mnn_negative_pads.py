"""MNN's SAME padding is not clipped to zero in a convolution, so that kernels stand elsewhere.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import MNN.expr as F
import numpy as np


def const(values, *shape):
    """A constant of MNN's."""
    return F.const(np.array(values, np.float32), [*shape], F.NCHW)


x = F.convert(const(range(10), 1, 1, 1, 10), F.NC4HW4)
kernel, bias = const([1, 1, 1], 1, 1, 1, 3), const([0], 1)
made = F.conv2d(x, kernel, bias, [5, 1], [0, 0], [1, 1], 1, F.Padding_Mode.SAME)
y = np.array(F.convert(made, F.NCHW).read()).ravel()
print("0 + 1 + 2 and 5 + 6 + 7 are", y, "but should be [3 18]")
sys.exit(int(np.array_equal(y, [3, 18])))
