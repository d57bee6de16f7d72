"""Lessons and learners' notebooks run in a process of their own, with a time limit."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tinygrad_edu.learn import checking, keeping
from tinygrad_edu.learn.catalogue import Lesson
from tinygrad_edu.learn.exercises import Verdict
from tinygrad_edu.learn.session import MODE

_START_UP = 4.0  # seconds that importing may take, PyTorch for the checks included
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_INLINE = "module://matplotlib_inline.backend_inline"  # pictures go into the notebook
_START = (
    "import json, sys\n"
    "root = sys.argv[1]\n"
    "if root not in sys.path: sys.path.insert(1, root)\n"
    "from tinygrad_edu.learn import execute\n"
    "execute.main(json.load(sys.stdin))\n"  # not an argument: the cells are not to see the report
)


@dataclasses.dataclass(frozen=True)
class Run:
    """What came of running a lesson or a notebook.

    Attributes
    ----------
    lesson : which one.
    verdicts : one per exercise of the lesson.
    problems : what went wrong besides, each a sentence.
    seconds : how long it took by the clock; work : by the processor.
    budget : how long it should take (None for a learner's notebook).
    output : what it printed; "" if it went to the terminal.

    >>> from tinygrad_edu import learn
    >>> str(Run(learn.find(0), (), (), 1.5, 1.0, 5.0, ""))
    'lesson 00 · Hello, graph: 1.5 s of 5 s'
    """

    lesson: Lesson
    verdicts: tuple[Verdict, ...]
    problems: tuple[str, ...]
    seconds: float
    work: float
    budget: float | None
    output: str

    @property
    def passed(self) -> bool:
        """Whether at least one exercise was judged, all passed, and nothing went wrong."""
        return bool(self.verdicts) and all(v.passed for v in self.verdicts) and not self.problems

    def __str__(self) -> str:
        took = f"{self.seconds:.1f} s" + (f" of {self.budget:.0f} s" if self.budget else "")
        lines = [f"lesson {self.lesson.number} · {self.lesson.title}: {took}"]
        for v in self.verdicts:
            lines.append(f"  {v.exercise}: {v.status}")
            lines += [] if v.passed else [f"    {line}" for line in v.message.splitlines()]
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])


def run(lesson: Lesson, mode: str = "full", *, echo: bool = False, keep: Path | None = None) -> Run:
    """A lesson with its solutions in place, executed in a fresh process.

    mode : "full", or "quick" for smaller sizes and a quarter of the time.
    echo : print to the terminal as it goes, rather than into ``.output``.
    keep : run in a Jupyter kernel, and write the notebook with all that it showed to this file.

    It fails if a cell raises, if one of its exercises does not pass, or above twice its budget of
    processor time: a slower or busier machine is no failure, a lesson that became slow is one.

    >>> from tinygrad_edu import learn
    >>> run(learn.find(0), "quick").passed
    True
    """
    budget = lesson.seconds * (1.0 if mode == "full" else 0.25)
    with tempfile.TemporaryDirectory() as scratch:
        made = _execute(
            lesson,
            lesson.path,
            keep_going=False,
            limit=10 * budget + 60,  # by the clock
            folder=Path(scratch),
            settings={MODE: mode, "MPLBACKEND": _INLINE if keep else "Agg", **_ONE_THREAD},
            echo=echo,
            keep=keep,
        )
    slow = made.work > 2 * budget + _START_UP
    problem = f"it worked for {made.work:.1f} s, over twice its budget of {budget:.1f} s"
    problems = (*made.problems, problem) if slow else made.problems
    return dataclasses.replace(made, budget=budget, problems=problems)


def run_checks(lesson: Lesson, path: Path | str | None = None, *, limit: float = 120.0) -> Run:
    """The lesson's checks on a learner's notebook (or ``.py``), run in a process of its own.

    path : the file; by default the one `write_notebook` made for the learner.
    limit : seconds after which it is stopped.

    A cell that raises is reported and the rest runs; verdicts go into the learner's progress.

    Raises FileNotFoundError if there is no such file.

    >>> from tinygrad_edu import learn
    >>> run_checks(learn.find(0), "nowhere.ipynb")
    Traceback (most recent call last):
    FileNotFoundError: there is no such folder
    """
    if path is None:
        path = keeping.progress()["notebooks"].get(lesson.number)
        if path is None:
            raise FileNotFoundError(
                f"no notebook of lesson {lesson.number} has been written yet; "
                f"`tinygrad-edu lesson {lesson.number}` writes one"
            )
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    made = examine_file(lesson, path, folder=path.parent, limit=limit)
    for verdict in made.verdicts:
        checking.record(verdict)
    return made


def examine_file(
    lesson: Lesson, path: Path, *, folder: Path, limit: float, memory: int | None = None
) -> Run:
    """The lesson's checks on a file, run inside `folder`; nobody's progress changes.

    memory : bytes that it may use, where the system can set a limit.
    """
    return _execute(
        lesson,
        path,
        keep_going=True,
        limit=limit,
        folder=folder,
        settings={"MPLBACKEND": "Agg"},
        echo=False,
        memory=memory,
    )


def _execute(
    lesson: Lesson,
    path: Path,
    *,
    keep_going: bool,
    limit: float,
    folder: Path,
    settings: dict[str, str],
    echo: bool,
    memory: int | None = None,
    keep: Path | None = None,
) -> Run:
    """Run `path` in a child process inside `folder`.

    The child's own progress goes to a folder that is thrown away: it counts as nobody's work.
    """
    package = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as private, tempfile.TemporaryDirectory() as home:
        report, log = Path(private, "report.json"), Path(private, "log.txt")
        job = {
            "lesson": lesson.number,
            "path": str(path),
            "keep_going": keep_going,
            "report": str(report),
            "memory": memory,
            "keep": None if keep is None else str(keep.resolve()),
        }
        environment = {
            **os.environ,
            "PYTHONIOENCODING": "utf-8",
            **settings,
            "TINYGRAD_EDU_HOME": home,
        }
        command = [sys.executable, "-c", _START, str(package.parent)]
        started = time.perf_counter()
        with log.open("wb") as sink:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=None if echo else sink,
                stderr=None if echo else subprocess.STDOUT,
                start_new_session=True,
            )
            assert child.stdin is not None
            with contextlib.suppress(BrokenPipeError), child.stdin:
                child.stdin.write(json.dumps(job).encode())
            in_time = _wait(child, limit)
        seconds = time.perf_counter() - started
        output = log.read_text(encoding="utf-8", errors="replace")
        done: dict[str, Any] = {"verdicts": [], "problems": [], "work": 0.0}
        if not in_time:
            done["problems"] = [f"stopped: it had not finished after {limit:.0f} s"]
        elif report.exists():
            done = json.loads(report.read_text(encoding="utf-8"))
        else:
            last = output.strip().rpartition("\n")[2]
            done["problems"] = [f"Python ended with code {child.returncode}: {last}"]
    verdicts = tuple(Verdict(**v) for v in done["verdicts"])
    return Run(lesson, verdicts, tuple(done["problems"]), seconds, done["work"], None, output)


def _wait(child: subprocess.Popen[bytes], limit: float) -> bool:
    """Wait for a child and end its whole process group; False if it was still running."""
    try:
        child.wait(limit)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        if sys.platform == "win32":
            child.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        child.wait()
