"""MNN's max_pool loses a NaN that shares its window with a number.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import MNN.expr as F
import numpy as np


def const(values, *shape):
    """A constant of MNN's."""
    return F.const(np.array(values, np.float32), [*shape], F.NCHW)


x = F.convert(const([np.nan, 1], 1, 1, 1, 2), F.NC4HW4)
y = np.array(F.convert(F.max_pool(x, [2, 1], [1, 1]), F.NCHW).read()).ravel()
print("the maximum of (nan, 1) is", y[0], "but should be nan")
sys.exit(int(np.isnan(y[0])))
