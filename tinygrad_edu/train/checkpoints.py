"""Checkpoints: all that a training needs to go on, in one file that is written whole or not at all.

What is saved are the parts of a run, each of which has ``state_dict`` and ``load_state_dict``.  One
file holds them all, so that no crash can leave two that do not belong together.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from tinygrad_edu import files
from tinygrad_edu.nn.module import Module
from tinygrad_edu.ops.random import generator_or_default


class Generators:
    """The states of all random generators that a training may draw from.

    They are the one that `manual_seed` seeds, those that are attributes of the model's modules, and
    the global ones of Python's `random` and of NumPy.
    """

    def __init__(self, model: Module) -> None:
        self._model = model

    def _found(self) -> dict[str, numpy.random.Generator]:
        mine = {
            f"{name}.{attribute}": value
            for name, module in self._model.named_modules()
            for attribute, value in vars(module).items()
            if isinstance(value, numpy.random.Generator)
        }
        return {"manual_seed": generator_or_default(), **mine}

    def state_dict(self) -> dict[str, Any]:
        """The state of each, by name."""
        found = {name: g.bit_generator.state for name, g in self._found().items()}
        return {
            "generators": found,
            "random": random.getstate(),
            "numpy": numpy.random.get_state(legacy=False),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let each draw what it would have drawn next; ValueError if they are others."""
        found, saved = self._found(), state_dict["generators"]
        if found.keys() != saved.keys():
            raise ValueError(
                f"the model's generators are {', '.join(found)}; the saved ones {', '.join(saved)}"
            )
        for name, generator in found.items():
            generator.bit_generator.state = saved[name]
        random.setstate(state_dict["random"])
        numpy.random.set_state(state_dict["numpy"])


class Checkpoints:
    """A folder with the last state of a run and the weights of its best epoch.

    ``last.safetensors`` has everything, ``best.safetensors`` the model's state dict alone.

    >>> from tinygrad_edu import nn
    >>> layer = nn.Linear(2, 1)
    >>> Checkpoints("run", {"model": layer}).save()
    >>> Checkpoints("run", {"model": nn.Linear(2, 1)}).resume()
    True
    """

    def __init__(self, folder: files.Name, parts: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for torn in self.folder.glob(".*.safetensors.*.tmp"):  # of a process that was killed
            torn.unlink(missing_ok=True)
        self.parts = dict(parts)
        self.last = self.folder / "last.safetensors"

    def save(self) -> None:
        """Write the state of all parts."""
        files.save({name: part.state_dict() for name, part in self.parts.items()}, self.last)

    def save_best(self, model: Module) -> None:
        """Write the model's weights, as the best so far."""
        files.save(model.state_dict(), self.folder / "best.safetensors")

    def resume(self) -> bool:
        """Bring all parts to the saved state; returns whether there was one.

        Raises ValueError for a damaged file, or the state of other parts; all are then as they
        were.
        """
        if not self.last.exists():
            return False
        state = files.load(self.last)
        before = {name: part.state_dict() for name, part in self.parts.items()}
        if not isinstance(state, dict) or state.keys() != before.keys():
            there = ", ".join(map(str, state)) if isinstance(state, dict) else "something else"
            raise ValueError(
                f"cannot resume from '{self.last}': it has the states of {there}; this run has "
                f"{', '.join(before)}"
            )
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            for name, part in self.parts.items():
                part.load_state_dict(before[name])
            raise ValueError(
                f"cannot resume from '{self.last}': the state of the {name} does not fit: {error}"
            ) from error
        return True
