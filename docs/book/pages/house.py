"""The house: which room imports from which, read from the source."""

from __future__ import annotations

import ast
from functools import cache

from test_ladder import LADDER, imported_names, module_name, room_of

from pages import ROOT
from pages.docstrings import first_sentence
from pages.themed import MUTED, themed

PACKAGE = ROOT / "tinygrad_edu"


@cache
def imports() -> dict[str, set[str]]:
    """For each room the rooms it imports from, function-level imports included."""
    found: dict[str, set[str]] = {room: set() for room in LADDER}
    for path in PACKAGE.rglob("*.py"):
        module = module_name(path, PACKAGE)
        if module != "tinygrad_edu":
            room = module.split(".")[1]
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = imported_names(tree, module, path.name == "__init__.py")
            found[room].update({room_of(name) for _, name in names} - {room, ""})
    return found


def table() -> str:
    """Rooms, what each is for in its own words, its lines, and what it stands on."""
    rows = []
    for room in LADDER:
        files = [*(PACKAGE / room).rglob("*.py")] or [PACKAGE / f"{room}.py"]
        source = next((f for f in files if f.name == "__init__.py"), files[0])
        doc = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
        lines = sum(len(f.read_text(encoding="utf-8").splitlines()) for f in files)
        below = ", ".join(f"`{x}`" for x in LADDER if x in imports()[room]) or "nothing"
        rows.append(f"| `{room}` | {first_sentence(doc)} | {lines:,} | {below} |")
    return "| room | what it is for | lines | imports from |\n|---|---|---|---|\n" + "\n".join(rows)


def picture() -> str:
    """The import graph as SVG; an arrow points from a room to one that stands on it."""
    from pygraphviz import AGraph

    graph = AGraph(directed=True, rankdir="BT", nodesep="0.25", ranksep="0.35", bgcolor="none")
    graph.node_attr.update(shape="box", style="rounded", fontname="monospace", fontsize="12")
    graph.node_attr.update(color=MUTED, fontcolor=MUTED, height="0.3")
    graph.edge_attr.update(color=MUTED, arrowsize="0.6")
    for room in LADDER:
        graph.add_node(room)
        for below in _direct(room):
            graph.add_edge(below, room)
    text = graph.draw(format="svg", prog="dot").decode()
    return themed(text[text.index("<svg") :])


def _direct(room: str) -> list[str]:
    """The rooms it imports from, without those it reaches through another one it imports."""
    return sorted(
        x for x in imports()[room] if not any(x in _reach(y) for y in imports()[room] if y != x)
    )


@cache
def _reach(room: str) -> frozenset[str]:
    return frozenset(imports()[room]).union(*(_reach(x) for x in imports()[room]))
