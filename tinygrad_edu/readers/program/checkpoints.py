"""Checkpoints: fewer results kept for the backward pass, and the rest computed again.

The forward pass is cut into about as many segments as the square root of the results that the
backward pass reads.  What a later segment reads is kept; all else is computed again, from that,
when the backward pass first asks for it.  The memory that is kept then grows with the square root
of the depth, for at most one more forward pass (Chen et al. 2016, arXiv:1604.06174, section 4.1).
"""

from __future__ import annotations

import math

from tinygrad_edu.readers.program.steps import LEAVES, Program, Rewriting, Step, moved, rewrite
from tinygrad_edu.readers.program.words import family


def recompute(program: Program) -> Program:
    """With forward steps repeated in the backward pass, where that spares keeping their results.

    The last segment is kept, since the backward pass begins there, and so are random numbers, or
    the masks made of them.
    """
    steps = program.steps
    again = _again(program)
    clones: dict[int, int] = {}  # a forward step -> the new place where it is computed again
    count = iter(range(len(steps)))

    def visit(new: Rewriting, step: Step) -> Step | int:
        i = next(count)
        if not step.backward or step.name in LEAVES:
            return step
        waiting = list(steps[i].refs)
        while waiting:
            j = waiting.pop()
            if j not in again or j in clones:
                continue
            missing = [k for k in steps[j].refs if k in again and k not in clones]
            if missing:
                waiting += [j, *missing]
                continue
            clones[j] = new.add(at(new, j)._replace(backward=True, label="", named=False))
        return at(new, i)

    def at(new: Rewriting, i: int) -> Step:
        """The step with operands that were computed again, where they were."""
        return moved(steps[i], {j: clones.get(j, new.places[j]) for j in steps[i].refs})

    return rewrite(program, visit)


def _again(program: Program) -> set[int]:
    """The forward steps whose results the backward pass computes again."""
    steps = program.steps
    forward = [i for i, s in enumerate(steps) if not s.backward and s.name not in LEAVES]
    read = {j for s in steps if s.backward for j in s.refs}
    total, passed = sum(steps[i].nbytes for i in forward if i in read), 0
    segments = max(1, round(math.sqrt(sum(i in read for i in forward))))
    segment: dict[int, int] = {}
    for i in forward:
        segment[i] = min(passed * segments // max(total, 1), segments - 1)
        passed += steps[i].nbytes * (i in read)
    later = {j for i in forward for j in steps[i].refs if segment.get(j, segments) < segment[i]}
    ends = {*program.results, *(i for e in program.effects for i in e.places)}
    kept = later | ends
    early = (i for i in forward if segment[i] < segments - 1 and i not in kept)
    return {i for i in early if not _is_drawn(steps, i)}


def _is_drawn(steps: tuple[Step, ...], i: int) -> bool:
    """Whether a result is random numbers, or made of some and no larger, as a mask is."""
    drawn = [j for j in (i, *steps[i].refs) if family(steps[j]) == "random"]
    return any(steps[i].nbytes <= steps[j].nbytes for j in drawn)
