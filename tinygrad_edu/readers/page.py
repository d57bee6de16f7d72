"""Stepper -> one HTML file that steps without a kernel, a network or a framework.

Markup, style and script lie beside this file.  The markup holds the drawing and the table; the
story goes along as data, which the script shows as text.  The notebook's widget is made of the same
parts.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import re
import string
from functools import cached_property, lru_cache
from html import escape
from pathlib import Path
from typing import Any

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.explaining import Words
from tinygrad_edu.readers.figure import figure
from tinygrad_edu.readers.palette import FONT, PALETTE
from tinygrad_edu.readers.picture import Drawing, draw
from tinygrad_edu.readers.rules import is_constant
from tinygrad_edu.readers.stepper import (
    GRANULARITIES,
    Stepper,
    is_number,
    steps,
    wanted,
)
from tinygrad_edu.readers.story import Event
from tinygrad_edu.readers.trace import Graph, GraphNode

_FITS = 1400  # px up to which a drawing shrinks with the page; a wider one scrolls
_COLUMN, _HIGHEST = 900, 520  # px: the width of a notebook's column, the most for a drawing in it
_AROUND = 530  # px: what stands above and below the drawing
_QUICK = 20_000  # numbers in all nodes up to which differences are worked out unasked
_WIDE = -0.00012345  # a number whose text is long
_FULL = 120  # nodes up to which boxes have rows for value and gradient
_FIELDS = (
    "kind node shown wanted formula numbers code local source edge width got of slope line shape"
)
_COLUMNS = ("node", "value", "gradient", "received", "difference")
_POLICY = "default-src 'none'; form-action 'none'; style-src 'unsafe-inline';"
_BODY = "body{margin:0 auto;max-width:1200px;background:var(--paper)}body>div{outline:0}"
_SCHEMES = {"auto": "light dark", "light": "light", "dark": "dark", "print": "light"}
_VARIABLES = {"ink": "ink", "muted": "muted", "paper": "paper", "data": "data", "grad": "grad"}
_VARIABLES |= {"badge": "badge", "frame": "frame", "done": "output line"}


def page(stepper: Stepper, *, theme: str = "auto", direction: str = "LR") -> str:
    """The text of the HTML file.

    Raises ValueError for an unknown theme, and for a graph too large to be stepped through.
    """
    if theme not in _SCHEMES:
        raise ValueError(f"theme is {theme!r}, not one of {', '.join(_SCHEMES)}")
    if not stepper.fits:
        stepper.refuse("a page")
    return _document(Parts(stepper, direction=direction), _SCHEMES[theme])


def _document(parts: Parts, scheme: str) -> str:
    code = script()
    start = (
        "start(document.querySelector('.tinygrad-edu-stepper'),"
        "JSON.parse(document.querySelector('[type=\"application/json\"]').textContent));"
    )
    digest = base64.b64encode(hashlib.sha256(f"{code}{start}".encode()).digest()).decode()
    policy = f"{_POLICY} script-src 'sha256-{digest}'"
    return (
        f'<!doctype html><html lang="en" style="color-scheme:{scheme}">'
        f'<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{policy}"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(parts.title)}</title>"
        f"<style>{_BODY}{style()}</style>"
        f"</head><body>{parts.markup()}"
        f'<script type="application/json">{as_data({**parts.story(), "page": True})}</script>'
        f'<script type="module">{code}{start}</script></body></html>\n'
    )


def within(stepper: Stepper) -> str:
    """The stepper as a part of a page: a frame that holds the file `page` makes, and a picture.

    A notebook that has not been trusted strips the frame, and the style that hides the picture.
    Where the graph is too large there is the picture alone.
    """
    if not stepper.fits:
        return draw(stepper.finished)._repr_mimebundle_()["text/html"]
    parts = Parts(stepper)
    drawing = parts.drawing
    still = draw(stepper.finished, collapse=False)._repr_mimebundle_()["text/html"]
    text = _document(parts, _SCHEMES["auto"])
    wide = drawing._layout.width
    graph = drawing._layout.height * (min(1.0, _COLUMN / wide) if wide <= _FITS else 1.0)
    return (
        f'<div class="tinygrad-edu-still">{still}</div>'
        "<style>.tinygrad-edu-still{display:none}</style>"
        f'<iframe srcdoc="{escape(text)}" sandbox="allow-scripts allow-forms" title="Stepper" '
        f'style="width:100%;height:{round(min(graph, _HIGHEST)) + _AROUND}px;border:0"></iframe>'
    )


@lru_cache
def script() -> str:
    """The script, without its comments and indentation."""
    lines = [line.strip() for line in _file("stepper.js").splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


@lru_cache
def style() -> str:
    """The style sheet, with the colours of the palette as variables."""
    sheet = _file("stepper.css").replace("$font", FONT)
    sheet = re.sub(r"\s*([{};])\s*", r"\1", sheet).replace(";}", "}")
    light = "".join(f"--{name}:{PALETTE[role][0]};" for name, role in _VARIABLES.items())
    both = "".join(
        f"--{name}:light-dark({','.join(PALETTE[role])});" for name, role in _VARIABLES.items()
    )
    return f":root{{{light}}}@supports (color:light-dark(red,red)){{:root{{{both}}}}}{sheet}"


def as_data(story: dict[str, Any]) -> str:
    r"""A story as JSON that can stand inside a script element.

    >>> as_data({"name": "</script>"})
    '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(story, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@lru_cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


class Parts:
    """What a page of one stepper is made of: the markup, and the story as data."""

    def __init__(self, stepper: Stepper, *, direction: str = "LR", asking: bool = False) -> None:
        self.stepper = stepper
        self.asking = asking  # whether Python is there to be asked for new numbers
        self.full = len(stepper.graph.nodes) <= _FULL
        detail = "full" if self.full else "compact"
        graph = stepper.finished
        room = _with_room(graph) if asking else stepper.widest
        pictured = figure(room, detail=detail, direction=direction)
        self.drawing = Drawing(graph, graph, pictured, "auto", "merged")
        self.title = repr(self.drawing)[1:-1].partition(": ")[2]
        self.direction = direction
        numbers = sum(math.prod(node.shape) for node in stepper.graph.nodes)
        self.compared = numbers <= _QUICK or stepper.mode == "compare"

    def markup(self) -> str:
        """The HTML of the page, the drawing in it."""
        modes = ["watch", "predict", *["what-if"] * self.asking, *["compare"] * self.compared]
        header = "".join(f"<th scope=col>{title}" for title in _COLUMNS)
        body = "".join(
            f"<tr><th scope=row>{escape(name)}<td class=wd><td class=wg><td><td>"
            for name in (self.stepper.names[place] for place in self._rows)
        )
        return string.Template(_file("stepper.html")).substitute(
            label=escape(f"Stepper: {self.title}"),
            levels=_options(GRANULARITIES),
            modes=_options(modes),
            graph=self.drawing.svg,
            fit="graph fit" if self.drawing._layout.width <= _FITS else "graph",
            leaves=self._sliders() if self.asking else "",
            rows=f"<tr>{header}{body}",
        )

    def story(self) -> dict[str, Any]:
        """Everything that happens, as data for the script."""
        stepper, names = self.stepper, self.stepper.names
        rows = {place: i for i, place in enumerate(self._rows)}
        boxes: dict[int, list[str]] = {}
        for box in self.drawing._figure.boxes:
            place = re.match(r"n(\d+)", box.id)
            assert place is not None
            boxes.setdefault(int(place[1]), []).append(box.id)
        expected = stepper.state.expected
        nodes = [
            _without_none(
                boxes=boxes[node.index],
                data=self._texts(node, data) if node.op is None else None,
                of=expected.get(node.index, 0) if node.requires_grad else None,
                row=rows.get(node.index),
            )
            for node, data in zip(stepper.graph.nodes, stepper.used_values, strict=True)
        ]
        compared = stepper.compare() if self.compared else {}
        differences = [str(compared.get(place, "")) for place in range(len(names))]
        told = [event for event in stepper.events if event.kind != "complete"]
        tables: dict[str, list[list[str]]] = {"lines": [], "codes": []}
        return {
            "prefix": re.search(r'class="(\w+)"', self.drawing.svg)[1],  # type: ignore[index]
            "shift": "translate(0 8)" if self.direction == "LR" else "translate(8 0)",
            "level": stepper.granularity,
            "mode": "watch" if stepper.mode == "what-if" and not self.asking else stepper.mode,
            "position": stepper.position,
            "tolerance": stepper.tolerance,
            "nodes": nodes,
            "labelled": [
                i
                for i, edge in enumerate(self.drawing._figure.edges)
                for line in edge.label.split("\n")
                if line
            ],
            "fields": _FIELDS.split(),
            "events": [self._event(event, tables) for event in told],
            "steps": {name: _stops(stepper.events, name) for name in GRANULARITIES},
            "differences": differences,
            **tables,
        }

    @property
    def _rows(self) -> list[int]:
        """The nodes that have a row in the table."""
        return [n.index for n in self.stepper.graph.nodes if not is_constant(n)]

    def _sliders(self) -> str:
        parts = []
        for node, data in zip(self.stepper.graph.nodes, self.stepper.used_values, strict=True):
            if node.op is None and node.is_scalar and not is_constant(node) and math.isfinite(data):
                reach = 2 * max(1.0, abs(data))
                parts.append(
                    f"<label>{escape(self.stepper.names[node.index])} "
                    f'<input type="range" data-leaf="{node.index}" min="{data - reach}" '
                    f'max="{data + reach}" step="{reach / 100}" value="{data}"></label>'
                )
        return "".join(parts)

    def _texts(self, node: GraphNode, data: Any, *, gradient: bool = False) -> list[str]:
        """What the cells of a box, and of the table, show."""
        if not node.is_scalar:
            return wording.statistics(data)
        mark = "∇" if gradient and not self.full else ""
        return [mark + wording.number(data)]

    def _event(self, event: Event, tables: dict[str, list[list[str]]]) -> list[Any]:
        """The `_FIELDS` of an event, without empty ones at the end."""
        node = self.stepper.graph.nodes[event.node]
        shown = event.value if event.kind == "forward" else event.total
        gives = event.kind == "contribute"
        line = event.line
        if line is not None:
            where = f"line {line[1]}" + (f" of {line[0]}" if line[0] else "")
        fields: list[Any] = [
            event.kind,
            event.node,
            self._texts(node, shown, gradient=event.kind != "forward"),
            [float(f"{x:.6g}") if math.isfinite(x) else 0.0 for x in wanted(event)],
            _pieces(event.formula),
            _pieces(event.numbers),
            _place(tables["codes"], ["its rule" if gives else "the operation", event.code])
            if event.code
            else None,
            _pieces(event.local),
            event.source,
            self._edges[event.node, event.source, event.slot] if gives else None,
            _width(event.value) if gives else None,
            event.received if event.expected else None,
            event.expected or None,
            self._slope(event) if gives else None,
            _place(tables["lines"], [where, line[2]]) if line is not None else None,
            None if is_number(event.value) else True,
        ]
        while fields[-1] is None:
            fields.pop()
        return fields

    def _slope(self, event: Event) -> str | None:
        """The local derivative, where it is written on the edge."""
        if event.source is None or not self.stepper.graph.nodes[event.source].is_scalar:
            return None
        edge = self.drawing._figure.edges[self._edges[event.node, event.source, event.slot]]
        slope = event.told.derivative(event.source, edge.slot)
        return wording.TIMES + wording.number(slope) if edge.label else None

    @cached_property
    def _edges(self) -> dict[Any, int]:
        edges = self.stepper.graph.edges
        return {(start, end, slot): i for i, (start, end, slot) in enumerate(edges)}


def _with_room(graph: Graph) -> Graph:
    """The graph with numbers that take as much room as any: what is drawn will change."""
    nodes = [
        dataclasses.replace(node, data=_WIDE, grad=None if node.grad is None else _WIDE)
        if node.is_scalar and not is_constant(node)
        else node
        for node in graph.nodes
    ]
    return Graph(tuple(nodes), graph.roots)


def _stops(events: list[Event], granularity: str) -> list[list[Any]]:
    """Where the steps end, counted without the events that only say that all has arrived."""
    ends = [0]
    for event in events:
        ends.append(ends[-1] + (event.kind != "complete"))
    return [[ends[step.stop], step.title] for step in steps(events, granularity)]


def _width(value: Any) -> float:
    """The width of an arrow, by the size of what it brings: 1.2 px for 0.001, 3 px for 1."""
    size = abs(value) if not hasattr(value, "shape") else float(abs(value).max(initial=0.0))
    return round(min(max(3 + 0.6 * math.log10(size), 1.2), 5.0), 1) if 0 < size < math.inf else 1.2


def _pieces(words: Words) -> list[str] | None:
    """A line of text for the script: each piece after the first letter of its role."""
    return [f"{piece.role[:1] or ' '}{piece.text}" for piece in words] or None


def _place(table: list[list[str]], entry: list[str]) -> int:
    if entry not in table:
        table.append(entry)
    return table.index(entry)


def _without_none(**entries: Any) -> dict[str, Any]:
    return {name: entry for name, entry in entries.items() if entry is not None}


def _options(names: Any) -> str:
    return "".join(f"<option>{name}</option>" for name in names)
