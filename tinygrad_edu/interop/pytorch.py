"""Between PyTorch's tensors and ours; modules need no more, since their state dicts are alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.interop.dlpack import from_dlpack


def from_torch(x: Any) -> Any:
    """A PyTorch tensor as a Tensor, without its history; lists, tuples and dicts of them likewise.

    The memory is shared, on the CPU and on a GPU (with CuPy), so that both see what either writes;
    bfloat16, which NumPy does not have, becomes a float32 copy.  ``Tensor(tensor)`` is a copy.

    A module needs no conversion: ``ours.load_state_dict(theirs.state_dict())``.

    Raises TypeError for anything else, and for dtypes that a Tensor does not hold.
    """
    torch = torch_module()

    if isinstance(x, torch.Tensor):
        return from_dlpack((x.float() if x.dtype == torch.bfloat16 else x).detach())
    return _each(from_torch, x, "from_torch takes tensors of PyTorch")


def to_torch(x: Any) -> Any:
    """A Tensor as PyTorch's, without its history; lists, tuples and dicts of Tensors likewise.

    The memory is shared where PyTorch can take it: an array that is read-only, or runs backwards in
    memory, is copied.  ``tensor.clone()`` is a copy.

    A module's state goes over whole: ``theirs.load_state_dict(to_torch(ours.state_dict()))``.

    Raises TypeError for anything else, and for dtypes that PyTorch does not have.
    """
    torch = torch_module()

    if isinstance(x, Tensor):
        array = x.data
        if x.device == "cuda":
            return torch.from_dlpack(array)
        backwards = any(stride < 0 for stride in array.strides)
        return torch.from_numpy(array if array.flags.writeable and not backwards else array.copy())
    return _each(to_torch, x, "to_torch takes Tensors")


def torch_module() -> Any:
    """The module ``torch``; an ImportError that says how to get it where there is none."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("PyTorch's tensors need PyTorch: pip install torch") from error
    return torch


def _each(convert: Any, x: Any, wanted: str) -> Any:
    if isinstance(x, Mapping):
        return {key: convert(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return type(x)(map(convert, x))
    raise TypeError(f"{wanted}, and lists and dicts of them, not {type(x).__name__}")
