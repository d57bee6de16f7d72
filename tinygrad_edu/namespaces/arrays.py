"""The vocabulary over arrays: `Arrays(numpy)` and `Arrays(cupy)`, same names, same keywords.

Where the library's function already has our signature it is used as it is, so that reading a rule
with arrays costs one attribute look-up.  CuPy is imported only by `cupy_arrays`, when a tensor is
first moved to a GPU.
"""

import functools
import itertools
import math
import operator
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from tinygrad_edu.namespaces.vocabulary import ELEMENTWISE

Array = Any  # numpy.ndarray or cupy.ndarray
Axis = int | tuple[int, ...] | None

# Names whose signature in the library is ours already.
_SAME = (*(ELEMENTWISE.keys() - {"power", "erf"}), "matmul", "tril", "triu", "flip")

_SMALL = 4096  # elements below which a copy costs less than a view made in Python


class Arrays:
    """The vocabulary over the arrays of one library, `numpy` or `cupy`."""

    if TYPE_CHECKING:  # the names of _SAME, bound in __init__ straight from the library

        def __getattr__(self, name: str) -> Callable[..., Array]: ...

    def __init__(self, library: types.ModuleType) -> None:
        self.library = library
        self.name: str = library.__name__
        self.device = "cpu" if self.name == "numpy" else "cuda"
        self.ndarray: Any = library.ndarray
        self.asarray: Callable[..., Array] = library.asarray
        for name in _SAME:
            setattr(self, name, getattr(library, name))
        if self.device == "cpu":  # two short cuts that CuPy does not have
            self.__dict__["matrix_transpose"] = operator.attrgetter("mT")
            self._sum = library.add.reduce
        else:
            self._sum = library.sum

    def __repr__(self) -> str:
        return f"Arrays({self.name})"

    # Elementwise -------------------------------------------------------------------------------

    def power(self, x: Array, y: Array) -> Array:
        return x**y  # the operator, unlike the function, is quick for a power of 2

    def erf(self, x: Array) -> Array:
        """Near 0 a polynomial in x^2; from 1 on, 1 - exp(-x^2) times a polynomial in 2/(2+x).

        NumPy has no erf.  Both polynomials interpolate `math.erf`; relative error below 1e-15.
        """
        inner, outer = _erf_polynomials()
        size = self.abs(x)
        square = x * x
        near = x * _horner(inner, 2 * self.minimum(square, 1) - 1)
        centre, half = (_OUTER[0] + _OUTER[1]) / 2, (_OUTER[1] - _OUTER[0]) / 2
        far_t = 2 / (2 + self.minimum(self.maximum(size, 1), 6))
        far = 1 - self.exp(-square) * _horner(outer, (far_t - centre) / half)
        return self.where(size < 1, near, self.sign(x) * far)

    # Reductions --------------------------------------------------------------------------------
    # Methods rather than numpy.sum and its kin: the same code, one Python layer less.

    def sum(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        return self._sum(x, axis=axis, keepdims=keepdims)

    def prod(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        return x.prod(axis=axis, keepdims=keepdims)

    def max(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        return x.max(axis=axis, keepdims=keepdims)

    def min(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        return x.min(axis=axis, keepdims=keepdims)

    def cumsum(self, x: Array, axis: int) -> Array:
        return x.cumsum(axis=axis, dtype=x.dtype)

    def argmax(self, x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
        return self.library.argmax(x, axis=axis, keepdims=keepdims)

    def argmin(self, x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
        return self.library.argmin(x, axis=axis, keepdims=keepdims)

    # Shapes ------------------------------------------------------------------------------------

    def astype(self, x: Array, dtype: Any) -> Array:
        return x.astype(dtype)

    def to_device(self, x: Array, device: str) -> Array:
        if device not in ("cpu", "cuda"):
            raise ValueError(f"device is {device!r}, not 'cpu' or 'cuda'")
        if device == self.device:
            return x
        return x.get() if device == "cpu" else cupy_arrays().asarray(x)

    def reshape(self, x: Array, shape: tuple[int, ...]) -> Array:
        return x.reshape(shape)

    def transpose(self, x: Array, axes: tuple[int, ...] | None = None) -> Array:
        return x.transpose(axes)

    def matrix_transpose(self, x: Array) -> Array:
        return x.swapaxes(-1, -2)

    def broadcast_to(self, x: Array, shape: tuple[int, ...]) -> Array:
        if math.prod(shape) > _SMALL:
            return self.library.broadcast_to(x, shape)
        out = self.library.empty(shape, dtype=x.dtype)  # five times as fast as making a view
        out[...] = x
        return out

    def sum_to(self, x: Array, shape: tuple[int, ...]) -> Array:
        extra = x.ndim - len(shape)
        if x.shape[extra:] == shape:
            return self._sum(x, 0 if extra == 1 else tuple(range(extra)))
        axes = [i for i, n in enumerate(shape, extra) if n == 1 and x.shape[i] != 1]
        return self._sum(x, axis=(*range(extra), *axes)).reshape(shape)

    def roll(self, x: Array, shift: Any, axis: Any) -> Array:
        return self.library.roll(x, shift, axis)

    def concat(self, *xs: Array, axis: int = 0) -> Array:
        return self.library.concatenate(xs, axis=axis)

    def stack(self, *xs: Array, axis: int = 0) -> Array:
        return self.library.stack(xs, axis=axis)

    def getitem(self, x: Array, index: Any) -> Array:
        return x[index]

    def put_add(self, x: Array, index: Any, shape: tuple[int, ...]) -> Array:
        out = self.library.zeros(shape, dtype=x.dtype)
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, self.ndarray) and part.dtype.kind in "iu" for part in parts):
            self.library.add.at(out, index, x)  # the same place may be named twice
        else:
            out[index] = x
        return out

    def one_hot(self, x: Array, num_classes: int, dtype: Any) -> Array:
        if x.size and (x.min() < 0 or x.max() >= num_classes):
            worst = x.min() if x.min() < 0 else x.max()
            raise IndexError(f"class {int(worst)} is not in [0, {num_classes})")
        places = self.library.arange(num_classes, dtype=x.dtype)
        return (x[..., None] == places).astype(dtype)

    # Linear ------------------------------------------------------------------------------------

    def einsum(self, *xs: Array, subscripts: str) -> Array:
        return self.library.einsum(subscripts, *xs, optimize=len(xs) > 2)

    # Windows -----------------------------------------------------------------------------------

    def unfold(
        self, x: Array, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
    ) -> Array:
        """A view: nothing is copied until the caller reshapes or multiplies it."""
        lead, steps = x.shape[: -len(size)], x.strides[: -len(size)]
        inner, inner_steps = x.shape[-len(size) :], x.strides[-len(size) :]
        places = tuple(
            (n - d * (k - 1) - 1) // s + 1
            for n, k, s, d in zip(inner, size, stride, dilation, strict=True)
        )
        return self.library.lib.stride_tricks.as_strided(
            x,
            (*lead, *places, *size),
            (
                *steps,
                *(step * s for step, s in zip(inner_steps, stride, strict=True)),
                *(step * d for step, d in zip(inner_steps, dilation, strict=True)),
            ),
        )

    def fold(
        self,
        x: Array,
        shape: tuple[int, ...],
        size: Sequence[int],
        stride: Sequence[int],
        dilation: Sequence[int],
    ) -> Array:
        out = self.library.zeros(shape, dtype=x.dtype)
        places = x.shape[-2 * len(size) : -len(size)]
        for offset in itertools.product(*map(range, size)):
            target = tuple(
                slice(o * d, o * d + s * n, s)
                for o, d, s, n in zip(offset, dilation, stride, places, strict=True)
            )
            here, there = (..., *target), (..., *offset)
            out[here] += x[there]
        return out

    # Random numbers ----------------------------------------------------------------------------

    def uniform_like(self, x: Array, generator: Any) -> Array:
        return self.asarray(generator.random(x.shape)).astype(x.dtype)

    def normal_like(self, x: Array, generator: Any) -> Array:
        return self.asarray(generator.standard_normal(x.shape)).astype(x.dtype)


_OUTER = (2 / (2 + 6), 2 / (2 + 1))  # where 2 / (2 + x) lies for x from 6 down to 1


@functools.cache
def _erf_polynomials() -> tuple[list[float], list[float]]:
    """Coefficients on [-1, 1], lowest power first, for erf near 0 and for erfc from 1 to 6."""

    def near(u: Any) -> Any:
        points = numpy.sqrt((u + 1) / 2)
        return numpy.array([math.erf(p) for p in points]) / points

    def far(u: Any) -> Any:
        centre, half = (_OUTER[0] + _OUTER[1]) / 2, (_OUTER[1] - _OUTER[0]) / 2
        points = 2 / (centre + half * u) - 2
        return numpy.exp(points * points) * numpy.array([math.erfc(p) for p in points])

    chebyshev = numpy.polynomial.chebyshev
    inner, outer = chebyshev.chebinterpolate(near, 11), chebyshev.chebinterpolate(far, 15)
    return chebyshev.cheb2poly(inner).tolist(), chebyshev.cheb2poly(outer).tolist()


def _horner(coefficients: list[float], x: Array) -> Array:
    out = coefficients[-1]
    for c in coefficients[-2::-1]:
        out = out * x + c
    return out


NUMPY = Arrays(numpy)
_BY_TYPE: dict[type, Arrays] = {numpy.ndarray: NUMPY}


def namespace_of(data: Array) -> Arrays:
    """The namespace that reads `data`: chosen by the array's type, never by its values."""
    return _BY_TYPE[data.__class__]


def cupy_arrays() -> Arrays:
    """The vocabulary over CuPy, imported at the first call.

    Raises
    ------
    ModuleNotFoundError
        With the command that installs it, when CuPy is missing.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "device 'cuda' needs CuPy: pip install 'tinygrad_edu[cuda12]' or '[cuda13]', to match "
            "your driver (tinygrad-edu doctor tells which)"
        ) from error
    return _BY_TYPE.setdefault(cupy.ndarray, Arrays(cupy))
