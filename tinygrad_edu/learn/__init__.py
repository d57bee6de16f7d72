"""What lessons are made of: exercises that explain mistakes, notebooks, progress, and the runner.

In a lesson, after ``from tinygrad_edu import learn``::

    learn.begin("04")                      # one BLAS thread, and what to expect
    learn.check("04.toposort", toposort)   # examines an answer and says what is wrong with it
    learn.hint("04.toposort")              # the next of three hints
    learn.solution("04.toposort")          # after one attempt, or with force=True
    guess = learn.predict("up or down?", ["up", "down"])     # later: guess.reveal("up")
    learn.use_mine("relu", forward, rule)  # your functions inside the library's operation
    learn.pick(full=300, quick=30)         # a size by the mode the lesson runs in
    learn.beside_torch(model, x)           # results and gradients, if PyTorch is installed
    learn.source(ops.relu)                 # the library's own lines

For the command line and other programs::

    lessons() -> list[Lesson]        # number, slug, title, path, minutes, builds, uses, exercises
    find("03"), find(3), find("value_builds_a_graph") -> Lesson
    next_lesson() -> Lesson | None   # the first with an exercise not passed
    is_done(lesson) -> bool
    progress() -> dict               # {"exercises": {"04.toposort": {...}}, "notebooks": {...}}
    write_notebook(lesson, folder) -> Path      # the learner's; never over their work
    run(lesson, mode="full", echo=False) -> Run # .passed .seconds .verdicts .problems, str()
    run_checks(lesson, path=None) -> Run        # a learner's notebook, examined
    grade(folder) -> list[Graded]               # a folder of notebooks, as a table or CSV
    notebook(lesson, with_solutions=True) -> dict
    new_project("mine") -> Path                 # a folder with a program and tests that pass

Progress lies in one file (`learn.keeping`); lessons and their checks lie in ``lessons/``.
"""

from tinygrad_edu.learn.beside import beside_torch
from tinygrad_edu.learn.catalogue import Lesson, find, lessons
from tinygrad_edu.learn.checking import Checked, check, hint, solution
from tinygrad_edu.learn.grading import Graded, grade
from tinygrad_edu.learn.keeping import is_done, next_lesson, progress
from tinygrad_edu.learn.mine import Mine, use_mine
from tinygrad_edu.learn.notebooks import notebook, write_notebook
from tinygrad_edu.learn.predictions import Prediction, predict
from tinygrad_edu.learn.projects import new_project
from tinygrad_edu.learn.running import Run, run, run_checks
from tinygrad_edu.learn.session import begin, mode, pick
from tinygrad_edu.learn.show import Row, source

__all__ = [
    "Checked",
    "Graded",
    "Lesson",
    "Mine",
    "Prediction",
    "Row",
    "Run",
    "begin",
    "beside_torch",
    "check",
    "find",
    "grade",
    "hint",
    "is_done",
    "lessons",
    "mode",
    "new_project",
    "next_lesson",
    "notebook",
    "pick",
    "predict",
    "progress",
    "run",
    "run_checks",
    "solution",
    "source",
    "use_mine",
    "write_notebook",
]
