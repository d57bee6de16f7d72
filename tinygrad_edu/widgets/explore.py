"""explore: a function under sliders, its graph with gradients, and its curve with the tangent."""

from __future__ import annotations

import base64
import importlib.util
import io
import math
from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_edu.engine.value import Value
from tinygrad_edu.node import Node, no_grad, set_mode
from tinygrad_edu.readers.panels import panels
from tinygrad_edu.readers.picture import Drawing, draw
from tinygrad_edu.readers.wording import number
from tinygrad_edu.widgets.showing import show

_POINTS = 200  # of a curve


def explore(f: Callable[..., Node], **inputs: Any) -> Explorer:
    """Sliders for the inputs of f, a function of Values; graph, gradients and curve follow them.

    Each input is given by name: ``(low, high)``, ``(low, high, start)``, or a number to start at.
    The curve is that of the input moved last, the others held; the tangent touches it where the
    sliders stand.

    >>> from tinygrad_edu import explore
    >>> explore(lambda a, b: (a * b).tanh(), a=(-5, 5), b=2.0)
    <Explorer: f = 0 at a = 0, b = 2; slopes 2, 0>

    Raises ValueError for a range that is empty or not finite, TypeError if f returns no Value.
    """
    return Explorer(f, inputs)


class Explorer:
    """What `explore` returns: the state behind the sliders.

    Attributes
    ----------
    values : where the sliders stand, by name.
    ranges : lowest and highest value, by name.
    moved : the input whose curve is drawn.
    """

    def __init__(self, f: Callable[..., Node], inputs: dict[str, Any]) -> None:
        if not inputs:
            raise ValueError("explore needs an input by name, such as explore(f, x=(-3, 3))")
        self.f = f
        self.ranges: dict[str, tuple[float, float]] = {}
        self.values: dict[str, float] = {}
        for name, given in inputs.items():
            low, high, start = _range(name, given)
            self.ranges[name] = low, high
            self.values[name] = start
        self.moved = next(iter(inputs))
        self.move()

    def move(self, **values: float) -> None:
        """Put sliders elsewhere; everything follows."""
        unknown = values.keys() - self.values.keys()
        if unknown:
            raise ValueError(f"no input is called {min(unknown)!r}; there are {list(self.values)}")
        leaves = {
            name: Value(values.get(name, held), name=name) for name, held in self.values.items()
        }
        with set_mode(recording=True):
            result = self.f(**leaves)
        if not isinstance(result, Value):
            raise TypeError(
                f"explore needs a function that returns a Value, not a {type(result).__name__}"
            )
        if result.name is None:
            result.name = "f"
        result.backward()
        self.values = {name: leaf.data for name, leaf in leaves.items()}
        self.slopes = {name: leaf.grad for name, leaf in leaves.items()}
        self.result = result.data
        self.drawing: Drawing = draw(result)
        self.moved = next(reversed(values), self.moved)

    def curve(self) -> tuple[Any, Any]:
        """Arguments over the range of the input moved last, and what f is there."""
        low, high = self.ranges[self.moved]
        arguments = numpy.linspace(low, high, _POINTS)
        results = []
        with no_grad():
            for x in arguments:
                given = {**self.values, self.moved: float(x)}
                results.append(self.f(**{name: Value(v) for name, v in given.items()})._data)
        return arguments, numpy.array(results)

    def plot(self, theme: str = "light") -> Any:
        """The curve and its tangent as a matplotlib figure."""
        from tinygrad_edu.readers.palette import colour

        figure, [axes] = panels(1, theme)
        arguments, results = self.curve()
        here, slope = self.values[self.moved], self.slopes[self.moved]
        reach = (arguments[-1] - arguments[0]) / 5
        near = numpy.array([here - reach, here + reach])
        axes.plot(arguments, results, color=colour("data", theme), label="f")
        axes.plot(
            near,
            self.result + slope * (near - here),
            color=colour("grad", theme),
            linestyle="--",
            label=f"slope {number(slope)}",
        )
        axes.plot([here], [self.result], "o", color=colour("grad", theme))
        low, high = numpy.nanmin(results), numpy.nanmax(results)
        room = 0.1 * (high - low) or 1.0
        if math.isfinite(room):
            axes.set_ylim(low - room, high + room)  # the curve's: a steep tangent may leave
        axes.set_xlim(arguments[0], arguments[-1])
        axes.set_xlabel(self.moved)
        axes.legend(labelcolor=colour("ink", theme), facecolor=colour("paper", theme))
        return figure

    def widget(self) -> Any:
        """Sliders, graph and curve as a widget."""
        import ipywidgets

        graph, curve = ipywidgets.HTML(), ipywidgets.HTML()

        def follow(_: Any = None) -> None:
            graph.value = _image_of(self.drawing)
            curve.value = _curve_of(self)

        def slider(name: str) -> Any:
            low, high = self.ranges[name]
            made = ipywidgets.FloatSlider(
                value=self.values[name],
                min=low,
                max=high,
                step=(high - low) / 200,
                description=name,
            )

            def moved(change: Any) -> None:
                self.move(**{name: change["new"]})
                follow()

            made.observe(moved, "value")
            return made

        follow()
        sliders = ipywidgets.VBox([slider(name) for name in self.ranges])
        return ipywidgets.VBox([ipywidgets.HBox([sliders, curve]), graph])

    def _ipython_display_(self) -> None:
        """Sliders where a kernel answers, and what `_repr_mimebundle_` gives where none does."""
        if importlib.util.find_spec("ipywidgets") is None:
            raise NotImplementedError  # so that _repr_mimebundle_ is asked
        show(self.widget(), self._html(), repr(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """A picture of where the sliders stand, and text."""
        return {"text/html": self._html(), "text/plain": repr(self)}

    def _html(self) -> str:
        return f"<div>{_curve_of(self)}{_image_of(self.drawing)}</div>"

    def __repr__(self) -> str:
        places = ", ".join(f"{name} = {x:.6g}" for name, x in self.values.items())
        slopes = ", ".join(f"{slope:.6g}" for slope in self.slopes.values())
        return f"<Explorer: f = {self.result:.6g} at {places}; slopes {slopes}>"


def _range(name: str, given: Any) -> tuple[float, float, float]:
    if isinstance(given, tuple):
        low, high = float(given[0]), float(given[1])
        start = float(given[2]) if len(given) > 2 else (low + high) / 2
    else:
        start = float(given)
        reach = 2 * max(1.0, abs(start))
        low, high = start - reach, start + reach
    if not (math.isfinite(low) and math.isfinite(high) and low <= start <= high and low < high):
        raise ValueError(f"{name}={given!r} is no range; give (low, high), (low, high, start)")
    return low, high, start


def _image_of(drawing: Drawing) -> str:
    return drawing._repr_mimebundle_()["text/html"]


def _curve_of(explorer: Explorer) -> str:
    """The curve as an image in HTML; nothing without matplotlib."""
    try:
        figure = explorer.plot()
    except ImportError:
        return ""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="{explorer!r}" src="data:image/png;base64,{data}">'
