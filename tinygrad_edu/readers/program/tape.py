"""Running the user's function once, and noting everything that it does.

The function runs as always, on its first arguments; the tape is the mode's, and `node.record` tells
it every operation.  What the function cannot be seen to do (reading a value into Python) raises.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_edu.node import Node
from tinygrad_edu.ops.registry import Op


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One operation: the operands as they were then, and the node that it made."""

    op: Op | None  # None for a source: `options` then holds the function `read`
    inputs: tuple[Node, ...]
    options: Mapping[str, Any]
    out: Node


class Tape:
    """What a run did.

    Attributes
    ----------
    calls : the operations, in order.
    made : the leaves that were made meanwhile: numbers, for the most part.
    draws : whether random numbers were drawn.
    given : nodes that were given as options, by the identity of their data.
    modules : the modules that were called.
    acts : (target or None, check or None, nodes), in order.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.made: set[Node] = set()
        self.draws = False
        self.given: dict[int, Node] = {}
        self.modules: dict[Any, None] = {}
        self.acts: list[tuple[Node | None, Callable[..., object] | None, tuple[Node, ...]]] = []
        self._now: dict[Node, Node] = {}  # a node that was assigned to: what it stands for since

    # Called by the engine

    def result(self, op: Op, out: Node, inputs: tuple[Node, ...], options: Any) -> None:
        """An operation made `out`."""
        self.draws = self.draws or op.family == "random"
        if self._now:
            inputs = tuple([self._now.get(x, x) for x in inputs])
        self.calls.append(Call(op, inputs, options, out))

    def leaf(self, node: Node) -> None:
        """A leaf was made."""
        self.made.add(node)

    def source(self, node: Node, read: Callable[[], Any], *, draws: bool = False) -> None:
        """The data of a leaf comes from outside, and `read` gives it anew: an array that may have
        changed since, or, if it `draws`, random numbers."""
        if self.calls and self.calls[-1].out is node:  # said better now
            self.calls.pop()
        self.calls.append(Call(None, (), {"read": read}, node))
        self.draws = self.draws or draws

    def option(self, node: Node) -> None:
        """A node stands in an option of the next operation."""
        self.given[id(node._data)] = self._now.get(node, node)

    def module(self, module: Any) -> None:
        """A module was called."""
        self.modules.setdefault(module)

    def assign(self, target: Node, data: Node) -> None:
        """`target` would be given the data of another node."""
        self.acts.append((target, None, (self._now.get(data, data),)))
        self._now[target] = data

    def check(self, check: Callable[..., object], nodes: tuple[Node, ...]) -> None:
        """The values of nodes would be checked."""
        self.acts.append((None, check, tuple([self._now.get(x, x) for x in nodes])))
