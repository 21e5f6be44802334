"""With oneDNN, max pooling whose output is just empty divides by zero and ends the process.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import signal
import subprocess
import sys

PROGRAM = "import tensorflow as tf; tf.nn.max_pool1d(tf.zeros((2, 2, 3)), 3, 1, 'VALID')"
environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}
status = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=False).returncode
print(f"the process ended with status {status}; {-signal.SIGFPE} is a division by zero")
sys.exit(int(status >= 0))
