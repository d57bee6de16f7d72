"""A model as an ONNX graph: traced at two sizes of the batch, so that neither is written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.interop.models import examples_of, names_of_captured, traced
from tinygrad_edu.interop.onnx.writing import Writing
from tinygrad_edu.nn.module import Module
from tinygrad_edu.readers.program.steps import Program

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

    >>> import onnxruntime
    >>> from tinygrad_edu import nn, randn
    >>> model = nn.Linear(3, 2)
    >>> exported = export_onnx(model, randn(4, 3), "model.onnx")
    >>> session = onnxruntime.InferenceSession("model.onnx")  # in another program
    >>> images = randn(7, 3)
    >>> (scores,) = session.run(None, {"input": images.numpy()})
    >>> scores.shape, bool(abs(scores - model(images).data).max() < 1e-5)
    ((7, 2), True)
    """
    examples = examples_of(example, "export_onnx")
    axes = _axes(batch_axis, len(examples))
    sizes = _SIZES if axes != [None] * len(axes) else _SIZES[:1]
    given = [[_resized(x, axis, n) for x, axis in zip(examples, axes, strict=True)] for n in sizes]
    traces = [traced(model, some, "export_onnx") for some in given]
    programs = [trace.program for trace in traces]
    _compare(programs)
    weights = zip(names_of_captured(model, traces[0]), traces[0].captured, strict=True)
    writing = Writing(programs[0], programs[-1], _SIZES[0])
    made = writing.model(axes, [(name, node._data) for name, node in weights])
    if path is not None:
        Path(path).write_bytes(made.SerializeToString())
    return made


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
