"""The kernel's gradient of a convolution without outputs is uninitialised memory, not zeros.

TensorFlow's own CPU kernels, without oneDNN.  Exit status 0 while the defect is there, 1 once it
is gone.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import tensorflow as tf

found = []
for _ in range(50):
    spoilt = [tf.random.uniform((2, 2, 3, 4)) + 1 for _ in range(50)]  # memory with other numbers
    del spoilt
    layer = tf.keras.layers.Conv2D(4, 2, padding="same")
    inputs = tf.zeros((2, 0, 4, 3))
    layer.build(inputs.shape)
    with tf.GradientTape() as tape:
        outputs = layer(inputs)
    found.append(float(tf.reduce_max(tf.abs(tape.gradient(outputs, layer.kernel.value)))))
print(f"gradients of no outputs of magnitudes up to {max(found)}, but should be zeros")
sys.exit(int(not any(found)))
