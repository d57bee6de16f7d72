"""Cells run as a notebook runs them, in a process of their own without Jupyter.

`running` starts this module in a child process with a job: a file of cells to execute, and
exercises to examine afterwards.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
import linecache
import sys
import time
import traceback
import types
from pathlib import Path
from typing import Any

from tinygrad_edu.learn import exercises, kernel, notebooks
from tinygrad_edu.learn.catalogue import find
from tinygrad_edu.learn.cells import Cell
from tinygrad_edu.learn.exercises import Verdict


def run_cell(cell: Cell, names: dict[str, Any], file: str) -> None:
    """Execute a cell in `names` and display the value of its last line, as a notebook does.

    file : the name that error messages and `inspect` see.
    """
    tree = _parse(cell.source, file)
    ast.increment_lineno(tree, cell.line - 1)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, file, "exec"), names)
    if isinstance(last, ast.Expr):
        display(eval(compile(ast.Expression(last.value), file, "eval"), names))


def display(value: Any) -> None:
    """Show a value as text; a picture is drawn in full first, so that a broken one is noticed."""
    if value is None:
        return
    if hasattr(value, "_ipython_display_"):
        with contextlib.suppress(NotImplementedError):  # as in Jupyter: then ask for a bundle
            value._ipython_display_()
            return
    if hasattr(value, "_repr_mimebundle_"):
        print(value._repr_mimebundle_().get("text/plain", repr(value)))
    else:
        print(repr(value))


def run_file(path: Path, *, keep_going: bool) -> tuple[dict[str, Any], list[str]]:
    """Run every code cell of a file; the names it leaves, and what went wrong.

    With `keep_going` an error ends its own cell only, otherwise the run.
    """
    main = types.ModuleType("__main__")
    main.__file__ = str(path)
    sys.modules["__main__"] = main  # dataclasses and pickle look names up there
    problems = []
    code = [cell for cell in notebooks.read_cells(path) if cell.kind == "code"]
    for number, cell in enumerate(code, 1):
        file = str(path) if path.suffix == ".py" else f"<code cell {number} of {path.name}>"
        if path.suffix != ".py":
            lines = cell.source.splitlines(keepends=True)
            linecache.cache[file] = (len(cell.source), None, lines, file)
        try:
            run_cell(cell, vars(main), file)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            problems.append(f"code cell {number} raised {type(error).__name__}: {error}")
            if not keep_going:
                break
    return vars(main), problems


def examine(lesson: str, names: dict[str, Any]) -> list[Verdict]:
    """The verdicts on the answers among `names`; one that is missing is "not yet"."""
    return [
        exercises.examine(exercise, names.get(exercise.answer))
        for exercise in exercises.exercises_of(find(lesson)).values()
    ]


def _parse(source: str, file: str) -> ast.Module:
    """The cell as Python, without the lines that are a notebook's own (``%timeit``, ``!ls``)."""
    try:
        return ast.parse(source, file)
    except SyntaxError:
        lines = source.splitlines()
        kept = ["" if line.startswith(("%", "!", "?")) else line for line in lines]
        if kept == lines:
            raise
        return ast.parse("\n".join(kept), file)


def _limit(memory: int) -> None:
    """Let this process have that many bytes of memory and files of 100 MB, if the system can."""
    with contextlib.suppress(ImportError):  # Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**8, 10**8))


def report(lesson: str, problems: list[str], names: dict[str, Any] | None, path: str) -> None:
    """Write to `path` what came of a run; `names`, where there are any, are examined first."""
    verdicts = [] if names is None else examine(lesson, names)
    done = {
        "problems": problems,
        "verdicts": [dataclasses.asdict(v) for v in verdicts],
        "work": time.process_time(),
    }
    Path(path).write_text(json.dumps(done), encoding="utf-8")


def main(job: dict[str, Any]) -> None:
    """Do a job from `running` and write what came of it to the file it names."""
    if job["memory"]:
        _limit(job["memory"])
    if job["keep"]:
        problems = kernel.run(job["lesson"], job["report"], Path(job["keep"]))
        if problems:
            report(job["lesson"], problems, None, job["report"])
        return
    names, problems = run_file(Path(job["path"]), keep_going=job["keep_going"])
    judged = None if problems and not job["keep_going"] else names
    report(job["lesson"], problems, judged, job["report"])
