"""Graph -> Graph with one operation opened: the operations its forward is made of, in a frame."""

from __future__ import annotations

import dataclasses

from tinygrad_edu.engine.backprop import backward
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.engine.value import Value
from tinygrad_edu.node import Node, set_mode
from tinygrad_edu.ops.registry import graph as operations
from tinygrad_edu.readers import wording
from tinygrad_edu.readers.frames import OPENED
from tinygrad_edu.readers.trace import Graph, GraphNode, inputs_first, trace


def zoom(graph: Graph, place: int) -> Graph:
    """The graph with the result at `place` replaced by what its operation is made of.

    The forward is read on the recorded operands, and, where a gradient has arrived, the rules of
    its parts on that gradient: the numbers inside are those of the expansion.

    >>> from tinygrad_edu import Tensor, ops, trace
    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> [n.op.name for n in zoom(trace(ops.softmax(x)), 1).nodes if n.op]
    ['max', 'subtract', 'exp', 'sum', 'divide']

    Raises ValueError for a leaf, and for an operation that is not made of others.
    """
    node = graph.nodes[place]
    if node.op is None:
        raise ValueError(f"node {place} is no operation, so there is nothing to zoom into")
    leaves, out = _expanded(graph, node)
    order = inputs_first([out])
    given = dict(zip(leaves, node.inputs, strict=True))
    inside = trace(out)
    frame = wording.clean(node.op.name, 30)
    fresh = max(n.place for n in graph.nodes) + 1

    nodes: list[GraphNode] = []
    places: dict[int, int] = {}

    def add(node: GraphNode, inputs: tuple[int, ...]) -> int:
        nodes.append(node.moved(len(nodes), inputs))
        return len(nodes) - 1

    for outer in graph.nodes:
        if outer.index != place:
            places[outer.index] = add(outer, tuple(places[i] for i in outer.inputs))
            continue
        within: dict[int, int] = {}
        for live, part in zip(order, inside.nodes, strict=True):
            if live in given:
                within[part.index] = places[given[live]]
                continue
            is_result = live is out
            changed = dataclasses.replace(
                part,
                kind=node.kind if is_result else "result" if part.kind == "output" else part.kind,
                name=node.name if is_result else None,
                scope=(*node.scope, frame),
                calls=(*(node.calls or (0,) * len(node.scope)), OPENED),
                origin=node.place if is_result else fresh + part.index,
            )
            within[part.index] = add(changed, tuple(within[i] for i in part.inputs))
        places[place] = within[inside.roots[0]]
    roots = [places[root] for root in graph.roots]
    return _without_idle(nodes, roots, graph.total)


def _without_idle(nodes: list[GraphNode], roots: list[int], total: int) -> Graph:
    """The graph without nodes that lead nowhere: operands that only comparisons read."""
    used = {*roots}
    for node in reversed(nodes):
        if node.index in used:
            used.update(node.inputs)
    places: dict[int, int] = {}
    kept: list[GraphNode] = []
    for node in nodes:
        if node.index in used:
            places[node.index] = len(kept)
            kept.append(node.moved(len(kept), tuple(places[i] for i in node.inputs)))
    return Graph(tuple(kept), tuple(places[root] for root in roots), total)


def _expanded(graph: Graph, node: GraphNode) -> tuple[list[Node], Node]:
    """Stand-ins for the operands, and the result computed from them by the parts of the forward."""
    assert node.op is not None
    engine = Value if node.is_scalar else Tensor
    leaves: list[Node] = []
    for arg, i in zip(node.args, node.inputs, strict=True):
        leaf = engine._constant(arg)
        leaf.requires_grad = graph.nodes[i].requires_grad
        leaves.append(leaf)
    with set_mode(recording=True, lines=False, scope=()):
        try:
            out = node.op.forward(operations, *leaves, **node.options)
        except (TypeError, AttributeError) as error:
            raise _closed(node) from error
    if not isinstance(out, Node) or out.op is None or out.op is node.op:
        raise _closed(node)
    if node.grad is not None:
        backward(out, node.grad)
    return leaves, out


def _closed(node: GraphNode) -> ValueError:
    assert node.op is not None
    return ValueError(
        f"{node.op.name} is not made of other operations: its forward works on numbers at once; "
        "zoom into one that is, such as softmax"
    )
