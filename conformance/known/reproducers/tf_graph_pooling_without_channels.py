"""In a tf.function, max pooling of an input without channels is refused; eagerly it is not.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import tensorflow as tf


def pool(x):
    """Max pooling by two."""
    return tf.nn.max_pool1d(x, 2, 2, "VALID")


print("eagerly:", pool(tf.zeros((2, 5, 0))).shape)
try:
    print("in a graph:", tf.function(pool)(tf.zeros((2, 5, 0))).shape)
except ValueError as error:
    print("in a graph:", str(error).strip().splitlines()[-1])
    sys.exit(0)
sys.exit(1)
