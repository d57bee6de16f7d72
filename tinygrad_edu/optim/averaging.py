"""Exponential averaging of weights: a smoother model for the price of one more copy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tinygrad_edu.node import Node, current_mode
from tinygrad_edu.optim.optimizer import _like, numbers_of


class AveragedParameters:
    """A running average of parameters, kept beside them.

    ::

        average = parameter                                         first update
        average = decay * average + (1 - decay) * parameter         later ones

    Parameters
    ----------
    params : Tensors of any shapes or Values.
    decay : how much of the average is kept in each update, in [0, 1].

    ``averages`` is the list of arrays, in the order of `params`; ``n_averaged`` counts the updates.
    PyTorch: ``torch.optim.swa_utils.AveragedModel`` with ``get_ema_multi_avg_fn(decay)``, which
    takes a model where this takes its parameters.

    Raises ValueError for a decay out of range or no parameters, TypeError for what is none.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992, for
    the plain mean; Tarvainen and Valpola, "Mean teachers are better role models", 2017, section 2
    (their alpha is our decay).

    >>> from tinygrad_edu import Value
    >>> w = Value(1.0)
    >>> average = AveragedParameters([w], decay=0.75)
    >>> average.update_parameters()
    >>> w.data = 3.0
    >>> average.update_parameters()
    >>> with average.applied():
    ...     w.data
    1.5
    >>> w.data
    3.0

    Built in lesson 17.
    """

    def __init__(self, params: Iterable[Any], decay: float = 0.999) -> None:
        if isinstance(params, Node):
            raise TypeError(
                f"AveragedParameters takes a list of parameters, not one {type(params).__name__}; "
                "write it in brackets"
            )
        self._params = list(params)
        if not self._params:
            raise ValueError("AveragedParameters got no parameters")
        for i, p in enumerate(self._params):
            if not isinstance(p, Node):
                raise TypeError(
                    f"AveragedParameters: parameter {i} is a {type(p).__name__}, not a Tensor or "
                    "Value"
                )
        if not 0 <= decay <= 1:
            raise ValueError(f"AveragedParameters: decay is {decay!r}; it must be in [0, 1]")
        self.decay = decay
        self.n_averaged = 0
        self.averages = [_like(x, x) for x in map(numbers_of, self._params)]

    def update_parameters(self) -> None:
        """Take the parameters as they are now into the average; to be called after each step."""
        capture = current_mode().capture
        if capture is not None:  # launches are recorded: each repetition counts
            capture.before_each(self._count)
            capture.holds(self._settings, kept=self.averages)
        keep = self.decay if self.n_averaged else 0.0
        for average, p in zip(self.averages, self._params, strict=True):
            average += (1 - keep) * (numbers_of(p) - average)
        if capture is None:
            self._count()

    def _count(self) -> None:
        self.n_averaged += 1

    def _settings(self) -> tuple[Any, ...]:
        return self.decay, self.n_averaged > 0, [id(average) for average in self.averages]

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """A ``with`` block in which the parameters hold the average, to evaluate or save it."""
        kept = [p.data for p in self._params]
        try:
            for p, average in zip(self._params, self.averages, strict=True):
                p.data = _like(average, average)  # a copy: training inside must not change it
            yield
        finally:
            for p, data in zip(self._params, kept, strict=True):
                p.data = data

    def state_dict(self) -> dict[str, Any]:
        """A copy of the averages and of their count."""
        averages = [_like(average, average) for average in self.averages]
        return {"n_averaged": self.n_averaged, "averages": averages}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; ValueError, and nothing changed, if it does not fit."""
        missing = {"n_averaged", "averages"} - state_dict.keys()
        if missing:
            raise ValueError(f"AveragedParameters: the saved state has no {min(missing)!r}")
        saved = state_dict["averages"]
        if len(saved) != len(self.averages):
            raise ValueError(
                f"AveragedParameters has {len(self.averages)} averages, the saved state "
                f"{len(saved)}"
            )
        loaded = [_like(value, mine) for value, mine in zip(saved, self.averages, strict=True)]
        for i, (value, mine) in enumerate(zip(loaded, self.averages, strict=True)):
            if value.shape != mine.shape:
                raise ValueError(
                    f"AveragedParameters: the saved average {i} has shape {value.shape}, the "
                    f"parameter {mine.shape}"
                )
        self.averages = loaded
        self.n_averaged = int(state_dict["n_averaged"])
