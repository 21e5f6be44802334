"""tract's MaxPool takes a window that is larger than its input, and gives one output.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnx
import tract

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,3] x) => (float[a,b,c] y) { y = MaxPool<kernel_shape = [5]>(x) }"""
onnx.save(onnx.parser.parse_model(MODEL), "/tmp/tract_reproducer.onnx")
plan = tract.onnx().load("/tmp/tract_reproducer.onnx").into_model().into_runnable()
x = np.ones((1, 1, 3), np.float32)
y = plan.run([x])[0].to_numpy()
print("a window of 5 over 3 elements gives", y.ravel(), "but fits nowhere")
sys.exit(int(not y.size))
