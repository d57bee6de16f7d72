"""How a widget is shown so that something stands in for it when nobody answers any more.

JupyterLab shows "model not found" for a widget in a notebook reopened without its kernel.  So there
are two outputs: one that needs no kernel, and the widget; a style sheet shows the widget where it
is alive, and the other elsewhere.  A notebook that has not been trusted strips the style and the
widget, and keeps the picture.
"""

from __future__ import annotations

from typing import Any

_OUTPUT = ".jp-OutputArea-child"
_STYLE = (
    f"<style>{_OUTPUT}:has(.tinygrad-edu-alone):has(+ {_OUTPUT} .tinygrad-edu-alive),"
    f"{_OUTPUT}:has(.tinygrad-edu-alone) + {_OUTPUT}:not(:has(.tinygrad-edu-alive))"
    "{display:none}</style>"
)


def show(widget: Any, alone: str, text: str) -> None:
    """Show `widget`, with HTML and text for where it cannot live; the text alone in a terminal."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        print(text)
        return
    widget.add_class("tinygrad-edu-alive")
    bundle = widget._repr_mimebundle_()
    bundle = dict(bundle[0] if isinstance(bundle, tuple) else bundle)
    html = f'<div class="tinygrad-edu-alone">{alone}</div>{_STYLE}'
    display({"text/html": html, "text/plain": text}, raw=True)
    display({**bundle, "text/html": "<span></span>", "text/plain": ""}, raw=True)
