"""Liveness: when a result has been read for the last time, and who may have its memory then."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tinygrad_edu.readers.program.steps import CHAIN, Step
from tinygrad_edu.readers.program.words import FRESH, INTO, may_alias

_LEAST = 2**14  # bytes of an array from which its parts are written where they belong


def last_reads(steps: tuple[Step, ...], body: Iterable[int], ends: set[int]) -> dict[int, int]:
    """For each result of a function that is not among its `ends`, the last step that reads it.

    A view is its owner: reading one is reading the other.
    """
    owner: dict[int, int] = {}
    last: dict[int, int] = {}
    kept: set[int] = set()
    for i in body:
        step = steps[i]
        for j in step.refs:
            last[owner.get(j, j)] = i
        owner[i] = owner.get(step.inputs[0], step.inputs[0]) if may_alias(step) else i
        last.setdefault(owner[i], i)
    for i in ends:
        kept.add(owner.get(i, i))
    return {i: at for i, at in last.items() if i not in kept and owner.get(i) == i}


def takeovers(
    steps: tuple[Step, ...],
    body: Iterable[int],
    last: dict[int, int],
    own: Collection[int] = (),
) -> dict[int, int]:
    """Which steps may write their result over an operand: {step: operand}.

    The operand must be an array of the same shape and dtype that was made in this function, or is
    among its `own`, that nobody else holds, and that this step is the last to read.  (What has no
    axes is a number.)  A chain writes a block, or an element, before it reads the next, so it may
    read no view of it besides.
    """
    found: dict[int, int] = {}
    for i in body:
        step = steps[i]
        chain = step.name == CHAIN
        if not (step.name in INTO or chain) or step.shape == ():
            continue
        for j in step.inputs:
            x = steps[j]
            same = x.shape == step.shape and x.dtype == step.dtype
            seen = chain and any(_owner(steps, k) == j for k in step.inputs if k != j)
            if same and (x.name in FRESH or j in own) and last.get(j) == i and not seen:
                found[i] = j
                break
    return found


def destinations(
    steps: tuple[Step, ...], body: Iterable[int], last: dict[int, int], over: dict[int, int]
) -> dict[int, tuple[int, str]]:
    """Which steps may write their result where `stack` or `concat` would copy it.

    {step: (the stack or concat, the index of the step's part)}; all operands have one, or none.
    Each must be an array that was made in this function, or is written over one, and that nobody
    reads after the copy.  Machine code fills parts only that are in order in memory.
    """
    found: dict[int, tuple[int, str]] = {}
    for i in body:
        whole = steps[i]
        if whole.name not in ("stack", "concat") or whole.nbytes < _LEAST:
            continue
        axis = whole.options.get("axis", 0) % len(whole.shape)
        parts, start = {}, 0
        for j in whole.inputs:
            first = j
            while first in over:
                first = over[first]
            step = steps[first]
            writes = step.name in INTO or (step.name == CHAIN and (axis == 0 or not _loop(step)))
            if not (last.get(j) == i and writes and step.dtype == whole.dtype and step.shape):
                break
            end = start + (1 if whole.name == "stack" else step.shape[axis])
            at = f"{start}" if whole.name == "stack" else f"{start}:{end}"
            parts[first] = i, ":, " * axis + at
            start = end
        if len(parts) == len(whole.inputs):
            found |= parts
    return found


def _loop(chain: Step) -> bool:
    return bool(chain.options["how"] == "loop")


def _owner(steps: tuple[Step, ...], i: int) -> int:
    """The result that i may be a view of."""
    while may_alias(steps[i]):
        i = steps[i].inputs[0]
    return i
