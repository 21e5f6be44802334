"""The exponential in TFLite is a power of two of a rounded exponent: far arguments lose digits.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import sys
import warnings

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

warnings.simplefilter("ignore")
made = tf.function(tf.exp, input_signature=[tf.TensorSpec((1, 4), tf.float32)])
converter = tf.lite.TFLiteConverter.from_concrete_functions([made.get_concrete_function()])
interpreter = Interpreter(model_content=converter.convert())
interpreter.allocate_tensors()
x = np.array([[10.3, 40.7, 80.1, -80.3]], np.float32)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
interpreter.invoke()
found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
pairs = [(float(v), math.exp(float(a))) for a, v in zip(x[0], found[0], strict=True)]
worst = max(abs(value - exact) / (exact * 2.0**-24) for value, exact in pairs)
print(f"exponentials of {x[0].tolist()} are up to {worst:.3g} half units off")
sys.exit(int(worst <= 16))
