"""Lessons as pages: the notebooks as they were executed, their exercises open to the reader."""

from __future__ import annotations

import html
import re
from typing import Any

from pages.inventory import labels
from pages.taught import linked
from tinygrad_edu import learn
from tinygrad_edu.learn import cells as forms
from tinygrad_edu.learn.exercises import exercises_of

WIDGET = "application/vnd.jupyter.widget-view+json"
_LEDGER = re.compile(
    r"^- (?:builds|introduces|uses|borrowed, built in \d\d): .+(?:\n {2}.+)*", re.M
)


def page(lesson: learn.Lesson, executed: dict[str, Any]) -> dict[str, Any]:
    """The executed notebook of a lesson as the book shows it.

    Names of the ledger are links, an exercise shows its stub with hints and solution folded, what
    a widget left behind stands in its place, and every picture says what it is of.

    Raises ValueError if the notebook is not the lesson's present text.
    """
    solved = forms.solved(lesson.cells)
    if [c.source for c in solved] != ["".join(c["source"]) for c in executed["cells"]]:
        raise ValueError(f"the executed notebook of lesson {lesson.number} is of another version")
    made: list[dict[str, Any]] = []
    above = lesson.title  # the last text, which says what a picture is of
    for number, (given, form) in enumerate(zip(executed["cells"], lesson.cells, strict=True)):
        if form.kind == "markdown":
            text = _linked(form.source) if number == 0 else form.source
            above = _last_sentence(form.source) or above
            text = _opening(lesson, text) if number == 0 else text
            made.append({**given, "source": text})
            continue
        cell = {**given, "outputs": [_output(o, above) for o in given["outputs"]]}
        if form.exercise:
            stub = forms.unsolved([form])[0].source
            made.append({**cell, "source": stub, "outputs": [], "metadata": {}})
            made.append(_folds(lesson, form, given))
        else:
            made.append(cell)
    if listed := linked(lesson.number):
        made.append(_library(listed))
    return {**executed, "cells": made}


def _library(listed: str) -> dict[str, Any]:
    """The last cell: what the library has of a lesson."""
    text = f"## In the library\n\nWhat this lesson builds, and what is of its kind: {listed}."
    return {"cell_type": "markdown", "id": "in-the-library", "metadata": {}, "source": text}


def _opening(lesson: learn.Lesson, text: str) -> str:
    """The first cell with its label, and where to get the notebook."""
    heading, _, rest = text.partition("\n")
    offer = (
        f"{{download}}`Download the notebook <notebooks/{lesson.name}.ipynb>`, or open it with "
        f"`tinygrad-edu lesson {int(lesson.number)}`; exercises check themselves there."
    )
    return f"(lesson-{lesson.number})=\n{heading}\n\n{offer}\n{rest}"


def _linked(text: str) -> str:
    """The names in the ledger's lines as links to their pages."""

    def link(found: re.Match[str]) -> str:
        target = labels().get(found[1])
        return f"[`{found[1]}`](#{target})" if target else found[0]

    return _LEDGER.sub(lambda line: re.sub(r"`([\w.]+)`", link, line[0]), text)


def _folds(lesson: learn.Lesson, form: forms.Cell, given: dict[str, Any]) -> dict[str, Any]:
    """The hints of an exercise and its solution, a cell of text to be opened."""
    solution = "".join(given["source"])
    exercise = exercises_of(lesson)[form.exercise]
    folds = [
        f":::{{dropdown}} Hint {number}\n{hint}\n:::"
        for number, hint in enumerate(exercise.hints, 1)
    ]
    folds.append(f":::{{dropdown}} A solution\n```python\n{solution}\n```\n:::")
    text = "\n\n".join(folds)
    return {"cell_type": "markdown", "id": f"{given['id']}-folds", "metadata": {}, "source": text}


def _output(output: dict[str, Any], above: str) -> dict[str, Any]:
    """An output without the widget that needs a kernel, its picture described."""
    if "data" not in output:
        return output
    data = {kind: value for kind, value in output["data"].items() if kind != WIDGET}
    if set(data) == {"text/plain"} and WIDGET in output["data"]:
        data = {"text/html": '<p class="asked">In the notebook, buttons take your guess.</p>'}
    metadata = dict(output.get("metadata", {}))
    if "image/png" in data:
        picture = "".join(data.pop("image/png")).replace("\n", "")
        alt = html.escape(f"Plot. {above}", quote=True)
        data["text/html"] = f'<img alt="{alt}" src="data:image/png;base64,{picture}">'
    return {**output, "data": data, "metadata": metadata}


def _last_sentence(text: str) -> str:
    """The last sentence of a text, without its marks."""
    prose = [block for block in re.split(r"\n\s*\n", text) if re.match(r"[A-Z*\"“`]", block)]
    if not prose:
        return ""
    plain = re.sub(r"[*`$]|\\[a-z]+", "", " ".join(prose[-1].split()))
    return re.split(r"(?<=[.?!]) ", plain)[-1]


def index() -> str:
    """The lessons in order, for the book's contents."""
    listed = "\n".join(lesson.name for lesson in learn.lessons())
    return f"```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
