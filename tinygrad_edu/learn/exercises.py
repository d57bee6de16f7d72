"""What an exercise is, and how an answer to it is examined and diagnosed.

An exercise says on which random cases an answer is tried, what the answer does on a case (its
outcome), and whether that is right.  It also brings wrong answers that learners are known to give,
each with its explanation: a learner whose outcomes equal those of a wrong answer has made that
mistake, and is told so in its words.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import inspect
import io
import math
import random
import reprlib
import secrets
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy

from tinygrad_edu.learn import cells
from tinygrad_edu.learn.catalogue import Lesson, find

_NOTHING = "Your function returned None: on some way through it there is no `return`.\n"
_STUB = "Put your code in place of the line that raises NotImplementedError."


@dataclasses.dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong answer, its name, and what to tell a learner who gives it."""

    name: str
    answer: Any
    diagnosis: str


@dataclasses.dataclass(frozen=True, slots=True)
class Raised:
    """The outcome of an answer that raised an error."""

    kind: str
    text: str


class Exercise:
    """One exercise; a subclass in ``lessons/checks`` fills in what is named here.

    Attributes
    ----------
    id : the lesson's number and a name, "04.toposort".
    answer : the name under which the lesson's cell leaves the answer.
    hints : three, from a nudge to nearly the code.
    wrong : at least three wrong answers.
    """

    id: ClassVar[str]
    answer: ClassVar[str]
    hints: ClassVar[tuple[str, str, str]]
    wrong: ClassVar[tuple[Wrong, ...]]

    def given(self) -> dict[str, Any]:
        """The names that the answer's cell takes from cells above it."""
        return {}

    def unstarted(self, answer: Any) -> str | None:
        """What is still missing, if the answer is not there yet."""
        return None

    def cases(self, rng: random.Random) -> Iterator[list[Any]]:
        """Lists of cases, cheap ones first; a list is examined if all before it were right."""
        raise NotImplementedError

    def outcome(self, answer: Any, case: Any) -> Any:
        """What the answer does on a case: numbers, lists, anything that can be compared."""
        raise NotImplementedError

    def judge(self, case: Any, outcome: Any) -> str | None:
        """None if the outcome is right; otherwise what is wrong with it, with both numbers."""
        raise NotImplementedError

    def describe(self, case: Any) -> str:
        """A case in words, for an answer that raised an error on it."""
        return repr(case)


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What came of examining an answer.

    Attributes
    ----------
    exercise : its id.
    status : "passed", "not yet" or "wrong".
    message : for the learner.
    mistake : the name of the known mistake that was recognised, or None.
    cases : how many cases were judged.
    seed : with which the cases were drawn.
    """

    exercise: str
    status: str
    message: str
    mistake: str | None = None
    cases: int = 0
    seed: int = 0

    @property
    def passed(self) -> bool:
        """Whether the answer was right on every case."""
        return self.status == "passed"


def examine(exercise: Exercise, answer: Any, seed: int | None = None) -> Verdict:
    """Try an answer on cases drawn with `seed` (a fresh one by default), and say what came of it.

    Raises RuntimeError if the exercise has no case to try: nothing was shown, so nothing passes.
    """
    seed = secrets.randbelow(2**31) if seed is None else seed
    try:
        missing = "It is not there yet." if answer is None else exercise.unstarted(answer)
    except Exception as error:
        message = f"The answer does not have the form that was asked for ({_brief(error)})."
        return Verdict(exercise.id, "wrong", message, seed=seed)
    if missing:
        return Verdict(exercise.id, "not yet", missing, seed=seed)
    stages: list[list[Any]] = []
    for stage in exercise.cases(random.Random(seed)):
        stages.append(stage)
        outcomes, first = try_stage(exercise, answer, stage)
        if first is None:
            continue
        cases = sum(map(len, stages))
        if any(isinstance(o, Raised) and o.kind == "NotImplementedError" for o in outcomes):
            return Verdict(exercise.id, "not yet", _STUB, cases=cases, seed=seed)
        known = recognise(exercise, stages, outcomes)
        if known:
            message = f"{known[0].diagnosis}\n{first}"
        else:
            message = (_NOTHING if _forgot_to_return(exercise, answer, stage) else "") + first
        mistake = known[0].name if known else None
        return Verdict(exercise.id, "wrong", message, mistake, cases, seed)
    cases = sum(map(len, stages))
    if not cases:
        raise RuntimeError(f"{exercise.id} has no case to examine, so nothing can pass")
    message = f" on {cases} cases" if cases > 1 else ""
    return Verdict(exercise.id, "passed", message, None, cases, seed)


def try_stage(exercise: Exercise, answer: Any, stage: list[Any]) -> tuple[list[Any], str | None]:
    """The outcomes of an answer on the cases of a stage, and what is wrong with the first bad
    one."""
    outcomes = [attempt(exercise, answer, case) for case in stage]
    complaints = (_judge(exercise, *pair) for pair in zip(stage, outcomes, strict=True))
    return outcomes, next((complaint for complaint in complaints if complaint), None)


def attempt(exercise: Exercise, answer: Any, case: Any) -> Any:
    """The outcome of an answer on a case, `Raised` if it raised.

    What it prints is not shown, nor what NumPy has to say about overflow.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()), numpy.errstate(all="ignore"):
            return exercise.outcome(answer, case)
    except Exception as error:
        return Raised(type(error).__name__, str(error))


def _forgot_to_return(exercise: Exercise, answer: Any, stage: list[Any]) -> bool:
    """Whether a function gave None somewhere on a stage where the reference never does."""

    def gives_none(function: Any) -> bool:
        nothing = []

        def watched(*given: Any, **named: Any) -> Any:
            result = function(*given, **named)
            nothing.append(result is None)
            return result

        for case in stage:
            attempt(exercise, watched, case)
        return any(nothing)

    return inspect.isfunction(answer) and gives_none(answer) and not gives_none(reference(exercise))


def recognise(exercise: Exercise, stages: list[list[Any]], outcomes: list[Any]) -> list[Wrong]:
    """The known mistakes that are right on all `stages` but the last, and there give `outcomes`."""
    return [wrong for wrong in exercise.wrong if _explains(exercise, wrong, stages, outcomes)]


def _explains(
    exercise: Exercise, wrong: Wrong, stages: list[list[Any]], outcomes: list[Any]
) -> bool:
    # Stage by stage: a mistake found out on cheap cases may never finish on the later ones.
    for stage in stages[:-1]:
        if try_stage(exercise, wrong.answer, stage)[1] is not None:
            return False
    return all(
        same(attempt(exercise, wrong.answer, case), outcome)
        for case, outcome in zip(stages[-1], outcomes, strict=True)
    )


def same(a: Any, b: Any) -> bool:
    """Whether two outcomes are equal, numbers to nine digits.

    >>> same([1.0, {"x": 0.1 + 0.2}], [1.0, {"x": 0.3}])
    True
    """
    if isinstance(a, Raised) and isinstance(b, Raised):
        return a.kind == b.kind
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, numpy.ndarray) or isinstance(b, numpy.ndarray):
        return numpy.shape(a) == numpy.shape(b) and numpy.allclose(
            a, b, rtol=1e-9, atol=1e-12, equal_nan=True
        )
    if isinstance(a, float | int) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (a != a and b != b)
    return type(a) is type(b) and bool(a == b)


def _judge(exercise: Exercise, case: Any, outcome: Any) -> str | None:
    if isinstance(outcome, Raised):
        return f"On {exercise.describe(case)} it raised {outcome.kind}: {outcome.text}"
    try:
        return exercise.judge(case, outcome)
    except Exception as error:  # a text where a number belongs, and the like
        given = reprlib.repr(outcome)
        return f"It gives {given}, which is not what was asked for ({_brief(error)})."


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def exercises_of(lesson: Lesson) -> dict[str, Exercise]:
    """The exercises of a lesson by id, in the order of the lesson."""
    path = lesson.path.parent / "checks" / lesson.path.name
    name = f"tinygrad_edu_checks_{lesson.number}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and inspect look for it
    spec.loader.exec_module(module)
    kinds = [x for x in vars(module).values() if isinstance(x, type) and x.__module__ == name]
    made = {kind.id: kind() for kind in kinds if issubclass(kind, Exercise)}
    if made.keys() != {*lesson.exercises}:
        raise ValueError(
            f"{lesson.path.name} has the exercises {sorted(lesson.exercises)}, its checks have "
            f"{sorted(made)}"
        )
    return {id: made[id] for id in lesson.exercises}


def exercise(id: str) -> Exercise:
    """The exercise called `id`.

    >>> exercise("04.toposort").answer
    'toposort'

    Raises KeyError, naming the lesson's exercises, when there is none.
    """
    there = exercises_of(find(id.partition(".")[0]))
    if id not in there:
        raise KeyError(f"no exercise is called {id!r}; the lesson has {', '.join(there)}")
    return there[id]


def solution_of(exercise: Exercise) -> str:
    """The solved cell of an exercise, as the lesson has it."""
    lesson = find(exercise.id.partition(".")[0])
    return next(c.source for c in cells.solved(lesson.cells) if c.exercise == exercise.id)


def reference(exercise: Exercise) -> Any:
    """The right answer: what the solved cell leaves under the exercise's name."""
    names: dict[str, Any] = {"__name__": f"solution of {exercise.id}", **exercise.given()}
    exec(solution_of(exercise), names)
    return names[exercise.answer]
