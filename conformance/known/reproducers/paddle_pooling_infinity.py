"""Max pooling of PaddlePaddle makes a finite number of -infinity.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import sys

import paddle

x = paddle.to_tensor([-math.inf, -math.inf]).reshape([1, 1, 2])
given = paddle.nn.functional.max_pool1d(x, 2, 2).item()
print(f"the maximum of [-inf, -inf] is {given}")
sys.exit(int(math.isinf(given)))
