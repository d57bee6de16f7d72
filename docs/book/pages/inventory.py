"""What is public: every name of every room, where its page is, and which lesson builds it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import sys
import types
from functools import cache
from typing import Any

from tinygrad_edu import learn
from tinygrad_edu.ops import registered
from tinygrad_edu.ops.registry import Op

ROOMS = {
    "tinygrad_edu": "The engine and its readings",
    "tinygrad_edu.nn": "Layers",
    "tinygrad_edu.nn.functional": "Layers as functions",
    "tinygrad_edu.nn.init": "First values of parameters",
    "tinygrad_edu.nn.utils": "Clipping, vectors of parameters, spectral norm",
    "tinygrad_edu.nn.scalar": "Networks of single numbers",
    "tinygrad_edu.optim": "Optimisers and line search",
    "tinygrad_edu.optim.lr_scheduler": "Learning-rate schedules",
    "tinygrad_edu.data": "Data sets, loaders, tokenizers",
    "tinygrad_edu.data.transforms": "Augmentation",
    "tinygrad_edu.train": "The training loop, and what it tells",
    "tinygrad_edu.metrics": "Metrics",
    "tinygrad_edu.plots": "Plots",
    "tinygrad_edu.learn": "Lessons, exercises, grading",
    "tinygrad_edu.interop": "Other libraries",
}


@dataclasses.dataclass(frozen=True)
class Name:
    """A public name: where it is imported from, and what it is."""

    room: str
    name: str
    thing: Any

    @property
    def full(self) -> str:
        """Such as "tinygrad_edu.nn.Linear"."""
        return f"{self.room}.{self.name}"

    @property
    def short(self) -> str:
        """As lessons and texts call it, such as "nn.Linear"."""
        return self.full.removeprefix("tinygrad_edu.")

    @property
    def label(self) -> str:
        """The label of its place in the book; labels and some disks tell no `Run` from `run`."""
        other = getattr(sys.modules[self.room], self.name.lower(), None)
        twin = self.name.lower() != self.name and not isinstance(other, types.ModuleType | None)
        return f"{self.full}-class" if twin else self.full

    @property
    def page(self) -> str:
        """The file it is described in, without its ending."""
        return f"reference/{self.room}/{self.label.removeprefix(self.room + '.')}"

    @property
    def doc(self) -> str:
        """Its docstring."""
        return inspect.getdoc(self.thing) or ""


@cache
def names() -> tuple[Name, ...]:
    """Every public name of every room; the operations are separate."""
    found = []
    for room in ROOMS:
        module = importlib.import_module(room)
        listed = getattr(module, "__all__", None) or _own(module)
        for name in sorted(listed):
            thing = getattr(module, name)
            if not isinstance(thing, (types.ModuleType, Op)):
                found.append(Name(room, name, thing))
    return tuple(found)


@cache
def operations() -> tuple[Op, ...]:
    """Every registered operation of the library, by name."""
    ours = [op for op in registered() if op.__module__.startswith("tinygrad_edu.")]
    return tuple(sorted(ours, key=lambda op: op.name))


@cache
def labels() -> dict[str, str]:
    """A short name, as lessons use it (`nn.Linear`, `Linear`, `ops.tanh`), to its label.

    Where two rooms have a name, the one higher in the list of rooms has it.
    """
    found: dict[str, str] = {}
    for name in names():
        for key in (name.short, name.name):
            found.setdefault(key, name.label)
        if inspect.isclass(name.thing):
            for attribute in members(name.thing):
                found.setdefault(f"{name.name}.{attribute}", f"{name.label}.{attribute}")
    for op in operations():
        found[f"ops.{op.name}"] = f"ops.{op.name}"
    for room in ROOMS:
        found.setdefault(room.removeprefix("tinygrad_edu."), room)
    found["ops"] = "operations"
    return found


@cache
def ledger() -> dict[str, tuple[str, learn.Lesson]]:
    """Label to "Built in" or "Introduced in", and the lesson that says so first."""
    found: dict[str, tuple[str, learn.Lesson]] = {}
    for lesson in learn.lessons():
        for verb, listed in (("Built in", lesson.builds), ("Introduced in", lesson.introduces)):
            for name in listed:
                if name in labels():
                    found.setdefault(labels()[name], (verb, lesson))
    return found


def members(cls: type) -> dict[str, Any]:
    """The public methods and properties of a class, without operations.

    Those of its bases too, unless a base has a page of its own.
    """
    shown = {name.thing for name in names() if inspect.isclass(name.thing)} - {cls}
    ours = [c for c in cls.__mro__ if c.__module__.startswith("tinygrad_edu") and c not in shown]
    found: dict[str, Any] = {}
    for base in reversed(ours):
        found |= vars(base)
    return {
        name: value
        for name, value in found.items()
        if not name.startswith("_")
        and not isinstance(value, Op)
        and (inspect.isroutine(value) or isinstance(value, (property, staticmethod, classmethod)))
        and inspect.getdoc(value)
    }


def _own(module: types.ModuleType) -> list[str]:
    """The names a module without ``__all__`` defines itself, or takes from its own package."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and (getattr(value, "__module__", None) or "").startswith(module.__name__)
    ]
