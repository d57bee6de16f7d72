"""Pages that are texts of the repository: links that leave the book are taken out or led home."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pages import ROOT

# Text of the repository -> its page in the book.
TEXTS = {
    "lessons/README.md": "lessons/index.md",
    "lessons/COURSES.md": "courses.md",
    "docs/gallery/README.md": "gallery.md",
    "benchmarks/README.md": "benchmarks/index.md",
    "benchmarks/RESULTS.md": "benchmarks/results.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\(([^)\s]+)\)")


def pages() -> tuple[dict[str, str], dict[str, Path]]:
    """Page -> Markdown, and page's picture -> the file it is a copy of."""
    made: dict[str, str] = {}
    pictures: dict[str, Path] = {}
    for text, page in TEXTS.items():
        made[page] = _rewritten(text, page, pictures)
    return made, pictures


def _rewritten(text: str, page: str, pictures: dict[str, Path]) -> str:
    here = (ROOT / text).parent
    start = Path(page).parent

    def lead(found: re.Match[str]) -> str:
        mark, label, target = found.groups()
        label = _LINK.sub(lead, label)
        if re.match(r"[a-z]+:", target):
            return f"{mark}[{label}]({target})"
        path, _, anchor = target.partition("#")
        if not path:
            return f"{mark}[{label}](#{anchor})"
        file = Path(os.path.normpath(here / path))
        inside = file.relative_to(ROOT).as_posix()
        if file.suffix in (".svg", ".png"):
            copy = (Path("pictures") / inside).as_posix()
            pictures[copy] = file
            return f"{mark}[{label}](/{copy})"
        lesson = re.fullmatch(r"lessons/(\d\d)_\w+\.py", inside)
        if lesson:
            return f"[{label}](#lesson-{lesson[1]})"
        if inside in TEXTS:
            other = os.path.relpath(TEXTS[inside], start)
            return f"[{label}]({other}{'#' + anchor if anchor else ''})"
        return label  # a file of the repository, which is not in the book

    return _LINK.sub(lead, (ROOT / text).read_text(encoding="utf-8"))
