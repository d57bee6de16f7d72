"""Faces for a notebook: what is stepped through or explored with the mouse, Python answering.

The logic stands in the rooms above; here it meets ipywidgets and anywidget, which are imported when
something is shown.
"""

from tinygrad_edu.widgets.dashboard import Dashboard
from tinygrad_edu.widgets.descent import Descent, descent
from tinygrad_edu.widgets.explore import Explorer, explore
from tinygrad_edu.widgets.slides import Slides, slides
from tinygrad_edu.widgets.stepper import Stepper, widget

__all__ = [
    "Dashboard",
    "Descent",
    "Explorer",
    "Slides",
    "Stepper",
    "descent",
    "explore",
    "slides",
    "widget",
]
