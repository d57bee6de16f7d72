"""Plots for looking at models and trainings, one style for all, light and dark.

Colours are those of every other drawing and can be told apart with any colour vision; what differs
in colour differs in line or marker as well.  Every function returns a matplotlib Figure, which a
notebook shows; most draw into axes of yours with ``ax=``.  Matplotlib is imported when one is
called.
"""

from tinygrad_edu.plots.classes import confusion_matrix, decision_boundary, embedding_map
from tinygrad_edu.plots.images import attention_map, feature_maps, filters, gates_over_time
from tinygrad_edu.plots.training import histograms, loss_landscape, plot_history

__all__ = [
    "attention_map",
    "confusion_matrix",
    "decision_boundary",
    "embedding_map",
    "feature_maps",
    "filters",
    "gates_over_time",
    "histograms",
    "loss_landscape",
    "plot_history",
]
