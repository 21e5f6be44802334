"""MaxPool of onnxruntime loses a NaN that shares its window with a number.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
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


windows = [[math.nan, 1.0], [1.0, math.nan]]
pooled = [float(maximum(window, 2)[0]) for window in windows]
for window, value in zip(windows, pooled, strict=True):
    print(f"the maximum of {window} is {value}, but should be nan")
sys.exit(int(all(map(math.isnan, pooled))))
