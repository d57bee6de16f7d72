"""What a recorded operation costs: its own forward, run where products are counted."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu.namespaces.arrays import NAMESPACES
from tinygrad_edu.node import Node
from tinygrad_edu.ops.linear import einsum_parts


def multiply_adds(node: Node) -> int:
    """How many products of two numbers, each added to a sum, the matrix products of a node take.

    The operation that made it is run again on the same operands, so whatever it is built of is
    counted: a convolution is the products it becomes.  Work element by element counts nothing; a
    leaf costs 0.  One multiply-add is two floating-point operations.

    >>> from tinygrad_edu import ones
    >>> multiply_adds(ones(2, 3, requires_grad=True) @ ones(3, 5))  # 2 x 5 sums of 3 products
    30
    """
    if node.op is None:
        return 0
    counting = _Counting(NAMESPACES[node.args[0].__class__])
    node.op.forward(counting, *node.args, **node.options)
    return counting.multiply_adds


class _Counting:
    """A namespace, and the products that were asked of it."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self.multiply_adds = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._xp, name)

    def matmul(self, x: Any, y: Any) -> Any:
        out = self._xp.matmul(x, y)
        self.multiply_adds += out.size * x.shape[-1]
        return out

    def einsum(self, *xs: Any, subscripts: str) -> Any:
        if len(xs) > 1:
            parts, _ = einsum_parts(subscripts, xs)
            sizes: dict[str, int] = {}
            for part, x in zip(parts, xs, strict=True):
                for letter, n in zip(part, x.shape, strict=True):
                    sizes[letter] = max(n, sizes.get(letter, 0))  # 1 is broadcast
            self.multiply_adds += math.prod(sizes.values())
        return self._xp.einsum(*xs, subscripts=subscripts)
