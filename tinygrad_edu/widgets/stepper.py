"""The stepper in a notebook; in its what-if mode Python works out new numbers."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import Any

from tinygrad_edu.readers import stepper as readers
from tinygrad_edu.readers.page import Parts, script, style, within
from tinygrad_edu.widgets.showing import show


class Stepper(readers.Stepper):
    __doc__ = readers.Stepper.__doc__

    def _ipython_display_(self) -> None:
        """In what-if mode a widget that asks Python; else what needs no kernel."""
        if self.mode != "what-if" or importlib.util.find_spec("anywidget") is None:
            raise NotImplementedError  # so that _repr_mimebundle_ is asked
        show(widget(self), within(self), self.text())


def widget(stepper: readers.Stepper) -> Any:
    """The stepper as a widget, whose leaves have sliders: values and gradients follow.

    Raises ImportError without anywidget.
    """
    parts = Parts(stepper, asking=True)
    view = _view()(markup=parts.markup(), story=parts.story())

    def answer(_: Any, question: dict[str, Any], __: Any) -> None:
        stepper.change_places({int(question["place"]): float(question["value"])})
        fresh = parts.story()
        view.send({name: fresh[name] for name in ("nodes", "fields", "events", "differences")})

    view.on_msg(answer)
    return view


@lru_cache
def _view() -> Any:
    """The widget's class: made when it is first needed, so that anywidget may be missing."""
    import anywidget
    import traitlets

    class StepperView(anywidget.AnyWidget):
        """The page's own script and style, and what it shows."""

        _esm = script()
        _css = style()
        markup = traitlets.Unicode().tag(sync=True)
        story = traitlets.Dict().tag(sync=True)

    return StepperView
