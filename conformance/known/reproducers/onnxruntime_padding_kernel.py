"""Conv of onnxruntime skips padding: a kernel's infinity over it has no part in the sum.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 3, 3]) for name in "xy"]
kernel = np.full(9, np.inf, np.float32)
weights = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 3, 3], kernel)
node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
graph = helper.make_graph([node], "g", ends[:1], ends[1:], [weights])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
corner = session.run(None, {"x": np.ones((1, 1, 3, 3), np.float32)})[0][0, 0, 0, 0]
print(f"a window over zeros of padding, by infinite weights, gives {corner}; 0 times inf is NaN")
sys.exit(int(np.isnan(corner)))
