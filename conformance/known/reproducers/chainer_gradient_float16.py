"""Chainer adds the gradient of a float16 convolution's input in float16.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import chainer
import numpy as np

x = chainer.Variable(np.ones((1, 1, 3, 3), np.float16))
w = np.ones((1, 1, 3, 3), np.float16)
w[0, 0, 1, 1] = 2048
y = chainer.functions.convolution_2d(x, w, pad=1)
y.grad = np.ones_like(y.array)
y.backward()
got, right = x.grad[0, 0, 1, 1], np.float16(w.astype(np.float64).sum())
print("the sum of the kernel is", got, "but should be", right)
sys.exit(int(got == right))
