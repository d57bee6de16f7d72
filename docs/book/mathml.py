"""Formulas as MathML, which browsers show without a script and printers print."""

from __future__ import annotations

from docutils import nodes
from latex2mathml.converter import convert
from pages.formulas import parts
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator


def mathml(latex: str, *, display: str = "inline") -> str:
    """A formula as a ``<math>`` element.

    Raises ExtensionError, with the formula, for LaTeX that is not understood.
    """
    try:
        made = convert(latex.replace("{aligned}", "{align*}"), display=display)
        if "<mi>&</mi>" in made:
            raise ValueError("an & outside of what has columns")
        # The macron of most fonts lies on the letter; the overline does not.
        return made.replace("&#x000AF;", "&#x203E;")
    except Exception as error:
        raise ExtensionError(f"not LaTeX that can be shown: {latex!r} ({error!r})") from error


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{mathml(node.astext())}</span>')
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    made = (mathml(part, display="block") for part in parts(node.astext()))
    self.body.append(f'<div class="math">{"".join(made)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer under the name "mathml"."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
