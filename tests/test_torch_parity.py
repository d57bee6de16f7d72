"""Values and gradients agree with PyTorch, the outside judge, on every sample (float64, 1e-6)."""

import functools
import warnings

import checks
import numpy as np
import pytest
import samples
import samples_recurrent
import samples_windows
from table import TABLE, describe, package_operations

from tinygrad_edu.ops import Op, lookup

try:
    import torch
    import torch.nn.functional as F
except ModuleNotFoundError:
    torch = None
else:
    torch.set_num_threads(1)

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(torch is None, reason="PyTorch is not installed"),
]


def every(x, axis):
    """All axes for None: PyTorch takes no None."""
    return tuple(range(x.ndim)) if axis is None else axis


def places(shape, index):
    """The flat places that NumPy's index names in an array of this shape."""
    flat = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return torch.as_tensor(np.array(flat[index]))


def prod(x, *, axis, keepdims):
    axes = every(x, axis) if not isinstance(axis, int) else (axis,)
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
    at = places(shape, index)
    flat = torch.zeros(int(np.prod(shape)), dtype=x.dtype)
    return flat.index_add(0, at.flatten(), x.expand(at.shape).flatten()).reshape(shape)


def one_hot(x, *, num_classes, dtype, ignore=None):
    kept = torch.ones_like(x, dtype=torch.bool) if ignore is None else x != ignore
    hot = F.one_hot(torch.where(kept, x, 0).long(), num_classes) * kept[..., None]
    return hot.to(dtype_of(dtype))


def take(x, *, indices, axis):
    index = np.take(np.arange(x.numel()).reshape(tuple(x.shape)), indices, axis)
    return torch.take(x, torch.as_tensor(index))


def tensordot(x, y, *, axes):
    if not isinstance(axes, int):
        axes = [[side] if isinstance(side, int) else list(side) for side in axes]
    return torch.tensordot(x, y, dims=axes)


def as_torch(array):
    return None if array is None else torch.tensor(np.array(array, order="C"))


def dtype_of(name):
    return torch.as_tensor(np.zeros(0, name)).dtype


PARITY = {
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
    "sum": lambda x, *, axis, keepdims: torch.sum(x, every(x, axis), keepdims),
    "mean": lambda x, *, axis, keepdims: torch.mean(x, every(x, axis), keepdims),
    "prod": prod,
    "max": lambda x, *, axis, keepdims: torch.amax(x, every(x, axis), keepdims),
    "min": lambda x, *, axis, keepdims: torch.amin(x, every(x, axis), keepdims),
    "var": lambda x, *, axis, correction, keepdims: torch.var(
        x, every(x, axis), correction=correction, keepdim=keepdims
    ),
    "std": lambda x, *, axis, correction, keepdims: torch.std(
        x, every(x, axis), correction=correction, keepdim=keepdims
    ),
    "logsumexp": lambda x, *, axis, keepdims: torch.logsumexp(x, every(x, axis), keepdims),
    "norm": lambda x, *, ord, axis, keepdims: torch.linalg.vector_norm(
        x, ord, every(x, axis), keepdims
    ),
    "cumsum": lambda x, *, axis: torch.cumsum(x, axis),
    "argmax": argument(lambda x, **where: torch.argmax(x, **where)),
    "argmin": argument(lambda x, **where: torch.argmin(x, **where)),
    "astype": lambda x, *, dtype: x.to(dtype_of(dtype)),
    "reshape": lambda x, *, shape: torch.reshape(x, shape),
    "transpose": lambda x, *, axes: torch.permute(x, axes or tuple(reversed(range(x.ndim)))),
    "matrix_transpose": lambda x: x.mT,
    "swapaxes": lambda x, *, axis1, axis2: torch.swapaxes(x, axis1, axis2),
    "squeeze": lambda x, *, axis: torch.squeeze(x, every(x, axis)),
    "expand_dims": expand_dims,
    "broadcast_to": lambda x, *, shape: torch.broadcast_to(x, shape),
    "sum_to": lambda x, *, shape: x.sum_to_size(shape),
    "flip": lambda x, *, axis: torch.flip(x, [axis] if isinstance(axis, int) else every(x, axis)),
    "roll": lambda x, *, shift, axis: torch.roll(x, shift, axis),
    "concat": lambda *xs, axis: torch.cat(xs, axis),
    "stack": lambda *xs, axis: torch.stack(xs, axis),
    "split": lambda x, *, sections, axis: torch.tensor_split(x, sections, axis),
    "pad": pad,
    "tril": lambda x, *, k: torch.tril(x, k),
    "triu": lambda x, *, k: torch.triu(x, k),
    "getitem": lambda x, *, index: torch.take(x, places(tuple(x.shape), index)),
    "put_add": put_add,
    "take": take,
    "one_hot": one_hot,
    "matmul": lambda x, y: torch.matmul(x, y),
    "einsum": lambda *xs, subscripts: torch.einsum(subscripts, *xs),
    "outer": lambda x, y: torch.outer(x.flatten(), y.flatten()),
    "tensordot": tensordot,
    "affine": lambda x, weight, bias=None: F.linear(x, weight, bias),
    "mse_loss": lambda x, target, *, reduction: F.mse_loss(x, target, reduction=reduction),
    "softmax": lambda x, *, axis: torch.softmax(x, axis),
    "log_softmax": lambda x, *, axis: torch.log_softmax(x, axis),
    "cross_entropy": lambda x, target, *, weight, **options: F.cross_entropy(
        x, target if target.is_floating_point() else target.long(), as_torch(weight), **options
    ),
    "binary_cross_entropy_with_logits": lambda x, target, *, weight, pos_weight, reduction: (
        F.binary_cross_entropy_with_logits(
            x, target, as_torch(weight), pos_weight=as_torch(pos_weight), reduction=reduction
        )
    ),
    "layer_norm": lambda x, *affine, ndim, eps: F.layer_norm(
        x, x.shape[x.ndim - ndim :], *affine, eps=eps
    ),
    "batch_norm": lambda x, *affine, eps: F.batch_norm(
        x, None, None, *affine, training=True, eps=eps
    ),
    "group_norm": lambda x, *affine, num_groups, eps: F.group_norm(x, num_groups, *affine, eps=eps),
    "attention_weights": lambda q, k, mask=None, *, causal, scale: F.scaled_dot_product_attention(
        # the weights themselves are the result for values that are the identity
        q,
        k,
        torch.eye(k.shape[-2], dtype=q.dtype).expand(*k.shape[:-1], -1),
        mask,
        is_causal=causal,
        scale=scale,
    ),
    "scaled_dot_product_attention": lambda q, k, v, mask=None, *, causal, scale: (
        F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale)
    ),
    **samples_windows.PARITY,
    **samples_recurrent.PARITY,
}

NO_COUNTERPART = {
    "uniform_like": "draws random numbers",
    "normal_like": "draws random numbers",
    "to_device": "moves data and computes nothing",
}


def check_parity(op: Op, sample):
    """The value and every gradient, against PyTorch's."""
    args, options = checks.operands(sample), checks.filled(op, sample)
    # Extreme samples hold numbers of very different sizes, and all must be right.
    close = functools.partial(checks.close, rtol=1e-6, strictly=not sample.smooth)
    theirs = [as_torch(a).requires_grad_(a.dtype.kind == "f") for a in args]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, about arrays of size 0
        outs = checks.several(PARITY[op.name](*theirs, **options))
    mine = checks.forward(op, args, options)
    assert len(mine) == len(outs)
    for k, (out, reference) in enumerate(zip(mine, outs, strict=True)):
        close(out, reference.detach().numpy(), what=f"{op.name}, result {k}")
    if not any(out.requires_grad for out in outs):
        return
    g = checks.weights_like(mine)
    torch.autograd.backward(outs, [as_torch(w) for w in g])
    found = checks.engine_gradients(op, args, options, g)
    for i in checks.differentiable(args):
        expected = theirs[i].grad
        zeros = np.zeros(args[i].shape)
        close(
            zeros if found[i] is None else found[i].data,
            zeros if expected is None else expected.numpy(),
            what=f"{op.name}, gradient {i}",
        )


def test_every_operation_has_a_counterpart_or_a_reason():
    assert set(PARITY) | set(NO_COUNTERPART) == {op.name for op in package_operations()}
    assert not set(PARITY) & set(NO_COUNTERPART)
    few = {name for name in PARITY if sum(sample.parity for sample in TABLE[name]) < 10}
    assert not few


@pytest.mark.parametrize("name", sorted(PARITY))
def test_agrees_with_pytorch(name):
    for number, sample in enumerate(TABLE[name]):
        if not sample.parity:
            continue
        try:
            with np.errstate(all="warn" if sample.smooth else "ignore"):
                check_parity(lookup(name), sample)
        except Exception as error:
            raise AssertionError(f"{describe(number, sample)}: {error}") from error


def test_the_check_finds_a_wrong_value_and_a_wrong_gradient():
    right = lookup("tanh")
    sample = samples.s(samples.x(3))
    wrong = Op(lambda xp, x: xp.tanh(1.00001 * x), symbol=None, latex=None, differentiable=True)
    wrong.name, wrong.rule = "tanh", right.rule
    with pytest.raises(AssertionError, match="result 0"):
        check_parity(wrong, sample)
    wrong.forward, wrong.rule = right.forward, lambda xp, g, out, x: (g * (1.0 - out),)
    with pytest.raises(AssertionError, match="gradient 0"):
        check_parity(wrong, sample)
