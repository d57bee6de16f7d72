"""descent: optimisers on their way across a loss of two numbers, step by step under a slider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_edu.plots import loss_landscape
from tinygrad_edu.plots.style import array
from tinygrad_edu.readers.palette import colour
from tinygrad_edu.readers.panels import panels
from tinygrad_edu.readers.wording import number
from tinygrad_edu.widgets.slides import Slides

_MOST = 100  # places of the slider; of longer ways only every so many steps are shown


def descent(loss: Callable[[Any, Any], Any], paths: Mapping[str, Any], **options: Any) -> Descent:
    """A slider over the steps of several optimisers, all of them on one map of the loss.

    loss, options : as in `plots.loss_landscape`.
    paths : from names of optimisers to the points they visit, (steps + 1, 2), the start first.  One
        with fewer steps than others waits at its end.

    Each is named with its loss at the step shown.  The slider begins at the end, and that picture
    is the one that stays where no kernel answers.

    >>> from tinygrad_edu.widgets import descent
    >>> ways = {"short": [(2.0, 1.0), (1.0, 0.9)], "long": [(2.0, 1.0), (0.0, 0.5), (0.0, 0.0)]}
    >>> descent(lambda x, y: x**2 + y**2, ways)
    <Descent: short, long; 2 steps>

    Raises ValueError without paths, and for one that has no point or not two numbers in each.

    Introduced in lesson 13.
    """
    return Descent(loss, paths, options)


class Descent(Slides):
    """What `descent` returns.

    Attributes
    ----------
    paths : the points of each optimiser, (steps + 1, 2), by name.
    values : the steps that the slider shows.
    """

    description = "step"

    def __init__(
        self,
        loss: Callable[[Any, Any], Any],
        paths: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        if not paths:
            raise ValueError("descent: there is no path to show")
        self.loss, self.options = loss, dict(options)
        self.paths = {name: array(path, f"the path {name}", 2) for name, path in paths.items()}
        for name, path in self.paths.items():
            if not len(path) or path.shape[1] != 2:
                raise ValueError(
                    f"descent: the path {name} has the shape {path.shape}, not (points, 2)"
                )
        last = max(map(len, self.paths.values())) - 1
        steps = [*range(0, last, -(-last // _MOST) or 1), last]
        super().__init__(self.figure, steps, still=1)
        self.start = len(steps) - 1
        self.stills = [self.start]

    def figure(self, step: int) -> Any:
        """The map after so many steps, as a matplotlib Figure."""
        shown = {}
        for name, path in self.paths.items():
            way = path[: step + 1]
            height = float(array(self.loss(*way[-1]), "a loss"))
            shown[f"{name}: {number(height)}"] = way
        theme = self.options.get("theme", "light")
        figure, [axes] = panels(1, theme, size=(6.4, 4.6), grid=False)
        loss_landscape(self.loss, shown, ax=axes, **self.options)
        axes.set_title(f"after {step} steps", fontsize=10, color=colour("ink", theme))
        names = axes.get_legend()  # below the map, where no way is hidden
        names.set_loc("upper center")
        names.set_bbox_to_anchor((0.5, -0.14), axes.transAxes)
        return figure

    def __repr__(self) -> str:
        return f"<Descent: {', '.join(self.paths)}; {self.values[-1]} steps>"
