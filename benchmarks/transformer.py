"""One training step of a transformer block: d = 128, 4 heads, a hidden layer of 512, batch 16.

Its result for sequences of length 64 against targets by squared error, gradient descent, all in
float32 and from the same weights.  Measured by `layers`, with the ReLU of the first transformers
and with the exact GELU of later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[], float]
BATCH, LENGTH, SIZE, HEADS, WIDTH = 16, 64, 128, 4, 512
LEARNING_RATE = 0.01


def data() -> tuple[Any, Any]:
    """Sequences and targets, always the same."""
    draw = np.random.default_rng(0)
    shape = (BATCH, LENGTH, SIZE)
    return draw.standard_normal(shape).astype("f4"), draw.standard_normal(shape).astype("f4")


def _state(model: Any) -> dict[str, Any]:
    """Parameters for the block by name, always the same; norms start at 1 and biases at 0."""
    draw = np.random.default_rng(1)
    state = {}
    for name, tensor in model.state_dict().items():
        shape = tuple(tensor.shape)
        if len(shape) > 1:
            state[name] = (draw.standard_normal(shape) * shape[1] ** -0.5).astype("f4")
        else:
            state[name] = np.full(shape, "norm" in name and "weight" in name, "f4")
    return state


def tinygrad_edu(activation: str) -> Step:
    """This library's layer and optimiser."""
    from tinygrad_edu import Tensor, nn, optim

    model = nn.TransformerEncoderLayer(SIZE, HEADS, WIDTH, 0.0, activation, batch_first=True)
    model.load_state_dict(_state(model))
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)
    inputs, targets = map(Tensor, data())

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def pytorch(activation: str) -> Step:
    """PyTorch, eager, on the CPU."""
    import torch

    model = torch.nn.TransformerEncoderLayer(SIZE, HEADS, WIDTH, 0.0, activation, batch_first=True)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in _state(model).items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    inputs, targets = map(torch.from_numpy, data())

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def programs(activation: str) -> dict[str, Callable[[], Step]]:
    """One program per engine."""
    return {
        "PyTorch": lambda: pytorch(activation),
        "tinygrad_edu": lambda: tinygrad_edu(activation),
    }
