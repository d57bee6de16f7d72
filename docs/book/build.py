"""Build the book: the lessons as they ran, the reference, the operations, the house, one site.

    tinygrad-edu book                                # build it, and open it
    python docs/book/build.py --output build/book    # build it
    python docs/book/build.py --lessons FOLDER       # with lessons that were executed before

A lesson is executed if FOLDER (build/lessons) has no notebook of its present text: in full mode,
two at a time.  Needs the extras `book` and `test`; nothing is fetched, neither now nor by a reader.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mathfont import font
from pages import house, landing, lessons, names, operations, pytorch, repository
from sphinx.cmd.build import build_main

from tinygrad_edu import learn
from tinygrad_edu.learn.notebooks import digest, notebook, read_cells

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def executed(folder: Path, mode: str = "full") -> dict[str, dict[str, Any]]:
    """The executed notebook of each lesson, by number; those that are missing are executed.

    Raises RuntimeError if a lesson fails.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def one(lesson: learn.Lesson) -> dict[str, Any]:
        path = folder / f"{lesson.name}.ipynb"
        wanted = notebook(lesson, with_solutions=True)["metadata"]["tinygrad_edu"]["cells"]
        if not path.exists() or digest(read_cells(path)) != wanted:
            done = learn.run(lesson, mode, keep=path)
            print(done, flush=True)
            if not done.passed:
                raise RuntimeError(f"lesson {lesson.number} failed:\n{done.output}")
        return json.loads(path.read_text(encoding="utf-8"))

    with ThreadPoolExecutor(2) as pool:
        every = learn.lessons()
        return dict(zip((x.number for x in every), pool.map(one, every), strict=True))


def write_sources(folder: Path, notebooks: dict[str, dict[str, Any]]) -> None:
    """Everything Sphinx reads, in `folder`: this folder's text, and the pages that are made."""
    for name in ("conf.py", "mathml.py"):
        shutil.copy(HERE / name, folder)
    shutil.copytree(HERE / "static", folder / "static")
    (folder / "static" / "stix-two-math.woff2").write_bytes(font())
    shutil.copytree(HERE / "text", folder, dirs_exist_ok=True)
    texts, pictures = repository.pages()
    texts["lessons/index.md"] += "\n" + lessons.index()
    texts |= names.pages() | operations.pages() | pytorch.pages() | landing.pages()
    texts["house.md"] = (
        (folder / "house.md")
        .read_text(encoding="utf-8")
        .replace("<!-- the rooms -->", house.table())
    )
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "house.svg").write_text(house.picture(), encoding="utf-8")
    for name, data in operations.curves().items():
        (folder / name).write_bytes(data)
    for name, file in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / name)
    (folder / "lessons" / "notebooks").mkdir(parents=True)
    for lesson in learn.lessons():
        page = lessons.page(lesson, notebooks[lesson.number])
        path = folder / "lessons" / f"{lesson.name}.ipynb"
        path.write_text(json.dumps(page), encoding="utf-8")
        path = folder / "lessons" / "notebooks" / f"{lesson.name}.ipynb"
        path.write_text(json.dumps(notebook(lesson), ensure_ascii=False), encoding="utf-8")


def main() -> int:
    """Build, and open what was built if asked to; 0 if there was not one warning."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "book")
    parser.add_argument("--lessons", type=Path, default=ROOT / "build" / "lessons")
    parser.add_argument("--mode", choices=["full", "quick"], default="full")
    parser.add_argument("--open", action="store_true", help="show it in a browser")
    given = parser.parse_args()
    notebooks = executed(given.lessons, given.mode)
    with tempfile.TemporaryDirectory() as scratch:
        source, doctrees = Path(scratch, "source"), Path(scratch, "doctrees")
        source.mkdir()
        write_sources(source, notebooks)
        shutil.rmtree(given.output, ignore_errors=True)
        strict = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(doctrees)]
        failed = build_main([*strict, str(source), str(given.output)])
    index = given.output / "index.html"
    if failed:
        return 1
    print(f"the book is {index}")
    if given.open:
        webbrowser.open(index.resolve().as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
