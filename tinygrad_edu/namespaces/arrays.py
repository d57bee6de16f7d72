"""The vocabulary over arrays: `Arrays(numpy)` and `Arrays(cupy)`, same names, same keywords.

Where the library's function already has our signature it is used as it is, so that reading a rule
with arrays costs one attribute look-up.  CuPy is imported only by `cupy_arrays`, when a tensor is
first moved to a GPU; `cuda` says what else is different there.
"""

import functools
import itertools
import math
import operator
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from tinygrad_edu.namespaces import floats
from tinygrad_edu.namespaces.vocabulary import ELEMENTWISE

Array = Any  # numpy.ndarray or cupy.ndarray
Axis = int | tuple[int, ...] | None

# Names whose signature in the library is ours already.
_SAME = (*(ELEMENTWISE.keys() - {"power", "erf"}), "tril", "triu", "flip")

_BLOCK = 32768  # elements that stay in a processor's second cache through a long formula

_LONGEST = 1024  # numbers in a row that BLAS adds up: it does not add them in pairs, as NumPy does

_NARROW = 16  # columns of which NumPy finds the largest quickly

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
            self._fast_rows = "fd"  # dtypes of which BLAS adds rows and columns faster
            self._short_row = 128  # NumPy looks along such rows slowly, and down columns fast
            self._few_classes = 128  # of which a matrix of one-hot rows is kept
        else:
            self._sum = library.sum
            self._fast_rows = ""
            self._short_row = self._few_classes = -1

    def __repr__(self) -> str:
        return f"Arrays({self.name})"

    # Elementwise

    def power(self, x: Array, y: Array) -> Array:
        return x**y  # the operator, unlike the function, is quick for a power of 2

    def erf(self, x: Array) -> Array:
        """NumPy has none.  Its relative error is below 1e-15, or 2e-7 in float32."""
        formula = _erf if x.dtype.itemsize > 4 else erf_of_single
        if self.device != "cpu" or x.size <= _BLOCK:
            return formula(self, x)
        out, flat = self.library.empty(x.size, x.dtype), x.reshape(-1)
        for start in range(0, x.size, _BLOCK):  # in the fast memory beside the processor
            block = slice(start, start + _BLOCK)
            out[block] = formula(self, flat[block])
        return out.reshape(x.shape)

    # Reductions
    # Methods rather than numpy.sum and its kin: the same code, one Python layer less.

    def sum(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        if axis is not None and x.dtype.char in self._fast_rows and x.ndim > 1:
            n = x.shape[-1]
            along = axis in (-1, x.ndim - 1, (-1,), (x.ndim - 1,)) and 0 < n <= _LONGEST
            if along and x.flags.c_contiguous:
                out = x.reshape(x.size // n, n).dot(_ones(n, x.dtype.char))
                return out.reshape(*x.shape[:-1], 1) if keepdims else out.reshape(x.shape[:-1])
        return self._sum(x, axis=axis, keepdims=keepdims)

    def prod(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        return x.prod(axis=axis, keepdims=keepdims)

    def max(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        if axis in (-1, x.ndim - 1) and x.ndim > 1 and 0 < x.shape[-1] <= self._short_row:
            rows = x
            while (n := rows.shape[-1]) > _NARROW:  # one half beside the other, middle in both
                half = (n + 1) // 2
                rows = self.library.maximum(rows[..., :half], rows[..., n - half :])
            out = self.library.ascontiguousarray(rows.reshape(-1, n).T).max(axis=0)
            return out.reshape(*x.shape[:-1], 1) if keepdims else out.reshape(x.shape[:-1])
        return x.max(axis=axis, keepdims=keepdims)

    def min(self, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
        return x.min(axis=axis, keepdims=keepdims)

    def cumsum(self, x: Array, axis: int) -> Array:
        return x.cumsum(axis=axis)

    def argmax(self, x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
        return self.library.argmax(x, axis=axis, keepdims=keepdims)

    def argmin(self, x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
        return self.library.argmin(x, axis=axis, keepdims=keepdims)

    # Shapes

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
        if math.prod(shape) > _SMALL or x.ndim > len(shape):
            return self.library.broadcast_to(x, shape)
        out = self.library.empty(shape, dtype=x.dtype)  # five times as fast as making a view
        out[...] = x
        return out

    def sum_to(self, x: Array, shape: tuple[int, ...]) -> Array:
        if x.shape[-1:] == shape and x.ndim > 1 and x.dtype.char in self._fast_rows:
            if x.ndim > 2 and x.flags.c_contiguous and x.size:
                x = x.reshape(-1, shape[0])
            if x.ndim == 2:
                return _ones(len(x), x.dtype.char).dot(x)
        extra = x.ndim - len(shape)
        if x.shape[extra:] == shape:  # only new axes, in front
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
        if not _may_repeat(index):
            out[index] = x
        elif x.size < out.size:
            self.library.add.at(out, index, x)
        else:  # several times as fast, once numbering the places of `out` costs less than that
            places = self.library.arange(out.size).reshape(shape)[index]
            x = self.library.broadcast_to(x, places.shape)
            self.library.add.at(out.reshape(-1), places.reshape(-1), x.reshape(-1))
        return out

    def one_hot(self, x: Array, num_classes: int, dtype: Any, ignore: int | None = None) -> Array:
        inside = self._check_classes(x, num_classes, ignore)
        if inside and x.dtype.kind == "i" and num_classes <= self._few_classes:
            hot = _identity(num_classes, dtype).take(x, axis=0)
        else:
            places = self.library.arange(num_classes, dtype=x.dtype)
            hot = (x[..., None] == places).astype(dtype)
        if ignore is not None and 0 <= ignore < num_classes:
            hot *= (x != ignore)[..., None]
        return hot

    def _check_classes(self, x: Array, num_classes: int, ignore: int | None) -> bool:
        """Raise for what is neither a class nor `ignore`; whether all are classes."""
        inside = not x.size or (x.min() >= 0 and x.max() < num_classes)
        if not inside:
            outside = (x < 0) | (x >= num_classes)
            wrong = x[outside if ignore is None else outside & (x != ignore)]
            if wrong.size:
                raise IndexError(f"class {int(wrong.flat[0])} is not in [0, {num_classes})")
        return bool(inside)

    # Linear

    def matmul(self, x: Array, y: Array) -> Array:
        if x.ndim == 2 and y.ndim == 2 and x.size <= _SMALL:
            return x.dot(y)  # half the overhead, but it fills its result with zeros first
        if y.ndim == 2 and x.ndim > 2 and x.size:  # one large product, not one per matrix of x
            rows = x.reshape(-1, x.shape[-1])
            return self.library.matmul(rows, y).reshape(*x.shape[:-1], y.shape[1])
        return self.library.matmul(x, y)

    def einsum(self, *xs: Array, subscripts: str) -> Array:
        # Planning costs 15 microseconds, and large products gain a factor of ten by it.
        large = len(xs) > 2 or max(x.size for x in xs) > _SMALL
        return self.library.einsum(subscripts, *xs, optimize=large)

    # Windows

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
        """One axis at a time: kH + kW additions instead of kH kW, over longer runs of memory.

        Where no two windows meet there is nothing to add: each tap is copied to its places.
        The result keeps the order that the axes of x have in memory.
        """
        axes = len(size)
        x = self.library.moveaxis(x, tuple(range(-axes, 0)), tuple(range(axes)))
        if all(d * (k - 1) < s for k, s, d in zip(size, stride, dilation, strict=True)):
            out = self.library.zeros_like(x[(0,) * axes], shape=shape)
            for taps in itertools.product(*map(range, size)):
                steps = zip(taps, x.shape[-axes:], stride, dilation, strict=True)
                here = (..., *[slice(i * d, i * d + s * n, s) for i, n, s, d in steps])
                out[here] = x[taps]
            return out
        if 0 in x.strides:  # repeated by broadcasting: in no order
            x = x.copy()
        for axis, (s, d) in enumerate(zip(stride, dilation, strict=True), -axes):
            sizes = list(x.shape[1:])
            places, sizes[axis] = sizes[axis], shape[axis]
            out = self.library.zeros_like(x[0], shape=tuple(sizes))
            after = (slice(None),) * (-1 - axis)
            for tap, part in enumerate(x):
                here = (..., slice(tap * d, tap * d + s * places, s), *after)
                if tap:
                    out[here] += part
                else:
                    out[here] = part
            x = out
        return x

    # Random numbers

    def uniform_like(self, x: Array, generator: Any) -> Array:
        return self.asarray(generator.random(x.shape)).astype(x.dtype)

    def normal_like(self, x: Array, generator: Any) -> Array:
        return self.asarray(generator.standard_normal(x.shape)).astype(x.dtype)


def _erf(xp: Arrays, x: Array) -> Array:
    """Below 1 the Taylor series of erf; from 1 on, 1 - exp(-x^2) p(2/(2+x)), p a polynomial."""
    near, far = _erf_coefficients()
    size = xp.minimum(xp.abs(x), 6.0)  # erf(6) is 1 to the last digit
    square = size * size
    below = size * _horner(near, xp.minimum(square, 1.0))
    above = 1.0 - xp.exp(-square) * _horner(far, 2.0 / (2.0 + size))
    return xp.library.copysign(xp.where(size < 1.0, below, above), x)


@functools.lru_cache(32)
def _ones(size: int, dtype: str) -> Array:
    """A row of ones, whose product with a matrix is the sum of its rows."""
    return numpy.ones(size, dtype)


@functools.lru_cache(32)
def _identity(size: int, dtype: Any) -> Array:
    """The one-hot rows of so many classes."""
    return numpy.eye(size, dtype=dtype)


@functools.cache
def _erf_coefficients() -> tuple[list[float], list[float]]:
    """Lowest power first: of erf(x) / x in x^2, and of exp(x^2) erfc(x) in 2/(2+x), x from 1 to 6.

    The first are Taylor's; the second interpolate `math.erfc` at Chebyshev points.
    """
    near = [
        2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(18)
    ]

    def tail(t: Any) -> Any:
        x = 2 / t - 2
        return numpy.exp(x * x) * numpy.array([math.erfc(v) for v in x])

    polynomial = numpy.polynomial
    far = polynomial.Chebyshev.interpolate(tail, 14, domain=[2 / (2 + 6), 2 / (2 + 1)])
    return near, far.convert(kind=polynomial.Polynomial).coef.tolist()


def erf_of_single(xp: Any, x: Array) -> Array:
    """tanh(x + x p(x^2)), p a polynomial: a third of the work, and enough digits for float32.

    Large results need few digits of p, because tanh is flat there.
    """
    x = xp.minimum(xp.maximum(x, -_ONE), _ONE)
    out = _horner(_single_coefficients(), x * x)
    out *= x
    out += x
    return xp.tanh(out)


_ONE = 3.92  # from here on erf is 1 in float32


@functools.cache
def _single_coefficients() -> list[float]:
    """Lowest power first, of artanh(erf(x)) / x - 1 in x^2: least squares, as the result needs it.

    The points are Chebyshev's; an error at x counts as much as it changes erf(x), relatively.
    """
    x = _ONE * numpy.cos((numpy.arange(200) + 0.5) * math.pi / 400)
    rest = numpy.array([math.erfc(v) for v in x])  # 1 - erf, to all digits
    wanted = 0.5 * numpy.log((2 - rest) / rest)
    weights = rest * (2 - rest) * x / (1 - rest)
    fit = numpy.polynomial.Polynomial.fit(x * x, wanted / x - 1, 8, domain=[0, _ONE**2], w=weights)
    return fit.convert().coef.tolist()


def _horner(coefficients: list[float], x: Array) -> Array:
    """The polynomial at x; in place, because fresh arrays would cost more than the sums."""
    out = coefficients[-1] * x
    for c in coefficients[-2:0:-1]:
        out += c
        out *= x
    out += coefficients[0]
    return out


def _may_repeat(index: Any) -> bool:
    """Whether an index can name the same place twice: whether it holds an array of integers."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(
        isinstance(part, list) or (getattr(part, "shape", ()) and part.dtype.kind in "iu")
        for part in parts
    )


NUMPY = Arrays(numpy)

# The namespace that reads data of a class.  The class alone decides, never the values.
NAMESPACES: dict[type, Any] = {float: floats, numpy.ndarray: NUMPY}


def namespace_of(data: Array) -> Arrays:
    """The namespace that reads `data`."""
    return NAMESPACES[data.__class__]


def cupy_arrays() -> Any:
    """The vocabulary over CuPy, imported at the first call.

    Raises
    ------
    ModuleNotFoundError
        With the command that installs it, when CuPy is missing.
    RuntimeError
        When CuPy finds no GPU.
    """
    from tinygrad_edu.namespaces.cuda import Cuda, cuda_of_driver, wheel

    try:
        import cupy
    except ModuleNotFoundError as error:
        cuda = cuda_of_driver()
        which = "cupy-cuda12x or cupy-cuda13x, to match the driver" if cuda is None else wheel(cuda)
        without = "; and no NVIDIA driver was found here" if cuda is None else ""
        raise ModuleNotFoundError(
            f"device 'cuda' needs CuPy: pip install {which}{without}"
        ) from error
    if cupy.ndarray not in NAMESPACES:
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except Exception as error:  # CuPy's own, without a driver
            raise RuntimeError(f"device 'cuda' needs a GPU; CuPy finds none: {error}") from error
        if not count:
            raise RuntimeError("device 'cuda' needs a GPU; CuPy finds none")
        NAMESPACES[cupy.ndarray] = Cuda(cupy)
    return NAMESPACES[cupy.ndarray]
