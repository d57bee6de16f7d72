"""Pictures made by other programs, in this project's colours, following the page's theme."""

from __future__ import annotations

import re

from tinygrad_edu.readers.palette import PALETTE

_ROLES = ("muted", "data", "grad")
MUTED, DATA, GRAD = (PALETTE[role][0] for role in _ROLES)


def themed(svg: str) -> str:
    """An SVG drawn in `MUTED`, `DATA` and `GRAD` on nothing, which follows the page's theme.

    >>> themed('<svg a="b"><path style="fill: #57606a"/></svg>').count("light-dark")
    7
    """
    rules = ["svg{color-scheme:light dark}"]
    for light, dark in (PALETTE[role] for role in _ROLES):
        pair = f"light-dark({light},{dark})"
        rules += [f'[{x}="{light.lower()}"]{{{x}:{pair}}}' for x in ("fill", "stroke")]
        svg = re.sub(rf"(fill|stroke): {light}", rf"\g<0>; \1: {pair}", svg, flags=re.IGNORECASE)
    start = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:start]}<style>{''.join(rules)}</style>{svg[start:]}"
