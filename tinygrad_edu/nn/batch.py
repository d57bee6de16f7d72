"""How a batch meets a model: what is in it, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn.module import Module


def forward_of(model: Module, loss: Callable[[Any, Any], Any]) -> Callable[..., tuple[Any, Any]]:
    """A function from the parts of a batch to the model's output and the loss."""

    def forward(*batch: Any) -> tuple[Any, Any]:
        *inputs, target = batch
        output = model(*inputs)
        return output, loss(output, target)

    return forward


def run_batch(
    model: Module,
    loss: Callable[[Any, Any], Any],
    batch: Sequence[Any],
    forward: Callable[..., tuple[Any, Any]] | None = None,
) -> tuple[Any, Any, Any]:
    """The model's output for a batch, the target, and the loss between them.

    batch : ``(*inputs, target)``; the loss is ``loss(model(*inputs), target)``.  Arrays become
        Tensors, and Tensors go to the device of the model's parameters.
    forward : what to run in place of `forward_of` the two: the same, compiled.

    Raises TypeError for a batch that has no inputs and target.

    >>> from tinygrad_edu import nn
    >>> batch = numpy.ones((4, 2), "float32"), numpy.array([0, 1, 2, 0])
    >>> output, target, loss = run_batch(nn.Linear(2, 3), nn.functional.cross_entropy, batch)
    >>> output.shape, target.shape, loss.shape
    ((4, 3), (4,), ())
    """
    device = next((p.device for p in model.parameters()), "cpu")
    placed = [_placed(x, device) for x in _checked(batch)]
    output, value = (forward or forward_of(model, loss))(*placed)
    return output, placed[-1], value


def batch_size(batch: Sequence[Any]) -> int:
    """How many examples a batch has: the length of its first part.

    Raises TypeError as `run_batch` does.

    >>> batch_size((numpy.zeros((4, 2)), numpy.zeros(4)))
    4
    """
    return len(_checked(batch)[0])


def _checked(batch: Any) -> Any:
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        kind = type(batch).__name__
        raise TypeError(
            "a batch is a tuple (input, target), or (input, another input, target), not a "
            f"{kind}{f' of length {len(batch)}' if isinstance(batch, tuple | list) else ''}; "
            "let the loader's collate_fn make one"
        )
    return batch


def _placed(x: Any, device: str) -> Any:
    if isinstance(x, numpy.ndarray):
        return Tensor(x, device=device)
    return x.to(device) if isinstance(x, Tensor) else x
