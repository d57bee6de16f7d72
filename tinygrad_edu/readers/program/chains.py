"""Chains: elementwise steps that run together, so that what is between them stays near.

A large array that is written by one step and read by the next goes to main memory and back.  In a
chain each block of it goes through all steps while it is in the processor's cache (`blocks`), or
each element while it is in a register (`loops`, which numba makes machine code of, and `kernels`,
which a GPU runs).
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator

import numpy

from tinygrad_edu.namespaces.arrays import NUMPY, erf_of_single
from tinygrad_edu.namespaces.vocabulary import ELEMENTWISE
from tinygrad_edu.ops.registry import lookup
from tinygrad_edu.readers.program.steps import (
    CHAIN,
    GONE,
    LEAVES,
    Program,
    Rewriting,
    Step,
    moved,
    rewrite,
)
from tinygrad_edu.readers.program.tracing import Recording
from tinygrad_edu.readers.program.words import COMPARISONS, INTO, OPERATORS

BLOCK = 2**15  # elements of a block: with a few operands, as many as the second cache holds
_LARGE = 2**18  # elements of a result from which blocks are worth a loop in Python
_SMALL = 2**8  # elements of a result from which machine code is worth a call
_OPERANDS = 16  # that one chain may read

# What machine code does as fast as NumPy and to the same bit; NumPy's exp and tanh are faster.
_PLAIN = (
    *("add", "subtract", "multiply", "negative", "divide", "sqrt", "abs", "maximum", "minimum"),
    *("where", *COMPARISONS),
)


def blocks(program: Program) -> Program:
    """With chains, in blocks that stay in the cache, in place of elementwise steps and loops."""
    return _chained(program, INTO | {"where", CHAIN}, _LARGE, "block")


def open_erf(program: Program) -> Program:
    """With the polynomial of erf in single precision as steps of its own, for `loops`."""

    def visit(new: Rewriting, step: Step) -> Step | int:
        if step.name != "erf" or str(step.dtype) != "float32":
            return step
        recording = Recording(NUMPY)
        recording.backward, recording.origin = step.backward, step.origin
        erf_of_single(recording, recording.leaf("input", numpy.zeros(step.shape, step.dtype), ""))
        places = [step.inputs[0]]
        for inner in recording.steps[1:]:
            places.append(new.add(moved(inner, places)))
        new.steps[places[-1]] = new.steps[places[-1]]._replace(label=step.label, named=step.named)
        return places[-1]

    return rewrite(program, visit)


def loops(program: Program) -> Program:
    """With chains, loops over elements, in place of arithmetic; numba is to compile them.

    A part of the last axis is read where it stands: its elements are not side by side in memory
    as those of a whole array are.
    """
    return _chained(program, _PLAIN, _SMALL, "loop")


def kernels(program: Program) -> Program:
    """With chains, each one kernel of a GPU, in place of elementwise steps.

    A kernel costs a launch, whatever its size.
    """
    return _chained(program, {*ELEMENTWISE, *OPERATORS, *COMPARISONS}, 0, "kernel")


def _chained(program: Program, names: Collection[str], least: int, how: str) -> Program:
    steps = program.steps
    readers: list[set[int | None]] = [set() for _ in steps]
    for i, step in enumerate(steps):
        for j in step.refs:
            readers[j].add(i)
    for i in program.ends:
        readers[i].add(None)

    def fits(i: int, last: Step) -> bool:
        """Whether step i may be part of a chain that ends in `last`."""
        step = steps[i]
        return (
            step.name in names
            and step.shape == last.shape
            and step.backward is last.backward
            and all(steps[j].dtype in (last.dtype, bool, None) for j in (i, *step.inputs))
        )

    chains: dict[int, list[int]] = {}
    inner: set[int] = set()
    for i in range(len(steps) - 1, -1, -1):
        last = steps[i]
        rows = how != "block" or last.shape[:1] > (1,)  # blocks are cut along the first axis
        small = last.size < least or not rows or str(last.dtype) not in ("float32", "float64")
        if small or i in inner or not fits(i, last):
            continue
        members, waiting = {i}, [-j for j in set(last.inputs)]
        heapq.heapify(waiting)
        while waiting:  # the latest first, when all who read it have been met
            j = -heapq.heappop(waiting)
            if j not in members and j not in inner and readers[j] <= members and fits(j, last):
                members.add(j)
                for k in set(steps[j].inputs):
                    heapq.heappush(waiting, -k)
        outside = {j for m in members for j in steps[m].inputs} - members
        if len(members) > 1 and len(outside) <= _OPERANDS:
            chains[i] = sorted(members)
            inner |= members - {i}
    count = iter(range(len(steps)))

    def visit(new: Rewriting, step: Step) -> Step | int:
        i = next(count)
        if i in inner:
            return GONE
        return _chain(steps, chains[i], new.places, how) if i in chains else step

    return rewrite(program, visit)


def _chain(steps: tuple[Step, ...], members: list[int], places: list[int], how: str) -> Step:
    """The members as one step; its option `steps` holds them and, before, what they read."""
    loop = how == "loop"
    outside: dict[int, int] = {}  # operand of the chain -> its place among the inner steps
    within: dict[int, int] = {}  # any step that the members read -> its place there
    inner: list[Step] = []

    def add(step: Step) -> int:
        inner.append(step._replace(label="", origin="", named=False))
        return len(inner) - 1

    def leaf(j: int) -> int:
        if j not in outside:
            outside[j] = add(Step("input", (), {}, steps[j].shape, steps[j].dtype))
        return outside[j]

    for j in sorted({j for i in members for j in steps[i].inputs} - {*members}):
        if loop and _is_slice(steps[j]):
            leaf(steps[j].inputs[0])
        elif steps[j].name != "constant" or steps[j].dtype is not None:
            leaf(j)
    for i in members:
        operands = []
        for j in steps[i].inputs:
            if j not in within:
                if j in outside:
                    within[j] = outside[j]
                elif loop and _is_slice(steps[j]):
                    within[j] = add(steps[j]._replace(inputs=(outside[steps[j].inputs[0]],)))
                else:
                    within[j] = add(steps[j])
            cast = Step("astype", (within[j],), {}, steps[j].shape, steps[i].dtype)
            number = steps[j].dtype == bool and steps[i].dtype != bool and steps[i].name != "where"
            operands.append(add(cast) if loop and number else within[j])
        within[i] = add(steps[i]._replace(inputs=tuple(operands)))
    last = steps[members[-1]]
    read = tuple([places[j] for j in outside])
    return last._replace(name=CHAIN, inputs=read, options={"steps": tuple(inner), "how": how})


def _is_slice(step: Step) -> bool:
    """Whether a step takes a part of the last axis, and the whole of the others."""
    if step.name != "getitem":
        return False
    index = step.options["index"]
    if index.__class__ is not tuple or len(index) != 2 or index[0] is not Ellipsis:
        return False
    return index[1].__class__ is slice and index[1].step in (None, 1) and (index[1].start or 0) >= 0


def inner_steps(step: Step) -> Iterator[Step]:
    """What a chain computes; of any other step, itself."""
    if step.name != CHAIN:
        yield step
        return
    for inner in step.options["steps"]:
        if inner.name not in (*LEAVES, "getitem", "astype"):
            yield from inner_steps(inner)


def formula(step: Step) -> str:
    """The symbols of a chain's operations, in their order."""
    return " ".join(lookup(s.name).symbol for s in inner_steps(step))
