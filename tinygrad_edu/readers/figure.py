"""Graph -> Figure: what a drawing says, before anyone knows where on the page or in what format.

A figure has one box per node (several for a leaf that is used far apart), one edge per use of a
node, and the texts in final form.  It holds no reference to the graph's values, so a drawing never
changes afterwards.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import Any

import numpy

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.frames import Frame
from tinygrad_edu.readers.frames import frames as frames_of
from tinygrad_edu.readers.heatmap import CELLS, heat_map
from tinygrad_edu.readers.keeps import reads_of
from tinygrad_edu.readers.layered import ranks
from tinygrad_edu.readers.local import local_derivatives
from tinygrad_edu.readers.rules import ARROW, RuleText, rule_texts
from tinygrad_edu.readers.telling import labels
from tinygrad_edu.readers.trace import Graph, GraphNode, Group

FULL, COMPACT = 40, 300  # nodes up to which a graph is drawn in full, and with edge labels
SHOWN = ("data", "grad", "local", "scopes")  # what is shown unless `show` says otherwise
MORE = ("rules", "kept", "thumbnails")  # what `show` may name as well

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
_SIDE = 48  # px: the longer side of a heat map
_BADGE = 14  # cells: the longest line of an operation's symbol
_MOST_READ = 5_000_000  # elements of operands, up to which a rule is read for a label
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


@dataclasses.dataclass(frozen=True, slots=True)
class Thumbnail:
    """A heat map: "data" or "grad", a PNG file, and its size in pixels as drawn."""

    role: str
    png: bytes
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class Box:
    """A node as drawn.

    id : stable: the node's place in the graph, and which of its uses this is.
    kind : as in the graph.  badge : the operation's symbol, in lines; none for a leaf.
    pins : how many operands get a numeral, because their order matters; 0 where it does not.
    header : the first line, running text.  grid : the lines below, in columns; the first column is
    a label, the others align right.
    thumbnails : heat maps of data and gradient, at the right.
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
    thumbnails: tuple[Thumbnail, ...] = ()
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
        width = self.badge_width + 2 * PAD_X + widest + self.thumbnails_width
        height = lines * ROW
        if self.thumbnails:
            height = max(height, ROW + max(t.height for t in self.thumbnails))
        return math.ceil(max(width, 24.0)), height + 2 * PAD_Y

    @property
    def thumbnails_width(self) -> float:
        """The width of the part at the right that holds the heat maps."""
        return sum(t.width + GAP for t in self.thumbnails)


@dataclasses.dataclass(frozen=True, slots=True)
class Edge:
    """A use of a node: places of two boxes, which operand it is of how many, and a label of one
    or two lines."""

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

    show : any of "data", "grad", "local" (derivatives on the edges), "scopes" (frames), "rules"
        (how each rule's shapes work out), "kept" (what it keeps) and "thumbnails".
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
    rules = _Rules(graph) if full else None

    boxes: list[Box] = []
    places: dict[tuple[int, int | None], int] = {}  # (node, user if drawn per use) -> box

    def add(node: GraphNode, user: int | None, copy: str, copies: int) -> None:
        if (node.index, user) not in places:
            places[node.index, user] = len(boxes)
            frame = frames[node.index if user is None or node.scope else user]
            box = _box(f"n{node.place}{copy}", node, copies, frame, shown, full)
            if rules is not None and node.op is not None and not node.is_scalar:
                box = dataclasses.replace(box, grid=(*box.grid, *rules.rows(node, shown)))
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
            if rules is not None and "local" in shown and (summed := rules.summed(target, slot)):
                label += f"\n{summed}"
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


class _Rules:
    """What the rules of array operations say, each read once, and only where it is asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names = labels(graph)
        self._texts: dict[int, list[RuleText | None]] = {}

    def _of(self, node: GraphNode) -> list[RuleText | None]:
        if node.index not in self._texts:
            self._texts[node.index] = rule_texts(self._graph, node.index, self._names)
        return self._texts[node.index]

    def summed(self, node: GraphNode, slot: int) -> str:
        """``sum over axis 0`` where undoing a broadcast brings a gradient to its operand's shape.

        Read off a result whose gradient has arrived; "" elsewhere.
        """
        operand = self._graph.nodes[node.inputs[slot]]
        if node.op is None or node.grad is None or not operand.requires_grad:
            return ""
        if operand.shape == node.shape or sum(x.size for x in node.args) > _MOST_READ:
            return ""
        text = self._of(node)[slot]
        return text.summed.partition(":")[0] if text is not None else ""

    def rows(self, node: GraphNode, shown: set[str]) -> list[Row]:
        """The lines that "rules" and "kept" add to a box."""
        found: list[Row] = []
        if "rules" in shown:
            for i, text in zip(node.inputs, self._of(node), strict=True):
                operand = self._graph.nodes[i]
                if text is not None and operand.requires_grad:
                    told = f"d{self._names[i]} = {text.formula}: {text.shapes}"
                    found.append(
                        (Cell(told + (f"; {text.summed}" if text.summed else ""), "muted"),)
                    )
        if "kept" in shown:
            places = reads_of(self._graph, node)
            size = sum(self._graph.nodes[i].data.nbytes for i in places)
            what = ", ".join(self._names[i] for i in places) or "nothing"
            found.append((Cell(f"keeps {what}" + (f", {size:,} bytes" if size else ""), "muted"),))
        return found


def _checked(show: Iterable[str], detail: str, direction: str) -> set[str]:
    shown = {show} if isinstance(show, str) else set(show)
    if not shown <= {*SHOWN, *MORE}:
        unknown = sorted(map(str, shown - {*SHOWN, *MORE}))[0]
        raise ValueError(f"draw cannot show {unknown!r}; show takes {', '.join(SHOWN + MORE)}")
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
    pictures = _thumbnails(node) if full and "thumbnails" in shown and not node.is_scalar else ()
    return Box(id, node.kind, badge, pins, tuple(header), tuple(grid), frame, pictures)


def _thumbnails(node: GraphNode) -> tuple[Thumbnail, ...]:
    """Heat maps of an array of several elements, and of its gradient."""
    found = []
    for role, array in (("data", node.data), ("grad", node.grad)):
        if array is not None and array.size > 1 and array.dtype.kind in "fiub":
            png, width, height = heat_map(array)
            side = max(_SIDE // max(width, height), _SIDE // CELLS)  # px per cell
            found.append(Thumbnail(role, png, side * width, max(side * height, 6)))
    return tuple(found)


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
    header = [Cell(wording.clean(group.label, 40 if full else 24), "name")]
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
    if node.data is None:  # in a program, which has no values
        return
    data = Cell(wording.number(node.data), "data")
    grad = Cell(wording.DASH if node.grad is None else wording.number(node.grad), "grad")
    if node.kind == "constant":
        header.append(data)
    elif full:
        _scalar_rows(node, grid, shown)
    else:
        if "data" in shown:
            if node.before is not None and node.before.data != node.data:
                header.append(Cell(f"{wording.number(node.before.data)} {ARROW}", "muted"))
            header.append(data)
        if "grad" in shown and node.grad is not None:
            header.append(Cell(f"∇{grad.text}", "grad"))


def _scalar_rows(node: GraphNode, grid: list[Row], shown: set[str]) -> None:
    """Value and gradient of a node that holds one number."""
    if node.before is not None and _changed(node, node.before):
        grid += _change_rows(node, node.before, shown, ("",), _only)
        return
    if "data" in shown:
        grid.append((Cell("data", "data"), Cell(wording.number(_only(node.data)), "data")))
    if "grad" in shown and node.requires_grad:
        grad = wording.DASH if node.grad is None else wording.number(_only(node.grad))
        grid.append((Cell("grad", "grad"), Cell(grad, "grad")))


def _changed(node: GraphNode, before: GraphNode) -> bool:
    """Whether data or gradient of a node differ from what they were."""
    for now, then in ((node.data, before.data), (node.grad, before.grad)):
        if (now is None) != (then is None):
            return True
        if now is not None and not numpy.array_equal(now, then, equal_nan=True):
            return True
    return False


def _change_rows(
    node: GraphNode,
    before: GraphNode,
    shown: set[str],
    title: tuple[str],
    measure: Callable[[Any], float],
) -> list[Row]:
    """Titles, and per row what a measure was, what it is, and the measure of the difference."""
    titles = (*title, "before", "after", "change")
    rows: list[Row] = [tuple(Cell(text, "muted") for text in titles)]
    wanted = [("data", before.data, node.data)] if "data" in shown else []
    if "grad" in shown and node.requires_grad:
        wanted.append(("grad", before.grad, node.grad))
    for role, then, now in wanted:
        known = then is not None and now is not None
        change = measure(now - then) if known else None
        numbers = (None if then is None else measure(then), None if now is None else measure(now))
        texts = [wording.DASH if x is None else wording.number(x) for x in (*numbers, change)]
        rows.append((Cell(role, role), *(Cell(text, role) for text in texts)))
    return rows


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
    if node.before is not None and _changed(node, node.before):
        grid += _change_rows(node, node.before, shown, ("norm",), wording.norm)
        return
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
