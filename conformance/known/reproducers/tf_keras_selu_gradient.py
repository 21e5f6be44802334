"""The gradient of selu for negative numbers near zero is that of positive ones (here float16).

selu(x) = scale * alpha * (exp(x) - 1) for x < 0, so that its slope there is near
1.0507 * 1.6733 = 1.758.
Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import tensorflow as tf

x = tf.constant([-1e-4], tf.float16)
with tf.GradientTape() as tape:
    tape.watch(x)
    y = tf.keras.activations.selu(x)
slope = float(tape.gradient(y, x)[0])
print(f"the slope of selu at -1e-4 is {slope}, but should be 1.758")
sys.exit(int(slope > 1.7))
