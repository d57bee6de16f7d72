"""Node -> Graph: a snapshot of a recorded computation as pure data, with nothing live in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tinygrad_edu.node import Node, nodes_in


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
    requires_grad, name, scope, line : as on the live node.
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

    @property
    def is_scalar(self) -> bool:
        """Whether it holds one Python float rather than an array."""
        return self.dtype is None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A recorded computation: nodes with operands before results, and the places of the roots."""

    nodes: tuple[GraphNode, ...]
    roots: tuple[int, ...]

    @property
    def edges(self) -> list[tuple[int, int, int]]:
        """One (from, to, operand slot) per use of a node."""
        return [(i, n.index, slot) for n in self.nodes for slot, i in enumerate(n.inputs)]

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
    labels = {
        node: name
        for name, node in (names or {}).items()
        if isinstance(node, Node) and not name.startswith("_")
    }
    scopes = _scopes(order)
    copies: dict[int, Any] = {}
    nodes = tuple(
        GraphNode(
            index=i,
            kind=_kind(node, node in ends),
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
            scope=scopes.get(node, node.scope),
            line=node.line,
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


def _scopes(order: list[Node]) -> dict[Node, tuple[str, ...]]:
    """The frames of the nodes made by modules: `scope` blocks and calls, outermost first.

    A call is remembered on what it returned; what it made lies between that and its arguments.
    """
    calls: dict[int, tuple[Any, list[Node]]] = {}
    for node in order:
        for call in _calls(node):
            calls.setdefault(id(call[2]), (call, []))[1].append(node)
    made = [(call, _made(call, returned)) for call, returned in calls.values()]
    made.sort(key=lambda found: -len(found[1]))  # a call inside another made fewer
    around: dict[Node, list[tuple[int, str]]] = {}
    for (module, _, _, depth, _), nodes in made:
        kind = type(module).__name__
        label = f"{module._attribute} ({kind})" if module._attribute else kind
        for node in nodes:
            around.setdefault(node, []).append((depth, label))
    found = {}
    for node, labels in around.items():
        path: list[str] = []
        opened = 0
        for depth, label in labels:
            path += [*node.scope[opened:depth], label]
            opened = max(opened, depth)
        found[node] = (*path, *node.scope[opened:])
    return found


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


def _kind(node: Node, is_root: bool) -> str:
    if node.op is not None:
        return "output" if is_root else "result"
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
