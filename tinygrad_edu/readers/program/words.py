"""The names that a program is made of, and what each is like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_edu.namespaces.vocabulary import ELEMENTWISE, VOCABULARY
from tinygrad_edu.ops.registry import lookup
from tinygrad_edu.readers.program.steps import CHAIN, LEAVES, SOURCE, Step

OPERATORS = ("add", "subtract", "multiply", "negative")
COMPARISONS = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")

# Names that Python and C++ write between their operands.
INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
}

# Names whose result may be a view: the same memory, seen in another way.
VIEWS = ("reshape", "transpose", "matrix_transpose", "broadcast_to", "getitem", "flip", "unfold")

# Names that can write their result into an array that is given: `exp(x, out=x)`.
INTO = {
    *(name for name in ELEMENTWISE if isinstance(getattr(numpy, name, None), numpy.ufunc)),
    *OPERATORS,
    *COMPARISONS,
} - {"power"}  # `Arrays.power` is x**y, which is quicker

# Names whose results nobody else holds.
FRESH = INTO | {"matmul", "where", "astype", "power", "erf", CHAIN}
FRESH |= {"sum", "max", "min", "prod", "cumsum"}


def kept(name: str) -> bool:
    """Whether an operation is called as a whole, rather than written out in the vocabulary.

    Convolution and pooling are programs of their own; random numbers must be drawn in each run.
    """
    op = lookup(name)
    return op.family == "random" or (op.family == "windows" and name not in VOCABULARY)


def may_alias(step: Step) -> bool:
    """Whether the result may share memory with the first operand."""
    if step.name in (*LEAVES, SOURCE, CHAIN) or not step.inputs:
        return False
    whole = kept(step.name) and family(step) != "random"
    return step.name in (*VIEWS, "einsum", "to_device") or whole


def family(step: Step) -> str:
    """The file of ops/ that a step's name is from; nothing for a leaf."""
    if step.name == SOURCE:
        return "random"
    return "" if step.name in (*LEAVES, CHAIN) else lookup(step.name).family


def meaning(name: str, xp: Any) -> Callable[..., Any]:
    """What a name does under a namespace: its function, or an operation as a whole."""
    if name in (*OPERATORS, *COMPARISONS) and hasattr(xp, "library"):  # so that it takes `out`
        xp = xp.library
    elif name not in VOCABULARY or kept(name):
        op = lookup(name)
        return lambda *operands, **options: op.forward(xp, *operands, **options)
    found: Callable[..., Any] = getattr(xp, name)
    return found
