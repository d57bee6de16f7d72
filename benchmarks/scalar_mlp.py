"""How long is a training step of an MLP made of scalars?  Ours against micrograd's.

Both programs are the same: a sum of products per neuron, squared error, plain gradient descent,
everything eager.  micrograd's MLP is its own, as published; ours is written in the same style.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from typing import Any

from benchmarks import harness

TITLE = "Scalar MLP 2-16-16-1, 16 samples: one training step"
CASES = {"2-16-16-1": (2, [16, 16, 1])}
SAMPLES = 16
LEARNING_RATE = 0.01

# micrograd's graphs are cycles, which the garbage collector alone can free: one step takes 20 ms,
# another 150.  A turn is long enough to hold its share of collections.
TURN = 1.0


def _samples(count: int) -> tuple[list[list[float]], list[float]]:
    draw = random.Random(1)
    xs = [[draw.gauss(0, 1), draw.gauss(0, 1)] for _ in range(count)]
    return xs, [1.0 if a * b > 0 else -1.0 for a, b in xs]


def micrograd(case: Any, samples: int = SAMPLES) -> Callable[[], float]:
    """micrograd as published."""
    from micrograd.nn import MLP

    xs, ys = _samples(samples)
    random.seed(0)
    model = MLP(*case)

    def step() -> float:
        losses = [(model(x) - y) ** 2 for x, y in zip(xs, ys, strict=True)]
        loss = sum(losses) * (1 / len(losses))
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= LEARNING_RATE * p.grad
        return loss.data

    return step


def tinygrad_edu(case: Any, samples: int = SAMPLES) -> Callable[[], float]:
    """The same network of `Value`s."""
    from tinygrad_edu import Value

    class Neuron:
        def __init__(self, size: int, nonlinear: bool) -> None:
            self.w = [Value(random.uniform(-1, 1)) for _ in range(size)]
            self.b = Value(0)
            self.nonlinear = nonlinear

        def __call__(self, x: list[Any]) -> Any:
            total = sum(map(operator.mul, self.w, x), self.b)
            return total.relu() if self.nonlinear else total

    class MLP:
        def __init__(self, inputs: int, outputs: list[int]) -> None:
            sizes = zip([inputs, *outputs], outputs, strict=False)
            self.layers = [
                [Neuron(n, len(outputs) - 1 != i) for _ in range(m)]
                for i, (n, m) in enumerate(sizes)
            ]

        def __call__(self, x: list[Any]) -> Any:
            for layer in self.layers:
                x = [neuron(x) for neuron in layer]
            return x[0]

        def parameters(self) -> list[Value]:
            return [p for layer in self.layers for n in layer for p in [*n.w, n.b]]

    xs, ys = _samples(samples)
    random.seed(0)
    model = MLP(*case)

    def step() -> float:
        losses = [(model(x) - y) ** 2 for x, y in zip(xs, ys, strict=True)]
        loss = sum(losses) * (1 / len(losses))
        for p in model.parameters():
            p.grad = 0
        loss.backward()
        for p in model.parameters():
            p.data -= LEARNING_RATE * p.grad
        return loss.data

    return step


ENGINES = {"micrograd": micrograd, "tinygrad_edu": tinygrad_edu}


def report(*, rounds: int) -> str:
    """The section of RESULTS.md."""
    rows = harness.compare(
        "scalar_mlp", "2-16-16-1", list(ENGINES), rounds=rounds, turn=TURN, tolerance=1e-9
    )
    speed = 1 / rows[1].ratio(rows[0])
    return "\n\n".join(
        [
            harness.conditions(["micrograd"]),
            "Forward, loss, backward, update and clearing of gradients; the garbage collector on.",
            harness.rows_table(rows, reference="micrograd"),
            harness.verdict("times as fast as micrograd", speed, 3, at_least=True),
        ]
    )
