"""Figure or graph -> DOT text, through the `graphviz` package.

`merged` holds what the SVG shows, as tables in the labels; PNG and PDF are made from it.  `classic`
is the plain picture micrograd made familiar: a record per value, an ellipse per operation.
"""

from __future__ import annotations

from collections import defaultdict
from html import escape
from typing import Any

from tinygrad_edu.readers import wording
from tinygrad_edu.readers.figure import Box, Cell, Figure
from tinygrad_edu.readers.frames import Frame
from tinygrad_edu.readers.palette import colour
from tinygrad_edu.readers.telling import labels
from tinygrad_edu.readers.trace import Graph

_FACE = "monospace"


def merged(figure: Figure, *, theme: str) -> str:
    """The figure as DOT; `theme` is "light", "dark" or "print"."""
    import graphviz

    def paint(role: str) -> str:
        return colour(role, theme)

    dot = graphviz.Digraph(
        graph_attr={
            "rankdir": figure.direction,
            "bgcolor": paint("paper"),
            "pad": "0.2",
            "nodesep": "0.2",
            "ranksep": "0.9" if any(edge.label for edge in figure.edges) else "0.5",
            "fontname": _FACE,
            "fontsize": "10",
            "fontcolor": paint("muted"),
            "color": paint("frame"),
            "style": "rounded",
            "label": f"<{escape(figure.caption)}>" if figure.caption else "",
            "labeljust": "l",
        },
        node_attr={"shape": "plain", "fontname": _FACE, "fontsize": "11"},
        edge_attr={
            "color": paint("edge"),
            "fontname": _FACE,
            "fontsize": "10",
            "fontcolor": paint("muted"),
            "arrowsize": "0.6",
            "labelfontsize": "8",
            "labeldistance": "1.6",
        },
    )
    _framed(dot, [(box.frame, box.id, _table(box, theme)) for box in figure.boxes])
    for edge in figure.edges:
        start, end = figure.boxes[edge.start], figure.boxes[edge.end]
        label = "<" + "<br/>".join(map(escape, edge.label.split("\n"))) + ">" if edge.label else ""
        numeral = str(edge.slot + 1) if end.pins else ""
        pointed = {"color": paint("data"), "penwidth": "3"} if edge.marked else {}
        dot.edge(start.id, end.id, label=label, headlabel=numeral, **pointed)
    return dot.source


def _framed(dot: Any, nodes: list[tuple[Frame, str, str]]) -> None:
    """Add nodes of (frame, id, label) inside nested clusters, without recursion."""
    members: dict[Frame, list[tuple[str, str]]] = defaultdict(list)
    for frame, id, label in nodes:
        members[frame].append((id, label))
    for id, label in members.pop((), ()):
        dot.node(id, label=label)
    graphs: dict[Frame, Any] = {(): dot}
    paths = sorted({path[:depth] for path in members for depth in range(1, len(path) + 1)})
    for number, path in enumerate(paths):
        graphs[path] = type(dot)(name=f"cluster_{number}")
        graphs[path].attr(label=f"<{escape(wording.clean(path[-1][0], 32))}>")
        for id, label in members.get(path, ()):
            graphs[path].node(id, label=label)
    for path in reversed(paths):
        graphs[path[:-1]].subgraph(graphs[path])


def _table(box: Box, theme: str) -> str:
    """The card of a box as one of Graphviz's HTML-like labels."""

    def paint(role: str) -> str:
        return colour(role, theme)

    def text(cell: Cell) -> str:
        role = "ink" if cell.role == "name" else cell.role
        inside = f"<b>{escape(cell.text)}</b>" if cell.role == "name" else escape(cell.text)
        return f'<font color="{paint(role)}">{inside or " "}</font>'

    columns = max([len(box.columns), 1])
    rows = []
    if box.header:
        line = "&#160; ".join(text(cell) for cell in box.header)
        rows.append(f'<td align="left" colspan="{columns}">{line}</td>')
    for row in box.grid:
        first, *others = row
        spare = f' colspan="{columns - len(row) + 1}"' if len(row) < columns else ""
        rows.append(
            f'<td align="left">{text(first)}</td>'
            + "".join(f'<td align="right"{spare}>&#160;{text(cell)}</td>' for cell in others)
        )
    rows = rows or ["<td></td>"]
    if box.badge:
        rows[0] = (
            f'<td rowspan="{len(rows)}" cellpadding="6" bgcolor="{paint("badge")}">'
            f'<font color="{paint("ink")}">{"<br/>".join(map(escape, box.badge))}</font></td>'
            f"{rows[0]}"
        )
    elif box.kind == "parameter":
        rows[0] = f'<td rowspan="{len(rows)}" bgcolor="{paint("parameter line")}"></td>{rows[0]}'
    line = {"parameter": "parameter line", "output": "output line"}.get(box.kind, "outline")
    style = "dashed" if box.kind == "constant" else "solid"
    return (
        f'<<table border="{2 if box.kind == "output" else 1}" cellborder="0" cellspacing="0" '
        f'cellpadding="3" style="{style}" color="{paint(line)}" bgcolor="{paint(box.kind)}">'
        + "".join(f"<tr>{row}</tr>" for row in rows)
        + "</table>>"
    )


def classic(graph: Graph, *, direction: str) -> str:
    """The graph as plain DOT: a record per value, an ellipse per operation before its result."""
    import graphviz

    plain = {"fontname": "sans-serif", "fontsize": "11"}
    dot = graphviz.Digraph(graph_attr={"rankdir": direction}, node_attr=plain)
    names = labels(graph)
    for node in graph.nodes:
        parts = [names[node.index]] if node.name or node.group else []
        if node.data is None:
            pass
        elif node.is_scalar:
            parts.append(f"data {wording.number(node.data)}")
            if node.requires_grad:
                grad = wording.DASH if node.grad is None else wording.number(node.grad)
                parts.append(f"grad {grad}")
        else:
            parts += [wording.shape(node.shape), str(node.dtype)]
        fields = " | ".join(map(_record, parts))
        text = fields if direction == "LR" else f"{{ {fields} }}"
        dot.node(f"n{node.index}", label=f"{{ {text} }}", shape="record")
        if node.op is not None:
            dot.node(f"o{node.index}", label=graphviz.escape(wording.clean(node.op.symbol, 12)))
            dot.edge(f"o{node.index}", f"n{node.index}")
    for start, end, _ in graph.edges:
        dot.edge(f"n{start}", f"n{end}" if graph.nodes[end].op is None else f"o{end}")
    return dot.source


def _record(text: str) -> str:
    """`text` as it is, in a record label, where braces, bars and brackets have a meaning."""
    return "".join(f"\\{c}" if c in "\\{}|<>" else c for c in text)
