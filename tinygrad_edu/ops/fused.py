"""Operations made of others, with a derivative by hand because it is shorter, faster or safer.

Each forward is a composite, so a picture can open it; each rule is checked against automatic
differentiation of that composite.  Optional operands (a scale and shift, a mask) come last and are
left out rather than passed as None.
"""

import math
from typing import Any

import numpy

from tinygrad_edu.ops.elementwise import sigmoid, softplus
from tinygrad_edu.ops.registry import op

# Layers and losses


@op(symbol="affine", latex=r"{x} {weight}^T + {bias}")
def affine(xp, x, weight, *bias):
    """x weightᵀ + bias: (..., n), (m, n) -> (..., m).

    bias : nothing, or one of shape (m,).
    """
    out = xp.matmul(x, xp.matrix_transpose(weight))
    for b in bias:
        out += b
    return out


@affine.vjp
def affine_vjp(xp, g, out, x, weight, *bias):
    def matrix():  # (m, rows) @ (rows, n)
        if x.ndim == 2:
            return xp.matmul(xp.matrix_transpose(g), x)
        rows = math.prod(x.shape[:-1])
        flat = xp.reshape(g, shape=(rows, g.shape[-1]))
        return xp.matmul(xp.matrix_transpose(flat), xp.reshape(x, shape=(rows, x.shape[-1])))

    return (lambda: xp.matmul(g, weight), matrix) + (g,) * len(bias)


@op(symbol="mse", latex=r"\operatorname{{mse}}\left({x}, {target}\right)")
def mse_loss(xp, x, target, *, reduction="mean"):
    """The squared difference of two operands of one shape: its mean, its sum, or each ("none")."""
    if x.shape != target.shape:
        raise ValueError("they must be equal; reshape one")
    losses = x - target
    losses *= losses
    return _reduced(xp, losses, float(x.size), reduction)


@mse_loss.vjp
def mse_loss_vjp(xp, g, out, x, target, *, reduction):
    factor = 2.0 / (x.size or 1) if reduction == "mean" else 2.0
    part = x - target
    part *= g * factor
    return part, lambda: -part


def _reduced(xp: Any, losses: Any, count: Any, reduction: str) -> Any:
    """The losses themselves, their sum, or their sum over `count`."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is {reduction!r}, not 'mean', 'sum' or 'none'")
    if reduction == "none":
        return losses
    total = xp.sum(losses)
    return total if reduction == "sum" else xp.divide(total, count)


# Softmax and cross-entropy


@op(latex=r"\operatorname{{softmax}}\left({x}\right)")
def softmax(xp, x, *, axis=-1):
    """exp(x) over its sum along an axis, without overflow: positive numbers that add up to 1.

    Shape (...) -> (...).
    """
    powers = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return xp.divide(powers, xp.sum(powers, axis=axis, keepdims=True))


@softmax.vjp
def softmax_vjp(xp, g, out, x, *, axis):
    return (out * (g - xp.sum(g * out, axis=axis, keepdims=True)),)


@op(latex=r"\ln\operatorname{{softmax}}\left({x}\right)")
def log_softmax(xp, x, *, axis=-1):
    """The logarithm of `softmax`, exact where a probability is too small to hold.

    Shape (...) -> (...).
    """
    shifted = x - xp.max(x, axis=axis, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))


@log_softmax.vjp
def log_softmax_vjp(xp, g, out, x, *, axis):
    return (g - xp.exp(out) * xp.sum(g, axis=axis, keepdims=True),)


@op(latex=r"\operatorname{{cross\_entropy}}\left({x}, {target}\right)")
def cross_entropy(
    xp, x, target, *, weight=None, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    """Cross-entropy, in nats, of logits x against targets.

    x : (N, C, ...) or (C,), unnormalised logarithms of probabilities.
    target : class indices (N, ...) of an integer dtype, or probabilities of x's shape.
    weight : (C,), how much each class counts.
    ignore_index : targets with this index count nothing.
    label_smoothing : the share of each target spread evenly over all classes.
    reduction : "mean" (over targets, by their weights), "sum" or "none".

    Raises IndexError if a class index is not in [0, C); in a step recorded on a card that is nan.
    """
    wanted, total = _wanted(xp, x, target, weight, ignore_index, label_smoothing)
    axis = _class_axis(x)
    logs = xp.where(wanted == 0, 0.0, log_softmax.read(xp, x, axis=axis))  # not 0 * -inf
    losses = wanted * logs
    return -_reduced(
        xp, xp.sum(losses, axis=axis) if reduction == "none" else losses, total, reduction
    )


@cross_entropy.vjp
def cross_entropy_vjp(xp, g, out, x, target, *, weight, ignore_index, label_smoothing, reduction):
    wanted, total = _wanted(xp, x, target, weight, ignore_index, label_smoothing)
    axis = _class_axis(x)
    if reduction == "mean":
        g = xp.divide(g, total)
    elif reduction == "none":
        shape = tuple(1 if a == axis else n for a, n in enumerate(x.shape))
        g = xp.reshape(g, shape=shape)
    share = xp.sum(wanted, axis=axis, keepdims=True)

    def logits():
        return g * (softmax.read(xp, x, axis=axis) * share - wanted)

    def probabilities():
        scale = (1.0 - label_smoothing) * _class_weights(x, weight)
        return -g * log_softmax.read(xp, x, axis=axis) * scale

    return logits, None if _is_index(target) else probabilities


def _class_axis(x: Any) -> int:
    return 1 if x.ndim > 1 else 0


def _is_index(target: Any) -> bool:
    return target.dtype.kind in "iu"


def _factor(x: Any, option: Any) -> Any:
    """An option to multiply with, 1 if None; an array in x's dtype, not to widen the result."""
    if option is None:
        return 1.0
    if isinstance(option, list):
        option = numpy.asarray(option)
    return option.astype(x.dtype) if hasattr(option, "astype") else option


def _class_weights(x: Any, weight: Any) -> Any:
    """The class weights, ready to multiply something of x's shape; 1 if there are none."""
    if weight is None:
        return 1.0
    weight, classes = _factor(x, weight), x.shape[_class_axis(x)]
    if weight.shape != (classes,):
        raise ValueError(f"weight has shape {weight.shape} for {classes} classes")
    return weight.reshape((-1,) + (1,) * (x.ndim - 1 - _class_axis(x)))


def _wanted(xp, x, target, weight, ignore_index, label_smoothing):
    """How much of each class is wanted, of x's shape, and what "mean" divides by."""
    axis, classes = _class_axis(x), x.shape[_class_axis(x)]
    shape = (*x.shape[:axis], *x.shape[axis + 1 :]) if _is_index(target) else x.shape
    if target.shape != shape:
        raise ValueError(
            f"the target has shape {target.shape}, not {shape}: class indices are whole numbers in "
            "the logits' shape without the class axis, probabilities have the logits' shape"
        )
    weights = _class_weights(x, weight)
    if not _is_index(target):
        wanted = target * (1.0 - label_smoothing) + label_smoothing / classes
        return wanted * weights, float(x.size // max(classes, 1))
    hot = xp.one_hot(target, num_classes=classes, dtype=x.dtype, ignore=ignore_index)
    if axis == 1 and hot.ndim > 2:  # (N, ..., C) -> (N, C, ...)
        hot = xp.transpose(hot, axes=(0, hot.ndim - 1, *range(1, hot.ndim - 1)))
    total = xp.sum(hot if weight is None else hot * weights)
    if label_smoothing:
        spread = (label_smoothing / classes) * xp.sum(hot, axis=axis, keepdims=True)
        hot = hot * (1.0 - label_smoothing) + spread
    return hot if weight is None else hot * weights, total


@op(latex=r"\operatorname{{bce}}\left({x}, {target}\right)")
def binary_cross_entropy_with_logits(
    xp, x, target, *, weight=None, pos_weight=None, reduction="mean"
):
    """Binary cross-entropy, in nats, of logits x against targets between 0 and 1, of one shape.

    `weight` multiplies each loss, `pos_weight` the part of each target that is 1.
    """
    if target.shape != x.shape:
        raise ValueError("they must be equal; reshape one")
    # -log sigmoid(x) and -log(1 - sigmoid(x)), without overflow
    rest = xp.log1p(xp.exp(-xp.abs(x)))
    positive = target if pos_weight is None else target * _factor(x, pos_weight)
    losses = positive * (xp.maximum(-x, 0.0) + rest)
    losses = losses + (1.0 - target) * (xp.maximum(x, 0.0) + rest)
    losses = losses if weight is None else losses * _factor(x, weight)
    if losses.shape != x.shape:
        raise ValueError(f"weight and pos_weight must broadcast to {x.shape}, not {losses.shape}")
    return _reduced(xp, losses, float(x.size), reduction)


@binary_cross_entropy_with_logits.vjp
def binary_cross_entropy_with_logits_vjp(xp, g, out, x, target, *, weight, pos_weight, reduction):
    positive = _factor(x, pos_weight)
    g = g * _factor(x, weight)
    if reduction == "mean":
        g = g * (1.0 / max(x.size, 1))

    def logits():
        probability = sigmoid.read(xp, x)
        return g * (probability * (1.0 + (positive - 1.0) * target) - target * positive)

    def targets():
        return g * (positive * softplus.read(xp, -x) - softplus.read(xp, x))

    return logits, targets


# Normalisation


@op(latex=r"\operatorname{{layer\_norm}}\left({x}\right)")
def layer_norm(xp, x, *affine, ndim=1, eps=1e-5):
    """x with mean 0 and variance 1 over its last `ndim` axes, then scaled and shifted.

    affine : nothing, or a weight, or a weight and a bias, of the shape of those axes.
    Source: Ba et al. 2016, arXiv:1607.06450, equation 4.
    """
    normal, _ = _standardise(xp, x, _last(x, ndim), eps)
    return _scale_and_shift(normal, affine)


@layer_norm.vjp
def layer_norm_vjp(xp, g, out, x, *affine, ndim, eps):
    axes = _last(x, ndim)
    normal, inverse = _standardise(xp, x, axes, eps)
    return _standardise_vjp(xp, g, normal, inverse, axes, affine, affine)


@op(latex=r"\operatorname{{batch\_norm}}\left({x}\right)")
def batch_norm(xp, x, *affine, eps=1e-5):
    """x with mean 0 and variance 1 per channel, over the batch and all other axes.

    x : (N, C, ...).  affine : nothing, or a weight, or a weight and a bias, of shape (C,).
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
    """
    normal, _ = _standardise(xp, x, _but_channels(x), eps)
    return _scale_and_shift(normal, _per_channel(xp, x, affine))


@batch_norm.vjp
def batch_norm_vjp(xp, g, out, x, *affine, eps):
    # The weight is the same along the axes that are summed over, so two sums serve all gradients.
    axes = _but_channels(x)
    normal, inverse = _standardise(xp, x, axes, eps)
    along = xp.sum(g * normal, axis=axes, keepdims=True)
    total = xp.sum(g, axis=axes, keepdims=True)
    share = 1.0 / max(math.prod(x.shape[a] for a in axes), 1)
    gx = g - share * total
    gx -= normal * (share * along)
    for weight in _per_channel(xp, x, affine[:1]):
        inverse = inverse * weight
    gx *= inverse
    sums = zip((along, total), affine, strict=False)
    return gx, *(xp.reshape(part, shape=p.shape) for part, p in sums)


@op(latex=r"\operatorname{{group\_norm}}\left({x}\right)")
def group_norm(xp, x, *affine, num_groups, eps=1e-5):
    """x with mean 0 and variance 1 over each group of channels of each example.

    x : (N, C, ...) with C a multiple of num_groups.  affine : as in `batch_norm`.
    Source: Wu and He 2018, arXiv:1803.08494, equation 7.
    """
    grouped = _grouped(xp, x, num_groups)
    normal, _ = _standardise(xp, grouped, tuple(range(2, grouped.ndim)), eps)
    return _scale_and_shift(xp.reshape(normal, shape=x.shape), _per_channel(xp, x, affine))


@group_norm.vjp
def group_norm_vjp(xp, g, out, x, *affine, num_groups, eps):
    grouped = _grouped(xp, x, num_groups)
    axes = tuple(range(2, grouped.ndim))
    normal, inverse = _standardise(xp, grouped, axes, eps)
    wide = _per_channel(xp, x, affine)
    scaled = g * wide[0] if wide else g
    (gx,) = _standardise_vjp(
        xp, xp.reshape(scaled, shape=grouped.shape), normal, inverse, axes, (), ()
    )
    flat = xp.reshape(normal, shape=x.shape)
    return xp.reshape(gx, shape=x.shape), *_affine_vjp(xp, g, g * flat, affine, wide)


def _last(x: Any, ndim: int) -> tuple[int, ...]:
    if not 0 < ndim <= x.ndim:
        raise ValueError(f"ndim is {ndim}, and x has {x.ndim} axes")
    return tuple(range(x.ndim - ndim, x.ndim))


def _but_channels(x: Any) -> tuple[int, ...]:
    if x.ndim < 2:
        raise ValueError("axis 1 holds the channels, and x has no such axis")
    return (0, *range(2, x.ndim))


def _per_channel(xp: Any, x: Any, affine: Any) -> tuple[Any, ...]:
    """The weight and bias, of shape (C,), ready to meet x of shape (N, C, ...)."""
    return tuple(xp.reshape(p, shape=(-1,) + (1,) * (x.ndim - 2)) for p in affine)


def _grouped(xp: Any, x: Any, num_groups: int) -> Any:
    channels = x.shape[1] if x.ndim > 1 else 0
    if not channels or channels % num_groups:
        raise ValueError(f"{channels} channels do not divide into {num_groups} groups")
    return xp.reshape(x, shape=(x.shape[0], num_groups, channels // num_groups, *x.shape[2:]))


def _standardise(xp: Any, x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """(x - mean) / sqrt(var + eps), and the second factor of it."""
    scale = 1.0 / max(math.prod(x.shape[a] for a in axes), 1)
    normal = x - scale * xp.sum(x, axis=axes, keepdims=True)
    variance = scale * xp.sum(normal * normal, axis=axes, keepdims=True)
    inverse = xp.divide(1.0, xp.sqrt(variance + eps))
    normal *= inverse
    return normal, inverse


def _standardise_vjp(xp, g, normal, inverse, axes, affine, wide):
    """Gradients of x and of the affine operands, `wide` being these with axes to broadcast."""
    scale = 1.0 / max(math.prod(normal.shape[a] for a in axes), 1)
    product = g * normal
    to_affine = _affine_vjp(xp, g, product, affine, wide)
    for weight in wide[:1]:
        g, product = g * weight, product * weight
    gx = g - scale * xp.sum(g, axis=axes, keepdims=True)
    gx -= normal * (scale * xp.sum(product, axis=axes, keepdims=True))
    gx *= inverse
    return gx, *to_affine


def _scale_and_shift(normal: Any, affine: Any) -> Any:
    if len(affine) > 2:
        raise TypeError("a weight and a bias are all that may follow x")
    for weight in affine[:1]:
        normal *= weight
    for bias in affine[1:]:
        normal += bias
    return normal


def _affine_vjp(xp, g, product, affine, wide):
    """Gradients of a weight and a bias; `product` is g times what the weight multiplied."""
    return tuple(
        xp.reshape(xp.sum_to(part, shape=w.shape), shape=p.shape)
        for part, w, p in zip((product, g), wide, affine, strict=False)
    )


# Attention


@op(latex=r"\operatorname{{softmax}}\left({q} {k}^T\right)")
def attention_weights(xp, q, k, *mask, causal=False, scale=None):
    """softmax(q kᵀ scale): how well each key fits each query, in numbers that add up to 1.

    q : (..., L, size), k : (..., S, size) -> (..., L, S).
    mask : at most one, broadcasting to (..., L, S); bool (True lets a query see a key) or numbers
    to add to the scores.  causal : query i sees keys 0 to i.  scale : 1/sqrt(size) by default.
    A query that sees no key has weights 0.
    Source: Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    scores = xp.matmul(_scale(q, scale) * q, xp.matrix_transpose(k))
    for m in mask:
        scores = xp.where(m, scores, -math.inf) if m.dtype.kind == "b" else scores + m
    if causal:
        one = xp.ones_like(xp.getitem(scores, index=(slice(1),) * (scores.ndim - 2)))
        scores = xp.where(xp.tril(one) == 1, scores, -math.inf)
    if not mask:
        return softmax.read(xp, scores, axis=-1)
    sees = xp.max(scores, axis=-1, keepdims=True) > -math.inf
    return softmax.read(xp, xp.where(sees, scores, 0.0), axis=-1) * sees


@attention_weights.vjp
def attention_weights_vjp(xp, g, out, q, k, *mask, causal, scale):
    (scores,) = softmax.rule(xp, g, out, out, axis=-1)
    factor = _scale(q, scale)
    return (
        lambda: factor * xp.matmul(scores, k),
        lambda: factor * xp.matmul(xp.matrix_transpose(scores), q),
        *(None if m.dtype.kind == "b" else scores for m in mask),
    )


@op(latex=r"\operatorname{{attention}}\left({q}, {k}, {v}\right)")
def scaled_dot_product_attention(xp, q, k, v, *mask, causal=False, scale=None):
    """softmax(q kᵀ scale) v: for each query, the mean of v weighted by how well its key fits.

    q : (..., L, size), k : (..., S, size), v : (..., S, width) -> (..., L, width).
    mask : at most one, broadcasting to (..., L, S); bool (True lets a query see a key) or numbers
    to add to the scores.  causal : query i sees keys 0 to i.  scale : 1/sqrt(size) by default.
    Source: Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    return xp.matmul(attention_weights.read(xp, q, k, *mask, causal=causal, scale=scale), v)


@scaled_dot_product_attention.vjp
def scaled_dot_product_attention_vjp(xp, g, out, q, k, v, *mask, causal, scale):
    options = {"causal": causal, "scale": scale}
    weights = attention_weights.read(xp, q, k, *mask, **options)
    of_weights = xp.matmul(g, xp.matrix_transpose(v))
    to_q, to_k, *to_mask = attention_weights.rule(xp, of_weights, weights, q, k, *mask, **options)
    return to_q, to_k, lambda: xp.matmul(xp.matrix_transpose(weights), g), *to_mask


def _scale(q: Any, scale: float | None) -> float:
    return 1.0 / math.sqrt(q.shape[-1]) if scale is None else scale
