"""SmallPebble adds the gradient of a float16 convolution's input in float16.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import smallpebble

x = smallpebble.Variable(np.ones((1, 3, 3, 1), np.float16))
w = np.ones((3, 3, 1, 1), np.float16)
w[1, 1] = 2048
y = smallpebble.conv2d(x, smallpebble.Variable(w), padding="SAME")
got = smallpebble.get_gradients(smallpebble.sum(y))[x][0, 1, 1, 0]
right = np.float16(w.astype(np.float64).sum())
print("the sum of the kernel is", got, "but should be", right)
sys.exit(int(got == right))
