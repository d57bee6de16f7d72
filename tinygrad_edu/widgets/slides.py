"""slides: a function that draws, under a slider; a few of its pictures stay in the notebook."""

from __future__ import annotations

import base64
import html
import importlib.util
import io
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.widgets.showing import show


def slides(f: Callable[[Any], Any], values: Sequence[Any], *, still: int = 3) -> Slides:
    """A slider through `f(value)` for every value, and `still` of these pictures for a page.

    f : draws one value; returns a matplotlib Figure.
    still : how many pictures, from the first to the last, stand where no kernel answers.

    >>> from tinygrad_edu import plots
    >>> slides(lambda n: plots.feature_maps([[[n, 0], [0, n]]]), range(10))
    <Slides: 10 pictures>

    Raises ValueError without values, and where no picture would stay.

    Introduced in lesson 20.
    """
    return Slides(f, values, still)


class Slides:
    """What `slides` returns.

    Attributes
    ----------
    values : one for each place of the slider.
    stills : the places of the slider whose pictures stay.
    start : the place where the slider begins.
    """

    description = "picture"
    start = 0

    def __init__(self, f: Callable[[Any], Any], values: Sequence[Any], still: int = 3) -> None:
        if not len(values) or still < 1:
            raise ValueError(f"slides of {len(values)} values with {still} to keep show nothing")
        self.f, self.values = f, list(values)
        last = len(self.values) - 1
        self.stills = sorted({round(i * last / max(still - 1, 1)) for i in range(still)})
        self._pictures: dict[int, str] = {}

    def picture(self, place: int) -> str:
        """The picture at a place of the slider, as an image in HTML; drawn once."""
        if place not in self._pictures:
            file = io.BytesIO()
            self.f(self.values[place]).savefig(file, format="png", dpi=100)
            data = base64.b64encode(file.getvalue()).decode("ascii")
            name = html.escape(f"{place + 1} of {len(self.values)}", quote=True)
            self._pictures[place] = f'<img alt="{name}" src="data:image/png;base64,{data}">'
        return self._pictures[place]

    def widget(self) -> Any:
        """The slider and the picture as a widget."""
        import ipywidgets

        image = ipywidgets.HTML(self.picture(self.start))
        slider = ipywidgets.IntSlider(
            self.start, 0, len(self.values) - 1, description=self.description
        )

        def moved(change: Any) -> None:
            image.value = self.picture(change["new"])

        slider.observe(moved, "value")
        return ipywidgets.VBox([slider, image])

    def _ipython_display_(self) -> None:
        """The slider where a kernel answers, and what `_repr_mimebundle_` gives elsewhere."""
        if importlib.util.find_spec("ipywidgets") is None:
            raise NotImplementedError  # so that _repr_mimebundle_ is asked
        show(self.widget(), self._html(), repr(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """The pictures that stay, and text."""
        return {"text/html": self._html(), "text/plain": repr(self)}

    def _html(self) -> str:
        return "".join(f"<div>{self.picture(place)}</div>" for place in self.stills)

    def __repr__(self) -> str:
        return f"<Slides: {len(self.values)} pictures>"
