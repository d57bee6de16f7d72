"""The lessons there are: where they lie, and what the first cell of each says about it."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from functools import cached_property
from pathlib import Path

from tinygrad_edu.learn import cells
from tinygrad_edu.learn.cells import Cell

_FILE = re.compile(r"(\d\d)_(\w+)\.py")
_TITLE = re.compile(r"# (\d\d) · (.+)")
_ENTRY = re.compile(r"- (builds|introduces|uses|borrowed, built in \d\d|time|covers): (.+)")
_TIME = re.compile(r"(\d+) minutes to read, (\d+) s to run")


@dataclasses.dataclass(frozen=True)
class Lesson:
    """One lesson, as its first cell describes it.

    Attributes
    ----------
    number : two digits, "04".
    slug, title : "chain_rule_backward" and the heading.
    path : the lesson file.
    minutes : how long reading it and solving its exercises takes.
    seconds : how long running it may take on two cores.
    builds : the library's names whose working the lesson builds.
    introduces : tools it shows without building them.
    uses : names from earlier lessons.
    borrowed : names from lessons that come later (or are not there yet), each with its lesson.
    covers : the courses it serves.

    >>> lesson = find("03")
    >>> lesson.name, lesson.builds[0]
    ('03_value_builds_a_graph', 'Value')
    """

    number: str
    slug: str
    title: str
    path: Path
    minutes: int
    seconds: int
    builds: tuple[str, ...]
    introduces: tuple[str, ...]
    uses: tuple[str, ...]
    borrowed: dict[str, str]
    covers: str

    @property
    def courses(self) -> set[str]:
        """The letters of the courses it covers, as in ``lessons/COURSES.md``."""
        return set(re.findall(r"(?:^|, )([A-E])(?: \(|$|,)", self.covers))

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells of the file, solutions between their marks."""
        return cells.read(self.path.read_text(encoding="utf-8"))

    @property
    def exercises(self) -> tuple[str, ...]:
        """The exercises of the lesson in order, such as "04.toposort"."""
        return tuple(cell.exercise for cell in self.cells if cell.exercise)

    @property
    def name(self) -> str:
        """Number and slug: the name of the lesson's files."""
        return f"{self.number}_{self.slug}"


def folder() -> Path:
    """Where the lessons lie: inside the installed package, or beside it in a checkout.

    The environment variable TINYGRAD_EDU_LESSONS names another folder, such as one of your own.
    """
    chosen = os.environ.get("TINYGRAD_EDU_LESSONS")
    if chosen:
        return Path(chosen)
    package = Path(__file__).resolve().parent.parent
    places = [package / "lessons", package.parent / "lessons"]
    for place in places:
        if place.is_dir():
            return place
    raise FileNotFoundError(
        f"no lessons in {places[0]} or {places[1]}; install tinygrad_edu again, or run from a "
        "complete checkout"
    )


def lessons() -> list[Lesson]:
    """Every lesson, in order.

    >>> lessons()[0].slug
    'hello_graph'
    """
    return [_describe(path) for path in sorted(folder().glob("[0-9][0-9]_*.py"))]


def find(which: str | int) -> Lesson:
    """The lesson with this number, slug or file name: ``3``, "03", "value_builds_a_graph".

    >>> find(3).name
    '03_value_builds_a_graph'

    Raises KeyError, with the nearest names, when there is none.
    """
    wanted = f"{which:02d}" if isinstance(which, int) else which.strip().removesuffix(".py")
    if wanted.isdigit():
        wanted = wanted.zfill(2)
    every = lessons()
    for lesson in every:
        if wanted in (lesson.number, lesson.slug, lesson.name):
            return lesson
    near = difflib.get_close_matches(wanted, [x.slug for x in every], n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise KeyError(
        f"there is no lesson {wanted!r}; {hint}there are {', '.join(x.name for x in every)}"
    )


def _describe(path: Path) -> Lesson:
    """A lesson from the list in its first cell; an indented line goes on with the entry above."""
    file = _FILE.fullmatch(path.name)
    head = cells.read(path.read_text(encoding="utf-8"))[0].source
    title = _TITLE.match(head)
    found = dict(_ENTRY.findall(re.sub(r"\n +", " ", head)))
    time = _TIME.fullmatch(found.get("time", ""))
    if file is None or title is None or title[1] != file[1] or time is None:
        raise ValueError(
            f"{path.name}: the first cell needs '# NN · Title' with the file's number and "
            "'- time: M minutes to read, S s to run'"
        )
    missing = [key for key in ("builds", "uses", "covers") if key not in found]
    if missing:
        raise ValueError(f"{path.name}: the first cell has no line '- {missing[0]}: ...'")
    return Lesson(
        number=file[1],
        slug=file[2],
        title=title[2],
        path=path,
        minutes=int(time[1]),
        seconds=int(time[2]),
        builds=_names(found["builds"]),
        introduces=_names(found.get("introduces", "")),
        uses=_names(found["uses"]),
        borrowed={
            name: key[-2:]
            for key, line in found.items()
            if key.startswith("borrowed")
            for name in _names(line.partition(" - ")[0])
        },
        covers=found["covers"],
    )


def _names(line: str) -> tuple[str, ...]:
    """The names in backquotes of a ledger line; none for "nothing"."""
    return tuple(re.findall(r"`([\w.]+)`", line))
