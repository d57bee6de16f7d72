"""One step of training, and the look at data that are not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn import utils
from tinygrad_edu.nn.batch import batch_size, run_batch
from tinygrad_edu.nn.module import Module, evaluation
from tinygrad_edu.node import mapped, no_grad
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.train.parallel import Ranks

Loss = Callable[[Any, Any], Any]
Metrics = Mapping[str, Callable[[Any, Any], Any]]


class Means:
    """Running means of named numbers, each batch counting by its examples.

    >>> means = Means()
    >>> means.add({"loss": 1.0}, 30)
    >>> means.add({"loss": 2.0}, 10)
    >>> means.now()
    {'loss': 1.25}
    """

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, values: Mapping[str, float], count: int) -> None:
        """Take the means over `count` more examples into account."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * count
        self.count += count

    def now(self) -> dict[str, float]:
        """The means so far."""
        return {name: total / self.count for name, total in self.sums.items()}


def training_step(
    model: Module,
    loss: Loss,
    optimizer: Optimizer,
    batches: Sequence[Any],
    *,
    metrics: Metrics | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    forward: Callable[..., tuple[Any, Any]] | None = None,
    ranks: Ranks | None = None,
) -> dict[str, float]:
    """Forward, backward and update, once; returns the loss and the metrics before the update.

    batches : usually one, ``(*inputs, target)``, each of shape (batch, ...).  The gradients of
        several add up, each weighted by its share of the examples, so that the step is that of one
        large batch in the memory of a small one.
    forward : what computes output and loss, if not model and loss one after the other: see `fit`.
    ranks : the processes that share the work, each calling this with the same batches.

    >>> from tinygrad_edu import nn, optim
    >>> model = nn.Linear(1, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> batch = Tensor([[1.0], [2.0]]), Tensor([[2.0], [4.0]])
    >>> path = [training_step(model, nn.MSELoss(), optimizer, [batch])["loss"] for _ in range(9)]
    >>> path[-1] < path[0]
    True
    """
    examples = sum(map(batch_size, batches))
    looks: list[Means] = []  # one; an optimiser with a line search looks at more points

    def closure() -> float:
        means = Means()
        looks.append(means)
        optimizer.zero_grad()
        for whole in batches:
            batch = whole if ranks is None else ranks.share(whole)
            count = batch_size(batch)
            if not count:
                continue
            output, target, value = run_batch(model, loss, batch, forward)
            share = count / examples
            (value if share == 1 else value * share).backward()
            means.add(_measured(value, output, target, metrics), count)
        if ranks is not None:
            ranks.add_gradients(model)
            names = ("loss", *(metrics or {}))
            means.sums, means.count = ranks.sums(names, means.sums, means.count)
        if clip_norm is not None:
            utils.clip_grad_norm_(model.parameters(), clip_norm)
        if clip_value is not None:
            utils.clip_grad_value_(model.parameters(), clip_value)
        return means.now()["loss"]

    optimizer.step(closure)
    return looks[0].now()


def evaluate(
    model: Module,
    loader: Iterable[Any],
    loss: Loss,
    metrics: Metrics | None = None,
    *,
    forward: Callable[..., tuple[Any, Any]] | None = None,
) -> dict[str, float]:
    """The mean loss and metrics over all examples, the model in evaluation mode meanwhile.

    loader : gives batches ``(*inputs, target)``, each of shape (batch, ...).
    metrics : functions of output and target, each a mean over the examples of a batch.
    forward : as in `training_step`.

    Raises ValueError for a loader that gives no batch.

    >>> from tinygrad_edu import nn
    >>> batches = [(Tensor([[0.0], [1.0]]), Tensor([[1.0], [1.0]]))]
    >>> evaluate(nn.Identity(), batches, nn.functional.mse_loss)
    {'loss': 0.5}
    """
    means = Means()
    with evaluation(model), no_grad():
        for batch in loader:
            output, target, value = run_batch(model, loss, batch, forward)
            means.add(_measured(value, output, target, metrics), batch_size(batch))
    if not means.count:
        raise ValueError("evaluate: the loader gives no batch; is its data set empty?")
    return means.now()


def _measured(value: Any, output: Any, target: Any, metrics: Metrics | None) -> dict[str, float]:
    if not metrics:
        return {"loss": value.item()}
    with no_grad():
        plain = mapped(output, lambda x: Tensor._constant(x.data) if isinstance(x, Tensor) else x)
        found = {name: float(metric(plain, target)) for name, metric in metrics.items()}
    return {"loss": value.item(), **found}
