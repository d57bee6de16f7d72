"""draw: a recorded graph as a picture, in a notebook, in a file or in the terminal."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from tinygrad_edu.node import Node
from tinygrad_edu.readers import dot, telling
from tinygrad_edu.readers.collapse import VISIBLE, modules
from tinygrad_edu.readers.collapse import collapse as _collapse
from tinygrad_edu.readers.figure import COMPACT, SHOWN, Figure, figure
from tinygrad_edu.readers.graphviz_process import Failed, Late, Unavailable, child
from tinygrad_edu.readers.layout import Layout, layout
from tinygrad_edu.readers.parts import focus as part_around
from tinygrad_edu.readers.parts import path as nodes_between
from tinygrad_edu.readers.parts import search, shown_as
from tinygrad_edu.readers.svg import svg
from tinygrad_edu.readers.trace import Graph, inputs_first, trace
from tinygrad_edu.readers.zoom import zoom as opened

_RENDER_SECONDS = 20.0
_FITS = 1600  # px; a wider drawing scrolls in a notebook instead of shrinking
_LABEL_ROOM = 6.65  # px per character of an edge label
_INSTALL = (
    "run: pip install 'pygraphviz>=2.0' (it has Graphviz inside), or install Graphviz so that "
    "`dot` is on the PATH; .svg and .dot need neither"
)


def draw(
    root: Node | list[Node] | tuple[Node, ...] | Graph,
    *,
    names: Any = None,
    show: Iterable[str] = SHOWN,
    collapse: str | int | bool = "auto",
    focus: Node | str | int | None = None,
    up: int = 2,
    down: int = 2,
    path: tuple[Node | str | int, Node | str | int] | None = None,
    zoom: Node | str | int | Iterable[Node | str | int] = (),
    thumbnails: bool = False,
    detail: str = "auto",
    max_nodes: int = COMPACT,
    direction: str = "LR",
    theme: str = "auto",
    style: str = "merged",
) -> Drawing:
    """The graph under a node as a `Drawing`, which a notebook shows and `.save` writes to a file.

    Parameters
    ----------
    root : a node, several nodes, a `Graph` from `trace`, or a compiled function.
    names : a mapping from names to nodes, such as ``locals()``; labels nodes that have no name.
    show : any of "data", "grad", "local" (each operation's local derivatives, on the edges, once
        gradients have arrived) and "scopes" (frames around what a module or `scope` block made);
        and, for arrays, "rules" (how the shapes of each rule work out) and "kept" (what it needs of
        the forward pass).
    collapse : "auto" draws a graph of more than `max_nodes` as at most 60 boxes: modules, neurons,
        repeats.  "modules" draws every module as a box, a number those so deep inside others, and
        False everything.
    focus : a node, or the name of one, of an operation or of a frame: only what is at most `up`
        steps before it and `down` steps behind it is drawn.
    path : two of these: the ways from the first to the second are pointed out.
    zoom : the operations, by node or name, to open: softmax is drawn as what it is made of.  What
        is inside can be named after it.
    thumbnails : whether arrays have heat maps of their data and gradients.
    detail : "full", "compact" (a line per node) or "auto": full up to 40 nodes.
    direction : "LR", left to right, or "TB", top to bottom.
    theme : "light", "dark", "print" (black on white), or "auto", which follows the page around the
        drawing.
    style : "merged", one box for a value and the operation that made it, or "classic": micrograd's
        picture, values and operations apart.

    The values are read now: changing them later does not change the drawing.

    Raises TypeError if `root` is no node, ValueError for an unknown choice, LookupError for a
    `focus` or `path` that is not in the graph.

    >>> from tinygrad_edu import Value
    >>> a, b = Value(2.0, name="a"), Value(-3.0, name="b")
    >>> c = a * b
    >>> c.backward()
    >>> draw(c, names=locals())
    <Drawing of 3 nodes: c = a * b>
    """
    if theme not in ("auto", "light", "dark", "print"):
        raise ValueError(f"theme is {theme!r}, not 'auto', 'light', 'dark' or 'print'")
    if style not in ("merged", "classic"):
        raise ValueError(f"style is {style!r}, not 'merged' or 'classic'")
    if max_nodes < 3:
        raise ValueError(f"max_nodes is {max_nodes}: input, what is in between, and result are 3")
    if names is not None and not isinstance(names, Mapping):
        raise TypeError(f"names must map names to nodes, as locals() does, not {names!r}")
    if not isinstance(root, Node | Graph | list | tuple) and hasattr(root, "graph"):
        root, show = root.graph(), {"scopes"}.intersection(show)  # a compiled function: no values
    graph = root if isinstance(root, Graph) else trace(root, names=names)
    for what in [zoom] if isinstance(zoom, Node | str | int) else zoom:
        graph = opened(graph, _Finder(root, graph)(what, operations=True))
    find = _Finder(root, graph)
    marked = nodes_between(graph, find(path[0]), find(path[1])) if path is not None else set()
    if focus is not None:
        shown = part_around(graph, find(focus), up, down)
    else:
        shown = _collapsed(graph, collapse, max_nodes)
    wanted = [show] if isinstance(show, str) else [*show]
    wanted += ["thumbnails"] if thumbnails else []
    pictured = figure(
        shown, show=wanted, detail=detail, direction=direction, marked=shown_as(shown, marked)
    )
    return Drawing(graph, shown, pictured, theme, style)


def _collapsed(graph: Graph, how: str | int | bool, max_nodes: int) -> Graph:
    if how == "auto" or how is True:
        return _collapse(graph, min(VISIBLE, max_nodes)) if len(graph.nodes) > max_nodes else graph
    if how == "modules":
        return modules(graph)
    if how is False or how is None:
        return graph
    if isinstance(how, int) and how > 0:
        return modules(graph, how)
    raise ValueError(
        f"collapse is {how!r}, not 'auto', 'modules', False, or how many modules may stand around "
        "each other"
    )


class _Finder:
    """Places in a graph by node, name or place."""

    def __init__(self, root: Any, graph: Graph) -> None:
        self._root = root
        self._graph = graph

    def __call__(self, what: Node | str | int, *, operations: bool = False) -> int:
        """Where `what` is; `operations`: of several with this name, the first that is one.

        Raises LookupError where it is not in the graph.
        """
        if isinstance(what, str):
            found = search(self._graph, what)
            return next((i for i in found if self._graph.nodes[i].op and operations), found[0])
        if isinstance(what, Node) and not isinstance(self._root, Graph):
            roots = list(self._root) if isinstance(self._root, list | tuple) else [self._root]
            places = {node: i for i, node in enumerate(inputs_first(roots))}
            if what in places:
                return next(n.index for n in self._graph.nodes if n.place == places[what])
        elif isinstance(what, int) and 0 <= what < len(self._graph.nodes):
            return what
        raise LookupError(f"{what!r} is not in this graph")


class Drawing:
    """A picture of a graph.  Made by `draw`; nothing in it changes afterwards.

    Attributes
    ----------
    graph : the snapshot it was made from; shown : what of it is drawn.
    svg : the text of an SVG file.
    source : the picture as DOT text, for Graphviz.
    alt : what it shows, in words.
    """

    def __init__(self, graph: Graph, shown: Graph, figure: Figure, theme: str, style: str) -> None:
        self.graph = graph
        self.shown = shown
        self._figure = figure
        self._theme = theme
        self._style = style

    @cached_property
    def svg(self) -> str:
        """The text of an SVG file: self-contained, with no script and no link.

        The classic style is drawn by Graphviz; where there is none, as merged.
        """
        if self._style == "classic":
            try:
                return child().render(self.source, "svg", _RENDER_SECONDS).decode("utf-8")
            except (Unavailable, Failed, Late):
                pass
        return svg(
            self._figure,
            self._layout,
            title=repr(self)[1:-1],
            description=self.alt,
            theme=self._theme,
        )

    @cached_property
    def source(self) -> str:
        """The picture as DOT text: the same boxes and numbers, placed by whoever reads it."""
        if self._style == "classic":
            return dot.classic(self.shown, direction=self._figure.direction)
        return dot.merged(self._figure, theme="light" if self._theme == "auto" else self._theme)

    @cached_property
    def alt(self) -> str:
        """The computation in words."""
        return telling.sentence(self.graph)

    @property
    def engine(self) -> str:
        """What placed the boxes: "pygraphviz", "dot" or "layered"."""
        return self._layout.engine

    @cached_property
    def _layout(self) -> Layout:
        boxes, edges = self._figure.boxes, self._figure.edges
        labels = [edge.label.split("\n") for edge in edges]
        longest = max([len(line) for lines in labels for line in lines], default=0)
        most = max(map(len, labels), default=1)  # lines
        across = self._figure.direction == "LR"
        return layout(
            [box.size for box in boxes],
            [(edge.start, edge.end) for edge in edges],
            [box.frame for box in boxes],
            direction=self._figure.direction,
            between_ranks=longest * _LABEL_ROOM + 32 if across else 44 + 14 * most,
        )

    def text(self) -> str:
        """The graph as a table for the terminal: a line per node with value and gradient."""
        return telling.table(self.graph)

    def save(self, path: str | Path, *, dpi: int = 192) -> Path:
        """Write the picture to `path` and return it; the ending decides the format.

        .svg and .dot (or .gv) are always possible; .png (`dpi` dots per inch) and .pdf need
        Graphviz, which pygraphviz has inside.

        Raises ValueError for another ending, RuntimeError where Graphviz is needed and missing.
        """
        path = Path(path)
        ending = path.suffix.lower()
        if ending == ".svg":
            content = self.svg.encode("utf-8")
        elif ending in (".dot", ".gv"):
            content = self.source.encode("utf-8")
        elif ending in (".png", ".pdf"):
            content = self._render(ending[1:], dpi)
        else:
            raise ValueError(
                f"cannot save {path.name!r}; the ending must be .svg, .png, .pdf or .dot"
            )
        path.write_bytes(content)
        return path

    def to_html(self, path: str | Path) -> Path:
        """Write an HTML file that steps through the two passes by itself; returns `path`.

        It needs no network and no Python.  See `Stepper`.
        """
        from tinygrad_edu.readers.stepper import Stepper

        stepper = Stepper(self.graph)
        return stepper.to_html(path, theme=self._theme, direction=self._figure.direction)

    def animate(self, path: str | Path, *, seconds: float = 1.4) -> Path:
        """Write an SVG that plays the two passes in a loop; returns `path`.

        Made of CSS alone, so that it plays in a README.  Each step is shown for `seconds`; a long
        story is told in larger steps.
        """
        from tinygrad_edu.readers.animation import animated
        from tinygrad_edu.readers.stepper import Stepper

        direction = self._figure.direction
        film = animated(
            Stepper(self.graph), theme=self._theme, direction=direction, seconds=seconds
        )
        path = Path(path)
        path.write_text(film, encoding="utf-8")
        return path

    def _render(self, format: str, dpi: int) -> bytes:
        """The source drawn by Graphviz, in the child process or by `dot`."""
        source = self.source
        if format == "png":
            source = source.replace("{", f"{{\n\tdpi={int(dpi)}", 1)
        try:
            return child().render(source, format, _RENDER_SECONDS)
        except (Unavailable, Failed, Late) as error:
            reason: Exception = error
        program = shutil.which("dot")
        if program is not None:
            try:
                return subprocess.run(
                    [program, f"-T{format}"],
                    input=source.encode("utf-8"),
                    capture_output=True,
                    timeout=_RENDER_SECONDS,
                    check=True,
                ).stdout
            except (OSError, subprocess.SubprocessError) as error:
                reason = error
        next_step = _INSTALL if isinstance(reason, Unavailable) else "save it as .svg instead"
        raise RuntimeError(f"cannot make a {format} ({reason}); {next_step}") from reason

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """An image that notebooks show even before they are trusted, and a table in words."""
        data = base64.b64encode(self.svg.encode("utf-8")).decode("ascii")
        wide = self._style == "merged" and self._layout.width > _FITS
        image = (
            f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(self.alt)}" '
            f'style="max-width:{"none" if wide else "100%"}">'
        )
        html = f'<div style="overflow-x:auto">{image}</div>' if wide else image
        return {"text/html": html, "text/plain": self.text()}

    def __repr__(self) -> str:
        count = f"{len(self.graph.nodes):,}"
        if self.shown.hides:
            count = f"{len(self.shown.nodes):,} of {count}"
        return f"<Drawing of {count} nodes: {telling.results(self.graph)}>"
