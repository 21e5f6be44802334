"""MNN's relu gives 0 for NaN.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import MNN.expr as F
import numpy as np


def const(values, *shape):
    """A constant of MNN's."""
    return F.const(np.array(values, np.float32), [*shape], F.NCHW)


y = np.array(F.relu(const([np.nan, 1], 2)).read())
print("relu of nan is", y[0], "but should be nan")
sys.exit(int(np.isnan(y[0])))
