"""The array API standard's names for what Tensors do: ``x.__array_namespace__()`` is this module.

A function written for the standard, such as ``xp.sum(x, axis=0)`` with ``xp`` taken from its
argument, then runs on Tensors and is differentiated like any other.  Here is the part of the
standard that operations cover; a name of the rest raises AttributeError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tinygrad_edu import ops
from tinygrad_edu.engine.creation import arange, eye, full, linspace, ones, zeros
from tinygrad_edu.engine.tensor import Tensor, _plain_lists
from tinygrad_edu.ops.registry import lookup

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")

e, pi, inf, nan, newaxis = math.e, math.pi, math.inf, math.nan, None
bool = numpy.dtype("bool")
float32, float64 = numpy.dtype("float32"), numpy.dtype("float64")
int8, int16, int32, int64 = (numpy.dtype(f"int{n}") for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (numpy.dtype(f"uint{n}") for n in (8, 16, 32, 64))
finfo, iinfo, isdtype = numpy.finfo, numpy.iinfo, numpy.isdtype

# Operations whose arguments are the standard's; those on the right of a colon have another name.
_SAME = """abs add acos:arccos asin:arcsin atan:arctan atan2:arctan2 ceil cos cosh divide equal exp
    expm1 floor greater greater_equal less less_equal log log10 log1p log2 logaddexp maximum minimum
    multiply negative not_equal pow:power reciprocal sign sin sinh sqrt square subtract tan tanh
    where argmax argmin max mean min prod std sum var cumulative_sum:cumsum expand_dims flip matmul
    matrix_transpose tril triu zeros_like ones_like"""
_OPERATIONS = dict((name.partition(":")[::2]) for name in _SAME.split())


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in _OPERATIONS:
        raise AttributeError(
            f"Tensors have no {name!r} of the array API; x.data has, as an array of NumPy or CuPy"
        )
    return lookup(_OPERATIONS[name] or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_OPERATIONS})


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Tensor:
    """A Tensor of numbers, lists or an array; a Tensor that fits already is given back.

    Whole numbers become int64, so that they can be indices; others float32.

    >>> asarray([1.0, 2.0]).tolist(), asarray([1, 2]).tolist()
    ([1.0, 2.0], [1, 2])
    """
    fits = isinstance(obj, Tensor) and dtype in (None, obj.dtype) and device in (None, obj.device)
    if copy is False and not fits:
        raise ValueError("asarray: a Tensor of this cannot be had without a copy")
    if dtype is None and isinstance(obj, int | list | tuple):  # whole numbers index here
        dtype = int64 if numpy.asarray(_plain_lists(obj)).dtype.kind == "i" else None
    return obj if fits and not copy else Tensor(obj, dtype=dtype, device=device)


def astype(x: Tensor, dtype: Any, /, *, copy: Any = True) -> Tensor:
    """x in another dtype.

    >>> astype(Tensor([1.5]), int64).tolist()
    [1]
    """
    return x.astype(dtype)


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: Any = None) -> Tensor:
    """The same elements in another shape.

    >>> reshape(Tensor([1.0, 2.0]), (2, 1)).tolist()
    [[1.0], [2.0]]
    """
    return x.reshape(shape)


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """The elements repeated along new or size-1 axes.

    >>> broadcast_to(Tensor([1.0]), (2,)).tolist()
    [1.0, 1.0]
    """
    return x.broadcast_to(shape)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """The axes in another order.

    >>> permute_dims(Tensor([[1.0, 2.0]]), (1, 0)).tolist()
    [[1.0], [2.0]]
    """
    return x.transpose(axes)


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """Without axes of size 1.

    >>> squeeze(Tensor([[1.0]]), 0).tolist()
    [1.0]
    """
    return ops.squeeze(x, axis=axis)


def roll(x: Tensor, /, shift: Any, *, axis: Any = None) -> Tensor:
    """Elements moved along axes, wrapping around.

    >>> roll(Tensor([1.0, 2.0, 3.0]), 1, axis=0).tolist()
    [3.0, 1.0, 2.0]
    """
    return ops.roll(x, shift=shift, axis=axis)


def take(x: Tensor, indices: Any, /, *, axis: int) -> Tensor:
    """Elements at indices along an axis.

    >>> take(Tensor([1.0, 2.0]), Tensor([1], dtype="int64"), axis=0).tolist()
    [2.0]
    """
    return ops.take(x, indices=indices, axis=axis)


def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Tensor:
    """x limited to [min, max].

    >>> clip(Tensor([1.0, 5.0]), 2.0, 4.0).tolist()
    [2.0, 4.0]
    """
    return ops.clip(x, min=min, max=max)


def concat(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Tensors joined along an axis that they have.

    >>> concat([Tensor([1.0]), Tensor([2.0])]).tolist()
    [1.0, 2.0]
    """
    return ops.concat(*arrays, axis=axis)


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Tensors joined along a new axis.

    >>> stack([Tensor([1.0]), Tensor([2.0])]).shape
    (2, 1)
    """
    return ops.stack(*arrays, axis=axis)


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype that these have together.

    >>> result_type(Tensor([1.0]), float64)
    dtype('float64')
    """
    return numpy.result_type(*[x.dtype if isinstance(x, Tensor) else x for x in arrays_and_dtypes])


__all__ = [
    "arange",
    "asarray",
    "astype",
    "bool",
    "broadcast_to",
    "clip",
    "concat",
    "e",
    "eye",
    "finfo",
    "float32",
    "float64",
    "full",
    "iinfo",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdtype",
    "linspace",
    "nan",
    "newaxis",
    "ones",
    "permute_dims",
    "pi",
    "reshape",
    "result_type",
    "roll",
    "squeeze",
    "stack",
    "take",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "zeros",
]
