"""MNN's max_pool takes a window that is larger than its input, and gives one output.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import MNN.expr as F
import numpy as np


def const(values, *shape):
    """A constant of MNN's."""
    return F.const(np.array(values, np.float32), [*shape], F.NCHW)


x = F.convert(const([1, 1, 1], 1, 1, 1, 3), F.NC4HW4)
y = np.array(F.convert(F.max_pool(x, [5, 1], [1, 1]), F.NCHW).read()).ravel()
print("a window of 5 over 3 elements gives", y, "but fits nowhere")
sys.exit(int(not y.size))
