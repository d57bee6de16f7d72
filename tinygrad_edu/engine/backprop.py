"""The one backward pass: a topological order, and one step per node.

`walk` is the whole algorithm.  `backward` stores what it yields on the nodes, `grad` returns it,
and the readers tell its story; none of them repeats it.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from tinygrad_edu.namespaces.arrays import NAMESPACES, namespace_of
from tinygrad_edu.node import Node, current_mode, describe, refuse_traced, set_mode
from tinygrad_edu.ops.registry import graph


def topological(*roots: Node) -> list[Node]:
    """The recorded nodes under `roots`, each after every node that uses it: outputs first.

    Leaves are left out.  Depth first: a node is put down once everything under it has been, and
    what was put down last comes first.  No recursion, and nodes are visited, not paths: a chain of
    a million operations and ``y = y + y`` sixty deep are both ordered in one sweep.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    waiting: list[Any] = [*roots]
    while waiting:
        node = waiting.pop()
        if node is None:  # everything under the node before it has been put down
            order.append(waiting.pop())
        elif node.op is not None and node not in seen:
            seen.add(node)
            if node._inputs is not None:
                waiting += (node, None, *node._inputs[::-1])
            elif node._y is None:
                waiting += (node, None, node._x)
            else:
                waiting += (node, None, node._y, node._x)
    order.reverse()  # the last operation first, which is near in memory to the one before it
    return order


def walk(
    order: list[Node],
    seeds: dict[Node, Any],
    *,
    create_graph: bool = False,
    store: bool = False,
    free: bool = False,
    visit: Callable[[Node, Any, Sequence[Any]], object] | None = None,
) -> dict[Node, Any]:
    """Send gradients from outputs to leaves, one node at a time; return what reached the leaves.

    order : from `topological`.  seeds : the gradients to start from.

    For every node that a gradient reached, ``visit(node, gradient, contributions)`` is called:
    `contributions` are what its rule gave each operand, already of the operand's shape, or None.

    With `create_graph` the same rules read nodes instead of numbers, so the gradients are nodes
    that can be differentiated again.  With `store` inner nodes keep their gradient.  With `free`
    every node lets go of its operands once it is done.
    """
    engine = next(iter(seeds)).engine
    fit, holds = engine._fit, engine.holds
    arrays = fit is not None and not create_graph
    anomaly = current_mode().anomaly
    watched = anomaly or visit is not None
    leaves: dict[Node, Any] = {}
    arrived, lazy = leaves.get, types.FunctionType
    for node, seed in seeds.items():
        if node.op is None:
            leaves[node] = seed
        else:
            node._work = seed
    if free:
        order.reverse()
    try:
        for node in _draining(order) if free else order:
            g = node._work
            if g is None:
                continue
            node._work = None
            note = node._note
            if note is not None and note.hooks:
                g = _run_hooks(note.hooks, g)
            try:
                turns: Any  # for each operand: the node, its data, what the rule gave it
                rule = node.op.rule  # as node.op.rule(...) it costs more
                if node.options:
                    rule = functools.partial(rule, **node.options)
                if node._inputs is not None or create_graph:
                    turns = _apply_rule(node, rule, g, create_graph)
                elif node._y is None:
                    data = node._x_data
                    parts = rule(NAMESPACES[data.__class__], g, node._data, data)
                    if len(parts) != 1:
                        _refuse_count(parts, node)
                    turns = ((node._x, data, parts[0]),)
                else:
                    data, other = node._x_data, node._y_data
                    parts = rule(NAMESPACES[data.__class__], g, node._data, data, other)
                    if len(parts) != 2:
                        _refuse_count(parts, node)
                    turns = ((node._x, data, parts[0]), (node._y, other, parts[1]))
                if watched:
                    given: list[Any] = []
                for x, data, part in turns:
                    if x._data is not data:
                        _refuse_changed(node, x)
                    if not x.requires_grad:
                        part = None
                    if part is not None:
                        if part.__class__ is lazy:
                            part = part()
                        if fit is not None and (
                            part.shape != data.shape
                            or part.dtype is not data.dtype
                            or part.__class__ is not holds
                        ):
                            part = fit(part, data)
                        if x.op is not None:
                            before = x._work
                            x._work = part if before is None else before + part
                        else:
                            before = arrived(x)
                            if before is not None:
                                leaves[x] = before + part
                            elif arrays and (part is g or part.base is not None):
                                leaves[x] = part.copy()  # the leaf's own, to be changed in place
                            else:
                                leaves[x] = part
                    if watched:
                        given.append(part)
            except Exception as error:
                error.args = (f"{error} ({_where(node, g)})", *error.args[1:])
                raise
            if watched:
                if anomaly:
                    _refuse_nan(node, given)
                if visit is not None:
                    visit(node, g, given)
            if store:
                node._grad = g
            if free:
                node._let_go()
    except BaseException:  # on success every node has passed its gradient on already
        for node in order:
            node._work = None
        raise
    return leaves


def _apply_rule(
    node: Node, rule: Any, g: Any, create_graph: bool
) -> Iterator[tuple[Node, Any, Any]]:
    """For each operand the node, its data and what the rule gives it: lazy where it chose to be."""
    inputs, args = node.inputs, node.args
    if create_graph:
        with set_mode(in_rule=True):
            parts = rule(graph, g, node, *inputs)
    else:
        parts = rule(NAMESPACES[args[0].__class__], g, node._data, *args)
    if len(parts) != len(args):
        _refuse_count(parts, node)
    return zip(inputs, args, parts, strict=True)


def _draining(order: list[Node]) -> Iterator[Node]:
    """The nodes from the end of `order`, letting go of each."""
    while order:
        yield order.pop()


def backward(root: Node, gradient: Any = None, *, free: bool = False) -> None:
    """Send `gradient` (1 by default) from `root` to every leaf that requires one.

    Leaves add what arrives to their ``.grad``; inner nodes keep theirs for pictures until the next
    pass overwrites it.  Nothing is stored on a leaf before the whole pass has succeeded.

    Raises
    ------
    RuntimeError
        If nothing was recorded, or an operand was changed since it was used.
    ValueError
        If the root has more than one element and no `gradient` is given, or shapes differ.
    """
    refuse_traced(root)
    capture = current_mode().capture
    seeds = {root: _seed(root, gradient)}
    for leaf, g in walk(topological(root), seeds, store=not free, free=free).items():
        if leaf._note is not None and leaf._note.hooks:
            g = _run_hooks(leaf._note.hooks, g)
        if capture is not None:
            capture.gradient(leaf)
        leaf._grad = g if leaf._grad is None else leaf._grad + g


def grad(
    output: Node,
    inputs: Node | Sequence[Node],
    gradient: Any = None,
    *,
    create_graph: bool = False,
) -> Any:
    """The gradient of `output` with respect to `inputs`, returned as nodes and stored nowhere.

    One node, of the input's shape, for one input, a tuple for a sequence; an input that `output`
    does not depend on gives zeros.  With ``create_graph=True`` the results are part of a graph and
    can be differentiated again, to any order.

    >>> from tinygrad_edu import Value, grad
    >>> x = Value(3.0)
    >>> first = grad(x**3, x, create_graph=True)
    >>> second = grad(first, x)
    >>> first.data, second.data
    (27.0, 18.0)
    """
    wanted = [inputs] if isinstance(inputs, Node) else list(inputs)
    seed = _seed(output, gradient)
    found: dict[Node, Any] = {}
    asked = set(wanted)

    def collect(node: Node, g: Any, _: Sequence[Any]) -> None:
        if node in asked:
            found[node] = g

    nodes = create_graph or current_mode().tape is not None  # a program must see what is computed
    with set_mode(recording=create_graph):
        seeds = {output: output._constant(seed) if nodes else seed}
        found |= walk(topological(output), seeds, create_graph=nodes, visit=collect)
    results = []
    for x in wanted:
        g = found.get(x)
        if g is None:
            g = namespace_of(x._data).zeros_like(x._data)
        results.append(g if isinstance(g, Node) else x._constant(g))
    return results[0] if isinstance(inputs, Node) else tuple(results)


def _seed(root: Node, gradient: Any) -> Any:
    if not root.requires_grad:
        raise RuntimeError(
            f"backward from {describe(root)}: nothing was recorded, because no leaf under it has "
            "requires_grad=True, it was computed inside no_grad(), or backward(free=True) has "
            "dropped its graph"
        )
    return root._seed(gradient)


def _run_hooks(hooks: list[Any], g: Any) -> Any:
    for hook in list(hooks):
        changed = hook(g)
        g = g if changed is None else changed
    return g


def register_hook(node: Node, hook: Callable[[Any], Any]) -> Callable[[], None]:
    """Call ``hook(gradient)`` whenever the whole gradient of `node` has arrived in a backward pass.

    What the hook returns, unless None, takes the gradient's place.  Returns a function that
    removes the hook.
    """
    refuse_traced(node)
    if node.note.hooks is None:
        node.note.hooks = []
    hooks = node.note.hooks
    hooks.append(hook)

    def remove() -> None:
        if hook in hooks:
            hooks.remove(hook)

    return remove


def _where(node: Node, g: Any) -> str:
    """A sentence for an error inside a rule: which operation, which shapes, which line."""
    shapes = ", ".join(str(getattr(x, "shape", ())) for x in node.args)
    line = f", recorded at {node.line[0]}:{node.line[1]}" if node.line else ""
    name = node.op.name if node.op else "?"
    return (
        f"in the backward rule of {name}: operand shapes {shapes}, gradient shape "
        f"{getattr(g, 'shape', ())}{line}"
    )


def _refuse_count(parts: Sequence[Any], node: Node) -> NoReturn:
    raise ValueError(f"{len(parts)} gradients for {len(node.args)} operands")


def _refuse_changed(node: Node, x: Node) -> NoReturn:
    name = node.op.name if node.op else "?"
    line = f" (line {node.line[1]} of {node.line[0]})" if node.line else ""
    raise RuntimeError(
        f"{describe(x)} was changed after {name}{line} used it, so the gradient of {name} would be "
        "wrong; run the forward pass again before backward(), or change a copy"
    )


def _refuse_nan(node: Node, contributions: Sequence[Any]) -> None:
    for x, part in zip(node.inputs, contributions, strict=True):
        data = part._data if isinstance(part, Node) else part
        if part is not None and x._has_nan(data):
            line = f"; recorded at {node.line[0]}:{node.line[1]}" if node.line else ""
            assert node.op is not None
            raise FloatingPointError(
                f"the backward rule of {node.op.name} gave nan to {describe(x)}{line}"
            )


def detect_anomaly() -> Any:
    """A ``with`` block for finding a nan: the first rule that gives one raises, naming itself.

    Also records source lines, so the message names the line of your code.  Run both the forward and
    the backward pass inside.

    >>> from tinygrad_edu import Value, detect_anomaly
    >>> x = Value(0.0, name="x")
    >>> with detect_anomaly():
    ...     (x * float("inf") * 0.0).backward()
    Traceback (most recent call last):
    FloatingPointError: the backward rule of multiply gave nan to 'x' of shape (); ...
    """
    return set_mode(anomaly=True, lines=True)
