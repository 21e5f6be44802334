"""Relu of tinygrad turns NaN into 0.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ.setdefault("DEV", "PYTHON")

import math

from tinygrad import Tensor

y = Tensor([math.nan, -1.0, 2.0]).relu().tolist()
print("relu of NaN, -1 and 2 is", y)
sys.exit(int(math.isnan(y[0])))
