"""The learning-rate range test: which step sizes make the loss fall, seen in one short run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy

from tinygrad_edu.nn.batch import run_batch
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.random import watch_generators
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.readers.palette import colour
from tinygrad_edu.readers.panels import panels


class LRCurve(NamedTuple):
    """What `lr_finder` saw: the rates, the smoothed loss at each, and a rate to begin with.

    Rates and losses are lists of one length.

    >>> LRCurve([0.1, 1.0], [2.0, 1.0], 0.1).suggestion
    0.1
    """

    lrs: list[float]
    losses: list[float]
    suggestion: float

    def plot(self, theme: str = "light") -> Any:
        """The curve as a matplotlib figure, the suggestion marked; theme: "light" or "dark".

        >>> LRCurve([0.1, 1.0], [2.0, 1.0], 0.1).plot().axes[0].get_xscale()
        'log'
        """
        figure, [axes] = panels(1, theme)
        label = f"suggestion {self.suggestion:.2g}"
        axes.plot(self.lrs, self.losses, color=colour("data", theme))
        axes.axvline(self.suggestion, color=colour("grad", theme), ls="--", label=label)
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss, smoothed")
        axes.legend(labelcolor=colour("ink", theme), frameon=False)
        return figure


def lr_finder(
    model: Module,
    loader: Iterable[Any],
    *,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    start_lr: float = 1e-6,
    end_lr: float = 10.0,
    num_steps: int = 100,
    smoothing: float = 0.9,
    diverged: float = 4.0,
) -> LRCurve:
    """The loss as the learning rate grows from step to step, and where it falls fastest.

    ::

        lr_i   = start_lr * (end_lr / start_lr) ** (i / (num_steps - 1))
        mean_i = smoothing * mean_{i-1} + (1 - smoothing) * loss_i
        s_i    = mean_i / (1 - smoothing ** (i + 1))                what is drawn

    Parameters
    ----------
    model, loader, loss, optimizer : as in `tinygrad_edu.train.fit`; the loader is begun anew when
        it ends.
    start_lr, end_lr, num_steps : the rates: from, to, how many; all groups get the same.
    smoothing : how much of the mean is kept from step to step, in [0, 1).
    diverged : the run ends when the smoothed loss is that many times its lowest, or not finite.

    Model, optimiser, loader (one with ``state_dict``) and generators are afterwards as before.  The
    suggestion is the rate, before the lowest smoothed loss, at which it falls fastest per factor of
    the rate: a place to begin, not the best one.

    Raises ValueError for options out of range, and if the loss is not finite from the beginning.

    Source: Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3, where
    the rate grows linearly; that it grows by a factor, and the smoothing, are later practice.

    >>> from tinygrad_edu import Tensor, nn, optim
    >>> x = Tensor([[1.0], [-1.0]])
    >>> model = nn.Linear(1, 1)
    >>> curve = lr_finder(model, [(x, 3 * x)], loss=nn.MSELoss(),
    ...                   optimizer=optim.SGD(model.parameters(), lr=0.1))
    >>> 1e-3 < curve.suggestion < 2
    True

    Built in lesson 17.
    """
    if not (0 < start_lr < end_lr and num_steps > 1 and 0 <= smoothing < 1 and diverged > 1):
        raise ValueError(
            f"lr_finder: the rates must rise (start_lr {start_lr}, end_lr {end_lr}) in at least 2 "
            f"steps ({num_steps}), smoothing ({smoothing}) lie in [0, 1), diverged ({diverged}) "
            "above 1"
        )
    parts: list[Any] = [model, optimizer]
    parts += [loader] if hasattr(loader, "load_state_dict") else []
    before = [part.state_dict() for part in parts]
    modes = [(module, module.training) for module in model.modules()]
    lrs: list[float] = []
    losses: list[float] = []
    mean = 0.0
    with watch_generators() as drawn:
        try:
            model.train()
            batches = _endless(loader)
            for i in range(num_steps):
                lr = start_lr * (end_lr / start_lr) ** (i / (num_steps - 1))
                for group in optimizer.param_groups:
                    group["lr"] = lr
                optimizer.zero_grad()
                value = run_batch(model, loss, next(batches))[2]
                mean = smoothing * mean + (1 - smoothing) * value.item()
                smooth = mean / (1 - smoothing ** (i + 1))
                if not math.isfinite(smooth) or smooth > diverged * min(losses, default=smooth):
                    break
                lrs.append(lr)
                losses.append(smooth)
                value.backward()
                optimizer.step()
        finally:
            optimizer.zero_grad()
            for part, state in zip(parts, before, strict=True):
                part.load_state_dict(state)
            for module, mode in modes:
                module.training = mode
            for generator, state in drawn:
                generator.bit_generator.state = state
    if len(losses) < 2:
        raise ValueError(
            f"lr_finder: the loss is {value.item()} after {len(losses)} steps at a rate of "
            f"{lr:.2g}; begin with a smaller start_lr, or look at the data and the loss"
        )
    slopes = numpy.gradient(losses, numpy.log(lrs))
    lowest = int(numpy.argmin(losses))  # beyond it the loss goes up and down by chance
    return LRCurve(lrs, losses, lrs[int(slopes[: lowest + 1].argmin())])


def _endless(loader: Iterable[Any]) -> Iterator[Any]:
    """The loader's batches, from the beginning again whenever they end."""
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            raise ValueError("lr_finder: the loader gives no batch; is its data set empty?")
