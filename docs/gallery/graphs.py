"""The graphs of the gallery: one function each, that computes something real and draws it.

``python docs/gallery/graphs.py`` writes every picture beside this file; names after it, only those.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tinygrad_edu import Tensor, Value, data, diff, draw, grad, nn, ops, trace
from tinygrad_edu.readers.picture import Drawing


def _neuron(w1: float, w2: float, b: float) -> tuple[Value, list[Value]]:
    """A neuron of two inputs, and its parameters."""
    parameters = [Value(w1, name="w1"), Value(w2, name="w2"), Value(b, name="b")]
    x1, x2 = Value(2.0, name="x1"), Value(0.5, name="x2")
    out = (parameters[0] * x1 + parameters[1] * x2 + parameters[2]).tanh()
    out.name = "o"
    out.backward()
    return out, parameters


def neuron() -> Drawing:
    """A neuron: every value, its gradient, and the local derivatives between them."""
    out, _ = _neuron(-3.0, 1.0, 6.0)
    return draw(out)


def neuron_after_a_step() -> Drawing:
    """The same neuron before and after a step of gradient descent."""
    out, parameters = _neuron(-3.0, 1.0, 6.0)
    w1, w2, b = (p.data - 0.1 * p.grad for p in parameters)
    after, _ = _neuron(w1, w2, b)
    return draw(diff(trace(out), trace(after)))


def square_and_diamond() -> Drawing:
    """x used twice by one operation, and a value that two operations use: gradients add up."""
    x = Value(1.5, name="x")
    square = x * x
    square.name = "square"
    y = square.exp() / (1 + square.log())
    y.name = "y"
    y.backward()
    return draw(y)


def mlp_on_digits() -> Drawing:
    """An MLP in its first training step on handwritten digits, a box per module."""
    generator = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    _fill(model, generator)
    digits, _ = data.digits("writer", flat=True)
    pictures, classes = digits.tensors
    images, labels = Tensor(pictures[:128], name="images"), Tensor(classes[:128], name="y")
    loss = nn.CrossEntropyLoss()(model(images), labels)
    loss.name = "loss"
    loss.backward()
    return draw(loss, collapse="modules", thumbnails=True)


class LeNet(nn.Module):
    """Two convolutions and three linear layers, after LeCun et al. (1998)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 1, 28, 28) -> scores (N, 10)."""
        x = self.pool(self.conv1(x).relu())  # (N, 6, 14, 14)
        x = self.pool(self.conv2(x).relu())  # (N, 16, 5, 5)
        x = x.reshape(len(x.data), -1)
        return self.fc3(self.fc2(self.fc1(x).relu()).relu())


def lenet() -> Drawing:
    """LeNet on a batch of images, with gradients, a box per layer."""
    generator = np.random.default_rng(0)
    model = LeNet()
    _fill(model, generator)
    images = Tensor(generator.random((8, 1, 28, 28), dtype="f4"), name="images")
    labels = Tensor(generator.integers(0, 10, 8), name="y")
    loss = nn.CrossEntropyLoss()(model(images), labels)
    loss.name = "loss"
    loss.backward()
    return draw(loss, collapse="modules", direction="TB")


def softmax_cross_entropy() -> Drawing:
    """What cross entropy is made of, opened, and the softmax inside it."""
    logits = Tensor([[2.0, 1.0, 0.1], [0.5, 2.5, 0.3]], requires_grad=True, name="logits")
    loss = ops.cross_entropy(logits, Tensor(np.array([0, 2]), name="y"))
    loss.name = "loss"
    loss.backward()
    return draw(loss, zoom=["cross_entropy", "log_softmax"], direction="TB")


class Cell(nn.Module):
    """An LSTM cell written out, after Hochreiter and Schmidhuber (1997) with a forget gate."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs + units, 4 * units)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The state after a step: (N, inputs), (N, units), (N, units) -> h and c."""
        i, f, g, o = ops.split(self.gates(ops.concat(x, h, axis=1)), sections=4, axis=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


def _lstm(steps: int) -> Tensor:
    """The loss of an LSTM after some steps."""
    generator = np.random.default_rng(0)
    cell, readout = Cell(3, 8), nn.Linear(8, 1)
    _fill(cell, generator)
    _fill(readout, generator)
    h = c = Tensor(np.zeros((4, 8), dtype="f4"), name="start")
    for t in range(steps):
        x = Tensor(generator.normal(size=(4, 3)).astype("f4"), name=f"x{t + 1}")
        h, c = cell(x, h, c)
    loss = readout(h).square().mean()
    loss.name = "loss"
    loss.backward()
    return loss


def lstm_collapsed() -> Drawing:
    """An LSTM unrolled over 20 steps: the cell is one box, used 20 times."""
    return draw(_lstm(20))


def lstm_focus() -> Drawing:
    """The same, from the input of the last step onwards: what the cell is made of."""
    return draw(_lstm(20), focus="x20", up=0, down=6)


class Attention(nn.Module):
    """One head of causal self-attention with its residual and norm, after Vaswani et al. (2017)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(size, size, bias=False) for _ in range(3))
        self.out, self.norm = nn.Linear(size, size), nn.LayerNorm(size)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (T, size) -> (T, size)."""
        length, size = x.shape
        scores = self.q(x) @ self.k(x).T / size**0.5  # (T, T)
        later = np.triu(np.ones((length, length), dtype=bool), 1)
        weights = ops.softmax(ops.where(Tensor(later, name="later"), -1e9, scores))
        weights.name = "weights"
        return self.norm(x + self.out(weights @ self.v(x)))


def attention_block() -> Drawing:
    """Attention on five tokens: modules as boxes, and the weights with their heat map."""
    generator = np.random.default_rng(0)
    block = Attention(8)
    _fill(block, generator)
    tokens = Tensor(generator.normal(size=(5, 8)).astype("f4"), name="tokens")
    out = block(tokens)
    out.name = "out"
    out.backward(generator.normal(size=out.shape).astype("f4"))
    return draw(out, collapse="modules", thumbnails=True, direction="TB")


def second_derivative() -> Drawing:
    """The graph of a derivative, and of the derivative of that: d2/dx2 of tanh(x) x."""
    x = Value(0.5, name="x")
    y = x.tanh() * x
    first = grad(y, x, create_graph=True)
    first.name = "dy/dx"
    second = grad(first, x, create_graph=True)
    second.name = "d²y/dx²"
    second.backward()
    return draw([first, second])


def ten_thousand() -> Drawing:
    """The loss of an MLP of single numbers on 16 points: over 10,000 nodes, drawn as a few."""
    generator = np.random.default_rng(0)
    points, labels = (numbers.tolist() for numbers in data.moons(16).tensors)
    model = nn.scalar.MLP(2, [16, 16, 1], generator=generator)
    losses = [
        (1 - (2 * label - 1) * model([Value(v) for v in point])).relu()
        for point, label in zip(points, labels, strict=True)
    ]
    loss = sum(losses[1:], losses[0]) / len(losses)
    loss.name = "loss"
    loss.backward()
    return draw(loss)


def _fill(model: nn.Module, generator: np.random.Generator) -> None:
    """Give all parameters values that are the same everywhere."""
    for parameter in model.parameters():
        wide = parameter.shape[-1] ** -0.5
        parameter.data = generator.uniform(-wide, wide, parameter.shape).astype("f4")


GRAPHS: dict[str, Callable[[], Drawing]] = {
    function.__name__: function
    for function in (
        neuron,
        neuron_after_a_step,
        square_and_diamond,
        mlp_on_digits,
        lenet,
        softmax_cross_entropy,
        lstm_collapsed,
        lstm_focus,
        attention_block,
        second_derivative,
        ten_thousand,
    )
}


if __name__ == "__main__":
    here = Path(__file__).parent
    for name in sys.argv[1:] or GRAPHS:
        path = GRAPHS[name]().save(here / f"{name}.svg")
        print(f"{path.name}: {path.stat().st_size:,} bytes")
