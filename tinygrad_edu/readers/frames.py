"""Which frames each node is drawn in: scopes, told apart where the computation returns to one.

A module has a frame per call.  A scope entered again and again (attention, mlp, attention, mlp,
...) is one frame per visit.  As one frame it would come both before and after another, and no
drawing from left to right can show that.
"""

from __future__ import annotations

from collections import Counter

from tinygrad_edu.readers.cycles import without_cycles
from tinygrad_edu.readers.trace import Graph

Frame = tuple[tuple[str, int], ...]  # from the outside in: the scope's name, and which visit

OPENED = -1  # the number of the frame around an operation that was zoomed into
_MOST = 2_000_000  # nodes times scopes that may be returned to; beyond that, visits are one


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
    left = _left_and_entered(graph, max(map(len, paths)))
    several = len(left) * len(graph.nodes) <= _MOST
    visits = {path: _visits(graph, path) for path in left} if several else {}
    found: list[Frame] = []
    for node in graph.nodes:
        around = [node.scope[:depth] for depth in range(1, len(node.scope) + 1)]
        calls = node.calls or (0,) * len(around)
        found.append(
            tuple(
                (path[-1], call or (visits[path][node.index] if path in visits else 0))
                for path, call in zip(around, calls, strict=True)
            )
        )
    uses: dict[int, list[Frame]] = {}
    for start, end, _ in graph.edges:
        uses.setdefault(start, []).append(found[end])
    for node in graph.nodes:
        if node.op is None and node.kind != "cut" and node.index in uses:
            common = common_beginning(uses[node.index])
            opened = [i for i, (_, number) in enumerate(common) if number == OPENED]
            if opened and not node.scope:  # an operand of what was opened
                common = common[: opened[0]]
            names = tuple(name for name, _ in common)
            if node.scope:  # the visit in which it is used
                if names[: len(node.scope)] == node.scope:
                    found[node.index] = common[: len(node.scope)]
            elif node.kind != "input" or (node.is_scalar and node.requires_grad):
                found[node.index] = common
    return found


def _left_and_entered(graph: Graph, deepest: int) -> set[tuple[str, ...]]:
    """The scopes that the computation may leave and enter again: few, where there are many."""
    edges = [(start, end) for start, end, _ in graph.edges]
    found = set()
    for depth in range(1, deepest + 1):
        first: dict[tuple[str, ...], int] = {}
        part = [
            first.setdefault(n.scope[:depth], n.index) if len(n.scope) >= depth else n.index
            for n in graph.nodes
        ]
        together = without_cycles(part, edges)
        counts = Counter(one for _, one in {*zip(part, together, strict=True)})
        found |= {path for path, i in first.items() if counts[together[i]] > 1}
    return found


def _visits(graph: Graph, path: tuple[str, ...]) -> list[int]:
    """For each node, how often the computation that leads to it has left the scope `path`."""
    inside = [node.scope[: len(path)] == path for node in graph.nodes]
    left: list[int] = []
    for node in graph.nodes:
        here = inside[node.index]
        left.append(max([left[i] + (inside[i] and not here) for i in node.inputs], default=0))
    return left


def common_beginning(paths: list[Frame]) -> Frame:
    """The longest beginning that all of them share."""
    low, high = min(paths), max(paths)
    same = 0
    while same < len(low) and low[same] == high[same]:
        same += 1
    return low[:same]
