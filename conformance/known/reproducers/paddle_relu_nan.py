"""Relu of PaddlePaddle turns NaN into 0.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import sys

import paddle

given = paddle.nn.functional.relu(paddle.to_tensor([math.nan, 1.0])).tolist()
print(f"relu of [nan, 1.0] is {given}")
sys.exit(int(math.isnan(given[0])))
