"""What all plots have in common: colours, markers, and where they are drawn."""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_edu.node import Node
from tinygrad_edu.readers.palette import colour
from tinygrad_edu.readers.panels import dress, panels

MARKERS = "osD^vPX*<>"
LINES = ("-", "--", "-.", ":")
_SERIES = {  # told apart with any colour vision, and by lightness where there is none
    "light": ("#005A8F", "#B34700", "#007A59", "#9C3D72", "#1B1F24", "#7B3FE4"),
    "dark": ("#56B4E9", "#FF8A4C", "#3FC9A0", "#E3A0C6", "#E6EDF3", "#E6C84A"),
}


def series(i: int, theme: str) -> str:
    """The colour of the i-th of several curves or classes; with more than six they repeat, and the
    line or the marker tells them apart."""
    return _SERIES[theme][i % len(_SERIES[theme])]


def canvas(
    ax: Any, theme: str, *, size: tuple[float, float] = (4.8, 3.6), grid: bool = True
) -> tuple[Any, Any]:
    """Figure and axes to draw into: those of the caller, dressed, or new ones."""
    check_theme(theme)
    if ax is not None:
        dress(ax, theme, grid=grid)
        return ax.figure, ax
    figure, [axes] = panels(1, theme, size=size, grid=grid)
    return figure, axes


def check_theme(theme: str) -> None:
    """Raise ValueError for a theme that no plot has."""
    if theme not in _SERIES:
        raise ValueError(f"theme is {theme!r}, not 'light' or 'dark'")


def diverging() -> Any:
    """The colour map orange, white, blue, of numbers around zero."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = colour("grad", "light"), "#FFFFFF", colour("data", "light")
    return LinearSegmentedColormap.from_list("orange_white_blue", ends)


def sequential(theme: str) -> Any:
    """The colour map from the ground to blue, of numbers from zero upwards."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = colour("paper", theme), colour("data", theme)
    return LinearSegmentedColormap.from_list(f"ground_to_blue_{theme}", ends)


def legend(axes: Any, theme: str, *, beside: bool = False) -> None:
    """A legend without a box, in the axes or beside them."""
    place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if beside else {}
    axes.legend(labelcolor=colour("ink", theme), frameon=False, **place)


def colour_bar(figure: Any, image: Any, axes: Any, theme: str, label: str = "") -> None:
    """The scale of a colour map beside its axes."""
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.outline.set_edgecolor(colour("frame", theme))
    bar.ax.tick_params(colors=colour("frame", theme), labelcolor=colour("ink", theme))
    bar.set_label(label, color=colour("ink", theme))


def array(x: Any, what: str, *axes: int) -> Any:
    """The numbers in x, a Tensor, an array or lists, as a NumPy array.

    axes : the numbers of axes it may have; ValueError for another.
    """
    data = x._data if isinstance(x, Node) else x
    found = numpy.asarray(data.get() if hasattr(data, "get") else data)
    if axes and found.ndim not in axes:
        wanted = " or ".join(map(str, axes))
        raise ValueError(f"{what} has {wanted} axes, and this has the shape {found.shape}")
    return found
