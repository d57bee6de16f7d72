"""Docstrings, as they are written in this project, turned into Markdown."""

from __future__ import annotations

import re

_FIELD = re.compile(r"(\*{0,2}[A-Za-z_][\w.]*(?:, \*{0,2}[A-Za-z_][\w.]*)*) : (.*)")
_CODE = re.compile(r"(``.+?``|`[^`\n]+`)", re.S)
_SPECIAL = re.compile(r"([\\*_$\[\]{}<>])")


def markdown(doc: str) -> str:
    """A docstring as Markdown: examples and indented text as code, fields as a list.

    >>> print(markdown("The sum.\\n\\nx : what is added,\\n    or not."))
    The sum.
    <BLANKLINE>
    - **`x`**: what is added, or not.
    """
    blocks = re.split(r"\n\s*\n", doc.strip("\n"))
    out: list[str] = []
    code = False  # the block before ended in "::"
    for block in blocks:
        lines = block.splitlines()
        heading = len(lines) > 1 and re.fullmatch(r"-{3,}", lines[1].strip())
        if heading:
            out.append(f"**{lines[0].strip()}**")
            lines = lines[2:]
        if not lines:
            continue
        if lines[0].lstrip().startswith(">>>"):
            text = "\n".join(lines).replace("<BLANKLINE>", "")
            out.append(_fence(text, "pycon"))
        elif code or lines[0].startswith("    "):
            out.append(_fence("\n".join(lines), "text"))
        elif _FIELD.match(lines[0]):
            out.append(_fields(lines))
        else:
            text = "\n".join(lines)
            code = text.endswith("::")
            out.append(prose(text.removesuffix(":") if code else text))
            continue
        code = False
    return "\n\n".join(out)


def prose(text: str) -> str:
    """Text in which only `backquotes` mean anything to Markdown."""
    parts = _CODE.split(text)
    return "".join(part if i % 2 else _SPECIAL.sub(r"\\\1", part) for i, part in enumerate(parts))


def first_sentence(doc: str) -> str:
    """The first line of a docstring, as Markdown for a cell of a table."""
    return prose(doc.strip().partition("\n")[0]).replace("|", r"\|")


def _fence(text: str, language: str) -> str:
    lines = text.splitlines()
    indent = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    body = "\n".join(x[indent:] for x in lines)
    return f"```{language}\n{body}\n```"


def _fields(lines: list[str]) -> str:
    entries: list[str] = []
    for line in lines:
        found = None if line.startswith(" ") else _FIELD.match(line)
        if found:
            entries.append(f"- **`{found[1]}`**: {found[2]}")
        else:
            entries[-1] += " " + line.strip()
    return "\n".join(
        entry[: entry.index(":") + 1] + prose(entry[entry.index(":") + 1 :]) for entry in entries
    )
