"""How messages and pictures reach the learner: as a box in a notebook, as text elsewhere."""

from __future__ import annotations

import html
import inspect
import re
import sys
import textwrap
from typing import Any

from tinygrad_edu.readers.palette import PALETTE

_ROLES = {"passed": "output line", "wrong": "grad", "warning": "grad", "note": "muted"}


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def say(text: str, kind: str = "note") -> None:
    """Show `text`: its first line as a heading, words in `backquotes` as code.

    kind : "passed", "wrong", "warning" or "note".
    """
    if not in_notebook():
        print(text)
        return
    from IPython.display import display

    display({"text/plain": text, "text/html": _box(text, kind)}, raw=True)


def source(thing: Any) -> None:
    """Show the source of a function, a class, or an operation (its forward and its rule).

    >>> from tinygrad_edu import ops
    >>> source(ops.negative)
    @op(symbol="neg", latex="-{x}")
    def negative(xp, x):
        \"\"\"Minus x.\"\"\"
        return -x
    <BLANKLINE>
    @negative.vjp
    def negative_vjp(xp, g, out, x):
        return (-g,)
    """
    parts = [thing.forward, thing.rule] if hasattr(thing, "forward") else [thing]
    code("\n\n".join(textwrap.dedent(inspect.getsource(p)).rstrip() for p in parts if p))


def code(text: str) -> None:
    """Show Python code."""
    if not in_notebook():
        print(text)
        return
    from IPython.display import display

    display({"text/plain": text, "text/markdown": f"```python\n{text}\n```"}, raw=True)


class Row:
    """Drawings side by side, each with a caption: a film strip in a notebook, text elsewhere.

    >>> from tinygrad_edu import Value, draw
    >>> Row([draw(Value(1.0))], ["one node"])
    [one node]
    """

    def __init__(self, drawings: list[Any], captions: list[str]) -> None:
        if len(drawings) != len(captions):
            raise ValueError(f"{len(drawings)} drawings need as many captions, not {len(captions)}")
        self.drawings = drawings
        self.captions = captions

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        figures = [
            f'<figure style="margin:0;min-width:0">{_html_of(drawing)}'
            f'<figcaption style="padding:.2em .8em">{_inline(caption)}</figcaption></figure>'
            for drawing, caption in zip(self.drawings, self.captions, strict=True)
        ]
        style = "display:flex;flex-wrap:wrap;gap:1.2em 1.6em;align-items:flex-end"
        return {
            "text/plain": repr(self),
            "text/html": f'<div style="{style}">{"".join(figures)}</div>',
        }

    def __repr__(self) -> str:
        return "\n".join(f"[{caption}]" for caption in self.captions)


def _html_of(drawing: Any) -> str:
    return drawing._repr_mimebundle_()["text/html"]


def _box(text: str, kind: str) -> str:
    heading, _, body = text.partition("\n")
    light, dark = PALETTE[_ROLES[kind]]
    edge = f"border-left:4px solid {light};border-left-color:light-dark({light},{dark})"
    colour = f"color:{light};color:light-dark({light},{dark});font-weight:600"
    rest = (
        f'<div style="white-space:pre-wrap;margin-top:.3em">{_inline(body)}</div>' if body else ""
    )
    return (
        f'<div style="{edge};padding:.3em .9em;max-width:46em;line-height:1.5">'
        f'<div style="{colour}">{_inline(heading)}</div>{rest}</div>'
    )


def _inline(text: str) -> str:
    """Escaped text with `backquoted` words as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
