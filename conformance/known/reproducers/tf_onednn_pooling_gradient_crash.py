"""With oneDNN, the gradient of max pooling of an empty array ends the process in a tf.function.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import subprocess
import sys

PROGRAM = """
import tensorflow as tf

@tf.function
def gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.max_pool2d(x, 3, 1, "SAME")
    return tape.gradient(y, x)

gradient(tf.zeros((0, 5, 6, 1)))
"""
environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}
status = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=False).returncode
print(f"the process ended with status {status}; below 0 is a signal")
sys.exit(int(status >= 0))
