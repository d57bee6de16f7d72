"""The reference: a page for every public name, a list for every room."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

from pages.docstrings import first_sentence, markdown, prose
from pages.examples import example
from pages.inventory import ROOMS, Name, members, names, operations
from pages.taught import lesson_of, taught
from tinygrad_edu.ops.registry import Op

_WIDTH = 88  # of a signature
_BUILT = re.compile(r"\s*^Built in lesson \d\d\.$", re.M)  # of a docstring: here it is a link


def pages() -> dict[str, str]:
    """File name to Markdown, for the whole reference."""
    made = {"reference/index.md": _index()}
    for room, title in ROOMS.items():
        made[f"reference/{room}/index.md"] = _room(room, title)
    for name in names():
        made[f"{name.page}.md"] = _page(name)
    return made


def signature(name: str, thing: Any) -> str:
    """How a name is called, one argument a line where it is long; "" for what is not called."""
    try:
        text = str(inspect.signature(thing, eval_str=False))
    except (TypeError, ValueError):
        return ""
    text = re.sub(r" at 0x[0-9a-f]+", "", text).replace("'", "").replace(" -> None", "")
    text = re.sub(r"\((self|cls)(, )?", "(", text, count=1)
    if len(name) + len(text) > _WIDTH:
        inside, _, after = text[1:].rpartition(")")
        text = "(\n" + "".join(f"    {x},\n" for x in _split(inside)) + ")" + after
    return name + text


def _split(arguments: str) -> list[str]:
    """Arguments apart at the commas that are not inside brackets."""
    parts, depth = [""], 0
    for letter in arguments:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [x.strip() for x in parts if x.strip()]


def _index() -> str:
    rows = [
        f"| [`{room}`](#{room}) | {title} | {sum(n.room == room for n in names())} |"
        for room, title in ROOMS.items()
    ]
    listed = "\n".join(f"{room}/index" for room in ROOMS)
    return (
        "# Reference\n\n"
        "Every public name, with its shapes, the errors it raises, its source and an example that "
        "the tests run. The operations have [pages of their own](#operations).\n\n"
        "| room | what it holds | names |\n|---|---|---|\n"
        + "\n".join(rows)
        + f"\n\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
    )


def _room(room: str, title: str) -> str:
    here = [name for name in names() if name.room == room]
    rows = [
        f"| [`{n.name}`](#{n.label}) | {first_sentence(n.doc)} | [{number}](#lesson-{number}) |"
        for n in here
        for number in [lesson_of()[n.label].number]
    ]
    doc = inspect.getdoc(import_module(room)) or ""
    return (
        f"({room})=\n# {title}\n\n`{room}`\n\n{markdown(doc)}\n\n"
        "| name | what it is | lesson |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _page(name: Name) -> str:
    lines = [
        "---\norphan: true\n---",
        f"({name.label})=",
        f"# {prose(name.name)}",
        f"[{ROOMS[name.room]}](#{name.room}) · `from {name.room} import {name.name}`",
    ]
    called = signature(name.name, name.thing)
    if called:
        lines.append(f":::{{div}} signature\n```python\n{called}\n```\n:::")
    lines.append(markdown(_BUILT.sub("", name.doc)))
    if ">>>" not in name.doc:
        lines.append(example(name))
    lines.append(taught(name.label))
    if inspect.isclass(name.thing):
        lines += _members(name)
    return "\n\n".join(lines) + "\n"


def _members(name: Name) -> list[str]:
    lines = []
    for attribute, value in sorted(members(name.thing).items()):
        inner = getattr(value, "__func__", value)
        called = "" if isinstance(value, property) else signature(attribute, inner)
        lines.append(f"({name.label}.{attribute})=\n## {prose(attribute)}")
        if called:
            lines.append(f"```python\n{called}\n```")
        lines.append(markdown(inspect.getdoc(value) or ""))
    ops = sorted(
        {v.name for c in name.thing.__mro__ for v in vars(c).values() if isinstance(v, Op)}
    )
    known = {op.name for op in operations()}
    if ops:
        linked = ", ".join(f"[`{op}`](#ops.{op})" for op in ops if op in known)
        lines.append(f"## Operations as methods\n\n{linked}.")
    return lines
