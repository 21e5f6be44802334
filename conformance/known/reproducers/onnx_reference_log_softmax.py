"""LogSoftmax of the onnx package is the logarithm of the rounded softmax.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.array([[0.0, 200.0]], np.float32)
ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
node = helper.make_node("LogSoftmax", ["x"], ["y"], axis=-1)
graph = helper.make_graph([node], "g", ends, made)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)

found = ReferenceEvaluator(model).run(None, {"x": x})[0]
print(f"log_softmax of {x.tolist()} is {found.tolist()}, but should be [[-200, 0]]")
sys.exit(int(np.isfinite(found).all()))
