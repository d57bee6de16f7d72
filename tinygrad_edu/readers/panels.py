"""Matplotlib figures in the colours of every other drawing."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.readers.palette import colour


def panels(count: int, theme: str = "light") -> tuple[Any, list[Any]]:
    """A new figure with `count` empty axes in a row, and these axes.

    theme : "light" or "dark".  The figure has its own ground, so that it reads on any page.

    Raises ImportError, with the command, without matplotlib.

    >>> figure, [left, right] = panels(2)
    >>> _ = left.plot([1.0, 2.0])
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError('curves need matplotlib: pip install "tinygrad_edu[train]"') from error
    ground, ink, line = (colour(role, theme) for role in ("paper", "ink", "frame"))
    size = (4.8 * count, 3.4)
    figure, [row] = pyplot.subplots(1, count, figsize=size, squeeze=False, layout="constrained")
    pyplot.close(figure)  # who asked for it shows it: a notebook once, and no window waits
    figure.set_facecolor(ground)
    for axes in row:
        axes.set_facecolor(ground)
        axes.grid(color=line, lw=0.6)
        axes.spines[:].set_color(line)
        axes.tick_params(which="both", colors=line, labelcolor=ink)
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
            text.set_color(ink)
    return figure, [*row]
