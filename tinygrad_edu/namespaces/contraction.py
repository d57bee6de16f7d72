"""einsum by matrix products alone, where the library's own cannot be called."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from tinygrad_edu.namespaces.arrays import Array, Arrays


def contract(xp: Arrays, xs: Sequence[Array], subscripts: str) -> Array:
    """`numpy.einsum` of arrays whose letters are written out, by ``xp.matmul``, from the left.

    Each letter stands once in an operand; a size of 1 goes with any size of the same letter.

    >>> import numpy
    >>> from tinygrad_edu.namespaces.arrays import NUMPY
    >>> contract(NUMPY, [numpy.eye(2), numpy.array([3.0, 4.0])], "nk,k->n").tolist()
    [3.0, 4.0]
    """
    left, _, result = subscripts.partition("->")
    parts = left.split(",")
    named = [[*zip(part, x.shape, strict=True)] for part, x in zip(parts, xs, strict=True)]
    wide = {c for axes in named for c, n in axes if n != 1}
    terms = []
    for x, axes in zip(xs, named, strict=True):
        axes = [(c, n) for c, n in axes if n != 1 or c not in wide]
        terms.append((xp.reshape(x, tuple(n for _, n in axes)), "".join(c for c, _ in axes)))
    x, part = terms[0]
    for i, (y, other) in enumerate(terms[1:], 2):
        wanted = set(result).union(*(later for _, later in terms[i:]))
        x, part = _product(xp, x, part, y, other, wanted)
    x, part = _summed(xp, x, part, result)
    return xp.transpose(x, tuple(part.index(c) for c in result))


def _summed(xp: Arrays, x: Array, part: str, kept: Collection[str]) -> tuple[Array, str]:
    """x without the axes whose letters nobody needs."""
    axes = tuple(axis for axis, c in enumerate(part) if c not in kept)
    return (xp.sum(x, axis=axes) if axes else x), "".join(c for c in part if c in kept)


def _product(xp: Arrays, x: Array, a: str, y: Array, b: str, wanted: set[str]) -> tuple[Array, str]:
    """The product of two operands, summed over the letters that are in both and not wanted."""
    x, a = _summed(xp, x, a, wanted.union(b))
    y, b = _summed(xp, y, b, wanted.union(a))
    batch = "".join(c for c in a if c in b and c in wanted)
    inner = "".join(c for c in a if c in b and c not in wanted)
    rows = "".join(c for c in a if c not in b)
    columns = "".join(c for c in b if c not in a)
    sizes = dict(zip(a + b, x.shape + y.shape, strict=True))

    def matrices(x: Array, part: str, down: str, across: str) -> Array:
        x = xp.transpose(x, tuple(part.index(c) for c in batch + down + across))
        return xp.reshape(x, (*shape(batch), math.prod(shape(down)), math.prod(shape(across))))

    def shape(letters: str) -> tuple[int, ...]:
        return tuple(sizes[c] for c in letters)

    out = xp.matmul(matrices(x, a, rows, inner), matrices(y, b, inner, columns))
    return xp.reshape(out, shape(batch + rows + columns)), batch + rows + columns
