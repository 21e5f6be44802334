"""A convolution of PaddlePaddle takes a window that is larger than the input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import subprocess
import sys

PROGRAM = """
import paddle
x, kernel = paddle.ones([2, 2, 9, 3]), paddle.ones([4, 3, 3, 2])
print("an array of shape", paddle.nn.functional.conv2d(x, kernel, data_format="NHWC").shape)
"""
finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
said = (finished.stdout + finished.stderr).strip().splitlines()[-1:]
print(f"a window of 3 rows over 2 ends with status {finished.returncode}: {said}")
sys.exit(int(finished.returncode == 1))
