"""The kernel's gradient of a bfloat16 convolution is added up in bfloat16, its outputs in float32.

TensorFlow's own CPU kernels, without oneDNN.  Exit status 0 while the defect is there, 1 once it
is gone.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import tensorflow as tf

layer = tf.keras.layers.Conv1D(1, 2, dtype="bfloat16")
inputs = tf.ones((1, 1025, 1), tf.bfloat16)
layer.build(inputs.shape)
with tf.GradientTape() as tape:
    outputs = layer(inputs)
gradient = tape.gradient(outputs, layer.kernel.value, output_gradients=tf.ones_like(outputs))
total = float(gradient[0, 0, 0])
print(f"1024 ones add up to {total} in the gradient of the kernel")
sys.exit(int(total == 1024))
