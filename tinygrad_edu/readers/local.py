"""Local derivatives: how much a scalar result moves per unit of each operand.

Each is what the operation's own rule gives for an incoming gradient of 1, on the numbers that were
recorded; nothing here knows a formula.
"""

from __future__ import annotations

from tinygrad_edu.namespaces import floats
from tinygrad_edu.readers.trace import Graph


def local_derivatives(graph: Graph, index: int) -> dict[int, float]:
    """``{operand slot: d result / d operand}`` for the result at a place of the graph.

    Empty for leaves and arrays; operands that take no gradient are left out.

    >>> from tinygrad_edu import Value, trace
    >>> a, b = Value(2.0), Value(-3.0)
    >>> local_derivatives(trace(a * b), 2)
    {0: -3.0, 1: 2.0}
    """
    node = graph.nodes[index]
    if node.op is None or not node.is_scalar:
        return {}
    parts = node.op.rule(floats, 1.0, node.data, *node.args, **node.options)
    return {
        slot: float(part() if callable(part) else part)
        for slot, part in enumerate(parts)
        if part is not None and graph.nodes[node.inputs[slot]].requires_grad
    }
