"""A convolution in groups, in float16, cannot be compiled for processors without AVX2.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["XLA_FLAGS"] = "--xla_cpu_max_isa=SSE4_2"

import tensorflow as tf

x, kernel = tf.ones((1, 6, 6, 4), tf.float16), tf.ones((3, 3, 2, 4), tf.float16)
try:
    print("it gives", float(tf.nn.conv2d(x, kernel, 1, "SAME")[0, 1, 1, 0]))
    layer = tf.keras.layers.Conv2D(4, 3, groups=2, dtype="float16")
    print("it gives", float(layer(x)[0, 0, 0, 0]))
    sys.exit(1)
except tf.errors.InternalError as error:
    print("refused:", str(error)[:200])
