"""Tensors out of nothing: constants, ranges and random numbers.

Shapes may be given as numbers or as one tuple: ``zeros(2, 3)`` is ``zeros((2, 3))``.  All take
``dtype`` (float32 by default), ``requires_grad``, ``device`` (that of the `device` block around)
and ``name``, as `Tensor` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.namespaces.arrays import NUMPY, cupy_arrays
from tinygrad_edu.node import current_mode
from tinygrad_edu.ops.random import generator_or_default


def _sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    sizes = tuple(shape[0]) if len(shape) == 1 and hasattr(shape[0], "__iter__") else shape
    for n in sizes:
        if not isinstance(n, int | numpy.integer) or n < 0:
            raise ValueError(f"a shape is made of sizes, whole numbers of at least 0, not {n!r}")
    return sizes


def _made(how: str, *args: Any, dtype: Any, **options: Any) -> Tensor:
    """A tensor made on its device, by a function of the library there: nothing is sent."""
    there = (options.get("device") or current_mode().device) == "cuda"
    library = cupy_arrays().library if there else numpy
    return Tensor(getattr(library, how)(*args, dtype=dtype), **options)


def zeros(*shape: Any, dtype: Any = "float32", **options: Any) -> Tensor:
    """A tensor of zeros: ``zeros(2, 3)`` or ``zeros((2, 3))`` has shape (2, 3).

    >>> from tinygrad_edu import zeros
    >>> zeros(2, 3).shape
    (2, 3)
    """
    return _made("zeros", _sizes(shape), dtype=dtype, **options)


def ones(*shape: Any, dtype: Any = "float32", **options: Any) -> Tensor:
    """A tensor of ones: ``ones(2, 3)`` or ``ones((2, 3))`` has shape (2, 3).

    >>> from tinygrad_edu import ones
    >>> ones(3).tolist()
    [1.0, 1.0, 1.0]
    """
    return _made("ones", _sizes(shape), dtype=dtype, **options)


def full(shape: Any, fill_value: float, *, dtype: Any = "float32", **options: Any) -> Tensor:
    """A tensor of the given shape with one value everywhere.

    >>> from tinygrad_edu import full
    >>> full((2,), 7.0).tolist()
    [7.0, 7.0]
    """
    return _made("full", _sizes((shape,)), fill_value, dtype=dtype, **options)


def arange(*bounds: float, dtype: Any = None, **options: Any) -> Tensor:
    """Numbers from start to before stop: ``arange(stop)`` or ``arange(start, stop, step)``.

    Of shape (n,), and dtype int64 for whole-number bounds, so that it can index; else float32.

    >>> from tinygrad_edu import arange
    >>> arange(3).tolist(), arange(0.0, 1.0, 0.5).tolist()
    ([0, 1, 2], [0.0, 0.5])
    """
    if dtype is None:
        dtype = "int64" if all(isinstance(b, int) for b in bounds) else "float32"
    return _made("arange", *bounds, dtype=dtype, **options)


def linspace(
    start: float, stop: float, num: int = 50, *, dtype: Any = "float32", **options: Any
) -> Tensor:
    """Numbers at equal distances from start to stop, both included: a tensor of shape (num,).

    >>> from tinygrad_edu import linspace
    >>> linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    return _made("linspace", start, stop, num, dtype=dtype, **options)


def eye(n: int, m: int | None = None, *, dtype: Any = "float32", **options: Any) -> Tensor:
    """The identity matrix, (n, n) or (n, m).

    >>> from tinygrad_edu import eye
    >>> eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return _made("eye", n, m, dtype=dtype, **options)


def rand(*shape: Any, dtype: Any = "float32", generator: Any = None, **options: Any) -> Tensor:
    """Numbers drawn evenly from [0, 1), from `generator` or the one `manual_seed` seeds.

    The shape is given as sizes, ``rand(2, 3)``, or as one tuple.

    >>> import numpy
    >>> from tinygrad_edu import rand
    >>> rand(2, generator=numpy.random.default_rng(0)).shape
    (2,)
    """
    sizes = _sizes(shape)
    return _drawn(lambda: generator_or_default(generator).random(sizes), dtype, options)


def randn(*shape: Any, dtype: Any = "float32", generator: Any = None, **options: Any) -> Tensor:
    """Standard normal numbers, from `generator` or the one `manual_seed` seeds.

    The shape is given as sizes, ``randn(2, 3)``, or as one tuple.

    >>> import numpy
    >>> from tinygrad_edu import randn
    >>> randn((2, 2), generator=numpy.random.default_rng(0)).shape
    (2, 2)
    """
    sizes = _sizes(shape)
    return _drawn(lambda: generator_or_default(generator).standard_normal(sizes), dtype, options)


def _drawn(draw: Callable[[], Any], dtype: Any, options: dict[str, Any]) -> Tensor:
    """A tensor of the numbers that `draw` gives; a program draws anew in each run."""
    out = Tensor(numpy.asarray(draw(), dtype), **options)
    tape = current_mode().tape
    if tape is not None:
        there = out.device
        tape.source(
            out,
            lambda: NUMPY.to_device(numpy.asarray(draw(), dtype), device=there),
            draws=True,
        )
    return out
