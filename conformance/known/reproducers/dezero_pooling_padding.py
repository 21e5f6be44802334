"""Max pooling of DeZero pads with zeros, which win over negative inputs.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np

for name in ("bool", "int", "float", "object"):  # aliases that NumPy no longer has
    vars(np).setdefault(name, getattr(__builtins__, name))
from dezero import functions

x = np.full((1, 1, 2, 2), -1.0)
given = functions.pooling(x, 3, 1, 1).data
print(f"the maxima of nothing but -1 are {given.ravel().tolist()}")
sys.exit(int((given == -1).all()))
