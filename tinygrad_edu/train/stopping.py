"""Early stopping: to end a training when what counts has not got better for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EarlyStopping:
    """Watches one number, epoch by epoch: which was the best, and whether it is time to stop.

    Parameters
    ----------
    patience : how many epochs in a row may be no better than the best before it stops; None: all.
    min_delta : how much better than the best counts as better.
    monitor : the number's name in the history; "val_loss" by default, "loss" without validation.
    mode : "min" if small is good, "max" if large is.
    restore_best : whether the model gets the weights of the best epoch at the end.

    ``best``, ``best_epoch`` and ``waited`` say what was seen: the best number, the epoch it is of
    (from 1), and how many epochs have passed since.

    Raises ValueError for an option out of range.

    Source: Prechelt, "Early stopping - but when?", 1998, section 2, the class UP (his s is our
    patience).

    >>> stopping = EarlyStopping(patience=2)
    >>> [stopping.update(loss, epoch) for epoch, loss in enumerate([0.5, 0.3, 0.4, 0.3], start=1)]
    [True, True, False, False]
    >>> stopping.stopped, stopping.best_epoch
    (True, 2)

    Built in lesson 25.
    """

    def __init__(
        self,
        patience: int | None = 5,
        min_delta: float = 0.0,
        *,
        monitor: str | None = None,
        mode: str = "min",
        restore_best: bool = True,
    ) -> None:
        if patience is not None and (not isinstance(patience, int) or patience < 1):
            raise ValueError(f"EarlyStopping: patience is {patience!r}; it must be at least 1")
        if not min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta is {min_delta!r}; it must be at least 0")
        if mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode is {mode!r}; it must be 'min' or 'max'")
        self.patience, self.min_delta, self.monitor = patience, min_delta, monitor
        self.mode, self.restore_best = mode, restore_best
        self.best: float | None = None
        self.best_epoch = self.waited = 0

    def update(self, value: float, epoch: int) -> bool:
        """Take the number of one more epoch into account; returns whether it is the best so far.

        What is not a number (nan) is never better.
        """
        sign = 1 if self.mode == "min" else -1
        better = value == value and (
            self.best is None or sign * (self.best - value) > self.min_delta
        )
        if better:
            self.best, self.best_epoch = value, epoch
        self.waited = 0 if better else self.waited + 1
        return better

    @property
    def stopped(self) -> bool:
        """Whether the patience is over."""
        return self.patience is not None and self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """What was seen, for `load_state_dict`."""
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        best, epoch, waited = (state_dict[key] for key in ("best", "best_epoch", "waited"))
        self.best, self.best_epoch, self.waited = best, epoch, waited
