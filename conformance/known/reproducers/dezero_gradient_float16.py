"""DeZero adds the gradient of a float16 convolution's input in float16.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np

vars(np).setdefault("int", int)  # which NumPy has no more

import dezero.functions as F  # noqa: E402
from dezero import Variable  # noqa: E402

x = Variable(np.ones((1, 1, 3, 3), np.float16))
w = Variable(np.ones((1, 1, 3, 3), np.float16))
w.data[0, 0, 1, 1] = 2048
y = F.conv2d_simple(x, w, pad=1)
y.backward()
got, right = x.grad.data[0, 0, 1, 1], np.float16(w.data.astype(np.float64).sum())
print("the sum of the kernel is", got, "but should be", right)
sys.exit(int(got == right))
