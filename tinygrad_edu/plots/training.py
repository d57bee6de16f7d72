"""Plots of a training: its course, where it leads on a surface, what it does to the parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from tinygrad_edu.plots.style import (
    LINES,
    MARKERS,
    array,
    canvas,
    check_theme,
    colour_bar,
    legend,
    sequential,
    series,
)
from tinygrad_edu.readers.palette import colour
from tinygrad_edu.readers.panels import panels

_MOST_MARKED = 30  # points of a curve, up to which each is marked


def plot_history(
    history: Any, entries: Sequence[str] | None = None, *, theme: str = "light"
) -> Any:
    """The course of one training, or of several in comparison, as a Figure: a panel per entry.

    history : a `train.History`, a mapping from names to numbers per epoch, or a mapping from names
        of runs to several of these.
    entries : which to show; by default all but the learning rate and the count of steps.  An entry
        and the one called ``val_`` before it share a panel, the second dashed.

    >>> figure = plot_history({"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "accuracy": [0.4, 0.8]})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss', 'accuracy']
    >>> runs = {"SGD": {"loss": [1.0, 0.8]}, "Adam": {"loss": [1.0, 0.5]}}
    >>> [line.get_label() for line in plot_history(runs).axes[0].lines]
    ['SGD', 'Adam']
    """
    check_theme(theme)
    runs = _runs(history)
    known = [*dict.fromkeys(name for run in runs.values() for name in run)]
    wanted = known if entries is None else list(entries)
    for name in wanted:
        if name not in known:
            raise ValueError(f"no run has an entry {name!r}; there are {', '.join(known)}")
    if entries is None:
        wanted = [name for name in wanted if name not in ("lr", "step")]
    shown = [*dict.fromkeys(name.removeprefix("val_") for name in wanted)]
    if not any(len(run[name]) for run in runs.values() for name in run):
        raise ValueError("this history has no epoch yet, so there is nothing to plot")
    figure, row = panels(len(shown), theme, columns=3)
    for axes, name in zip(row, shown, strict=True):
        for i, (label, run) in enumerate(runs.items()):
            for entry, line in ((name, "-"), (f"val_{name}", "--")):
                values = run.get(entry, [])
                if entry not in wanted or not len(values):
                    continue
                told = "validation" if entry != name else "training"
                one = len(runs) == 1
                axes.plot(
                    range(1, len(values) + 1),
                    values,
                    line,
                    marker=MARKERS[i % len(MARKERS)] if len(values) <= _MOST_MARKED else "",
                    ms=4,
                    color=series(entry != name if one else i, theme),
                    label=told if one else label + (", validation" if entry != name else ""),
                )
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        legend(axes, theme)
    return figure


def _runs(history: Any) -> dict[str, Mapping[str, Any]]:
    """The runs in what `plot_history` was given, by name."""
    given = getattr(history, "epochs", history)
    if not isinstance(given, Mapping) or not given:
        raise TypeError(
            f"plot_history takes a History or a mapping of numbers by name, not {history!r}"
        )
    runs: dict[str, Any] = {name: getattr(run, "epochs", run) for name, run in given.items()}
    return runs if all(isinstance(run, Mapping) for run in runs.values()) else {"": given}


def loss_landscape(
    loss: Callable[[Any, Any], Any],
    paths: Any = None,
    *,
    x: tuple[float, float] = (-2.0, 2.0),
    y: tuple[float, float] = (-2.0, 2.0),
    labels: tuple[str, str] = ("x", "y"),
    levels: int = 16,
    resolution: int = 81,
    logarithmic: bool = False,
    ax: Any = None,
    theme: str = "light",
) -> Any:
    """A loss of two numbers as a map of contours, with the ways optimisers took, as a Figure.

    loss : takes two arrays of equal shape, or, failing that, two floats at a time.
    paths : points of shape (steps, 2), or a mapping from names of optimisers to such.  A path
        begins at a ring and ends at a star.
    logarithmic : whether the levels are evenly spaced in the logarithm of the loss.

    >>> figure = loss_landscape(lambda x, y: x**2 + 3 * y**2, {"SGD": [(2, 1), (1, -0.5), (0, 0)]})
    >>> [line.get_label() for line in figure.axes[0].lines if line.get_label() == "SGD"]
    ['SGD']
    """
    figure, axes = canvas(ax, theme, grid=False)
    across, up = numpy.linspace(*x, resolution), numpy.linspace(*y, resolution)
    heights = _heights(loss, *numpy.meshgrid(across, up))
    shown = heights
    if logarithmic:
        lowest = heights[heights > 0].min(initial=numpy.inf)
        shown = numpy.log10(numpy.maximum(heights, lowest if numpy.isfinite(lowest) else 1.0))
    filled = axes.contourf(across, up, shown, levels, cmap=sequential(theme), alpha=0.7)
    axes.contour(across, up, shown, levels, colors=colour("muted", theme), linewidths=0.4)
    colour_bar(figure, filled, axes, theme, "log10 of the loss" if logarithmic else "loss")
    named = paths if isinstance(paths, Mapping) else {} if paths is None else {"path": paths}
    for i, (name, given) in enumerate(named.items()):
        points = array(given, f"the path {name}", 2)
        shade, ink = series(i + 1, theme), colour("ink", theme)
        line = LINES[i % len(LINES)]
        axes.plot(*points.T, line, marker=".", ms=4, lw=1.8, color=shade, label=name)
        axes.plot(*points[0], "o", mfc="none", mec=ink, ms=8)
        axes.plot(*points[-1], "*", color=shade, mec=ink, ms=12)
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=x, ylim=y)
    if len(named) > 1 or isinstance(paths, Mapping):
        legend(axes, theme)
    return figure


def _heights(loss: Callable[[Any, Any], Any], across: Any, up: Any) -> Any:
    """The loss at every point of a grid."""
    try:
        found = array(loss(across, up), "a loss")
        if found.shape == across.shape:
            return found
    except Exception:  # made for numbers: then it is given numbers
        pass
    points = zip(across.ravel().tolist(), up.ravel().tolist(), strict=True)
    return numpy.array([float(array(loss(a, b), "a loss")) for a, b in points]).reshape(up.shape)


def histograms(
    layers: Any,
    of: str = "data",
    *,
    bins: int = 40,
    columns: int = 4,
    theme: str = "light",
) -> Any:
    """How the numbers in each layer are distributed, as a Figure with a panel per layer.

    layers : a module, whose parameters are shown, or a mapping from names to arrays or tensors
        of any shape (...), such as activations.
    of : "data" or "grad".

    All panels have the same horizontal scale, so that widths can be compared; each says its mean
    and standard deviation.

    >>> from tinygrad_edu import nn
    >>> figure = histograms(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)))
    >>> [axes.get_title() for axes in figure.axes][:2]
    ['0.weight', '0.bias']

    Raises ValueError where there is no gradient yet.
    """
    check_theme(theme)
    if of not in ("data", "grad"):
        raise ValueError(f"of is {of!r}, not 'data' or 'grad'")
    named = dict(layers.named_parameters()) if hasattr(layers, "named_parameters") else {**layers}
    numbers = {}
    for name, x in named.items():
        values = x.grad if of == "grad" else x
        if values is None:
            raise ValueError(f"{name} has no gradient yet: call backward() on the loss first")
        flat = array(values, name).astype(float).ravel()
        numbers[name] = flat[numpy.isfinite(flat)]
    if not numbers:
        raise ValueError("there are no layers, so there is nothing to plot")
    reach = max(float(abs(flat).max(initial=0.0)) for flat in numbers.values()) or 1.0
    edges = numpy.linspace(-reach, reach, bins + 1)
    figure, row = panels(len(numbers), theme, columns=columns, size=(2.6, 2.0))
    role = "grad" if of == "grad" else "data"
    for axes, (name, flat) in zip(row, numbers.items(), strict=True):
        axes.hist(flat, edges, color=colour(role, theme))
        mean, spread = (flat.mean(), flat.std()) if flat.size else (0.0, 0.0)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(f"mean {mean:.2g}, deviation {spread:.2g}", fontsize=8)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=4)
    return figure
