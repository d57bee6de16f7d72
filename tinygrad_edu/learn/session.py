"""How a lesson runs: its opening line, one BLAS thread, and quick or full sizes."""

from __future__ import annotations

import os
from typing import TypeVar

from tinygrad_edu.learn import show
from tinygrad_edu.learn.catalogue import find

T = TypeVar("T")

MODE = "TINYGRAD_EDU_MODE"  # the environment variable: "full" (the default) or "quick"


def mode() -> str:
    """The mode lessons run in: "full", or "quick" (smaller sizes, for tests).

    Raises ValueError if TINYGRAD_EDU_MODE is something else.

    >>> mode()
    'full'
    """
    chosen = os.environ.get(MODE, "full")
    if chosen not in ("full", "quick"):
        raise ValueError(f"{MODE} is 'full' or 'quick', not {chosen!r}")
    return chosen


def pick(*, full: T, quick: T) -> T:
    """The one of two sizes that belongs to the mode: ``steps = pick(full=300, quick=50)``.

    >>> pick(full=300, quick=30)
    300
    """
    return full if mode() == "full" else quick


def begin(which: str | int) -> None:
    """Open a lesson: one BLAS thread, which is faster at these sizes, and a line on what to expect.

    >>> begin(0)
    Lesson 00 · Hello, graph: 20 minutes to read; runs in about 5 s.
    """
    lesson = find(which)
    limit_threads()
    seconds = pick(full=lesson.seconds, quick=max(1, lesson.seconds // 4))
    show.say(
        f"Lesson {lesson.number} · {lesson.title}: {lesson.minutes} minutes to read; "
        f"runs in about {seconds} s."
    )


def limit_threads() -> None:
    """Leave NumPy's linear algebra one thread, where threadpoolctl is installed."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        return
    threadpool_limits(limits=1, user_api="blas")
