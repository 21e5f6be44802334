"""MNN's convolution with a kernel that is larger than the input leaves a variable nobody can read.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import MNN
from MNN import expr

kernel = expr.const([1.0] * 9, [1, 1, 3, 3], expr.NCHW)
bias = expr.const([0.0], [1], expr.NCHW)
x = expr.const([1.0] * 4, [1, 1, 2, 2], expr.NCHW)
y = expr.conv2d(expr.convert(x, expr.NC4HW4), kernel, bias, padding_mode=expr.Padding_Mode.VALID)
try:
    print("MNN", MNN.version(), "gives", y.read())
except SystemError as error:
    print("reading it raises SystemError:", error)
    sys.exit(0)
except Exception as error:
    print("refused:", error)
sys.exit(1)
