"""What a learner has done so far, in one JSON file of their own.

It lies in the folder named by the environment variable TINYGRAD_EDU_HOME, or else in the user's
data folder.  It is replaced as a whole, never written in place, so a reader or a crash never meets
half a file; a damaged file is put aside under another name and reported.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tinygrad_edu.learn import show
from tinygrad_edu.learn.catalogue import Lesson, lessons

State = dict[str, Any]
_PATIENCE = 2.0  # seconds to wait for another process that is writing


def home() -> Path:
    """The folder that holds the progress file."""
    chosen = os.environ.get("TINYGRAD_EDU_HOME")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local", "tinygrad-edu")
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/tinygrad-edu"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share", "tinygrad-edu")


def progress() -> State:
    """What has been done so far; nothing, with a message, if it cannot be read.

    ``["exercises"]`` maps an exercise to its attempts (a count), passed (a bool), hints (how many
    were seen) and solution (whether it was seen); ``["notebooks"]`` a lesson to the learner's file.

    >>> sorted(progress())
    ['exercises', 'notebooks']
    """
    try:
        return _read()
    except OSError as error:
        show.say(f"Your progress could not be read: {error}", "warning")
        return {"exercises": {}, "notebooks": {}}


def _read() -> State:
    path = home() / "progress.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        entries = [state, state["exercises"], state["notebooks"], *state["exercises"].values()]
        if all(isinstance(entry, dict) for entry in entries):
            return state
        _put_aside(path, "it does not have the form of a progress file")
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        _put_aside(path, str(error))
    return {"exercises": {}, "notebooks": {}}


def exercise(state: State, id: str) -> dict[str, Any]:
    """What `state` says about one exercise; may be changed."""
    entry = state["exercises"].setdefault(id, {})
    for key, fresh in (("attempts", 0), ("passed", False), ("hints", 0), ("solution", False)):
        entry.setdefault(key, fresh)
    return entry


def is_done(lesson: Lesson) -> bool:
    """Whether every exercise of a lesson has been passed.

    >>> from tinygrad_edu import learn
    >>> is_done(learn.find(0))
    False
    """
    done = progress()["exercises"]
    return all(done.get(id, {}).get("passed") for id in lesson.exercises)


def next_lesson() -> Lesson | None:
    """The first lesson with an exercise not passed yet; None when all are done.

    >>> next_lesson().number
    '00'
    """
    return next((lesson for lesson in lessons() if not is_done(lesson)), None)


def update(change: Callable[[State], Any]) -> None:
    """Apply `change` to the progress and save it; a failure to save is reported, never raised."""
    path = home() / "progress.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.with_suffix(".lock")):
            state = _read()
            change(state)
            draft = path.with_suffix(".new")
            draft.write_text(json.dumps(state, indent=1), encoding="utf-8")
            draft.replace(path)
    except OSError as error:
        show.say(f"Your progress could not be saved in {path}: {error}", "warning")


def _put_aside(path: Path, reason: str) -> None:
    names = (path.with_name(f"progress-damaged-{i}.json") for i in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    path.replace(aside)
    show.say(
        f"The progress file {path} could not be understood ({reason}). It is kept as "
        f"{aside.name}; a new one is started.",
        "warning",
    )


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """A ``with`` block for one process at a time; a lock left behind by a crash is taken over."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                lock.unlink(missing_ok=True)
            time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
