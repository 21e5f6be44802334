"""SmallPebble's relu gives NaN for minus infinity.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import smallpebble

x = smallpebble.Variable(np.array([-np.inf, -1.0, 2.0]))
y = smallpebble.leaky_relu(x, 0.0).array
print("relu of", x.array, "is", y)
sys.exit(int(y[0] == 0))
