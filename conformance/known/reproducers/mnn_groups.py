"""MNN's convolution in groups, of more than one channel each, is wrong.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import MNN.expr as F
import numpy as np


def const(values, *shape):
    """A constant of MNN's."""
    return F.const(np.array(values, np.float32), [*shape], F.NCHW)


x = F.convert(const([1, 2, 3, 4], 1, 4, 1, 1), F.NC4HW4)
kernel, bias = const([1, 1, 1, 1], 2, 2, 1, 1), const([0, 0], 2)
made = F.conv2d(x, kernel, bias, [1, 1], [0, 0], [1, 1], 2)
y = np.array(F.convert(made, F.NCHW).read()).ravel()
print("1 + 2 and 3 + 4 are", y, "but should be [3 7]")
sys.exit(int(np.array_equal(y, [3, 7])))
