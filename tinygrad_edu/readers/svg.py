"""Figure + layout -> SVG: the only place that escapes text for SVG.

The result is one self-contained file: no script, no link, no font to fetch.  Ids and classes carry
a prefix taken from the content, so several drawings can stand in one page, and equal drawings are
equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import math
from xml.sax.saxutils import escape, quoteattr

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.edges import LABEL_HEIGHT, label_places, pinned, pins
from tinygrad_edu.readers.figure import (
    GAP,
    PAD_X,
    PAD_Y,
    PIN,
    ROW,
    SMALL_CELL,
    Box,
    Edge,
    Figure,
)
from tinygrad_edu.readers.layout import Layout, Point
from tinygrad_edu.readers.palette import FONT, PALETTE, colour

CORNER = 5  # px, the radius of a box's corners
BADGE_ROW = 14  # px from one line of a badge to the next
MARGIN = 14  # px of paper around everything
CAPTION = 16  # px for the line below
STACKED = 3  # px by which the box behind a box stands out
_ROLES = {"name": "n", "muted": "m", "data": "d", "grad": "g"}


def svg(figure: Figure, layout: Layout, *, title: str, description: str, theme: str) -> str:
    """The drawing as the text of an SVG file.

    title, description : for screen readers.  theme : "light", "dark", or "auto", which follows the
    page or the viewer through CSS ``light-dark()`` and is light where that is not known.
    """
    prefix = "g" + hashlib.sha256(repr((figure, theme)).encode()).hexdigest()[:4]
    writer = _Writer(figure, layout, prefix)
    room = max(layout.width + MARGIN, wording.cells(figure.caption) * SMALL_CELL + MARGIN)
    room = max([room, *(right for _, (_, _, right, _) in writer.places)])
    width = math.ceil(room + MARGIN)
    height = math.ceil(layout.height + 2 * MARGIN) + (CAPTION if figure.caption else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" class="{prefix}" aria-label={_quoted(title)}>',
        f"<title>{_text(title)}</title>",
        f"<desc>{_text(description)}</desc>",
        f"<style>{_style(prefix, theme, figure)}</style>",
        f'<defs><marker id="{prefix}-tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="9" '
        f'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path class="{prefix}-tip" d="M0 1 8 4 0 7z"/></marker>'
        "</defs>",
        f'<rect class="{prefix}-paper" width="{width}" height="{height}" rx="8"/>',
        *writer.frames(),
        f'<g class="{prefix}-edges" marker-end="url(#{prefix}-tip)">',
        *writer.edges(),
        "</g>",
        *writer.boxes(),
        f'<g class="{prefix}-l">',
        *writer.labels(),
        "</g>",
        f'<text class="{prefix}-f" x="{MARGIN}" y="{height - 12}">{_text(figure.caption)}</text>'
        if figure.caption
        else "",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _text(text: str) -> str:
    return escape(text)


def _quoted(text: str) -> str:
    return quoteattr(text)


def _style(p: str, theme: str, figure: Figure) -> str:
    """The CSS: the colours of the palette by their roles, twice where the theme is open."""
    kinds = {box.kind for box in figure.boxes}

    def paint(what: str, role: str) -> str:
        if theme != "auto":
            return f"{what}:{colour(role, theme)}"
        light, dark = PALETTE[role]
        return f"{what}:{light};{what}:light-dark({light},{dark})"

    def rule(selector: str, *declarations: str) -> str:
        return f"{selector}{{{';'.join(declarations)}}}"

    def box(kind: str, line: str, width: str) -> str:
        if kind not in kinds:
            return ""
        return rule(f".{p}-{kind}", paint("fill", kind), paint("stroke", line), width)

    scheme = {"auto": "light dark", "print": "light"}.get(theme, theme)
    return "".join(
        [
            rule(f".{p}", f"color-scheme:{scheme}", f"font:12px {FONT}"),
            rule(f".{p}-paper", paint("fill", "paper")),
            rule(f".{p}-frame", "fill:none", paint("stroke", "frame"), "stroke-width:1.5"),
            rule(f".{p}-edges", "fill:none", paint("stroke", "edge"), "stroke-width:1.3"),
            rule(f".{p}-tip", paint("fill", "edge")),
            box("input", "outline", "stroke-width:1"),
            box("parameter", "parameter line", "stroke-width:1"),
            rule(f".{p}-bar", paint("fill", "parameter line")),
            box("constant", "muted", "stroke-dasharray:3 2"),
            box("result", "outline", "stroke-width:1"),
            box("group", "outline", "stroke-width:1"),
            box("cut", "paper", "stroke-width:1"),
            box("output", "output line", "stroke-width:2.5"),
            rule(f".{p}-on", paint("stroke", "data"), "stroke-width:3")
            if any(box.marked for box in figure.boxes)
            else "",
            rule(f".{p}-badge", paint("fill", "badge")),
            rule(f".{p}-n", paint("fill", "ink"), "font-weight:600"),
            rule(f".{p}-b", paint("fill", "ink"), "text-anchor:middle"),
            rule(f".{p}-m", paint("fill", "muted")),
            rule(f".{p}-pin", paint("fill", "muted"), "font-size:9px"),
            rule(f".{p}-d", paint("fill", "data")),
            rule(f".{p}-g", paint("fill", "grad")),
            rule(f".{p}-r", "text-anchor:end"),
            rule(f".{p}-s", "text-anchor:start"),
            rule(f".{p}-l", paint("fill", "muted"), "text-anchor:middle;font-size:11px"),
            rule(f".{p}-f", paint("fill", "muted"), "font-size:11px"),
        ]
    )


class _Writer:
    """The parts of one drawing; every coordinate is in pixels from the paper's corner."""

    def __init__(self, figure: Figure, layout: Layout, prefix: str) -> None:
        self.figure = figure
        self.layout = layout
        self.p = prefix
        self.corners = []
        for box, (x, y) in zip(figure.boxes, layout.centres, strict=True):
            width, height = box.size
            self.corners.append((round(x - width / 2) + MARGIN, round(y - height / 2) + MARGIN))
        self.curves = [
            [(x + MARGIN, y + MARGIN) for x, y in curve] for curve in pinned(figure, layout)
        ]

        boxes = [
            (x, y, x + box.size[0], y + box.size[1])
            for box, (x, y) in zip(figure.boxes, self.corners, strict=True)
        ]
        self.places = label_places([edge.label for edge in figure.edges], self.curves, boxes)

    def frames(self) -> list[str]:
        parts = []
        for path, (left, top, right, bottom) in self.layout.frames.items():
            x, y = round(left) + MARGIN + 4, round(top) + MARGIN + 2
            width, height = round(right - left) - 8, round(bottom - top) - 4
            room = int((width - 12) / SMALL_CELL)
            name = wording.clean(path[-1][0], min(max(room, 1), 40))
            parts.append(
                f'<rect class="{self.p}-frame" x="{x}" y="{y}" width="{width}" height="{height}" '
                f'rx="8"/><text class="{self.p}-f" x="{x + 8}" y="{y + 12}">{_text(name)}</text>'
            )
        return parts

    def edges(self) -> list[str]:
        return [
            f'<path id="{self.p}-e{i}" {self._on(edge)}d="{_path(curve)}"/>'
            for i, (edge, curve) in enumerate(zip(self.figure.edges, self.curves, strict=True))
        ]

    def _on(self, edge: Edge) -> str:
        return f'class="{self.p}-on" ' if edge.marked else ""

    def labels(self) -> list[str]:
        """The texts on edges, each on a piece of paper so that the line does not cross it out."""
        places = self.places
        paper = "".join(
            f"M{x0:.0f} {y0:.0f}H{x1:.0f}V{y1:.0f}H{x0:.0f}z" for _, (x0, y0, x1, y1) in places
        )
        return [f'<path class="{self.p}-paper" d="{paper}"/>' if paper else ""] + [
            f'<text x="{(x0 + x1) / 2:.0f}" y="{y0 + 11 + i * LABEL_HEIGHT:.0f}">'
            f"{_text(line)}</text>"
            for text, (x0, y0, x1, _) in places
            for i, line in enumerate(text.split("\n"))
        ]

    def boxes(self) -> list[str]:
        return [
            f'<g id="{self.p}-{box.id}" transform="translate({x} {y})">{self._box(box)}</g>'
            for box, (x, y) in zip(self.figure.boxes, self.corners, strict=True)
        ]

    def _box(self, box: Box) -> str:
        p, (width, height) = self.p, box.size
        kind = f"{p}-{box.kind} {p}-on" if box.marked else f"{p}-{box.kind}"
        size = f'width="{width}" height="{height}" rx="{CORNER}"'
        parts = [f'<rect class="{kind}" {size}/>']
        if box.stack:
            behind = f'<rect class="{p}-{box.kind}" x="{STACKED}" y="{STACKED}" {size}/>'
            parts.insert(0, behind)
        if box.kind == "parameter":
            parts.append(f'<path class="{p}-bar" d="{_left_part(5, height, 0)}"/>')
        left = box.badge_width
        if box.badge:
            pin = PIN if box.pins else 0
            inset = 1.25 if box.kind == "output" else 0.5  # within the outline
            parts.append(f'<path class="{p}-badge" d="{_left_part(left, height, inset)}"/>')
            top = height / 2 + 4 - (len(box.badge) - 1) * BADGE_ROW / 2
            parts += [
                f'<text class="{p}-b" x="{(left + pin) / 2:g}" y="{top + i * BADGE_ROW:g}">'
                f"{_text(line)}</text>"
                for i, line in enumerate(box.badge)
            ]
        parts += self._rows(box, left + PAD_X, width - PAD_X - box.thumbnails_width)
        parts += self._thumbnails(box, width - PAD_X - box.thumbnails_width + GAP)
        parts += self._pins(box)
        return "".join(parts)

    def _thumbnails(self, box: Box, left: float) -> list[str]:
        """Heat maps side by side, each under its title; pictures in the file, not links."""
        parts = []
        for t in box.thumbnails:
            data = base64.b64encode(t.png).decode("ascii")
            parts.append(
                f'<text class="{self.p}-{_ROLES[t.role]}" x="{left:g}" y="{PAD_Y + 10}" '
                f'font-size="9">{t.role}</text>'
                f'<image x="{left:g}" y="{PAD_Y + ROW - 2}" width="{t.width}" height="{t.height}" '
                f'preserveAspectRatio="none" style="image-rendering:pixelated" '
                f'href="data:image/png;base64,{data}"/>'
            )
            left += t.width + GAP
        return parts

    def _pins(self, box: Box) -> list[str]:
        """The numerals of the operands: inside the badge, or above the box."""
        width, height = box.size
        across = 1 if self.figure.direction == "LR" else 0
        spots = [
            (3.0, height / 2 + shift + 3) if across else (width / 2 + shift + 4, -3.0)
            for shift in (pins(box, box.pins, across) if box.pins else ())
        ]
        return [
            f'<text class="{self.p}-pin" x="{x:g}" y="{y:g}">{number}</text>'
            for number, (x, y) in enumerate(spots, start=1)
        ]

    def _rows(self, box: Box, left: float, right: float) -> list[str]:
        p, y = self.p, PAD_Y + 13
        parts = []
        if box.header:
            x, cells = left, []
            for cell in box.header:
                cells.append(_span(x, cell.text, f"{p}-{_ROLES[cell.role]}"))
                x += cell.width + GAP
            parts.append(f'<text y="{y}">{"".join(cells)}</text>')
            y += ROW
        columns = box.columns
        if len(columns) > 3:  # a table keeps together, also under a longer line of text
            right = min(right, left + sum(columns) + GAP * (len(columns) - 1))
        for label, *numbers in box.grid:
            cells = [_span(left, label.text, f"{p}-s")] if label.text else []
            for i, cell in enumerate(numbers, start=1):
                after = columns[i + 1 :] if len(numbers) + 1 == len(columns) else []
                cells.append(_span(right - sum(after) - GAP * len(after), cell.text))
            role = _ROLES[label.role]
            parts.append(f'<text class="{p}-{role} {p}-r" y="{y}">{"".join(cells)}</text>')
            y += ROW
        return parts


def _span(x: float, text: str, classes: str = "") -> str:
    """A piece of a line of text that starts, or ends, at `x`."""
    named = f' class="{classes}"' if classes else ""
    return f'<tspan{named} x="{x:.0f}">{_text(text)}</tspan>'


def _left_part(width: float, height: float, inset: float) -> str:
    """The left part of a box, `inset` from its outline: the two left corners are round."""
    low, bottom = height - CORNER, height - inset
    return (
        f"M{width:g} {inset:g}H{CORNER}Q{inset:g} {inset:g} {inset:g} {CORNER}V{low:g}"
        f"Q{inset:g} {bottom:g} {CORNER} {bottom:g}H{width:g}z"
    )


def _path(curve: list[Point]) -> str:
    (x, y), *rest = curve
    return f"M{x:.1f} {y:.1f}C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in rest)
