"""Drawing + story -> an SVG that plays the two passes in a loop, with CSS alone.

One number, ``--t``, runs through the steps; everything in the picture says from which step to which
it is seen.  Where animations are not wanted (``prefers-reduced-motion``) or not understood, the
picture is the finished drawing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any
from xml.etree import ElementTree

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.figure import figure
from tinygrad_edu.readers.palette import PALETTE, colour
from tinygrad_edu.readers.picture import Drawing
from tinygrad_edu.readers.stepper import GRANULARITIES, Step, Stepper, one_line, steps
from tinygrad_edu.readers.svg import CORNER, MARGIN

_MOST = 60  # steps; a story of more is told in larger ones
_HOLD = 3  # steps for which the end is shown
_CAPTION = 26  # px
_SHIFT = 8  # px between an edge and the arrow back along it
_SVG = "{http://www.w3.org/2000/svg}"
_LAST = 1_000_000


def animated(
    stepper: Stepper, *, theme: str = "auto", direction: str = "LR", seconds: float = 1.4
) -> str:
    """The story of a stepper as the text of an animated SVG; each step is shown for `seconds`.

    A long story is told in larger steps.  Raises ValueError for a graph of more than 1,500 nodes.
    """
    if not stepper.fits:
        stepper.refuse("a film")
    every = (steps(stepper.events, level) for level in GRANULARITIES)
    told = next((found for found in every if len(found) <= _MOST), [])
    pictured = figure(stepper.widest, direction=direction)
    drawing = Drawing(stepper.finished, stepper.finished, pictured, theme, "merged")
    return _Film(drawing, told, seconds).text()


class _Film:
    """Writes into the drawing what is seen when."""

    def __init__(self, drawing: Drawing, told: list[Step], seconds: float) -> None:
        self.root = ElementTree.fromstring(drawing.svg)
        for element in self.root.iter():
            element.tag = element.tag.removeprefix(_SVG)
        self.root.set("xmlns", _SVG[1:-1])
        self.p = self.root.get("class", "")
        self.ids = {e.get("id"): e for e in self.root.iter() if e.get("id")}
        self.drawing = drawing
        self.told = told
        self.edges = {edge: i for i, edge in enumerate(drawing.graph.edges)}
        self.boxes: dict[int, list[ElementTree.Element]] = defaultdict(list)
        for box in drawing._figure.boxes:
            place = int(re.sub(r"n(\d+).*", r"\1", box.id))
            self.boxes[place].append(self.ids[f"{self.p}-{box.id}"])
        self._style(seconds)
        self._numbers()
        self._arrows()
        self._captions()

    def text(self) -> str:
        return ElementTree.tostring(self.root, encoding="unicode") + "\n"

    def _style(self, seconds: float) -> None:
        p, count, theme = self.p, len(self.told) + 1 + _HOLD, self.drawing._theme
        light, dark = PALETTE["grad"]
        ink = f"color:{light};color:light-dark({light},{dark})"
        if theme != "auto":
            ink = f"color:{colour('grad', theme)}"
        style = self.root.find("style")
        assert style is not None
        style.text = (
            f'{style.text}@property --t{{syntax:"<integer>";inherits:true;initial-value:{_LAST}}}'
            f"@keyframes {p}-run{{from{{--t:0}}to{{--t:{count}}}}}.{p}{{{ink}}}"
            f"@media(prefers-reduced-motion:no-preference){{.{p}{{"
            f"animation:{p}-run {count * seconds:g}s steps({count}) infinite}}}}"
            f".{p}-k{{--o:min(1 + var(--t,{_LAST}) - var(--a),"
            f"var(--z,{2 * _LAST}) - var(--t,{_LAST}));opacity:var(--o);fill-opacity:var(--o)}}"
            f".{p}-now{{fill:none;stroke:currentColor;stroke-width:3}}"
            f".{p}-back{{fill:none;stroke:currentColor;stroke-width:2;stroke-dasharray:5 4}}"
            f".{p}-btip{{fill:currentColor}}"
        )
        marker = self.root.find(".//marker")
        assert marker is not None
        copy = ElementTree.fromstring(ElementTree.tostring(marker))
        copy.set("id", f"{p}-btip")
        copy[0].set("class", f"{p}-btip")
        self.root.find("defs").append(copy)  # type: ignore[union-attr]

    def _seen(self, element: ElementTree.Element, first: int, last: int | None = None) -> None:
        """Let `element` be seen from step `first` on, and before step `last`."""
        element.set("class", " ".join(filter(None, [element.get("class"), f"{self.p}-k"])))
        element.set("style", f"--a:{first}" + (f";--z:{last}" if last is not None else ""))

    def _numbers(self) -> None:
        """Values from the step that computes them, gradients as they arrive, rings around both."""
        arrivals: dict[int, list[tuple[int, Any]]] = defaultdict(list)
        for number, step in enumerate(self.told, start=1):
            rings: dict[int, None] = {}
            for event in step.events:
                if event.kind == "complete":
                    continue
                rings[event.node] = None
                if event.kind == "forward":
                    for box in self.boxes[event.node]:
                        for cell in self._cells(box, "d"):
                            self._seen(cell, number)
                else:
                    arrivals[event.node].append((number, event.total))
            for node in rings:
                for box in self.boxes[node]:
                    rect = box[0]
                    size = {name: rect.get(name, "") for name in ("width", "height")}
                    ring = ElementTree.SubElement(box, "rect", size)
                    ring.set("rx", str(CORNER))
                    ring.set("class", f"{self.p}-now")
                    self._seen(ring, number, number + 1)
        for node, totals in arrivals.items():
            latest = dict(totals)  # the last of each step
            for box in self.boxes[node]:
                self._gradients(box, node, list(latest.items()))

    def _gradients(
        self, box: ElementTree.Element, node: int, totals: list[tuple[int, Any]]
    ) -> None:
        """The cells of a gradient: a dash, then what has arrived so far."""
        parents = {child: parent for parent in box.iter() for child in parent}
        cells = self._cells(box, "g")
        numbers = [number for number, _ in totals]
        for i, cell in enumerate(cells):
            texts = [
                wording.DASH,
                *(self._shown(node, total, len(cells))[i] for _, total in totals[:-1]),
            ]
            mark = "∇" if (cell.text or "").startswith("∇") else ""
            for text, first, last in zip(texts, [0, *numbers], numbers, strict=False):
                if text:
                    earlier = ElementTree.SubElement(parents[cell], "tspan", cell.attrib)
                    earlier.text = text if text == wording.DASH else mark + text
                    self._seen(earlier, first, last)
            cell.text = mark + self._shown(node, totals[-1][1], len(cells))[i]
            self._seen(cell, numbers[-1])

    def _shown(self, node: int, total: Any, count: int) -> list[str]:
        scalar = self.drawing.graph.nodes[node].is_scalar
        texts = [wording.number(total)] if scalar else wording.statistics(total)
        return [""] * (count - len(texts)) + texts[-count:]

    def _cells(self, box: ElementTree.Element, role: str) -> list[ElementTree.Element]:
        """The pieces of text that hold the numbers of a role: "d" for data, "g" for gradients."""
        p, found = self.p, []
        for text in box.iter("text"):
            whole = f"{p}-{role}" in (text.get("class") or "").split()
            for cell in text.iter("tspan"):
                classes = (cell.get("class") or "").split()
                if (whole and f"{p}-s" not in classes) or f"{p}-{role}" in classes:
                    found.append(cell)
        return found

    def _arrows(self) -> None:
        """An arrow back along each edge from the step in which a contribution takes it."""
        down = self.drawing._figure.direction == "LR"
        shift = (0, _SHIFT) if down else (_SHIFT, 0)
        group = ElementTree.Element("g", {"class": f"{self.p}-back"})
        group.set("marker-end", f"url(#{self.p}-btip)")
        group.set("transform", f"translate({shift[0]} {shift[1]})")
        for number, step in enumerate(self.told, start=1):
            for event in step.events:
                if event.kind == "contribute":
                    edge = self.edges[event.node, event.source, event.slot]  # type: ignore[index]
                    path = self.ids[f"{self.p}-e{edge}"].get("d", "")
                    start, *rest = re.findall(r"[-\d.]+ [-\d.]+", path)[::-1]
                    arrow = ElementTree.SubElement(
                        group, "path", {"d": f"M{start}C{' '.join(rest)}"}
                    )
                    self._seen(arrow, number)
        places = [child.get("class") for child in self.root]
        self.root.insert(places.index(f"{self.p}-edges") + 1, group)

    def _captions(self) -> None:
        """A line below the drawing: what happens, with its numbers."""
        width, height = (int(self.root.get(name, "0")) for name in ("width", "height"))
        self.root.set("height", str(height + _CAPTION))
        self.root.set("viewBox", f"0 0 {width} {height + _CAPTION}")
        paper = self.root.find("rect")
        assert paper is not None
        paper.set("height", str(height + _CAPTION))
        for number, step in enumerate(self.told, start=1):
            given = {"x": str(MARGIN), "y": str(height + _CAPTION // 2)}
            caption = ElementTree.SubElement(self.root, "text", given)
            caption.set("class", f"{self.p}-{'d' if step.events[0].kind == 'forward' else 'g'}")
            caption.text = _caption(step)
            self._seen(caption, number, number + 1)


def _caption(step: Step) -> str:
    told = [event for event in step.events if event.kind != "complete"]
    if len(told) > 1:
        return step.title
    return one_line(told[0])
