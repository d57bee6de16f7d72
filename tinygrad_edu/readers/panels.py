"""Matplotlib figures in the colours of every other drawing."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.readers.palette import colour


def panels(
    count: int,
    theme: str = "light",
    *,
    columns: int | None = None,
    size: tuple[float, float] = (4.8, 3.4),
    grid: bool = True,
) -> tuple[Any, list[Any]]:
    """A new figure with `count` empty axes in a row, and these axes.

    theme : "light" or "dark".  The figure has its own ground, so that it reads on any page.
    columns : how many stand side by side before a new row begins; by default all.
    size : of each, in inches.  grid : whether they have lines to read numbers by.

    Raises ImportError, with the command, without matplotlib.

    >>> figure, [left, right] = panels(2)
    >>> _ = left.plot([1.0, 2.0])
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError('curves need matplotlib: pip install "tinygrad_edu[train]"') from error
    columns = min(columns or count, count)
    rows = -(-count // columns)
    figure, drawn = pyplot.subplots(
        rows,
        columns,
        figsize=(size[0] * columns, size[1] * rows),
        squeeze=False,
        layout="constrained",
    )
    pyplot.close(figure)  # who asked for it shows it: a notebook once, and no window waits
    figure.set_facecolor(colour("paper", theme))
    for axes in drawn.flat[count:]:
        axes.remove()
    for axes in drawn.flat[:count]:
        dress(axes, theme, grid=grid)
    return figure, [*drawn.flat[:count]]


def dress(axes: Any, theme: str, *, grid: bool = True) -> None:
    """Give axes the colours of a theme."""
    ink, line = colour("ink", theme), colour("frame", theme)
    axes.set_facecolor(colour("paper", theme))
    if grid:
        axes.grid(color=line, lw=0.6)
        axes.set_axisbelow(True)
    axes.spines[:].set_color(line)
    axes.tick_params(which="both", colors=line, labelcolor=ink)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_color(ink)
