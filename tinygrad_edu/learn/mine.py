"""The learner's own operation, put to work under everything the library does."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from tinygrad_edu.ops.registry import Op, edit, lookup

_swaps: dict[str, list[Mine]] = {}


class Mine:
    """An operation whose two functions have been swapped; also a context manager.

    Outside a ``with`` block the swap lasts until `undo`.

    >>> from tinygrad_edu import learn, ops
    >>> def forward(xp, x):
    ...     return xp.maximum(x, 0.0)
    >>> def rule(xp, g, out, x):
    ...     return (g * (x > 0),)
    >>> with learn.use_mine("relu", forward, rule) as mine:
    ...     print(isinstance(mine, Mine))
    True
    """

    def __init__(self, op: Op, forward: Callable[..., Any], rule: Callable[..., Any]) -> None:
        self.op = op
        self.functions = forward, rule
        self.before: tuple[Any, Any] = op.forward, op.rule

    @property
    def active(self) -> bool:
        """Whether the swap is in force."""
        return self in _swaps.get(self.op.name, [])

    def undo(self) -> None:
        """Give the operation back the functions it had before.  A second call does nothing.

        Raises RuntimeError if a later `use_mine` of the same operation is still in force.
        """
        if not self.active:
            return
        if _swaps[self.op.name][-1] is not self:
            raise RuntimeError(
                f"{self.op.name} was swapped again since; undo the later use_mine first"
            )
        _swaps[self.op.name].pop()
        edit(self.op, *self.before)

    def __enter__(self) -> Mine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.undo()

    def __repr__(self) -> str:
        return f"<{self.op.name}, {'yours' if self.active else 'undone'}>"


def use_mine(name: str, forward: Callable[..., Any], rule: Callable[..., Any]) -> Mine:
    """Your functions inside operation `name`, for every graph from now on, until ``.undo()``.

    forward : ``(xp, *operands, **options)`` as the library's.
    rule : ``(xp, g, out, *operands, **options)``; one gradient per operand.

    The operation itself stays the same object, so graphs, pictures and imports that hold it see
    your functions.  Running the cell again takes the place of its earlier run.

    >>> from tinygrad_edu import Value
    >>> def relu(xp, x):
    ...     return xp.where(x > 0, x, 0.0)
    >>> def relu_rule(xp, g, out, x):
    ...     return (xp.where(x > 0, g, 0.0),)
    >>> with use_mine("relu", relu, relu_rule):
    ...     y = Value(3.0).relu()
    >>> y.data
    3.0

    Raises KeyError if no operation has this name, TypeError if the parameters do not fit it.
    """
    op = lookup(name)
    mine = Op(forward, symbol=None, latex=None, differentiable=True)
    if _takes(mine) != _takes(op):
        raise TypeError(
            f"your {name} must take {_takes(op)} like the library's, not {_takes(mine)}"
        )
    mine.vjp(rule)  # refuses parameters that do not fit
    swap = Mine(op, forward, rule)
    stack = _swaps.setdefault(name, [])
    if stack and _same_cell(stack[-1].functions, swap.functions):
        swap.before = stack.pop().before
    edit(op, forward, rule)
    stack.append(swap)
    return swap


def _takes(op: Op) -> str:
    options = [*op.required, *(f"{name}={value!r}" for name, value in op.defaults.items())]
    return f"({', '.join(['xp', *op.operands, *(['*', *options] if options else [])])})"


def _same_cell(earlier: tuple[Any, Any], later: tuple[Any, Any]) -> bool:
    """Whether two pairs of functions are a definition and its repetition."""
    return [(f.__module__, f.__qualname__) for f in earlier] == [
        (f.__module__, f.__qualname__) for f in later
    ]
