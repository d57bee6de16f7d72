"""What surrounds a training: a progress bar, and Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any


class Silent:
    """A progress bar that shows nothing."""

    def set_description(self, text: str, refresh: bool = True) -> None:
        """What stands before the bar."""

    def set_postfix(self, values: Mapping[str, float], refresh: bool = True) -> None:
        """What stands behind it."""

    def update(self) -> None:
        """One step more."""


@contextlib.contextmanager
def progress_bar(total: int | None, done: int, show: bool, unit: str = "step") -> Iterator[Any]:
    """A tqdm bar, in the terminal or the notebook; one that shows nothing if asked.

    total, done : of the units, steps or others, how many there are and how many are done already.

    Raises ImportError, with the command, where tqdm is missing.
    """
    if not show:
        yield Silent()
        return
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError(
            'the progress bar needs tqdm: pip install "tinygrad_edu[train]", or progress=False'
        ) from error
    with tqdm(total=total, initial=done, unit=unit, dynamic_ncols=True) as bar:
        yield bar


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C inside the block, which goes on undisturbed.

    A second Ctrl-C raises KeyboardInterrupt at once.  Only the main thread receives signals;
    elsewhere this does nothing.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler

    def press(number: int, frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
