"""A convolution of one column with strides beyond its window overruns oneDNN's memory (AVX-512).

float32 or float16, many rows: the process ends by a signal, or hangs.  Exit status 0 while the
defect is there, 1 once it is gone.
"""

import os
import subprocess
import sys

PROGRAM = """
import tensorflow as tf

layer = tf.keras.layers.Conv2D(2, (3, 1), strides=(8, 1))
for _ in range(5):
    layer(tf.random.normal((1, 32773, 1, 1)))
"""

environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}
command = [sys.executable, "-c", PROGRAM]
try:
    status = subprocess.run(
        command, stderr=subprocess.DEVNULL, env=environment, check=False, timeout=60
    ).returncode
except subprocess.TimeoutExpired:
    print("the process that convolves did not end within 60 seconds", flush=True)
    sys.exit(0)
print(f"the process that convolves ended with {status}", flush=True)
sys.exit(int(status >= 0))
