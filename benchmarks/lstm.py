"""One training step of an LSTM: one layer of 128, sequences of 32 steps of 128 numbers, batch 32.

Its states against targets by squared error, gradient descent, all in float32 and from the same
weights.  Measured by `layers`.  MyGrad has no LSTM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[], float]
STEPS, BATCH, INPUTS, SIZE = 32, 32, 128, 128
LEARNING_RATE = 0.1


def data() -> tuple[Any, Any, dict[str, Any]]:
    """Sequences, targets, and the parameters by PyTorch's names, always the same."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((STEPS, BATCH, INPUTS)).astype("f4")
    y = draw.uniform(-0.5, 0.5, (STEPS, BATCH, SIZE)).astype("f4")
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih_l0": (4 * SIZE, INPUTS),
        "weight_hh_l0": (4 * SIZE, SIZE),
        "bias_ih_l0": (4 * SIZE,),
        "bias_hh_l0": (4 * SIZE,),
    }
    bound = SIZE**-0.5
    state = {name: draw.uniform(-bound, bound, s).astype("f4") for name, s in shapes.items()}
    return x, y, state


def numpy_by_hand() -> Step:
    """The derivative worked out on paper; the gates are kept for the way back."""
    x, y, state = data()
    w_x, w_h, b_x, b_h = state.values()
    rows = x.reshape(-1, INPUTS)

    def sigmoid(a: Any) -> Any:
        return 0.5 * np.tanh(0.5 * a) + 0.5

    def step() -> float:
        a = (rows @ w_x.T + (b_x + b_h)).reshape(STEPS, BATCH, -1)
        w = np.ascontiguousarray(w_h.T)
        h, c = np.zeros((STEPS + 1, BATCH, SIZE), "f4"), np.zeros((STEPS + 1, BATCH, SIZE), "f4")
        squashed = np.empty((STEPS, BATCH, SIZE), "f4")
        for t in range(STEPS):
            z = a[t]
            z += h[t] @ w
            z[:, : 2 * SIZE] = sigmoid(z[:, : 2 * SIZE])
            z[:, 2 * SIZE : 3 * SIZE] = np.tanh(z[:, 2 * SIZE : 3 * SIZE])
            z[:, 3 * SIZE :] = sigmoid(z[:, 3 * SIZE :])
            i, f, g, o = np.split(z, 4, axis=1)
            c[t + 1] = f * c[t] + i * g
            squashed[t] = np.tanh(c[t + 1])
            h[t + 1] = o * squashed[t]
        difference = h[1:] - y
        loss = (difference * difference).mean()
        dh_all = difference * (2 / difference.size)
        da = np.empty_like(a)
        dh, dc = np.zeros((BATCH, SIZE), "f4"), np.zeros((BATCH, SIZE), "f4")
        for t in range(STEPS - 1, -1, -1):
            i, f, g, o = np.split(a[t], 4, axis=1)
            dh += dh_all[t]
            dc += dh * o * (1 - squashed[t] ** 2)
            da[t, :, :SIZE] = dc * g * i * (1 - i)
            da[t, :, SIZE : 2 * SIZE] = dc * c[t] * f * (1 - f)
            da[t, :, 2 * SIZE : 3 * SIZE] = dc * i * (1 - g * g)
            da[t, :, 3 * SIZE :] = dh * squashed[t] * o * (1 - o)
            dh = da[t] @ w_h
            dc *= f
        flat = da.reshape(-1, 4 * SIZE)
        db = flat.sum(axis=0)
        gradients = (flat.T @ rows, flat.T @ h[:-1].reshape(-1, SIZE), db, db)
        for p, gradient in zip((w_x, w_h, b_x, b_h), gradients, strict=True):
            p -= LEARNING_RATE * gradient
        return loss

    return step


def tinygrad_edu() -> Step:
    """This library's layer and optimiser."""
    from tinygrad_edu import Tensor, nn, optim

    x, y, state = data()
    model = nn.LSTM(INPUTS, SIZE)
    model.load_state_dict(state)
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)
    inputs, targets = Tensor(x), Tensor(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs)[0], targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def pytorch() -> Step:
    """PyTorch, eager, on the CPU."""
    import torch

    x, y, state = data()
    model = torch.nn.LSTM(INPUTS, SIZE)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(inputs)[0], targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


PROGRAMS: dict[str, Callable[[], Step]] = {
    "PyTorch": pytorch,
    "tinygrad_edu": tinygrad_edu,
    "NumPy": numpy_by_hand,
}
