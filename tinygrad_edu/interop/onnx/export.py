"""A model as an ONNX graph: traced at two sizes of the batch, so that neither is written down."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.interop.onnx.writing import Writing
from tinygrad_edu.nn.module import Module
from tinygrad_edu.node import Node, no_grad, nodes_in, set_mode
from tinygrad_edu.readers.program.steps import Program
from tinygrad_edu.readers.program.tape import Tape
from tinygrad_edu.readers.program.tracing import Trace

_SIZES = (2, 3)  # of the batch, in the two traces that are compared


def export_onnx(
    model: Module | Callable[..., Any],
    example: Tensor | Sequence[Tensor],
    path: str | Path | None = None,
    *,
    batch_axis: int | Sequence[int | None] | None = 0,
) -> Any:
    """A model as ONNX, weights included; the batch may have any size.

    model : a module, exported in eval mode and left as it was, or a function of Tensors.
    example : its input, or several; only shapes and dtypes matter.  Numbers that the model works
        out from them in Python are those of this example.
    path : where to write the file, if anywhere.
    batch_axis : the axis of the inputs that may have any size (one for all, or one for each); None
        if all sizes are fixed.

    Returns the `onnx.ModelProto`, checked.  Inputs are called ``input``, or ``input_0`` and so on;
    outputs ``output`` likewise; weights have the names of the state dict.  Operations are written
    in opset 20, which ONNX Runtime 1.17 and later run.

    Raises ModuleNotFoundError without onnx, with the command that installs it; NotImplementedError
    for an operation that ONNX does not have, which it names; ValueError where the batch cannot be
    of any size.

    Source: https://onnx.ai/onnx/operators/

    In another program, with ONNX Runtime::

        session = onnxruntime.InferenceSession("model.onnx")
        (scores,) = session.run(None, {"input": images})
    """
    examples = [example] if isinstance(example, Tensor) else list(example)
    if not all(isinstance(x, Tensor) for x in examples) or not examples:
        raise TypeError("export_onnx: the example is a Tensor, or several in a list")
    axes = _axes(batch_axis, len(examples))
    with _in_eval_mode(model):
        traces = [
            _trace(model, list(map(_resized, examples, axes, [n] * len(axes)))) for n in _SIZES
        ]
    programs = [trace.program for trace in traces]
    _compare(programs)
    weights = zip(_names(model, traces[0].captured), traces[0].captured, strict=True)
    writing = Writing(programs[0], programs[-1], _SIZES[0])
    made = writing.model(axes, [(name, node._data) for name, node in weights])
    if path is not None:
        Path(path).write_bytes(made.SerializeToString())
    return made


def _trace(model: Callable[..., Any], examples: list[Tensor]) -> Trace:
    """What the model does to examples of some size."""
    tape = Tape()
    order: list[Node] = [Tensor._constant(x.data) for x in examples]
    with no_grad(), set_mode(tape=tape):
        returned = model(*order)
    results = list(nodes_in(returned))
    if not results:
        raise TypeError(f"export_onnx: the model returned {type(returned).__name__}, no Tensor")
    if tape.draws:
        raise NotImplementedError("export_onnx: the model draws random numbers, even in eval mode")
    return Trace(tape, order, results, {})


def _axes(batch_axis: Any, count: int) -> list[int | None]:
    """The batch axis of each input."""
    if batch_axis is None or isinstance(batch_axis, int):
        return [batch_axis] * count
    if len(batch_axis) != count:
        raise ValueError(f"export_onnx: {len(batch_axis)} batch axes for {count} inputs")
    return list(batch_axis)


def _resized(x: Tensor, axis: int | None, size: int) -> Tensor:
    """An example with `size` elements along the axis: its own, over and over."""
    if axis is None:
        return x
    if x.ndim <= axis or not x.shape[axis]:
        raise ValueError(f"export_onnx: an input of shape {x.shape} has no axis {axis} to resize")
    return Tensor(numpy.take(x.data, numpy.arange(size) % x.shape[axis], axis=axis))


def _compare(programs: list[Program]) -> None:
    """The programs of two batch sizes must be the same but for sizes."""
    first, last = programs[0], programs[-1]
    same = len(first.steps) == len(last.steps) and all(
        (a.name, a.inputs) == (b.name, b.inputs)
        for a, b in zip(first.steps, last.steps, strict=True)
    )
    if not same or first.results != last.results:
        raise ValueError(
            "export_onnx: the model does different things for batches of 2 and of 3; pass "
            "batch_axis=None to export it for the size of the example"
        )


def _names(model: Any, captured: list[Node]) -> list[str]:
    """What the model calls each captured node."""
    named: list[tuple[str, Node]] = []
    if isinstance(model, Module):
        named = [*model.named_parameters(), *model.named_buffers()]
    known = {node: name for name, node in named}
    return [known.get(node, f"captured_{i}") for i, node in enumerate(captured)]


@contextlib.contextmanager
def _in_eval_mode(model: Any) -> Iterator[None]:
    """Every module in eval mode inside, and afterwards as it was."""
    modules = list(model.modules()) if isinstance(model, Module) else []
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, training in zip(modules, modes, strict=True):
            module.training = training
