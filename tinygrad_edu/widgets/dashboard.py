"""Dashboard: a training in one picture while it runs, and the picture that stays."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn.module import Handle, Module
from tinygrad_edu.plots import decision_boundary
from tinygrad_edu.plots.style import LINES, array, check_theme, legend, series
from tinygrad_edu.readers.palette import colour
from tinygrad_edu.readers.panels import panels
from tinygrad_edu.readers.wording import DASH, norm, number

_BINS = 40
_SPARKS = "▁▂▃▄▅▆▇█"
_WIDTH = 24  # of a curve in text


class Dashboard:
    """What goes on in a training: give it to `train.fit` as a callback.

    In a notebook the picture is drawn anew after every epoch, and the last one stays in the
    notebook; in a terminal a table is printed at the end.  `figure` and `text` give both at any
    time.

    Parameters
    ----------
    model : the module that is trained.
    points : points (n, 2) and their classes (n,), of a model that reads two numbers: its decision
        boundary is drawn as well.
    every : steps from one measurement of gradients and updates to the next.
    theme : "light" or "dark".

    Attributes
    ----------
    gradients : for each layer the norms of the gradient of its parameters, by measurement.
    updates : for each layer how far a step moved its parameters, as a share of their norm.
    activations : for each layer what it gave in the last batch that was measured.

    >>> import numpy
    >>> from tinygrad_edu import data, nn, optim
    >>> from tinygrad_edu.train import fit
    >>> from tinygrad_edu.widgets import Dashboard
    >>> model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
    >>> loader = data.DataLoader(data.moons(40), batch_size=20)
    >>> seen = Dashboard(model)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> _ = fit(model, loader, loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=2,
    ...         callbacks=[seen], progress=False)  # doctest: +ELLIPSIS
    2 epochs, 4 steps...
    >>> sorted(seen.gradients), len(seen.gradients["0"])
    (['0', '2'], 4)
    """

    def __init__(
        self,
        model: Module,
        points: tuple[Any, Any] | None = None,
        *,
        every: int = 1,
        theme: str = "light",
    ) -> None:
        check_theme(theme)
        if every < 1:
            raise ValueError(f"every is {every}: there is at least one step between measurements")
        if points is not None and array(points[0], "points", 2).shape[1] != 2:
            raise ValueError("a decision boundary is drawn for points of 2 numbers")
        self.model, self.points, self.every, self.theme = model, points, every, theme
        self.gradients: dict[str, list[float]] = {}
        self.updates: dict[str, list[float]] = {}
        self.activations: dict[str, Any] = {}
        self.steps: list[int] = []
        self._history: Any = None
        self._before: dict[str, Any] = {}
        self._handles: list[Handle] = []
        self._shown: Any = None

    # What `fit` calls

    def on_train_begin(self, run: Any) -> None:
        """Begin to watch the layers."""
        self._history = run.history
        self._copy_before(run.step + 1)
        for name, module in self.model.named_modules():
            if not [*module.children()]:
                self._handles.append(module.register_forward_hook(self._keeper(name)))

    def on_step_end(self, run: Any) -> None:
        """Measure gradients and updates, if it is time to."""
        if run.step % self.every == 0:
            self.steps.append(run.step)
            for layer, names in self._layers().items():
                grads = [p.grad for p in names.values() if p.grad is not None]
                _append(self.gradients, layer, _norm(grads), len(self.steps))
                known = [n for n in names if n in self._before]
                moved = _norm([names[n].data - self._before[n] for n in known])
                size = _norm([self._before[n] for n in known])
                _append(self.updates, layer, moved / size if size else moved, len(self.steps))
        self._copy_before(run.step + 1)

    def on_epoch_end(self, run: Any) -> None:
        """Draw anew, in a notebook."""
        if _in_notebook():
            from IPython.display import Image, display

            content = io.BytesIO()
            self.figure().savefig(content, format="png", dpi=96)
            image = Image(data=content.getvalue(), alt=self.text())
            if self._shown is None:
                self._shown = display(image, display_id=True)
            else:
                self._shown.update(image)

    def on_train_end(self, run: Any) -> None:
        """Stop watching; in a terminal, print the table."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if not _in_notebook():
            print(self.text())

    def _copy_before(self, step: int) -> None:
        """Keep what the parameters are before a step that will be measured."""
        if step % self.every == 0:
            self._before = {name: p.data.copy() for name, p in self.model.named_parameters()}

    def _layers(self) -> dict[str, dict[str, Any]]:
        """The parameters of each layer by name."""
        layers: dict[str, dict[str, Any]] = {}
        for name, parameter in self.model.named_parameters():
            layers.setdefault(name.rpartition(".")[0], {})[name] = parameter
        return layers

    def _keeper(self, name: str) -> Any:
        def keep(module: Module, args: Any, out: Any) -> None:
            if isinstance(out, Tensor) and self.model.training:
                self.activations[name] = out.data

        return keep

    # What it shows

    def figure(self, theme: str | None = None) -> Any:
        """All of it as a matplotlib Figure.

        Losses and metrics, gradients and updates by layer, activations, and the decision boundary
        where there are points.

        Raises ValueError before the first epoch.
        """
        theme = self.theme if theme is None else theme
        check_theme(theme)
        epochs = self._epochs()
        entries = [name.removeprefix("val_") for name in epochs if name not in ("lr", "step")]
        names = [*dict.fromkeys(entries)]
        last = ["boundary"] if self.points is not None else []
        kinds = [*names, "gradient norm", "update / weight", "activations", *last]
        figure, row = panels(len(kinds), theme, columns=3, size=(4.0, 2.8))
        for axes, name in zip(row, names, strict=False):
            _curves(axes, epochs, name, theme)
        gradients, updates, activations = row[len(names) : len(names) + 3]
        _by_layer(gradients, self.steps, self.gradients, "gradient norm", theme)
        _by_layer(updates, self.steps, self.updates, "update / weight", theme)
        self._histograms(activations, theme)
        if self.points is not None:
            decision_boundary(self._predict, *self.points, ax=row[-1], theme=theme, resolution=80)
        return figure

    def _predict(self, points: Any) -> Any:
        """The model on points, as it is used: not training."""
        training = self.model.training
        self.model.eval()
        try:
            dtype = next(self.model.parameters()).data.dtype
            return self.model(Tensor(points.astype(dtype)))
        finally:
            self.model.train(training)

    def _histograms(self, axes: Any, theme: str) -> None:
        finite = {}
        for name, values in self.activations.items():
            flat = array(values, name).astype(float).ravel()
            finite[name] = flat[numpy.isfinite(flat)]
        reach = max([float(abs(x).max(initial=0.0)) for x in finite.values()], default=0.0) or 1.0
        edges = numpy.linspace(-reach, reach, _BINS + 1)
        for i, (name, flat) in enumerate(finite.items()):
            counts, _ = numpy.histogram(flat, edges)
            shares = counts / max(flat.size, 1)
            axes.stairs(
                shares, edges, color=series(i, theme), ls=LINES[i % len(LINES)], label=name or "all"
            )
        axes.set(xlabel="activation", ylabel="share")
        if finite:
            legend(axes, theme)

    def text(self) -> str:
        """The same in a few lines: curves of small blocks, and a row per layer.

        Raises ValueError before the first epoch.
        """
        epochs = self._epochs()
        curves = [(name, values) for name, values in epochs.items() if name not in ("lr", "step")]
        width = max(len(name) for name, _ in curves)
        lines = [f"{len(epochs['loss'])} epochs, {self._history.epochs['step'][-1]:g} steps"]
        lines += [f"{name:<{width}}  {_spark(v)}  {number(v[-1])}" for name, v in curves]
        if self.gradients:
            layers = [(name or "all", name) for name in self.gradients]
            width = max(5, *(len(shown) for shown, _ in layers))
            lines.append(
                f"{'layer':<{width}}  {'gradient':>10}  {'update/weight':>13}  activations"
            )
            for shown, name in layers:
                values = self.activations.get(name)
                told = DASH
                if values is not None and values.size:
                    told = f"{number(values.mean())} ± {number(values.std())}"
                grad, update = number(self.gradients[name][-1]), number(self.updates[name][-1])
                lines.append(f"{shown:<{width}}  {grad:>10}  {update:>13}  {told}")
        return "\n".join(lines)

    def _epochs(self) -> dict[str, list[float]]:
        if self._history is None or not len(self._history):
            raise ValueError(
                "this dashboard has seen no epoch yet: pass it to fit(..., callbacks=[dashboard])"
            )
        epochs: dict[str, list[float]] = self._history.epochs
        return epochs

    def __repr__(self) -> str:
        count = 0 if self._history is None else len(self._history)
        return f"<Dashboard of {type(self.model).__name__} after {count} epochs>"


def _curves(axes: Any, epochs: dict[str, list[float]], name: str, theme: str) -> None:
    """An entry and its validation, by epoch."""
    for entry, role, line in ((name, "data", "-"), (f"val_{name}", "grad", "--")):
        values = epochs.get(entry, [])
        if values:
            told = "training" if entry == name else "validation"
            axes.plot(
                range(1, len(values) + 1), values, line, color=colour(role, theme), label=told
            )
    axes.set(xlabel="epoch", ylabel=name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    legend(axes, theme)


def _by_layer(
    axes: Any, steps: Sequence[int], values: dict[str, list[float]], label: str, theme: str
) -> None:
    """A curve per layer, by step, on a logarithmic scale."""
    for i, (name, numbers) in enumerate(values.items()):
        axes.plot(
            steps, numbers, LINES[i % len(LINES)], color=series(i, theme), label=name or "all", lw=1
        )
    axes.set(xlabel="step", ylabel=label)
    if any(x > 0 for numbers in values.values() for x in numbers):
        axes.set_yscale("log")
    if values:
        legend(axes, theme)


def _append(found: dict[str, list[float]], name: str, value: float, length: int) -> None:
    """Add a measurement; a layer that was not there before has nan for the earlier ones."""
    values = found.setdefault(name, [])
    values += [math.nan] * (length - 1 - len(values))
    values.append(value)


def _norm(arrays: Sequence[Any]) -> float:
    """The norm of several arrays together."""
    return math.hypot(*(norm(x) for x in arrays))


def _spark(values: Sequence[float]) -> str:
    """Numbers as blocks of eight heights, the last ones; a space where one is not finite."""
    shown = values[-_WIDTH:]
    finite = [x for x in shown if math.isfinite(x)]
    if not finite:
        return " " * len(shown)
    low, high = min(finite), max(finite)
    scale = (len(_SPARKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_SPARKS[round((x - low) * scale)] if math.isfinite(x) else " " for x in shown)


def _in_notebook() -> bool:
    """Whether what is displayed goes to a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")
