"""Graph -> Figure: what a drawing says, before anyone knows where on the page or in what format.

A figure has one box per node (several for a leaf that is used far apart), one edge per use of a
node, and the texts in final form.  It holds no reference to the graph's values, so a drawing never
changes afterwards.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Any

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.frames import Frame
from tinygrad_edu.readers.frames import frames as frames_of
from tinygrad_edu.readers.layered import ranks
from tinygrad_edu.readers.local import local_derivatives
from tinygrad_edu.readers.trace import Graph, GraphNode, Group

FULL, COMPACT = 40, 300  # nodes up to which a graph is drawn in full, and with edge labels
SHOWN = ("data", "grad", "local", "scopes")  # what `show` may name

CELL = 7.25  # px: the width of a character, a little above that of common monospaced fonts at 12 px
SMALL_CELL = 6.65  # the same at 11 px, for edge labels and frame names
ROW = 17  # px from one line of text to the next
PAD_X, PAD_Y = 8, 5
GAP = 10  # between columns
NUMBER = 6  # cells: the least room for a number, so that most boxes are equally wide
PIN = 9  # room for a pin's numeral
PIN_STEP = 13.0  # between the arrows that arrive at one box, at most

_REACH = 4  # ranks; a leaf whose uses lie further apart is drawn once per use
_MOST_PINS = 4
_BADGE = 14  # cells: the longest line of an operation's symbol
_ORDERLESS = frozenset({"add", "multiply", "maximum", "minimum", "logaddexp"})


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """A text and its role: "name", "muted", "data" or "grad"."""

    text: str
    role: str

    @property
    def width(self) -> float:
        return wording.cells(self.text) * CELL


Row = tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class Box:
    """A node as drawn.

    id : stable: the node's place in the graph, and which of its uses this is.
    kind : as in the graph.  badge : the operation's symbol, in lines; none for a leaf.
    pins : how many operands get a numeral, because their order matters; 0 where it does not.
    header : the first line, running text.  grid : the lines below, in columns; the first column is
    a label, the others align right.
    stack : it stands for several nodes, and is drawn with another behind it.
    marked : it lies on the path that is pointed out.
    """

    id: str
    kind: str
    badge: tuple[str, ...]
    pins: int
    header: Row
    grid: tuple[Row, ...]
    frame: Frame
    stack: bool = False
    marked: bool = False

    @cached_property
    def columns(self) -> list[float]:
        """The width of each column of the grid.  A row with fewer cells spans the last ones."""
        count = max(map(len, self.grid), default=0)
        rows = [row for row in self.grid if len(row) == count]
        widths = [max(row[i].width for row in rows) for i in range(count)]
        return widths[:1] + [max(width, NUMBER * CELL) for width in widths[1:]]

    @cached_property
    def badge_width(self) -> float:
        """The width of the part at the left that holds the operation's symbol."""
        if not self.badge:
            return 0.0
        room = max(map(wording.cells, self.badge)) * CELL + 2 * PAD_X - 2
        return room + (PIN if self.pins else 0)

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels."""
        texts = [[cell.width for cell in row] for row in (self.header, *self.grid)]
        widest = max(sum(row) + GAP * max(len(row) - 1, 0) for row in (*texts, self.columns))
        lines = max(len(self.grid) + bool(self.header), len(self.badge))
        width = self.badge_width + 2 * PAD_X + widest
        return math.ceil(max(width, 24.0)), lines * ROW + 2 * PAD_Y


@dataclasses.dataclass(frozen=True, slots=True)
class Edge:
    """A use of a node: places of two boxes, which operand it is of how many, and a label."""

    start: int
    end: int
    slot: int
    slots: int
    label: str
    marked: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """Boxes, operands first, and edges.  `direction` is "LR" or "TB"; `caption` a line below."""

    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    direction: str
    caption: str = ""


def figure(
    graph: Graph,
    *,
    show: Iterable[str] = SHOWN,
    detail: str = "auto",
    direction: str = "LR",
    marked: Collection[int] = (),
) -> Figure:
    """The figure of a graph.

    show : any of "data", "grad", "local" (derivatives on the edges), "scopes" (frames).
    detail : "full", "compact" (one line per node) or "auto" (full up to 40 nodes).
    marked : places of nodes to point out, with the edges between them.

    Raises ValueError for an unknown name in `show`, `detail` or `direction`.
    """
    shown = _checked(show, detail, direction)
    full = detail == "full" or (detail == "auto" and len(graph.nodes) <= FULL)
    labelled = len(graph.nodes) <= COMPACT
    arrived = [n.index for n in graph.nodes if n.grad is not None] if "local" in shown else []
    local = {index: local_derivatives(graph, index) for index in arrived if full}
    frames: list[Frame] = frames_of(graph) if "scopes" in shown else [()] * len(graph.nodes)
    users = _distant_users(graph)

    boxes: list[Box] = []
    places: dict[tuple[int, int | None], int] = {}  # (node, user if drawn per use) -> box

    def add(node: GraphNode, user: int | None, copy: str, copies: int) -> None:
        if (node.index, user) not in places:
            places[node.index, user] = len(boxes)
            frame = frames[node.index if user is None or node.scope else user]
            box = _box(f"n{node.place}{copy}", node, copies, frame, shown, full)
            boxes.append(dataclasses.replace(box, marked=True) if node.index in marked else box)

    for node in graph.nodes:
        for i in node.inputs:
            if i in users:  # next to where it is used: this too is what keeps Graphviz quick
                add(graph.nodes[i], node.index, f"u{users[i].index(node.index)}", len(users[i]))
        if node.index not in users:
            add(node, None, "", 1)

    edges = []
    for start, end, slot in graph.edges:
        node, target = graph.nodes[start], graph.nodes[end]
        label = ""
        if not node.is_scalar and labelled and node.shape:
            label = wording.shape(node.shape)
        elif slot in local.get(end, ()):
            label = wording.TIMES + wording.number(local[end][slot])
        user = end if start in users else None
        on_path = start in marked and end in marked
        ends = places[start, user], places[end, None]
        edges.append(Edge(*ends, slot, len(target.inputs), label, on_path))
    return Figure(tuple(boxes), tuple(edges), direction, _caption(graph, shown))


def _caption(graph: Graph, shown: set[str]) -> str:
    """What is to be known about the drawing as a whole."""
    parts = []
    if graph.total > len(graph.nodes):
        parts.append(f"{len(graph.nodes):,} of {graph.total:,} nodes shown")
    if "grad" in shown and not graph.has_gradients and any(n.requires_grad for n in graph.nodes):
        parts.append("no gradients yet: call backward() on the result and draw again")
    return "; ".join(parts)


def _checked(show: Iterable[str], detail: str, direction: str) -> set[str]:
    shown = {show} if isinstance(show, str) else set(show)
    if not shown <= set(SHOWN):
        unknown = sorted(map(str, shown - set(SHOWN)))[0]
        raise ValueError(f"draw cannot show {unknown!r}; show takes {', '.join(SHOWN)}")
    if detail not in ("auto", "full", "compact"):
        raise ValueError(f"detail is {detail!r}, not 'auto', 'full' or 'compact'")
    if direction not in ("LR", "TB"):
        raise ValueError(
            f"direction is {direction!r}, not 'LR' (left to right) or 'TB' (top to bottom)"
        )
    return shown


def _distant_users(graph: Graph) -> dict[int, list[int]]:
    """For each leaf whose users lie far apart, these users: it is drawn once for each.

    A layout with one box for such a leaf is slow as well as tangled: Graphviz needs 43 s for a
    recurrent cell unrolled 50 times, and 22 ms with its weights drawn per use.  In a small graph
    every leaf is one box, so that its gradient is seen to come from all its uses.
    """
    if len(graph.nodes) <= FULL:
        return {}
    users: dict[int, dict[int, None]] = defaultdict(dict)
    for start, end, _ in graph.edges:
        if graph.nodes[start].is_leaf:
            users[start][end] = None
    from_inputs = ranks(len(graph.nodes), [(a, b) for a, b, _ in graph.edges])
    from_outputs = ranks(len(graph.nodes), [(b, a) for a, b, _ in graph.edges])
    distant = {}
    for leaf, ends in users.items():
        reach = max(
            max(rank[end] for end in ends) - min(rank[end] for end in ends)
            for rank in (from_inputs, from_outputs)
        )
        if reach > _REACH and leaf not in graph.roots:
            distant[leaf] = list(ends)
    return distant


# What a box says


def _box(id: str, node: GraphNode, copies: int, frame: Frame, shown: set[str], full: bool) -> Box:
    if node.group is not None:
        return _group_box(id, node, node.group, copies, frame, shown, full)
    header: list[Cell] = []
    if node.name:
        theta = "θ " if node.kind == "parameter" else ""
        header.append(Cell(theta + wording.clean(node.name, 24 if full else 14), "name"))
    if node.op is not None and (chosen := wording.options(node.op, node.options)) and full:
        header.append(Cell(chosen, "muted"))
    grid: list[Row] = []
    if node.is_scalar:
        _describe_scalar(node, header, grid, shown, full)
    else:
        _describe_array(node, header, grid, shown, full)
    if copies > 1:
        header.append(Cell(("used " if full else "") + f"{wording.TIMES}{copies}", "muted"))
    badge = _badge(node.op.symbol) if node.op is not None else ()
    ordered = full and node.op is not None and node.op.name not in _ORDERLESS
    pins = len(node.inputs) if ordered and 1 < len(node.inputs) <= _MOST_PINS else 0
    return Box(id, node.kind, badge, pins, tuple(header), tuple(grid), frame)


def _group_box(
    id: str,
    node: GraphNode,
    group: Group,
    copies: int,
    frame: Frame,
    shown: set[str],
    full: bool,
) -> Box:
    """What stands for several nodes: how many, their parameters, and the norm of the gradient."""
    if group.kind == "cut":
        header = [Cell(group.label, "muted")]
        return Box(f"{id}{'b' if not node.inputs else 'a'}", "cut", (), 0, tuple(header), (), frame)
    header = [Cell(wording.clean(group.label, 30 if full else 20), "name")]
    if group.times > 1:
        header.append(Cell(f"{wording.TIMES}{group.times:,}", "muted"))
    if group.siblings:
        header.append(Cell(f"+{group.siblings:,} more", "muted"))
    if copies > 1:
        header.append(Cell(f"used {wording.TIMES}{copies}", "muted"))
    if node.shape:
        header.append(Cell(wording.shape(node.shape), "muted"))
    norm = wording.DASH if group.norm is None else wording.number(group.norm)
    grid: list[Row] = []
    if full:
        counts = [(group.operations, "operation"), (group.parameters, "parameter")]
        if group.kind == "leaves":
            counts = []
        told = [f"{n:,} {what}{'s' * (n != 1)}" for n, what in counts if n]
        if told:
            grid.append((Cell(", ".join(told), "muted"),))
        if node.data is not None and math.prod(node.shape) == 1:
            _scalar_rows(node, grid, shown)
        if "grad" in shown and group.parameters:
            grid.append((Cell("grad norm", "grad"), Cell(norm, "grad")))
    elif "grad" in shown and group.norm is not None:
        header.append(Cell(f"‖∇‖ {norm}", "grad"))
    return Box(id, node.kind, (), 0, tuple(header), tuple(grid), frame, stack=True)


def _badge(symbol: str) -> tuple[str, ...]:
    """An operation's symbol; a long name is broken after underscores, into at most three lines."""
    lines = [""]
    for part in wording.clean(symbol, 3 * _BADGE).replace("_", "_\n").split("\n"):
        if lines[-1] and wording.cells(lines[-1] + part) > _BADGE and len(lines) < 3:
            lines.append("")
        lines[-1] += part
    return tuple(wording.clean(line, _BADGE) for line in lines)


def _describe_scalar(
    node: GraphNode, header: list[Cell], grid: list[Row], shown: set[str], full: bool
) -> None:
    data = Cell(wording.number(node.data), "data")
    grad = Cell(wording.DASH if node.grad is None else wording.number(node.grad), "grad")
    if node.kind == "constant":
        header.append(data)
    elif full:
        _scalar_rows(node, grid, shown)
    else:
        if "data" in shown:
            header.append(data)
        if "grad" in shown and node.grad is not None:
            header.append(Cell(f"∇{grad.text}", "grad"))


def _scalar_rows(node: GraphNode, grid: list[Row], shown: set[str]) -> None:
    """Value and gradient of a node that holds one number."""
    if "data" in shown:
        grid.append((Cell("data", "data"), Cell(wording.number(_only(node.data)), "data")))
    if "grad" in shown and node.requires_grad:
        grad = wording.DASH if node.grad is None else wording.number(_only(node.grad))
        grid.append((Cell("grad", "grad"), Cell(grad, "grad")))


def _only(data: Any) -> float:
    """The number in `data`: itself, or the one element of an array."""
    return float(data.item() if hasattr(data, "item") else data)


def _describe_array(
    node: GraphNode, header: list[Cell], grid: list[Row], shown: set[str], full: bool
) -> None:
    if node.kind == "constant" and math.prod(node.shape) == 1:
        header.append(Cell(wording.statistics(node.data)[0], "data"))
        return
    header.append(Cell(wording.shape(node.shape), "muted"))
    if not full:
        return
    header.append(Cell(str(node.dtype), "muted"))
    rows: list[tuple[str, list[str]]] = []
    if "data" in shown:
        rows.append(("data", wording.statistics(node.data)))
    if "grad" in shown and node.requires_grad:
        rows.append(
            ("grad", [wording.DASH] if node.grad is None else wording.statistics(node.grad))
        )
    if any(len(texts) == 3 for _, texts in rows):
        titles = ("", "min", "max", "norm")
        grid.append(tuple(Cell(title, "muted") for title in titles))
        rows = [(role, texts * 3 if texts == [wording.DASH] else texts) for role, texts in rows]
    grid += [(Cell(role, role), *(Cell(text, role) for text in texts)) for role, texts in rows]
