"""What a learner calls: check an answer, ask for a hint, see the solution."""

from __future__ import annotations

import dataclasses
from typing import Any

from tinygrad_edu.learn import exercises, keeping, show
from tinygrad_edu.learn.exercises import Verdict


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """An answer and the verdict on it.

    >>> answer = {"a": 2.0, "b": 5.0, "c": 10.0}
    >>> bool(check("00.flip", answer).passed)
    00.flip: passed.
    True
    """

    answer: Any
    verdict: Verdict

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.verdict.passed

    @property
    def working(self) -> Any:
        """The answer once it passes, and a right one until then, so that a lesson can go on."""
        exercise = exercises.exercise(self.verdict.exercise)
        return self.answer if self.passed else exercises.reference(exercise)

    def _ipython_display_(self) -> None:
        """Nothing: the verdict has been shown already."""


def check(id: str, answer: Any, *, seed: int | None = None) -> Checked:
    """The answer to exercise `id`, examined on random cases; the verdict is shown and kept.

    seed : draws the cases; a fresh one each time unless given.

    >>> from tinygrad_edu import learn
    >>> learn.check("00.signs", {"a": "-", "b": "+", "c": "-"}).passed
    00.signs: passed.
    True

    Raises KeyError if there is no such exercise.
    """
    verdict = exercises.examine(exercises.exercise(id), answer, seed)
    report(verdict)
    record(verdict)
    return Checked(answer, verdict)


def report(verdict: Verdict) -> None:
    """Show a verdict."""
    if verdict.passed:
        show.say(f"{verdict.exercise}: passed{verdict.message}.", "passed")
    elif verdict.status == "not yet":
        show.say(f"{verdict.exercise}: not yet\n{verdict.message}", "note")
    else:
        again = f'`learn.hint("{verdict.exercise}")` gives a hint.'
        show.say(f"{verdict.exercise}: not right\n{verdict.message}\n{again}", "wrong")


def record(verdict: Verdict) -> None:
    """Keep a verdict in the learner's progress; an exercise not begun is no attempt."""
    if verdict.status == "not yet":
        return

    def count(state: keeping.State) -> None:
        entry = keeping.exercise(state, verdict.exercise)
        entry["attempts"] += 1
        entry["passed"] = entry["passed"] or verdict.passed

    keeping.update(count)


def hint(id: str, level: int | None = None) -> None:
    """Show a hint to exercise `id`: of `level` 1, 2 or 3, or the next one not yet seen.

    Raises KeyError for an unknown exercise, ValueError for another level.

    >>> hint("00.flip")
    Hint 1 of 3 to 00.flip
    What did the gradient with respect to a turn out to be, in the section with symbols?
    """
    hints = exercises.exercise(id).hints
    seen = keeping.exercise(keeping.progress(), id)["hints"]
    chosen = min(seen + 1, len(hints)) if level is None else level
    if not 1 <= chosen <= len(hints):
        raise ValueError(f"hints have the levels 1 to {len(hints)}, not {level}")
    show.say(f"Hint {chosen} of {len(hints)} to {id}\n{hints[chosen - 1]}")

    def note(state: keeping.State) -> None:
        entry = keeping.exercise(state, id)
        entry["hints"] = max(entry["hints"], chosen)

    keeping.update(note)


def solution(id: str, *, force: bool = False) -> None:
    """Show the solution of exercise `id`, once it has been attempted or with ``force=True``.

    Raises KeyError for an unknown exercise.

    >>> solution("00.flip", force=True)
    changed = {"a": 2.0, "b": 5.0, "c": 10.0}
    """
    exercise = exercises.exercise(id)
    if not (force or keeping.exercise(keeping.progress(), id)["attempts"]):
        show.say(
            f"Try {id} first\n"
            f'The solution opens after one attempt at `learn.check("{id}", ...)`, or with '
            f'`learn.solution("{id}", force=True)`. A smaller step is `learn.hint("{id}")`.'
        )
        return
    show.code(exercises.solution_of(exercise))

    def note(state: keeping.State) -> None:
        keeping.exercise(state, id)["solution"] = True

    keeping.update(note)
