"""OpenCV's convolution ends the process where a strided kernel is larger than its input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import subprocess
import sys

PROGRAM = '''
import cv2, numpy as np
from onnx import parser
model = parser.parse_model("""<ir_version: 10, opset_import: ["" : 22]>
g (float[2,3,1] x, float[4,3,4] w) => (float[a,b,c] y) { y = Conv<strides = [2]>(x, w) }""")
network = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
network.setInput(np.ones((2, 3, 1), np.float32), "x")
network.setInput(np.ones((4, 3, 4), np.float32), "w")
network.forward()
'''
status = subprocess.run([sys.executable, "-c", PROGRAM], check=False).returncode
print(f"the process ended with status {status}, but should raise an exception")
sys.exit(int(status >= 0))
