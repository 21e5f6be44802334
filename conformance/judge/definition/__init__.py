"""The second derivation: what the documentation defines, as plain loops over exact numbers.

Written from the documentation's text, apart from the oracle and sharing nothing with it, so that
an error would have to be made twice to go unseen.  `output` gives the correctly rounded output of
a case, `output_shape` its shape, `forbidden` why a case must be rejected.
"""

from conformance.judge.definition.activations import NAMES as ACTIVATIONS
from conformance.judge.definition.arguments import forbidden
from conformance.judge.definition.gradients import gradients
from conformance.judge.definition.outputs import Operands, output, output_shape

__all__ = ["ACTIVATIONS", "Operands", "forbidden", "gradients", "output", "output_shape"]
