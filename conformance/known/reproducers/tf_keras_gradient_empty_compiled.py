"""XLA refuses the gradient of a convolution of a sequence of length 0.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import tensorflow as tf

layer = tf.keras.layers.Conv1D(2, 3, padding="same")
layer.build((1, 4, 1))
kernel = layer.kernel.value
gradient = tf.function(lambda x: tf.gradients(layer(x), kernel)[0], jit_compile=True)
try:
    print("it is", gradient(tf.zeros((2, 0, 1))).numpy().ravel())
    sys.exit(1)
except tf.errors.InvalidArgumentError as error:
    print("refused:", str(error)[:200])
