"""Convolutions of the TFLite interpreter clamp infinite sums to the largest finite number.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys
import warnings

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

warnings.simplefilter("ignore")
kernel = np.ones((1, 1, 2, 1), np.float32)
signature = [tf.TensorSpec((1, 3, 3, 2), tf.float32)]
made = tf.function(lambda x: tf.nn.conv2d(x, kernel, 1, "VALID"), input_signature=signature)
converter = tf.lite.TFLiteConverter.from_concrete_functions([made.get_concrete_function()])
plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
interpreter = Interpreter(model_content=converter.convert(), experimental_op_resolver_type=plain)
interpreter.allocate_tensors()
x = np.full((1, 3, 3, 2), np.inf, np.float32)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
interpreter.invoke()
found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).max()
print(f"inf + inf is {found}")
sys.exit(int(np.isinf(found)))
