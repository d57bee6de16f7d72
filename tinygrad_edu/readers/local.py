"""Local derivatives: how much a scalar result moves per unit of each operand.

Each is what the operation's own rule gives for an incoming gradient of 1, on the numbers that were
recorded; nothing here knows a formula.
"""

from __future__ import annotations

from tinygrad_edu.namespaces import floats
from tinygrad_edu.readers.trace import Graph, GraphNode


def local_derivatives(graph: Graph) -> dict[tuple[int, int], float]:
    """``{(result, operand slot): d result / d operand}`` for the scalar results of a graph.

    Operands that take no gradient (constants, conditions) and array results are left out.

    >>> from tinygrad_edu import Value, trace
    >>> a, b = Value(2.0), Value(-3.0)
    >>> local_derivatives(trace(a * b))
    {(2, 0): -3.0, (2, 1): 2.0}
    """
    found = {}
    for node in graph.nodes:
        if node.op is not None and node.is_scalar:
            for slot, part in enumerate(_parts(node)):
                if part is not None and graph.nodes[node.inputs[slot]].requires_grad:
                    found[node.index, slot] = float(part() if callable(part) else part)
    return found


def _parts(node: GraphNode) -> tuple:
    return node.op.rule(floats, 1.0, node.data, *node.args, **node.options)
