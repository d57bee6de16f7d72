"""The colours of every drawing, light and dark, and what each is for.

Text on the ground it is drawn on has a contrast of at least 4.5 to 1.  Colour never says anything
alone: every kind of node has its own outline too, and data and gradient rows are labelled.
"""

FONT = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'

PALETTE: dict[str, tuple[str, str]] = {  # role: (light, dark)
    "paper": ("#FFFFFF", "#0D1117"),
    "ink": ("#1B1F24", "#E6EDF3"),
    "muted": ("#57606A", "#9AA6B2"),
    "data": ("#005A8F", "#56B4E9"),
    "grad": ("#B34700", "#FF8A4C"),
    "edge": ("#6B7684", "#7D8894"),
    "frame": ("#D0D7DE", "#30363D"),
    "outline": ("#8C959F", "#6E7681"),
    "badge": ("#F3F4F6", "#21262D"),
    "input": ("#E3F1FA", "#10283A"),
    "parameter": ("#F6E8F0", "#331A2A"),
    "parameter line": ("#9C3D72", "#E3A0C6"),
    "constant": ("#FFFFFF", "#0D1117"),
    "result": ("#FFFFFF", "#161B22"),
    "group": ("#F3F4F6", "#21262D"),
    "cut": ("#FFFFFF", "#0D1117"),
    "output": ("#E0F4EE", "#0F2F27"),
    "output line": ("#007A59", "#3FC9A0"),
}

_ON_PAPER = {  # black on white, where the light theme would spend ink or come out as grey
    "badge": "#EEEEEE",
    "ink": "#000000",
    "muted": "#404040",
    "data": "#000000",
    "grad": "#404040",
    "edge": "#000000",
    "frame": "#808080",
    "outline": "#000000",
    "output line": "#000000",
    "parameter line": "#000000",
} | dict.fromkeys(["input", "parameter", "result", "group", "output"], "#FFFFFF")


def colour(role: str, theme: str) -> str:
    """The colour of `role` in a "light", "dark" or "print" theme, as ``#RRGGBB``.

    >>> colour("ink", "light"), colour("ink", "print")
    ('#1B1F24', '#000000')
    """
    if theme == "print" and role in _ON_PAPER:
        return _ON_PAPER[role]
    return PALETTE[role][theme == "dark"]
