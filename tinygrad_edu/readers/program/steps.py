"""A program as pure data: steps in the order in which they run, and what the passes rewrite.

A step computes one name of the vocabulary from the results of earlier steps.  Nothing in here runs
anything: the tracer makes these, the passes turn them into fewer, the writer into Python.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tinygrad_edu.namespaces.arrays import NUMPY

LEAVES = ("input", "constant", "seed")
CHAIN = "chain"  # several elementwise steps, in its option `steps`, that run together
SOURCE = "source"  # calls its option `read`: for an array from outside, or random numbers


@dataclasses.dataclass(frozen=True, slots=True)
class Ref:
    """The result of another step, inside an option: an index, a class weight."""

    place: int


class Step(NamedTuple):
    """One line of a program.

    Attributes
    ----------
    name : what computes it: a name of the vocabulary, an operator such as "add", a kept operation
        such as "conv2d"; or "input", "constant", "seed" (the gradient that arrives).
    inputs : the places of its operands.
    options : keyword arguments; a `Ref` in them is the result of another step.
    shape, dtype : of the result; () and None for a Python number.
    data : what a constant holds.
    label : the name that the result should have in the source.
    origin : the operation of the user's code that it belongs to, and its line, for comments.
    backward : whether it belongs to the backward pass.
    named : whether the label is the user's.
    """

    name: str
    inputs: tuple[int, ...] = ()
    options: Mapping[str, Any] = {}
    shape: tuple[int, ...] = ()
    dtype: Any = None
    data: Any = None
    label: str = ""
    origin: str = ""
    backward: bool = False
    named: bool = False

    @property
    def refs(self) -> Iterator[int]:
        """The places of all results that it reads, those in options too."""
        yield from self.inputs
        for option in self.options.values():
            yield from _refs(option)

    @property
    def size(self) -> int:
        """The number of elements of the result."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    @property
    def nbytes(self) -> int:
        """The bytes of the result as an array."""
        return self.size * (8 if self.dtype is None else self.dtype.itemsize)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What a run does beside computing: call `act` with the results of some steps."""

    act: Callable[..., object]
    places: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A forward pass and, for every result that has gradients, a backward pass.

    results : the places of what the function returns.
    gradients : for each result, the places of the gradients of the leaves, in their order (None
        where there is none); an empty tuple for a result without gradients.
    effects : in order.
    xp : the namespace whose arrays its constants are.
    """

    steps: tuple[Step, ...]
    results: tuple[int, ...]
    gradients: tuple[tuple[int | None, ...], ...]
    effects: tuple[Effect, ...]
    xp: Any = NUMPY

    @property
    def ends(self) -> Iterator[int]:
        """The places that must be computed: everything else serves these."""
        yield from self.results
        for places in self.gradients:
            yield from (place for place in places if place is not None)
        for effect in self.effects:
            yield from effect.places

    @property
    def operations(self) -> int:
        """How many steps compute something; a chain is one."""
        return sum(step.name not in LEAVES for step in self.steps)


GONE = -1  # the new place of a step that is dropped

Visit = Callable[["Rewriting", Step], "Step | int"]


class Rewriting:
    """The new program while a pass makes it: `steps` so far, and where each old step went."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.places: list[int] = []

    def add(self, step: Step) -> int:
        """Append a step; its place."""
        self.steps.append(step)
        return len(self.steps) - 1


def rewrite(program: Program, visit: Visit) -> Program:
    """The program in which every step is what `visit` makes of it.

    `visit` gets each step in order, its operands in new places already, and returns a step to put
    in its place, or the place of an earlier one that has the same result.
    """
    new = Rewriting()
    for step in program.steps:
        found = visit(new, moved(step, new.places))
        new.places.append(found if isinstance(found, int) else new.add(found))
    at = new.places
    return Program(
        tuple(new.steps),
        tuple(at[i] for i in program.results),
        tuple(tuple(None if i is None else at[i] for i in g) for g in program.gradients),
        tuple(
            dataclasses.replace(e, places=tuple(at[i] for i in e.places)) for e in program.effects
        ),
        program.xp,
    )


def moved(step: Step, places: list[int] | dict[int, int]) -> Step:
    """The step with its operands in other places."""
    if step.name in LEAVES:
        return step
    options = step.options
    if options:
        options = {name: _moved(option, places) for name, option in options.items()}
    return step._replace(inputs=tuple([places[i] for i in step.inputs]), options=options)


def _moved(option: Any, places: Any) -> Any:
    if isinstance(option, Ref):
        return Ref(places[option.place])
    if option.__class__ is tuple:
        return tuple([_moved(part, places) for part in option])
    return option


def _refs(option: Any) -> Iterator[int]:
    if isinstance(option, Ref):
        yield option.place
    elif option.__class__ is tuple:
        for part in option:
            yield from _refs(part)
