"""MaxPool of the onnx package misreads its pads where all strides are 1.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.array(np.arange(30.0).reshape(1, 1, 6, 5), np.float32)
ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 2], pads=[1, 0, 1, 1])
graph = helper.make_graph([node], "g", ends, made)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)

try:
    found = ReferenceEvaluator(model).run(None, {"x": x})[0].shape
except Exception as error:
    print(f"refused: {type(error).__name__}: {error}")
    sys.exit(0)
print(f"pads [1, 0, 1, 1] of a window of 3 by 2 on 6 by 5 give {found[2:]}, but should give (6, 5)")
sys.exit(int(found == (1, 1, 6, 5)))
