"""Operations on windows: unfold and fold, convolution and its adjoints, pooling.

A window is what a kernel sees at one place.  `unfold` lays all windows out, `fold` adds them back
where they came from; each is the derivative of the other.  A convolution is one matrix product over
unfolded windows.  It is linear in the image and in the kernel, so it has two adjoints, and the
derivatives of each of the three are the other two:

    conv(x, w) = out    conv_transpose(out, w) = x    conv_weight(x, out) = w

All is written once, for any number of spatial axes; the operations fix it to one or two.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from tinygrad_edu.ops.reductions import _share_among
from tinygrad_edu.ops.registry import Op, op
from tinygrad_edu.ops.shapes import pad

_BLOCK = 2**22  # elements of unfolded windows at a time: what stays near a processor's cache


class _Window(NamedTuple):
    """A kernel's geometry, one entry per spatial axis; `pads` holds (before, after) pairs."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """How many elements a window spans."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.size, self.dilation, strict=True))

    def places(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """How many windows fit along each axis; ValueError where none does."""
        padded = [n + a + b for n, (a, b) in zip(sizes, self.pads, strict=True)]
        if any(n < r for n, r in zip(padded, self.reach, strict=True)):
            raise ValueError(
                f"a window of {self.reach} elements does not fit into {tuple(padded)}, padding "
                "included; use a smaller kernel or more padding"
            )
        return tuple(
            (n - r) // s + 1 for n, r, s in zip(padded, self.reach, self.stride, strict=True)
        )


def _per_axis(value: Any, axes: int, name: str, least: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,) * axes
    if len(values) != axes or any(v < least for v in values):
        raise ValueError(
            f"{name} is {value}; it takes a whole number of at least {least}, or {axes} of them"
        )
    return values


def _window(size: Any, stride: Any, padding: Any, dilation: Any) -> _Window:
    """The geometry from a user's options: numbers or tuples, padding "same" or "valid" too."""
    axes = len(size)
    stride = _per_axis(stride, axes, "stride", 1)
    dilation = _per_axis(dilation, axes, "dilation", 1)
    if padding == "same":
        if stride != (1,) * axes:
            raise ValueError(f"padding 'same' needs stride 1, not {stride}")
        total = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
        pads = tuple((t // 2, t - t // 2) for t in total)
    elif isinstance(padding, list | tuple) and padding and isinstance(padding[0], tuple):
        pads = tuple(padding)
    else:
        sides = (0,) * axes if padding == "valid" else _per_axis(padding, axes, "padding", 0)
        pads = tuple((p, p) for p in sides)
    return _Window(tuple(size), stride, pads, dilation)


def _padded(xp: Any, x: Any, window: _Window, value: float = 0.0) -> Any:
    if not any(a or b for a, b in window.pads):
        return x
    return pad.read(
        xp, x, widths=((0, 0),) * (x.ndim - len(window.pads)) + window.pads, value=value
    )


def _unfolded(xp: Any, x: Any, window: _Window, value: float = 0.0) -> Any:
    """All windows of x with its padding: (N, C, *sizes) -> (N, C, *places, *size)."""
    window.places(x.shape[-len(window.size) :])
    return xp.unfold(
        _padded(xp, x, window, value),
        size=window.size,
        stride=window.stride,
        dilation=window.dilation,
    )


def _folded(xp: Any, windows: Any, window: _Window, shape: tuple[int, ...]) -> Any:
    """The adjoint of `_unfolded`: windows added up to an image of `shape`, its padding cut off."""
    axes = len(window.size)
    padded = tuple(n + a + b for n, (a, b) in zip(shape[-axes:], window.pads, strict=True))
    image = xp.fold(
        windows,
        shape=(*shape[:-axes], *padded),
        size=window.size,
        stride=window.stride,
        dilation=window.dilation,
    )
    if padded == tuple(shape[-axes:]):
        return image
    inside = tuple(slice(a, a + n) for n, (a, _) in zip(shape[-axes:], window.pads, strict=True))
    return xp.getitem(image, index=(..., *inside))


# Windows


@op
def unfold(xp, x, *, size, stride=1, dilation=1):
    """The windows of x over its last axes: (..., *sizes) -> (..., *places, *size).

    size : of a window, one number per axis; a single number for the last axis alone.
    stride : the step from one window to the next.  dilation : the step within a window.
    Both are one number for all axes or one per axis.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.unfold(Tensor([1, 2, 3, 4, 5]), size=3, stride=2).tolist()
    [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]

    Raises ValueError if a window does not fit into x.
    """
    return _unfolded(xp, x, _plain_window(size, stride, dilation))


@unfold.vjp
def unfold_vjp(xp, g, out, x, *, size, stride, dilation):
    return (_folded(xp, g, _plain_window(size, stride, dilation), x.shape),)


@op
def fold(xp, x, *, shape, size, stride=1, dilation=1):
    """Windows added up where `unfold` takes them from: (..., *places, *size) -> `shape`.

    size, stride, dilation : as in `unfold`, whose adjoint this is.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.fold(Tensor([[1, 2, 3], [4, 5, 6]]), shape=(5,), size=3, stride=2).tolist()
    [1.0, 2.0, 7.0, 5.0, 6.0]

    Raises ValueError if x has more windows than an image of `shape`; those missing count as 0.
    """
    window = _plain_window(size, stride, dilation)
    axes = len(window.size)
    most = (*shape[:-axes], *window.places(shape[-axes:]), *window.size)
    if x.ndim != len(most) or any(n > m for n, m in zip(x.shape, most, strict=True)):
        raise ValueError(f"an image of {tuple(shape)} has windows of shape {most}")
    return _folded(xp, x, window, tuple(shape))


@fold.vjp
def fold_vjp(xp, g, out, x, *, shape, size, stride, dilation):
    return (_cut(xp, _unfolded(xp, g, _plain_window(size, stride, dilation)), x.shape),)


def _plain_window(size: Any, stride: Any, dilation: Any) -> _Window:
    sizes = tuple(size) if isinstance(size, list | tuple) else (size,)
    return _window(_per_axis(sizes, len(sizes), "size", 1), stride, 0, dilation)


# Convolution


def _check_conv(x: Any, w: Any, bias: Any, groups: int, axes: int) -> None:
    if x.ndim != axes + 2 or w.ndim != axes + 2:
        raise ValueError(f"the image and the kernel need {axes + 2} axes each")
    if x.shape[1] != w.shape[1] * groups:
        raise ValueError(
            f"x has {x.shape[1]} channels, and w expects {w.shape[1]} in each of {groups} groups; "
            "w is (out channels, in channels / groups, *kernel)"
        )
    if w.shape[0] % groups:
        raise ValueError(f"{w.shape[0]} output channels do not divide into {groups} groups")
    if bias and bias[0].shape != w.shape[:1]:
        raise ValueError(f"the bias has shape {bias[0].shape} for {w.shape[0]} output channels")


def _blocks(n: int, per_example: int) -> Iterator[slice]:
    """The batch in pieces whose unfolded windows stay in cache."""
    step = max(1, _BLOCK // max(per_example, 1))
    yield from (slice(i, i + step) for i in range(0, max(n, 1), step))


def _columns(xp: Any, x: Any, window: _Window, groups: int, places: tuple[int, ...]) -> Any:
    """The windows as matrix columns: (N, C, *sizes) -> (groups, C/groups * size, N * places)."""
    axes = len(window.size)
    n, channels = x.shape[:2]
    windows = _unfolded(xp, x, window)  # (N, C, *places, *size)
    windows = _cut(xp, windows, (n, channels, *places, *window.size))
    turned = xp.transpose(windows, axes=(1, *range(2 + axes, 2 + 2 * axes), 0, *range(2, 2 + axes)))
    rows = channels // groups * math.prod(window.size)
    return xp.reshape(turned, shape=(groups, rows, n * math.prod(places)))


def _as_columns(xp: Any, g: Any, groups: int) -> Any:
    """One column per place of every example: (N, K, *places) -> (groups, K/groups, N * places)."""
    n, k, *places = g.shape
    turned = xp.transpose(g, axes=(1, 0, *range(2, g.ndim)))
    return xp.reshape(turned, shape=(groups, k // groups, n * math.prod(places)))


def _conv(xp: Any, x: Any, w: Any, bias: Any, window: _Window, groups: int) -> Any:
    """(N, C, *sizes), (K, C/groups, *size) -> (N, K, *places)."""
    _check_conv(x, w, bias, groups, len(window.size))
    k, places = w.shape[0], window.places(x.shape[2:])
    matrix = xp.reshape(w, shape=(groups, k // groups, math.prod(w.shape[1:])))
    parts = []
    for block in _blocks(x.shape[0], x.shape[1] * math.prod(window.size) * math.prod(places)):
        part = xp.getitem(x, index=block)
        columns = xp.matmul(matrix, _columns(xp, part, window, groups, places))
        out = xp.reshape(columns, shape=(k, part.shape[0], *places))
        parts.append(xp.transpose(out, axes=(1, 0, *range(2, 2 + len(places)))))
    out = parts[0] if len(parts) == 1 else xp.concat(*parts, axis=0)
    for b in bias:
        out = out + xp.reshape(b, shape=(-1,) + (1,) * len(places))
    return out


def _conv_weight(xp: Any, x: Any, g: Any, window: _Window, groups: int) -> Any:
    """(N, C, *sizes), (N, K, *places) -> (K, C/groups, *size): what a kernel gets from both."""
    n, k, *places = g.shape
    fitting = window.places(x.shape[2:])
    if any(p > f for p, f in zip(places, fitting, strict=True)):
        raise ValueError(f"a window of {window.size} has {fitting} places in x, not {places}")
    total = None
    for block in _blocks(n, x.shape[1] * math.prod(window.size) * math.prod(places)):
        columns = _columns(xp, xp.getitem(x, index=block), window, groups, tuple(places))
        rows = _as_columns(xp, xp.getitem(g, index=block), groups)
        part = xp.matmul(rows, xp.matrix_transpose(columns))
        total = part if total is None else total + part
    return xp.reshape(total, shape=(k, x.shape[1] // groups, *window.size))


def _conv_transpose(
    xp: Any, g: Any, w: Any, bias: Any, window: _Window, extra: tuple[int, ...], groups: int
) -> Any:
    """(N, K, *places), (K, C/groups, *size) -> (N, C, *sizes): what an image gets from both."""
    axes = len(window.size)
    sizes = _check_transpose(g, w, window, extra, groups)
    n, k, *places = g.shape
    channels = w.shape[1] * groups
    matrix = xp.reshape(w, shape=(groups, k // groups, math.prod(w.shape[1:])))
    images = []
    for block in _blocks(n, channels * math.prod(window.size) * math.prod(places)):
        part = xp.getitem(g, index=block)
        columns = xp.matmul(xp.matrix_transpose(matrix), _as_columns(xp, part, groups))
        windows = xp.reshape(columns, shape=(channels, *window.size, part.shape[0], *places))
        turned = xp.transpose(  # (C, N, *places, *size)
            windows, axes=(0, 1 + axes, *range(2 + axes, 2 + 2 * axes), *range(1, 1 + axes))
        )
        image = _folded(xp, turned, window, (channels, part.shape[0], *sizes))
        images.append(xp.transpose(image, axes=(1, 0, *range(2, 2 + axes))))
    out = images[0] if len(images) == 1 else xp.concat(*images, axis=0)
    for b in bias:
        out = out + xp.reshape(b, shape=(-1,) + (1,) * axes)
    return out


def _check_transpose(
    g: Any, w: Any, window: _Window, extra: tuple[int, ...], groups: int
) -> tuple[int, ...]:
    """The sizes of the image, or a ValueError for operands that do not fit."""
    axes = len(window.size)
    if g.ndim != axes + 2 or w.ndim != axes + 2:
        raise ValueError(f"the image and the kernel need {axes + 2} axes each")
    if w.shape[0] != g.shape[1] or g.shape[1] % groups:
        raise ValueError(
            f"x has {g.shape[1]} channels, and w expects {w.shape[0]} (in {groups} groups); w is "
            "(in channels, out channels / groups, *kernel)"
        )
    if any(e >= max(s, d) for e, s, d in zip(extra, window.stride, window.dilation, strict=True)):
        raise ValueError(f"output_padding {extra} must be smaller than stride or dilation")
    return tuple(
        (p - 1) * s + r - a - b + e
        for p, s, r, (a, b), e in zip(
            g.shape[2:], window.stride, window.reach, window.pads, extra, strict=True
        )
    )


def _conv_vjp(xp, g, x, w, bias, transpose: Op, weight: Op, *, stride, padding, dilation, groups):
    """The rule of a convolution: an adjoint for each operand, a sum for the bias."""
    window = _window(w.shape[2:], stride, padding, dilation)
    options = {"stride": window.stride, "padding": window.pads, "dilation": window.dilation}
    extra = _left_over(window, x.shape[2:], g.shape[2:])
    return (
        lambda: transpose.read(xp, g, w, output_padding=extra, groups=groups, **options),
        lambda: weight.read(xp, x, g, size=window.size, groups=groups, **options),
        *(xp.sum(g, axis=(0, *range(2, g.ndim))) for _ in bias),
    )


def _left_over(window: _Window, sizes: Any, places: Any) -> tuple[int, ...]:
    """The elements at the end of each axis that none of so many windows reaches."""
    return tuple(
        n + a + b - r - (p - 1) * s
        for n, (a, b), r, s, p in zip(
            sizes, window.pads, window.reach, window.stride, places, strict=True
        )
    )


def _conv_transpose_vjp(
    xp, g, x, w, bias, conv: Op, weight: Op, *, stride, padding, dilation, groups
):
    window = _window(w.shape[2:], stride, padding, dilation)
    options = {"stride": window.stride, "padding": window.pads, "dilation": window.dilation}
    return (
        lambda: _cut(xp, conv.read(xp, g, w, groups=groups, **options), x.shape),
        lambda: weight.read(xp, g, x, size=window.size, groups=groups, **options),
        *(xp.sum(g, axis=(0, *range(2, g.ndim))) for _ in bias),
    )


def _conv_weight_vjp(
    xp, g, x, y, conv: Op, transpose: Op, *, size, stride, padding, dilation, groups
):
    window = _window(size, stride, padding, dilation)
    options = {"stride": window.stride, "padding": window.pads, "dilation": window.dilation}
    extra = _left_over(window, x.shape[2:], y.shape[2:])
    return (
        lambda: transpose.read(xp, y, g, output_padding=extra, groups=groups, **options),
        lambda: _cut(xp, conv.read(xp, x, g, groups=groups, **options), y.shape),
    )


def _cut(xp: Any, out: Any, shape: tuple[int, ...]) -> Any:
    """The first windows: those that only `output_padding` made room for are left out."""
    if tuple(out.shape) == tuple(shape):
        return out
    return xp.getitem(out, index=tuple(slice(0, n) for n in shape))


@op
def conv1d(xp, x, w, *bias, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation: (N, C, L), (K, C/groups, size) -> (N, K, places).

    bias : nothing, or one of shape (K,).  stride : the step of the kernel.  dilation : the step
    within it.  padding : zeros on both sides, "same" or "valid".  groups : the channels are split
    into so many groups that do not mix.
    """
    return _conv(xp, x, w, bias, _window(w.shape[2:], stride, padding, dilation), groups)


@conv1d.vjp
def conv1d_vjp(xp, g, out, x, w, *bias, stride, padding, dilation, groups):
    return _conv_vjp(
        xp, g, x, w, bias, conv_transpose1d, conv_weight1d,
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


@op
def conv2d(xp, x, w, *bias, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation: (N, C, H, W), (K, C/groups, kH, kW) -> (N, K, H', W').

    H' = floor((H + 2 padding - dilation (kH - 1) - 1) / stride) + 1.  Options as in `conv1d`, one
    number or one per axis.  Source: LeCun et al. 1989.

    >>> from tinygrad_edu import Tensor, ones, ops
    >>> ops.conv2d(ones(1, 1, 3, 3), ones(1, 1, 2, 2), Tensor([0.5])).tolist()
    [[[[4.5, 4.5], [4.5, 4.5]]]]
    """
    return _conv(xp, x, w, bias, _window(w.shape[2:], stride, padding, dilation), groups)


@conv2d.vjp
def conv2d_vjp(xp, g, out, x, w, *bias, stride, padding, dilation, groups):
    return _conv_vjp(
        xp, g, x, w, bias, conv_transpose2d, conv_weight2d,
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


@op
def conv_transpose1d(xp, x, w, *bias, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """The adjoint of `conv1d` for its image: (N, K, places), (K, C/groups, size) -> (N, C, L).

    L = (places - 1) stride - 2 padding + dilation (size - 1) + 1 + output_padding.
    """
    window = _window(w.shape[2:], stride, padding, dilation)
    extra = _per_axis(output_padding, 1, "output_padding", 0)
    return _conv_transpose(xp, x, w, bias, window, extra, groups)


@conv_transpose1d.vjp
def conv_transpose1d_vjp(
    xp, g, out, x, w, *bias, stride, padding, output_padding, dilation, groups
):
    return _conv_transpose_vjp(
        xp, g, x, w, bias, conv1d, conv_weight1d,
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


@op
def conv_transpose2d(xp, x, w, *bias, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """The adjoint of `conv2d` for its image: (N, K, H', W'), (K, C/groups, kH, kW) -> (N, C, H, W).

    H = (H' - 1) stride - 2 padding + dilation (kH - 1) + 1 + output_padding.
    Source: Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4.
    """
    window = _window(w.shape[2:], stride, padding, dilation)
    extra = _per_axis(output_padding, 2, "output_padding", 0)
    return _conv_transpose(xp, x, w, bias, window, extra, groups)


@conv_transpose2d.vjp
def conv_transpose2d_vjp(
    xp, g, out, x, w, *bias, stride, padding, output_padding, dilation, groups
):
    return _conv_transpose_vjp(
        xp, g, x, w, bias, conv2d, conv_weight2d,
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


@op
def conv_weight1d(xp, x, y, *, size, stride=1, padding=0, dilation=1, groups=1):
    """The adjoint of `conv1d` for its kernel: (N, C, L), (N, K, places) -> (K, C/groups, size)."""
    return _conv_weight(xp, x, y, _window(size, stride, padding, dilation), groups)


@conv_weight1d.vjp
def conv_weight1d_vjp(xp, g, out, x, y, *, size, stride, padding, dilation, groups):
    return _conv_weight_vjp(
        xp, g, x, y, conv1d, conv_transpose1d,
        size=size, stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


@op
def conv_weight2d(xp, x, y, *, size, stride=1, padding=0, dilation=1, groups=1):
    """The adjoint of `conv2d` for its kernel.

    (N, C, H, W), (N, K, H', W') -> (K, C/groups, kH, kW), with size = (kH, kW).
    """
    return _conv_weight(xp, x, y, _window(size, stride, padding, dilation), groups)


@conv_weight2d.vjp
def conv_weight2d_vjp(xp, g, out, x, y, *, size, stride, padding, dilation, groups):
    return _conv_weight_vjp(
        xp, g, x, y, conv2d, conv_transpose2d,
        size=size, stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip


# Pooling


def _pool_window(kernel_size: Any, stride: Any, padding: Any, dilation: Any, axes: int) -> _Window:
    size = _per_axis(kernel_size, axes, "kernel_size", 1)
    sides = _per_axis(padding, axes, "padding", 0)
    if any(2 * p > k for p, k in zip(sides, size, strict=True)):
        raise ValueError(f"padding {sides} is more than half of kernel_size {size}")
    return _window(size, size if stride is None else stride, sides, dilation)


def _max_pool(xp: Any, x: Any, window: _Window) -> Any:
    windows = _unfolded(xp, x, window, -math.inf)
    return xp.max(windows, axis=tuple(range(-len(window.size), 0)))


def _max_pool_vjp(xp: Any, g: Any, out: Any, x: Any, window: _Window) -> tuple[Any]:
    axes = tuple(range(-len(window.size), 0))
    windows = _unfolded(xp, x, window, -math.inf)
    wide = (*out.shape, *(1,) * len(axes))
    chosen = windows == xp.reshape(out, shape=wide)
    shares = _share_among(xp, chosen, g, windows, axes)
    return (_folded(xp, shares, window, x.shape),)


@op
def max_pool1d(xp, x, *, kernel_size, stride=None, padding=0, dilation=1):
    """The largest value of each window: (N, C, L) -> (N, C, places).

    stride : kernel_size if None.  padding : places before and after that never win.
    Equal values share the gradient evenly, as in `max`.
    """
    return _max_pool(xp, x, _pool_window(kernel_size, stride, padding, dilation, 1))


@max_pool1d.vjp
def max_pool1d_vjp(xp, g, out, x, *, kernel_size, stride, padding, dilation):
    return _max_pool_vjp(xp, g, out, x, _pool_window(kernel_size, stride, padding, dilation, 1))


@op
def max_pool2d(xp, x, *, kernel_size, stride=None, padding=0, dilation=1):
    """The largest value of each window: (N, C, H, W) -> (N, C, H', W').  See `max_pool1d`.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.max_pool2d(Tensor([[[[1, 2], [3, 4]]]]), kernel_size=2).tolist()
    [[[[4.0]]]]
    """
    return _max_pool(xp, x, _pool_window(kernel_size, stride, padding, dilation, 2))


@max_pool2d.vjp
def max_pool2d_vjp(xp, g, out, x, *, kernel_size, stride, padding, dilation):
    return _max_pool_vjp(xp, g, out, x, _pool_window(kernel_size, stride, padding, dilation, 2))


def _avg_pool(xp: Any, x: Any, window: _Window, count_include_pad: bool) -> Any:
    axes = tuple(range(-len(window.size), 0))
    total = xp.sum(_unfolded(xp, x, window), axis=axes)
    if count_include_pad or not any(a or b for a, b in window.pads):
        return total * (1.0 / math.prod(window.size))
    inside = xp.sum(_unfolded(xp, xp.ones_like(x), window), axis=axes)
    return xp.divide(total, inside)


@op
def avg_pool1d(xp, x, *, kernel_size, stride=None, padding=0, count_include_pad=True):
    """The mean of each window: (N, C, L) -> (N, C, places).

    stride : kernel_size if None.  count_include_pad : whether padded zeros count.
    """
    return _avg_pool(xp, x, _pool_window(kernel_size, stride, padding, 1, 1), count_include_pad)


@op
def avg_pool2d(xp, x, *, kernel_size, stride=None, padding=0, count_include_pad=True):
    """The mean of each window: (N, C, H, W) -> (N, C, H', W').  See `avg_pool1d`."""
    return _avg_pool(xp, x, _pool_window(kernel_size, stride, padding, 1, 2), count_include_pad)


def _adaptive_avg_pool(xp: Any, x: Any, output_size: tuple[int, ...]) -> Any:
    """Bin i of n along an axis of size s holds the elements floor(i s/n) to ceil((i+1) s/n) - 1."""
    for axis, n in enumerate(output_size, x.ndim - len(output_size)):
        size = x.shape[axis]
        before = (slice(None),) * axis
        bins = [
            xp.getitem(x, index=(*before, slice(i * size // n, -(-(i + 1) * size // n))))
            for i in range(n)
        ]
        means = [xp.sum(b, axis=axis) * (1.0 / b.shape[axis]) for b in bins]
        x = xp.stack(*means, axis=axis)
    return x


@op
def adaptive_avg_pool1d(xp, x, *, output_size):
    """The mean of `output_size` bins of equal width: (N, C, L) -> (N, C, output_size)."""
    return _adaptive_avg_pool(xp, x, _per_axis(output_size, 1, "output_size", 1))


@op
def adaptive_avg_pool2d(xp, x, *, output_size):
    """The mean of bins of equal size: (N, C, H, W) -> (N, C, *output_size).

    output_size : one number, or one per axis; 1 averages each channel over the whole image.
    """
    return _adaptive_avg_pool(xp, x, _per_axis(output_size, 2, "output_size", 1))
