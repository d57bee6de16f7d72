"""How long is a training step of an MLP made of arrays?  Ours against NumPy and others.

One step is forward, loss, backward and ``w -= lr * gradient``, all in float32.  The small network
has squared error, the two digit-sized ones softmax cross-entropy.  Every engine starts from the
same weights; every program is what a user of that engine would write.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import harness

TITLE = "Tensor MLP: one training step"
LEARNING_RATE = 0.01
Step = Callable[[], float]


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """Layer sizes, samples per step, and whether the targets are classes or numbers."""

    sizes: tuple[int, ...]
    batch: int
    classes: bool
    limit: float  # the target: time / NumPy

    def data(self) -> tuple[Any, Any, list[Any], list[Any]]:
        """Inputs, targets, weight matrices and biases, always the same."""
        draw = np.random.default_rng(0)
        x = draw.standard_normal((self.batch, self.sizes[0])).astype("f4")
        if self.classes:
            y = draw.integers(0, self.sizes[-1], self.batch)
        else:
            y = draw.standard_normal((self.batch, self.sizes[-1])).astype("f4")
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        weights = [(draw.standard_normal((n, m)) * (2 / n) ** 0.5).astype("f4") for n, m in pairs]
        biases = [np.zeros(m, "f4") for _, m in pairs]
        return x, y, weights, biases


CASES = {
    "2-16-16-1, batch 16": Case((2, 16, 16, 1), 16, False, 1.8),
    "784-256-10, batch 128": Case((784, 256, 10), 128, True, 1.15),
    "784-512-512-10, batch 256": Case((784, 512, 512, 10), 256, True, 1.15),
}


def numpy_by_hand(case: Case) -> Step:
    """The derivative worked out on paper."""
    x, y, weights, biases = case.data()
    rows = np.arange(case.batch)

    def step() -> float:
        inputs = []
        h = x
        for w, b in zip(weights, biases, strict=True):
            inputs.append(h)
            z = h @ w + b
            h = np.maximum(z, 0)
        if case.classes:
            z -= z.max(axis=1, keepdims=True)
            e = np.exp(z)
            total = e.sum(axis=1, keepdims=True)
            loss = (np.log(total[:, 0]) - z[rows, y]).mean()
            g = e / total
            g[rows, y] -= 1
            g /= case.batch
        else:
            difference = z - y
            loss = (difference * difference).mean()
            g = difference * (2 / difference.size)
        for i in range(len(weights) - 1, -1, -1):
            w, h = weights[i], inputs[i]
            w_gradient = h.T @ g
            b_gradient = g.sum(axis=0)
            if i:
                g = (g @ w.T) * (h > 0)
            w -= LEARNING_RATE * w_gradient
            biases[i] -= LEARNING_RATE * b_gradient
        return loss

    return step


def tinygrad_edu(case: Case) -> Step:
    """This library."""
    from tinygrad_edu import Tensor, ops

    x, y, weights, biases = case.data()
    x, y = Tensor(x), Tensor(y)
    weights = [Tensor(w, requires_grad=True) for w in weights]
    biases = [Tensor(b, requires_grad=True) for b in biases]

    def step() -> float:
        h = x
        for w, b in zip(weights, biases, strict=True):
            z = h @ w + b
            h = z.relu() if w is not weights[-1] else z
        loss = ops.cross_entropy(h, y) if case.classes else ops.mse_loss(h, y)
        loss.backward()
        for p in [*weights, *biases]:
            p.data -= LEARNING_RATE * p.grad
            p.grad = None
        return loss.item()

    return step


def mygrad(case: Case) -> Step:
    """MyGrad, without its memory guard, the quicker of its two settings."""
    import mygrad as mg
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    mg.turn_memory_guarding_off()
    x, y, weights, biases = case.data()
    weights = [mg.tensor(w) for w in weights]
    biases = [mg.tensor(b) for b in biases]

    def step() -> float:
        h = x
        for w, b in zip(weights, biases, strict=True):
            z = mg.matmul(h, w) + b
            h = relu(z) if w is not weights[-1] else z
        loss = softmax_crossentropy(h, y) if case.classes else mg.mean((h - y) ** 2)
        loss.backward()
        for p in [*weights, *biases]:
            p.data -= LEARNING_RATE * p.grad
            p.null_grad()
        return loss.item()

    return step


def autograd(case: Case) -> Step:
    """HIPS autograd."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, y, weights, biases = case.data()
    rows = np.arange(case.batch)

    def loss_of(parameters: tuple[list[Any], list[Any]]) -> Any:
        h = x
        for w, b in zip(*parameters, strict=True):
            z = anp.dot(h, w) + b
            h = anp.maximum(z, 0)
        if not case.classes:
            return anp.mean((z - y) ** 2)
        z = z - anp.max(z, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(z), axis=1)) - z[rows, y])

    loss_and_gradient = value_and_grad(loss_of)

    def step() -> float:
        loss, gradients = loss_and_gradient((weights, biases))
        for parameters, parts in zip((weights, biases), gradients, strict=True):
            for p, g in zip(parameters, parts, strict=True):
                p -= LEARNING_RATE * g
        return loss

    return step


def dezero(case: Case) -> Step:
    """DeZero, with two repairs from outside for NumPy 2 (see `dezero_on_numpy_2`)."""
    dezero_on_numpy_2()
    import dezero.functions as F
    from dezero import Parameter

    x, y, weights, biases = case.data()
    y = y.astype("i2") if case.classes else y  # its one-hot takes this dtype; int64 makes float64
    weights = [Parameter(w) for w in weights]
    biases = [Parameter(b) for b in biases]

    def step() -> float:
        h = x
        for w, b in zip(weights, biases, strict=True):
            z = F.linear(h, w, b)
            h = F.relu(z) if w is not weights[-1] else z
        loss = F.softmax_cross_entropy(h, y) if case.classes else F.mean_squared_error(h, y)
        for p in [*weights, *biases]:
            p.cleargrad()
        loss.backward()
        for p in [*weights, *biases]:
            p.data -= LEARNING_RATE * p.grad.data
        return loss.data

    return step


def dezero_on_numpy_2() -> None:
    """Give back what DeZero 0.0.13 expects of NumPy 1: `np.int`, and weak Python floats.

    Without the second, its 0-d float64 constants turn the backward pass into float64.
    """
    np.int = int  # type: ignore[attr-defined]
    import dezero.core

    def as_array(x: Any, array_module: Any = np) -> Any:
        if isinstance(x, float) and not isinstance(x, np.generic):
            return array_module.array(x, dtype="f4")
        return array_module.array(x) if np.isscalar(x) else x

    dezero.core.as_array = as_array


def pytorch(case: Case) -> Step:
    """PyTorch, eager, on the CPU."""
    import torch
    from torch.nn import functional

    x, y, weights, biases = case.data()
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    weights = [torch.from_numpy(w).requires_grad_() for w in weights]
    biases = [torch.from_numpy(b).requires_grad_() for b in biases]

    def step() -> float:
        h = x
        for w, b in zip(weights, biases, strict=True):
            z = torch.addmm(b, h, w)
            h = functional.relu(z) if w is not weights[-1] else z
        loss = functional.cross_entropy(h, y) if case.classes else functional.mse_loss(h, y)
        loss.backward()
        with torch.no_grad():
            for p in [*weights, *biases]:
                p -= LEARNING_RATE * p.grad
                p.grad = None
        return loss.item()

    return step


ENGINES = {
    "NumPy": numpy_by_hand,
    "tinygrad_edu": tinygrad_edu,
    "MyGrad": mygrad,
    "autograd": autograd,
    "DeZero": dezero,
    "PyTorch": pytorch,
}


def report(*, rounds: int) -> str:
    """The section of RESULTS.md."""
    parts = [
        harness.conditions(["mygrad", "autograd", "dezero", "torch"]),
        "DeZero runs with two repairs from outside: `np.int`, and Python floats as weak float32 "
        "constants. MyGrad runs with memory guarding off. Threads are those of BLAS and OpenMP.",
    ]
    for threads in (1, 2):
        for name, case in CASES.items():
            rows = harness.compare(
                "tensor_mlp", name, list(ENGINES), threads=threads, rounds=rounds
            )
            ours = rows[1]
            verdicts = [harness.verdict("time / NumPy", ours.ratio(rows[0]), case.limit)]
            verdicts += [
                harness.verdict(f"time / {row.engine}", ours.ratio(row), 1.0)
                for row in rows[2:5]
                if not row.failure
            ]
            heading = f"### {name}; {threads} thread{'s' * (threads > 1)}"
            parts += [heading, harness.rows_table(rows, reference="NumPy"), "\n".join(verdicts)]
    return "\n\n".join(parts)
