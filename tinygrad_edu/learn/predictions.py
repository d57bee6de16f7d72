"""A guess before a result: what a learner expects is worth more once it is said."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from tinygrad_edu.learn import show


class Prediction:
    """A question put to the learner, and the choice made, if any.

    >>> Prediction("Up or down?", ["up", "down"]).choice is None
    True
    """

    def __init__(self, question: str, choices: Sequence[str]) -> None:
        self.question = question
        self.choices = list(choices)
        self._buttons: Any = None

    @property
    def choice(self) -> str | None:
        """What the learner chose; None before, and where nothing can be clicked."""
        return self._buttons.value if self._buttons is not None else None

    def reveal(self, actual: str) -> None:
        """Show what came out, beside what was predicted.

        Raises ValueError if `actual` was not among the choices.
        """
        if actual not in self.choices:
            raise ValueError(f"{actual!r} is none of the choices {self.choices}")
        if self.choice is None:
            show.say(f"{self.question}\nIt is: {actual}.")
        elif self.choice == actual:
            show.say(f"You predicted {actual}, and so it is\n{self.question}", "passed")
        else:
            show.say(f"You predicted {self.choice}; it is {actual}\n{self.question}", "wrong")

    def _ipython_display_(self) -> None:
        """Nothing: the question has been shown already."""


def predict(question: str, choices: Sequence[str]) -> Prediction:
    """A prediction to be revealed later; shows the question, with buttons where there is a mouse.

    Never waits for an answer: without one, `Prediction.reveal` just tells the result.

    >>> guess = predict("Does y = -3 x rise or fall when x rises?", ["rise", "fall"])
    Predict: Does y = -3 x rise or fall when x rises?
      rise / fall
    >>> guess.reveal("fall")
    Does y = -3 x rise or fall when x rises?
    It is: fall.
    """
    made = Prediction(question, choices)
    if show.in_notebook() and importlib.util.find_spec("ipywidgets"):
        import ipywidgets
        from IPython.display import display

        show.say(f"Predict: {question}")
        made._buttons = ipywidgets.ToggleButtons(options=made.choices, value=None)
        display(made._buttons)
    else:
        show.say(f"Predict: {question}\n  {' / '.join(choices)}")
    return made
