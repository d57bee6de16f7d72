"""Lessons as Jupyter notebooks: the learner's own file, written once and never over their work."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tinygrad_edu.learn import cells as forms
from tinygrad_edu.learn import keeping, show
from tinygrad_edu.learn.catalogue import Lesson
from tinygrad_edu.learn.cells import Cell

_OURS = "tinygrad_edu"  # our key in a notebook's metadata


def notebook(lesson: Lesson, *, with_solutions: bool = False) -> dict[str, Any]:
    """A lesson as a notebook (nbformat 4.5), without outputs.

    Its metadata hold the lesson's number and a digest of the cells, from which a later version of
    the lesson, or an edit by the learner, is told.

    >>> from tinygrad_edu import learn
    >>> notebook(learn.find(0))["nbformat"]
    4
    """
    form = forms.solved if with_solutions else forms.unsolved
    made = form(lesson.cells)
    return {
        "cells": [_json(cell, f"{lesson.number}-{i:02d}") for i, cell in enumerate(made)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            _OURS: {"lesson": lesson.number, "cells": digest(made)},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write_notebook(lesson: Lesson, folder: Path | str) -> Path:
    """The learner's notebook of a lesson in `folder`, written if it is not there.

    A notebook in which the learner changed nothing is brought up to date.  One with changes is left
    alone; when the lesson has a newer version, that is written beside it, and a message says so.

    Raises OSError if the folder cannot be written to.

    >>> from tinygrad_edu import learn
    >>> write_notebook(learn.find(0), "work").name
    '00_hello_graph.ipynb'
    """
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{lesson.name}.ipynb"
    new = notebook(lesson)
    state = _state(path, new)
    if state in ("absent", "outdated"):
        _write(path, new)
    elif state == "edited, outdated":
        beside = next(
            place
            for number in range(2, 1000)
            if _state(place := folder / f"{lesson.name}-{number}.ipynb", new) != "edited, outdated"
        )
        if _state(beside, new) in ("absent", "outdated"):
            _write(beside, new)
        show.say(
            f"Lesson {lesson.number} has a newer version\nYour {path.name} was left as it is; the "
            f"new one is {beside.name} in the same folder.",
            "warning",
        )

    def note(state: keeping.State) -> None:
        state["notebooks"][lesson.number] = str(path.resolve())

    keeping.update(note)
    return path


def read_cells(path: Path) -> list[Cell]:
    """The cells of a notebook or of a percent-format file.

    Raises ValueError if it is neither.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return forms.read(text)
    try:
        return [
            Cell(cell["cell_type"], "".join(cell["source"]), 1)
            for cell in json.loads(text)["cells"]
            if cell["cell_type"] in ("code", "markdown")
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is not a notebook: {error!r}") from error


def digest(cells: Iterable[Cell]) -> str:
    """Sixteen hexadecimal digits that change when a cell does."""
    text = "\0".join(f"{cell.kind}\0{cell.source.rstrip()}" for cell in cells)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _state(path: Path, new: dict[str, Any]) -> str:
    """ "absent", "current", "edited", "outdated" or "edited, outdated"."""
    if not path.exists():
        return "absent"
    try:
        written = json.loads(path.read_text(encoding="utf-8"))["metadata"][_OURS]["cells"]
        edited = digest(read_cells(path)) != written
    except (OSError, ValueError, KeyError, TypeError):  # not a file of ours: the learner's
        return "edited, outdated"
    states = ["edited"] * edited + ["outdated"] * (written != new["metadata"][_OURS]["cells"])
    return ", ".join(states) or "current"


def _write(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _json(cell: Cell, id: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "cell_type": cell.kind,
        "id": id,
        "metadata": {"exercise": cell.exercise} if cell.exercise else {},
        "source": cell.source.splitlines(keepends=True),
    }
    if cell.kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made
