"""Max pooling of PaddlePaddle loses a NaN that a number follows.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import sys

import paddle

x = paddle.to_tensor([math.nan, 1.0, 1.0, math.nan]).reshape([1, 1, 4])
given = paddle.nn.functional.max_pool1d(x, 2, 2).flatten().tolist()
print(f"the maxima of [nan, 1.0] and [1.0, nan] are {given}")
sys.exit(int(all(map(math.isnan, given))))
