"""DeZero takes a window that is larger than the input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np

for name in ("bool", "int", "float", "object"):  # aliases that NumPy no longer has
    vars(np).setdefault(name, getattr(__builtins__, name))
from dezero import functions

try:
    outputs = functions.conv2d(np.ones((2, 3, 2, 9)), np.ones((4, 3, 3, 2)))
except (AssertionError, ValueError) as error:
    print(f"a window of 3 rows over 2 is refused: {error}")
    sys.exit(1)
print(f"a window of 3 rows over 2 gives an array of shape {outputs.shape}")
