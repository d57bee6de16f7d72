"""Draw docs/images/lessons_map.svg from the tables of lessons/README.md; run it after a change."""

import re
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "images" / "lessons_map.svg"
WIDTH, ROW, BOX, GAP, LEFT = 118, 76, 106, 12, 14


def parts(text: str) -> dict[str, list[tuple[str, str, bool]]]:
    """For each part its lessons: number, title, and whether there is one to read."""
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for line in text.splitlines():
        if line.startswith("### "):
            part = found.setdefault(line[4:], [])
        row = re.match(r"\| (\d\d) \| (?:\[(.+?)\]\(.+?\)|([^|]+?)) \|", line)
        if row:
            part.append((row[1], row[2] or row[3], row[2] is not None))
    return found


def wrapped(title: str, room: int = 16) -> list[str]:
    """At most three lines of a title."""
    lines = [""]
    for word in title.split():
        if len(lines[-1]) + len(word) >= room and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:3] if len(lines) <= 3 else [*lines[:2], f"{lines[2]} …"]


def drawing(text: str) -> str:
    """The map as SVG."""
    rows, y = [], 8
    for name, lessons in parts(text).items():
        rows.append(f'<text class="part" x="{LEFT}" y="{y + 14}">{escape(name)}</text>')
        for i, (number, title, ready) in enumerate(lessons):
            x = LEFT + i * WIDTH
            kind = "ready" if ready else "later"
            rows.append(
                f'<rect class="{kind}" x="{x}" y="{y + 22}" width="{BOX}" height="62" rx="6"/>'
                f'<text class="number" x="{x + 8}" y="{y + 37}">{number}</text>'
            )
            rows += [
                f'<text class="title" x="{x + 8}" y="{y + 51 + 12 * k}">{escape(line)}</text>'
                for k, line in enumerate(wrapped(title))
            ]
        y += ROW + 2 * GAP
    width = 2 * LEFT + 8 * WIDTH - GAP
    style = (
        "svg{color-scheme:light dark}text{font-family:ui-monospace,Menlo,Consolas,monospace;"
        "fill:#1B1F24;fill:light-dark(#1B1F24,#E6EDF3)}"
        ".part{font-size:12px;font-weight:bold}.number{font-size:11px;font-weight:bold;"
        "fill:#005A8F;fill:light-dark(#005A8F,#56B4E9)}.title{font-size:9.5px}"
        "rect{stroke:#57606A;stroke:light-dark(#57606A,#9AA6B2)}"
        ".ready{fill:#E3F1FA;fill:light-dark(#E3F1FA,#10283A)}"
        ".later{fill:none;stroke-dasharray:4 3}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" '
        f'height="{y}" role="img"><title>The lessons in seven parts</title>'
        f"<style>{style}</style>\n" + "\n".join(rows) + "\n</svg>\n"
    )


if __name__ == "__main__":
    readme = ROOT / "lessons" / "README.md"
    TARGET.write_text(drawing(readme.read_text(encoding="utf-8")), encoding="utf-8")
