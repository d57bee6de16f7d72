"""What the passes and the writer made of a program, in figures."""

from __future__ import annotations

import math

from tinygrad_edu.readers.program.chains import inner_steps
from tinygrad_edu.readers.program.steps import CHAIN, LEAVES, SOURCE, Program, Step
from tinygrad_edu.readers.program.words import VIEWS, family
from tinygrad_edu.readers.program.writer import Written


def report(traced: Program, program: Program, written: Written, title: str) -> str:
    """The figures of a program, one line each."""
    computed = [s for s in program.steps if s.name not in (*LEAVES, SOURCE, *VIEWS)]
    shapes = ", ".join(str(s.shape) for s in program.steps if s.name == "input" and s.shape)
    results = sum(s.nbytes for s in computed)
    chains = [list(inner_steps(s)) for s in computed if s.name == CHAIN]
    kept = sum(program.steps[i].nbytes for i in written.kept)
    return "\n".join(
        [
            f"{title}: a program for {shapes or 'numbers'}",
            f"operations: {traced.operations} traced, {program.operations} left",
            *([f"run as chains: {sum(map(len, chains))} in {len(chains)}"] if chains else []),
            f"written over another result: {written.over}",
            f"bytes: {results} of results, {kept} kept for the backward pass",
            f"floating-point operations: {sum(flops(program, s) for s in computed)}",
        ]
    )


def flops(program: Program, step: Step) -> int:
    """Floating-point operations of a step: 2 n k m for a product, one per element elsewhere."""
    if step.name == CHAIN:
        return step.size * len(list(inner_steps(step)))
    operands = [program.steps[i] for i in step.inputs]
    if step.name == "matmul":
        return 2 * step.size * operands[0].shape[-1]
    if step.name in ("conv1d", "conv2d"):
        return 2 * step.size * math.prod(operands[1].shape[1:])
    if family(step) == "reductions" or step.name == "sum_to":
        return operands[0].size
    return step.size
