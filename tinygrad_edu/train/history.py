"""What a training writes down: numbers by epoch and by step, as a table and as curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from tinygrad_edu.plots.training import plot_history
from tinygrad_edu.readers.palette import colour


class History:
    """The course of a training; ``history["val_loss"]`` is the list of an entry's values.

    epochs : for each name ("loss", "lr", "step", each metric, and "val_loss" and the like from the
        validation) one number per epoch: means over its examples, the learning rate in its last
        step, the number of steps at its end.
    steps : the same by step: "loss" and "lr".

    >>> history = History()
    >>> history.add_epoch({"loss": 0.5, "lr": 0.1, "step": 4})
    >>> history["loss"]
    [0.5]
    >>> history
     epoch      loss        lr
         1       0.5       0.1
    """

    def __init__(self) -> None:
        self.epochs: dict[str, list[float]] = {}
        self.steps: dict[str, list[float]] = {}

    def add_step(self, values: Mapping[str, float]) -> None:
        """Write down the numbers of one more step."""
        for name, value in values.items():
            self.steps.setdefault(name, []).append(value)

    def add_epoch(self, values: Mapping[str, float]) -> None:
        """Write down the numbers of one more epoch."""
        for name, value in values.items():
            self.epochs.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.epochs:
            raise KeyError(f"no {name!r} in this history; it has {', '.join(self.epochs)}")
        return self.epochs[name]

    def __len__(self) -> int:
        """The number of epochs."""
        return len(self.epochs.get("loss", []))

    def state_dict(self) -> dict[str, Any]:
        """All of it, as arrays, which take less room in a file."""
        return {
            kind: {name: numpy.array(values) for name, values in entries.items()}
            for kind, entries in (("epochs", self.epochs), ("steps", self.steps))
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        epochs, steps = (
            {name: values.tolist() for name, values in state_dict[kind].items()}
            for kind in ("epochs", "steps")
        )
        self.epochs, self.steps = epochs, steps

    def __repr__(self) -> str:
        names = [name for name in self.epochs if name != "step"]
        shown = [*range(len(self))]
        if len(shown) > 12:
            shown = [*shown[:3], -1, *shown[-8:]]
        lines = [["epoch", *names]]
        for i in shown:
            row = [f"{i + 1}", *(f"{self.epochs[name][i]:.4g}" for name in names)]
            lines.append(row if i >= 0 else ["..."] * len(row))
        widths = [6, *(max(len(name) + 2, 10) for name in names)]
        return "\n".join(
            "".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
            for line in lines
        )

    def plot(self, theme: str = "light") -> Any:
        """The curves as a matplotlib figure: the loss, and a panel for each metric.

        It is `plots.plot_history` of this one, with the loss of every step behind, pale.
        theme : "light" or "dark".

        Raises ValueError before the first epoch; ImportError, with the command, without matplotlib.

        >>> history = History()
        >>> history.add_epoch({"loss": 0.5, "val_loss": 0.6, "val_accuracy": 0.9, "lr": 0.1})
        >>> [axes.get_ylabel() for axes in history.plot().axes]
        ['loss', 'accuracy']
        """
        if not len(self):
            raise ValueError("this history has no epoch yet, so there is nothing to plot")
        figure = plot_history(self, theme=theme)
        ends = [0, *self.epochs.get("step", [])]
        for axes in figure.axes:
            values = self.steps.get(axes.get_ylabel(), [])
            values = values[: int(ends[-1])]  # those of an epoch begun have no place yet
            where = numpy.interp(1 + numpy.arange(len(values)), ends, range(len(ends)))
            axes.plot(where, values, color=colour("data", theme), alpha=0.25, lw=0.8, zorder=1)
        return figure
