"""Operations on windows: unfold and fold, convolution and its adjoints, pooling.

A window is what a kernel sees at one place.  `unfold` lays all windows out, `fold` adds them back
where they came from; each is the derivative of the other.  A convolution is a matrix product over
unfolded windows.  It is linear in the image and in the kernel, so it has two adjoints, and the
derivatives of each of the three are the other two:

    conv(x, w) = y    conv_transpose(y, w) = x    conv_weight(x, y) = w

All is written once, for any number of spatial axes; the operations fix it to one or two.
"""

import itertools
import math
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

from tinygrad_edu.ops import reductions
from tinygrad_edu.ops.reductions import max_vjp, mean
from tinygrad_edu.ops.registry import Op, op
from tinygrad_edu.ops.shapes import pad

Shape = tuple[int, ...]

# Geometry


class _Window(NamedTuple):
    """Where the windows of an image are, one entry per spatial axis; the image padded already."""

    size: Shape
    stride: Shape
    dilation: Shape

    @property
    def reach(self) -> Shape:
        """How many elements a window spans."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.size, self.dilation, strict=True))

    def places(self, sizes: Shape) -> Shape:
        """How many windows an image has along each axis.  ValueError where none fits."""
        for axis, (n, reach) in enumerate(zip(sizes, self.reach, strict=True)):
            if n < reach:
                raise ValueError(
                    f"a window spans {reach} elements of spatial axis {axis}, which has {n}, "
                    "padding included; use a smaller window, or more padding"
                )
        steps = zip(sizes, self.reach, self.stride, strict=True)
        return tuple((n - reach) // s + 1 for n, reach, s in steps)

    @property
    def last(self) -> "_Window":
        """The same for the last axis alone."""
        return _Window(self.size[-1:], self.stride[-1:], self.dilation[-1:])


Pads = tuple[tuple[int, int], ...]


def _per_axis(value: Any, axes: int, name: str, least: int) -> Shape:
    """An option that is one number for all axes, or one per axis."""
    try:
        given = value if isinstance(value, list | tuple) else (value,) * axes
        values = tuple(map(operator.index, given))
    except TypeError:  # not whole numbers
        values = ()
    if len(values) != axes or min(values) < least:
        several = f", or {axes} of them" if axes > 1 else ""
        raise ValueError(f"{name} is a whole number of at least {least}{several}; it is {value}")
    return values


def _window(size: Any, stride: Any, dilation: Any, axes: int | None = None) -> _Window:
    """The geometry that options describe; for as many axes as `size` names if `axes` is None."""
    if axes is None:
        axes = len(size) if isinstance(size, list | tuple) else 1
    return _Window(
        _per_axis(size, axes, "size", 1),
        _per_axis(stride, axes, "stride", 1),
        _per_axis(dilation, axes, "dilation", 1),
    )


def _pads(padding: Any, window: _Window) -> Pads:
    """The padding of each axis, (before, after): from numbers, pairs, "same" or "valid"."""
    axes = len(window.size)
    if padding == "same":
        if window.stride != (1,) * axes:
            raise ValueError(f"padding 'same' needs stride 1, not {window.stride}; pad by hand")
        return tuple(((reach - 1) // 2, reach // 2) for reach in window.reach)
    if isinstance(padding, list | tuple) and padding and isinstance(padding[0], list | tuple):
        if len(padding) != axes:
            raise ValueError(f"padding has {len(padding)} pairs, (before, after), for {axes} axes")
        pairs = [_per_axis(pair, 2, "a pair of padding", 0) for pair in padding]
        return tuple((before, after) for before, after in pairs)
    sides = _per_axis(0 if padding == "valid" else padding, axes, "padding", 0)
    return tuple((side, side) for side in sides)


def _padded(xp: Any, x: Any, pads: Pads, value: float = 0.0) -> Any:
    """x with its last axes padded."""
    if not any(map(any, pads)):
        return x
    return pad.read(xp, x, widths=((0, 0),) * (x.ndim - len(pads)) + pads, value=value)


def _unpadded(xp: Any, x: Any, pads: Pads) -> Any:
    """The adjoint of `_padded`: x without what was added."""
    if not any(map(any, pads)):
        return x
    sizes = x.shape[x.ndim - len(pads) :]
    inside = [slice(a, n - b) for n, (a, b) in zip(sizes, pads, strict=True)]
    return xp.getitem(x, index=(..., *inside))


def _padded_sizes(sizes: Any, pads: Pads) -> Shape:
    return tuple(n + a + b for n, (a, b) in zip(sizes, pads, strict=True))


def _first(xp: Any, x: Any, shape: Any) -> Any:
    """The first elements of x along each axis, as many as `shape` says."""
    if tuple(x.shape) == tuple(shape):
        return x
    return xp.getitem(x, index=tuple(slice(0, n) for n in shape))


def _arrange(xp: Any, x: Any, axes: Any, shape: Any) -> Any:
    """x with its axes in another order, then merged to `shape`."""
    return xp.reshape(xp.transpose(x, axes=axes), shape=shape)


def _restore(xp: Any, x: Any, axes: Any, shape: Any) -> Any:
    """The inverse of `_arrange`, back to `shape`."""
    inverse = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    return xp.transpose(xp.reshape(x, shape=tuple(shape[a] for a in axes)), axes=inverse)


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
    window = _window(size, stride, dilation)
    if x.ndim < len(window.size):
        raise ValueError(f"windows over {len(window.size)} axes need an x with as many")
    window.places(x.shape[x.ndim - len(window.size) :])
    return xp.unfold(x, **window._asdict())


@unfold.vjp
def unfold_vjp(xp, g, out, x, *, size, stride, dilation):
    return (xp.fold(g, shape=x.shape, **_window(size, stride, dilation)._asdict()),)


@op
def fold(xp, x, *, shape, size, stride=1, dilation=1):
    """Windows added up where `unfold` takes them from: (..., *places, *size) -> `shape`.

    size, stride, dilation : as in `unfold`, whose adjoint this is.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.fold(Tensor([[1, 2, 3], [4, 5, 6]]), shape=(5,), size=3, stride=2).tolist()
    [1.0, 2.0, 7.0, 5.0, 6.0]

    Raises ValueError if x has not the shape of the windows of such an image.  There may be fewer
    places: the windows that are missing count as 0.
    """
    window = _window(size, stride, dilation)
    lead, sizes = shape[: -len(window.size)], shape[-len(window.size) :]
    most = (*lead, *window.places(sizes), *window.size)
    places = slice(len(lead), len(lead) + len(window.size))
    few = (*most[: places.start], *x.shape[places], *window.size)
    if tuple(x.shape) != few or any(n > m for n, m in zip(x.shape, most, strict=True)):
        raise ValueError(f"the windows of an image of {tuple(shape)} have the shape {most}")
    return xp.fold(x, shape=tuple(shape), **window._asdict())


@fold.vjp
def fold_vjp(xp, g, out, x, *, shape, size, stride, dilation):
    windows = xp.unfold(g, **_window(size, stride, dilation)._asdict())
    return (_first(xp, windows, x.shape),)


# Convolution as matrix products

_BLOCK = 2**20  # elements of unfolded windows at a time: few enough to stay in the cache
_THIN = 32  # a matrix with fewer rows than this makes a slow product


class _Layout(NamedTuple):
    """How the windows of images become matrices: a row per tap and channel, a column per place.

    Windows are unfolded along the last axis, which copies an image kW times: the bands.  Over the
    axes before it a convolution is a sum: the first row of a kernel times the bands, plus the
    second row times the bands one row further down, and so on; each a product of matrices.  The
    columns stand in the order (*leading places, image, last place), so that moving is a slice.

    Where few channels would make these products thin, windows are unfolded along all axes at once:
    `stacked`, which copies an image kH kW times.  That is one matrix for each image, small enough
    to stay in the cache through its product; the columns are the places.

    What costs is copying short runs of memory.  `channels_last` says whether the channels or the
    places along a row are side by side in memory: whichever are more.
    """

    window: _Window
    groups: int
    stacked: bool
    channels_last: bool

    def matrices(self, xp: Any, x: Any, places: Shape) -> list[Any]:
        """(n, C, *sizes) -> (parts, groups, rows, columns), for each leading tap or once."""
        n, channels, *sizes = x.shape
        split = xp.reshape(x, shape=(n, self.groups, channels // self.groups, *sizes))
        images = xp.transpose(split, axes=(1, 2, 0, *range(3, split.ndim)))
        if self.channels_last:
            images = _innermost(xp, images, 1)
        window = self.window if self.stacked else self.window.last
        spread = places if self.stacked else (*sizes[:-1], places[-1])
        full = (*images.shape[:3], *spread, *window.size)
        windows = _first(xp, xp.unfold(images, **window._asdict()), full)
        # Through a flat array: a copy in any case, where overlapping windows could stay a view.
        flat = _arrange(xp, windows, self._axes(len(window.size)), (math.prod(full),))
        rows = full[1] * math.prod(window.size)
        if self.stacked:
            return [self._shaped(xp, flat, rows, n, places)]
        spread = (*sizes[:-1], n, places[-1])
        inner = (*spread, rows) if self.channels_last else (rows, *spread)
        bands = xp.reshape(flat, shape=(self.groups, *inner))
        moved = [xp.getitem(bands, index=index) for index in self._moves(places)]
        return [self._shaped(xp, band, rows, n, places) for band in moved]

    def _shaped(self, xp: Any, x: Any, rows: int, n: int, places: Shape) -> Any:
        """Elements in the order of the matrix -> (parts, groups, rows, columns)."""
        parts, columns = self._counts(n, places)
        if self.channels_last:
            tall = xp.reshape(x, shape=(parts, self.groups, columns, rows))
            return xp.matrix_transpose(tall)
        return xp.reshape(x, shape=(parts, self.groups, rows, columns))

    def _moves(self, places: Shape) -> Iterator[tuple[slice, ...]]:
        """For each leading tap, which part of the bands it sees."""
        before = (slice(None),) * (1 + (not self.channels_last))
        for taps in itertools.product(*map(range, self.window.size[:-1])):
            steps = zip(taps, places, self.window.stride, self.window.dilation, strict=False)
            yield (*before, *(slice(i * d, i * d + n * s, s) for i, n, s, d in steps))

    def images(self, xp: Any, matrix: Any, shape: Shape, places: Shape) -> Any:
        """The adjoint of `matrices` if stacked: the only matrix -> (n, C, *sizes)."""
        n, channels, *sizes = shape
        full = (self.groups, channels // self.groups, n, *places, *self.window.size)
        if self.channels_last:
            matrix = xp.matrix_transpose(matrix)
        windows = _restore(xp, matrix, self._axes(len(sizes)), full)
        ordered = xp.fold(windows, shape=(*full[:3], *sizes), **self.window._asdict())
        return _arrange(xp, ordered, (2, 0, 1, *range(3, ordered.ndim)), shape)

    def _axes(self, taps: int) -> Shape:
        """The axes of windows, (groups, C/groups, n, *places, *taps), in the order of the matrix.

        That of its transpose if the channels are last.
        """
        first = 3 + len(self.window.size)
        parts, columns = self._order(2, 3)
        last = range(first, first + taps)
        inner = (*columns, *last, 1) if self.channels_last else (1, *last, *columns)
        return (*parts, 0, *inner)

    def kernels(self, xp: Any, w: Any) -> list[Any]:
        """(K, C/groups, *size) -> (groups, K/groups, rows), as many as there are matrices."""
        count = 1 if self.stacked else math.prod(self.window.size[:-1])
        rows = math.prod(w.shape[1:]) // count
        shape = (count, self.groups, w.shape[0] // self.groups, rows)
        cut = _arrange(xp, w, self._kernel_axes(), shape)
        return [xp.getitem(cut, index=i) for i in range(count)]

    def kernel(self, xp: Any, kernels: list[Any], shape: Shape) -> Any:
        """The inverse of `kernels`."""
        return _restore(xp, xp.stack(*kernels, axis=0), self._kernel_axes(), shape)

    def _kernel_axes(self) -> Shape:
        *leading, last = range(2, 2 + len(self.window.size))
        if self.stacked:
            return (0, *leading, last, 1) if self.channels_last else (0, 1, *leading, last)
        return (*leading, 0, last, 1) if self.channels_last else (*leading, 0, 1, last)

    def columns(self, xp: Any, y: Any) -> Any:
        """(n, K, *places) -> (parts, groups, K/groups, columns)."""
        n, channels, *places = y.shape
        parts, columns = self._counts(n, places)
        shape = (parts, self.groups, channels // self.groups, columns)
        return _arrange(xp, y, self._column_axes(), shape)

    def from_columns(self, xp: Any, matrix: Any, shape: Shape) -> Any:
        """The inverse of `columns`."""
        return _restore(xp, matrix, self._column_axes(), shape)

    def _column_axes(self) -> Shape:
        parts, columns = self._order(0, 2)
        return (*parts, 1, *columns)

    def _counts(self, n: int, places: Any) -> tuple[int, int]:
        """How many parts there are, and the columns of each."""
        return (n, math.prod(places)) if self.stacked else (1, n * math.prod(places))

    def _order(self, image: int, place: int) -> tuple[Shape, Shape]:
        """The axes of the parts, and those of their columns, from the axes of image and places."""
        *leading, last = range(place, place + len(self.window.size))
        if self.stacked:
            return (image,), (*leading, last)
        return (), (*leading, image, last)


def _layout(window: _Window, channels: int, groups: int, places: Shape) -> _Layout:
    """The layout for images of so many channels per group."""
    stacked = channels * window.size[-1] < _THIN
    return _Layout(window, groups, stacked, channels_last=channels >= places[-1])


def _innermost(xp: Any, x: Any, axis: int) -> Any:
    """x copied so that the elements along `axis` are side by side in memory; its axes stay."""
    axes = (*range(axis), *range(axis + 1, x.ndim), axis)
    return _restore(xp, _arrange(xp, x, axes, (math.prod(x.shape),)), axes, x.shape)


def _blocks(xp: Any, window: _Window, x_channels: int, places: Shape, *arrays: Any) -> Any:
    """The arrays in pieces of the batch, as large as `_BLOCK` lets them be."""
    n = arrays[0].shape[0]
    size = n * x_channels * math.prod(window.size) * math.prod(places)
    step = -(-n // -(-size // _BLOCK)) if size > _BLOCK else max(n, 1)
    if step == max(n, 1):
        yield arrays
        return
    for start in range(0, n, step):
        block = slice(start, start + step)
        yield tuple(xp.getitem(a, index=block) for a in arrays)


def _joined(xp: Any, parts: list[Any], axis: int) -> Any:
    return parts[0] if len(parts) == 1 else xp.concat(*parts, axis=axis)


def _plus_bias(xp: Any, y: Any, bias: tuple[Any, ...]) -> Any:
    for b in bias:
        y += xp.reshape(b, shape=(-1,) + (1,) * (y.ndim - 2))
    return y


def _conv(xp: Any, x: Any, w: Any, window: _Window, pads: Pads, groups: int) -> Any:
    """(N, C, *sizes), (K, C/groups, *size) -> (N, K, *places)."""
    places = window.places(_padded_sizes(x.shape[2:], pads))
    layout = _layout(window, w.shape[1], groups, places)
    kernels = layout.kernels(xp, w)
    parts = []
    for (block,) in _blocks(xp, window, x.shape[1], places, x):
        product: Any = None
        matrices = layout.matrices(xp, _padded(xp, block, pads), places)
        for kernel, matrix in zip(kernels, matrices, strict=True):
            if product is None:
                product = xp.matmul(kernel, matrix)
            else:
                product += xp.matmul(kernel, matrix)
        parts.append(layout.from_columns(xp, product, (block.shape[0], w.shape[0], *places)))
    return _joined(xp, parts, axis=0)


def _conv_transpose(
    xp: Any, y: Any, w: Any, sizes: Shape, window: _Window, pads: Pads, groups: int
) -> Any:
    """(N, K, *places), (K, C/groups, *size) -> (N, C, *sizes)."""
    places, channels = y.shape[2:], w.shape[1] * groups
    layout = _layout(window, w.shape[1], groups, places)._replace(stacked=True)
    (kernel,) = layout.kernels(xp, w)
    parts = []
    for (block,) in _blocks(xp, window, channels, places, y):
        columns = layout.columns(xp, block)
        if layout.channels_last:  # the same product, computed the other way round
            rows = xp.matmul(xp.matrix_transpose(columns), kernel)
            matrix = xp.matrix_transpose(rows)
        else:
            matrix = xp.matmul(xp.matrix_transpose(kernel), columns)
        padded = (block.shape[0], channels, *_padded_sizes(sizes, pads))
        parts.append(_unpadded(xp, layout.images(xp, matrix, padded, places), pads))
    return _joined(xp, parts, axis=0)


def _conv_weight(xp: Any, x: Any, y: Any, window: _Window, pads: Pads, groups: int) -> Any:
    """(N, C, *sizes), (N, K, *places) -> (K, C/groups, *size)."""
    places, channels = y.shape[2:], x.shape[1] // groups
    layout = _layout(window, channels, groups, places)
    sums: list[Any] = []
    for x_block, y_block in _blocks(xp, window, x.shape[1], places, x, y):
        columns = layout.columns(xp, y_block)
        matrices = layout.matrices(xp, _padded(xp, x_block, pads), places)
        turned = xp.matrix_transpose(columns)
        products = [xp.sum(xp.matmul(matrix, turned), axis=0) for matrix in matrices]
        if sums:
            for i, product in enumerate(products):
                sums[i] += product
        else:
            sums = products
    kernels = [xp.matrix_transpose(each) for each in sums]
    return layout.kernel(xp, kernels, (y.shape[1], channels, *window.size))


# Convolution


def _check(x: Any, w: Any, bias: Any, groups: int, axes: int, *, transposed: bool = False) -> None:
    """ValueError if these operands do not make a convolution, or a transposed one."""
    if x.ndim != axes + 2 or w.ndim != axes + 2:
        raise ValueError(
            f"x and w have {axes + 2} axes each, those of the batch and the channels first; "
            "a single image is a batch of one, x[None]"
        )
    if groups < 1 or w.shape[0] % groups:
        raise ValueError(
            f"{groups} groups do not divide {w.shape[0]}, the first size of w; change one of them"
        )
    expected, given = w.shape[1] * groups, w.shape[0]
    if transposed:
        expected, given = given, expected
    if x.shape[1] != expected:
        each = (
            f" ({w.shape[1]} in each of {groups} groups)" if groups > 1 and not transposed else ""
        )
        raise ValueError(
            f"x has {x.shape[1]} channels, and w expects {expected}{each}; check the layer sizes, "
            "or which axis of x is that of the channels"
        )
    if bias and [b.shape for b in bias] != [(given,)]:
        shapes = " and ".join(str(b.shape) for b in bias)
        raise ValueError(f"a bias is a number per channel, of shape ({given},), not {shapes}")


@op
def conv1d(xp, x, w, *bias, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation over one axis: (N, C, L), (K, C/groups, size) -> (N, K, places).

    places = floor((L + 2 padding - dilation (size - 1) - 1) / stride) + 1.

    bias : nothing, or one of shape (K,).
    stride : the step from one window to the next.  dilation : the step within a window.
    padding : how many zeros on both sides; or a pair, (before, after), in a tuple of one; or "same"
    (with stride 1, places = L) or "valid" (none).
    groups : the channels, in and out, are cut into so many groups that see only their own.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.conv1d(Tensor([[[1, 2, 4, 8]]]), Tensor([[[-1, 1]]])).tolist()
    [[[1.0, 2.0, 4.0]]]

    Raises ValueError if the channels do not fit, or the kernel is larger than the padded x.
    """
    return _correlated(xp, x, w, bias, 1, stride, padding, dilation, groups)


@op
def conv2d(xp, x, w, *bias, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation over two axes: (N, C, H, W), (K, C/groups, kH, kW) -> (N, K, H', W').

    H' = floor((H + 2 padding - dilation (kH - 1) - 1) / stride) + 1, and W' likewise.

    bias : nothing, or one of shape (K,).
    stride : the step from one window to the next.  dilation : the step within a window.
    padding : how many zeros on both sides.  Each of the three is one number, or one per axis; a
    padding also a (before, after) pair per axis, "same" (with stride 1, H' = H), or "valid" (none).
    groups : the channels, in and out, are cut into so many groups that see only their own.
    Source: LeCun et al. 1989, "Backpropagation Applied to Handwritten Zip Code Recognition".

    >>> from tinygrad_edu import Tensor, ones, ops
    >>> ops.conv2d(ones(1, 1, 3, 3), ones(1, 1, 2, 2), Tensor([0.5])).tolist()
    [[[[4.5, 4.5], [4.5, 4.5]]]]

    Raises ValueError if the channels do not fit, or the kernel is larger than the padded x.
    """
    return _correlated(xp, x, w, bias, 2, stride, padding, dilation, groups)


def _correlated(xp, x, w, bias, axes, stride, padding, dilation, groups):
    _check(x, w, bias, groups, axes)
    window = _window(w.shape[2:], stride, dilation)
    return _plus_bias(xp, _conv(xp, x, w, window, _pads(padding, window), groups), bias)


@conv2d.vjp
@conv1d.vjp
def conv_vjp(xp, g, out, x, w, *bias, stride, padding, dilation, groups):
    _, conv_transpose, conv_weight = _TRIOS[x.ndim - 2]
    window, options = _same_geometry(w.shape[2:], stride, padding, dilation, groups)
    unseen = _unseen(x, g, window, options["padding"])
    return (
        lambda: conv_transpose.read(xp, g, w, output_padding=unseen, **options),
        lambda: conv_weight.read(xp, x, g, size=window.size, **options),
        *_bias_vjp(xp, g, bias),
    )


@op
def conv_transpose1d(xp, x, w, *bias, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Transposed convolution over one axis: (N, K, places), (K, C/groups, size) -> (N, C, L).

    The adjoint of `conv1d` with respect to its image: every element of x puts a kernel, times
    itself, into the result, `stride` further on than its neighbour's.
    L = (places - 1) stride + dilation (size - 1) + 1 + output_padding - 2 padding.

    bias : nothing, or one of shape (C,).
    stride, padding, dilation, groups : those of the convolution; so `padding` here takes away.
    output_padding : elements at the end that no kernel may reach; less than stride or dilation.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.conv_transpose1d(Tensor([[[1, 10]]]), Tensor([[[1, 2]]]), stride=2).tolist()
    [[[1.0, 2.0, 10.0, 20.0]]]

    Raises ValueError if the channels do not fit, or nothing is left of the result.
    """
    return _transposed(xp, x, w, bias, 1, stride, padding, output_padding, dilation, groups)


@op
def conv_transpose2d(xp, x, w, *bias, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Transposed convolution: (N, K, H', W'), (K, C/groups, kH, kW) -> (N, C, H, W).

    The adjoint of `conv2d` with respect to its image: every element of x puts a kernel, times
    itself, into the result, `stride` further on than its neighbour's.
    H = (H' - 1) stride + dilation (kH - 1) + 1 + output_padding - 2 padding, and W likewise.

    bias : nothing, or one of shape (C,).
    stride, padding, dilation, groups : those of the convolution; so `padding` here takes away.
    output_padding : elements at the end that no kernel may reach; less than stride or dilation.
    Source: Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4.

    >>> from tinygrad_edu import ones, ops
    >>> ops.conv_transpose2d(ones(1, 1, 2, 1), ones(1, 1, 2, 2)).tolist()
    [[[[1.0, 1.0], [2.0, 2.0], [1.0, 1.0]]]]

    Raises ValueError if the channels do not fit, or nothing is left of the result.
    """
    return _transposed(xp, x, w, bias, 2, stride, padding, output_padding, dilation, groups)


def _transposed(xp, x, w, bias, axes, stride, padding, output_padding, dilation, groups):
    _check(x, w, bias, groups, axes, transposed=True)
    window = _window(w.shape[2:], stride, dilation)
    pads = _pads(padding, window)
    extra = _per_axis(output_padding, axes, "output_padding", 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, window.stride, window.dilation, strict=True)):
        raise ValueError(f"output_padding {extra} is not less than stride or dilation; increase x")
    sizes = tuple(
        (n - 1) * s + reach + e - a - b
        for n, s, reach, e, (a, b) in zip(
            x.shape[2:], window.stride, window.reach, extra, pads, strict=True
        )
    )
    if min(sizes) < 1:
        raise ValueError(f"the result would have the sizes {sizes}; use less padding")
    return _plus_bias(xp, _conv_transpose(xp, x, w, sizes, window, pads, groups), bias)


@conv_transpose2d.vjp
@conv_transpose1d.vjp
def conv_transpose_vjp(xp, g, out, x, w, *bias, stride, padding, output_padding, dilation, groups):
    conv, _, conv_weight = _TRIOS[x.ndim - 2]
    window, options = _same_geometry(w.shape[2:], stride, padding, dilation, groups)
    return (
        # In a large output_padding there is room for windows that x does not have.
        lambda: _first(xp, conv.read(xp, g, w, **options), x.shape),
        lambda: conv_weight.read(xp, g, x, size=window.size, **options),
        *_bias_vjp(xp, g, bias),
    )


@op
def conv_weight1d(xp, x, y, *, size, stride=1, padding=0, dilation=1, groups=1):
    """The adjoint of `conv1d` for its kernel: (N, C, L), (N, K, places) -> (K, C/groups, size).

    Entry (k, c, i) is the sum of the products of y's channel k with what tap i of a window over x's
    channel c sees.  Options as in `conv1d`.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.conv_weight1d(Tensor([[[1, 2, 4]]]), Tensor([[[1, 10]]]), size=2).tolist()
    [[[21.0, 42.0]]]

    Raises ValueError if y is not of the shape that the convolution gives.
    """
    return _weighed(xp, x, y, 1, size, stride, padding, dilation, groups)


@op
def conv_weight2d(xp, x, y, *, size, stride=1, padding=0, dilation=1, groups=1):
    """The adjoint of `conv2d` for its kernel: (N, C, H, W), (N, K, H', W') -> (K, C/groups, *size).

    Entry (k, c, i, j) is the sum of the products of y's channel k with what tap (i, j) of a window
    over x's channel c sees.  Options as in `conv2d`; size = (kH, kW).

    >>> from tinygrad_edu import Tensor, ones, ops
    >>> ops.conv_weight2d(Tensor([[[[1, 2], [3, 4]]]]), ones(1, 1, 2, 1), size=(1, 2)).tolist()
    [[[[4.0, 6.0]]]]

    Raises ValueError if y is not of the shape that the convolution gives.
    """
    return _weighed(xp, x, y, 2, size, stride, padding, dilation, groups)


def _weighed(xp, x, y, axes, size, stride, padding, dilation, groups):
    if x.ndim != axes + 2 or y.ndim != axes + 2 or x.shape[0] != y.shape[0]:
        raise ValueError(f"x and y have {axes + 2} axes each, and as many images")
    for name, channels in (("x", x.shape[1]), ("y", y.shape[1])):
        if groups < 1 or channels % groups:
            raise ValueError(f"{groups} groups do not divide the {channels} channels of {name}")
    window = _window(size, stride, dilation, axes)
    pads = _pads(padding, window)
    places = window.places(_padded_sizes(x.shape[2:], pads))
    room = zip(_unseen(x, y, window, pads), window.stride, window.dilation, strict=True)
    if not all(0 <= unseen < max(s, d) for unseen, s, d in room):
        raise ValueError(f"the windows of x have {places} places, and y has {y.shape[2:]}")
    return _conv_weight(xp, x, y, window, pads, groups)


@conv_weight2d.vjp
@conv_weight1d.vjp
def conv_weight_vjp(xp, g, out, x, y, *, size, stride, padding, dilation, groups):
    conv, conv_transpose, _ = _TRIOS[x.ndim - 2]
    window, options = _same_geometry(g.shape[2:], stride, padding, dilation, groups)
    unseen = _unseen(x, y, window, options["padding"])
    return (
        lambda: conv_transpose.read(xp, y, g, output_padding=unseen, **options),
        lambda: _first(xp, conv.read(xp, x, g, **options), y.shape),
    )


_TRIOS = {
    1: (conv1d, conv_transpose1d, conv_weight1d),
    2: (conv2d, conv_transpose2d, conv_weight2d),
}


def _same_geometry(size, stride, padding, dilation, groups) -> tuple[_Window, dict[str, Any]]:
    """The window, and the options that give the other two of the trio the same one."""
    window = _window(size, stride, dilation)
    options = {"stride": window.stride, "dilation": window.dilation, "groups": groups}
    return window, {**options, "padding": _pads(padding, window)}


def _unseen(x: Any, y: Any, window: _Window, pads: Pads) -> Shape:
    """How many elements at the end of each axis of x, padded, windows at the places of y miss."""
    sizes = zip(_padded_sizes(x.shape[2:], pads), y.shape[2:], strict=True)
    steps = zip(window.stride, window.reach, strict=True)
    return tuple(
        n - (places - 1) * s - reach for (n, places), (s, reach) in zip(sizes, steps, strict=True)
    )


def _bias_vjp(xp: Any, g: Any, bias: tuple[Any, ...]) -> Iterator[Any]:
    return (lambda: xp.sum(g, axis=(0, *range(2, g.ndim))) for _ in bias)


# Pooling


def _pool(
    x: Any,
    axes: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[_Window, Pads]:
    """The window and the padding of a pooling layer, checked against x.

    The padding is the same on both sides, except for what `ceil_mode` adds at the end.
    """
    if x.ndim != axes + 2:
        raise ValueError(
            f"x has {axes + 2} axes, those of the batch and the channels first; a single image is "
            "a batch of one, x[None]"
        )
    size = _per_axis(kernel_size, axes, "kernel_size", 1)
    window = _window(size, size if stride is None else stride, dilation)
    sides = _per_axis(padding, axes, "padding", 0)
    if any(2 * side > k for side, k in zip(sides, size, strict=True)):
        raise ValueError(f"padding {sides} is more than half of kernel_size {size}; use less")
    ends = sides
    if ceil_mode:
        spatial = zip(x.shape[2:], sides, window.reach, window.stride, strict=True)
        ends = tuple(side + _lacking(n, side, *geometry) for n, side, *geometry in spatial)
    pads = tuple(zip(sides, ends, strict=True))
    window.places(_padded_sizes(x.shape[2:], pads))
    return window, pads


def _lacking(n: int, side: int, reach: int, stride: int) -> int:
    """How many elements n, padded on both sides, lack for a window over what is left at the end.

    0 if nothing is, or if that window would begin in the padding.
    """
    start = -(-(n + 2 * side - reach) // stride) * stride
    return max(start + reach - n - 2 * side, 0) if 0 <= start < n + side else 0


def _taps(xp: Any, x: Any, window: _Window, pads: Pads, outside: float) -> Any:
    """What each tap of the windows sees: (N, C, *sizes) -> (taps, N, C, *places).

    With the taps in front a reduction over them runs along whole rows of memory; over the last axes
    of `unfold` it would run along a handful of elements at a time, ten times as slowly.
    """
    x = _padded(xp, x, pads, outside)
    places = window.places(x.shape[2:])
    steps = [
        [slice(i * d, i * d + (n - 1) * s + 1, s) for i in range(k)]
        for n, (k, s, d) in zip(places, zip(*window, strict=True), strict=True)
    ]
    seen = [xp.getitem(x, index=(..., *tap)) for tap in itertools.product(*steps)]
    return xp.stack(*seen, axis=0)


def _taps_vjp(xp: Any, g: Any, x: Any, window: _Window, pads: Pads) -> Any:
    """The adjoint of `_taps`: (taps, N, C, *places) -> (N, C, *sizes)."""
    taps = range(x.ndim, x.ndim + len(pads))
    windows = _restore(xp, g, (*taps, *range(x.ndim)), (*g.shape[1:], *window.size))
    shape = (*x.shape[:2], *_padded_sizes(x.shape[2:], pads))
    return _unpadded(xp, xp.fold(windows, shape=shape, **window._asdict()), pads)


@op
def max_pool1d(xp, x, *, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The largest element of each window: (N, C, L) -> (N, C, places).

    stride : the step from one window to the next; kernel_size if None.
    dilation : the step within a window.
    padding : how many elements on both sides, which never win; at most half of kernel_size.
    ceil_mode : whether elements that are left over at the end get a window too.
    Equal largest elements of a window share its gradient evenly, as in `max`.  (PyTorch gives all
    of it to the first.)

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.max_pool1d(Tensor([[[1, 3, 2, 0]]]), kernel_size=2).tolist()
    [[[3.0, 2.0]]]
    """
    geometry = _pool(x, 1, kernel_size, stride, padding, dilation, ceil_mode)
    return xp.max(_taps(xp, x, *geometry, -math.inf), axis=0)


@op
def max_pool2d(xp, x, *, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The largest element of each window: (N, C, H, W) -> (N, C, H', W').

    kernel_size, stride, padding, dilation : one number, or one per axis.
    stride : the step from one window to the next; kernel_size if None.
    dilation : the step within a window.
    padding : how many elements on both sides, which never win; at most half of kernel_size.
    ceil_mode : whether elements that are left over at the end get a window too.
    Equal largest elements of a window share its gradient evenly, as in `max`.  (PyTorch gives all
    of it to the first.)

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.max_pool2d(Tensor([[[[1, 2, 5], [3, 4, 6]]]]), kernel_size=2).tolist()
    [[[[4.0]]]]
    """
    geometry = _pool(x, 2, kernel_size, stride, padding, dilation, ceil_mode)
    return xp.max(_taps(xp, x, *geometry, -math.inf), axis=0)


@max_pool2d.vjp
@max_pool1d.vjp
def max_pool_vjp(xp, g, out, x, *, kernel_size, stride, padding, dilation, ceil_mode):
    geometry = _pool(x, x.ndim - 2, kernel_size, stride, padding, dilation, ceil_mode)
    taps = _taps(xp, x, *geometry, -math.inf)
    (g_taps,) = max_vjp(xp, g, out, taps, axis=0, keepdims=False)
    return (_taps_vjp(xp, g_taps, x, *geometry),)


@op
def avg_pool1d(
    xp, x, *, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
):
    """The mean of each window: (N, C, L) -> (N, C, places).

    stride : the step from one window to the next; kernel_size if None.
    padding : how many zeros on both sides, at most half of kernel_size.
    ceil_mode : whether elements that are left over at the end get a window too.
    count_include_pad : whether the zeros of `padding` count as elements of a window.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.avg_pool1d(Tensor([[[1, 3, 2, 0]]]), kernel_size=2).tolist()
    [[[2.0, 1.0]]]
    """
    geometry = _pool(x, 1, kernel_size, stride, padding, ceil_mode=ceil_mode)
    return _averaged(xp, x, *geometry, count_include_pad)


@op
def avg_pool2d(
    xp, x, *, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
):
    """The mean of each window: (N, C, H, W) -> (N, C, H', W').

    kernel_size, stride, padding : one number, or one per axis.
    stride : the step from one window to the next; kernel_size if None.
    padding : how many zeros on both sides, at most half of kernel_size.
    ceil_mode : whether elements that are left over at the end get a window too.
    count_include_pad : whether the zeros of `padding` count as elements of a window.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.avg_pool2d(Tensor([[[[1, 2], [3, 4]]]]), kernel_size=2).tolist()
    [[[[2.5]]]]
    """
    geometry = _pool(x, 2, kernel_size, stride, padding, ceil_mode=ceil_mode)
    return _averaged(xp, x, *geometry, count_include_pad)


def _averaged(xp, x, window, pads, count_include_pad):
    total = xp.sum(_taps(xp, x, window, pads, 0.0), axis=0)
    return _shared(xp, total, x, window, pads, count_include_pad)


@avg_pool2d.vjp
@avg_pool1d.vjp
def avg_pool_vjp(xp, g, out, x, *, kernel_size, stride, padding, ceil_mode, count_include_pad):
    window, pads = _pool(x, x.ndim - 2, kernel_size, stride, padding, ceil_mode=ceil_mode)
    share = _shared(xp, g, x, window, pads, count_include_pad)
    taps = xp.broadcast_to(share, shape=(math.prod(window.size), *share.shape))
    return (_taps_vjp(xp, taps, x, window, pads),)


def _shared(xp: Any, y: Any, x: Any, window: _Window, pads: Pads, count_include_pad: bool) -> Any:
    """y divided by how many elements each window of x counts."""
    if all(a == b and (count_include_pad or not a) for a, b in pads):
        return y * (1.0 / math.prod(window.size))
    counted = xp.ones_like(x)
    if count_include_pad:  # the same on both sides; what ceil_mode added does not count
        counted = _padded(xp, counted, tuple((a, a) for a, _ in pads), 1.0)
        pads = tuple((0, b - a) for a, b in pads)
    return xp.divide(y, xp.sum(_taps(xp, counted, window, pads, 0.0), axis=0))


@op
def adaptive_avg_pool1d(xp, x, *, output_size):
    """The means of `output_size` bins of equal width: (N, C, L) -> (N, C, output_size).

    Bin i holds the elements floor(i L / n) to ceil((i + 1) L / n) - 1; where n does not divide L,
    neighbouring bins share one.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.adaptive_avg_pool1d(Tensor([[[1, 3, 2]]]), output_size=2).tolist()
    [[[2.0, 2.5]]]
    """
    return _adaptive(xp, x, output_size, mean, avg_pool1d, 1)


@op
def adaptive_avg_pool2d(xp, x, *, output_size):
    """The means of bins of equal size: (N, C, H, W) -> (N, C, *output_size).

    output_size : one number, or one per axis; 1 averages each channel over the whole image.
    Along an axis of H elements bin i of n holds the elements floor(i H / n) to
    ceil((i + 1) H / n) - 1; where n does not divide H, neighbouring bins share one.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.adaptive_avg_pool2d(Tensor([[[[1, 2], [3, 4]]]]), output_size=1).tolist()
    [[[[2.5]]]]
    """
    return _adaptive(xp, x, output_size, mean, avg_pool2d, 2)


@op
def adaptive_max_pool1d(xp, x, *, output_size):
    """The largest elements of `output_size` bins of equal width: (N, C, L) -> (N, C, output_size).

    Bin i holds the elements floor(i L / n) to ceil((i + 1) L / n) - 1; where n does not divide L,
    neighbouring bins share one.  Equal largest elements share the gradient, as in `max`.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.adaptive_max_pool1d(Tensor([[[1, 3, 2]]]), output_size=2).tolist()
    [[[3.0, 3.0]]]
    """
    return _adaptive(xp, x, output_size, reductions.max, max_pool1d, 1)


@op
def adaptive_max_pool2d(xp, x, *, output_size):
    """The largest elements of bins of equal size: (N, C, H, W) -> (N, C, *output_size).

    output_size : one number, or one per axis; the bins are those of `adaptive_avg_pool2d`.
    Equal largest elements share the gradient, as in `max`.

    >>> from tinygrad_edu import Tensor, ops
    >>> ops.adaptive_max_pool2d(Tensor([[[[1, 2], [3, 4]]]]), output_size=1).tolist()
    [[[[4.0]]]]
    """
    return _adaptive(xp, x, output_size, reductions.max, max_pool2d, 2)


def _adaptive(xp: Any, x: Any, output_size: Any, reduce: Op, pool: Op, axes: int) -> Any:
    """Bins of equal size: all elements, windows, or one axis after the other."""
    sizes = _per_axis(output_size, axes, "output_size", 1)
    if x.ndim != axes + 2 or not all(x.shape[2:]):
        raise ValueError(
            f"x has {axes + 2} axes, those of the batch and the channels first, and none of size 0"
        )
    if set(sizes) == {1}:
        return reduce.read(xp, x, axis=tuple(range(2, x.ndim)), keepdims=True)
    if not any(size % n for size, n in zip(x.shape[2:], sizes, strict=True)):
        bins = tuple(size // n for size, n in zip(x.shape[2:], sizes, strict=True))
        return pool.read(xp, x, kernel_size=bins)
    for axis, n in enumerate(sizes, 2):
        size = x.shape[axis]
        before = (slice(None),) * axis
        spans = [slice(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]
        parts = [xp.getitem(x, index=(*before, span)) for span in spans]
        x = xp.stack(*[reduce.read(xp, part, axis=axis) for part in parts], axis=axis)
    return x
