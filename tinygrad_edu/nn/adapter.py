"""From an operation to a function with PyTorch's name and arguments.

`ops` speaks NumPy (``axis``, several optional operands), `nn.functional` speaks PyTorch (``dim``,
``weight=None, bias=None``).  The translation is a line of a table; `from_op` writes the function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.ops.registry import Op

Sizes: TypeAlias = int | Sequence[int]  # one number for all spatial axes, or one for each


def from_op(
    op: Op, signature: str, /, *, helpers: Any = (), **options: str
) -> Callable[..., Tensor]:
    """A function that calls `op` and takes the arguments in `signature`, defaults included.

    options : what the operation's options are in terms of the arguments, where the names differ:
        ``axis="dim"``.
    helpers : functions that those expressions call.

    The first arguments are the operands; a later one is the option of its name, or feeds an
    expression, or is an optional operand, left out when it is None.

    The function is written as text and compiled, as `dataclasses` does for ``__init__``: it has a
    real signature, and calling it costs one Python call.

    >>> from tinygrad_edu import Tensor, ops
    >>> softmax = from_op(ops.softmax, "input, dim", axis="dim")
    >>> softmax(Tensor([0.0, 0.0]), dim=0).tolist()
    [0.5, 0.5]
    """
    names = [part.partition("=")[0].strip() for part in signature.split(",")]
    names = [name for name in names if name != "*"]
    fixed = sum(not name.startswith("*") for name in op.operands)
    used = {word for text in options.values() for word in re.findall(r"[a-z_]\w*", text)}
    known = {*op.defaults, *op.required} - options.keys()
    optional = [name for name in names[fixed:] if name not in known and name not in used]
    passed = names[:fixed] + ([f"*_given({', '.join(optional)})"] if optional else [])
    passed += [f"{name}={name}" for name in names[fixed:] if name in known]
    passed += [f"{name}={text}" for name, text in options.items()]
    source = f"def {op.name}({signature}):\n    return _call({', '.join(passed)})\n"
    space: dict[str, Any] = {"_call": op.call, "_given": given}
    space.update((helper.__name__, helper) for helper in helpers)
    exec(compile(source, __file__, "exec"), space)  # in this file's name: no line of the user's
    function: Callable[..., Tensor] = space[op.name]
    function.__module__ = "tinygrad_edu.nn.functional"
    function.__doc__ = _documentation(op, names[:fixed], options)
    return function


def given(*operands: Any) -> tuple[Any, ...]:
    """Optional operands without the missing ones at the end; a missing weight before a bias is 1.

    >>> given(None, None), given(2.0, None), given(None, 3.0)
    ((), (2.0,), (1.0, 3.0))
    """
    present = [i for i, x in enumerate(operands) if x is not None]
    kept = operands[: present[-1] + 1] if present else ()
    return tuple(1.0 if x is None else x for x in kept)


def per_axis(value: Any, axes: int, name: str) -> tuple[Any, ...]:
    """What PyTorch lets be one number for all axes, or one for each: a number for each.

    >>> per_axis(3, 2, "stride"), per_axis([1, 2], 2, "stride")
    ((3, 3), (1, 2))
    """
    if not isinstance(value, Sequence):
        return (value,) * axes
    if len(value) != axes:
        raise ValueError(f"{name} is one number, or one for each of {axes} axes; it is {value}")
    return tuple(value)


def _documentation(op: Op, operands: list[str], options: dict[str, str]) -> str:
    there = [*zip(op.operands, operands, strict=False), *options.items()]
    words = [f"``{theirs}`` is {ours}" for theirs, ours in there if ours.isidentifier()]
    return f"{(op.__doc__ or '').rstrip()}\n\n    Runs ``ops.{op.name}``: {', '.join(words)}."
