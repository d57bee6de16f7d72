"""Matrix products and sums of products."""

import math

from tinygrad_edu.ops.registry import op
from tinygrad_edu.ops.shapes import places


@op(symbol="@", latex="{x} {y}")
def matmul(xp, x, y):
    """Matrix product over the last two axes: (..., n, k) @ (..., k, m) -> (..., n, m).

    The other axes broadcast; a 1-D operand is a row on the left and a column on the right, and its
    axis is missing from the result.
    """
    return xp.matmul(x, y)


@matmul.vjp
def matmul_vjp(xp, g, out, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return _matmul_vjp_of_vectors(xp, g, x, y)
    if x.ndim > 2 == y.ndim:  # one y for a whole batch: one product for its gradient
        return (
            lambda: xp.matmul(g, xp.matrix_transpose(y)),
            lambda: xp.matmul(xp.matrix_transpose(_as_rows(xp, x)), _as_rows(xp, g)),
        )
    return (
        lambda: xp.matmul(g, xp.matrix_transpose(y)),  # (..., n, m) @ (..., m, k)
        lambda: xp.matmul(xp.matrix_transpose(x), g),  # (..., k, n) @ (..., n, m)
    )


def _as_rows(xp, x):
    """(..., k) -> (rows, k)"""
    return xp.reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


def _matmul_vjp_of_vectors(xp, g, x, y):
    """Give vectors and the gradient their missing axis, use the rule of matrices, take it away."""
    rows = xp.reshape(x, shape=(1, *x.shape)) if x.ndim == 1 else x
    columns = xp.reshape(y, shape=(*y.shape, 1)) if y.ndim == 1 else y
    if y.ndim == 1:
        g = xp.reshape(g, shape=(*g.shape, 1))
    if x.ndim == 1:
        g = xp.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
    left, right = matmul_vjp(xp, g, None, rows, columns)

    def vector(part):  # (..., 1, k) or (..., k, 1) -> (..., k)
        return xp.reshape(part, shape=(*part.shape[:-2], part.shape[-2] * part.shape[-1]))

    return (
        (lambda: vector(left())) if x.ndim == 1 else left,
        (lambda: vector(right())) if y.ndim == 1 else right,
    )


@op(latex=r"\operatorname{{einsum}}\left({xs}\right)")
def einsum(xp, *xs, subscripts):
    """Sums of products named by subscripts, ``einsum(x, y, subscripts="nk,km->nm")``.

    Each operand's shape has a letter for each axis: here (n, k), (k, m) -> (n, m).
    Letters that are not in the result are summed over.  Ellipses are allowed; a letter may not
    repeat within one operand.
    """
    parts, result = einsum_parts(subscripts, xs)
    return xp.einsum(*xs, subscripts=",".join(parts) + "->" + result)


@einsum.vjp
def einsum_vjp(xp, g, out, *xs, subscripts):
    parts, result = einsum_parts(subscripts, xs)

    def gradient(i):
        others = [part for j, part in enumerate(parts) if j != i]
        operands = [x for j, x in enumerate(xs) if j != i]
        known = set(result).union(*others)
        # Letters that only this operand has were summed over: the gradient repeats along them.
        missing = "".join(c for c in parts[i] if c not in known)
        kept = "".join(c for c in parts[i] if c in known)
        formula = ",".join([result, *others]) + "->" + kept
        part = xp.einsum(g, *operands, subscripts=formula)
        if part.shape != xs[i].shape:
            found = iter(part.shape)
            sizes = [1 if c in missing else next(found) for c in parts[i]]
            wide = tuple(n if m == 1 else m for m, n in zip(sizes, xs[i].shape, strict=True))
            part = xp.broadcast_to(xp.reshape(part, shape=tuple(sizes)), shape=wide)
        return part

    return tuple(lambda i=i: gradient(i) for i in range(len(xs)))


def einsum_parts(subscripts, xs):
    """The letters of each operand and of the result, ellipses written out as capital letters."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(xs):
        raise ValueError(f"{subscripts!r} names {len(parts)} operands, and {len(xs)} were given")
    spare = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in text]
    most = 0
    for i, (part, x) in enumerate(zip(parts, xs, strict=True)):
        if "..." in part:
            count = x.ndim - len(part.replace("...", ""))
            most = max(most, count)
            parts[i] = part.replace("...", "".join(spare[:count][::-1]))
    dots = "".join(spare[:most][::-1])
    if not arrow:
        letters = "".join(parts)
        right = dots + "".join(
            sorted(c for c in set(letters) if letters.count(c) == 1 and c not in dots)
        )
    result = right.replace("...", dots)
    sizes = {}
    for part, x in zip(parts, xs, strict=True):
        if len(set(part)) != len(part):
            raise ValueError(f"{subscripts!r} repeats a letter within one operand: take a diagonal")
        if len(part) != x.ndim:
            raise ValueError(f"{part!r} of {subscripts!r} names {len(part)} axes of {x.shape}")
        for letter, n in zip(part, x.shape, strict=True):
            if sizes.setdefault(letter, n) == 1:
                sizes[letter] = n
            elif n not in (1, sizes[letter]):
                raise ValueError(f"{letter!r} is {sizes[letter]} in one operand and {n} in another")
    return parts, result


@op(latex=r"{x} \otimes {y}")
def outer(xp, x, y):
    """Products of every element of x with every element of y: (n,), (m,) -> (n, m)."""
    return xp.reshape(x, shape=(-1, 1)) * xp.reshape(y, shape=(1, -1))


@op(latex=r"\operatorname{{tensordot}}\left({x}, {y}\right)")
def tensordot(xp, x, y, *, axes=2):
    """Sum of products over the last `axes` axes of x and the first of y, or over two axis lists.

    Shape (..., *k), (*k, ...) -> (..., ...), k being the sizes of those axes.
    """
    if isinstance(axes, int):
        axes = range(-axes, 0), range(axes)
    of_x, of_y = (
        places(side if isinstance(side, int) else tuple(side), t.ndim)
        for t, side in zip((x, y), axes, strict=True)
    )
    summed = [x.shape[i] for i in of_x]
    if summed != [y.shape[i] for i in of_y]:
        raise ValueError(f"axes {of_x} of the one and {of_y} of the other differ in size")
    keep_x = [i for i in range(x.ndim) if i not in of_x]
    keep_y = [i for i in range(y.ndim) if i not in of_y]
    left, right = [x.shape[i] for i in keep_x], [y.shape[i] for i in keep_y]
    rows = xp.transpose(x, axes=(*keep_x, *of_x))
    rows = xp.reshape(rows, shape=(math.prod(left), math.prod(summed)))
    columns = xp.transpose(y, axes=(*of_y, *keep_y))
    columns = xp.reshape(columns, shape=(math.prod(summed), math.prod(right)))
    return xp.reshape(xp.matmul(rows, columns), shape=(*left, *right))
