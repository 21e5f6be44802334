"""MaxPool of onnxruntime begins with the lowest finite number, not with minus infinity.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def maximum(values, window):
    """The maxima of windows that do not overlap, by onnxruntime."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    ends[0] = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, len(values)])
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[window], strides=[window])
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    runner = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return runner.run(None, {"x": np.array(values, np.float32).reshape(1, 1, -1)})[0].ravel()


found = float(maximum([-np.inf, -np.inf, -np.inf], 3)[0])
print(f"the maximum of nothing but -inf is {found}")
sys.exit(int(found == -np.inf))
