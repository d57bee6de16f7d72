"""The font of formulas, STIX Two Math, as a file that browsers load from the site itself.

It comes from the package ziamath; its licence, the SIL Open Font License, stands beside it.
"""

from __future__ import annotations

import io
from importlib import resources

# What formulas are set in: Latin, Greek, accents, arrows, operators, brackets, letters of formulas.
_RANGES = [
    *((0x20, 0x7E), (0xA0, 0xFF), (0x2C6, 0x2DD), (0x300, 0x338), (0x370, 0x3FF)),
    *((0x2000, 0x206F), (0x20D0, 0x20EF), (0x2100, 0x214F), (0x2190, 0x22FF), (0x2308, 0x230B)),
    *((0x2329, 0x232A), (0x239B, 0x23B3), (0x23DC, 0x23E1), (0x25A0, 0x25FF), (0x27E6, 0x27EB)),
    *((0x27F5, 0x27FF), (0x2A00, 0x2A0F), (0x2A7D, 0x2A7E), (0x1D400, 0x1D7FF)),
]


def font() -> bytes:
    """The font as WOFF2, with the characters that formulas have, and its tables for them."""
    from fontTools import subset

    options = subset.Options(
        flavor="woff2",
        layout_features=["ssty", "dtls", "flac", "mark", "mkmk"],
        name_IDs=["*"],
        hinting=False,
    )
    with (resources.files("ziamath.fonts") / "STIXTwoMath-Regular.ttf").open("rb") as file:
        made = subset.load_font(file, options)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=[c for low, high in _RANGES for c in range(low, high + 1)])
        cutter.subset(made)
        sink = io.BytesIO()
        subset.save_font(made, sink, options)
    return sink.getvalue()
