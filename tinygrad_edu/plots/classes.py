"""Plots of what a model tells apart: boundaries in the plane, confusions, points in few axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tinygrad_edu import metrics
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.node import no_grad
from tinygrad_edu.plots.style import (
    MARKERS,
    array,
    canvas,
    diverging,
    legend,
    sequential,
    series,
)
from tinygrad_edu.readers.palette import colour


def decision_boundary(
    predict: Callable[[Any], Any],
    X: Any,
    y: Any = None,
    *,
    classes: Sequence[str] | None = None,
    resolution: int = 160,
    margin: float = 0.25,
    ax: Any = None,
    theme: str = "light",
) -> Any:
    """Where in the plane a model says what, with the points it learned from, as a Figure.

    predict : a module or function on points of shape (n, 2): a Tensor for a module, an array
        otherwise.  Scores (n,) or (n, 1): positive is the second class, and the colour shows how
        far from zero.  Scores (n, C): the largest is the class.  Whole numbers are classes.
    X, y : points (n, 2) and whole numbers (n,); each class has a marker of its own.
    classes : names for the legend.

    >>> import numpy
    >>> X = numpy.array([[0.0, 0.0], [1.0, 1.0]])
    >>> figure = decision_boundary(lambda p: p[:, 0] + p[:, 1] - 1, X, [0, 1])
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['0', '1']
    """
    points = array(X, "X", 2)
    if points.shape[1] != 2:
        raise ValueError(
            f"a decision boundary is drawn for points of 2 numbers, not {points.shape}"
        )
    figure, axes = canvas(ax, theme, size=(4.8, 4.0), grid=False)
    low, high = points.min(0), points.max(0)
    room = (high - low) * margin + (high == low)
    sides = [numpy.linspace(a, b, resolution) for a, b in zip(low - room, high + room, strict=True)]
    across, up = numpy.meshgrid(*sides)
    grid = numpy.stack([across.ravel(), up.ravel()], axis=1).astype(points.dtype)
    scores = _scores(predict, grid)
    if scores.ndim == 1 and scores.dtype.kind == "f":
        field = scores.reshape(across.shape)
        reach = float(numpy.nanmax(abs(field))) or 1.0
        axes.pcolormesh(
            across, up, field, cmap=diverging(), vmin=-reach, vmax=reach, shading="auto", alpha=0.55
        )
        if field.min() < 0 < field.max():
            axes.contour(across, up, field, [0.0], colors=colour("ink", theme), linewidths=1.6)
        shades = [series(1, theme), series(0, theme)]  # negative is orange, positive blue
    else:
        chosen = scores.argmax(1) if scores.ndim == 2 else scores.astype(int)
        field = chosen.reshape(across.shape)
        from matplotlib.colors import ListedColormap

        count = int(max(field.max(), 0 if y is None else numpy.max(array(y, "y")))) + 1
        shades = [series(i, theme) for i in range(count)]
        axes.pcolormesh(
            across,
            up,
            field,
            cmap=ListedColormap(shades),
            vmin=-0.5,
            vmax=count - 0.5,
            shading="auto",
            alpha=0.3,
        )
        for c in range(count):
            if 0 < (field == c).mean() < 1:
                axes.contour(
                    across, up, field == c, [0.5], colors=colour("ink", theme), linewidths=1.2
                )
    if y is not None:
        labels = array(y, "y").astype(int).ravel()
        for c in sorted({*labels.tolist()}):
            axes.scatter(
                *points[labels == c].T,
                s=22,
                marker=MARKERS[c % len(MARKERS)],
                color=shades[c % len(shades)],
                edgecolor=colour("ink", theme),
                linewidth=0.6,
                label=str(classes[c] if classes is not None else c),
                zorder=3,
            )
        legend(axes, theme, beside=True)
    axes.set(xlim=sides[0][[0, -1]], ylim=sides[1][[0, -1]], xlabel="$x_1$", ylabel="$x_2$")
    return figure


def _scores(predict: Callable[[Any], Any], grid: Any) -> Any:
    """What a model says about points, (n,) or (n, C)."""
    given = Tensor(grid) if hasattr(predict, "parameters") else grid
    with no_grad():
        found = predict(given)
    scores = array(found, "what predict returns", 1, 2)
    if len(scores) != len(grid):
        raise ValueError(f"predict gave {len(scores)} answers to {len(grid)} points")
    return scores[:, 0] if scores.ndim == 2 and scores.shape[1] == 1 else scores


def confusion_matrix(
    predictions: Any,
    labels: Any,
    *,
    classes: Sequence[str] | None = None,
    normalize: bool = False,
    ax: Any = None,
    theme: str = "light",
) -> Any:
    """How often each label was predicted as each class, as a Figure with the numbers in it.

    predictions, labels : as in `metrics.confusion_matrix`: classes (N,) or scores (N, C), and
        classes (N,).
    normalize : whether each row shows shares of its label instead of counts.

    >>> figure = confusion_matrix([0, 1, 1], [0, 0, 1], classes=["cat", "dog"])
    >>> sorted(text.get_text() for text in figure.axes[0].texts)
    ['0', '1', '1', '1']
    """
    counts = metrics.confusion_matrix(predictions, labels)
    shares = counts / numpy.maximum(counts.sum(1, keepdims=True), 1)
    names = [str(i) for i in range(len(counts))] if classes is None else [str(c) for c in classes]
    if len(names) != len(counts):
        raise ValueError(f"{len(names)} names for {len(counts)} classes")
    side = max(3.2, 0.42 * len(names) + 1.4)
    figure, axes = canvas(ax, theme, size=(side + 0.4, side), grid=False)
    axes.imshow(shares, cmap=sequential(theme), vmin=0.0, vmax=1.0)
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            on_colour = shares[i, j] > 0.5
            axes.text(
                j,
                i,
                f"{shares[i, j]:.2f}" if normalize else f"{count:,}",
                ha="center",
                va="center",
                fontsize=8,
                color=colour("paper" if on_colour else "ink", theme),
                fontweight="bold" if i == j else "normal",
            )
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=45 if max(map(len, names)) > 3 else 0)
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted", ylabel="label")
    return figure


def embedding_map(
    vectors: Any,
    labels: Sequence[Any] | None = None,
    *,
    names: Sequence[str] | None = None,
    ax: Any = None,
    theme: str = "light",
) -> Any:
    """Vectors in their two principal axes, as a Figure; each axis says what share it explains.

    vectors : (n, d), such as the weight of an `nn.Embedding`; of two numbers they stay as they are.
    labels : what each belongs to: a colour and a marker.  names : a text at each point.

    >>> import numpy
    >>> figure = embedding_map(numpy.eye(3), names=["red", "green", "blue"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['red', 'green', 'blue']
    """
    data = array(vectors, "vectors", 2).astype(float)
    for what, given in (("labels", labels), ("names", names)):
        if given is not None and len(given) != len(data):
            raise ValueError(f"{len(given)} {what} for {len(data)} vectors")
    figure, axes = canvas(ax, theme, size=(5.2, 4.4))
    flat, explained = _principal(data)
    kinds = [""] * len(data) if labels is None else [str(k) for k in numpy.asarray(labels)]
    for i, kind in enumerate(dict.fromkeys(kinds)):
        chosen = flat[[k == kind for k in kinds]]
        axes.scatter(
            *chosen.T, s=20, marker=MARKERS[i % len(MARKERS)], color=series(i, theme), label=kind
        )
    for point, name in zip(flat, names if names is not None else (), strict=names is not None):
        axes.annotate(
            str(name),
            point,
            (4, 3),
            textcoords="offset points",
            fontsize=8,
            color=colour("ink", theme),
        )
    if labels is not None:
        legend(axes, theme, beside=True)
    told = [f"axis {i + 1}: {share:.0%} of the variance" for i, share in enumerate(explained)]
    axes.set(xlabel=told[0] if told else "$x_1$", ylabel=told[1] if told else "$x_2$")
    return figure


def _principal(data: Any) -> tuple[Any, list[float]]:
    """The coordinates in the two axes of largest variance, and the shares of these."""
    if data.shape[1] <= 2:
        return numpy.pad(data, ((0, 0), (0, 2 - data.shape[1]))), []
    centred = data - data.mean(0)
    _, sizes, axes = numpy.linalg.svd(centred, full_matrices=False)
    signs = numpy.sign(axes[numpy.arange(len(axes)), abs(axes).argmax(1)])  # the same every time
    total = float((sizes**2).sum()) or 1.0
    flat = centred @ (axes * signs[:, None])[:2].T
    return numpy.pad(flat, ((0, 0), (0, 2 - flat.shape[1]))), [
        float(s * s) / total for s in [*sizes[:2], 0.0][:2]
    ]
