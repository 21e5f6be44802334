"""SAME_UPPER of onnxruntime, where the stride exceeds the window, is a negative padding.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def run(operator, inputs, **arrays):
    """A node of one axis with a stride of 5."""
    node = helper.make_node(
        operator, ["x", *arrays], ["y"], kernel_shape=[1], strides=[5], auto_pad="SAME_UPPER"
    )
    given = {"x": inputs, **arrays}
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in given.items()]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([node], "g", ends, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, given)[0].ravel().tolist()


x = np.arange(10, dtype=np.float32).reshape(1, 1, 10)
found = run("Conv", x, w=np.ones((1, 1, 1), np.float32))
print(f"every fifth of 0 to 9 is {found}, but should be [0, 5]")
try:
    print(f"by MaxPool {run('MaxPool', x)}")
except Exception as error:
    print(f"MaxPool refuses: {type(error).__name__}")
sys.exit(int(found == [0.0, 5.0]))
