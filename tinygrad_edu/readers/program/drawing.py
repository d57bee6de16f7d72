"""Program -> Graph: what `draw` shows of a compiled function."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.ops.registry import Op, lookup
from tinygrad_edu.readers.program.chains import formula
from tinygrad_edu.readers.program.steps import CHAIN, LEAVES, SOURCE, Program, Step
from tinygrad_edu.readers.program.writer import Written
from tinygrad_edu.readers.trace import Graph, GraphNode


def graph_of(program: Program, written: Written) -> Graph:
    """The steps of a program as a graph to draw, without values; a chain is one operation.

    Each has the name it has in the source, so results that share memory share a name; frames hold
    the user's operation that a step belongs to, and its backward pass.
    """
    ends = {*program.results, *(i for g in program.gradients for i in g if i is not None)}
    nodes = tuple(
        GraphNode(
            index=i,
            kind=_kind(step, i in ends),
            op=_op(step),
            inputs=tuple(step.refs),
            args=(),
            data=step.data,
            grad=None,
            shape=step.shape,
            dtype=step.dtype,
            options={}
            if step.name == CHAIN
            else {k: v for k, v in step.options.items() if not list(_one(v).refs)},
            requires_grad=False,
            name=None if step.name == "constant" else written.names.get(i),
            scope=(step.origin.partition(", ")[0],) if step.origin else (),
            line=None,
        )
        for i, step in enumerate(program.steps)
    )
    return Graph(nodes, tuple(sorted(ends)))


def _op(step: Step) -> Op | None:
    if step.name in (*LEAVES, SOURCE):
        return None
    if step.name != CHAIN:
        return lookup(step.name)

    def chain(xp: Any, *xs: Any) -> Any:
        raise TypeError("a chain is computed by its program alone")

    return Op(chain, symbol=formula(step), latex=None, differentiable=False)


def _one(option: object) -> Step:
    return Step("", options={"": option})


def _kind(step: Step, is_end: bool) -> str:
    if step.name in ("input", "seed", SOURCE):
        return "input"
    if step.name == "constant":
        return "constant"
    return "output" if is_end else "result"
