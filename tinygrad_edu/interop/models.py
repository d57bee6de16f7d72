"""A model as the program reading sees it: traced on examples, in eval mode, without gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn.module import Module, evaluation
from tinygrad_edu.node import Node, no_grad, nodes_in, set_mode
from tinygrad_edu.readers.program.tape import Tape
from tinygrad_edu.readers.program.tracing import Trace


def examples_of(example: Tensor | Sequence[Tensor], asking: str) -> list[Tensor]:
    """One example or several as a list.

    Raises TypeError, in the name of the function that asks, for anything else.
    """
    given = example if isinstance(example, tuple | list) else [example]
    examples = [x for x in given if isinstance(x, Tensor)]
    if len(examples) < len(given) or not examples:
        raise TypeError(f"{asking}: the example is a Tensor, or several in a list")
    return examples


def traced(model: Callable[..., Any], examples: list[Tensor], asking: str) -> Trace:
    """What the model does to the examples.

    Raises TypeError if it returns no Tensor, and NotImplementedError if it draws random numbers.
    """
    tape = Tape()
    order: list[Node] = [Tensor._constant(x.data) for x in examples]
    mode = evaluation(model) if isinstance(model, Module) else contextlib.nullcontext()
    with mode, no_grad(), set_mode(tape=tape):
        returned = model(*order)
    results = list(nodes_in(returned))
    if not results:
        raise TypeError(f"{asking}: the model returned {type(returned).__name__}, no Tensor")
    if tape.draws:
        raise NotImplementedError(f"{asking}: the model draws random numbers, even in eval mode")
    return Trace(tape, order, results, {})


def names_of_captured(model: Any, trace: Trace) -> list[str]:
    """What the model calls each node that it holds: the names of its state dict."""
    named: list[tuple[str, Node]] = []
    if isinstance(model, Module):
        named = [*model.named_parameters(), *model.named_buffers()]
    known = {node: name for name, node in named}
    return [known.get(node, f"captured_{i}") for i, node in enumerate(trace.captured)]
