"""Graph -> the part of it that is asked for: around a node, or found by name; and paths in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.trace import Graph, GraphNode, Group


def focus(graph: Graph, place: int, up: int = 2, down: int = 2) -> Graph:
    """The nodes at most `up` steps before the one at `place`, and at most `down` behind it.

    Where operands or uses are left out, a stub stands for them and says how many they are.

    >>> from tinygrad_edu import Value, trace
    >>> x = Value(1.0, name="x")
    >>> for _ in range(10):
    ...     x = x.tanh()
    >>> part = focus(trace(x), 5, up=1, down=1)
    >>> [n.op.name if n.op else n.group.label for n in part.nodes]
    ['1 before', 'tanh', 'tanh', 'tanh', '1 use']
    """
    users: dict[int, list[int]] = defaultdict(list)
    for start, end, _ in graph.edges:
        users[start].append(end)
    kept = {place}
    edge = {place}
    for _ in range(up):
        edge = {i for v in edge for i in graph.nodes[v].inputs} - kept
        kept |= edge
    edge = {place}
    for _ in range(down):
        edge = {i for v in edge for i in users[v]} - kept
        kept |= edge
    operands = {i for v in kept for i in graph.nodes[v].inputs}
    kept |= {i for i in operands if graph.nodes[i].is_leaf}  # names its numbers: no need to cut
    nodes: list[GraphNode] = []
    places: dict[int, int] = {}
    roots = []
    for node in graph.nodes:
        if node.index not in kept:
            continue
        cut = dict.fromkeys(i for i in node.inputs if i not in kept)
        if cut:
            hidden = [graph.nodes[i] for i in cut]
            nodes.append(_stub(len(nodes), (), f"{len(cut)} before", node, hidden))
            places.update(dict.fromkeys(cut, len(nodes) - 1))
        inputs = tuple(places[i] for i in node.inputs)
        places[node.index] = len(nodes)
        nodes.append(node.moved(len(nodes), inputs))
    for v in sorted(kept):
        more = len([w for w in users[v] if w not in kept])
        if v in graph.roots:
            roots.append(places[v])
        elif more:
            label = f"{more} use{'s' * (more > 1)}"
            roots.append(len(nodes))
            hidden = [graph.nodes[w] for w in users[v] if w not in kept]
            nodes.append(_stub(len(nodes), (places[v],), label, graph.nodes[v], hidden))
    return Graph(tuple(nodes), tuple(roots), graph.total or len(graph.nodes))


def _stub(
    index: int,
    inputs: tuple[int, ...],
    label: str,
    beside: GraphNode,
    hidden: list[GraphNode],
) -> GraphNode:
    """What stands for `hidden` nodes beside a node, in their frame if they share one."""
    frames = {(n.scope, n.calls) for n in hidden}
    scope, calls = frames.pop() if len(frames) == 1 else ((), ())
    return GraphNode(
        index=index,
        kind="cut",
        op=None,
        inputs=inputs,
        args=(),
        data=None,
        grad=None,
        shape=(),
        dtype=None,
        options={},
        requires_grad=False,
        name=None,
        scope=scope,
        line=None,
        calls=calls,
        origin=beside.place,
        group=Group(label, "cut", tuple(n.place for n in hidden) if not inputs else ()),
    )


def search(graph: Graph, name: str) -> list[int]:
    """The places of the nodes whose name, operation or innermost frame is `name`.

    Raises LookupError, with the nearest names, where there is none.

    >>> from tinygrad_edu import Value, trace
    >>> a = Value(1.0, name="a")
    >>> search(trace(a * a + a), "a"), search(trace(a * a + a), "add")
    ([0], [2])
    """
    found = [n.index for n in graph.nodes if name in _names(n)]
    if not found:
        import difflib

        known = sorted({known for n in graph.nodes for known in _names(n)})
        near = difflib.get_close_matches(name, known, n=3) or known[:8]
        raise LookupError(
            f"no node is called {wording.clean(name)!r}, and no operation or frame in this graph; "
            f"near it: {', '.join(wording.clean(other) for other in near) or 'nothing has a name'}"
        )
    return found


def _names(node: GraphNode) -> list[str]:
    names = [node.name, node.op.name if node.op else None, node.scope[-1] if node.scope else None]
    names.append(node.group.label if node.group else None)
    return [name for name in names if name]


def path(graph: Graph, start: int, end: int) -> set[int]:
    """The places of all nodes that lie on a way from `start` to `end`, both included.

    Raises ValueError where no way leads from one to the other.

    >>> from tinygrad_edu import Value, trace
    >>> a, b = Value(1.0), Value(2.0)
    >>> sorted(path(trace(a * b + a.exp()), 0, 4))
    [0, 2, 3, 4]
    """
    behind = {start}
    for node in graph.nodes:
        if any(i in behind for i in node.inputs):
            behind.add(node.index)
    before = {end}
    for node in reversed(graph.nodes):
        if node.index in before:
            before.update(node.inputs)
    found = behind & before
    if start not in found:
        raise ValueError(
            f"no way leads from node {start} to node {end}: the second does not depend on the first"
        )
    return found


def shown_as(graph: Graph, places: Iterable[int]) -> set[int]:
    """The nodes of a collapsed graph, or of a part, that stand for places of the whole."""
    wanted = set(places)
    return {
        n.index
        for n in graph.nodes
        if (wanted.intersection(n.group.members) if n.group else n.place in wanted)
    }
