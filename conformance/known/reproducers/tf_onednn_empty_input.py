"""With oneDNN, the convolution of an empty batch has the shape of its input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

import tensorflow as tf

shape = tuple(tf.nn.conv2d(tf.zeros((0, 5, 6, 1)), tf.ones((3, 3, 1, 2)), 1, "VALID").shape)
print(f"the shape is {shape}, but should be (0, 3, 4, 2)")
sys.exit(int(shape == (0, 3, 4, 2)))
