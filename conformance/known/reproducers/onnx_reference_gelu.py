"""Gelu of the onnx package in float64 takes an error function rounded to float32.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import sys

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.array([1.0], np.float64)
ends = [helper.make_tensor_value_info("x", TensorProto.DOUBLE, x.shape)]
made = [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)]
node = helper.make_node("Gelu", ["x"], ["y"])
graph = helper.make_graph([node], "g", ends, made)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)

found = float(ReferenceEvaluator(model).run(None, {"x": x})[0][0])
exact = 0.5 * (1 + math.erf(math.sqrt(0.5)))
print(f"gelu(1) is {found!r}, but should be {exact!r}")
sys.exit(int(abs(found - exact) < 1e-15))
