"""The kernel's gradient of a pointwise convolution with strides overruns oneDNN's workspace.

float32, 2 to 7 channels (to 15 with AVX-512), a batch of 2 or more, sizes that the strides divide:
wrong on two threads and AVX2.  Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ.update(TF_ENABLE_ONEDNN_OPTS="1", ONEDNN_MAX_CPU_ISA="AVX2")

import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(4)
layer = tf.keras.layers.Conv2D(4, 1, strides=2)
layer.build((2, 10, 10, 3))
wrong = 0
for _ in range(20):
    with tf.GradientTape() as tape:
        outputs = layer(tf.ones((2, 10, 10, 3)))
    gradient = tape.gradient(outputs, layer.kernel.value)
    wrong += int(tf.reduce_sum(tf.cast(gradient != 50, tf.int32)))
print(f"{wrong} of {20 * 12} elements of the kernel's gradient are not 50")
sys.stdout.flush()
os._exit(int(not wrong))
