"""Which frames each node is drawn in: scopes, told apart where the computation returns to one.

A scope entered again and again (attention, mlp, attention, mlp, ...) is one frame per visit.  As
one frame it would come both before and after another, and no drawing from left to right can show
that.
"""

from __future__ import annotations

from tinygrad_edu.readers.trace import Graph

Frame = tuple[tuple[str, int], ...]  # from the outside in: the scope's name, and which visit

_MOST = 2_000_000  # nodes times scopes; beyond that visits are not told apart


def frames(graph: Graph) -> list[Frame]:
    """For each node the frames around it, outermost first; () for none.

    A leaf made outside any scope stands in the innermost frame that holds all its uses, unless it
    takes no gradient: data stays outside.

    >>> from tinygrad_edu import Value, scope, trace
    >>> x = Value(1.0)
    >>> with scope("layer"):
    ...     y = x * x
    >>> frames(trace(y + 1))
    [(('layer', 0),), (('layer', 0),), (), ()]
    """
    paths = {node.scope[:depth] for node in graph.nodes for depth in range(1, len(node.scope) + 1)}
    if not paths:
        return [()] * len(graph.nodes)
    several = len(paths) * len(graph.nodes) <= _MOST
    visits = {path: _visits(graph, path) for path in paths} if several else {}
    found: list[Frame] = []
    for node in graph.nodes:
        around = [node.scope[:depth] for depth in range(1, len(node.scope) + 1)]
        found.append(
            tuple((path[-1], visits[path][node.index] if several else 0) for path in around)
        )
    uses: dict[int, list[Frame]] = {}
    for start, end, _ in graph.edges:
        uses.setdefault(start, []).append(found[end])
    for node in graph.nodes:
        if node.op is None and node.index in uses:
            common = _common(uses[node.index])
            names = tuple(name for name, _ in common)
            if node.scope:  # the visit in which it is used
                if names[: len(node.scope)] == node.scope:
                    found[node.index] = common[: len(node.scope)]
            elif node.requires_grad or node.kind == "constant":
                found[node.index] = common
    return found


def _visits(graph: Graph, path: tuple[str, ...]) -> list[int]:
    """For each node, how often the computation that leads to it has left the scope `path`."""
    inside = [node.scope[: len(path)] == path for node in graph.nodes]
    left: list[int] = []
    for node in graph.nodes:
        here = inside[node.index]
        left.append(max([left[i] + (inside[i] and not here) for i in node.inputs], default=0))
    return left


def _common(paths: list[Frame]) -> Frame:
    """The longest beginning that all of them share."""
    low, high = min(paths), max(paths)
    same = 0
    while same < len(low) and low[same] == high[same]:
        same += 1
    return low[:same]
