"""Formulas in LaTeX, before they become MathML."""

from __future__ import annotations

import re

_OPENING, _CLOSING = ("{", r"\begin", r"\left"), ("}", r"\end", r"\right")
_MARKS = re.compile(r"(\\[{}]|[{}]|\\(?:begin|end|left|right|qquad)(?![A-Za-z]))")


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
