"""Formulas as MathML, which browsers show without a script and printers print."""

from __future__ import annotations

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator

_OPENING, _CLOSING = ("{", r"\begin", r"\left"), ("}", r"\end", r"\right")
_MARKS = re.compile(r"(\\[{}]|[{}]|\\(?:begin|end|left|right|qquad)(?![A-Za-z]))")


def mathml(latex: str, *, display: str = "inline") -> str:
    """A formula as a ``<math>`` element.

    Raises ExtensionError, with the formula, for LaTeX that is not understood.
    """
    try:
        # The macron of most fonts lies on the letter; the overline does not.
        return convert(latex, display=display).replace("&#x000AF;", "&#x203E;")
    except Exception as error:
        raise ExtensionError(f"not LaTeX that can be shown: {latex!r} ({error!r})") from error


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{mathml(node.astext())}</span>')
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    made = (mathml(part, display="block") for part in parts(node.astext()))
    self.body.append(f'<div class="math">{"".join(made)}</div>\n')
    raise nodes.SkipNode


def parts(latex: str) -> list[str]:
    r"""Formulas side by side, which a narrow page may put one below the other: split at ``\qquad``.

    >>> parts(r"a = b, \qquad c = \frac{d \qquad e}{f}")
    ['a = b,', 'c = \\frac{d \\qquad e}{f}']
    """
    found, depth = [""], 0
    for piece in _MARKS.split(latex):
        depth += (piece in _OPENING) - (piece in _CLOSING)
        if piece == r"\qquad" and depth == 0:
            found.append("")
        else:
            found[-1] += piece
    return [part.strip() for part in found]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer under the name "mathml"."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
