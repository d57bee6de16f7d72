"""A chain as one kernel of a GPU: each step a line of C++, the operands and the result its arrays.

The steps are those that the operations' own forward functions and rules have written down, so the
mathematics is theirs; here is only what C++ calls the names of the vocabulary.  CuPy compiles the
text for the card when the kernel is first called, and broadcasts the operands.
"""

from __future__ import annotations

import math

from tinygrad_edu.readers.program.steps import Step
from tinygrad_edu.readers.program.words import INFIX

# What is no function of C++'s: {0}, {1}, {2} stand for the operands, names or constants all.
_FORMS = {
    **{name: f"{{0}} {sign} {{1}}" for name, sign in INFIX.items()},
    "divide": "{0} / {1}",
    "negative": "-{0}",
    "maximum": "{0} != {0} || {0} > {1} ? {0} : {1}",  # nan wins, unlike in fmax
    "minimum": "{0} != {0} || {0} < {1} ? {0} : {1}",
    "sign": "{0} != {0} ? {0} : ({0} > 0) - ({0} < 0)",
    "where": "{0} ? {1} : {2}",
    "zeros_like": "0",
    "ones_like": "1",
}
# Functions of another name in C++; all others have ours.
_FUNCTIONS = {
    "abs": "fabs",
    "power": "pow",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
}
_TYPES = {"float32": "float", "float64": "double", "bool": "bool"}


def kernel(chain: Step) -> str:
    """The call that makes the kernel, as Python source."""
    steps = chain.options["steps"]
    called: list[str] = []
    lines: list[str] = []
    operands: list[str] = []
    for i, step in enumerate(steps):
        if step.name == "input":
            operands.append(f"{step.dtype} x_{len(operands) + 1}")
            called.append(f"x_{len(operands)}")
        elif step.name == "constant":
            called.append(_constant(step.data, _TYPES[str(chain.dtype)]))
        elif i == len(steps) - 1:
            lines.append(f"    out = {_expression(step, called)};")
        else:
            called.append(f"t_{len(lines) + 1}")
            kind = _TYPES[str(step.dtype)]
            lines.append(f"    const {kind} {called[-1]} = {_expression(step, called)};")
    body = "\n".join(lines)
    given = ", ".join(operands)
    return (
        f'ElementwiseKernel(\n    "{given}",\n    "{chain.dtype} out",\n'
        f'    """\n{body}\n    """,\n    "chain",\n)'
    )


def _expression(step: Step, called: list[str]) -> str:
    operands = [called[i] for i in step.inputs]
    if step.name in _FORMS:
        return _FORMS[step.name].format(*operands)
    return f"{_FUNCTIONS.get(step.name, step.name)}({', '.join(operands)})"


def _constant(number: float, kind: str) -> str:
    """A number in the type of the chain: as a double it would make doubles of all it meets."""
    if math.isfinite(number):
        return f"{kind}({number!r})" if number.__class__ is not bool else str(number).lower()
    return f"{kind}({'0.0' if number != number else '-1.0' if number < 0 else '1.0'} / 0.0)"
