"""MNN's max_pool gives -2**24 where all of a window is less.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import MNN.expr as F
import numpy as np


def const(values, *shape):
    """A constant of MNN's."""
    return F.const(np.array(values, np.float32), [*shape], F.NCHW)


x = F.convert(const([-3e7, -np.inf], 1, 1, 1, 2), F.NC4HW4)
y = np.array(F.convert(F.max_pool(x, [2, 1], [1, 1]), F.NCHW).read()).ravel()
print("the maximum of (-3e7, -inf) is", y[0], "but should be -3e7")
sys.exit(int(y[0] == np.float32(-3e7)))
