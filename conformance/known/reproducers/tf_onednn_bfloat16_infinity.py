"""With oneDNN and bfloat16 instructions, an infinity reaches outputs beyond its window.

Exit status 0 while the defect is there, 1 once it is gone, or on a processor that lacks it.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

import numpy as np
import tensorflow as tf

x = np.zeros((1, 1, 40, 1), "float32")
x[0, 0, 20, 0] = np.inf
kernel = tf.ones((1, 11, 1, 1), tf.bfloat16)
y = tf.nn.conv2d(tf.constant(x, tf.bfloat16), kernel, 1, "SAME").numpy().astype("float32")
positions = np.flatnonzero(~np.isfinite(y)).tolist()
print(f"outputs {positions} are not finite; these should be {list(range(15, 26))}")
sys.exit(int(positions == list(range(15, 26))))
