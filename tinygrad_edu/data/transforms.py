"""Changes of a whole batch that keep its labels: each example gets random numbers of its own.

What is changed is a Tensor or an array (N, L), (N, C, L) or (N, C, H, W) of a floating dtype; what
comes back is a new one of the same kind and dtype, without history.  The axes after the channels C
are places: L, or H and W.  Random transforms take ``generator``, a `numpy.random.Generator`;
without one it is the generator that `manual_seed` seeds.

As a data set's ``transform`` they change what is read, anew in every pass:

>>> import numpy
>>> from tinygrad_edu.data import TensorDataset, transforms
>>> train = TensorDataset(numpy.ones((10, 1, 8, 8)), numpy.arange(10))
>>> train.transform = transforms.Compose(
...     [transforms.RandomShift(1), transforms.RandomHorizontalFlip()]
... )
>>> x, y = train.batch([3, 4])
>>> x.shape
(2, 1, 8, 8)

Built in lesson 25.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.namespaces.arrays import Array, namespace_of
from tinygrad_edu.ops.random import generator_or_default

Batch = TypeVar("Batch")


class Compose:
    """Transforms applied one after the other: (batch, ...) -> (batch, ...).

    >>> import numpy
    >>> both = Compose([Normalize(1.0, 2.0), lambda x: x + 1.0])
    >>> both(numpy.array([[3.0]])).tolist()
    [[2.0]]
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = [*transforms]

    def __call__(self, x: Batch) -> Batch:
        for transform in self.transforms:
            x = transform(x)
        return x

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


class Transform:
    """Base of the transforms: takes a batch to pieces and puts it together again.

    A batch is (batch, channels, length) or (batch, channels, height, width), where it has channels.

    A transform of your own changes an array in `_changed`; its class says in `_axes` how many axes
    a batch may have.

    >>> isinstance(RandomShift(1), Transform)
    True
    """

    _axes: tuple[int, ...] = (2, 3, 4)
    generator: numpy.random.Generator | None = None

    def _changed(self, x: Array) -> Array:
        """A changed copy of an array."""
        raise NotImplementedError(f"{type(self).__name__} has no _changed")

    def __call__(self, x: Batch) -> Batch:
        array: Any = x._data if isinstance(x, Tensor) else x
        name, dtype = type(self).__name__, getattr(array, "dtype", None)
        if dtype is None or dtype.kind != "f":
            raise TypeError(
                f"{name} changes Tensors and arrays of a floating dtype, not "
                f"{dtype or type(x).__name__}; use .astype('float32')"
            )
        if array.ndim not in self._axes:
            shapes = [_LAYOUTS[n] for n in self._axes]
            raise ValueError(f"{name} changes batches {' or '.join(shapes)}, not {array.shape}")
        changed = self._changed(array)
        out: Any = Tensor._constant(changed) if isinstance(x, Tensor) else changed
        return out

    def _draw(self) -> numpy.random.Generator:
        return generator_or_default(self.generator)

    def __repr__(self) -> str:
        options = {k: v for k, v in vars(self).items() if k != "generator"}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in options.items())})"


_LAYOUTS = {2: "(N, L)", 3: "(N, C, L)", 4: "(N, C, H, W)"}


def _places(x: Array) -> tuple[int, ...]:
    """The sizes of the axes that are places: the last one, of images the last two."""
    return x.shape[2:] if x.ndim == 4 else x.shape[-1:]


def _windows(
    x: Array, sizes: tuple[int, ...], pad: tuple[int, ...], at: Any, value: float
) -> Array:
    """Of each example the window of `sizes` that starts at its own place, after padding.

    at : for every axis of places, (N,) starts in the padded array.
    """
    xp = namespace_of(x)
    inner = len(sizes)
    widths = [(0, 0)] * (x.ndim - inner) + [(n, n) for n in pad]
    padded = xp.library.pad(x, widths, constant_values=value)
    every = xp.library.lib.stride_tricks.sliding_window_view(
        padded, sizes, axis=tuple(range(x.ndim - inner, x.ndim))
    )  # (N, [C], places..., sizes...)
    channels = (slice(None),) * (x.ndim - inner - 1)
    index = (xp.library.arange(len(x)), *channels, *map(xp.asarray, at))
    return every[index]  # arrays on both sides of a slice come first: (N, [C], sizes...)


class RandomShift(Transform):
    """Each example moved by up to `max_shift` places along every axis of places.

    Shape (batch, ...) -> (batch, ...).

    max_shift : one whole number, or one for each axis of places.
    value : what comes in where the example moved away from.

    torchvision has it as ``RandomAffine(0, translate=...)``.

    >>> import numpy
    >>> moved = RandomShift(1)(numpy.array([[1.0, 2.0, 3.0]]))[0].tolist()
    >>> moved in ([2.0, 3.0, 0.0], [1.0, 2.0, 3.0], [0.0, 1.0, 2.0])
    True
    """

    def __init__(
        self,
        max_shift: int | Sequence[int],
        value: float = 0.0,
        *,
        generator: numpy.random.Generator | None = None,
    ) -> None:
        self.max_shift = max_shift
        self.value = value
        self.generator = generator

    def _changed(self, x: Array) -> Array:
        sizes = _places(x)
        most = _each(self, "max_shift", self.max_shift, len(sizes))
        at = [self._draw().integers(0, 2 * k + 1, size=len(x)) for k in most]
        return _windows(x, sizes, most, at, self.value)


class RandomCrop(Transform):
    """Of each example a window at a random place: (batch, ..., n) -> (batch, ..., size).

    Parameters
    ----------
    size : of the window: one whole number, or one for each axis of places.
    padding : how much of the value `fill` is put around first, likewise.

    >>> import numpy
    >>> RandomCrop(4, padding=1)(numpy.ones((5, 3, 8, 8))).shape
    (5, 3, 4, 4)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] = 0,
        fill: float = 0.0,
        *,
        generator: numpy.random.Generator | None = None,
    ) -> None:
        self.size = size
        self.padding = padding
        self.fill = fill
        self.generator = generator

    def _changed(self, x: Array) -> Array:
        places = _places(x)
        sizes = _each(self, "size", self.size, len(places))
        pad = _each(self, "padding", self.padding, len(places))
        room = [n + 2 * k - size for n, k, size in zip(places, pad, sizes, strict=True)]
        if min(room) < 0:
            raise ValueError(
                f"RandomCrop: a window of {sizes} does not fit into {places} with padding {pad}"
            )
        at = [self._draw().integers(0, k + 1, size=len(x)) for k in room]
        return _windows(x, sizes, pad, at, self.fill)


class RandomHorizontalFlip(Transform):
    """Each example mirrored along its last axis, with probability `p`.

    Shape (batch, ...) -> (batch, ...).

    >>> import numpy
    >>> RandomHorizontalFlip(p=1.0)(numpy.array([[1.0, 2.0, 3.0]])).tolist()
    [[3.0, 2.0, 1.0]]
    """

    def __init__(self, p: float = 0.5, *, generator: numpy.random.Generator | None = None) -> None:
        self.p = _probability(self, p)
        self.generator = generator

    def _changed(self, x: Array) -> Array:
        xp = namespace_of(x)
        turned = xp.asarray(_along(x, self._draw().random(len(x)) < self.p))
        return xp.where(turned, x[..., ::-1], x)


class Normalize(Transform):
    """(x - mean) / std, with a mean and a standard deviation of each channel.

    mean, std : numbers, or one for each channel C; of batches (N, L) one for each of the L columns.

    Raises ValueError for a standard deviation of 0.

    >>> import numpy
    >>> x = numpy.array([[1.0, 10.0], [3.0, 30.0]])
    >>> Normalize.measure(x)(x).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """

    def __init__(self, mean: Any, std: Any) -> None:
        self.mean = numpy.asarray(mean, dtype=float).tolist()
        self.std = numpy.asarray(std, dtype=float).tolist()
        if not numpy.all(numpy.asarray(std)):
            raise ValueError("Normalize: a standard deviation is 0; leave that channel out")

    @classmethod
    def measure(cls, x: Any) -> Normalize:
        """The transform that gives `x` mean 0 and standard deviation 1 in each channel."""
        array = x.numpy() if isinstance(x, Tensor) else numpy.asarray(x)
        over = (0, *range(2, array.ndim))
        return cls(array.mean(over), array.std(over))

    def _changed(self, x: Array) -> Array:
        xp = namespace_of(x)
        shape = (-1, *(1 for _ in x.shape[2:]))
        mean, std = (
            xp.asarray(numpy.asarray(v, dtype=x.dtype).reshape(shape))
            for v in (self.mean, self.std)
        )
        if len(mean) not in (1, x.shape[1]) or len(std) not in (1, x.shape[1]):
            raise ValueError(
                f"Normalize has {len(mean)} means and {len(std)} standard deviations, and shape "
                f"{x.shape} has {x.shape[1]} channels"
            )
        return (x - mean) / std


class RandomScale(Transform):
    """Each example multiplied by a number drawn evenly from `low` to `high`.

    Shape (batch, ...) -> (batch, ...).

    >>> import numpy
    >>> RandomScale(2.0, 2.0)(numpy.array([[1.0, 3.0]])).tolist()
    [[2.0, 6.0]]
    """

    def __init__(
        self,
        low: float = 0.8,
        high: float = 1.2,
        *,
        generator: numpy.random.Generator | None = None,
    ) -> None:
        self.low = low
        self.high = high
        self.generator = generator

    def _changed(self, x: Array) -> Array:
        factors = self._draw().uniform(self.low, self.high, size=len(x)).astype(x.dtype)
        return x * namespace_of(x).asarray(_along(x, factors))


class GaussianNoise(Transform):
    """Normal numbers added: (...) -> (...).

    mean, sigma : of these numbers.
    clip : whether the result is cut to [0, 1], where the values of images are.  True, as in
        torchvision; for signals that go below 0 or above 1 it must be False.

    >>> import numpy
    >>> GaussianNoise(sigma=0.0)(numpy.array([[0.5, 2.0]])).tolist()
    [[0.5, 1.0]]
    """

    def __init__(
        self,
        mean: float = 0.0,
        sigma: float = 0.1,
        clip: bool = True,
        *,
        generator: numpy.random.Generator | None = None,
    ) -> None:
        self.mean = mean
        self.sigma = sigma
        self.clip = clip
        self.generator = generator

    def _changed(self, x: Array) -> Array:
        xp = namespace_of(x)
        out = x + (self.mean + self.sigma * xp.normal_like(x, generator=self._draw()))
        return out.clip(0.0, 1.0) if self.clip else out


class RandomErasing(Transform):
    """Of each image, with probability `p`, a random rectangle filled with `value`.

    Shape (batch, ..., height, width) -> the same.

    Parameters
    ----------
    p : the probability.
    scale : the smallest and largest share of the image's area.
    ratio : the smallest and largest height over width.
    value : a number, or "random" for normal numbers.

    Source: Zhong et al. 2017, arXiv:1708.04896, algorithm 1; after ten rectangles that do not fit,
    an image stays as it is.

    >>> import numpy
    >>> erase = RandomErasing(p=1.0, scale=(0.2, 0.3), generator=numpy.random.default_rng(0))
    >>> bool((erase(numpy.ones((2, 1, 8, 8))) == 0).any())
    True
    """

    _axes = (4,)

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float | str = 0.0,
        *,
        generator: numpy.random.Generator | None = None,
    ) -> None:
        self.p = _probability(self, p)
        if not 0 <= scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(
                f"RandomErasing: scale is {scale} and ratio {ratio}; each goes from a smaller "
                "number to a larger one, scale within 0 and 1, ratio above 0"
            )
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value is {value!r}, not a number or 'random'")
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.generator = generator

    def _changed(self, x: Array) -> Array:
        draw, (height, width) = self._draw(), x.shape[2:]
        tries = (10, len(x))
        area = draw.uniform(*self.scale, size=tries) * height * width
        low, high = map(math.log, self.ratio)
        ratio = numpy.exp(draw.uniform(low, high, size=tries))
        h = numpy.round(numpy.sqrt(area * ratio)).astype(int)
        w = numpy.round(numpy.sqrt(area / ratio)).astype(int)
        fits = (h < height) & (w < width)
        first, every = fits.argmax(axis=0), numpy.arange(len(x))
        h, w = h[first, every], w[first, every]
        erased = (draw.random(len(x)) < self.p) & fits.any(axis=0)
        starts = [
            numpy.floor(draw.random(len(x)) * (n - size + 1)).astype(int)
            for n, size in ((height, h), (width, w))
        ]
        inside = _box(x, starts, [h, w]) & _along(x, erased)
        xp = namespace_of(x)
        value = xp.normal_like(x, generator=draw) if self.value == "random" else self.value
        return xp.where(xp.asarray(inside), value, x)


class Cutout(Transform):
    """Of each example a square of `size`, or on a line a piece, filled with `value`.

    Shape (batch, ..., height, width) or (batch, ..., length) -> the same.

    Its middle can be anywhere, so that at the border a part of it falls outside.

    Source: DeVries and Taylor 2017, arXiv:1708.04552, section 3.

    >>> import numpy
    >>> hole = Cutout(3, generator=numpy.random.default_rng(0))(numpy.ones((1, 1, 9, 9)))
    >>> int((hole == 0).sum()) in (4, 6, 9)
    True
    """

    def __init__(
        self, size: int, value: float = 0.0, *, generator: numpy.random.Generator | None = None
    ) -> None:
        self.size = size
        self.value = value
        self.generator = generator

    def _changed(self, x: Array) -> Array:
        sizes = _places(x)
        starts = [self._draw().integers(0, n, size=len(x)) - self.size // 2 for n in sizes]
        inside = _box(x, starts, [self.size] * len(sizes))
        xp = namespace_of(x)
        return xp.where(xp.asarray(inside), self.value, x)


def _box(x: Array, starts: Sequence[Any], sizes: Sequence[Any]) -> Any:
    """Which places lie in each example's box, (N, [1], places...) of bool, on the CPU."""
    inside: Any = True
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True), x.ndim - len(starts)):
        places = numpy.arange(x.shape[axis])
        shape = [1] * x.ndim
        shape[0], shape[axis] = len(x), x.shape[axis]
        row = (places >= start[:, None]) & (places < (start + size)[:, None])
        inside = inside & row.reshape(shape)
    return inside


def _along(x: Array, values: Any) -> Any:
    """(N,) numbers in a shape that meets the examples of x."""
    return values.reshape((-1,) + (1,) * (x.ndim - 1))


def _each(owner: Transform, name: str, given: Any, axes: int) -> tuple[int, ...]:
    """One whole number for each of `axes` axes."""
    numbers = tuple(given) if isinstance(given, Sequence) else (given,) * axes
    if len(numbers) != axes or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise ValueError(
            f"{type(owner).__name__}: {name} is {given!r}; it must be one whole number of at least "
            f"0, or {axes} of them, one for each axis of places"
        )
    return numbers


def _probability(owner: Transform, p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{type(owner).__name__}: p is {p}; a probability is from 0 to 1")
    return p
