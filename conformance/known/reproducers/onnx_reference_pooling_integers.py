"""MaxPool of the onnx package fills padding of integers with NaN.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.array(np.arange(12).reshape(1, 1, 3, 4), np.int8)
ends = [helper.make_tensor_value_info("x", TensorProto.INT8, x.shape)]
made = [helper.make_tensor_value_info("y", TensorProto.INT8, None)]
node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])
graph = helper.make_graph([node], "g", ends, made)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)

try:
    found = ReferenceEvaluator(model).run(None, {"x": x})[0]
except ValueError as error:
    print(f"refused: {error}")
    sys.exit(0)
print(f"the maxima are {found.tolist()}")
sys.exit(1)
