"""Operations that move, repeat, select and join elements.

They come in adjoint pairs, so that the derivative of each is another one: `broadcast_to` and
`sum_to`, `getitem` and `put_add`, `concat` and `getitem`.
"""

import itertools
import math
from typing import Any

from tinygrad_edu.ops.registry import op


@op(latex=r"\operatorname{{astype}}\left({x}\right)")
def astype(xp, x, *, dtype):
    """x in another dtype, (...) -> (...); the gradient comes back in x's, none through integers."""
    return xp.astype(x, dtype=dtype)


@astype.vjp
def astype_vjp(xp, g, out, x, *, dtype):
    return (xp.astype(g, dtype=x.dtype) if out.dtype.kind == "f" else None,)


@op
def reshape(xp, x, *, shape):
    """The same elements in another shape; one size may be -1."""
    return xp.reshape(x, shape=shape)


@reshape.vjp
def reshape_vjp(xp, g, out, x, *, shape):
    return (xp.reshape(g, shape=x.shape),)


@op(symbol="T", latex="{x}^T")
def transpose(xp, x, *, axes=None):
    """x with its axes in another order, reversed if axes is None: (n, m) -> (m, n)."""
    return xp.transpose(x, axes=axes)


@transpose.vjp
def transpose_vjp(xp, g, out, x, *, axes):
    if axes is None:
        return (xp.transpose(g, axes=None),)
    inverse = sorted(range(x.ndim), key=[a % x.ndim for a in axes].__getitem__)
    return (xp.transpose(g, axes=tuple(inverse)),)


@op(symbol="mT", latex="{x}^T")
def matrix_transpose(xp, x):
    """x with its last two axes exchanged: (..., n, m) -> (..., m, n)."""
    return xp.matrix_transpose(x)


@matrix_transpose.vjp
def matrix_transpose_vjp(xp, g, out, x):
    return (xp.matrix_transpose(g),)


@op
def swapaxes(xp, x, *, axis1, axis2):
    """x with two axes exchanged: (..., n, ..., m, ...) -> (..., m, ..., n, ...)."""
    return xp.transpose(x, axes=_swapped(x.ndim, axis1, axis2))


@swapaxes.vjp
def swapaxes_vjp(xp, g, out, x, *, axis1, axis2):
    return (xp.transpose(g, axes=_swapped(x.ndim, axis1, axis2)),)


def _swapped(ndim: int, axis1: int, axis2: int) -> tuple[int, ...]:
    axes = list(range(ndim))
    (a,), (b,) = places(axis1, ndim), places(axis2, ndim)
    axes[a], axes[b] = b, a
    return tuple(axes)


@op
def squeeze(xp, x, *, axis=None):
    """x without the given axes of size 1, all of them if axis is None: (..., 1, ...) -> (...)."""
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    dropped = ones if axis is None else places(axis, x.ndim)
    for a in dropped:
        if a not in ones:
            raise ValueError(f"axis {a} has size {x.shape[a]}, not 1")
    return xp.reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in dropped))


@squeeze.vjp
def squeeze_vjp(xp, g, out, x, *, axis):
    return (xp.reshape(g, shape=x.shape),)


@op
def expand_dims(xp, x, *, axis):
    """x with new axes of size 1 at the given places of the result: (...) -> (..., 1, ...)."""
    ndim = x.ndim + (len(axis) if isinstance(axis, tuple) else 1)
    added = places(axis, ndim)
    sizes = iter(x.shape)
    return xp.reshape(x, shape=tuple(1 if i in added else next(sizes) for i in range(ndim)))


@expand_dims.vjp
def expand_dims_vjp(xp, g, out, x, *, axis):
    return (xp.reshape(g, shape=x.shape),)


def places(axis: Any, ndim: int) -> list[int]:
    """One axis or a tuple of axes, counted from 0; an error if one is missing or named twice."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"axis {a} is not among the {ndim} axes")
    counted = [a % ndim for a in axes]
    if len(set(counted)) < len(counted):
        raise ValueError(f"axis {axis} names one of the {ndim} axes twice")
    return counted


@op
def broadcast_to(xp, x, *, shape):
    """x repeated along new or size-1 axes to reach `shape`."""
    _check_broadcast(x.shape, shape)
    return xp.broadcast_to(x, shape=shape)


@broadcast_to.vjp
def broadcast_to_vjp(xp, g, out, x, *, shape):
    return (xp.sum_to(g, shape=x.shape),)


@op
def sum_to(xp, x, *, shape):
    """x summed down to a shape that broadcasts to its own: the adjoint of `broadcast_to`."""
    _check_broadcast(shape, x.shape)
    return xp.sum_to(x, shape=shape)


@sum_to.vjp
def sum_to_vjp(xp, g, out, x, *, shape):
    return (xp.broadcast_to(g, shape=x.shape),)


def _check_broadcast(small: tuple[int, ...], large: tuple[int, ...]) -> None:
    extra = len(large) - len(small)
    if extra < 0 or any(n not in (1, m) for n, m in zip(small, large[extra:], strict=True)):
        raise ValueError(f"{small} does not broadcast to {large}")


@op
def flip(xp, x, *, axis=None):
    """x with its elements in reverse along axes, all of them if axis is None: (...) -> (...)."""
    return xp.flip(x, axis=axis)


@flip.vjp
def flip_vjp(xp, g, out, x, *, axis):
    return (xp.flip(g, axis=axis),)


@op
def roll(xp, x, *, shift, axis=None):
    """x moved by `shift` places along axes, wrapping around; the flat array if axis is None.

    Shape (...) -> (...).
    """
    return xp.roll(x, shift=shift, axis=axis)


@roll.vjp
def roll_vjp(xp, g, out, x, *, shift, axis):
    back = tuple(-s for s in shift) if isinstance(shift, tuple | list) else -shift
    return (xp.roll(g, shift=back, axis=axis),)


@op(latex=r"\operatorname{{concat}}\left({xs}\right)")
def concat(xp, *xs, axis=0):
    """Operands joined along an axis they have: (..., n_i, ...) -> (..., sum n_i, ...)."""
    return xp.concat(*xs, axis=axis)


@concat.vjp
def concat_vjp(xp, g, out, *xs, axis):
    parts, start = [], 0
    before = (slice(None),) * (axis % out.ndim)
    for x in xs:
        stop = start + x.shape[axis]
        parts.append(xp.getitem(g, index=(*before, slice(start, stop))))
        start = stop
    return tuple(parts)


@op(latex=r"\operatorname{{stack}}\left({xs}\right)")
def stack(xp, *xs, axis=0):
    """Operands of one shape joined along a new axis: n of shape (...) -> (..., n, ...)."""
    return xp.stack(*xs, axis=axis)


@stack.vjp
def stack_vjp(xp, g, out, *xs, axis):
    before = (slice(None),) * (axis % out.ndim)
    return tuple(xp.getitem(g, index=(*before, i)) for i in range(len(xs)))


@op
def split(xp, x, *, sections, axis=0):
    """A tuple of pieces of x along an axis: equal ones if `sections` is a number, else cut there.

    x : (..., n, ...) -> `sections` times (..., n / sections, ...).

    Unlike every other operation this one gives several results; it is made of `getitem`.
    """
    size = x.shape[axis]
    if isinstance(sections, int):
        if sections < 1 or size % sections:
            raise ValueError(
                f"the {size} elements of axis {axis} make no {sections} equal pieces; give the "
                "places to cut as a tuple"
            )
        step = size // sections
        sections = tuple(range(step, size, step)) if step else (0,) * (sections - 1)
    before = (slice(None),) * (axis % x.ndim)
    edges = [0, *sections, size]
    return tuple(
        xp.getitem(x, index=(*before, slice(start, stop)))
        for start, stop in itertools.pairwise(edges)
    )


@op
def pad(xp, x, *, widths, mode="constant", value=0.0):
    """x with `widths`, one (before, after) pair per axis, of new elements around it.

    mode "constant" puts `value` there, "reflect" mirrors x without repeating its edge, "replicate"
    repeats the edge, "circular" goes on at the other end.
    """
    _check_pad(x, widths, mode)
    if mode != "constant":
        return xp.getitem(x, index=_sources(x, widths, mode))
    inside = _inside(x, widths)
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    placed = xp.put_add(x, index=inside, shape=shape)
    if value == 0.0:
        return placed
    return xp.where(xp.put_add(xp.ones_like(x), index=inside, shape=shape) == 1, placed, value)


@pad.vjp
def pad_vjp(xp, g, out, x, *, widths, mode, value):
    if mode == "constant":
        return (xp.getitem(g, index=_inside(x, widths)),)
    return (xp.put_add(g, index=_sources(x, widths, mode), shape=x.shape),)


def _inside(x: Any, widths: Any) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for n, (a, _) in zip(x.shape, widths, strict=True))


# How much wider than x the padding on one side may be, in each mode
_MOST = {"constant": math.inf, "reflect": -1, "replicate": math.inf, "circular": 0}


def _check_pad(x: Any, widths: Any, mode: str) -> None:
    if len(widths) != x.ndim:
        raise ValueError(f"widths has {len(widths)} pairs for the {x.ndim} axes of {x.shape}")
    if mode not in _MOST:
        raise ValueError(f"mode is {mode!r}, not one of {', '.join(map(repr, _MOST))}")
    for n, pair in zip(x.shape, widths, strict=True):
        if min(pair) < 0 or max(pair) > max(n + _MOST[mode], 0):
            raise ValueError(f"widths {tuple(pair)} do not fit an axis of {n} in mode {mode!r}")


def _sources(x: Any, widths: Any, mode: str) -> tuple[Any, ...]:
    """For each axis, which element of x each element of the result repeats, ready to index with."""
    import numpy

    sources = []
    for axis, (n, (a, b)) in enumerate(zip(x.shape, widths, strict=True)):
        at = numpy.arange(-a, n + b)
        if mode == "replicate":
            at = at.clip(0, n - 1)
        elif mode == "circular":
            at = at % max(n, 1)
        else:
            at = abs(at)
            at = numpy.where(at >= n, 2 * (n - 1) - at, at)
        sources.append(at.reshape((-1,) + (1,) * (x.ndim - 1 - axis)))
    return tuple(sources)


@op(latex=r"\operatorname{{tril}}\left({x}\right)")
def tril(xp, x, *, k=0):
    """x (..., n, m) with zeros above the k-th diagonal of its last two axes."""
    _check_matrix(x)
    return xp.tril(x, k=k)


@tril.vjp
def tril_vjp(xp, g, out, x, *, k):
    return (xp.tril(g, k=k),)


@op(latex=r"\operatorname{{triu}}\left({x}\right)")
def triu(xp, x, *, k=0):
    """x (..., n, m) with zeros below the k-th diagonal of its last two axes."""
    _check_matrix(x)
    return xp.triu(x, k=k)


@triu.vjp
def triu_vjp(xp, g, out, x, *, k):
    return (xp.triu(g, k=k),)


def _check_matrix(x: Any) -> None:
    if x.ndim < 2:
        raise ValueError("a diagonal needs at least two axes")


@op(symbol="[ ]", latex="{x}[\\cdot]")
def getitem(xp, x, *, index):
    """x[index], of NumPy's shape: integers, slices, None, Ellipsis, integer arrays and masks."""
    return xp.getitem(x, index=index)


@getitem.vjp
def getitem_vjp(xp, g, out, x, *, index):
    return (xp.put_add(g, index=index, shape=x.shape),)


@op
def put_add(xp, x, *, index, shape):
    """Zeros of `shape` with x added at `index`, repeats included: the adjoint of `getitem`."""
    return xp.put_add(x, index=index, shape=shape)


@put_add.vjp
def put_add_vjp(xp, g, out, x, *, index, shape):
    return (xp.sum_to(xp.getitem(g, index=index), shape=x.shape),)


@op
def take(xp, x, *, indices, axis=None):
    """The elements of x at integer `indices` along an axis; of the flat array if axis is None.

    x : (..., n, ...), and indices of shape (k,) -> (..., k, ...).
    """
    return _take(xp, x, indices, axis)


@take.vjp
def take_vjp(xp, g, out, x, *, indices, axis):
    if axis is None:
        flat = xp.put_add(g, index=indices, shape=(math.prod(x.shape),))
        return (xp.reshape(flat, shape=x.shape),)
    before = (slice(None),) * (axis % x.ndim)
    return (xp.put_add(g, index=(*before, indices), shape=x.shape),)


def _take(xp, x, indices, axis):
    if axis is None:
        return xp.getitem(xp.reshape(x, shape=(-1,)), index=indices)
    return xp.getitem(x, index=(*(slice(None),) * (axis % x.ndim), indices))


@op(latex=r"\operatorname{{one\_hot}}\left({x}\right)", differentiable=False)
def one_hot(xp, x, *, num_classes, dtype="float32", ignore=None):
    """A new last axis with 1 at the place each integer of x names, 0 elsewhere.  No gradient.

    x : (...), of whole numbers -> (..., num_classes).

    The integer `ignore` names no place.  Raises IndexError for any other not in [0, num_classes);
    in a step recorded on a card its row is nan, or 0 in a dtype without nan.
    """
    return xp.one_hot(x, num_classes=num_classes, dtype=dtype, ignore=ignore)


@op(latex=r"\operatorname{{to}}\left({x}\right)")
def to_device(xp, x, *, device):
    """x on another device, "cpu" or "cuda", (...) -> (...); the gradient comes back to x's own."""
    return xp.to_device(x, device=device)


@to_device.vjp
def to_device_vjp(xp, g, out, x, *, device):
    return (xp.to_device(g, device="cpu" if x.device == "cpu" else "cuda"),)
