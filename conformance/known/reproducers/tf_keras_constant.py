"""keras.initializers.get("constant") raises KeyError although `value` has a default.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import tensorflow as tf

try:
    print(tf.keras.initializers.get("constant")((2,)))
except KeyError as error:
    print(f"KeyError: {error}")
    sys.exit(0)
sys.exit(1)
