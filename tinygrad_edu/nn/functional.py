"""The functions of ``torch.nn.functional``, under its names, with its arguments and defaults.

The mathematics is in `ops`; here are a table that translates arguments (an operation's ``axis`` is
``dim``), and compositions of operations that PyTorch has a name for.  Differences from PyTorch:

- arguments that only PyTorch's history or machinery needs are absent: ``inplace``,
  ``size_average``, ``reduce``, ``out``, ``sparse``; what would follow one is keyword-only here;
- `softmax` and `log_softmax` need ``dim``: PyTorch guesses one, and warns that it did;
- convolutions and pools take a batch, (N, C, ...), and not a single image; pools have no
  ``return_indices`` and no ``divisor_override``;
- what draws random numbers takes ``generator``, a `numpy.random.Generator`.

>>> from tinygrad_edu import Tensor
>>> from tinygrad_edu.nn import functional as F
>>> F.softmax(Tensor([[0.0, 0.0]]), dim=1).tolist()
[[0.5, 0.5]]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tinygrad_edu import ops
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn.adapter import Sizes, from_op, given, per_axis
from tinygrad_edu.node import assign, check_values, no_grad

Function = Callable[..., Tensor]


def _normalised_axes(input: Tensor, normalized_shape: Sequence[int]) -> int:
    """How many axes `normalized_shape` names; an error if they are not the input's last ones."""
    sizes = tuple(normalized_shape)
    if not sizes or input.shape[-len(sizes) :] != sizes:
        raise ValueError(
            f"normalized_shape is {sizes} and the input has shape {input.shape}; it must name the "
            "last sizes of the input"
        )
    return len(sizes)


def _pad_widths(input: Tensor, pad: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """PyTorch's flat list, last axis first, as one (before, after) pair for every axis."""
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(
            f"pad has {len(pad)} numbers for an input of {input.ndim} axes; it takes two per axis, "
            "before and after, beginning with the last axis"
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return (*[(0, 0)] * (input.ndim - len(pairs)), *reversed(pairs))


def _classes(input: Tensor, num_classes: int) -> int:
    """`num_classes`, or one more than the largest class if it is -1."""
    if num_classes >= 0:
        return num_classes
    if input.size == 0:
        raise ValueError("no class is given, so num_classes cannot be found from them; pass it")
    return int(input.data.max()) + 1


# Activations

relu: Function = from_op(ops.relu, "input")
leaky_relu: Function = from_op(ops.leaky_relu, "input, negative_slope=0.01")
elu: Function = from_op(ops.elu, "input, alpha=1.0")
selu: Function = from_op(ops.selu, "input")
celu: Function = from_op(ops.celu, "input, alpha=1.0")
gelu: Function = from_op(ops.gelu, "input, approximate='none'")
silu: Function = from_op(ops.silu, "input")
mish: Function = from_op(ops.mish, "input")
softplus: Function = from_op(ops.softplus, "input, beta=1.0")
logsigmoid: Function = from_op(ops.logsigmoid, "input")
hardtanh: Function = from_op(ops.hardtanh, "input, min_val=-1.0, max_val=1.0")
relu6: Function = from_op(ops.relu6, "input")
hardsigmoid: Function = from_op(ops.hardsigmoid, "input")
hardswish: Function = from_op(ops.hardswish, "input")
softsign: Function = from_op(ops.softsign, "input")
tanhshrink: Function = from_op(ops.tanhshrink, "input")
sigmoid: Function = from_op(ops.sigmoid, "input")
tanh: Function = from_op(ops.tanh, "input")
softmax: Function = from_op(ops.softmax, "input, dim", axis="dim")
log_softmax: Function = from_op(ops.log_softmax, "input, dim", axis="dim")

# Layers

linear: Function = from_op(ops.affine, "input, weight, bias=None")
layer_norm: Function = from_op(
    ops.layer_norm,
    "input, normalized_shape, weight=None, bias=None, eps=1e-5",
    ndim="_normalised_axes(input, normalized_shape)",
    helpers=[_normalised_axes],
)
group_norm: Function = from_op(
    ops.group_norm, "input, num_groups, weight=None, bias=None, eps=1e-5"
)
conv1d: Function = from_op(
    ops.conv1d, "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1"
)
conv2d: Function = from_op(
    ops.conv2d, "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1"
)
conv_transpose1d: Function = from_op(
    ops.conv_transpose1d,
    "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
)
conv_transpose2d: Function = from_op(
    ops.conv_transpose2d,
    "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
)
max_pool1d: Function = from_op(
    ops.max_pool1d, "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False"
)
max_pool2d: Function = from_op(
    ops.max_pool2d, "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False"
)
avg_pool1d: Function = from_op(
    ops.avg_pool1d,
    "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True",
)
avg_pool2d: Function = from_op(
    ops.avg_pool2d,
    "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True",
)
adaptive_avg_pool1d: Function = from_op(ops.adaptive_avg_pool1d, "input, output_size")
adaptive_avg_pool2d: Function = from_op(ops.adaptive_avg_pool2d, "input, output_size")
adaptive_max_pool1d: Function = from_op(ops.adaptive_max_pool1d, "input, output_size")
adaptive_max_pool2d: Function = from_op(ops.adaptive_max_pool2d, "input, output_size")
pad: Function = from_op(
    ops.pad,
    "input, pad, mode='constant', value=None",
    widths="_pad_widths(input, pad)",
    value="0.0 if value is None else value",
    helpers=[_pad_widths],
)
one_hot: Function = from_op(
    ops.one_hot,
    "input, num_classes=-1",
    num_classes="_classes(input, num_classes)",
    dtype="'int64'",
    helpers=[_classes],
)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """`input` over its root mean square, taken over the last axes, then times `weight`.

    input : (..., *normalized_shape) -> the same.  weight : of shape `normalized_shape`.
    eps : added to the mean square; the smallest step above 1 of the dtype by default.
    Source: Zhang and Sennrich 2019, arXiv:1910.07467, equation 4.

    >>> rms_norm(Tensor([3.0, 3.0]), (2,)).tolist()
    [1.0, 1.0]
    """
    axes = tuple(range(-_normalised_axes(input, normalized_shape), 0))
    if eps is None:
        eps = float(numpy.finfo(input.dtype).eps)
    out = input * ops.rsqrt(ops.mean(ops.square(input), axis=axes, keepdims=True) + eps)
    return out if weight is None else out * weight


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """One bilinear form of the two inputs per output: out_k = input1 W_k input2 + bias_k.

    input1 : (..., n), input2 : (..., m), weight : (k, n, m), bias : (k,) -> (..., k).

    >>> x = Tensor([1.0, 2.0])
    >>> bilinear(x, x, Tensor([[[1.0, 0.0], [0.0, 1.0]]])).tolist()
    [5.0]
    """
    out = ops.einsum(input1, weight, input2, subscripts="...n,knm,...m->...k")
    return out if bias is None else out + bias


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` that the indices name.

    input : (...), whole numbers in [0, num); weight : (num, size) -> (..., size).
    padding_idx : an index whose row gets no gradient.

    Raises TypeError for indices that are not whole numbers, IndexError outside [0, num); a step
    recorded on a card checks only those that come from the CPU, and takes others modulo num.

    >>> embedding(Tensor([1, 0], dtype="int64"), Tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 4.0], [1.0, 2.0]]
    """
    count = weight.shape[0]
    if input.dtype.kind not in "iu":
        raise TypeError(
            f"embedding needs whole numbers as indices, not {input.dtype}; make them so: "
            "Tensor([1, 2], dtype='int64')"
        )

    def check(index: Any) -> None:
        if index.size and (index.min() < 0 or index.max() >= count):
            worst = index.min() if index.min() < 0 else index.max()
            raise IndexError(f"embedding index {int(worst)} is not in [0, {count})")

    check_values(check, input)
    rows = weight[input]
    if padding_idx is None:
        return rows
    if not -count <= padding_idx < count:
        raise IndexError(f"padding_idx {padding_idx} is not among the {count} rows")
    kept = ops.expand_dims(input != padding_idx % count, axis=-1)
    return ops.where(kept, rows, rows.detach())


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`input` with mean 0 and variance 1 per channel, then scaled and shifted.

    input : (N, C, ...) -> the same.  All others: (C,).
    training : normalise by the batch's own mean and variance, and move the running ones towards
        them: ``running = (1 - momentum) * running + momentum * batch``, the running variance being
        the unbiased one.  Otherwise normalise by the running ones, which are then needed.
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2.

    >>> mean, var = Tensor([0.0]), Tensor([1.0])
    >>> batch_norm(Tensor([[1.0], [3.0]]), mean, var, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    >>> [round(float(x), 4) for x in (mean, var)]
    [0.2, 1.1]
    """
    affine = given(weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm without training needs running_mean and running_var")
        wide = (-1,) + (1,) * (input.ndim - 2)
        scale = ops.rsqrt(running_var + eps)
        scale = scale * affine[0] if affine else scale
        shift = affine[1] - running_mean * scale if len(affine) > 1 else -running_mean * scale
        return input * scale.reshape(wide) + shift.reshape(wide)
    count = input.size // max(input.shape[1], 1)
    if count < 2:
        raise ValueError(
            f"batch_norm in training needs more than one value per channel; shape {input.shape} "
            "has one: use larger batches, or model.eval()"
        )
    batch, axes = input.detach(), (0, *range(2, input.ndim))
    if running_mean is not None:
        _move(running_mean, ops.mean(batch, axis=axes), momentum)
    if running_var is not None:
        _move(running_var, ops.var(batch, axis=axes, correction=1), momentum)
    return ops.batch_norm(input, *affine, eps=eps)


def _move(running: Tensor, new: Tensor, momentum: float) -> None:
    """Move a running statistic that share of the way to the batch's."""
    with no_grad():
        assign(running, (1.0 - momentum) * running + momentum * new)


# Windows


def unfold(
    input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """The windows of images as columns: (N, C, H, W) -> (N, C * kH * kW, places).

    The options are one number for both axes or one per axis, as for `conv2d`.

    >>> unfold(Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), (1, 2)).tolist()
    [[[1.0, 3.0], [2.0, 4.0]]]
    """
    sides = per_axis(padding, 2, "padding")
    padded = ops.pad(input, widths=((0, 0), (0, 0), *((side, side) for side in sides)))
    size = per_axis(kernel_size, 2, "kernel_size")
    windows = ops.unfold(padded, size=size, stride=stride, dilation=dilation)
    columns = windows.transpose(0, 1, 4, 5, 2, 3)  # (N, C, kH, kW, H', W')
    rows = input.shape[1] * size[0] * size[1]
    return columns.reshape(input.shape[0], rows, windows.shape[2] * windows.shape[3])


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Columns added up where `unfold` takes them from: (N, C * kH * kW, places) -> (N, C, H, W).

    output_size : (H, W); the other options are those of `unfold`, whose adjoint this is.

    >>> fold(Tensor([[[1.0, 3.0], [2.0, 4.0]]]), (2, 2), (1, 2)).tolist()
    [[[[1.0, 2.0], [3.0, 4.0]]]]
    """
    size = per_axis(kernel_size, 2, "kernel_size")
    sizes = per_axis(output_size, 2, "output_size")
    sides, gaps = per_axis(padding, 2, "padding"), per_axis(dilation, 2, "dilation")
    steps = per_axis(stride, 2, "stride")
    padded = tuple(n + 2 * side for n, side in zip(sizes, sides, strict=True))
    reach = tuple(gap * (k - 1) + 1 for gap, k in zip(gaps, size, strict=True))
    places = tuple((n - r) // s + 1 for n, r, s in zip(padded, reach, steps, strict=True))
    count, channels = input.shape[0], input.shape[1] // (size[0] * size[1])
    columns = input.reshape(count, channels, *size, *places)
    windows = columns.transpose(0, 1, 4, 5, 2, 3)  # (N, C, H', W', kH, kW)
    shape = (count, channels, *padded)
    out = ops.fold(windows, shape=shape, size=size, stride=steps, dilation=gaps)
    return out[:, :, sides[0] : sides[0] + sizes[0], sides[1] : sides[1] + sizes[1]]


# Resizing


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The input read at other places: (N, C, L) -> (N, C, L') or (N, C, H, W) -> (N, C, H', W').

    size : the new sizes; or scale_factor : what to multiply the old ones by, rounding down.  One
        number stands for all axes.
    mode : "nearest" takes the element at or before each place, "linear" (one axis) and "bilinear"
        (two) weigh the neighbours.
    align_corners : whether the outermost elements' centres, rather than their edges, stay where
        they are; for "linear" and "bilinear", False by default.

    Each axis is a product with a matrix: a row holds the weights of the elements at one place.

    >>> interpolate(Tensor([[[1.0, 3.0]]]), scale_factor=2).tolist()
    [[[1.0, 1.0, 3.0, 3.0]]]
    >>> interpolate(Tensor([[[1.0, 3.0]]]), size=3, mode="linear").tolist()
    [[[1.0, 2.0, 3.0]]]
    """
    axes = input.ndim - 2
    if mode not in _MODES.get(axes, ()):
        raise ValueError(
            f"interpolate knows {_MODES[1]} for (N, C, L) and {_MODES[2]} for (N, C, H, W), not "
            f"{mode!r} for shape {input.shape}"
        )
    if mode == "nearest" and align_corners is not None:
        raise ValueError("align_corners says where neighbours are weighed; 'nearest' has none")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate needs either size or scale_factor")
    sizes, factors = per_axis(size, axes, "size"), per_axis(scale_factor, axes, "scale_factor")
    matrices = [
        Tensor(
            _resampling(n, to, factor, mode != "nearest", bool(align_corners)),
            dtype=input.dtype,
            device=input.device,
        )
        for n, to, factor in zip(input.shape[2:], sizes, factors, strict=True)
    ]
    out = ops.matmul(input, matrices[-1].mT)  # (..., W) @ (W, W')
    return out if axes == 1 else ops.matmul(matrices[0], out)  # (H', H) @ (..., H, W')


_MODES = {1: ("nearest", "linear"), 2: ("nearest", "bilinear")}


def _resampling(
    n: int, size: int | None, factor: float | None, weighing: bool, align_corners: bool
) -> Any:
    """The matrix (n', n) that reads n elements at n' places."""
    count = int(n * factor) if size is None and factor is not None else int(size or 0)
    if n < 1 or count < 1:
        raise ValueError(f"interpolate cannot make {count} elements of {n}")
    step = n / count if factor is None else 1.0 / factor
    places = numpy.arange(count)
    if not weighing:
        return numpy.eye(n)[numpy.minimum((places * step).astype(int), n - 1)]
    if align_corners:
        at = places * ((n - 1) / max(count - 1, 1))
    else:
        at = numpy.maximum((places + 0.5) * step - 0.5, 0.0)
    left = numpy.minimum(at.astype(int), n - 1)
    right, share = numpy.minimum(left + 1, n - 1), numpy.minimum(at - left, 1.0)[:, None]
    return (1.0 - share) * numpy.eye(n)[left] + share * numpy.eye(n)[right]


# Dropout


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, *, generator: Any = None
) -> Tensor:
    """In training, each element is 0 with probability `p` and divided by 1 - p otherwise.

    Any shape -> the same.  Without `training` the input itself is returned.
    Source: Srivastava et al. 2014, Dropout, JMLR 15, section 10.

    >>> import numpy
    >>> x = Tensor([1.0, 1.0, 1.0, 1.0])
    >>> sorted(set(dropout(x, 0.5, generator=numpy.random.default_rng(0)).tolist()))
    [0.0, 2.0]
    >>> dropout(x, training=False) is x
    True
    """
    return _dropped(input, input, p, training, generator)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, *, generator: Any = None
) -> Tensor:
    """`dropout` of whole channels: input (N, C, ...) -> the same.

    Source: Tompson et al. 2015, arXiv:1411.4280, section 3.2.

    >>> import numpy
    >>> out = dropout2d(Tensor(numpy.ones((1, 8, 2, 2))), generator=numpy.random.default_rng(0))
    >>> all(channel in (0.0, 8.0) for channel in out.sum(axis=(0, 2, 3)).tolist())
    True
    """
    if input.ndim < 3:
        raise ValueError(f"dropout2d needs an input (N, C, ...), not one of shape {input.shape}")
    first = (slice(None), slice(None)) + (slice(1),) * (input.ndim - 2)
    return _dropped(input, input.detach()[first], p, training, generator)


def _dropped(input: Tensor, like: Tensor, p: float, training: bool, generator: Any) -> Tensor:
    """`input` with zeros chosen by numbers drawn in the shape of `like`, which broadcasts to it."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout drops with a probability p between 0 and 1, not {p}")
    if not training or p == 0.0:
        return input
    kept = ops.uniform_like(like, generator=generator) >= p
    return ops.where(kept, input * (1.0 / (1.0 - p) if p < 1.0 else 0.0), 0.0)


# Attention


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    generator: Any = None,
) -> Tensor:
    """softmax(query keyᵀ scale) value: the mean of the values, weighted by how well keys fit.

    query : (..., L, size), key : (..., S, size), value : (..., S, width) -> (..., L, width).
    attn_mask : broadcasting to (..., L, S); bool, where **True lets a query see a key** (in
        `nn.MultiheadAttention` and the transformers True hides it, as in PyTorch), or numbers to
        add to the scores.  A query that sees no key gives 0.
    dropout_p : each weight is 0 with this probability, always: pass 0 in evaluation.
    is_causal : query i sees keys 0 to i, of what the mask leaves.  scale : 1/sqrt(size) by default.
    Source: Vaswani et al. 2017, arXiv:1706.03762, equation 1.

    >>> q, k = Tensor([[1.0]]), Tensor([[2.0], [2.0]])
    >>> scaled_dot_product_attention(q, k, Tensor([[1.0], [3.0]])).tolist()
    [[2.0]]
    """
    mask = given(attn_mask)
    if dropout_p == 0.0:
        return ops.scaled_dot_product_attention(
            query, key, value, *mask, causal=is_causal, scale=scale
        )
    weights = ops.attention_weights(query, key, *mask, causal=is_causal, scale=scale)
    return ops.matmul(dropout(weights, dropout_p, generator=generator), value)


# Similarity


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """`input` over its `p`-norm along `dim`, the norm being at least `eps`.  Same shape.

    >>> [round(x, 4) for x in normalize(Tensor([3.0, 4.0]), dim=0).tolist()]
    [0.6, 0.8]
    """
    return input / ops.clip(ops.norm(input, ord=p, axis=dim, keepdims=True), min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between x1 and x2 along `dim`: (..., n, ...) -> (...).

    eps : the least that each norm counts as, so that zeros give 0.  Below it the norm has no
        gradient (PyTorch lets it through there, which is not the derivative).

    >>> cosine_similarity(Tensor([2.0, 0.0]), Tensor([0.0, 3.0]), dim=0).item()
    0.0
    """
    sizes = [ops.clip(ops.norm(x, axis=dim, keepdims=True), min=eps) for x in (x1, x2)]
    return ops.sum((x1 / sizes[0]) * (x2 / sizes[1]), axis=dim)


# Losses

cross_entropy: Function = from_op(
    ops.cross_entropy,
    "input, target, weight=None, *, ignore_index=-100, reduction='mean', label_smoothing=0.0",
)
binary_cross_entropy_with_logits: Function = from_op(
    ops.binary_cross_entropy_with_logits,
    "input, target, weight=None, *, reduction='mean', pos_weight=None",
)
mse_loss: Function = from_op(ops.mse_loss, "input, target, *, reduction='mean'")


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    """The mean of the losses, their sum, or the losses themselves."""
    if reduction == "mean":
        return ops.mean(losses)
    if reduction == "sum":
        return ops.sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f"reduction is {reduction!r}, not 'mean', 'sum' or 'none'")


def _same_shape(name: str, input: Tensor, target: Tensor) -> None:
    """Raise where broadcasting would compare numbers that do not belong together."""
    if input.shape != target.shape:
        raise ValueError(
            f"{name} compares numbers one by one: the input has shape {input.shape}, the target "
            f"{target.shape}; reshape one"
        )


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The distance abs(input - target): its mean, its sum, or each ("none").  One shape.

    >>> l1_loss(Tensor([1.0, 2.0]), Tensor([3.0, 3.0])).item()
    1.5
    """
    _same_shape("l1_loss", input, target)
    return _reduced(ops.abs(input - target), reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """Half the squared distance over `beta` below `beta`, the distance minus beta / 2 above.

    input, target : (...), of one shape.  Returns a single number, or (...) without reduction.

    Source: Girshick 2015, arXiv:1504.08083, equation 3 (beta = 1).

    >>> smooth_l1_loss(Tensor([1.0, 4.0]), Tensor([1.0, 1.0]), reduction="none").tolist()
    [0.0, 2.5]
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss needs a beta of at least 0, not {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return huber_loss(input, target, reduction=reduction, delta=beta) / beta


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """Half the squared distance d below `delta`, delta * (d - delta / 2) above.

    input, target : (...), of one shape.  Returns a single number, or (...) without reduction.

    Source: Huber 1964, Robust estimation of a location parameter, section 2.

    >>> huber_loss(Tensor([1.0, 5.0]), Tensor([1.0, 1.0]), "none", delta=2.0).tolist()
    [0.0, 6.0]
    """
    if delta <= 0:
        raise ValueError(f"huber_loss needs a delta above 0, not {delta}")
    _same_shape("huber_loss", input, target)
    distance = ops.abs(input - target)
    near = 0.5 * ops.square(distance)
    far = delta * (distance - 0.5 * delta)
    return _reduced(ops.where(distance < delta, near, far), reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of the class that each target names, in nats.

    input : (N, C, ...) or (C,), logarithms of probabilities, as `log_softmax` gives them.
    target : (N, ...) or (), class indices of an integer dtype.
    weight : (C,), how much each class counts; "mean" divides by the weights that were counted.
    ignore_index : targets with this index count nothing.

    Raises TypeError for targets that are not whole numbers, ValueError for another shape,
    IndexError for a class outside [0, C); in a step recorded on a card that is nan.

    >>> nll_loss(Tensor([[-1.0, -2.0]]), Tensor([1], dtype="int64")).item()
    2.0
    """
    axis = 1 if input.ndim > 1 else 0
    if target.dtype.kind not in "iu":
        raise TypeError(
            f"nll_loss needs whole numbers as targets, not {target.dtype}; make them so: "
            "Tensor([1, 2], dtype='int64')"
        )
    if target.shape != input.shape[:axis] + input.shape[axis + 1 :]:
        raise ValueError(
            f"nll_loss of an input of shape {input.shape} needs targets in that shape without its "
            f"class axis {axis}, not {target.shape}"
        )
    kept = target != ignore_index
    classes = target * kept
    hot = ops.one_hot(classes, num_classes=input.shape[axis], dtype=input.dtype)  # (N, ..., C)
    if axis:
        hot = hot.transpose(0, hot.ndim - 1, *range(1, hot.ndim - 1))  # (N, C, ...)
    counted = ops.sum(hot, axis=axis) * kept  # nan in a recorded step, for what is no class
    if weight is not None:
        counted = counted * weight.detach()[classes].astype(input.dtype)
    losses = -ops.sum(ops.where(hot == 0, 0.0, input), axis=axis) * counted
    if reduction == "mean":
        return ops.sum(losses) / ops.sum(counted)
    return _reduced(losses, reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """-(t ln p + (1 - t) ln(1 - p)), in nats, of probabilities p against targets t in [0, 1].

    input, target : of one shape; weight : multiplies each loss.  The logarithms are at least -100,
    and give no gradient below.  `binary_cross_entropy_with_logits` is exact where this is not.

    >>> round(binary_cross_entropy(Tensor([0.5]), Tensor([1.0])).item(), 4)
    0.6931
    """
    _same_shape("binary_cross_entropy", input, target)

    def check(p: Any) -> None:
        if ((p < 0) | (p > 1)).any():
            raise ValueError(
                "binary_cross_entropy needs probabilities, between 0 and 1; for any numbers use "
                "binary_cross_entropy_with_logits"
            )

    check_values(check, input)
    losses = -(target * _log(input) + (1.0 - target) * _log(1.0 - input))
    return _reduced(losses if weight is None else losses * weight, reduction)


def _log(p: Tensor) -> Tensor:
    """The logarithm, at least -100; the inner `where` keeps inf out of the unselected branch."""
    positive = p > 0
    logs = ops.clip(ops.log(ops.where(positive, p, 1.0)), min=-100.0)
    return ops.where(positive, logs, -100.0)


def kl_div(
    input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target * (ln target - input): how far the distribution `target` is from exp(input), in nats.

    input : logarithms of probabilities; target : probabilities of the same shape, or with
    `log_target` their logarithms.
    reduction : "batchmean" (the sum over the first size: the divergence per example), "mean" (over
    all elements, as PyTorch's default: not the divergence), "sum" or "none".
    Source: Kullback and Leibler 1951, On information and sufficiency, section 2.

    >>> import math
    >>> p = Tensor([[0.5, 0.5]])
    >>> kl_div(ops.log(p), p, reduction="batchmean").item()
    0.0
    """
    _same_shape("kl_div", input, target)
    if log_target:
        losses = ops.exp(target) * (target - input)
    else:  # 0 ln 0 = 0
        logs = ops.log(ops.where(target > 0, target, 1.0))
        losses = target * logs - target * input
    if reduction == "batchmean":
        return ops.sum(losses) / input.shape[0]
    return _reduced(losses, reduction)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """The distance `input` where the target is 1, what it lacks to `margin` where it is -1.

    input, target : of one shape.

    >>> hinge_embedding_loss(
    ...     Tensor([0.25, 0.25]), Tensor([1.0, -1.0]), reduction="none"
    ... ).tolist()
    [0.25, 0.75]
    """
    _same_shape("hinge_embedding_loss", input, target)

    def check(t: Any) -> None:
        if (abs(t) != 1).any():
            raise ValueError("hinge_embedding_loss needs targets that are 1 or -1")

    check_values(check, target)
    lacking = ops.clip(margin - input, min=0.0)
    return _reduced(ops.where(target == 1, input, lacking), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - target * (input1 - input2)); target 1 asks for input1 to be larger, -1 less.

    All of one shape.

    >>> margin_ranking_loss(Tensor([1.0]), Tensor([3.0]), Tensor([1.0])).item()
    2.0
    """
    _same_shape("margin_ranking_loss", input1, input2)
    _same_shape("margin_ranking_loss", input1, target)
    return _reduced(ops.clip(margin - target * (input1 - input2), min=0.0), reduction)
