"""What a backward pass needs from the forward pass, and how much memory that is.

Found by running each rule on named symbols and looking which of them its results are made of, so a
new operation needs no entry anywhere: `tanh` keeps its result, `multiply` both operands, `add`
nothing.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Container
from typing import Any

import numpy

from tinygrad_edu.namespaces.arrays import NAMESPACES
from tinygrad_edu.node import Node
from tinygrad_edu.ops.kept import Memory
from tinygrad_edu.readers import wording
from tinygrad_edu.readers.symbols import Symbol, read_rule
from tinygrad_edu.readers.telling import labels
from tinygrad_edu.readers.trace import Graph, GraphNode, inputs_first, trace

_FOR_THE_SHAPE = ("zeros_like", "ones_like")  # of their operand these read nothing else


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """What the backward pass of a graph needs.

    Attributes
    ----------
    reads : for each result the places of the nodes whose values its rule reads, itself perhaps.
    bytes : for each node whose value some rule reads, how much it is; what shares the memory of
        another node is 0.
    held : bytes of all results: what the engine holds until the graph is dropped.
    graph : the graph.
    """

    reads: dict[int, tuple[int, ...]]
    bytes: dict[int, int]
    held: int
    graph: Graph

    @property
    def results(self) -> int:
        """Bytes of the results that are needed: what an engine that drops the others would hold."""
        return sum(n for i, n in self.bytes.items() if self.graph.nodes[i].op is not None)

    @property
    def leaves(self) -> int:
        """Bytes of the leaves that are kept: parameters and data, there before and afterwards."""
        return sum(n for i, n in self.bytes.items() if self.graph.nodes[i].op is None)

    def __str__(self) -> str:
        names = labels(self.graph)
        lines = []
        for place, places in self.reads.items():
            what = ", ".join(names[i] for i in places) or "nothing"
            op = self.graph.nodes[place].op
            lines.append((f"{wording.clean(op.name, 30)} -> {names[place]}", f"keeps {what}"))
        width = max((wording.cells(left) for left, _ in lines), default=0)
        table = [f"{left}{' ' * (width - wording.cells(left))}  {right}" for left, right in lines]
        needed = f"needed: {self.results:,} of {self.held:,} bytes of results"
        return "\n".join([*table, f"{needed}, and {self.leaves:,} of leaves"])


def keeps(root: Node | list[Node] | Graph) -> Kept:
    """What the backward pass from a node needs, found by reading every rule under it.

    The engine itself holds every value, so that learners can look at them; `Kept.held` is how much.
    Of a live node, arrays that share memory are counted once.

    >>> from tinygrad_edu import Value
    >>> a, b = Value(2.0, name="a"), Value(3.0, name="b")
    >>> c = (a * b).tanh() + a
    >>> print(keeps(c))
    multiply -> t1  keeps a, b
    tanh -> t2      keeps t2
    add -> t3       keeps nothing
    needed: 24 of 72 bytes of results, and 48 of leaves
    """
    graph = root if isinstance(root, Graph) else trace(root)
    reads = {n.index: reads_of(graph, n) for n in graph.nodes if n.op is not None}
    live = (
        [] if isinstance(root, Graph) else inputs_first(root if isinstance(root, list) else [root])
    )
    values = [x._data for x in live] if live else [n.data for n in graph.nodes]
    sizes = _sizes(values, sorted({i for places in reads.values() for i in places}), reads)
    held = _sizes(values, sorted(reads), reads)
    return Kept(reads, sizes, sum(held.values()), graph)


def _sizes(values: list[Any], places: list[int], results: Container[int]) -> dict[int, int]:
    """Bytes of the values at some places, what shares memory counted where it comes first.

    What a result keeps for its rule (see ops/kept.py) counts as its own.
    """
    counted: set[int] = set()
    sizes = {}
    for place in places:
        value, memory = values[place], _memory(values[place])
        beside = place in results and isinstance(memory, Memory)
        sizes[place] = 0 if id(memory) in counted else _bytes(memory if beside else value)
        counted.add(id(memory))
    return sizes


def reads_of(graph: Graph, node: GraphNode) -> tuple[int, ...]:
    """The places of the nodes whose values the rule of a result reads, in order, itself last.

    Where the rule cannot be read, all of them.
    """
    assert node.op is not None
    xp = NAMESPACES[type(node.args[0])]
    operands = [Symbol(x, xp, name="operand") for x in node.args]
    out = Symbol(node.data, xp, name="out")
    g = Symbol(xp.ones_like(node.data), xp, name="gradient")
    everything = (*dict.fromkeys(node.inputs), node.index)
    try:
        with numpy.errstate(all="ignore"):
            parts = read_rule(node.op, g, out, operands, node.options)
    except Exception:  # a learner's rule may do anything on symbols
        return everything
    found = _leaves(
        part
        for part, i in zip(parts, node.inputs, strict=True)
        if part is not None and graph.nodes[i].requires_grad
    )
    places = [i for i, x in zip(node.inputs, operands, strict=True) if x in found]
    return tuple(dict.fromkeys([*places, node.index] if out in found else places))


def _leaves(parts: Any) -> set[Symbol]:
    """The leaves whose values symbols are made of."""
    seen: set[Symbol] = set()
    waiting = list(parts)
    while waiting:
        symbol = waiting.pop()
        if symbol not in seen:
            seen.add(symbol)
            if symbol.op is None or symbol.op.name not in _FOR_THE_SHAPE:
                waiting += symbol.inputs
    return {symbol for symbol in seen if symbol.op is None}


def _memory(data: Any) -> Any:
    """The object that holds the memory of an array: itself, or what it is a view of."""
    while getattr(data, "base", None) is not None:
        data = data.base
    return data


def _bytes(data: Any) -> int:
    return int(data.nbytes) if hasattr(data, "nbytes") else sys.getsizeof(data)
