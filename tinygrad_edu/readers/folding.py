"""What a formula need not say: ``x + 0``, ``1 * x``, ``x**1``, and guards against 0 times inf."""

from __future__ import annotations

import dataclasses

from tinygrad_edu.readers.trace import Graph, GraphNode


@dataclasses.dataclass(slots=True)
class Folding:
    """Per node what it is written as instead.

    same : the place of the node it equals, its own where it is written itself.
    numbers : by place, what is a plain number.
    """

    same: list[int]
    numbers: dict[int, float]


def fold(graph: Graph, guard: str | None = None, *, one: bool = False) -> Folding:
    """The folding of a graph.

    guard : the name of the incoming gradient; it, and what is made of it, is taken not to be 0.
    one : for numbers, read that gradient as 1, so that what is left is the local derivative, and
    work out what is made of numbers only.
    """
    found = Folding([node.index for node in graph.nodes], {})
    arriving: set[int] = set()  # what the incoming gradient is part of
    for node in graph.nodes:
        if (guard and node.name == guard) or not arriving.isdisjoint(node.inputs):
            arriving.add(node.index)
        if node.op is None:
            if node.kind == "constant" and is_number(node):
                found.numbers[node.index] = float(node.data)
            elif one and node.name == guard:
                found.numbers[node.index] = 1.0
        else:
            _fold(node, found, arriving)
            known = node.index in found.numbers or found.same[node.index] != node.index
            if one and not known and all(i in found.numbers for i in node.inputs):
                found.numbers[node.index] = float(node.data)
    return found


def is_number(node: GraphNode) -> bool:
    """Whether a node holds one real number and nothing else."""
    return node.shape == () and (node.is_scalar or node.dtype.kind in "iuf")


def _fold(node: GraphNode, found: Folding, arriving: set[int]) -> None:
    same = [found.same[i] for i in node.inputs]
    numbers = [found.numbers.get(i) for i in same]
    match node.op.name, numbers:
        case ("add" | "subtract", [_, 0.0]) | ("multiply" | "divide" | "power", [_, 1.0]):
            found.same[node.index] = same[0]
        case ("add", [0.0, _]) | ("multiply", [1.0, _]):
            found.same[node.index] = same[1]
        case ("multiply", [0.0, _] | [_, 0.0]):
            found.numbers[node.index] = 0.0
        case ("power", [_, 0.0]):
            found.numbers[node.index] = 1.0
        case ("equal", [_, 0.0]) if same[0] in arriving:
            found.numbers[node.index] = 0.0
        case ("where", [0.0, _, _]):
            found.same[node.index] = same[2]
