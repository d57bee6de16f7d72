"""Two graphs of the same computation -> one that shows what changed between them."""

from __future__ import annotations

import dataclasses

from tinygrad_edu.readers.trace import Graph, GraphNode


def diff(before: Graph, after: Graph) -> Graph:
    """The graph `after`, each node with what it was `before`: draw it to see both side by side.

    The graphs are from `trace`, of the same computation at two times, such as before and after a
    training step.

    >>> from tinygrad_edu import Value, diff, draw, trace
    >>> w = Value(2.0, name="w")
    >>> before = trace(w * w)
    >>> w.data = 1.5
    >>> draw(diff(before, trace(w * w)))
    <Drawing of 2 nodes: t1 = w * w>

    Raises ValueError, with the first difference, if they are not of the same computation.
    """
    if len(before.nodes) != len(after.nodes):
        raise ValueError(
            f"the graphs differ in size, {len(before.nodes)} nodes and {len(after.nodes)}: diff "
            "compares one computation at two times"
        )
    for old, new in zip(before.nodes, after.nodes, strict=True):
        if old.op is not new.op or old.inputs != new.inputs or old.shape != new.shape:
            raise ValueError(
                f"node {new.index} was {_told(old)} and is {_told(new)}: diff compares one "
                "computation at two times"
            )
    nodes = [
        dataclasses.replace(new, before=old)
        for old, new in zip(before.nodes, after.nodes, strict=True)
    ]
    return Graph(tuple(nodes), after.roots, after.total)


def _told(node: GraphNode) -> str:
    made = f"{node.op.name} of nodes {', '.join(map(str, node.inputs))}" if node.op else "a leaf"
    return f"{made}, of shape {node.shape}"
