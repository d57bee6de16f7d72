"""One step of AdamW on a million parameters in twenty tensors, its gradients given.

The number compared in place of a loss is the first parameter.  Measured by `layers`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[], float]
TENSORS, SIZE = 20, 50_000


def data() -> tuple[list[Any], list[Any]]:
    """Parameters and gradients, always the same."""
    draw = np.random.default_rng(0)
    made = [draw.standard_normal((TENSORS, SIZE)).astype("f4") for _ in range(2)]
    return [*made[0]], [*made[1]]


def tinygrad_edu(fused: bool = False) -> Step:
    """This library's optimiser; fused, it is machine code made of its formula."""
    from tinygrad_edu import Tensor, optim

    arrays, gradients = data()
    parameters = [Tensor(array, requires_grad=True) for array in arrays]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g
    optimizer = optim.AdamW(parameters, fused=fused)

    def step() -> float:
        optimizer.step()
        return float(parameters[0].data[0])

    return step


def pytorch() -> Step:
    """PyTorch's default."""
    import torch

    arrays, gradients = data()
    parameters = [torch.from_numpy(array).requires_grad_() for array in arrays]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = torch.from_numpy(g)
    optimizer = torch.optim.AdamW(parameters)

    def step() -> float:
        optimizer.step()
        return parameters[0].detach()[0].item()

    return step


PROGRAMS: dict[str, Callable[[], Step]] = {
    "PyTorch": pytorch,
    "tinygrad_edu": tinygrad_edu,
    "tinygrad_edu, fused": lambda: tinygrad_edu(fused=True),
}
