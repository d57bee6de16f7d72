"""Tensors of any library that speaks DLPack, the protocol for handing over memory."""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.namespaces.arrays import cupy_arrays

_CPU, _PINNED = 1, 3  # DLDeviceType of the protocol: memory that the CPU reads


def from_dlpack(x: Any) -> Tensor:
    """A Tensor over the memory of `x`, an array or tensor of any library; nothing is copied.

    x : has ``__dlpack__`` and ``__dlpack_device__``: of NumPy, CuPy, PyTorch, JAX and others.  The
        other way, a Tensor has them too: ``torch.from_dlpack(tensor)``.

    Both see what either writes.  A graph recorded here does not notice what the other library
    writes into its operands, so write only between passes; ``Tensor(tensor)`` is a copy.

    Raises TypeError for what does not speak DLPack, and for numbers a Tensor does not hold
    (bfloat16, complex).

    >>> from_dlpack(numpy.arange(3)).tolist()
    [0, 1, 2]
    """
    if not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: a {type(x).__name__} has no __dlpack__; use Tensor(x)")
    kind = int(x.__dlpack_device__()[0])
    library = numpy if kind in (_CPU, _PINNED) else cupy_arrays().library
    try:
        array = library.from_dlpack(x)
    except (BufferError, RuntimeError, ValueError, TypeError) as error:
        raise TypeError(f"from_dlpack: {library.__name__} cannot take this: {error}") from error
    if array.dtype.kind not in "iufb":
        raise TypeError(f"a Tensor holds real numbers or bools, not dtype {array.dtype}")
    return Tensor._constant(array)
