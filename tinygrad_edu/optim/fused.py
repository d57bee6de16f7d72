"""Fused updates: an optimiser's formula as one loop over the elements, in machine code.

NumPy runs `_update` an operation at a time, and each of them passes over whole arrays: a step of
Adam goes through memory some thirty times.  Here the formula is read once, on operands that write
down what is done with them, and the loop made of that reads and writes every element once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy

from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.optim.optimizer import is_number
from tinygrad_edu.readers.program.loading import load_loop
from tinygrad_edu.readers.program.names import Names
from tinygrad_edu.readers.program.steps import LEAVES, Step
from tinygrad_edu.readers.program.tracing import Recording, Symbol
from tinygrad_edu.readers.program.words import INFIX
from tinygrad_edu.readers.program.writer import Written


class Held(Symbol):
    """An array that a formula changes in place: it stands for what was last put into it."""

    __slots__ = ()

    def put(self, new: Symbol) -> Held:
        """Stand for `new` from here on."""
        self.place, self.example = new.place, new.example
        return self

    def __setitem__(self, index: Any, new: Symbol) -> None:
        if index is not Ellipsis:
            raise TypeError("a fused update changes whole arrays, as x[...] = y does, not parts")
        self.put(new)


def _in_place(name: str) -> Any:
    def method(self: Held, other: Any) -> Held:
        return self.put(self.recording.emit(name, (self, other), {}))

    return method


for _python, _name in (
    ("add", "add"),
    ("sub", "subtract"),
    ("mul", "multiply"),
    ("truediv", "divide"),
):
    setattr(Held, f"__i{_python}__", _in_place(_name))


class Number(Symbol):
    """An option that is a number: a formula may ask whether it is zero, and nothing else."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]
        return bool(self.example != 0)


def fuse(
    update: Callable[..., None], dtype: Any, remembered: Sequence[str], options: dict[str, Any]
) -> Callable[..., None]:
    """``loop(x, *remembered, g, *numbers)``, which does to arrays of one axis what `update` does.

    update : an optimiser's ``_update(xp, x, g, state, group)``.
    options : its group; the `numbers` among them, as float64, are handed to the loop in each call.
    """
    recording = Recording(NUMPY)
    one = numpy.ones(1, dtype)

    def leaf(kind: Any, name: str, example: Any) -> Any:
        return kind(recording, recording.leaf("input", example, name).place, example)

    def number(name: str, option: Any) -> Any:
        if isinstance(option, tuple | list):
            return tuple([number(name, part) for part in option])
        return leaf(Number, name, float(option)) if is_number(option) else option

    changed = [leaf(Held, name, one) for name in ("x", *remembered)]
    g = leaf(Symbol, "g", one)
    group = {name: number(name, option) for name, option in options.items()}
    update(recording, changed[0], g, dict(zip(remembered, changed[1:], strict=True)), group)
    uses = frozenset(step.name for step in recording.steps) - {*LEAVES, *INFIX}
    text = _source(recording.steps, [array.place for array in changed], uses)
    return load_loop(Written(text, uses, {}))


def _source(steps: list[Step], ends: list[int], uses: Collection[str]) -> str:
    """The loop, a line per step; the inputs become, in their order, the results of `ends`.

    What depends on numbers alone is worked out before the loop, in float64, as Python does.
    """
    names = Names({"loop", "i", "range", "float32", "float64", *uses})
    given: list[str] = []
    called: list[str] = []
    before: list[str] = []
    lines: list[str] = []
    for step in steps:
        operands = [
            f"{steps[0].dtype}({called[i]})" if step.shape and not steps[i].shape else called[i]
            for i in step.inputs
        ]
        if step.name == "constant":
            called.append(repr(float(step.data)))
            continue
        if step.name == "input":
            given.append(names.new(step.label))
            right = f"{given[-1]}[i]" if step.shape else given[-1]
        elif step.name in INFIX:
            right = f" {INFIX[step.name]} ".join(operands)
        else:
            right = f"{step.name}({', '.join(operands)})"
        called.append(names.new("t_1"))
        (lines if step.shape else before).append(f"{called[-1]} = {right}")
    lines += [f"{given[i]}[i] = {called[end]}" for i, end in enumerate(ends)]
    body = [*before, f"for i in range({given[0]}.size):", *("    " + line for line in lines)]
    return f"def loop({', '.join(given)}):\n" + "".join(f"    {line}\n" for line in body)
