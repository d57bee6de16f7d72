"""A rule as a text of one line: ``o · (1 + o)``, or ``G @ Wᵀ`` with its shapes.

Read from the rule itself, on symbols that carry the recorded values as examples; nothing here knows
a derivative.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_edu.namespaces.arrays import NAMESPACES
from tinygrad_edu.ops.registry import Op
from tinygrad_edu.readers import wording
from tinygrad_edu.readers.folding import Folding, fold, is_number
from tinygrad_edu.readers.symbols import Symbol, graph_of, read_rule
from tinygrad_edu.readers.trace import Graph, GraphNode

ARRIVING = "G"  # what the gradient of the result is called where it is an array
ARROW = "\u2192"
_LONG = 60  # characters; a longer formula is not written out
_COMPARISON, _SUM, _PRODUCT, _MINUS, _POWER, _ATOM = range(6)  # how tightly a text binds
_INFIX = {
    "add": ("+", _SUM),
    "subtract": (wording.MINUS, _SUM),
    "multiply": ("·", _PRODUCT),
    "divide": ("/", _PRODUCT),
    "matmul": ("@", _PRODUCT),
    "power": ("^", _POWER),
    "greater": (">", _COMPARISON),
    "greater_equal": ("≥", _COMPARISON),
    "less": ("<", _COMPARISON),
    "less_equal": ("≤", _COMPARISON),
    "equal": ("=", _COMPARISON),
    "not_equal": ("≠", _COMPARISON),
}
_ASSOCIATIVE = ("add", "multiply")
_MARKS: dict[str, Callable[[str], str]] = {
    "square": lambda x: f"{x}²",
    "matrix_transpose": lambda x: f"{x}ᵀ",
}


@dataclasses.dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule gives one operand.

    formula : as a text over the names of the operands and the result.
    shapes : how the shapes work out; "" for numbers.
    summed : what undoing a broadcast does, ``sum over axis 0: (32, 16) → (16,)``; mostly "".
    """

    formula: str
    shapes: str = ""
    summed: str = ""


def rule_texts(graph: Graph, index: int, names: list[str]) -> list[RuleText | None]:
    """What the rule of the result at a place of the graph gives each operand, in words.

    For numbers, the local derivative; for arrays, the contribution, made of `ARRIVING`.  A formula
    that would be long, or cannot be read, is the call of the rule, whose source can be shown.

    >>> from tinygrad_edu import Value, trace
    >>> from tinygrad_edu.readers.telling import labels
    >>> a, b = Value(2.0, name="a"), Value(3.0, name="b")
    >>> graph = trace(a / b, names={})
    >>> [text.formula for text in rule_texts(graph, 2, labels(graph))]
    ['1 / b', '\u2212(a / b / b)']
    """
    node = graph.nodes[index]
    assert node.op is not None
    xp = NAMESPACES[type(node.args[0])]
    operands = [
        Symbol(arg, xp, name=None if is_constant(graph.nodes[i]) else names[i])
        for arg, i in zip(node.args, node.inputs, strict=True)
    ]
    out = Symbol(node.data, xp, name=names[index])
    g = Symbol(xp.ones_like(node.data), xp, name=ARRIVING)
    call = _call(node.op, names[index], [names[i] for i in node.inputs])
    try:
        with numpy.errstate(all="ignore"):
            parts = read_rule(node.op, g, out, operands, node.options)
    except Exception:  # a learner's rule may do anything on symbols; its source can still be shown
        return [RuleText(call)] * len(operands)
    return [
        _text(part, operand, call, scalar=node.is_scalar) if part is not None else None
        for part, operand in zip(parts, operands, strict=True)
    ]


def is_constant(node: GraphNode) -> bool:
    """Whether a node is a number written into the computation, such as the 2 of ``x**2``."""
    return node.kind == "constant" and is_number(node)


def forward_text(node: GraphNode, operands: list[str]) -> str:
    """The operation of a result on texts for its operands: ``a · b``, ``sum(x, axis=0)``."""
    assert node.op is not None
    given = [(text, _ATOM if _is_atom(text) else _SUM) for text in operands]
    return _apply(node.op, node.options, given, same=False)[0]


def _is_atom(text: str) -> bool:
    return not text.startswith(wording.MINUS)


def _call(op: Op, result: str, operands: list[str]) -> str:
    if len(operands) > 3:
        operands = [*operands[:2], "…"]
    return f"{wording.clean(op.name, 30)}_vjp({', '.join([ARRIVING, result, *operands])})"


def _text(part: Symbol, operand: Symbol, call: str, *, scalar: bool) -> RuleText:
    graph = graph_of([part])
    folding = fold(graph, ARRIVING, one=scalar)
    formula = _formula(graph, folding)
    if scalar:
        return RuleText(formula or call)
    shapes = _shapes(graph, folding) if formula else wording.shape(part.shape)
    return RuleText(formula or call, shapes, _summed(part.shape, operand.shape))


def _formula(graph: Graph, folding: Folding) -> str | None:
    """The formula of the graph's root; None if it would be long, or not say what it is made of."""
    texts: dict[int, tuple[str, int]] = {}
    for node in graph.nodes:
        if node.index in folding.numbers:
            number = wording.number(folding.numbers[node.index])
            texts[node.index] = number, _ATOM if _is_atom(number) else _MINUS
        elif folding.same[node.index] != node.index:
            texts[node.index] = texts[folding.same[node.index]]
        elif node.op is None:
            if not node.name:  # made inside the rule
                return None
            texts[node.index] = node.name, _ATOM
        else:
            inputs = [folding.same[i] for i in node.inputs]
            same = len(set(inputs)) < len(inputs)
            texts[node.index] = _apply(node.op, node.options, [texts[i] for i in inputs], same)
            if len(texts[node.index][0]) > 4 * _LONG:  # a shared part would double and double again
                return None
    text = _within(texts[graph.roots[0]], _SUM)
    return text if len(text) <= _LONG else None


def _apply(op: Op, options: Any, operands: list[tuple[str, int]], same: bool) -> tuple[str, int]:
    """An operation on texts, each with how tightly it binds.

    same : whether both operands are the same node.
    """
    name = op.name
    if name == "multiply" and same:
        name, operands = "square", operands[:1]
    if name in _MARKS:
        return _MARKS[name](_within(operands[0], _ATOM)), _ATOM
    if name == "negative":
        return wording.MINUS + _within(operands[0], _POWER), _MINUS
    if name in _INFIX and len(operands) == 2:
        sign, level = _INFIX[name]
        left = _within(operands[0], _ATOM if name == "power" else level)
        right = _within(operands[1], level if name in _ASSOCIATIVE else level + 1)
        if right.startswith(wording.MINUS) and level > _COMPARISON:
            right = f"({right})"
        space = "" if name == "power" else " "
        return f"{left}{space}{sign}{space}{right}", level
    chosen = wording.options(op, options)
    inside = [text for text, _ in operands] + ([chosen] if chosen else [])
    if len(inside) > 6:
        inside[6:] = ["…"]
    return f"{wording.clean(op.name, 30)}({', '.join(inside)})", _ATOM


def _within(operand: tuple[str, int], need: int) -> str:
    text, level = operand
    return text if level >= need else f"({text})"


def _shapes(graph: Graph, folding: Folding) -> str:
    """How the shape of the root comes about, by its last operation."""
    root = graph.nodes[folding.same[graph.roots[0]]]
    result = wording.shape(root.shape)
    operands = [graph.nodes[i] for i in root.inputs if folding.same[i] not in folding.numbers]
    if root.op is None or not operands or root.index in folding.numbers:
        return result
    sign = f" {_INFIX[root.op.name][0]} " if root.op.name in _INFIX else ", "
    given = sign.join(wording.shape(node.shape) for node in operands[:3])
    return f"{given} {ARROW} {result}"


def _summed(part: tuple[int, ...], operand: tuple[int, ...]) -> str:
    if part == operand:
        return ""
    new = len(part) - len(operand)
    axes = [i for i, n in enumerate(part) if i < new or (operand[i - new] == 1 and n != 1)]
    if not axes:
        return ""
    over = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
    return f"sum over {over}: {wording.shape(part)} {ARROW} {wording.shape(operand)}"
