"""With oneDNN and bfloat16 instructions, a gradient beyond the range reaches inputs before it.

Exit status 0 while the defect is there, 1 once it is gone, or on a processor that lacks it.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

import numpy as np
import tensorflow as tf

x = tf.ones((1, 1, 32, 3), tf.bfloat16)
kernel = tf.ones((1, 1, 3, 1), tf.bfloat16)
upstream = np.ones((1, 1, 32, 1), "float32")
upstream[0, 0, 20, 0] = np.inf
with tf.GradientTape() as tape:
    tape.watch(x)
    y = tf.nn.conv2d(x, kernel, 1, "VALID")
gradient = tape.gradient(y, x, tf.constant(upstream, tf.bfloat16)).numpy().astype("float32")
places = np.flatnonzero(~np.isfinite(gradient).all(axis=-1)).tolist()
print(f"the gradients of inputs {places} are not finite; that of 20 alone should not be")
sys.exit(int(places == [20]))
