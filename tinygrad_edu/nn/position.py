"""Positional encodings: where in a sequence an element stands, told to a model that sees a set.

PyTorch has no classes for these.  Each takes ``start``, the position of the first element, for
sequences that are continued (`KVCache`: ``start=len(cache)``).
"""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_edu import ops
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import init
from tinygrad_edu.nn.linear import empty_parameter
from tinygrad_edu.nn.module import Module


class SinusoidalPositionalEncoding(Module):
    """x + P, with sines and cosines of the position in waves of many lengths.

        P(t, 2i) = sin(t / 10000^(2i / d)),   P(t, 2i + 1) = cos(t / 10000^(2i / d))

    x : (T, N, d), or (N, T, d) with `batch_first`, or (T, d) -> the same.  Nothing is trained, and
    T has no limit.
    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.5 (d is their d_model, t their pos).

    >>> from tinygrad_edu import zeros
    >>> SinusoidalPositionalEncoding(4)(zeros(2, 4)).data.round(2).tolist()
    [[0.0, 1.0, 0.0, 1.0], [0.8399999737739563, 0.5400000214576721, 0.009999999776482582, 1.0]]
    """

    def __init__(self, d_model: int, batch_first: bool = False) -> None:
        super().__init__()
        _check_even("d_model", d_model)
        self.d_model, self.batch_first = d_model, batch_first

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """The input plus the encoding of positions start, start + 1, ..."""
        steps = _steps(x, self.d_model, self.batch_first)
        angles = _angles(steps, self.d_model, 10000.0, start)
        waves = numpy.stack([numpy.sin(angles), numpy.cos(angles)], axis=-1)
        table = Tensor(waves.reshape(steps, self.d_model), dtype=x.dtype, device=x.device)
        return x + _beside(table, x, self.batch_first)

    def extra_repr(self) -> str:
        """The size."""
        return f"{self.d_model}, batch_first={self.batch_first}"


class LearnedPositionalEncoding(Module):
    """x + P, with a row of a trained table for every position.

    x : (T, N, d_model), or (N, T, d_model) with `batch_first`, or (T, d_model) -> the same.
    weight : (max_len, d_model), normal with standard deviation 0.02.

    Raises ValueError for positions beyond the table.
    Source: Gehring et al. 2017, arXiv:1705.03122, section 3.1.

    >>> from tinygrad_edu import zeros
    >>> LearnedPositionalEncoding(10, 4)(zeros(7, 2, 4)).shape
    (7, 2, 4)
    """

    def __init__(
        self,
        max_len: int,
        d_model: int,
        batch_first: bool = False,
        device: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_len, self.d_model, self.batch_first = max_len, d_model, batch_first
        self.weight = empty_parameter(max_len, d_model, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """The input plus the rows of positions start, start + 1, ..."""
        steps = _steps(x, self.d_model, self.batch_first)
        if start < 0 or start + steps > self.max_len:
            raise ValueError(
                f"positions {start} to {start + steps - 1} are not all in a table of "
                f"{self.max_len}; make it longer: max_len={start + steps}"
            )
        return x + _beside(self.weight[start : start + steps], x, self.batch_first)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.max_len}, {self.d_model}, batch_first={self.batch_first}"


class RotaryPositionalEncoding(Module):
    """Queries or keys turned by angles that grow with the position: what attention then compares.

    Every pair of neighbours (x_2i, x_2i+1) is turned by t base^(-2i / dim) radians.  A turned query
    at s times a turned key at t depends on s - t alone, whatever s.
    x : (..., T, dim) -> the same.  Nothing is trained.
    Source: Su et al. 2021, arXiv:2104.09864, equations 14, 15 and 34 (dim is their d, t their m).

    >>> x = Tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> RotaryPositionalEncoding(2)(x).data.round(2).tolist()
    [[1.0, 0.0], [0.5400000214576721, 0.8399999737739563]]
    """

    def __init__(self, dim: int, base: float = 10000.0) -> None:
        super().__init__()
        _check_even("dim", dim)
        self.dim, self.base = dim, base

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """The input, turned as at positions start, start + 1, ..."""
        if x.ndim < 2 or x.shape[-1] != self.dim:
            raise ValueError(f"this encoding turns (..., T, {self.dim}), not shape {x.shape}")
        angles = _angles(x.shape[-2], self.dim, self.base, start)
        cos = Tensor(numpy.cos(angles), dtype=x.dtype, device=x.device)
        sin = Tensor(numpy.sin(angles), dtype=x.dtype, device=x.device)
        first, second = x[..., 0::2], x[..., 1::2]
        turned = ops.stack(first * cos - second * sin, first * sin + second * cos, axis=-1)
        return turned.reshape(*x.shape)

    def extra_repr(self) -> str:
        """The size and the base."""
        return f"{self.dim}, base={self.base}"


def _check_even(name: str, size: int) -> None:
    if size < 2 or size % 2:
        raise ValueError(f"{name} must be even, since sines and cosines come in pairs; not {size}")


def _angles(steps: int, size: int, base: float, start: int) -> Any:
    """Position times frequency, (steps, size / 2), in float64: large angles lose digits."""
    frequencies = base ** (-numpy.arange(0, size, 2) / size)
    return numpy.arange(start, start + steps)[:, None] * frequencies


def _steps(x: Tensor, size: int, batch_first: bool) -> int:
    """T, of x with T on the right axis."""
    if x.ndim not in (2, 3) or x.shape[-1] != size:
        order = "(N, T, d)" if batch_first else "(T, N, d)"
        raise ValueError(f"this encoding takes {order} or (T, d) with d = {size}, not {x.shape}")
    return x.shape[1] if batch_first and x.ndim == 3 else x.shape[0]


def _beside(table: Tensor, x: Tensor, batch_first: bool) -> Tensor:
    """The rows (T, d), ready to be added to x."""
    return ops.expand_dims(table, axis=1) if x.ndim == 3 and not batch_first else table
