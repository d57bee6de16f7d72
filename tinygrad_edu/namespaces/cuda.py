"""The vocabulary over CuPy, and what a card and its driver need to be found.

A card takes orders, launches of kernels, and works them off in order.  Numbers that the program
reads on the host, or sends from it, make it wait; so does nothing here but what says so.  While
launches are recorded to be repeated (`capturing`), neither is possible, and CuPy lends no cuBLAS:
products then have a kernel of their own.
"""

from __future__ import annotations

import contextlib
import functools
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from tinygrad_edu.namespaces.arrays import Array, Arrays
from tinygrad_edu.namespaces.contraction import contract
from tinygrad_edu.namespaces.philox import draw_kernel

_SECONDS = 10.0  # longest wait for the driver's program


class Cuda(Arrays):
    """`Arrays(cupy)`, with random numbers drawn on the card and products that can be recorded."""

    def __init__(self, library: Any) -> None:
        super().__init__(library)
        self.asarray = self._asarray
        self._seed_of: Callable[[Any], Any] = _refuse_seed

    def capturing(self) -> bool:
        """Whether launches are being recorded instead of run."""
        return bool(self.library.cuda.get_current_stream().is_capturing())

    @contextlib.contextmanager
    def tf32(self, allowed: bool) -> Iterator[None]:
        """Inside the block products of float32 are, or are not, computed with TF32's short digits.

        Of two matrices, that is; CuPy multiplies batches of matrices with all digits always.  It
        offers the choice by an environment variable, read once; this is the setting behind that.
        """
        from cupy._core import _routines_linalg as settings

        before = settings.get_compute_type("f")
        wanted = settings.COMPUTE_TYPE_TF32 if allowed else settings.COMPUTE_TYPE_DEFAULT
        settings.set_compute_type("f", wanted)
        try:
            yield
        finally:
            settings.set_compute_type("f", before)

    def _asarray(self, x: Any, dtype: Any = None) -> Array:
        if not isinstance(x, self.ndarray):
            self._refuse_sending()
        return self.library.asarray(x, dtype=dtype)

    def _refuse_sending(self) -> None:
        if self.capturing():
            raise RuntimeError(
                "numbers of the host cannot be sent to the card while launches are recorded, since "
                "a repetition would send these again; make them an argument, or a tensor before"
            )

    def _check_index(self, index: Any) -> None:
        """CuPy sends arrays of the host that stand in an index, from memory that it uses again."""
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, numpy.ndarray) for part in parts):
            self._refuse_sending()

    def getitem(self, x: Array, index: Any) -> Array:
        self._check_index(index)
        return super().getitem(x, index)

    def put_add(self, x: Array, index: Any, shape: tuple[int, ...]) -> Array:
        self._check_index(index)
        return super().put_add(x, index, shape)

    def uniform_like(self, x: Array, generator: Any) -> Array:
        return self._drawn("uniform", x, generator)

    def normal_like(self, x: Array, generator: Any) -> Array:
        return self._drawn("normal", x, generator)

    def _drawn(self, how: str, x: Array, generator: Any) -> Array:
        """Numbers drawn on the card, from a seed that the generator of the host gives.

        So `manual_seed` seeds both, and whoever sets the generator back draws the same again.
        """
        dtype = "float64" if x.dtype.itemsize > 4 else "float32"
        out = self.library.empty(x.shape, dtype)
        seed = self._seed_of(generator) if self.capturing() else int(generator.integers(2**63))
        draw_kernel(self.library, dtype, how)(seed, out)
        return out.astype(x.dtype, copy=False)

    @contextlib.contextmanager
    def seeded_by(self, seed_of: Callable[[Any], Array]) -> Iterator[None]:
        """Inside the block launches that are recorded draw from seeds that lie on the card."""
        self._seed_of = seed_of
        try:
            yield
        finally:
            self._seed_of = _refuse_seed

    def broadcast_to(self, x: Array, shape: tuple[int, ...]) -> Array:
        return self.library.broadcast_to(x, shape)

    def one_hot(self, x: Array, num_classes: int, dtype: Any, ignore: int | None = None) -> Array:
        """While launches are recorded, nan and no error for an integer that names no place.

        Only floating-point numbers have nan; others get 0 in all places.
        """
        hot = super().one_hot(x, num_classes, dtype, ignore)
        if not self.capturing() or hot.dtype.kind != "f":
            return hot
        right = (x >= 0) & (x < num_classes)
        if ignore is not None:
            right |= x == ignore
        return self.library.where(right[..., None], hot, math.nan)

    def _check_classes(self, x: Array, num_classes: int, ignore: int | None) -> bool:
        """Nobody knows while launches are recorded: the host cannot wait for the answer."""
        return not self.capturing() and super()._check_classes(x, num_classes, ignore)

    def matmul(self, x: Array, y: Array) -> Array:
        return self._product(x, y) if self.capturing() else super().matmul(x, y)

    def _product(self, x: Array, y: Array) -> Array:
        """The product by a kernel of ours, one thread for each number: for small matrices."""
        if y.ndim == 1:
            return self._product(x, y[:, None])[..., 0]
        if x.ndim == 1:
            return self._product(x[None], y)[..., 0, :]
        dtype = numpy.result_type(x.dtype, y.dtype)
        x, y = x.astype(dtype, copy=False), y.astype(dtype, copy=False)
        (rows, inner), columns = x.shape[-2:], y.shape[-1]
        if y.shape[-2] != inner:
            raise ValueError(f"last size {inner} and last but one size {y.shape[-2]} differ")
        lead = numpy.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        count = math.prod(lead)
        x = self.library.broadcast_to(x, (*lead, rows, inner)).reshape(count, rows, inner)
        y = self.library.broadcast_to(y, (*lead, inner, columns)).reshape(count, inner, columns)
        out = self.library.empty((count, rows, columns), dtype)
        _product_kernel(self.library, str(dtype))(x, y, rows, columns, inner, out)
        return out.reshape(*lead, rows, columns)

    def einsum(self, *xs: Array, subscripts: str) -> Array:
        if self.capturing():
            return contract(self, xs, subscripts)
        return super().einsum(*xs, subscripts=subscripts)

    def erf(self, x: Array) -> Array:
        """CUDA's own, where NumPy needs many steps."""
        if x.dtype.kind != "f":
            return super().erf(x)
        dtype = "float64" if x.dtype.itemsize > 4 else "float32"
        out = _erf_kernel(self.library, dtype)(x.astype(dtype, copy=False))
        return out.astype(x.dtype, copy=False)


def _refuse_seed(generator: Any) -> Any:
    raise RuntimeError(
        "random numbers cannot be drawn while launches are recorded by hand, since a repetition "
        "would draw the same; record them by compile(f, capture=True)"
    )


@functools.cache
def _product_kernel(library: Any, dtype: str) -> Any:
    """Neighbouring threads read neighbouring columns of y, and the same row of x."""
    kind = {"float16": "float", "float32": "float", "float64": "double"}.get(dtype, "long long")
    return library.ElementwiseKernel(
        f"raw {dtype} x, raw {dtype} y, int64 rows, int64 columns, int64 inner",
        f"{dtype} out",
        f"""
        const ptrdiff_t at = i / (rows * columns);
        const ptrdiff_t row = i / columns % rows;
        const ptrdiff_t column = i % columns;
        typedef {kind} number;
        number sum = 0;
        for (ptrdiff_t k = 0; k < inner; ++k) {{
            const ptrdiff_t left[] = {{at, row, k}};
            const ptrdiff_t right[] = {{at, k, column}};
            sum += number(x[left]) * number(y[right]);
        }}
        out = sum;
        """,
        "product",
    )


@functools.cache
def _erf_kernel(library: Any, dtype: str) -> Any:
    return library.ElementwiseKernel(
        f"{dtype} x", f"{dtype} out", "out = erf(x);", "error_function"
    )


def cuda_of_driver() -> int | None:
    """The newest CUDA that the NVIDIA driver serves, or None without a driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        shown = subprocess.run(
            [program], capture_output=True, text=True, timeout=_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"CUDA Version:\s*(\d+)", shown)
    return int(found[1]) if found else None


def wheel(cuda: int) -> str:
    """The CuPy for a driver that serves this CUDA.

    >>> wheel(12)
    'cupy-cuda12x'
    """
    return "cupy-cuda13x" if cuda >= 13 else "cupy-cuda12x"
