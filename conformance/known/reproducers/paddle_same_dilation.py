"""PaddlePaddle ignores the dilation of a convolution with SAME padding.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import paddle
from paddle.nn import functional

x = paddle.to_tensor(np.arange(1, 8, dtype=np.float32).reshape(1, 1, 7))
kernel = paddle.to_tensor(np.array([1, 10], np.float32).reshape(1, 1, 2))
outputs = functional.conv1d(x, kernel, padding="SAME", dilation=3).numpy().ravel().tolist()
padded = np.pad(np.arange(1, 8), (1, 2))
wanted = [float(padded[i] + 10 * padded[i + 3]) for i in range(7)]
print(f"two taps at a distance of 3 give {outputs}, but should give {wanted}")
sys.exit(int(outputs == wanted))
