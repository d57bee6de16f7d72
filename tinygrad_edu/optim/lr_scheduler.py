"""Learning-rate schedules: the step size as a function of the number of steps.

Each schedule is its formula in `get_lr`, a function of ``last_epoch``, the number of calls of
``step()`` so far (written t below), and of ``base_lrs``, the rates that the optimiser's groups
started with.  An "epoch" is whatever lies between two calls: an epoch, or one batch.

>>> from tinygrad_edu import Value, optim
>>> w = Value(3.0)
>>> optimizer = optim.SGD([w], lr=0.4)
>>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
>>> for _ in range(4):
...     optimizer.zero_grad()
...     (w * w).backward()
...     optimizer.step()
...     scheduler.step()
>>> optimizer.param_groups[0]["lr"]
0.1
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tinygrad_edu.optim.optimizer import Group, Optimizer

__all__ = [
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class LRScheduler:
    """Sets the learning rate of each group of an optimiser; base class of the schedules.

    Parameters
    ----------
    optimizer : the optimiser whose ``param_groups`` are changed, from now on.
    last_epoch : -1 for a new run; t to continue, with groups that have their ``initial_lr``, after
        the t-th step.

    A schedule of your own returns in `get_lr` one rate per group.

    >>> from tinygrad_edu import Value, optim
    >>> class InverseRoot(LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / math.sqrt(1 + self.last_epoch) for lr in self.base_lrs]
    >>> scheduler = InverseRoot(optim.SGD([Value(1.0)], lr=0.5))
    >>> for _ in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]

    Built in lesson 17.
    """

    # What `state_dict` leaves out: functions cannot be saved.
    _not_saved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{self._name}: to continue after step {last_epoch}, group {i} needs its "
                    "'initial_lr'; load the optimiser's saved state first"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._move_to(last_epoch + 1)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self._name} takes an optimiser, not a {type(optimizer).__name__}")
        self.optimizer = optimizer

    def get_lr(self) -> list[float]:
        """The rate of each group at ``last_epoch``."""
        raise NotImplementedError(f"{self._name} has no get_lr")

    def get_last_lr(self) -> list[float]:
        """The rate of each group, as this schedule set it last."""
        return list(self._last_lr)

    def step(self) -> None:
        """Go on to the next rate; to be called after the optimiser's step."""
        self._move_to(self.last_epoch + 1)

    def _move_to(self, epoch: int) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ValueError(
                f"{self._name} was made for {len(self.base_lrs)} parameter groups, and the "
                f"optimiser has {len(groups)} now; make a new schedule"
            )
        self.last_epoch = epoch
        for group, lr in zip(groups, self.get_lr(), strict=True):
            group["lr"] = lr
        self._last_lr = [group["lr"] for group in groups]

    def state_dict(self) -> dict[str, Any]:
        """A copy of the schedule's settings and of where it is; functions are left out."""
        return {
            key: list(value) if isinstance(value, list) else value
            for key, value in vars(self).items()
            if key not in self._not_saved
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of a schedule of the same kind gave.

        The optimiser's rates are not changed: its own saved state has them.  Raises ValueError if
        something is missing; the schedule is then as it was.
        """
        mine = self.state_dict()
        self._check_saved(state_dict, mine)
        for key in mine:
            value = state_dict[key]
            setattr(self, key, list(value) if isinstance(value, list) else value)

    def _check_saved(self, saved: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
        missing = sorted(mine.keys() - saved.keys())
        if missing:
            raise ValueError(
                f"{self._name}: the saved state has no {missing[0]!r}; was it saved by another "
                "kind of schedule?"
            )
        if len(saved["_last_lr"]) != len(mine["_last_lr"]):
            raise ValueError(
                f"{self._name}: the saved state is of {len(saved['_last_lr'])} parameter groups, "
                f"the optimiser has {len(mine['_last_lr'])}"
            )

    def _scaled(self, factor: float) -> list[float]:
        return [lr * factor for lr in self.base_lrs]

    def _whole(self, name: str, value: Any) -> None:
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{self._name}: {name} is {value!r}; it must be a whole number from 1")


class LambdaLR(LRScheduler):
    """A rate of your own making: ``lr = base_lr * lr_lambda(t)``.

    Parameters
    ----------
    lr_lambda : a function of t, or one per group.

    Raises ValueError for as many functions as there are no groups.

    >>> from tinygrad_edu import Value, optim
    >>> scheduler = LambdaLR(optim.SGD([Value(1.0)], lr=0.5), lambda t: 1 / (1 + t))
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]

    Built in lesson 17.
    """

    _not_saved = ("optimizer", "lr_lambdas")

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        count = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        _one_per_group(self._name, "lr_lambda", self.lr_lambdas, count)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [
            lr * factor(self.last_epoch)
            for lr, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """A staircase: ``lr = base_lr * gamma ** (t // step_size)``.

    Parameters
    ----------
    step_size : how many steps a stair is long.
    gamma : the factor from stair to stair.

    >>> from tinygrad_edu import Value, optim
    >>> scheduler = StepLR(optim.SGD([Value(1.0)], lr=0.5), step_size=2, gamma=0.5)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.5, 0.25, 0.25, 0.125]

    Built in lesson 17.
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self._whole("step_size", step_size)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._scaled(self.gamma ** (self.last_epoch // self.step_size))


class MultiStepLR(LRScheduler):
    """A staircase with stairs of your own: times `gamma` at each of the `milestones`.

    ``lr = base_lr * gamma ** k``, where k milestones are at most t.

    >>> from tinygrad_edu import Value, optim
    >>> scheduler = MultiStepLR(optim.SGD([Value(1.0)], lr=0.5), [1, 3], gamma=0.5)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.25, 0.25, 0.125]

    Built in lesson 17.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._scaled(self.gamma ** bisect_right(self.milestones, self.last_epoch))


class ExponentialLR(LRScheduler):
    """A constant factor from step to step: ``lr = base_lr * gamma**t``.

    >>> from tinygrad_edu import Value, optim
    >>> scheduler = ExponentialLR(optim.SGD([Value(1.0)], lr=0.5), gamma=0.5)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]

    Built in lesson 17.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._scaled(self.gamma**self.last_epoch)


class LinearLR(LRScheduler):
    """A straight line between two factors, then constant: a warm-up.

    ``lr = base_lr * (start_factor + (end_factor - start_factor) * min(t / total_iters, 1))``

    Parameters
    ----------
    start_factor : the factor at t = 0, above 0 and at most 1.
    end_factor : the factor from t = `total_iters` on, in [0, 1].
    total_iters : how many steps the line is long.

    Raises ValueError for a factor out of range.

    >>> from tinygrad_edu import Value, optim
    >>> scheduler = LinearLR(optim.SGD([Value(1.0)], lr=0.5), start_factor=0.5, total_iters=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.25, 0.375, 0.5, 0.5]

    Built in lesson 17.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                f"LinearLR: start_factor is {start_factor}; it must be above 0 and at most 1"
            )
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor is {end_factor}; it must be in [0, 1]")
        self._whole("total_iters", total_iters)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        done = min(self.last_epoch / self.total_iters, 1)
        return self._scaled(_line(self.start_factor, self.end_factor, done))


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave down; after `T_max` steps it rises again.

    ``lr = eta_min + (base_lr - eta_min) * (1 + cos(pi t / T_max)) / 2``

    Parameters
    ----------
    T_max : how many steps the way down takes.
    eta_min : the lowest rate.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017,
    eq. 5 (their eta_max is our base_lr, their T_cur our t).

    >>> from tinygrad_edu import Value, optim
    >>> scheduler = CosineAnnealingLR(optim.SGD([Value(1.0)], lr=0.5), T_max=2)
    >>> rates = []
    >>> for _ in range(3):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(lr, 6) for lr in rates]
    [0.5, 0.25, 0.0]

    Built in lesson 17.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self._whole("T_max", T_max)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [_cosine(lr, self.eta_min, self.last_epoch / self.T_max) for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """The way down of `CosineAnnealingLR` again and again, each `T_mult` times as long as the last.

    ``lr = eta_min + (base_lr - eta_min) * (1 + cos(pi T_cur / T_i)) / 2``, where T_cur steps have
    passed since the last restart, and T_i steps lie between it and the next.

    Parameters
    ----------
    T_0 : how many steps the first way down takes.
    T_mult : how many times longer each next one is.
    eta_min : the lowest rate.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017,
    eq. 5 (their eta_max is our base_lr).

    >>> from tinygrad_edu import Value, optim
    >>> scheduler = CosineAnnealingWarmRestarts(optim.SGD([Value(1.0)], lr=0.5), T_0=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(lr, 6) for lr in rates]
    [0.5, 0.25, 0.5, 0.25]

    Built in lesson 17.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self._whole("T_0", T_0)
        self._whole("T_mult", T_mult)
        self.T_0 = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        passed, length = self.last_epoch, self.T_0
        while passed >= length:
            passed -= length
            length *= self.T_mult
        return [_cosine(lr, self.eta_min, passed / length) for lr in self.base_lrs]


class OneCycleLR(LRScheduler):
    """Up to a high rate, then down to a very low one; the momentum the other way.

    The rate goes from ``max_lr / div_factor`` up to ``max_lr`` in the first ``pct_start`` of the
    steps, then down to ``max_lr / div_factor / final_div_factor``; with `three_phase` it first goes
    down as it came up.

    Parameters
    ----------
    max_lr : the highest rate, or one per group.
    total_steps : how many steps the cycle has; or `epochs` and `steps_per_epoch`.
    pct_start : which part of them goes up, in [0, 1].
    anneal_strategy : "cos", half a cosine wave, or "linear".
    cycle_momentum : whether momentum (of Adam the first beta) goes from `max_momentum` down to
        `base_momentum` while the rate goes up, and back.
    div_factor, final_div_factor : see above.
    three_phase : see above.

    Raises ValueError for bad arguments, and when `step` is called more than `total_steps` times.

    Source: Smith and Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2019, section 3.

    >>> from tinygrad_edu import Value, optim
    >>> optimizer = optim.SGD([Value(1.0)], momentum=0.9)
    >>> scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=10, anneal_strategy="linear")
    >>> rates = []
    >>> for _ in range(10):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(lr, 3) for lr in rates]
    [0.04, 0.52, 1.0, 0.857, 0.714, 0.571, 0.429, 0.286, 0.143, 0.0]

    Built in lesson 17.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or both epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        self._whole("total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is {pct_start}; it must be in [0, 1]")
        _one_of(self._name, "anneal_strategy", anneal_strategy, tuple(_ANNEAL))
        if cycle_momentum and not optimizer.defaults.keys() & {"momentum", "betas"}:
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas; use "
                "cycle_momentum=False"
            )
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.three_phase = three_phase
        if last_epoch == -1:
            groups = optimizer.param_groups
            columns = (max_lr, base_momentum, max_momentum)
            names = ("max_lr", "base_momentum", "max_momentum")
            for name, column in zip(names, columns, strict=True):
                if name == "max_lr" or cycle_momentum:
                    _fill(self._name, name, column, groups)
            for group in groups:
                group["initial_lr"] = group["max_lr"] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
        super().__init__(optimizer, last_epoch)

    def _now(self, group: Group, *stops: str) -> float:
        """Where a value is on its way through the entries `stops` of the group."""
        top = self.pct_start * self.total_steps - 1
        middle = [top, 2 * top] if self.three_phase else [top]
        corners = [0, *middle, self.total_steps - 1]
        leg = bisect_left(corners, self.last_epoch, lo=1, hi=len(corners) - 1)
        begin, end = corners[leg - 1], corners[leg]
        done = (self.last_epoch - begin) / (end - begin) if end != begin else 1.0
        return _ANNEAL[self.anneal_strategy](
            group[stops[leg - 1]], group[stops[leg]], min(done, 1.0)
        )

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} of a cycle of {self.total_steps} steps; make "
                "total_steps the number of batches times the number of epochs"
            )
        again = ("initial_lr",) if self.three_phase else ()
        stops = ("initial_lr", "max_lr", *again, "min_lr")
        return [self._now(group, *stops) for group in self.optimizer.param_groups]

    def _move_to(self, epoch: int) -> None:
        super()._move_to(epoch)
        again = ("max_momentum",) if self.three_phase else ()
        stops = ("max_momentum", "base_momentum", *again, "max_momentum")
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            momentum = self._now(group, *stops)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


class ReduceLROnPlateau(LRScheduler):
    """Times `factor` whenever a measure has not improved for more than `patience` steps.

    Parameters
    ----------
    mode : "min" if the measure, given to `step`, should fall; "max" if it should rise.
    factor : what the rates are multiplied with, below 1.
    patience : how many steps without improvement are borne.
    threshold, threshold_mode : an improvement is one by more than `threshold` times the best so far
        ("rel"), or by more than `threshold` ("abs").
    cooldown : for how many steps after a reduction nothing is counted.
    min_lr : no rate falls below it; one for all groups, or one per group.
    eps : a rate that would change by no more than this stays.

    Raises ValueError for bad arguments.

    >>> from tinygrad_edu import Value, optim
    >>> scheduler = ReduceLROnPlateau(optim.SGD([Value(1.0)], lr=0.5), factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0]:
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.25]

    Built in lesson 17.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self._attach(optimizer)
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor is {factor}; it must be below 1")
        _one_of(self._name, "mode", mode, ("min", "max"))
        _one_of(self._name, "threshold_mode", threshold_mode, ("rel", "abs"))
        count = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, Sequence) else [min_lr] * count
        _one_per_group(self._name, "min_lr", self.min_lrs, count)
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def get_lr(self) -> list[float]:
        """The rate of each group, one reduction further."""
        groups = self.optimizer.param_groups
        _one_per_group(self._name, "min_lr", self.min_lrs, len(groups))
        lrs = []
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            lr = max(group["lr"] * self.factor, lowest)
            lrs.append(lr if group["lr"] - lr > self.eps else group["lr"])
        return lrs

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Count one more step, whose measure is `metrics`: a number, or a node that holds one."""
        current = float(metrics)
        self.last_epoch += 1
        if self._improves(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
                group["lr"] = lr
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _improves(self, current: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * current < sign * self.best * (1 - sign * self.threshold)
        return sign * current < sign * self.best - self.threshold


class SequentialLR(LRScheduler):
    """One schedule after another: the next takes over, from its own t = 0, at each milestone.

    Parameters
    ----------
    schedulers : schedules of this optimiser, in order.
    milestones : at which t the second, third, ... takes over; one fewer than `schedulers`.

    Raises ValueError for another number of milestones, a schedule of another optimiser, or a
    `ReduceLROnPlateau`, whose `step` needs a measure.

    >>> from tinygrad_edu import Value, optim
    >>> optimizer = optim.SGD([Value(1.0)], lr=0.5)
    >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.25, 0.375, 0.5, 0.25, 0.125]

    Built in lesson 17.
    """

    _not_saved = ("optimizer", "_schedulers")

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if not schedulers:
            raise ValueError("SequentialLR got no schedules")
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones, "
                f"not {len(milestones)}"
            )
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"SequentialLR: schedule {i} is a ReduceLROnPlateau, whose step needs a "
                    "measure; step it yourself"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: schedule {i} is of another optimiser")
        self._schedulers = list(schedulers)
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        first = bisect_right(self._milestones, self.last_epoch)
        begin = self._milestones[first - 1] if first else 0
        self._schedulers[first]._move_to(self.last_epoch - begin)
        self._last_lr = self._schedulers[first].get_last_lr()

    def get_lr(self) -> list[float]:
        return self._schedulers[bisect_right(self._milestones, self.last_epoch)].get_lr()

    def step(self) -> None:
        """Go on to the next rate; to be called after the optimiser's step."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            self._schedulers[i]._move_to(0)
        else:
            self._schedulers[i].step()
        self._last_lr = self._schedulers[i].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """A copy of where it and each of its schedules are."""
        inner = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": inner}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of the same sequence gave; see `LRScheduler`."""
        mine = self.state_dict()
        self._check_saved(state_dict, mine)
        inner = state_dict["_schedulers"]
        if len(inner) != len(self._schedulers):
            raise ValueError(
                f"SequentialLR has {len(self._schedulers)} schedules, the saved state {len(inner)}"
            )
        for scheduler, saved in zip(self._schedulers, inner, strict=True):
            scheduler._check_saved(saved, scheduler.state_dict())
        for scheduler, saved in zip(self._schedulers, inner, strict=True):
            scheduler.load_state_dict(saved)
        for key in mine.keys() - {"_schedulers"}:
            value = state_dict[key]
            setattr(self, key, list(value) if isinstance(value, list) else value)


def _line(start: float, end: float, done: float) -> float:
    """From `start` to `end` in a straight line, as `done` goes from 0 to 1."""
    return start + (end - start) * done


def _cosine(start: float, end: float, done: float) -> float:
    """From `start` to `end` along half a cosine wave, as `done` goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


_ANNEAL = {"cos": _cosine, "linear": _line}


def _one_of(who: str, name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(
            f"{who}: {name} is {value!r}; it must be {' or '.join(map(repr, choices))}"
        )


def _one_per_group(who: str, name: str, values: Sequence[Any], count: int) -> None:
    if len(values) != count:
        raise ValueError(f"{who}: {name} has {len(values)} entries for {count} parameter groups")


def _fill(who: str, name: str, values: float | Sequence[float], groups: list[Group]) -> None:
    """Write a number, the same or one for each, into the groups."""
    column = list(values) if isinstance(values, Sequence) else [values] * len(groups)
    _one_per_group(who, name, column, len(groups))
    for group, value in zip(groups, column, strict=True):
        group[name] = value
