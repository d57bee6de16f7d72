"""A lesson file as cells (jupytext's percent format), and the two forms made from it.

A cell starts at a line ``# %%``; ``# %% [markdown]`` starts a cell of text, whose lines are
comments; ``# %% exercise="04.toposort"`` starts the cell in which an exercise is answered.  What
stands between ``# BEGIN SOLUTION`` and ``# END SOLUTION`` is left out of the learner's form.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator

_CELL = re.compile(r'# %%(?: (?P<text>\[markdown\]))?(?: exercise="(?P<exercise>[^"]+)")?\s*')
_BEGIN = re.compile(r"(?P<indent> *)# BEGIN SOLUTION(?: instead of: (?P<stub>.*))?")
_END = re.compile(r" *# END SOLUTION")


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes
    ----------
    kind : "markdown" or "code".
    source : its text, without comment signs for markdown.
    line : the number of its first line in the file, counted from 1.
    exercise : the exercise answered here, or None.
    """

    kind: str
    source: str
    line: int
    exercise: str | None = None


def read(text: str) -> list[Cell]:
    """The cells of a lesson file.

    >>> read('# %% [markdown]\\n# # Title\\n# %%\\nx = 1\\n')[0].source
    '# Title'

    Raises ValueError for text before the first cell, or a cell mark that is not understood.
    """
    cells: list[Cell] = []
    opened: tuple[int, re.Match[str]] | None = None
    body: list[str] = []
    for number, line in enumerate([*text.splitlines(), "# %%"], 1):
        if not line.startswith("# %%"):
            body.append(line)
            continue
        mark = _CELL.fullmatch(line)
        if mark is None:
            raise ValueError(f"line {number} is no cell mark: {line!r}")
        if opened is not None:
            cells.append(_cell(opened[0] + 1, opened[1], body))
        elif any(part.strip() for part in body):
            raise ValueError("a lesson file starts with a cell mark, '# %%'")
        opened = number, mark
        body = []
    return cells


def _cell(line: int, mark: re.Match[str], body: list[str]) -> Cell:
    kind = "markdown" if mark["text"] else "code"
    if kind == "markdown":
        body = [re.sub(r"^# ?", "", part) for part in body]
    start = next((i for i, part in enumerate(body) if part.strip()), 0)
    return Cell(kind, "\n".join(body[start:]).rstrip(), line + start, mark["exercise"])


def solved(cells: Iterable[Cell]) -> list[Cell]:
    """The cells with every solution in place and the marks around it gone."""
    return [dataclasses.replace(c, source=_fill(c, with_solutions=True)) for c in cells]


def unsolved(cells: Iterable[Cell]) -> list[Cell]:
    """The cells with every solution replaced by its stub: the learner's form.

    The stub is what follows ``instead of:``, or an error that says whose turn it is.

    >>> text = '# %%\\ndef f(x):\\n    # BEGIN SOLUTION\\n    return x\\n    # END SOLUTION\\n'
    >>> print(unsolved(read(text))[0].source)
    def f(x):
        raise NotImplementedError("your turn")
    """
    return [dataclasses.replace(c, source=_fill(c, with_solutions=False)) for c in cells]


def solution_lines(cell: Cell) -> list[str]:
    """The lines between the marks of a cell, as they stand there."""
    return [line for line, is_solution in _marked(cell) if is_solution]


def _fill(cell: Cell, *, with_solutions: bool) -> str:
    lines: list[str] = []
    for line, is_solution in _marked(cell):
        begin = _BEGIN.fullmatch(line)
        if begin:
            stub = begin["stub"] or 'raise NotImplementedError("your turn")'
            if not with_solutions:
                lines.append(begin["indent"] + stub)
        elif not _END.fullmatch(line) and (with_solutions or not is_solution):
            lines.append(line)
    return "\n".join(lines)


def _marked(cell: Cell) -> Iterator[tuple[str, bool]]:
    """The lines of a cell, each with whether it lies between the marks."""
    inside = False
    for number, line in enumerate(cell.source.splitlines(), cell.line):
        begins, ends = bool(_BEGIN.fullmatch(line)), bool(_END.fullmatch(line))
        if (begins and inside) or (ends and not inside):
            raise ValueError(f"line {number}: {line.strip()!r} without its other mark")
        if ends:
            inside = False
        yield line, inside
        if begins:
            inside = True
    if inside:
        raise ValueError(f"the solution in the cell at line {cell.line} has no '# END SOLUTION'")
