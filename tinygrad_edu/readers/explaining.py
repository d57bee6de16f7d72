"""What is said about an event: title, formula, numbers, the user's line, the operation's source."""

from __future__ import annotations

import inspect
import linecache
import os.path
import re
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.local import local_derivatives
from tinygrad_edu.readers.rules import ARRIVING, ARROW, RuleText, forward_text, rule_texts
from tinygrad_edu.readers.telling import labels
from tinygrad_edu.readers.trace import Graph

if TYPE_CHECKING:
    from tinygrad_edu.readers.story import Event

PARTIAL = "\u2202"


class Piece(NamedTuple):
    """A part of a line of text and its role: "data", "grad", "local", or "" for what joins them."""

    text: str
    role: str = ""


class Words(tuple[Piece, ...]):
    """A line of text in pieces that know what they are; `str` joins them."""

    __slots__ = ()

    def __str__(self) -> str:
        return "".join(piece.text for piece in self)


class Explainer:
    """Says what the events of one graph mean.

    names : the graph's labels.  loss : what gradients are of, in formulas.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names = labels(graph)
        others = {name for i, name in enumerate(self.names) if i not in graph.roots}
        self.loss = next((name for name in ("L", "J", "E") if name not in others), "L")
        self._rules: dict[int, list[RuleText | None]] = {}
        self._derivatives: dict[int, dict[int, float]] = {}
        self._sources: dict[int, str] = {}

    def title(self, event: Event) -> str:
        """What happens, in a few words."""
        name = self.names[event.node]
        if event.kind == "forward":
            return self.made(event.node)
        if event.kind == "seed":
            return f"backward starts at {name}"
        if event.kind == "complete":
            return f"the gradient of {name} is complete"
        source, slot = _origin(event)
        several = self.graph.nodes[source].inputs.count(event.node) > 1
        which = f", as operand {slot + 1}" if several else ""
        return f"{self.names[source]} gives {name} its share{which}"

    def made(self, place: int) -> str:
        """How a result is made: ``o = tanh(n)``."""
        node = self.graph.nodes[place]
        return f"{self.names[place]} = {forward_text(node, [self.names[i] for i in node.inputs])}"

    def formula(self, event: Event) -> Words:
        """The rule behind it."""
        gradient = Piece(self._partial(self.loss, event.node), "grad")
        if event.kind == "forward":
            return Words([Piece(self.title(event), "data")])
        if event.kind == "seed":
            return Words([gradient, Piece(" = "), Piece(short(event.value), "grad")])
        if event.kind == "complete":
            return Words([gradient, Piece(" = "), Piece(short(event.value), "grad")])
        source, slot = _origin(event)
        if not self.graph.nodes[source].is_scalar:
            return Words(
                [gradient, Piece(" += "), Piece(self._rule(source, slot).formula, "local")]
            )
        factors = self._partial(self.loss, source), self._partial(self.names[source], event.node)
        return Words([gradient, Piece(" += "), *_product(*factors)])

    def local(self, event: Event) -> Words:
        """For a contribution, how its last factor is worked out, or what `ARRIVING` is."""
        if event.kind != "contribute":
            return Words()
        source, slot = _origin(event)
        if not self.graph.nodes[source].is_scalar:
            arriving = self._partial(self.loss, source)
            return Words([Piece(ARRIVING, "local"), Piece(" = "), Piece(arriving, "grad")])
        name = self._partial(self.names[source], event.node)
        formula, number = self._rule(source, slot).formula, short(self.derivative(source, slot))
        pieces = [Piece(name, "local"), Piece(" = "), Piece(formula, "data")]
        if formula != number:
            pieces += [Piece(" = "), Piece(number, "local")]
        return Words(pieces)

    def numbers(self, event: Event) -> Words:
        """The formula in numbers, or in shapes."""
        node = self.graph.nodes[event.node]
        if event.kind == "forward":
            if node.is_scalar:
                made = forward_text(node, [short(arg) for arg in node.args])
                return Words([Piece(f"{made} = {short(node.data)}", "data")])
            given = [wording.shape(self.graph.nodes[i].shape) for i in node.inputs]
            made = f"{forward_text(node, given)} {ARROW} {wording.shape(node.shape)}"
            return Words([Piece(made, "data")])
        if event.kind != "contribute":
            return Words()
        source, slot = _origin(event)
        if self.graph.nodes[source].is_scalar:
            factors = short(event.upstream), short(self.derivative(source, slot))
            if factors[1].startswith(wording.MINUS):
                factors = factors[0], f"({factors[1]})"
            return Words([*_product(*factors), Piece(" = "), Piece(short(event.value), "grad")])
        rule = self._rule(source, slot)
        told = [rule.shapes] if ARROW in rule.shapes or not rule.summed else []
        return Words([Piece("; ".join([*told, *[rule.summed] * bool(rule.summed)]), "local")])

    def line(self, event: Event) -> tuple[str, int, str] | None:
        """Name of the file ("" for a notebook's cell), number and text of the user's line."""
        found = self.graph.nodes[event.node if event.source is None else event.source].line
        if found is None:
            return None
        path, number = found
        name = os.path.basename(path)
        cell = re.search(r"ipykernel|<", path)
        return "" if cell else name, number, linecache.getline(path, number).strip()

    def code(self, event: Event) -> str:
        """The source of the operation: of its forward, or for a contribution of its rule."""
        op = self.graph.nodes[event.node if event.source is None else event.source].op
        if op is None or event.kind in ("seed", "complete"):
            return ""
        function = op.forward if event.kind == "forward" else op.rule
        if id(function) not in self._sources:
            try:
                text = textwrap.dedent(inspect.getsource(function)).rstrip()
            except (OSError, TypeError):
                text = ""
            self._sources[id(function)] = text
        return self._sources[id(function)]

    def _partial(self, of: str, node: int) -> str:
        return f"{PARTIAL}{of}/{PARTIAL}{self.names[node]}"

    def _rule(self, source: int, slot: int) -> RuleText:
        if source not in self._rules:
            self._rules[source] = rule_texts(self.graph, source, self.names)
        found = self._rules[source][slot]
        assert found is not None
        return found

    def derivative(self, source: int, slot: int) -> float:
        """How much a number at a place changes per unit of one of its operands."""
        if source not in self._derivatives:
            self._derivatives[source] = local_derivatives(self.graph, source)
        return self._derivatives[source][slot]


def _origin(event: Event) -> tuple[int, int]:
    assert event.source is not None
    assert event.slot is not None
    return event.source, event.slot


def _product(upstream: str, local: str) -> list[Piece]:
    return [Piece(upstream, "grad"), Piece(" · "), Piece(local, "local")]


def short(value: Any) -> str:
    """A number, or an array in short."""
    return (
        " to ".join(wording.statistics(value)[:2])
        if hasattr(value, "shape")
        else wording.number(value)
    )
