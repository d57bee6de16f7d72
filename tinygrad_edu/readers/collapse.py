"""Graph -> smaller Graph: what is alike, or belongs together, becomes one node.

Every way to collapse says which nodes go together; `_contract` does the rest.  Nodes that lie on a
cycle once others have become one go together too, so a recurrent cell, whose steps depend on each
other in turn, closes to one node that was used many times.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.cycles import without_cycles
from tinygrad_edu.readers.frames import Frame, common_beginning, frames
from tinygrad_edu.readers.layered import ranks
from tinygrad_edu.readers.trace import Graph, GraphNode, Group

VISIBLE = 60  # nodes that a collapsed graph has at most
_CROWD = 6  # leaves of one node that are drawn apart at most, in a collapsed graph
_PARTS = 12  # into which a graph without any structure is cut, at most

Key = Hashable | None  # nodes of equal keys go together; None stays alone
_Namer = Callable[[Any, list[GraphNode]], Group]


def collapse(graph: Graph, to: int = VISIBLE) -> Graph:
    """The graph in at most `to` nodes, or as few as it takes: one that is small enough unchanged.

    In this order, until it fits: modules and scopes, from the innermost outwards; sums, neurons and
    runs of elementwise operations; what was used many times with the same parameters; siblings
    with parameters of their own; and, of what has no structure, parts of equal size.

    >>> from tinygrad_edu import Tensor, nn, trace
    >>> cell, x = nn.Linear(2, 2), Tensor([[1.0, 2.0]], name="x")
    >>> for _ in range(100):
    ...     x = cell(x)
    >>> [(n.group.label, n.group.times) for n in collapse(trace(x)).nodes if n.group]
    [('Linear', 100)]
    """
    if len(graph.nodes) <= to:
        return graph
    return _crowds(_small(graph, to))


def _small(graph: Graph, to: int) -> Graph:
    found = _fitting_modules(graph, to)
    for step in (_arithmetic, _constants, _repeats, _parameters):
        if _fits(found, to):
            return found
        found = step(found)
    worth_while = True
    while worth_while and not _fits(found, to):  # each round may make more things alike
        before, found = len(found.nodes), _parameters(_siblings(found))
        worth_while = len(found.nodes) < 0.9 * before
    if len(found.nodes) <= to:
        return found
    found = _leaves(_constants(_parts(found, to)))
    return found if len(found.nodes) <= to else _all_leaves(found)


def _fits(graph: Graph, to: int) -> bool:
    """Whether a graph has few enough nodes, and not so many edges that they hide each other."""
    return len(graph.nodes) <= to and sum(len(n.inputs) for n in graph.nodes) <= 2 * to


def modules(graph: Graph, depth: int | None = None) -> Graph:
    """The graph with every module, or `scope`, as one node.

    depth : how many modules may stand around each other; 1 for the outermost only.  By default the
        innermost are collapsed, and those around them stay frames.

    >>> from tinygrad_edu import Tensor, nn, trace
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> graph = trace(model(Tensor([[1.0, 2.0, 3.0, 4.0]], name="x")))
    >>> [n.name or n.group.label for n in modules(graph).nodes]
    ['x', '0 (Linear)', '1 (ReLU)', '2 (Linear)']
    >>> [n.name or n.group.label for n in modules(graph, depth=1).nodes]
    ['x', 'Sequential']
    """
    return _contract(graph, _module_keys(frames(graph), depth), _module)


# Modules


def _fitting_modules(graph: Graph, to: int) -> Graph:
    """Modules collapsed as far inside as leaves the graph small enough; else the outermost."""
    around = frames(graph)
    deepest = max(map(len, around))
    if not deepest:
        return graph
    for depth in range(deepest, 0, -1):
        found = _parameters(_contract(graph, _module_keys(around, depth), _module))
        # A module that is used again and again is one box at once, also where there is room.
        for step in (_whole_repeats, _parameters, _rows):
            found = step(found)
            if step is not _whole_repeats and _fits(found, to):
                return found
    return _parameters(_repeats(found))


def _rows(graph: Graph) -> Graph:
    """Three and more modules of the same make that follow each other, as the first of them."""
    users = _users(graph)
    keys: list[Key] = [None] * len(graph.nodes)
    for node in graph.nodes:
        row, last = [node], node
        while len(ends := {*users.get(last.index, ())}) == 1 and last.index not in graph.roots:
            last = graph.nodes[ends.pop()]
            if not _same_module(node, last) or keys[last.index] or len({*last.inputs}) > 1:
                break
            row.append(last)
        if len(row) > 2 and keys[node.index] is None:
            for n in row:
                keys[n.index] = node.index + 1

    def name(key: int, nodes: list[GraphNode]) -> Group:
        groups = [n.group for n in nodes if n.group is not None]
        label = f"{groups[0].label} … {groups[-1].label}"
        return Group(wording.clean(label, 40), "module", siblings=len(nodes) - 1)

    return _contract(graph, keys, name)


def _same_module(one: GraphNode, other: GraphNode) -> bool:
    a, b = one.group, other.group
    if a is None or b is None or a.kind != "module" or b.kind != "module":
        return False
    if (one.scope, one.calls) != (other.scope, other.calls):
        return False
    make = [g.label.rpartition("(")[2] for g in (a, b)]
    return make[0] == make[1] and (a.operations, a.parameters) == (b.operations, b.parameters)


def _module_keys(around: list[Frame], depth: int | None) -> list[Key]:
    outer = {path[:i] for path in around for i in range(len(path))}
    return [
        path[:depth]
        if path and (len(path) >= (depth or len(path) + 1) or path not in outer)
        else None
        for path in around
    ]


def _module(key: Frame, nodes: list[GraphNode]) -> Group:
    return Group(key[-1][0], "module")


# Leaves


def _constants(graph: Graph) -> Graph:
    """Constants of one element into the operation that uses them."""
    return _absorbed(graph, lambda leaf, _: leaf.kind == "constant" and math.prod(leaf.shape) == 1)


def _parameters(graph: Graph) -> Graph:
    """Parameters into the group that alone uses them; data stays outside."""

    def belongs(leaf: GraphNode, user: GraphNode) -> bool:
        if user.group is None:
            return False
        if user.group.weights:
            return leaf.place in user.group.weights
        return leaf.kind != "input" or (leaf.is_scalar and leaf.requires_grad)

    return _absorbed(graph, belongs)


def _absorbed(graph: Graph, belongs: Callable[[GraphNode, GraphNode], bool]) -> Graph:
    """Leaves used in one place only into their user, where `belongs(leaf, user)`."""
    keys: list[Key] = [None] * len(graph.nodes)
    for leaf, users in _users(graph).items():
        node, user = graph.nodes[leaf], graph.nodes[users[0]]
        alone = node.is_leaf and len({*users}) == 1 and leaf not in graph.roots
        if alone and belongs(node, user):
            keys[leaf] = keys[user.index] = user.index

    def name(key: int, nodes: list[GraphNode]) -> Group:
        user = graph.nodes[key]
        if user.group is not None:
            return user.group
        return Group(_applied(graph, user), "arithmetic")

    return _contract(graph, keys, name)


def _applied(graph: Graph, node: GraphNode) -> str:
    """An operation with its constants, such as ``* 2``; the others are left out."""
    constants = [graph.nodes[i] for i in node.inputs if graph.nodes[i].kind == "constant"]
    numbers = [wording.number(c.data if c.is_scalar else c.data.item()) for c in constants]
    return wording.clean(" ".join([node.op.symbol, *numbers]), 20)


def _leaves(graph: Graph, least: int = 2) -> Graph:
    """Leaves that are used by the same nodes, `least` and more of them, as one."""
    users = {leaf: frozenset(ends) for leaf, ends in _users(graph).items()}
    keys: list[Key] = [
        (n.kind, n.scope, users[n.index]) if n.is_leaf and n.index in users else None
        for n in graph.nodes
    ]
    counts = Counter(keys)
    return _contract(graph, [k if counts[k] >= least else None for k in keys], _named_leaves)


def _crowds(graph: Graph) -> Graph:
    """Many leaves of one node as one: they say less than what they lead to."""
    return _leaves(graph, _CROWD + 1)


def _all_leaves(graph: Graph) -> Graph:
    return _contract(graph, [n.is_leaf or None for n in graph.nodes], _named_leaves)


def _named_leaves(key: Key, nodes: list[GraphNode]) -> Group:
    count = sum(len(n.group.members) if n.group else 1 for n in nodes)
    kinds = {n.kind for n in nodes}
    kind = kinds.pop() if len(kinds) == 1 else "leave"
    return Group(f"{count:,} {'leaves' if kind in ('leave', 'group') else kind + 's'}", "leaves")


# Arithmetic


def _arithmetic(graph: Graph) -> Graph:
    """Sums of three and more, neurons, and runs of elementwise operations on one operand."""
    users = _users(graph)
    inner = {v for v, ends in users.items() if len(ends) == 1 and v not in graph.roots}
    keys: list[Key] = [None] * len(graph.nodes)
    found: dict[int, Group] = {}

    def next_operation(v: int) -> GraphNode | None:
        """The elementwise operation that alone takes the result at `v`, and nothing else."""
        user = graph.nodes[users[v][0]] if v in inner else None
        if user is None or keys[user.index] is not None or not _is_run(graph, user):
            return None
        return user

    for node in reversed(graph.nodes):
        if keys[node.index] is not None or not _is(node, "add"):
            continue
        sums, terms = [], []
        waiting = [node.index]
        while waiting:
            v = waiting.pop()
            if _is(graph.nodes[v], "add") and (v == node.index or v in inner):
                sums.append(v)
                waiting += reversed(graph.nodes[v].inputs)
            else:
                terms.append(v)
        products = [
            v
            for v in terms
            if v in inner
            and _is(graph.nodes[v], "multiply")
            and any(graph.nodes[i].is_leaf for i in graph.nodes[v].inputs)
        ]
        others = [v for v in terms if v not in products and not graph.nodes[v].is_leaf]
        is_neuron = bool(products) and not others
        if not is_neuron and len(terms) < 3:
            continue
        members = [*sums, *products] if is_neuron else sums
        label = "neuron" if is_neuron else f"Σ of {len(terms)}"
        last = next_operation(node.index) if is_neuron else None
        if last is not None and len(last.inputs) == 1:  # its activation
            members.append(last.index)
            label = f"{last.op.symbol} neuron"
        for v in members:
            keys[v] = node.index
        weights = {v for v in terms if graph.nodes[v].is_leaf}
        for v in products:  # of two leaves the first, as everybody writes w * x
            weights.add(next(i for i in graph.nodes[v].inputs if graph.nodes[i].is_leaf))
        places = frozenset(graph.nodes[v].place for v in weights if graph.nodes[v].requires_grad)
        found[node.index] = Group(label, "arithmetic", weights=places)
    for node in graph.nodes:
        if keys[node.index] is None and _is_run(graph, node):
            run, last = [node], next_operation(node.index)
            while last is not None:
                run.append(last)
                last = next_operation(last.index)
            if len(run) > 1:
                for n in run:
                    keys[n.index] = node.index
                shown = [n.op.symbol for n in run[:3]] + ["…"] * (len(run) > 3)
                label = wording.clean(" → ".join(shown), 24)
                found[node.index] = Group(label, "arithmetic")
    return _contract(graph, keys, lambda key, _: found[key])


def _is(node: GraphNode, name: str) -> bool:
    return node.op is not None and node.op.name == name


def _is_run(graph: Graph, node: GraphNode) -> bool:
    """Whether a node is an elementwise operation on one operand and constants."""
    if node.op is None or node.op.family != "elementwise":
        return False
    return sum(graph.nodes[i].kind != "constant" for i in node.inputs) == 1


# What is alike


def _whole_repeats(graph: Graph) -> Graph:
    return _repeats(graph, whole=True)


def _repeats(graph: Graph, whole: bool = False) -> Graph:
    """What was done several times with the same parameters, as one node used that many times.

    whole : only where that swallows nothing else.
    """
    weights = [_weights(graph, n) for n in graph.nodes]
    keys: list[Key] = []
    for n in graph.nodes:
        alike = n.group is not None and n.group.kind in ("module", "arithmetic")
        keys.append((_what(n), n.scope, weights[n.index]) if alike and weights[n.index] else None)
    counts = Counter(keys)
    keys = [key if counts[key] > 1 else None for key in keys]
    if whole:  # nothing between them may disappear with them: a module around them says more
        first: dict[Hashable, int] = {}
        part = [i if key is None else first.setdefault(key, i) for i, key in enumerate(keys)]
        together = without_cycles(part, [(a, b) for a, b, _ in graph.edges])
        mixed = {one for one, key in zip(together, keys, strict=True) if key is None}
        keys = [None if one in mixed else k for one, k in zip(together, keys, strict=True)]

    def name(key: Any, nodes: list[GraphNode]) -> Group:
        groups = [n.group for n in nodes if n.group is not None]
        times = Counter(weights[n.index] for n in nodes if n.group is not None)
        often = {*times.values()}
        return Group(
            _together([g.label for g in groups], len(times)),
            groups[0].kind,
            weights=frozenset().union(*times),
            times=often.pop() if len(often) == 1 else 1,
        )

    return _contract(graph, keys, name)


def _weights(graph: Graph, node: GraphNode) -> frozenset[int]:
    """The places of the leaves that tell a group from others of the same make: its parameters."""
    if node.group is not None and node.group.weights:
        return node.group.weights
    leaves = [graph.nodes[i] for i in node.inputs if graph.nodes[i].is_leaf]
    return frozenset(
        x.place for x in leaves if x.kind == "parameter" or (x.is_scalar and x.requires_grad)
    )


def _siblings(graph: Graph) -> Graph:
    """Nodes of the same make, with the same operands and users, as one and "+ N more"."""
    users = {v: frozenset(ends) for v, ends in _users(graph).items()}
    keys: list[Key] = [
        (_what(n), n.scope, frozenset(n.inputs), users.get(n.index, n.index)) for n in graph.nodes
    ]

    def name(key: Any, nodes: list[GraphNode]) -> Group:
        first = nodes[0]
        if first.is_leaf:
            return _named_leaves(key, nodes)
        group = first.group or Group(first.op.symbol, "arithmetic")
        hidden = sum(1 + (n.group.siblings if n.group else 0) for n in nodes) - 1
        return dataclasses.replace(group, siblings=hidden)

    counts = Counter(keys)
    return _contract(graph, [key if counts[key] > 1 else None for key in keys], name)


def _what(node: GraphNode) -> Hashable:
    """The make of a node: what is equal in two nodes that are drawn alike."""
    if node.group is not None:
        if node.group.kind == "leaves":
            return "leaves", node.kind
        return node.group.label, node.group.kind, node.group.times
    return (node.kind, node.op.name if node.op else None, node.shape)


def _together(labels: list[str], makes: int) -> str:
    """The label of several things that became one."""
    different = list(dict.fromkeys(labels))
    if len(different) > 1:
        return wording.clean(", ".join(different), 30)
    return different[0] if makes == 1 else f"{makes} {different[0]}s"


# What has no structure


def _parts(graph: Graph, to: int) -> Graph:
    """All but leaves and a few outputs in parts of equal size, by how far in they come."""
    rank = ranks(len(graph.nodes), [(a, b) for a, b, _ in graph.edges])
    apart = graph.roots if len(graph.roots) < min(_PARTS, to - 1) else ()
    count = min(_PARTS, to - 1 - len(apart))
    inside = [n.index for n in graph.nodes if not n.is_leaf and n.index not in apart]
    sizes = Counter(rank[v] for v in inside)
    part, so_far = {}, 0
    for r in sorted(sizes):  # all of one rank stand in the same part, so that there are no cycles
        part[r] = so_far * count // len(inside)
        so_far += sizes[r]
    keys: list[Key] = [None] * len(graph.nodes)
    for v in inside:
        keys[v] = part[rank[v]]
    numbers = {key: i + 1 for i, key in enumerate(dict.fromkeys(part[r] for r in sorted(part)))}
    return _contract(
        graph, keys, lambda key, _: Group(f"part {numbers[key]} of {len(numbers)}", "part")
    )


# Contraction


def _users(graph: Graph) -> dict[int, list[int]]:
    """For each node that is used its users, one entry per use."""
    users: dict[int, list[int]] = defaultdict(list)
    for node in graph.nodes:
        for i in node.inputs:
            users[i].append(node.index)
    return users


def _contract(graph: Graph, keys: Sequence[Key], name: _Namer) -> Graph:
    """The graph with the nodes of each key as one, and with them whatever would form a cycle.

    name : for a key and its nodes, the group they are; counts are filled in here.
    """
    if all(key is None for key in keys):
        return graph
    first: dict[Hashable, int] = {}
    part = [i if key is None else first.setdefault(key, i) for i, key in enumerate(keys)]
    part = without_cycles(part, [(a, b) for a, b, _ in graph.edges])
    members: dict[int, list[GraphNode]] = defaultdict(list)
    for node in graph.nodes:
        members[part[node.index]].append(node)
    inputs = {
        p: list(dict.fromkeys(part[i] for n in nodes for i in n.inputs if part[i] != p))
        for p, nodes in members.items()
    }
    order = _inputs_first([part[root] for root in graph.roots], inputs)
    places = {p: i for i, p in enumerate(order)}
    roots = tuple(dict.fromkeys(places[part[root]] for root in graph.roots))
    outside = {
        i for a, i in ((part[n.index], i) for n in graph.nodes for i in n.inputs) if part[i] != a
    }
    outside.update(graph.roots)
    nodes = []
    for place, p in enumerate(order):
        inside = members[p]
        key = next((keys[n.index] for n in inside if keys[n.index] is not None), None)
        if len(inside) == 1 and (key is None or not _names_one(key)):
            slots = [places[part[i]] for i in inside[0].inputs]
            nodes.append(_moved(inside[0], place, slots))
        else:
            given = tuple(places[q] for q in inputs[p])
            shown = [n for n in inside if n.index in outside]
            is_root = place in roots
            nodes.append(_group_node(place, given, inside, shown, name(key, inside), is_root))
    return Graph(tuple(nodes), roots, graph.total or len(graph.nodes))


def _moved(node: GraphNode, place: int, inputs: Iterable[int]) -> GraphNode:
    """The node at another place; a group has one edge from each of its operands."""
    given = inputs if node.group is None else dict.fromkeys(inputs)
    return node.moved(place, tuple(given))


def _names_one(key: Key) -> bool:
    """Whether a key makes a group of a single node too: modules have names."""
    return isinstance(key, tuple) and isinstance(key[0], tuple)


def _group_node(
    place: int,
    inputs: tuple[int, ...],
    inside: list[GraphNode],
    shown: list[GraphNode],
    group: Group,
    is_root: bool,
) -> GraphNode:
    """One node for those `inside`; `shown` are the ones that are used outside."""
    norms = [norm for n in inside if (norm := _norm(n)) is not None]
    filled = dataclasses.replace(
        group,
        members=tuple(i for n in inside for i in (n.group.members if n.group else (n.place,))),
        operations=sum(n.group.operations if n.group else n.op is not None for n in inside),
        parameters=sum(n.group.parameters if n.group else _size(n) for n in inside),
        norm=math.hypot(*norms) if norms else None,
    )
    one = shown[0] if len(shown) == 1 and group.kind != "leaves" else None
    kinds = {n.kind for n in inside}
    kind = kinds.pop() if group.kind == "leaves" and len(kinds) == 1 else "group"
    made = [n for n in inside if not n.is_leaf] or inside
    scope = common_beginning(
        [tuple(zip(n.scope, n.calls or (0,) * len(n.scope), strict=True)) for n in made]
    )
    if group.kind == "module" and scope and scope[-1][0] == group.label:
        scope = scope[:-1]
    return GraphNode(
        index=place,
        kind="output" if is_root else kind,
        op=None,
        inputs=inputs,
        args=(),
        data=one.data if one else None,
        grad=one.grad if one else None,
        shape=one.shape if one else (),
        dtype=one.dtype if one else None,
        options={},
        requires_grad=any(n.requires_grad for n in inside),
        name=None,
        scope=tuple(name for name, _ in scope),
        line=None,
        calls=tuple(call for _, call in scope),
        origin=inside[0].place,
        group=filled,
    )


def _size(node: GraphNode) -> int:
    """How many trainable numbers a leaf holds."""
    return math.prod(node.shape) if node.is_leaf and node.requires_grad else 0


def _norm(node: GraphNode) -> float | None:
    """The norm of a leaf's gradient, or of those in a group; None where there is none."""
    if node.group is not None:
        return node.group.norm
    if not node.is_leaf or node.grad is None:
        return None
    if node.is_scalar:
        return abs(node.grad)
    return wording.norm(node.grad)


def _inputs_first(roots: list[int], inputs: dict[int, list[int]]) -> list[int]:
    """All parts that lead to `roots`, operands before results."""
    order: dict[int, None] = {}
    stack = roots[::-1]
    while stack:
        v = stack[-1]
        waiting = [w for w in inputs[v] if w not in order] if v not in order else []
        if waiting:
            stack += reversed(waiting)
        else:
            order.setdefault(stack.pop())
    return list(order)
