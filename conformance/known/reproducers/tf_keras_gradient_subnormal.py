"""The gradient of max pooling takes subnormal numbers for equal, and goes to the first of them.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import tensorflow as tf

window = tf.reshape(tf.constant([1e-40, 2e-40]), (1, 2, 1))
with tf.GradientTape() as tape:
    tape.watch(window)
    largest = tf.keras.layers.MaxPooling1D(2)(window)
gradient = tape.gradient(largest, window).numpy().ravel().tolist()
print(f"the gradient of max(1e-40, 2e-40) is {gradient}, but should be [0, 1]")
sys.exit(int(gradient == [0.0, 1.0]))
