"""Max pooling of PaddlePaddle takes a window that is larger than the input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import paddle

try:
    outputs = paddle.nn.functional.max_pool1d(paddle.ones([1, 1, 3]), 5, 5)
except ValueError as error:
    print(f"a window of 5 over 3 elements is refused: {error}")
    sys.exit(1)
print(f"a window of 5 over 3 elements gives an array of shape {outputs.shape}")
