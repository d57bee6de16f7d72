"""Operations that fold axes away: axis is None (all), an integer or a tuple, negative allowed."""

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_edu.ops.registry import op


def restore_axes(xp: Any, g: Any, x: Any, axis: Any) -> Any:
    """g, a reduced array, with the reduced axes back as size 1, so that it broadcasts against x."""
    if axis is None:  # a single number broadcasts as it is
        return g
    axes = _axes(x, axis)
    return xp.reshape(g, shape=tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def _axes(x: Any, axis: Any) -> Sequence[int]:
    """The axes that are meant, counted from 0."""
    return range(x.ndim) if axis is None else [a % x.ndim for a in _tuple(axis)]


def _tuple(axis: Any) -> tuple[int, ...]:
    return axis if isinstance(axis, tuple) else (axis,)


def _count(x: Any, axis: Any) -> int:
    """How many elements of x one element of the reduction is made of."""
    return x.size if axis is None else math.prod([x.shape[a] for a in _tuple(axis)])


@op(symbol="sum", latex=r"\sum {x}")
def sum(xp, x, *, axis=None, keepdims=False):
    """Sum over axes.  Shape (..., n, ...) -> (...), or with 1 in place of n if keepdims."""
    return xp.sum(x, axis=axis, keepdims=keepdims)


@sum.vjp
def sum_vjp(xp, g, out, x, *, axis, keepdims):
    return (xp.broadcast_to(restore_axes(xp, g, x, axis), shape=x.shape),)


@op(latex=r"\operatorname{{mean}}\left({x}\right)")
def mean(xp, x, *, axis=None, keepdims=False):
    """Mean over axes; nan over no elements."""
    return xp.divide(xp.sum(x, axis=axis, keepdims=keepdims), float(_count(x, axis)))


@mean.vjp
def mean_vjp(xp, g, out, x, *, axis, keepdims):
    share = restore_axes(xp, g, x, axis) * (1.0 / max_(_count(x, axis), 1))
    return (xp.broadcast_to(share, shape=x.shape),)


max_ = max  # the built-in, before this module's own `max` takes the name


@op(latex=r"\prod {x}")
def prod(xp, x, *, axis=None, keepdims=False):
    """Product over axes; 1 over no elements.

    The gradient of an element is the product of the others, computed as such: right, to any order,
    where elements are 0, where dividing the product by them would give 0 / 0.
    """
    return xp.prod(x, axis=axis, keepdims=keepdims)


@prod.vjp
def prod_vjp(xp, g, out, x, *, axis, keepdims):
    whole, others = x, xp.ones_like(x)
    for a in _axes(x, axis):
        after = xp.flip(_product_before(xp, xp.flip(x, axis=a), a), axis=a)
        others = others * _product_before(xp, x, a) * after
        x = xp.prod(x, axis=a, keepdims=True)
    return (restore_axes(xp, g, whole, axis) * others,)


def _product_before(xp, x, axis):
    """For each element the product of those before it: in each round it reaches twice as far."""

    def part(x, start, stop):
        return xp.getitem(x, index=(*(slice(None),) * axis, slice(start, stop)))

    n, reach = x.shape[axis], 1
    out = xp.concat(xp.ones_like(part(x, 0, 1)), part(x, 0, -1), axis=axis)
    while reach < n:
        further = part(out, reach, n) * part(out, 0, n - reach)
        out = xp.concat(part(out, 0, reach), further, axis=axis)
        reach *= 2
    return out


@op(latex=r"\max {x}")
def max(xp, x, *, axis=None, keepdims=False):
    """Largest value over axes; equal ones share the gradient evenly."""
    return xp.max(x, axis=axis, keepdims=keepdims)


@max.vjp
def max_vjp(xp, g, out, x, *, axis, keepdims):
    return (_share_among(xp, x == restore_axes(xp, out, x, axis), g, x, axis),)


@op(latex=r"\min {x}")
def min(xp, x, *, axis=None, keepdims=False):
    """Smallest value over axes; equal ones share the gradient evenly."""
    return xp.min(x, axis=axis, keepdims=keepdims)


@min.vjp
def min_vjp(xp, g, out, x, *, axis, keepdims):
    return (_share_among(xp, x == restore_axes(xp, out, x, axis), g, x, axis),)


def _share_among(xp, chosen, g, x, axis):
    ones = xp.astype(chosen, dtype=x.dtype)
    share = xp.divide(restore_axes(xp, g, x, axis), xp.sum(ones, axis=axis, keepdims=True))
    return share * ones


@op(latex=r"\operatorname{{var}}\left({x}\right)")
def var(xp, x, *, axis=None, correction=0, keepdims=False):
    """Variance over axes: the mean square distance to the mean, divided by n - correction."""
    centred = x - mean.read(xp, x, axis=axis, keepdims=True)
    squares = xp.sum(centred * centred, axis=axis, keepdims=keepdims)
    return xp.divide(squares, float(max_(_count(x, axis) - correction, 0)))


@var.vjp
def var_vjp(xp, g, out, x, *, axis, correction, keepdims):
    centred = x - mean.read(xp, x, axis=axis, keepdims=True)
    count = float(max_(_count(x, axis) - correction, 0))
    return (xp.divide(2.0 * restore_axes(xp, g, x, axis), count) * centred,)


@op(latex=r"\operatorname{{std}}\left({x}\right)")
def std(xp, x, *, axis=None, correction=0, keepdims=False):
    """Standard deviation over axes: the square root of `var`."""
    return xp.sqrt(var.read(xp, x, axis=axis, correction=correction, keepdims=keepdims))


@std.vjp
def std_vjp(xp, g, out, x, *, axis, correction, keepdims):
    centred = x - mean.read(xp, x, axis=axis, keepdims=True)
    count = float(max_(_count(x, axis) - correction, 0))
    safe = xp.where(out == 0, 1.0, out)  # all elements equal: the gradient is 0
    return (restore_axes(xp, xp.divide(g, safe * count), x, axis) * centred,)


@op(latex=r"\operatorname{{logsumexp}}\left({x}\right)")
def logsumexp(xp, x, *, axis=None, keepdims=False):
    """log(sum(exp(x))) over axes, without overflow; -inf over nothing but -inf."""
    top = xp.max(x, axis=axis, keepdims=True)
    shift = xp.where(xp.abs(top) == math.inf, 0.0, top)
    total = xp.log(xp.sum(xp.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else xp.reshape(total, shape=_dropped(x, axis))


@logsumexp.vjp
def logsumexp_vjp(xp, g, out, x, *, axis, keepdims):
    total = restore_axes(xp, out, x, axis)
    total = xp.where(total == -math.inf, 0.0, total)  # exp(-inf - 0) = 0 rather than nan
    return (restore_axes(xp, g, x, axis) * xp.exp(x - total),)


def _dropped(x, axis):
    axes = _axes(x, axis)
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


@op(latex=r"\left\lVert {x} \right\rVert")
def norm(xp, x, *, ord=2, axis=None, keepdims=False):
    """Vector norm over axes: (sum |x|^ord)^(1/ord); ord 1, 2, any positive number, or inf.

    The gradient where the norm is 0 is 0.
    """
    if isinstance(ord, str) or not ord > 0:
        raise ValueError(f"ord is {ord!r}, not a positive number or inf")
    size = xp.abs(x)
    if ord == math.inf:
        return xp.max(size, axis=axis, keepdims=keepdims)
    if ord == 1:
        return xp.sum(size, axis=axis, keepdims=keepdims)
    if ord == 2:
        return xp.sqrt(xp.sum(x * x, axis=axis, keepdims=keepdims))
    return xp.power(xp.sum(xp.power(size, ord), axis=axis, keepdims=keepdims), 1.0 / ord)


@norm.vjp
def norm_vjp(xp, g, out, x, *, ord, axis, keepdims):
    total = restore_axes(xp, out, x, axis)
    g = restore_axes(xp, g, x, axis)
    if ord == 1:
        return (g * xp.sign(x),)
    if ord == math.inf:
        chosen = xp.abs(x) == total
        return (_share_among(xp, chosen, g, x, axis) * xp.sign(x),)
    unit = xp.divide(x, xp.where(total == 0, 1.0, total))
    if ord == 2:
        return (g * unit,)
    size = xp.where(x == 0, 1.0, xp.abs(unit))
    return (g * xp.sign(x) * xp.power(size, ord - 1.0),)


@op(latex=r"\operatorname{{cumsum}}\left({x}\right)")
def cumsum(xp, x, *, axis):
    """Running sum along one axis; the shape stays."""
    return xp.cumsum(x, axis=axis)


@cumsum.vjp
def cumsum_vjp(xp, g, out, x, *, axis):
    return (xp.flip(xp.cumsum(xp.flip(g, axis=axis), axis=axis), axis=axis),)


@op(latex=r"\arg\max {x}", differentiable=False)
def argmax(xp, x, *, axis=None, keepdims=False):
    """Index of the first largest value; over the flat array if axis is None.  No gradient."""
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@op(latex=r"\arg\min {x}", differentiable=False)
def argmin(xp, x, *, axis=None, keepdims=False):
    """Index of the first smallest value; over the flat array if axis is None.  No gradient."""
    return xp.argmin(x, axis=axis, keepdims=keepdims)
