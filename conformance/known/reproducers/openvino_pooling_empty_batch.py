"""OpenVINO refuses to pool a batch of none.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import openvino
from openvino import opset13 as op

x = op.parameter([0, 1, 4, 4], np.float32)
try:
    y = op.max_pool(x, [2, 2], [1, 1], [1, 1], [0, 0], [2, 2], index_element_type="i64")
    model = openvino.compile_model(openvino.Model([y.output(0)], [x]), "CPU")
    print("it gives", model(np.zeros((0, 1, 4, 4), np.float32))[0].shape)
    sys.exit(1)
except RuntimeError as error:
    print("refused:", str(error)[-200:])
