"""Keras 2 pools channels_first data on the CPU, but has no gradient of it.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import tensorflow as tf
import tf_keras

x = tf.reshape(tf.range(16.0), (1, 1, 4, 4))
pool = tf_keras.layers.MaxPooling2D(2, data_format="channels_first")
with tf.GradientTape() as tape:
    tape.watch(x)
    y = pool(x)
print("pooled:", y.numpy().ravel())
try:
    print("gradient:", tape.gradient(y, x).numpy().ravel())
    sys.exit(1)
except tf.errors.InvalidArgumentError as error:
    print("gradient refused:", str(error)[:120])
