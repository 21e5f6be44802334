"""DeZero's sigmoid has the absolute error of rounding 1.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np

vars(np).setdefault("int", int)  # which NumPy has no more

import dezero.functions as F  # noqa: E402

x = np.array([-10.0, -20.0, -40.0], np.float32)
y = F.sigmoid(x).data
right = 1 / (1 + np.exp(-x.astype(np.float64)))
print("sigmoid of", x, "is", y, "but should be", right)
sys.exit(int(np.all(np.abs(y - right) < 1e-5 * right)))
