"""Errors of the forward pass in words: the operation, the shapes, the next step."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygrad_edu.ops.registry import Op

Shape = tuple[int, ...]

# Families of operations on arrays only: their rules ask for shapes.
_OF_ARRAYS = ("reductions", "shapes", "linear", "windows", "fused", "recurrent", "random")

# Names that are verbs; others are applied.
_VERBS = (
    *("add", "subtract", "multiply", "divide", "matmul", "take"),
    *("reshape", "transpose", "squeeze", "flip", "roll", "pad", "concat", "stack", "split"),
)


def explain(op: Op, args: tuple[Any, ...], options: dict[str, Any], error: Exception) -> Exception:
    """What to raise in place of `error`, which `op` raised on `args`: of its kind, in words."""
    op.check_count(len(args))
    if isinstance(args[0], float) and op.family in _OF_ARRAYS:
        return TypeError(f"{op.name} needs an array, and a Value is one number; use Tensor")
    shapes: list[Any] = [getattr(x, "shape", None) for x in args]
    reason = str(error) if None in shapes else _clash(op, shapes, options) or str(error)
    return _of_kind(error, f"cannot {_deed(op)} {_given(args)}{_chosen(op, options)}: {reason}")


def _of_kind(error: Exception, text: str) -> Exception:
    try:
        return type(error)(text)
    except TypeError:  # a kind that is not made of a text alone
        return next(k for k in (IndexError, TypeError, ValueError) if isinstance(error, k))(text)


def _deed(op: Op) -> str:
    if op.name in _VERBS:
        return op.name
    return f"take {op.name} of" if op.family == "reductions" else f"apply {op.name} to"


def _given(args: tuple[Any, ...]) -> str:
    if any(not hasattr(x, "shape") for x in args):
        return _list([repr(x) for x in args])
    return f"shape{'s' * (len(args) > 1)} {_list([str(x.shape) for x in args])}"


def _list(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _chosen(op: Op, options: dict[str, Any]) -> str:
    """The options that are not at their default."""
    parts = [
        f"{name}={_short(value)}"
        for name, value in options.items()
        if name in op.required or value is not op.defaults[name]
    ]
    return f" with {', '.join(parts)}" if parts else ""


def _short(option: Any) -> str:
    shape = getattr(option, "shape", ())
    return f"an array of shape {shape}" if shape else repr(option)


def _clash(op: Op, shapes: list[Shape], options: dict[str, Any]) -> str | None:
    """Which sizes do not go together and what to do, for the usual mistakes."""
    if op.name == "matmul":
        return _matmul(*shapes)
    if op.name == "affine":
        return _affine(*shapes)
    if op.name == "scaled_dot_product_attention":
        return _attention(*shapes)
    if op.name == "attention_weights":
        q, k, *mask = shapes
        return _attention(q, k, k, *mask)
    if op.name == "concat":
        return _concat(shapes, options["axis"])
    return _broadcast(shapes) if op.family == "elementwise" else None


def _broadcast(shapes: list[Shape]) -> str | None:
    for x, y in itertools.combinations(shapes, 2):
        for back in range(1, min(len(x), len(y)) + 1):
            a, b = x[-back], y[-back]
            if a != b and 1 not in (a, b):
                which = ["last", "second-last", "third-last", f"{back}th-last"][min(back, 4) - 1]
                return (
                    f"{which} sizes {a} and {b} differ; reshape one, or check which axis is the "
                    "batch"
                )
    return None


def _matmul(x: Shape, y: Shape) -> str | None:
    if not x or not y:
        return "a number is no matrix; use * instead"
    inner = y[-2] if len(y) > 1 else y[0]
    if x[-1] != inner:
        return f"{x[-1]} columns meet {inner} rows; transpose one (x.mT), or check the layer sizes"
    return _broadcast([x[:-2], y[:-2]])


def _affine(x: Shape, weight: Shape, *bias: Shape) -> str | None:
    if len(weight) != 2 or not x:
        return "the weight is a matrix, (features out, features in), and x ends with features in"
    if x[-1] != weight[1]:
        return f"x has {x[-1]} features, and the weight takes {weight[1]}"
    if bias and bias[0] != (weight[0],):
        return f"the weight gives {weight[0]} features, and the bias has shape {bias[0]}"
    return None


def _attention(q: Shape, k: Shape, v: Shape, *mask: Shape) -> str | None:
    if min(len(q), len(k), len(v)) < 2:
        return "queries, keys and values have at least two axes, (..., how many, size)"
    if q[-1] != k[-1]:
        return f"queries have size {q[-1]}, and keys {k[-1]}"
    if k[-2] != v[-2]:
        return f"{k[-2]} keys meet {v[-2]} values"
    return _broadcast([(q[-2], k[-2]), *mask])


def _concat(shapes: list[Shape], axis: int) -> str | None:
    first = shapes[0]
    for other in shapes[1:]:
        if len(other) != len(first):
            return f"{len(first)} axes meet {len(other)}; add one with expand_dims"
        for i, (a, b) in enumerate(zip(first, other, strict=True)):
            if a != b and i != axis % len(first):
                return f"sizes {a} and {b} along axis {i} differ; only those along axis {axis} may"
    return None
