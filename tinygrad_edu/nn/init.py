"""Initial values: each function fills a tensor in place and returns it, as in ``torch.nn.init``.

What draws numbers takes ``generator``, a `numpy.random.Generator`; without one it is the generator
that `manual_seed` seeds.  A weight has shape (outputs, inputs, ...), the rest being a kernel.

>>> import numpy
>>> from tinygrad_edu import zeros
>>> weight = xavier_uniform_(zeros(3, 5), generator=numpy.random.default_rng(0))
>>> bool((abs(weight.data) <= (6 / (3 + 5)) ** 0.5).all())
True
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.ops.random import generator_or_default

T = TypeVar("T", bound=Tensor)


def _fill(tensor: T, array: Any) -> T:
    tensor.data = numpy.asarray(array, dtype=tensor.dtype)
    return tensor


def constant_(tensor: T, val: float) -> T:
    """One value everywhere, in a tensor of any shape (...).

    >>> from tinygrad_edu import zeros
    >>> constant_(zeros(2), 3.0).tolist()
    [3.0, 3.0]
    """
    return _fill(tensor, numpy.full(tensor.shape, val))


def zeros_(tensor: T) -> T:
    """Zeros, in a tensor of any shape (...).

    >>> from tinygrad_edu import ones
    >>> zeros_(ones(2)).tolist()
    [0.0, 0.0]
    """
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    """Ones, in a tensor of any shape (...).

    >>> from tinygrad_edu import zeros
    >>> ones_(zeros(2)).tolist()
    [1.0, 1.0]
    """
    return constant_(tensor, 1.0)


def eye_(tensor: T) -> T:
    """The identity matrix, in a tensor (n, m).

    >>> from tinygrad_edu import zeros
    >>> eye_(zeros(2, 3)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_ fills matrices, not shape {tensor.shape}")
    return _fill(tensor, numpy.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: T, groups: int = 1) -> T:
    """A kernel that passes on its input: a 1 in the middle, from each channel to the same one.

    Of a weight (outputs, inputs, *kernel); channels beyond the fewer of both are 0.  With
    `groups` the outputs are cut into so many, each beginning with the first input again.

    >>> from tinygrad_edu import zeros
    >>> dirac_(zeros(2, 1, 3)).tolist()
    [[[0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0]]]
    """
    if not 3 <= tensor.ndim <= 5 or tensor.shape[0] % groups:
        raise ValueError(
            "dirac_ fills weights (outputs, inputs, kernel...) of 3 to 5 axes whose outputs "
            f"divide into {groups} groups, not shape {tensor.shape}"
        )
    outputs, inputs, *kernel = tensor.shape
    out = numpy.zeros(tensor.shape)
    middle = tuple(n // 2 for n in kernel)
    each = outputs // groups
    for output in range(outputs):
        if output % each < inputs:
            place = (output, output % each, *middle)
            out[place] = 1.0
    return _fill(tensor, out)


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Any = None) -> T:
    """Numbers drawn evenly from [a, b), in a tensor of any shape (...).

    >>> from tinygrad_edu import zeros
    >>> w = uniform_(zeros(1000), -1.0, 1.0)
    >>> bool(abs(w.data).max() <= 1.0)
    True
    """
    return _fill(tensor, generator_or_default(generator).uniform(a, b, tensor.shape))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> T:
    """Normal numbers, in a tensor of any shape (...).

    >>> from tinygrad_edu import zeros
    >>> generator = numpy.random.default_rng(0)
    >>> w = normal_(zeros(100, 100), std=0.5, generator=generator)
    >>> round(float(w.data.std()), 1)
    0.5
    """
    return _fill(tensor, generator_or_default(generator).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: T,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> T:
    """Normal numbers from [a, b], of any shape (...): those outside are drawn again.

    Raises ValueError where fewer than one in 40 draws would be inside.

    >>> from tinygrad_edu import zeros
    >>> w = trunc_normal_(zeros(1000), std=1.0, a=-1.0, b=1.0)
    >>> bool(abs(w.data).max() <= 1.0)
    True
    """

    def below(x: float) -> float:
        return 0.5 * math.erfc((mean - x) / (std * math.sqrt(2.0)))

    if below(b) - below(a) < 1 / 40:
        raise ValueError(
            f"trunc_normal_ with mean {mean} and std {std} would hardly draw any number from "
            f"[{a}, {b}]; a and b are bounds of the numbers, not multiples of std"
        )
    draw = generator_or_default(generator)
    out = draw.normal(mean, std, tensor.shape)
    outside = (out < a) | (out > b)
    while outside.any():
        out[outside] = draw.normal(mean, std, int(outside.sum()))
        outside = (out < a) | (out > b)
    return _fill(tensor, out)


def sparse_(tensor: T, sparsity: float, std: float = 0.01, generator: Any = None) -> T:
    """Normal numbers, a share `sparsity` of each column being 0, in a tensor (n, m).

    Source: Martens 2010, Deep learning via Hessian-free optimization, section 5.

    >>> from tinygrad_edu import zeros
    >>> w = sparse_(zeros(10, 4), sparsity=0.3)
    >>> (w.data == 0).sum(axis=0).tolist()
    [3, 3, 3, 3]
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_ fills matrices, not shape {tensor.shape}")
    draw = generator_or_default(generator)
    out = draw.normal(0.0, std, tensor.shape)
    count = math.ceil(sparsity * tensor.shape[0])
    for column in out.T:
        column[draw.permutation(column.size)[:count]] = 0.0
    return _fill(tensor, out)


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many numbers feed one output of a weight, and how many outputs one input feeds.

    (outputs, inputs, *kernel) -> (inputs * kernel, outputs * kernel), of the kernel's size.

    >>> from tinygrad_edu import zeros
    >>> fans(zeros(8, 3, 5, 5))
    (75, 200)
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"fans are those of a weight (outputs, inputs, ...), not of shape {tensor.shape}"
        )
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before a nonlinearity should be larger, to keep the variance.

    param : the negative slope of "leaky_relu", 0.01 by default.

    >>> round(calculate_gain("relu"), 4)
    1.4142
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ValueError(f"no gain is known for {nonlinearity!r}, only for: {known}")
    return _GAINS[nonlinearity]


def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Any = None) -> T:
    """Even numbers of variance 2 gain^2 / (fan in + fan out).

    tensor : (outputs, inputs, *kernel), a weight.

    Source: Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward
    neural networks, equation 16.

    >>> from tinygrad_edu import zeros
    >>> w = xavier_uniform_(zeros(4, 2))
    >>> bool(abs(w.data).max() <= 1.0)  # sqrt(6 / (4 + 2))
    True
    """
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: T, gain: float = 1.0, generator: Any = None) -> T:
    """Normal numbers of variance 2 gain^2 / (fan in + fan out).  Source: as `xavier_uniform_`.

    tensor : (outputs, inputs, *kernel), a weight.

    >>> from tinygrad_edu import zeros
    >>> generator = numpy.random.default_rng(0)
    >>> w = xavier_normal_(zeros(100, 100), generator=generator)
    >>> round(float(w.data.std()), 2)  # sqrt(2 / 200)
    0.1
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is {mode!r}, not 'fan_in' or 'fan_out'")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> T:
    """Even numbers of variance gain^2 / fan.

    tensor : (outputs, inputs, *kernel), a weight.

    a : the negative slope, for "leaky_relu".  mode : which fan, "fan_in" or "fan_out".
    Source: He et al. 2015, arXiv:1502.01852, equations 10 and 15.

    >>> from tinygrad_edu import zeros
    >>> w = kaiming_uniform_(zeros(4, 6), nonlinearity="relu")
    >>> bool(abs(w.data).max() <= 1.0)  # sqrt(3) * sqrt(2 / 6)
    True
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> T:
    """Normal numbers of variance gain^2 / fan.  Arguments and source: as `kaiming_uniform_`.

    tensor : (outputs, inputs, *kernel), a weight.

    >>> from tinygrad_edu import zeros
    >>> generator = numpy.random.default_rng(0)
    >>> w = kaiming_normal_(zeros(100, 200), nonlinearity="relu", generator=generator)
    >>> round(float(w.data.std()), 1)  # sqrt(2 / 200)
    0.1
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: T, gain: float = 1.0, generator: Any = None) -> T:
    """A matrix with orthonormal rows or columns, whichever are fewer, times `gain`.

    tensor : (n, m), or (n, ...), whose axes after the second count as columns.
    Source: Saxe et al. 2013, arXiv:1312.6120, section 3.

    >>> import numpy
    >>> from tinygrad_edu import zeros
    >>> q = orthogonal_(zeros(2, 3), generator=numpy.random.default_rng(0)).data
    >>> numpy.allclose(q @ q.T, numpy.eye(2), atol=1e-6)
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_ needs at least two axes, not shape {tensor.shape}")
    if tensor.size == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.size // rows
    tall = (max(rows, columns), min(rows, columns))
    q, r = numpy.linalg.qr(generator_or_default(generator).standard_normal(tall))
    q *= numpy.sign(numpy.diag(r))  # makes every rotation equally likely
    return _fill(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))
