"""MaxPool of onnxruntime gives an output for a window that does not fit into its input.

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


try:
    found = maximum([1.0, 2.0, 3.0], 5)
except Exception as error:
    print(f"refused: {type(error).__name__}")
    sys.exit(1)
print(f"a window of 5 on 3 elements gives {found.size} element")
sys.exit(int(found.size == 0))
