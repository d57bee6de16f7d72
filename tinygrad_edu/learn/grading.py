"""A teacher's view: the checks run over a folder of submissions, one after the other.

Each submission runs in a process group of its own, with limits of time and memory, inside an empty
folder that is thrown away; its verdicts come back in a file whose place it is not told.  That keeps
accidents apart: a crash, a loop without end, a flood of output.  It is not a sandbox: a submission
runs with the rights of whoever grades it.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from tinygrad_edu.learn.catalogue import Lesson, lessons
from tinygrad_edu.learn.exercises import Verdict
from tinygrad_edu.learn.running import examine_file

MEMORY = 4 * 2**30  # bytes
COLUMNS = ("submission", "lesson", "exercise", "status", "mistake", "seconds", "problems")


@dataclasses.dataclass(frozen=True)
class Graded:
    """What came of one submission.

    Attributes
    ----------
    name : its path inside the folder.
    lesson : the lesson it answers, or None if that cannot be told.
    verdicts : one per exercise; none if it did not come to an end.
    problems : what went wrong besides, each a sentence.
    seconds : how long it took by the clock.

    >>> from tinygrad_edu import learn
    >>> Graded("ada/04.ipynb", learn.find(4), (), ("no notebook",), 0.1).name
    'ada/04.ipynb'
    """

    name: str
    lesson: Lesson | None
    verdicts: tuple[Verdict, ...]
    problems: tuple[str, ...]
    seconds: float

    @property
    def summary(self) -> str:
        """ "2 of 3 exercises passed", and the first problem."""
        count = len(self.lesson.exercises) if self.lesson else 0
        passed = sum(v.passed for v in self.verdicts)
        parts = [f"{passed} of {count} exercises passed"] if self.lesson else []
        return "; ".join([*parts, *self.problems[:1]])

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row of `COLUMNS` for each exercise of the lesson; one row if there is no lesson."""
        found = {v.exercise: v for v in self.verdicts}
        rows: list[tuple[str, ...]] = []
        for exercise in self.lesson.exercises if self.lesson else ("",):
            verdict = found.get(exercise)
            status = verdict.status if verdict else "not graded"
            mistake = (verdict.mistake or "") if verdict else ""
            number = self.lesson.number if self.lesson else ""
            problems = " | ".join(self.problems)
            row = (self.name, number, exercise, status, mistake, f"{self.seconds:.1f}", problems)
            rows.append(row)
        return rows


def grade(
    folder: Path | str,
    lesson: Lesson | None = None,
    *,
    limit: float = 120.0,
    memory: int = MEMORY,
    report: Callable[[Graded], object] | None = None,
) -> list[Graded]:
    """The checks on every .ipynb and .py file under `folder`, with fresh random cases for each.

    lesson : which lesson the files answer; by default each says so in its metadata or its name,
        ``04_chain_rule_backward.ipynb``.
    limit : seconds for each; memory : bytes for each, where the system can set a limit.
    report : called with each result as it comes.

    Raises FileNotFoundError if there is no such folder, or nothing in it to grade.

    >>> grade("nowhere")
    Traceback (most recent call last):
    FileNotFoundError: there is no such folder
    """
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    files = sorted(
        path
        for path in root.rglob("*")
        if path.suffix in (".ipynb", ".py")
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not files:
        raise FileNotFoundError(f"no .ipynb or .py file lies in {root}")
    results = []
    for path in files:
        name = path.relative_to(root).as_posix()
        results.append(_grade(name, path, lesson or lesson_of(path), limit, memory))
        if report is not None:
            report(results[-1])
    return results


def lesson_of(path: Path) -> Lesson | None:
    """The lesson that a file says it answers, in its metadata or in its name."""
    number = None
    if path.suffix == ".ipynb":
        try:
            number = json.loads(path.read_bytes())["metadata"]["tinygrad_edu"]["lesson"]
        except (ValueError, KeyError, TypeError):
            number = None
    in_name = re.match(r"(\d\d)(?!\d)", path.name)
    known = {lesson.number: lesson for lesson in lessons()}
    said = number if isinstance(number, str) and number in known else in_name and in_name[1]
    return known.get(said or "")


def _grade(name: str, path: Path, lesson: Lesson | None, limit: float, memory: int) -> Graded:
    if lesson is None:
        problem = "it does not say which lesson it answers; begin its name with the number, 04_..."
        return Graded(name, None, (), (problem,), 0.0)
    with tempfile.TemporaryDirectory() as scratch:
        done = examine_file(lesson, path, folder=Path(scratch), limit=limit, memory=memory)
    return Graded(name, lesson, done.verdicts, done.problems, done.seconds)


def table(results: list[Graded]) -> str:
    """The results for the terminal: a line for each submission, a mark for each exercise."""
    width = max(len(r.name) for r in results)
    return "\n".join(f"{r.name:<{width}}  {r.summary}" for r in results)


def csv_text(results: list[Graded]) -> str:
    """The results as comma-separated values: a row for each exercise of each submission.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for result in results:
        writer.writerows([_cell(cell) for cell in row] for row in result.rows)
    return text.getvalue()


def _cell(text: str) -> str:
    plain = " ".join(text.split())
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@")) else plain
