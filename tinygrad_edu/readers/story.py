"""Graph -> story: forward and backward pass as a list of events, each with its numbers and formula.

The backward half is what the engine's own pass reports as it visits nodes: it runs on stand-ins
made from the snapshot, so nothing the user holds is touched, and adding up the contributions gives
every gradient to the last bit.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy

from tinygrad_edu.engine.backprop import topological, walk
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.engine.value import Value
from tinygrad_edu.namespaces.arrays import NAMESPACES
from tinygrad_edu.node import Node, record, set_mode
from tinygrad_edu.readers.explaining import Explainer, Words
from tinygrad_edu.readers.telling import labels
from tinygrad_edu.readers.trace import Graph, GraphNode, trace


@dataclasses.dataclass(frozen=True, eq=False)
class Event:
    """One thing that happens.

    Attributes
    ----------
    kind : "forward": a result is computed.  "seed": the backward pass starts at a root.
        "contribute": a result gives an operand its share of the gradient.  "complete": everything
        that a node receives has arrived.
    node : the place, in the graph, of the node it happens to.
    value : the result computed, the seed, the contribution, or the whole gradient.
    total : what has arrived so far, this included; None for "forward".
    source, slot, upstream : for "contribute": the place of the result it comes from, which operand
        of it the node is, and the gradient of that result; None otherwise.
    received, expected : of how many contributions how many have arrived; a seed is none.
    """

    kind: str
    node: int
    value: Any
    total: Any = None
    source: int | None = None
    slot: int | None = None
    upstream: Any = None
    received: int = 0
    expected: int = 0
    told: Explainer = dataclasses.field(kw_only=True, repr=False)

    @property
    def title(self) -> str:
        """What happens, in a few words."""
        return self.told.title(self)

    @cached_property
    def formula(self) -> Words:
        """The rule behind it: ``∂L/∂n += ∂L/∂o · ∂o/∂n``."""
        return self.told.formula(self)

    @cached_property
    def local(self) -> Words:
        """For a contribution, how its last factor is worked out: ``∂y/∂x = 2 · x = 6``."""
        return self.told.local(self)

    @cached_property
    def numbers(self) -> Words:
        """The formula with its numbers, or shapes: ``1.414 · 0.5 = 0.7071``."""
        return self.told.numbers(self)

    @property
    def count(self) -> str:
        """``1 of 2 contributions received``; "" where nothing is awaited."""
        if self.kind == "forward" or not self.expected:
            return ""
        plural = "" if self.expected == 1 else "s"
        return f"{self.received} of {self.expected} contribution{plural} received"

    @property
    def line(self) -> tuple[str, int, str] | None:
        """File, number and text of the user's line behind it, if `record_lines` was on."""
        return self.told.line(self)

    @property
    def code(self) -> str:
        """The source of the operation's forward, or of its vjp for a contribution; "" for none."""
        return self.told.code(self)

    def __str__(self) -> str:
        lines = [self.title, str(self.formula), str(self.local), str(self.numbers)]
        return "\n  ".join(text for text in lines if text)


def story(
    root: Node | Graph | list[Node], *, gradient: Any = None, names: Any = None
) -> list[Event]:
    """Everything that happens in the forward and the backward pass of a graph, in order.

    Works before and after ``backward()``, and changes nothing.  `gradient` is what the backward
    pass starts with, needed where the root holds more than one number; several roots start with 1
    each.  Hooks are not called.

    >>> from tinygrad_edu import Value
    >>> n = Value(0.5, name="n")
    >>> for event in story((n * n).tanh()):
    ...     print(event.title)
    t1 = n · n
    t2 = tanh(t1)
    backward starts at t2
    the gradient of t2 is complete
    t2 gives t1 its share
    the gradient of t1 is complete
    t1 gives n its share, as operand 1
    t1 gives n its share, as operand 2
    the gradient of n is complete

    Raises
    ------
    ValueError
        If a root holds more than one number and no `gradient` is given.
    RuntimeError
        If an operand was changed in a way that lost the numbers of the forward pass.
    """
    graph = root if isinstance(root, Graph) else trace(root, names=names)
    _refuse_lost(graph)
    told = Explainer(graph)
    events = [
        Event("forward", node.index, node.data, told=told)
        for node in graph.nodes
        if node.op is not None
    ]
    return events + _backward(graph, told, gradient)


def replay(events: Iterable[Event]) -> dict[int, Any]:
    """The gradients that a story adds up to, by place in the graph.

    >>> from tinygrad_edu import Value
    >>> a, b = Value(2.0), Value(-3.0)
    >>> replay(story(a * b))
    {2: 1.0, 0: -3.0, 1: 2.0}
    """
    found: dict[int, Any] = {}
    for event in events:
        if event.kind in ("seed", "contribute"):
            before = found.get(event.node)
            found[event.node] = event.value if before is None else before + event.value
    return found


def _backward(graph: Graph, told: Explainer, gradient: Any) -> list[Event]:
    """The events of the backward pass, as the engine's walk reports them."""
    visits: list[tuple[int, Any, Sequence[Any]]] = []
    roots = [i for i in dict.fromkeys(graph.roots) if graph.nodes[i].requires_grad]
    if not roots:
        return []
    with set_mode(recording=True, lines=False, anomaly=False, scope=()):
        nodes = _stand_ins(graph)
        places = {node: i for i, node in enumerate(nodes)}
        seeds = {nodes[i]: _seed(graph, nodes[i], i, gradient) for i in roots}
        leaves = walk(
            topological(*seeds),
            dict(seeds),
            visit=lambda node, g, parts: visits.append((places[node], g, parts)),
        )
    whole = {i: g for i, g, _ in visits} | {places[leaf]: g for leaf, g in leaves.items()}
    expected = Counter(
        target
        for i, _, parts in visits
        for target, part in zip(graph.nodes[i].inputs, parts, strict=True)
        if part is not None
    )
    events: list[Event] = []
    total: dict[int, Any] = {}
    received: Counter[int] = Counter()

    def arrive(kind: str, node: int, value: Any, **origin: Any) -> None:
        total[node] = total[node] + value if node in total else value
        counts = {"received": received[node], "expected": expected[node]}
        events.append(Event(kind, node, value, total[node], **origin, **counts, told=told))
        if received[node] == expected[node]:
            events.append(Event("complete", node, whole[node], whole[node], **counts, told=told))

    for node, seed in seeds.items():
        arrive("seed", places[node], seed)
    for i, g, parts in visits:
        for slot, (target, part) in enumerate(zip(graph.nodes[i].inputs, parts, strict=True)):
            if part is not None:
                received[target] += 1
                arrive("contribute", target, part, source=i, slot=slot, upstream=g)
    return events


def _stand_ins(graph: Graph) -> list[Node]:
    """A node for each of the graph's, with the same numbers and nobody else's."""
    used = used_values(graph)
    nodes: list[Node] = []
    for n in graph.nodes:
        engine: type[Node] = Value if n.is_scalar else Tensor
        if n.op is None:
            node = engine._constant(used[n.index])
            node.requires_grad = n.requires_grad
        else:
            inputs = tuple(nodes[i] for i in n.inputs)
            node = record(n.op, engine, n.data, inputs, n.args, dict(n.options), True)
        nodes.append(node)
    return nodes


def used_values(graph: Graph) -> list[Any]:
    """What every node held when it was used: a leaf may have been changed since, by an optimizer.

    >>> from tinygrad_edu import Value, trace
    >>> a = Value(2.0)
    >>> y = a * 3
    >>> a.data = 7.0
    >>> used_values(trace(y))
    [2.0, 3.0, 6.0]
    """
    used = [node.data for node in graph.nodes]
    seen: set[int] = set()
    for node in graph.nodes:
        for i, arg in zip(node.inputs, node.args, strict=True):
            if graph.nodes[i].op is None and i not in seen:
                seen.add(i)
                used[i] = arg
    return used


def _seed(graph: Graph, node: Node, place: int, gradient: Any) -> Any:
    if gradient is None and graph.nodes[place].data is not None and _size(graph.nodes[place]) != 1:
        raise ValueError(
            f"a story of {labels(graph)[place]}, of shape {graph.nodes[place].shape}: only "
            "a single number has an obvious gradient of 1; reduce it first (loss.mean()), or pass "
            "gradient="
        )
    return node._seed(gradient)


def _size(node: GraphNode) -> int:
    return 1 if node.is_scalar else node.data.size


def _refuse_lost(graph: Graph) -> None:
    """Raise if an array was overwritten after it was used.

    An operand that was replaced since is no trouble, for the snapshot has what was used; one that
    was changed in place is: the result then no longer follows from it.
    """
    for node in graph.nodes:
        changed = [
            i
            for i, arg in zip(node.inputs, node.args, strict=True)
            if arg is not graph.nodes[i].data and not graph.nodes[i].is_scalar
        ]
        if changed and node.op is not None:
            xp = NAMESPACES[type(node.args[0])]
            again = node.op.forward(xp, *node.args, **node.options)
            if not numpy.array_equal(
                xp.to_device(again, device="cpu"),
                xp.to_device(node.data, device="cpu"),
                equal_nan=node.dtype.kind == "f",
            ):
                raise RuntimeError(
                    f"{labels(graph)[changed[0]]} was changed in place after "
                    f"{node.op.name} used it, so the numbers of the forward pass are gone; tell "
                    "the story before the update, or run the forward pass again"
                )
