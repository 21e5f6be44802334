"""Max pooling of tinygrad loses a NaN that a number follows in its window.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ.setdefault("DEV", "PYTHON")

import numpy as np
from tinygrad import Tensor

x = np.array([[[[1.0, np.nan, 2.0, 3.0]]]], np.float32)
y = Tensor(x).max_pool2d((1, 2), (1, 1)).numpy().ravel()
print("the maxima of two of", x.ravel(), "are", y)
sys.exit(int(np.isnan(y[:2]).all()))
