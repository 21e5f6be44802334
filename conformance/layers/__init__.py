"""The documented layers: one descriptor for each, with all that the suite knows of it.

Everything else loops over `LAYERS`, or asks a case's descriptor; no layer's name is compared
outside this package.  A further layer is a subclass of `Layer` (of `windowed.Windowed` or one of
its families where it slides a window), listed in `documented`.
"""

from conformance.layers.layer import IDENTIFIERS, REQUIRED, SIZES, Layer, sizes_of
from conformance.layers.registry import LAYERS, UnknownLayerError

__all__ = ["IDENTIFIERS", "LAYERS", "REQUIRED", "SIZES", "Layer", "UnknownLayerError", "sizes_of"]
