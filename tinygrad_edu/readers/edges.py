"""Where edges arrive at a box, and where their labels stand: the finishing of a layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.figure import PIN_STEP, SMALL_CELL, Box, Edge, Figure
from tinygrad_edu.readers.layout import Layout, Point, Rectangle

LABEL_HEIGHT = 14.0  # px, of a line
_BOW = 28.0  # px between the middles of edges that have both ends in common
_PLACES = (0.5, 0.56, 0.44, 0.62, 0.38, 0.68, 0.32, 0.74, 0.26, 0.8)  # of a label, along its edge
_COVERS_TEXT, _COVERS_LINE = 100.0, 1.0  # how bad it is for a label to lie on top of these


def label_places(
    texts: Sequence[str], curves: Sequence[list[Point]], boxes: Sequence[Rectangle]
) -> list[tuple[str, Rectangle]]:
    """For each edge that has a label the text and its place on the edge: where it covers no box, no
    other label and few other edges, as far as there is room."""
    if not any(texts):
        return []
    taken = _Taken()
    for box in boxes:
        taken.add(box, _COVERS_TEXT)
    samples = [_samples(curve) for curve in curves]
    for points in samples:
        for x, y in points:
            taken.add((x, y, x, y), _COVERS_LINE)
    found = []
    for text, curve, own in zip(texts, curves, samples, strict=True):
        if text:
            lines = text.split("\n")
            size = max(map(wording.cells, lines)) * SMALL_CELL + 4, len(lines) * LABEL_HEIGHT
            spots = [_around(_along(curve, place), size) for place in _PLACES]
            costs = [taken.cost(spot) - _COVERS_LINE * _count(own, spot) for spot in spots]
            best = spots[costs.index(min(costs))]
            taken.add(best, _COVERS_TEXT)
            found.append((text, best))
    return found


def _around(middle: Point, size: Point) -> Rectangle:
    (x, y), (width, height) = middle, size
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _count(points: list[Point], within: Rectangle) -> int:
    left, top, right, bottom = within
    return sum(left <= x <= right and top <= y <= bottom for x, y in points)


def _along(curve: list[Point], fraction: float) -> Point:
    """The point at a fraction of the number of pieces of a spline."""
    pieces = (len(curve) - 1) // 3
    i = min(int(fraction * pieces), pieces - 1)
    t = fraction * pieces - i
    a, b, c, d = curve[3 * i : 3 * i + 4]
    weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
    x = sum(w * point[0] for w, point in zip(weights, (a, b, c, d), strict=True))
    y = sum(w * point[1] for w, point in zip(weights, (a, b, c, d), strict=True))
    return x, y


def _samples(curve: list[Point]) -> list[Point]:
    """Points along a spline, a few pixels apart where it is short."""
    count = 4 * (len(curve) - 1) // 3
    return [_along(curve, (i + 0.5) / count) for i in range(count)]


def pinned(figure: Figure, layout: Layout) -> list[list[Point]]:
    """The curves, their ends spread over the side where they arrive.

    The first operand arrives first, from the top or the left, where the order matters; elsewhere
    in the order in which the edges come, so that they do not cross.
    """
    across = 1 if figure.direction == "LR" else 0
    curves = [list(curve) for curve in layout.curves]
    arriving: dict[int, list[int]] = defaultdict(list)
    for i, edge in enumerate(figure.edges):
        arriving[edge.end].append(i)
    for end, edges in arriving.items():
        box = figure.boxes[end]
        edges.sort(key=lambda i: _arrival(box, figure.edges[i], curves[i], across))
        alike: dict[int, list[int]] = defaultdict(list)
        for i, shift in zip(edges, pins(box, len(edges), across), strict=True):
            curves[i][-2:] = [_shifted(point, shift, across) for point in curves[i][-2:]]
            alike[figure.edges[i].start].append(i)
        for several in alike.values():  # x * x: two edges with the same ends bow apart
            for place, i in enumerate(several):
                bow = _BOW * (place - (len(several) - 1) / 2)
                curves[i][1:-1] = [_shifted(point, bow, across) for point in curves[i][1:-1]]
    return curves


def _shifted(point: Point, by: float, across: int) -> Point:
    x, y = point
    return (x, y + by) if across else (x + by, y)


def pins(box: Box, count: int, across: int) -> list[float]:
    """How far from the middle of its side each of `count` edges arrives at a box."""
    step = min(PIN_STEP, (box.size[across] - 8) / count)
    return [step * (i - (count - 1) / 2) for i in range(count)]


def _arrival(box: Box, edge: Edge, curve: list[Point], across: int) -> tuple[float, int]:
    return (0.0 if box.pins else curve[0][across]), edge.slot


class _Taken:
    """Rectangles already covered, in a grid of squares so that looking one up is quick."""

    _SQUARE = 80.0

    def __init__(self) -> None:
        self._squares: dict[tuple[int, int], list[tuple[Rectangle, float]]] = defaultdict(list)

    def add(self, rectangle: Rectangle, weight: float) -> None:
        for square in self._covered(rectangle):
            self._squares[square].append((rectangle, weight))

    def cost(self, rectangle: Rectangle) -> float:
        """The weight of all that a label would cover."""
        left, top, right, bottom = rectangle
        return sum(
            weight
            for square in self._covered(rectangle)
            for (x0, y0, x1, y1), weight in self._squares.get(square, ())
            if left <= x1 and x0 <= right and top <= y1 and y0 <= bottom
        )

    def _covered(self, rectangle: Rectangle) -> list[tuple[int, int]]:
        left, top, right, bottom = (int(v // self._SQUARE) for v in rectangle)
        return [(i, j) for i in range(left, right + 1) for j in range(top, bottom + 1)]
