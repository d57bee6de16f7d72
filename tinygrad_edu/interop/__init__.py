"""Other libraries: tensors that go to them and come from them, without a copy where there can be.

>>> import numpy
>>> from tinygrad_edu import interop
>>> array = numpy.array([1.0, 2.0])
>>> x = interop.from_dlpack(array)  # the same memory, seen by both
>>> array[0] = 5.0
>>> x.tolist()
[5.0, 2.0]
"""

from tinygrad_edu.interop.dlpack import from_dlpack
from tinygrad_edu.interop.onnx import export_onnx
from tinygrad_edu.interop.parity import Difference, module_parity, parity
from tinygrad_edu.interop.pytorch import from_torch, to_torch
from tinygrad_edu.interop.standalone import export_program

__all__ = [
    "Difference",
    "export_onnx",
    "export_program",
    "from_dlpack",
    "from_torch",
    "module_parity",
    "parity",
    "to_torch",
]
