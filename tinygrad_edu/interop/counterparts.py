"""What PyTorch calls the operations: for each, a function of its tensors with our options.

PyTorch is passed in as an argument, so that nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Table = dict[str, Callable[..., Any]]

WITHOUT = {
    "uniform_like": "draws random numbers",
    "normal_like": "draws random numbers",
    "to_device": "moves data and computes nothing",
}


def counterparts(torch: Any) -> Table:
    """For the name of each operation, a function of PyTorch's tensors that computes the same.

    Options have our names; those in `WITHOUT` have no counterpart, and the reason is there.

    torch : the module ``torch``.
    """
    groups = _elementwise, _reductions, _shapes, _linear, _fused, _windows, _recurrent
    return {name: f for group in groups for name, f in group(torch).items()}


def _elementwise(torch: Any) -> Table:
    F = torch.nn.functional
    return {
        "add": lambda x, y: x + y,
        "subtract": lambda x, y: x - y,
        "multiply": lambda x, y: x * y,
        "divide": lambda x, y: x / y,
        "negative": lambda x: -x,
        "power": lambda x, y: torch.pow(x, y),
        "reciprocal": lambda x: torch.reciprocal(x),
        "square": lambda x: torch.square(x),
        "sqrt": lambda x: torch.sqrt(x),
        "rsqrt": lambda x: torch.rsqrt(x),
        "abs": lambda x: torch.abs(x),
        "sign": lambda x: torch.sign(x),
        "floor": lambda x: torch.floor(x),
        "ceil": lambda x: torch.ceil(x),
        "exp": lambda x: torch.exp(x),
        "exp2": lambda x: torch.exp2(x),
        "expm1": lambda x: torch.expm1(x),
        "log": lambda x: torch.log(x),
        "log2": lambda x: torch.log2(x),
        "log10": lambda x: torch.log10(x),
        "log1p": lambda x: torch.log1p(x),
        "logaddexp": lambda x, y: torch.logaddexp(x, y),
        "sin": lambda x: torch.sin(x),
        "cos": lambda x: torch.cos(x),
        "tan": lambda x: torch.tan(x),
        "arcsin": lambda x: torch.arcsin(x),
        "arccos": lambda x: torch.arccos(x),
        "arctan": lambda x: torch.arctan(x),
        "arctan2": lambda y, x: torch.arctan2(y, x),
        "sinh": lambda x: torch.sinh(x),
        "cosh": lambda x: torch.cosh(x),
        "tanh": lambda x: torch.tanh(x),
        "erf": lambda x: torch.erf(x),
        "maximum": lambda x, y: torch.maximum(x, y),
        "minimum": lambda x, y: torch.minimum(x, y),
        "clip": lambda x, *, min, max: torch.clip(x, min, max),
        "where": lambda condition, x, y: torch.where(condition, x, y),
        "greater": lambda x, y: x > y,
        "greater_equal": lambda x, y: x >= y,
        "less": lambda x, y: x < y,
        "less_equal": lambda x, y: x <= y,
        "equal": lambda x, y: x == y,
        "not_equal": lambda x, y: x != y,
        "zeros_like": lambda x: torch.zeros_like(x),
        "ones_like": lambda x: torch.ones_like(x),
        "relu": lambda x: F.relu(x),
        "leaky_relu": lambda x, *, negative_slope: F.leaky_relu(x, negative_slope),
        "elu": lambda x, *, alpha: F.elu(x, alpha),
        "selu": lambda x: F.selu(x),
        "celu": lambda x, *, alpha: F.celu(x, alpha),
        "sigmoid": lambda x: torch.sigmoid(x),
        "softplus": lambda x, *, beta: F.softplus(x, beta),
        "logsigmoid": lambda x: F.logsigmoid(x),
        "silu": lambda x: F.silu(x),
        "mish": lambda x: F.mish(x),
        "gelu": lambda x, *, approximate: F.gelu(x, approximate=approximate),
        "hardtanh": lambda x, *, min_val, max_val: F.hardtanh(x, min_val, max_val),
        "relu6": lambda x: F.relu6(x),
        "hardsigmoid": lambda x: F.hardsigmoid(x),
        "hardswish": lambda x: F.hardswish(x),
        "softsign": lambda x: F.softsign(x),
        "tanhshrink": lambda x: F.tanhshrink(x),
    }


def _reductions(torch: Any) -> Table:
    def prod(x, *, axis, keepdims):
        axes = _every(x, axis) if not isinstance(axis, int) else (axis,)
        dims = sorted(a % x.ndim for a in axes)
        for dim in reversed(dims):
            x = torch.prod(x, dim=dim, keepdim=keepdims)
        return x

    def argument(function):
        def call(x, *, axis, keepdims):
            if axis is None and keepdims:
                return function(x).reshape((1,) * x.ndim)
            return function(x, dim=axis, keepdim=keepdims)

        return call

    return {
        "sum": lambda x, *, axis, keepdims: torch.sum(x, _every(x, axis), keepdims),
        "mean": lambda x, *, axis, keepdims: torch.mean(x, _every(x, axis), keepdims),
        "prod": prod,
        "max": lambda x, *, axis, keepdims: torch.amax(x, _every(x, axis), keepdims),
        "min": lambda x, *, axis, keepdims: torch.amin(x, _every(x, axis), keepdims),
        "var": lambda x, *, axis, correction, keepdims: torch.var(
            x, _every(x, axis), correction=correction, keepdim=keepdims
        ),
        "std": lambda x, *, axis, correction, keepdims: torch.std(
            x, _every(x, axis), correction=correction, keepdim=keepdims
        ),
        "logsumexp": lambda x, *, axis, keepdims: torch.logsumexp(x, _every(x, axis), keepdims),
        "norm": lambda x, *, ord, axis, keepdims: torch.linalg.vector_norm(
            x, ord, _every(x, axis), keepdims
        ),
        "cumsum": lambda x, *, axis: torch.cumsum(x, axis),
        "argmax": argument(lambda x, **where: torch.argmax(x, **where)),
        "argmin": argument(lambda x, **where: torch.argmin(x, **where)),
    }


def _shapes(torch: Any) -> Table:
    F = torch.nn.functional

    def expand_dims(x, *, axis):
        axes = axis if isinstance(axis, tuple) else (axis,)
        for a in sorted(a % (x.ndim + len(axes)) for a in axes):
            x = x.unsqueeze(a)
        return x

    def pad(x, *, widths, mode, value):
        flat = [w for pair in reversed(widths) for w in pair]
        if mode == "constant":
            return F.pad(x, flat, value=value)
        while flat[-2:] == [0, 0]:
            flat = flat[:-2]
        lead = x.ndim - len(flat) // 2
        out = F.pad(x.reshape(1, -1, *x.shape[lead:]), flat, mode=mode)
        return out.reshape(*x.shape[:lead], *out.shape[2:])

    def put_add(x, *, index, shape):
        at = _places(torch, shape, index)
        flat = torch.zeros(int(np.prod(shape)), dtype=x.dtype)
        return flat.index_add(0, at.flatten(), x.expand(at.shape).flatten()).reshape(shape)

    def one_hot(x, *, num_classes, dtype, ignore=None):
        kept = torch.ones_like(x, dtype=torch.bool) if ignore is None else x != ignore
        hot = F.one_hot(torch.where(kept, x, 0).long(), num_classes) * kept[..., None]
        return hot.to(_dtype_of(torch, dtype))

    def take(x, *, indices, axis):
        index = np.take(np.arange(x.numel()).reshape(tuple(x.shape)), indices, axis)
        return torch.take(x, torch.as_tensor(index))

    return {
        "astype": lambda x, *, dtype: x.to(_dtype_of(torch, dtype)),
        "reshape": lambda x, *, shape: torch.reshape(x, shape),
        "transpose": lambda x, *, axes: torch.permute(x, axes or tuple(reversed(range(x.ndim)))),
        "matrix_transpose": lambda x: x.mT,
        "swapaxes": lambda x, *, axis1, axis2: torch.swapaxes(x, axis1, axis2),
        "squeeze": lambda x, *, axis: torch.squeeze(x, _every(x, axis)),
        "expand_dims": expand_dims,
        "broadcast_to": lambda x, *, shape: torch.broadcast_to(x, shape),
        "sum_to": lambda x, *, shape: x.sum_to_size(shape),
        "flip": lambda x, *, axis: torch.flip(
            x, [axis] if isinstance(axis, int) else _every(x, axis)
        ),
        "roll": lambda x, *, shift, axis: torch.roll(x, shift, axis),
        "concat": lambda *xs, axis: torch.cat(xs, axis),
        "stack": lambda *xs, axis: torch.stack(xs, axis),
        "split": lambda x, *, sections, axis: torch.tensor_split(x, sections, axis),
        "pad": pad,
        "tril": lambda x, *, k: torch.tril(x, k),
        "triu": lambda x, *, k: torch.triu(x, k),
        "getitem": lambda x, *, index: torch.take(x, _places(torch, tuple(x.shape), index)),
        "put_add": put_add,
        "take": take,
        "one_hot": one_hot,
    }


def _linear(torch: Any) -> Table:
    def tensordot(x, y, *, axes):
        if not isinstance(axes, int):
            axes = [[side] if isinstance(side, int) else list(side) for side in axes]
        return torch.tensordot(x, y, dims=axes)

    return {
        "matmul": lambda x, y: torch.matmul(x, y),
        "einsum": lambda *xs, subscripts: torch.einsum(subscripts, *xs),
        "outer": lambda x, y: torch.outer(x.flatten(), y.flatten()),
        "tensordot": tensordot,
    }


def _fused(torch: Any) -> Table:
    F = torch.nn.functional
    return {
        "affine": lambda x, weight, bias=None: F.linear(x, weight, bias),
        "mse_loss": lambda x, target, *, reduction: F.mse_loss(x, target, reduction=reduction),
        "softmax": lambda x, *, axis: torch.softmax(x, axis),
        "log_softmax": lambda x, *, axis: torch.log_softmax(x, axis),
        "cross_entropy": lambda x, target, *, weight, **options: F.cross_entropy(
            x,
            target if target.is_floating_point() else target.long(),
            _as_torch(torch, weight),
            **options,
        ),
        "binary_cross_entropy_with_logits": lambda x, target, *, weight, pos_weight, reduction: (
            F.binary_cross_entropy_with_logits(
                x,
                target,
                _as_torch(torch, weight),
                pos_weight=_as_torch(torch, pos_weight),
                reduction=reduction,
            )
        ),
        "layer_norm": lambda x, *affine, ndim, eps: F.layer_norm(
            x, x.shape[x.ndim - ndim :], *affine, eps=eps
        ),
        "batch_norm": lambda x, *affine, eps: F.batch_norm(
            x, None, None, *affine, training=True, eps=eps
        ),
        "group_norm": lambda x, *affine, num_groups, eps: F.group_norm(
            x, num_groups, *affine, eps=eps
        ),
        "attention_weights": lambda q, k, mask=None, *, causal, scale: (
            F.scaled_dot_product_attention(
                # the weights themselves are the result for values that are the identity
                q,
                k,
                torch.eye(k.shape[-2], dtype=q.dtype).expand(*k.shape[:-1], -1),
                mask,
                is_causal=causal,
                scale=scale,
            )
        ),
        "scaled_dot_product_attention": lambda q, k, v, mask=None, *, causal, scale: (
            F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale)
        ),
    }


def _windows(torch: Any) -> Table:
    F = torch.nn.functional

    def unfold(x, *, size, stride=1, dilation=1):
        sizes = size if isinstance(size, tuple) else (size,)
        steps = stride if isinstance(stride, tuple) else (stride,) * len(sizes)
        gaps = dilation if isinstance(dilation, tuple) else (dilation,) * len(sizes)
        lead = x.ndim - len(sizes)
        for i, (k, step, gap) in enumerate(zip(sizes, steps, gaps, strict=True)):
            x = x.unfold(lead + i, gap * (k - 1) + 1, step)[..., ::gap]
        return x

    def fold(x, *, shape, **options):
        """The derivative of PyTorch's unfold."""
        image = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
        (out,) = torch.autograd.grad(unfold(image, **options), image, x, create_graph=True)
        return out

    def by_gradient(conv):
        def weight(x, y, *, size, groups=1, **options):
            w = torch.zeros(
                (y.shape[1], x.shape[1] // groups, *size), dtype=x.dtype, requires_grad=True
            )
            out = conv(x, w, groups=groups, **options)
            return torch.autograd.grad(out, w, y, create_graph=True)[0]

        return weight

    def padded_by_hand(conv):
        """PyTorch's convolution, with pairs of paddings too."""

        def call(x, *operands, padding=0, **options):
            if isinstance(padding, tuple) and isinstance(padding[0], tuple):
                x = F.pad(x, [n for pair in reversed(padding) for n in pair])
                padding = 0
            return conv(x, *operands, padding=padding, **options)

        return call

    return {
        "unfold": unfold,
        "fold": fold,
        "conv1d": padded_by_hand(lambda *a, **o: F.conv1d(*a, **o)),
        "conv2d": padded_by_hand(lambda *a, **o: F.conv2d(*a, **o)),
        "conv_transpose1d": lambda *a, **o: F.conv_transpose1d(*a, **o),
        "conv_transpose2d": lambda *a, **o: F.conv_transpose2d(*a, **o),
        "conv_weight1d": by_gradient(lambda *a, **o: F.conv1d(*a, **o)),
        "conv_weight2d": by_gradient(lambda *a, **o: F.conv2d(*a, **o)),
        "max_pool1d": lambda x, **o: F.max_pool1d(x, **o),
        "max_pool2d": lambda x, **o: F.max_pool2d(x, **o),
        "avg_pool1d": lambda x, **o: F.avg_pool1d(x, **o),
        "avg_pool2d": lambda x, **o: F.avg_pool2d(x, **o),
        "adaptive_avg_pool1d": lambda x, **o: F.adaptive_avg_pool1d(x, **o),
        "adaptive_avg_pool2d": lambda x, **o: F.adaptive_avg_pool2d(x, **o),
        "adaptive_max_pool1d": lambda x, **o: F.adaptive_max_pool1d(x, **o),
        "adaptive_max_pool2d": lambda x, **o: F.adaptive_max_pool2d(x, **o),
    }


def _recurrent(torch: Any) -> Table:
    def run(kind, x, states, weight, bias=None, **options):
        """PyTorch's layer on inputs multiplied already: its own input weight is the identity."""
        width, size = weight.shape
        layer = kind(width, size, dtype=x.dtype, **options)
        weights = {
            "weight_ih_l0": torch.eye(width, dtype=x.dtype),
            "weight_hh_l0": weight,
            "bias_ih_l0": torch.zeros(width, dtype=x.dtype),
            "bias_hh_l0": torch.zeros(width, dtype=x.dtype) if bias is None else bias,
        }
        return torch.func.functional_call(layer, weights, (x, states))

    def lstm(x, h, c, weight):
        """Every state and every cell; the last cell of each beginning is all that PyTorch gives."""
        runs = [run(torch.nn.LSTM, x[:t], (h[None], c[None]), weight) for t in range(1, len(x) + 1)]
        return torch.stack([runs[-1][0], torch.cat([cell for _, (_, cell) in runs])])

    return {
        "rnn": lambda x, h, weight, *, nonlinearity: run(
            torch.nn.RNN, x, h[None], weight, nonlinearity=nonlinearity
        )[0],
        "gru": lambda x, h, weight, bias=None: run(torch.nn.GRU, x, h[None], weight, bias)[0],
        "lstm": lstm,
    }


def _every(x: Any, axis: Any) -> Any:
    """All axes for None: PyTorch takes no None."""
    return tuple(range(x.ndim)) if axis is None else axis


def _places(torch: Any, shape: Any, index: Any) -> Any:
    """The flat places that NumPy's index names in an array of this shape."""
    flat = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return torch.as_tensor(np.array(flat[index]))


def _as_torch(torch: Any, array: Any) -> Any:
    return None if array is None else torch.tensor(np.array(array, order="C"))


def _dtype_of(torch: Any, name: Any) -> Any:
    return torch.as_tensor(np.zeros(0, name)).dtype
