"""Node -> Graph: a snapshot of a recorded computation as pure data, with nothing live in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tinygrad_edu.node import Node, nodes_in


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """What one node of a collapsed graph stands for.

    Attributes
    ----------
    label : what it is: "fc1 (Linear)", "neuron", "12 inputs".
    kind : "module", "arithmetic", "leaves", "part" (of what has no structure) or "cut" (a stub).
    members : places of its nodes in the graph as traced.
    operations, parameters : how many there are in it; parameters are counted in numbers.
    norm : of the gradient of its parameters; None where none has arrived.
    weights : places of the leaves that tell it from others of the same make, where known.
    times : how many times it was used, with the same parameters.
    siblings : how many others like it, with parameters of their own, are not shown.
    """

    label: str
    kind: str
    members: tuple[int, ...] = ()
    operations: int = 0
    parameters: int = 0
    norm: float | None = None
    weights: frozenset[int] = frozenset()
    times: int = 1
    siblings: int = 0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class GraphNode:
    """One node of a `Graph`.

    Attributes
    ----------
    index : its place in ``Graph.nodes``; operands have smaller ones.
    kind : "input", "parameter" (a leaf that requires a gradient), "constant", "result" or "output".
    op : the operation that made it, None for a leaf.
    inputs : the places of its operands, in order; one twice in ``x * x``.
    args : what the operands held when the operation ran, in order; copies.
    data, grad : copies; `grad` is None where none has arrived.
    shape, dtype : of an array; () and None for a Value.
    options : the operation's metadata.
    requires_grad, name, scope, line : as on the live node; a module is in `scope` as well.
    calls : for each frame in `scope` which call of a module it is, counted from 1; 0 for a block.
    origin : its place in the graph as traced, where this is a part of one.
    before : the same node at an earlier time, in what `diff` returns.
    group : what it stands for, in a collapsed graph; its data and the rest are then those of the
        one node in it that is used outside, or None.
    """

    index: int
    kind: str
    op: Any  # Op | None
    inputs: tuple[int, ...]
    args: tuple[Any, ...]
    data: Any
    grad: Any
    shape: tuple[int, ...]
    dtype: Any
    options: Mapping[str, Any]
    requires_grad: bool
    name: str | None
    scope: tuple[str, ...]
    line: tuple[str, int] | None
    calls: tuple[int, ...] = ()
    origin: int | None = None
    before: GraphNode | None = None
    group: Group | None = None

    @property
    def place(self) -> int:
        """Its place in the graph as traced: what it is known by in every part of that."""
        return self.index if self.origin is None else self.origin

    def moved(self, index: int, inputs: tuple[int, ...]) -> GraphNode:
        """The same node at another place, in a part of the graph."""
        node = object.__new__(GraphNode)
        for name in _FIELDS:  # `dataclasses.replace` takes five times as long
            object.__setattr__(node, name, getattr(self, name))
        object.__setattr__(node, "origin", self.place)
        object.__setattr__(node, "index", index)
        object.__setattr__(node, "inputs", inputs)
        return node

    @property
    def is_leaf(self) -> bool:
        """Whether nothing in the graph leads to it."""
        return not self.inputs and self.op is None

    @property
    def is_scalar(self) -> bool:
        """Whether it holds one Python float rather than an array."""
        return self.dtype is None


_FIELDS = tuple(field.name for field in dataclasses.fields(GraphNode))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A recorded computation: nodes with operands before results, and the places of the roots."""

    nodes: tuple[GraphNode, ...]
    roots: tuple[int, ...]
    total: int = 0  # in a collapsed graph or a part of one: how many nodes there are

    @property
    def edges(self) -> list[tuple[int, int, int]]:
        """One (from, to, operand slot) per use of a node."""
        return [(i, n.index, slot) for n in self.nodes for slot, i in enumerate(n.inputs)]

    @property
    def hides(self) -> bool:
        """Whether nodes are left out or stand for several."""
        return self.total > len(self.nodes)

    @property
    def has_gradients(self) -> bool:
        """Whether any node holds a gradient."""
        return any(n.grad is not None for n in self.nodes)


def trace(root: Node | list[Node] | tuple[Node, ...], *, names: Any = None) -> Graph:
    """A snapshot of everything recorded under `root`, or under several roots.

    names : a mapping from names to nodes, such as ``locals()``; labels nodes that have no name.

    >>> from tinygrad_edu import Value, trace
    >>> a = Value(2.0, name="a")
    >>> [n.kind for n in trace(a * a + 1).nodes]
    ['input', 'result', 'constant', 'output']

    Raises TypeError if a root is not a node.
    """
    roots = list(root) if isinstance(root, list | tuple) else [root]
    for r in roots:
        if not isinstance(r, Node):
            raise TypeError(f"trace needs a Value or a Tensor, not {type(r).__name__}")
    order = inputs_first(roots)
    ends = set(roots)
    places = {node: i for i, node in enumerate(order)}
    labels: dict[Node, str] = {
        node: name
        for name, node in (names or {}).items()
        if isinstance(node, Node) and not name.startswith("_")
    }
    scopes, given, own = _modules(order)
    labels = own | labels
    copies: dict[int, Any] = {}
    nodes = tuple(
        GraphNode(
            index=i,
            kind=_kind(node, node in ends, node in given),
            op=node.op,
            inputs=tuple(places[x] for x in node.inputs),
            args=tuple(_copy(x, copies) for x in node.args),
            data=_copy(node._data, copies),
            grad=_copy(node._grad, copies),
            shape=getattr(node, "shape", ()),
            dtype=getattr(node, "dtype", None),
            options=node.options,
            requires_grad=node.requires_grad,
            name=node.name or labels.get(node),
            scope=scopes[node][0] if node in scopes else node.scope,
            line=node.line,
            calls=scopes[node][1] if node in scopes else (0,) * len(node.scope),
        )
        for i, node in enumerate(order)
    )
    return Graph(nodes, tuple(places[r] for r in roots))


def inputs_first(roots: list[Any]) -> list[Any]:
    """Every node under `roots`, operands before results, in the order a reader works them out:
    the first operand of an operation, with all that leads to it, before the second.

    A node is anything that has `inputs` and can be hashed.
    """
    order: dict[Any, None] = {}
    stack = roots[::-1]
    while stack:
        node = stack[-1]
        waiting = [x for x in node.inputs if x not in order] if node not in order else []
        if waiting:
            stack += reversed(waiting)
        else:
            order.setdefault(stack.pop())
    return list(order)


def _modules(
    order: list[Node],
) -> tuple[dict[Node, tuple[tuple[str, ...], tuple[int, ...]]], set[Node], dict[Node, str]]:
    """The frames of the nodes that modules made, `scope` blocks and calls, outermost first, with
    the numbers of the calls; the leaves that modules were given; and the names of their own.

    A call is remembered on what it returned; what it made lies between that and its arguments.
    """
    calls: dict[int, tuple[Any, list[Node]]] = {}
    for node in order:
        for call in _calls(node):
            calls.setdefault(id(call[2]), (call, []))[1].append(node)
    numbers: dict[int, int] = {}
    made = []
    for call, returned in calls.values():
        module = call[0]
        numbers[id(module)] = number = numbers.get(id(module), 0) + 1
        kind = type(module).__name__
        label = f"{module._attribute} ({kind})" if module._attribute else kind
        made.append((_made(call, returned), call[3], label, number))
    made.sort(key=lambda found: -len(found[0]))  # a call inside another made fewer
    around: dict[Node, list[tuple[int, str, int]]] = {}
    for nodes, *frame in made:
        for node in nodes:
            around.setdefault(node, []).append(tuple(frame))
    found = {}
    for node, frames in around.items():
        path: list[tuple[str, int]] = []
        blocks = [(name, 0) for name in node.scope]
        opened = 0
        for depth, label, number in frames:
            path += [*blocks[opened:depth], (label, number)]
            opened = max(opened, depth)
        names, numbered = zip(*path, *blocks[opened:], strict=True)
        found[node] = (names, numbered)
    given = {x for call, _ in calls.values() for x in nodes_in(call[1:3]) if x.op is None}
    modules = {id(call[0]): call[0] for call, _ in calls.values()}
    own = {
        x: name
        for module in modules.values()
        for name, x in module.__dict__.items()
        if isinstance(x, Node)
    }
    return found, given, own


def _calls(node: Node) -> list[Any]:
    """The module calls that returned a node, outermost first: (module, args, kwargs, depth, ...).

    The depth is how many `scope` blocks were open around the call.
    """
    found, call = [], node._call
    while call is not None:
        found.append(call)
        call = call[4]
    return found


def _made(call: Any, returned: list[Node]) -> list[Node]:
    """The nodes from the arguments of a call to what it returned, without the arguments.

    What an earlier call of the same module returned, and it kept, was not made by this one.
    """
    module, args, kwargs, _, _ = call
    seen = {*nodes_in((args, kwargs))}
    nodes, waiting = [], list(returned)
    while waiting:
        node = waiting.pop()
        if node.op is None or node in seen:
            continue
        seen.add(node)
        if any(other[0] is module and other[2] is not kwargs for other in _calls(node)):
            continue
        nodes.append(node)
        waiting += node.inputs
    return nodes


def _kind(node: Node, is_root: bool, is_given: bool) -> str:
    if node.op is not None:
        return "output" if is_root else "result"
    if is_given:
        return "input"
    if not node.requires_grad:
        return "constant" if node.name is None else "input"
    return "input" if getattr(node, "dtype", None) is None else "parameter"


def _copy(data: Any, copies: dict[int, Any]) -> Any:
    """A copy of `data`, the same one for the same array."""
    if not hasattr(data, "copy"):
        return data
    if id(data) not in copies:
        copies[id(data)] = data.copy()
    return copies[id(data)]
