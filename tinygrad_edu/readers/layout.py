"""Sizes, edges and frames -> positions and curves.

Graphviz's `dot` does it best, so it is asked first: through pygraphviz in a child process, then as
a program on the PATH.  It is sent numbers only, in the one profile that has never crashed it: boxes
of fixed size with empty labels, clusters, and the sides where edges leave and arrive.  Without
Graphviz, or past its deadline, the layered layout in plain Python takes over: drawing never fails
for want of a layout.
"""

from __future__ import annotations

import bisect
import dataclasses
import logging
import shutil
import subprocess
from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tinygrad_edu.readers import layered
from tinygrad_edu.readers.graphviz_process import Failed, Late, Unavailable, child

Point = tuple[float, float]
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom
Path = tuple[Any, ...]  # of a frame: what names the frames around it, and it

DEADLINE = 2.0  # seconds
FRAME_MARGIN = 18.0  # around what a frame holds; its name stands in the upper one

_log = logging.getLogger("tinygrad_edu")
_told: set[str] = set()


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, in pixels; y grows downwards.

    centres : one point per box.
    curves : per edge 1 + 3k points of a cubic Bezier spline, from the edge of a box to another's.
    frames : rectangles by path, outer frames first.
    width, height : everything lies between (0, 0) and this.
    engine : "pygraphviz", "dot" or "layered".
    """

    centres: list[Point]
    curves: list[list[Point]]
    frames: dict[Path, Rectangle]
    width: float
    height: float
    engine: str


def layout(
    sizes: Sequence[Point],
    edges: Sequence[tuple[int, int]],
    frames: Sequence[Path] = (),
    *,
    direction: str = "LR",
    between_ranks: float = 40.0,
    between_nodes: float = 14.0,
) -> Layout:
    """Positions for boxes of the given (width, height), in pixels.

    edges : (from, to) places in `sizes`; pairs may repeat.
    frames : for each box the path of the frame it stands in, () for none.
    direction : "LR", left to right, or "TB", top to bottom.

    >>> found = layout([(40, 20), (40, 20)], [(0, 1)])
    >>> (x0, _), (x1, _) = found.centres
    >>> round(x1 - x0)
    80
    """
    frames = frames or [()] * len(sizes)
    dot = _dot(sizes, edges, frames, direction, between_ranks, between_nodes)
    plain, engine = _ask_graphviz(dot)
    if plain is not None:
        centres, curves = _read_plain(plain, edges)
    else:
        centres, curves = _layered(sizes, edges, direction, between_ranks, between_nodes)
    rectangles = _rectangles(sizes, centres, frames)
    if engine == "layered":
        rectangles = _honest(rectangles, centres, frames)
    return _moved_to_origin(sizes, centres, curves, rectangles, engine)


def engine() -> str:
    """The layout engine in use, for people: its name and version.

    >>> isinstance(engine(), str)
    True
    """
    _, name = _ask_graphviz("digraph{a}")
    if name == "pygraphviz":
        return f"pygraphviz {child().version}, in a child process"
    return {"dot": f"{shutil.which('dot')}", "layered": "built in (no Graphviz found)"}[name]


def _ask_graphviz(dot: str) -> tuple[str | None, str]:
    """Graphviz's "plain" text and which Graphviz it was, or None and "layered"."""
    reason = ""
    try:
        return child().render(dot, "plain", DEADLINE).decode("utf-8"), "pygraphviz"
    except Unavailable:
        reason = (
            "no Graphviz found, so graphs are drawn with the built-in layout; for better pictures "
            "run: pip install 'pygraphviz>=2.0'"
        )
    except Late:
        _tell(
            f"Graphviz needed more than {DEADLINE:g} s for a graph; it is drawn with the built-in "
            "layout (draw a part of it for a better picture)"
        )
        return None, "layered"
    except Failed:
        reason = "Graphviz failed on a graph; it is drawn with the built-in layout"
    program = shutil.which("dot")
    if program is not None:
        try:
            done = subprocess.run(
                [program, "-Tplain"], input=dot.encode(), capture_output=True, timeout=DEADLINE
            )
            if done.returncode == 0:
                return done.stdout.decode("utf-8"), "dot"
        except (OSError, subprocess.TimeoutExpired):
            reason = f"{program} failed on a graph; it is drawn with the built-in layout"
    _tell(reason)
    return None, "layered"


def _tell(reason: str) -> None:
    """Log `reason`, once in the life of this process."""
    if reason not in _told:
        _told.add(reason)
        _log.warning(reason)


# Graphviz


def _dot(
    sizes: Sequence[Point],
    edges: Sequence[tuple[int, int]],
    frames: Sequence[Path],
    direction: str,
    between_ranks: float,
    between_nodes: float,
) -> str:
    """The graph in DOT: numbers only.  A pixel is a point, 1/72 of Graphviz's inches."""
    start, end = ("e", "w") if direction == "LR" else ("s", "n")
    lines = [
        f"digraph{{rankdir={direction};ranksep={between_ranks / 72:.4f};",
        f"nodesep={between_nodes / 72:.4f};",
        'node[shape=box,fixedsize=true,label=""];',
        f"edge[dir=none,tailport={start},headport={end}];",
    ]
    lines += [f"{i}[width={w / 72:.4f},height={h / 72:.4f}];" for i, (w, h) in enumerate(sizes)]
    lines += [f"{a}->{b};" for a, b in edges]
    members: dict[Path, list[int]] = defaultdict(list)
    for i, path in enumerate(frames):
        members[path].append(i)
    open_paths: list[Path] = []
    for number, path in enumerate(_with_parents(members)):
        while open_paths and path[: len(open_paths[-1])] != open_paths[-1]:
            open_paths.pop()
            lines.append("}")
        open_paths.append(path)
        lines.append(f"subgraph cluster_{number}{{margin={FRAME_MARGIN:g};")
        lines += [f"{i};" for i in members.get(path, ())]
    lines.append("}" * len(open_paths) + "}")
    return "\n".join(lines)


def _with_parents(paths: dict[Path, list[int]]) -> list[Path]:
    """All frames, parents before their children and next to them."""
    return sorted({path[:depth] for path in paths for depth in range(1, len(path) + 1)})


def _read_plain(
    text: str, edges: Sequence[tuple[int, int]]
) -> tuple[list[Point], list[list[Point]]]:
    """Centres and curves from Graphviz's "plain" format, in pixels with y downwards."""
    centres: dict[int, Point] = {}
    curves: dict[tuple[int, int], deque[list[Point]]] = defaultdict(deque)
    for line in text.splitlines():
        kind, *fields = line.split(" ")
        if kind == "node":
            centres[int(fields[0])] = _pixels(fields[1:3])[0]
        elif kind == "edge":
            a, b, count = int(fields[0]), int(fields[1]), int(fields[2])
            curves[a, b].append(_pixels(fields[3 : 3 + 2 * count]))
    return [centres[i] for i in range(len(centres))], [curves[edge].popleft() for edge in edges]


def _pixels(fields: list[str]) -> list[Point]:
    numbers = [float(f) * 72 for f in fields]
    return [(x, -y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


# The layered fallback


def _layered(
    sizes: Sequence[Point],
    edges: Sequence[tuple[int, int]],
    direction: str,
    between_ranks: float,
    between_nodes: float,
) -> tuple[list[Point], list[list[Point]]]:
    turned = direction == "TB"
    given = [(h, w) for w, h in sizes] if turned else sizes
    centres, paths = layered.arrange(
        given, edges, between_ranks=between_ranks, between_nodes=between_nodes
    )
    curves = [_smooth(path) for path in paths]
    if turned:
        centres = [(y, x) for x, y in centres]
        curves = [[(y, x) for x, y in curve] for curve in curves]
    return centres, curves


def _smooth(path: list[Point]) -> list[Point]:
    """A spline through the points that leaves and reaches each of them horizontally."""
    curve = path[:1]
    for (x0, y0), (x1, y1) in pairwise(path):
        middle = (x0 + x1) / 2
        curve += [(middle, y0), (middle, y1), (x1, y1)]
    return curve


# Frames and margins


def _rectangles(
    sizes: Sequence[Point], centres: Sequence[Point], frames: Sequence[Path]
) -> dict[Path, Rectangle]:
    """Each frame around its boxes and inner frames, outer frames first."""
    inside: dict[Path, list[Rectangle]] = defaultdict(list)
    for (w, h), (x, y), path in zip(sizes, centres, frames, strict=True):
        if path:
            inside[path].append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    found: dict[Path, Rectangle] = {}
    paths = {path[:depth] for path in inside for depth in range(1, len(path) + 1)}
    for path in sorted(paths, key=lambda p: (-len(p), p)):
        lefts, tops, rights, bottoms = zip(*inside[path], strict=True)
        found[path] = (
            min(lefts) - FRAME_MARGIN,
            min(tops) - FRAME_MARGIN,
            max(rights) + FRAME_MARGIN,
            max(bottoms) + FRAME_MARGIN,
        )
        if len(path) > 1:
            inside[path[:-1]].append(found[path])
    return dict(sorted(found.items()))


def _honest(
    rectangles: dict[Path, Rectangle], centres: Sequence[Point], frames: Sequence[Path]
) -> dict[Path, Rectangle]:
    """The frames that hold their own boxes only: the layered layout does not know of frames."""
    boxes = sorted(zip(centres, frames, strict=True))

    def foreign(path: Path, frame: Rectangle) -> bool:
        left, top, right, bottom = frame
        first = bisect.bisect_left(boxes, left, key=lambda box: box[0][0])
        last = bisect.bisect_right(boxes, right, key=lambda box: box[0][0])
        return any(top < y < bottom and of[: len(path)] != path for (_, y), of in boxes[first:last])

    return {path: frame for path, frame in rectangles.items() if not foreign(path, frame)}


def _moved_to_origin(
    sizes: Sequence[Point],
    centres: list[Point],
    curves: list[list[Point]],
    rectangles: dict[Path, Rectangle],
    engine: str,
) -> Layout:
    boxes = [
        (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for (w, h), (x, y) in zip(sizes, centres, strict=True)
    ]
    around = [*boxes, *rectangles.values(), *((x, y, x, y) for curve in curves for x, y in curve)]
    if not around:
        return Layout([], [], {}, 0.0, 0.0, engine)
    left, top = min(r[0] for r in around), min(r[1] for r in around)
    return Layout(
        [(x - left, y - top) for x, y in centres],
        [[(x - left, y - top) for x, y in curve] for curve in curves],
        {
            path: (x0 - left, y0 - top, x1 - left, y1 - top)
            for path, (x0, y0, x1, y1) in rectangles.items()
        },
        max(r[2] for r in around) - left,
        max(r[3] for r in around) - top,
        engine,
    )
