"""What is right, found in ways of its own: central differences in float64, and PyTorch if it is
there.  Checks judge answers by these."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any


def close(a: float, b: float, tolerance: float = 1e-9) -> bool:
    """Whether two numbers agree to `tolerance`, relative to the larger or to 1.

    >>> close(1.0, 1.0 + 1e-12), close(1.0, 1.1)
    (True, False)
    """
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


def slope(f: Callable[[float], float], x: float, step: float = 6e-6) -> float:
    """The slope of f at x by a step to either side; right to about nine digits.

    >>> round(slope(math.sin, 0.0), 8)
    1.0
    """
    return (f(x + step) - f(x - step)) / (2 * step)


def slopes(f: Callable[..., float], at: Sequence[float]) -> list[float]:
    """The slope of f with respect to each of its arguments.

    >>> [round(s, 6) for s in slopes(lambda x, y: x * y, [2.0, 3.0])]
    [3.0, 2.0]
    """

    def along(i: int) -> Callable[[float], float]:
        return lambda x: f(*at[:i], x, *at[i + 1 :])

    return [slope(along(i), at[i]) for i in range(len(at))]


def torch_gradient(f: Callable[..., Any], at: Sequence[float]) -> list[float] | None:
    """The gradients PyTorch finds for f, in float64; None where PyTorch is not installed."""
    try:
        import torch
    except ModuleNotFoundError:
        return None
    inputs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in at]
    f(*inputs).backward()
    return [0.0 if x.grad is None else x.grad.item() for x in inputs]
