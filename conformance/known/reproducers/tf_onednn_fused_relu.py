"""With oneDNN, relu after a convolution turns NaN into 0 once both are fused in a tf.function.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

import numpy as np
import tensorflow as tf

kernel, bias = tf.Variable(tf.ones((1, 1, 1, 1))), tf.Variable(tf.zeros(1))


def layer(x):
    """A convolution, its bias and relu."""
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "VALID"), bias))


x = tf.fill((1, 1, 1, 1), np.nan)
eager, graph = layer(x).numpy().item(), tf.function(layer)(x).numpy().item()
print(f"relu of NaN is {eager} eagerly and {graph} in a graph")
sys.exit(int(np.isnan(graph)))
