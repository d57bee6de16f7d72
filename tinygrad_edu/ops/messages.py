"""Errors of the forward pass in words: the operation, the shapes, the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygrad_edu.ops.registry import Op


def explain(op: Op, args: tuple[Any, ...], options: dict[str, Any], error: Exception) -> str:
    """What went wrong when `op` ran on `args`, as a sentence for the user."""
    op.check_count(len(args))
    shapes: list[Any] = [getattr(x, "shape", None) for x in args]
    if len(shapes) == 2 and None not in shapes:
        if op.name == "matmul":
            text = _matmul(*shapes)
            if text:
                return text
        if op.family == "elementwise":
            text = _broadcast(op, *shapes)
            if text:
                return text
    given = " and ".join(map(str, shapes)) if None not in shapes else ", ".join(map(repr, args))
    chosen = ", ".join(
        f"{k}={v!r}" for k, v in options.items() if k in op.required or v is not None
    )
    what = f"cannot {_verb(op)} {'shape' if len(args) == 1 else 'shapes'} {given}"
    return f"{what}{' with ' + chosen if chosen else ''}: {error}"


def _verb(op: Op) -> str:
    return op.name if op.family in ("elementwise", "shapes", "linear") else f"take {op.name} of"


def _broadcast(op: Op, x: tuple[int, ...], y: tuple[int, ...]) -> str | None:
    for back in range(1, min(len(x), len(y)) + 1):
        a, b = x[-back], y[-back]
        if a != b and 1 not in (a, b):
            place = "last sizes" if back == 1 else f"sizes {back} from the end,"
            return (
                f"cannot {op.name} shapes {x} and {y}: {place} {a} and {b} differ; "
                "reshape one, or check which axis is the batch"
            )
    return None


def _matmul(x: tuple[int, ...], y: tuple[int, ...]) -> str | None:
    if not x or not y:
        return f"cannot matmul shapes {x} and {y}: a number is no matrix; use * instead"
    inner = y[-2] if len(y) > 1 else y[0]
    if x[-1] != inner:
        return (
            f"cannot matmul shapes {x} and {y}: {x[-1]} columns meet {inner} rows; "
            "transpose one (x.mT), or check the layer sizes"
        )
    return None
