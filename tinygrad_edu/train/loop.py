"""fit: the training loop."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tinygrad_edu.files import Name
from tinygrad_edu.nn.batch import batch_size, forward_of
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.random import manual_seed
from tinygrad_edu.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.readers.program import compile as compiled
from tinygrad_edu.train.checkpoints import Checkpoints, Generators
from tinygrad_edu.train.history import History
from tinygrad_edu.train.parallel import Ranks
from tinygrad_edu.train.step import Loss, Means, Metrics, evaluate, training_step
from tinygrad_edu.train.stopping import EarlyStopping
from tinygrad_edu.train.surroundings import deferred_interrupt, progress_bar

HOOKS = ("on_train_begin", "on_step_end", "on_epoch_end", "on_train_end")


class Run:
    """Where a training is: what `fit` gives to callbacks.

    Attributes
    ----------
    model, optimizer, scheduler, history, stopping : as in `fit`.
    epoch : epochs finished.
    step : steps made, over all epochs.
    position : batches of this epoch that have been used.
    latest : the loss and the metrics of the last step, by name.

    >>> from tinygrad_edu import Value, nn, optim
    >>> model = nn.Linear(1, 1)
    >>> run = Run(model, optim.SGD(model.parameters(), lr=0.1), None, EarlyStopping())
    >>> run.stop()
    >>> run.stopped
    True
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        stopping: EarlyStopping,
    ) -> None:
        self.model, self.optimizer, self.scheduler = model, optimizer, scheduler
        self.stopping, self.history = stopping, History()
        self.epoch = self.step = self.position = 0
        self.latest: dict[str, float] = {}
        self.means = Means()
        self.best: dict[str, Any] | None = None  # the model's state in the best epoch
        self.stopped = False

    def stop(self) -> None:
        """End the training after this step."""
        self.stopped = True

    def state_dict(self) -> dict[str, Any]:
        """The counts, the means of an epoch begun, and the best weights."""
        means = {"sums": dict(self.means.sums), "count": self.means.count}
        counts = {name: getattr(self, name) for name in ("epoch", "step", "position", "best")}
        return {**counts, "means": means}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        means = Means()
        means.sums, means.count = state_dict["means"]["sums"], state_dict["means"]["count"]
        self.epoch, self.step = state_dict["epoch"], state_dict["step"]
        self.position, self.best, self.means = state_dict["position"], state_dict["best"], means


def fit(
    model: Module,
    loader: Iterable[Any],
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int,
    validation: Iterable[Any] | None = None,
    metrics: Metrics | None = None,
    scheduler: LRScheduler | None = None,
    schedule: str = "epoch",
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    early_stopping: EarlyStopping | None = None,
    checkpoint: Name | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    callbacks: Sequence[Any] = (),
    seed: int | None = None,
    compile: bool = False,
    jit: str | None = None,
    memory: str | None = None,
    parallel: Any = None,
    progress: bool = True,
) -> History:
    """Train a model; returns the `History` of the training.

    Parameters
    ----------
    loader : gives batches ``(*inputs, target)``, anew in every epoch: a `DataLoader`, or a list.
    loss : a function of the model's output and the target: the mean over the examples of a batch.
    epochs : how often to go through the loader, those before a `resume` included.
    validation : batches to look at after each epoch, without training on them.
    metrics : names to functions of output and target, such as ``{"accuracy": accuracy}``.  In
        training they are taken as it goes, before each step; "val_..." are of the epoch's end.
    scheduler, schedule : a learning-rate schedule, moved on after each "epoch" or each "step".
    clip_norm, clip_value : limits to the gradients: of their norm together, of each element.
    accumulate : batches per step; their gradients add up to that of one large batch.
    early_stopping : when to end before `epochs`; without one nothing ends it.
    checkpoint : a folder for ``last.safetensors``, everything needed to go on, written after each
        epoch, and ``best.safetensors``, the model of the best epoch, by `early_stopping` or the
        smallest validation loss.
    checkpoint_every : steps after which it is also written.
    resume : go on from the folder's checkpoint, if there is one, to the very same weights as
        without the interruption: model, optimiser, schedule, generators, loader and history are as
        they were.  A loader without ``state_dict`` must give the same batches in every pass.
    callbacks : functions, called with the `Run` after each epoch; or objects with any of the
        methods ``on_train_begin``, ``on_step_end``, ``on_epoch_end`` and ``on_train_end``, each
        called with it.  One that has ``state_dict`` and ``load_state_dict`` is resumed too.
    seed : `manual_seed` before the first epoch.  (Weights drawn before, and a loader with a
        generator of its own, need a seed of theirs.)
    compile : run model and loss as a compiled program (see `tinygrad_edu.compile`), which is traced
        anew for each shape of a batch and each mode: the same course, to rounding, in less time.
    jit, memory : of the compiled program: "numba" for machine code, "low" for less memory.
    parallel : a communicator of mpi4py, such as ``MPI.COMM_WORLD``, whose processes all call `fit`
        with the same arguments: each takes its share of every batch, and the steps are those of one
        process, to rounding.  (Batch norm and dropout see their process's share alone.)  The first
        process's weights are everyone's at the start; it alone writes and shows.  Start them with
        ``mpiexec -n 4 python train.py``.
    progress : whether to show a progress bar, in the terminal or the notebook.

    The model is in training mode from the start, and in evaluation mode while validating.  Ctrl-C
    finishes the step, writes the checkpoint and returns the history; a second one stops at once.

    Raises ValueError and TypeError for options that do not fit, before anything is changed;
    FileExistsError for a folder with a checkpoint, unless `resume`.

    >>> from tinygrad_edu import Tensor, nn, optim
    >>> x = Tensor([[0.0], [1.0], [2.0], [3.0]])
    >>> model = nn.Linear(1, 1)
    >>> history = fit(model, [(x, 2 * x + 1)], loss=nn.MSELoss(), epochs=200, progress=False,
    ...               optimizer=optim.SGD(model.parameters(), lr=0.1))
    >>> history["loss"][-1] < 1e-4
    True

    Built in lesson 10.
    """
    stopping = early_stopping or EarlyStopping(patience=None, restore_best=False)
    monitor = stopping.monitor or ("loss" if validation is None else "val_loss")
    _check(epochs, accumulate, scheduler, schedule, checkpoint_every, callbacks)
    if checkpoint is None and (resume or checkpoint_every):
        raise ValueError("fit: resume and checkpoint_every need a folder: checkpoint='...'")
    _check_monitor(monitor, metrics, validation)
    ranks = None if parallel is None else Ranks(parallel)
    first = ranks is None or ranks.first
    run = Run(model, optimizer, scheduler, stopping)
    if not compile and (jit or memory):
        raise ValueError("fit: jit and memory are of a compiled program: compile=True")
    forward = compiled(forward_of(model, loss), jit=jit, memory=memory) if compile else None
    keeper = None
    if checkpoint is not None:
        keeper = Checkpoints(checkpoint, _parts(run, loader, validation, callbacks))
        if keeper.last.exists() and not resume:
            raise FileExistsError(
                f"'{keeper.last}' is there; resume=True goes on from it, and another folder, or "
                "none, begins anew"
            )
    if seed is not None:
        manual_seed(seed)
    if ranks is not None:
        ranks.wait()  # until all have looked at the folder
        ranks.same(model)
    if keeper is not None and not keeper.resume() and first:
        keeper.save()  # the first weights too: they may be drawn without a seed
    if ranks is not None:
        ranks.wait()
    if not first:
        keeper = None

    def finish_epoch() -> None:
        if not run.position:
            raise ValueError("fit: the loader gives no batch; is its data set empty?")
        values = {**run.means.now(), "lr": run.history.steps["lr"][-1], "step": run.step}
        if validation is not None:
            found = evaluate(model, validation, loss, metrics, forward=forward)
            values |= {f"val_{name}": value for name, value in found.items()}
        run.history.add_epoch(values)
        run.epoch, run.position, run.means = run.epoch + 1, 0, Means()
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(values[monitor])
        elif scheduler is not None and schedule == "epoch":
            scheduler.step()
        if stopping.update(values[monitor], run.epoch):
            if stopping.restore_best:
                run.best = model.state_dict()
            if keeper is not None and (validation is not None or early_stopping is not None):
                keeper.save_best(model)
        _tell(callbacks, "on_epoch_end", run)

    model.train()
    finished = False
    with (
        contextlib.suppress(KeyboardInterrupt),
        deferred_interrupt() as interrupted,
        progress_bar(_steps(loader, accumulate, epochs), run.step, progress and first) as bar,
    ):
        _tell(callbacks, "on_train_begin", run)
        while run.epoch < epochs and not (run.stopped or stopping.stopped):
            bar.set_description(f"epoch {run.epoch + 1}/{epochs}", refresh=False)
            for batches in _groups(_rest(loader, run.position), accumulate):
                lr = optimizer.param_groups[0]["lr"]
                run.latest = training_step(
                    model,
                    loss,
                    optimizer,
                    batches,
                    metrics=metrics,
                    clip_norm=clip_norm,
                    clip_value=clip_value,
                    forward=forward,
                    ranks=ranks,
                )
                run.step, run.position = run.step + 1, run.position + len(batches)
                run.means.add(run.latest, sum(map(batch_size, batches)))
                run.history.add_step({"loss": run.latest["loss"], "lr": lr})
                if scheduler is not None and schedule == "step":
                    scheduler.step()
                _tell(callbacks, "on_step_end", run)
                bar.set_postfix(run.latest, refresh=False)
                bar.update()
                run.stopped = run.stopped or interrupted.is_set()
                if ranks is not None:
                    run.stopped = ranks.any(run.stopped)
                if run.stopped:
                    break
                if keeper is not None and checkpoint_every and run.step % checkpoint_every == 0:
                    keeper.save()
            else:
                finish_epoch()
            if keeper is not None:
                keeper.save()
        finished = not interrupted.is_set()
    if finished and stopping.restore_best and run.best is not None:
        model.load_state_dict(run.best)
    _tell(callbacks, "on_train_end", run)
    return run.history


def _rest(loader: Iterable[Any], position: int) -> Iterator[Any]:
    """The batches that are left of an epoch in which `position` have been used."""
    if hasattr(loader, "load_state_dict"):  # it has been told, and knows
        return iter(loader)
    return itertools.islice(loader, position, None)


def _groups(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """`size` batches at a time, none read before it is needed."""
    return iter(lambda: list(itertools.islice(batches, size)), [])


def _steps(loader: Any, accumulate: int, epochs: int) -> int | None:
    """How many steps there will be, if the loader knows its length."""
    return -(-len(loader) // accumulate) * epochs if hasattr(loader, "__len__") else None


def _tell(callbacks: Sequence[Any], hook: str, run: Run) -> None:
    for callback in callbacks:
        if any(hasattr(callback, name) for name in HOOKS):
            getattr(callback, hook, _nothing)(run)
        elif hook == "on_epoch_end":
            callback(run)


def _nothing(run: Run) -> None:
    """What a callback does at a moment of which it says nothing."""


def _parts(run: Run, loader: Any, validation: Any, callbacks: Sequence[Any]) -> dict[str, Any]:
    """All that has a state, by name."""
    parts = {
        "model": run.model,
        "optimizer": run.optimizer,
        "scheduler": run.scheduler,
        "progress": run,
        "history": run.history,
        "early stopping": run.stopping,
        "generators": Generators(run.model),
        "loader": loader,
        "validation": validation,
        **{f"callback {i}": callback for i, callback in enumerate(callbacks)},
    }
    return {name: part for name, part in parts.items() if hasattr(part, "load_state_dict")}


def _check(
    epochs: int,
    accumulate: int,
    scheduler: LRScheduler | None,
    schedule: str,
    checkpoint_every: int | None,
    callbacks: Sequence[Any],
) -> None:
    for name, value in (
        ("epochs", epochs),
        ("accumulate", accumulate),
        ("checkpoint_every", 1 if checkpoint_every is None else checkpoint_every),
    ):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"fit: {name} is {value!r}; it must be a whole number from 1")
    if schedule not in ("epoch", "step"):
        raise ValueError(f"fit: schedule is {schedule!r}; it must be 'epoch' or 'step'")
    if schedule == "step" and isinstance(scheduler, ReduceLROnPlateau):
        raise ValueError("fit: ReduceLROnPlateau looks at whole epochs; use schedule='epoch'")
    for i, callback in enumerate(callbacks):
        if not callable(callback) and not any(hasattr(callback, name) for name in HOOKS):
            raise TypeError(
                f"fit: callback {i} is a {type(callback).__name__}, neither a function nor an "
                f"object with one of the methods {', '.join(HOOKS)}"
            )


def _check_monitor(monitor: str, metrics: Metrics | None, validation: Any) -> None:
    names = ["loss", *(metrics or {})]
    names += [f"val_{name}" for name in names] if validation is not None else []
    if monitor not in names:
        raise ValueError(f"fit: there is no {monitor!r} to monitor; there are {', '.join(names)}")
