"""In a graph, with oneDNN, a convolution of no elements has no gradient by its bias.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

import tensorflow as tf


@tf.function
def gradients(x, kernel, bias, upstream):
    """Of the outputs, by kernel and bias."""
    outputs = tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "VALID"), bias)
    return tf.gradients(outputs, [kernel, bias], upstream)


try:
    weights = tf.ones((2, 2, 3, 4)), tf.ones(4)
    kernel, bias = gradients(tf.ones((0, 5, 6, 3)), *weights, tf.ones((0, 4, 5, 4)))
    print("by the bias, it is", bias.numpy())
    sys.exit(1)
except tf.errors.InternalError as error:
    print("refused:", str(error)[:200])
