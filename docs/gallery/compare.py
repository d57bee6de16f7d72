"""Five models of the gallery as torchviz and torchview draw them, for the page beside this file.

``python docs/gallery/compare.py`` needs torch, torchviz and torchview, which nothing else here
does: ``pip install torch torchviz torchview``.  Graphviz is the one inside pygraphviz.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torchview import draw_graph
from torchviz import make_dot

from tinygrad_edu.readers.graphviz_process import child

HERE = Path(__file__).parent


class Neuron(nn.Module):
    """tanh(w1 x1 + w2 x2 + b), every number a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.w1, self.w2, self.b = (nn.Parameter(torch.tensor(v)) for v in (-3.0, 1.0, 6.0))

    def forward(self, x1: Any, x2: Any) -> Any:
        """Two numbers -> one."""
        return torch.tanh(self.w1 * x1 + self.w2 * x2 + self.b)


class LeNet(nn.Module):
    """Two convolutions and three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Any) -> Any:
        """Images (N, 1, 28, 28) -> scores (N, 10)."""
        x = self.pool(self.conv1(x).relu())
        x = self.pool(self.conv2(x).relu())
        return self.fc3(self.fc2(self.fc1(x.flatten(1)).relu()).relu())


class LSTM(nn.Module):
    """An LSTM cell over all steps of a sequence, and a linear layer on its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.gates, self.readout = nn.Linear(11, 32), nn.Linear(8, 1)

    def forward(self, sequence: Any) -> Any:
        """(T, N, 3) -> (N, 1)."""
        h = c = torch.zeros(sequence.shape[1], 8)
        for x in sequence:
            i, f, g, o = self.gates(torch.cat([x, h], 1)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return self.readout(h)


class Attention(nn.Module):
    """One head of causal self-attention with its residual and norm."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(size, size, bias=False) for _ in range(3))
        self.out, self.norm = nn.Linear(size, size), nn.LayerNorm(size)

    def forward(self, x: Any) -> Any:
        """Tokens (T, size) -> (T, size)."""
        length, size = x.shape
        scores = self.q(x) @ self.k(x).T / size**0.5
        later = torch.ones(length, length).triu(1).bool()
        weights = torch.softmax(scores.masked_fill(later, -1e9), -1)
        return self.norm(x + self.out(weights @ self.v(x)))


def _cross_entropy(scores: Any) -> Any:
    return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))


MODELS: dict[str, tuple[nn.Module, tuple[Any, ...], Callable[[Any], Any]]] = {
    "neuron": (Neuron(), (torch.tensor(2.0), torch.tensor(0.5)), torch.sum),
    "mlp_on_digits": (
        nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
        (torch.rand(128, 64),),
        _cross_entropy,
    ),
    "lenet": (LeNet(), (torch.rand(8, 1, 28, 28),), _cross_entropy),
    "lstm_collapsed": (LSTM(), (torch.rand(20, 4, 3),), lambda y: (y * y).mean()),
    "attention_block": (Attention(8), (torch.rand(5, 8),), torch.sum),
}


if __name__ == "__main__":
    for name, (model, inputs, loss) in MODELS.items():
        drawings = {
            "torchviz": make_dot(loss(model(*inputs)), dict(model.named_parameters())),
            "torchview": draw_graph(model, input_data=list(inputs), device="cpu").visual_graph,
        }
        for tool, dot in drawings.items():
            (HERE / tool).mkdir(exist_ok=True)
            path = HERE / tool / f"{name}.svg"
            path.write_bytes(child().render(dot.source, "svg", 20.0))
            print(f"{tool}/{path.name}: {path.stat().st_size:,} bytes")
