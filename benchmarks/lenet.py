"""One training step of LeNet on 28 x 28 images, as a user of each engine would write it.

Two convolutions with ReLU and max pooling, three linear layers, cross-entropy, gradient descent,
all in float32 and from the same weights.  Measured by `layers`.
Source: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", figure 2
(there with other nonlinearities and pooling).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[], float]
BATCH = 64
LEARNING_RATE = 0.01
SHAPES = [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)]


def data() -> tuple[Any, Any, list[Any], list[Any]]:
    """Images, classes, weights and biases, always the same."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((BATCH, 1, 28, 28)).astype("f4")
    y = draw.integers(0, 10, BATCH)
    weights = [
        (draw.standard_normal(shape) * (2 / np.prod(shape[1:])) ** 0.5).astype("f4")
        for shape in SHAPES
    ]
    return x, y, weights, [np.zeros(shape[0], "f4") for shape in SHAPES]


def numpy_by_hand() -> Step:
    """The derivative worked out on paper; convolutions as products with a matrix of windows."""
    x, y, weights, biases = data()
    rows = np.arange(BATCH)

    def columns(image: Any, side: int) -> Any:
        n, c, h, w = image.shape
        down, across = h - side + 1, w - side + 1
        out = np.empty((c, side, side, n, down, across), image.dtype)
        for i in range(side):
            for j in range(side):
                seen = image[:, :, i : i + down, j : j + across]
                out[:, i, j] = seen.transpose(1, 0, 2, 3)
        return out

    def convolve(image: Any, w: Any, b: Any) -> tuple[Any, Any]:
        windows = columns(image, w.shape[2])
        out = w.reshape(len(w), -1) @ windows.reshape(w[0].size, -1)
        out = out.reshape(len(w), *windows.shape[3:]).transpose(1, 0, 2, 3)
        return out + b[:, None, None], windows

    def convolve_back(g: Any, windows: Any, w: Any, shape: Any) -> tuple[Any, Any, Any]:
        """Gradients of the kernel, the bias and, if its shape is given, the image."""
        g_rows = g.transpose(1, 0, 2, 3).reshape(len(w), -1)
        dw = (g_rows @ windows.reshape(w[0].size, -1).T).reshape(w.shape)
        if shape is None:
            return dw, g_rows.sum(axis=1), None
        back = (w.reshape(len(w), -1).T @ g_rows).reshape(windows.shape)
        image = np.zeros((shape[1], shape[0], *shape[2:]), g.dtype)
        for i in range(w.shape[2]):
            for j in range(w.shape[3]):
                image[:, :, i : i + g.shape[2], j : j + g.shape[3]] += back[:, i, j]
        return dw, g_rows.sum(axis=1), image.transpose(1, 0, 2, 3)

    def pool(image: Any) -> tuple[Any, Any]:
        n, c, h, w = image.shape
        windows = image.reshape(n, c, h // 2, 2, w // 2, 2)
        return windows.max(axis=(3, 5)), windows

    def pool_back(g: Any, out: Any, windows: Any) -> Any:
        here = windows == out[:, :, :, None, :, None]
        spread = here * g[:, :, :, None, :, None]
        n, c, h, _, w, _ = windows.shape
        return spread.reshape(n, c, 2 * h, 2 * w)

    def step() -> float:
        z1, windows1 = convolve(np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2))), weights[0], biases[0])
        a1 = np.maximum(z1, 0)
        p1, pooled1 = pool(a1)
        z2, windows2 = convolve(p1, weights[1], biases[1])
        a2 = np.maximum(z2, 0)
        p2, pooled2 = pool(a2)
        inputs, h = [], p2.reshape(BATCH, -1)
        for w, b in zip(weights[2:], biases[2:], strict=True):
            inputs.append(h)
            z = h @ w.T + b
            h = np.maximum(z, 0)
        z -= z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[rows, y]).mean()
        g = e / total
        g[rows, y] -= 1
        g /= BATCH
        gradients = []
        for i in (4, 3, 2):
            h = inputs[i - 2]
            gradients.append((i, g.T @ h, g.sum(axis=0)))
            g = g @ weights[i]
            if i > 2:
                g *= h > 0
        g = pool_back(g.reshape(p2.shape), p2, pooled2) * (z2 > 0)
        dw, db, g = convolve_back(g, windows2, weights[1], p1.shape)
        gradients.append((1, dw, db))
        g = pool_back(g, p1, pooled1) * (z1 > 0)
        dw, db, _ = convolve_back(g, windows1, weights[0], None)
        gradients.append((0, dw, db))
        for i, dw, db in gradients:
            weights[i] -= LEARNING_RATE * dw
            biases[i] -= LEARNING_RATE * db
        return loss

    return step


def tinygrad_edu() -> Step:
    """This library's layers and optimiser."""
    from tinygrad_edu import Tensor, nn, optim

    model, loss_of = _model(nn), nn.CrossEntropyLoss()
    x, y, weights, biases = data()
    arrays = [array for pair in zip(weights, biases, strict=True) for array in pair]
    model.load_state_dict(dict(zip(model.state_dict(), arrays, strict=True)))
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)
    images, classes = Tensor(x), Tensor(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(model(images), classes)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _model(nn: Any) -> Any:
    """The network, from our `nn` or from PyTorch's."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, 10),
    )


def pytorch() -> Step:
    """PyTorch, eager, on the CPU."""
    import torch

    model, loss_of = _model(torch.nn), torch.nn.CrossEntropyLoss()
    x, y, weights, biases = data()
    arrays = [
        torch.from_numpy(array) for pair in zip(weights, biases, strict=True) for array in pair
    ]
    model.load_state_dict(dict(zip(model.state_dict(), arrays, strict=True)))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    images, classes = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(model(images), classes)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def mygrad() -> Step:
    """MyGrad, without its memory guard, the quicker of its two settings."""
    import mygrad as mg
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    mg.turn_memory_guarding_off()
    x, y, weights, biases = data()
    weights = [mg.tensor(w) for w in weights]
    biases = [mg.tensor(b) for b in biases]

    def step() -> float:
        h: Any = x
        for w, b, padding in zip(weights[:2], biases[:2], (2, 0), strict=True):
            h = conv_nd(h, w, stride=1, padding=padding) + b.reshape(-1, 1, 1)
            h = max_pool(relu(h), (2, 2), 2)
        h = h.reshape(BATCH, -1)
        for w, b in zip(weights[2:], biases[2:], strict=True):
            z = mg.matmul(h, w.T) + b
            h = relu(z)
        loss = softmax_crossentropy(z, y)
        loss.backward()
        for p in [*weights, *biases]:
            p.data -= LEARNING_RATE * p.grad
            p.null_grad()
        return loss.item()

    return step


def dezero() -> Step:
    """DeZero, with the repairs of `tensor_mlp`."""
    from benchmarks.tensor_mlp import dezero_on_numpy_2

    dezero_on_numpy_2()
    import dezero.functions as F
    from dezero import Parameter

    x, y, weights, biases = data()
    y = y.astype("i2")  # its one-hot takes this dtype; int64 makes float64
    weights = [Parameter(w) for w in weights]
    biases = [Parameter(b) for b in biases]

    def step() -> float:
        h = x
        for w, b, padding in zip(weights[:2], biases[:2], (2, 0), strict=True):
            h = F.pooling(F.relu(F.conv2d(h, w, b, pad=padding)), 2, 2)
        h = F.reshape(h, (BATCH, -1))
        for w, b in zip(weights[2:], biases[2:], strict=True):
            z = F.linear(h, F.transpose(w), b)
            h = F.relu(z)
        loss = F.softmax_cross_entropy(z, y)
        for p in [*weights, *biases]:
            p.cleargrad()
        loss.backward()
        for p in [*weights, *biases]:
            p.data -= LEARNING_RATE * p.grad.data
        return loss.data

    return step


PROGRAMS: dict[str, Callable[[], Step]] = {
    "PyTorch": pytorch,
    "tinygrad_edu": tinygrad_edu,
    "NumPy": numpy_by_hand,
    "MyGrad": mygrad,
    "DeZero": dezero,
}
