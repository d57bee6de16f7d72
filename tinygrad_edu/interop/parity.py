"""Operations and modules beside PyTorch's: how far apart the results are, and the gradients.

For each operation there is one example, with options that are not the defaults; PyTorch's side is
in `counterparts`. A module is its own example: PyTorch's is made by `to_torch`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.interop.counterparts import counterparts
from tinygrad_edu.interop.pytorch import to_torch, torch_module
from tinygrad_edu.nn import Module

_TWO = ((2, 3), (2, 3))
_LOWER = [[True, False, False], [True, True, False], [True, True, True]]
_POOL = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}
_UNEVEN = {"groups": 2, "stride": 2, "padding": 1, "dilation": 2}

# By name: operands, each the shape of an array of drawn numbers, or a list of whole numbers or
# truth values; and options.  What is not here takes one operand, and options only by default.
EXAMPLES: dict[str, tuple[Sequence[Any], dict[str, Any]]] = {
    **dict.fromkeys(["add", "subtract", "multiply", "divide", "power", "logaddexp"], (_TWO, {})),
    **dict.fromkeys(["arctan2", "maximum", "minimum", "greater", "greater_equal"], (_TWO, {})),
    **dict.fromkeys(["less", "less_equal", "equal", "not_equal"], (_TWO, {})),
    "clip": ([(2, 3)], {"min": -0.5, "max": 0.5}),
    "where": (([[True, False, True], [True, False, True]], *_TWO), {}),
    "leaky_relu": ([(2, 3)], {"negative_slope": 0.2}),
    "elu": ([(2, 3)], {"alpha": 0.5}),
    "celu": ([(2, 3)], {"alpha": 0.5}),
    "softplus": ([(2, 3)], {"beta": 0.5}),
    "gelu": ([(2, 3)], {"approximate": "tanh"}),
    "hardtanh": ([(2, 3)], {"min_val": -0.5, "max_val": 0.5}),
    **dict.fromkeys(
        ["sum", "mean", "prod", "max", "min", "logsumexp", "argmax", "argmin"],
        ([(2, 3)], {"axis": -1, "keepdims": True}),
    ),
    **dict.fromkeys(
        ["var", "std"], ([(2, 3, 2)], {"axis": (0, -1), "correction": 2, "keepdims": True})
    ),
    "norm": ([(2, 3, 2)], {"ord": 1, "axis": (0, 2), "keepdims": True}),
    "cumsum": ([(2, 3)], {"axis": 0}),
    "astype": ([(2, 3)], {"dtype": "float64"}),
    "reshape": ([(2, 3)], {"shape": (3, 2)}),
    "transpose": ([(2, 3, 4)], {"axes": (1, 2, 0)}),
    "swapaxes": ([(2, 3)], {"axis1": 0, "axis2": 1}),
    "squeeze": ([(1, 3, 1)], {"axis": 0}),
    "expand_dims": ([(2, 3)], {"axis": (0, 2)}),
    "broadcast_to": ([(2, 1)], {"shape": (2, 3)}),
    "sum_to": ([(2, 3)], {"shape": (1, 3)}),
    "flip": ([(2, 3)], {"axis": 0}),
    "roll": ([(2, 3)], {"shift": 1, "axis": -1}),
    "concat": ([(2, 3), (2, 2), (2, 1)], {"axis": -1}),
    "stack": (_TWO, {"axis": 1}),
    "split": ([(2, 4)], {"sections": 2, "axis": 1}),
    "pad": ([(2, 3)], {"widths": ((1, 0), (0, 2)), "value": 1.5}),
    "getitem": ([(2, 3)], {"index": (slice(None), np.array([0, 2, 0]))}),
    "put_add": ([(3, 2)], {"index": np.array([0, 2, 0]), "shape": (3, 2)}),
    "take": ([(2, 3)], {"indices": np.array([1, 1]), "axis": 0}),
    "one_hot": ([[[0, 1], [1, 1]]], {"num_classes": 2, "dtype": "float64"}),
    "matmul": ([(2, 3), (3, 2)], {}),
    "einsum": ([(2, 3), (3, 2), (2, 2)], {"subscripts": "ij,jk,kl->il"}),
    "outer": ([(2, 2), (3,)], {}),
    "tensordot": ([(2, 3), (3, 2)], {"axes": 1}),
    "affine": ([(2, 3), (4, 3), (4,)], {}),
    "mse_loss": (_TWO, {"reduction": "sum"}),
    "softmax": ([(2, 3)], {"axis": 0}),
    "log_softmax": ([(2, 3)], {"axis": 0}),
    "cross_entropy": ([(2, 3), [2, 0]], {"label_smoothing": 0.1, "reduction": "none"}),
    "binary_cross_entropy_with_logits": (_TWO, {"reduction": "none"}),
    "layer_norm": ([(2, 2, 3), (2, 3), (2, 3)], {"ndim": 2}),
    "batch_norm": ([(4, 2), (2,), (2,)], {}),
    "group_norm": ([(2, 4), (4,), (4,)], {"num_groups": 2}),
    "attention_weights": ([(3, 2), (3, 2), _LOWER], {}),
    "scaled_dot_product_attention": ([(3, 2), (3, 2), (3, 2), _LOWER], {}),
    "unfold": ([(3, 4)], {"size": (2, 3), "stride": (1, 2)}),
    "fold": ([(2, 2)], {"shape": (6,), "size": 2, "stride": 3, "dilation": 2}),
    "conv1d": ([(1, 2, 6), (2, 1, 2), (2,)], _UNEVEN),
    "conv2d": ([(1, 2, 4, 3), (2, 1, 2, 2), (2,)], _UNEVEN),
    "conv_transpose1d": ([(1, 2, 3), (2, 1, 3), (2,)], {"groups": 2}),
    "conv_transpose2d": ([(1, 2, 2, 2), (2, 1, 2, 3), (2,)], {"groups": 2}),
    "conv_weight1d": ([(2, 2, 6), (2, 2, 3)], {"size": (2,), **_UNEVEN}),
    "conv_weight2d": ([(2, 2, 4, 3), (2, 2, 2, 2)], {"size": (2, 2), **_UNEVEN}),
    "max_pool1d": ([(1, 2, 6)], _POOL),
    "max_pool2d": ([(1, 2, 4, 3)], _POOL),
    "avg_pool1d": ([(1, 2, 6)], {**_POOL, "count_include_pad": False}),
    "avg_pool2d": ([(1, 2, 4, 3)], {**_POOL, "count_include_pad": False}),
    "adaptive_avg_pool1d": ([(1, 2, 6)], {"output_size": 4}),
    "adaptive_avg_pool2d": ([(1, 2, 4, 3)], {"output_size": 2}),
    "adaptive_max_pool1d": ([(1, 2, 6)], {"output_size": 4}),
    "adaptive_max_pool2d": ([(1, 2, 4, 3)], {"output_size": 2}),
    "rnn": ([(3, 2, 2), (2, 2), (2, 2)], {"nonlinearity": "relu"}),
    "gru": ([(3, 2, 6), (2, 2), (6, 2), (6,)], {}),
    "lstm": ([(3, 2, 8), (2, 2), (2, 2), (8, 2)], {}),
}

_POSITIVE = {"sqrt", "rsqrt", "log", "log2", "log10", "log1p", "power"}


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """How far an operation or a module is from PyTorch's in one dtype.

    forward, backward : the largest difference of a number, over the largest number or 1; `backward`
        is None where there is no gradient.

    >>> Difference("tanh", "float32", forward=6e-8, backward=1e-7).largest
    1e-07
    """

    name: str
    dtype: str
    forward: float
    backward: float | None

    @property
    def largest(self) -> float:
        """The larger of the two."""
        return max(self.forward, self.backward or 0.0)


def parity(
    names: Iterable[str] | None = None, dtypes: Sequence[str] = ("float32", "float64")
) -> list[Difference]:
    """Each operation's result and gradients beside PyTorch's, in each dtype.

    names : of operations; by default all that PyTorch can compute too (`counterparts` says which).
    The numbers are the same for every call.  A result of another shape or dtype, or with a nan of
    its own, gives infinity.

    Raises ImportError without PyTorch, and KeyError for a name without a counterpart.

    >>> [(d.name, d.dtype, d.largest < 1e-6) for d in parity(["tanh", "conv2d"], ["float64"])]
    [('tanh', 'float64', True), ('conv2d', 'float64', True)]

    Built in lesson 27.
    """
    torch = torch_module()
    table = counterparts(torch)
    chosen = list(table if names is None else names)
    return [_difference(torch, name, table[name], dtype) for name in chosen for dtype in dtypes]


def operands(name: str, dtype: str = "float64") -> tuple[list[np.ndarray], dict[str, Any]]:
    """The example of an operation: its arrays, drawn from -0.9 to 0.9, and its options.

    >>> arrays, options = operands("matmul")
    >>> [a.shape for a in arrays], options
    ([(2, 3), (3, 2)], {})
    """
    random = np.random.default_rng(27)
    low = 0.1 if name in _POSITIVE else -0.9
    shapes, options = EXAMPLES.get(name, ([(2, 3)], {}))
    arrays = [
        random.uniform(low, 0.9, x).astype(dtype) if isinstance(x, tuple) else np.array(x)
        for x in shapes
    ]
    return arrays, options


def module_parity(module: Module, *inputs: Tensor) -> Difference:
    """A module's results and gradients beside those of PyTorch's module with the same weights.

    inputs : what it is called with, of the shapes that the module takes; the gradients of those
        that are floats count too, beside those of its parameters.
    Both sides compute in float64, on copies, in the module's mode: it stays as it is.

    Raises ImportError without PyTorch, and TypeError for a module that PyTorch does not have.

    >>> from tinygrad_edu import nn, randn
    >>> module_parity(nn.Conv2d(3, 4, 2), randn(2, 3, 5, 5)).largest < 1e-6
    True

    Built in lesson 27.
    """
    torch = torch_module()
    ours = copy.deepcopy(module).double()
    ours.zero_grad()  # the copy has the gradients, too
    theirs = to_torch(ours)
    arrays = [a.data.astype(float) if a.data.dtype.kind == "f" else a.data for a in inputs]
    x, y, pairs = _leaves(torch, arrays)
    named = dict(theirs.named_parameters())
    pairs += [(p, named[name]) for name, p in ours.named_parameters()]
    mine, other = _several(ours(*x)), _several(theirs(*y))
    return Difference(type(module).__name__, "float64", *_distances(torch, mine, other, pairs))


def _difference(torch: Any, name: str, theirs: Any, dtype: str) -> Difference:
    op = ops.lookup(name)
    arrays, options = operands(name, dtype)
    x, y, pairs = _leaves(torch, arrays)
    mine, other = _several(op(*x, **options)), _several(theirs(*y, **op.fill(options)))
    return Difference(name, dtype, *_distances(torch, mine, other, pairs))


def _leaves(torch: Any, arrays: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """Our tensors and PyTorch's of the same numbers, and the pairs that have gradients."""
    wanted = [a.dtype.kind == "f" for a in arrays]
    x = [Tensor(a, requires_grad=need) for a, need in zip(arrays, wanted, strict=True)]
    y = [torch.tensor(a, requires_grad=need) for a, need in zip(arrays, wanted, strict=True)]
    return x, y, [(p, q) for p, q, need in zip(x, y, wanted, strict=True) if need]


def _distances(
    torch: Any, mine: Sequence[Any], other: Sequence[Any], pairs: Iterable[tuple[Any, Any]]
) -> tuple[float, float | None]:
    """Of the results, and, the same slopes sent back through both, of the gradients of `pairs`."""
    forward = max(_distance(a.data, b.detach().numpy()) for a, b in zip(mine, other, strict=True))
    if forward == np.inf or not any(out.requires_grad for out in other):
        return forward, None
    for a, b in zip(mine, other, strict=True):
        if b.requires_grad:
            g = np.linspace(0.5, 1.5, a.data.size).reshape(a.shape).astype(a.data.dtype)
            a.backward(g)
            b.backward(torch.tensor(g), retain_graph=True)
    return forward, max(
        _distance(_or_zeros(p.grad, p.data), _or_zeros(q.grad, p.data)) for p, q in pairs
    )


def _several(out: Any) -> list[Any]:
    """The tensors of a result that may be a tuple, of tuples even."""
    if isinstance(out, tuple | list):
        return [x for part in out for x in _several(part)]
    return [] if out is None else [out]


def _or_zeros(g: Any, like: Any) -> Any:
    return np.zeros_like(like) if g is None else np.asarray(g)


def _distance(a: Any, b: Any) -> float:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or (a.dtype.kind == "f" and a.dtype != b.dtype):
        return float("inf")
    a, b = a.astype(float), b.astype(float)
    if (np.isnan(a) != np.isnan(b)).any():
        return float("inf")
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    return float(abs(a - b).max(initial=0.0) / max(1.0, abs(b).max(initial=0.0)))
