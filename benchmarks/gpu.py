"""On a graphics card: training steps and a chain of elementwise operations, beside PyTorch.

    python -m benchmarks.run gpu --write    # where there is a card, CuPy and PyTorch for CUDA

Both libraries run in one process on one card, in turn, with the same weights, in full single
precision.  A turn is a number of steps between two events of the card's default stream, which both
use, after a warm-up, so that neither is charged for its compiler.  No card was at hand when this
was written: it has run on a stand-in for CuPy alone.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import lenet, transformer

TITLE = "On a GPU"
Step = Callable[[], object]
CHAIN = 2**26  # elements
LEARNING_RATE = 1e-3


class Problem(NamedTuple):
    """A network, from our `nn` or from PyTorch's, its data, and its loss by name."""

    network: Callable[[Any], Any]
    weights: list[Any]  # in the order of its parameters
    x: Any
    y: Any
    loss: str


def dense(width: int, batch: int) -> Problem:
    """Two square layers with ReLU between them, against targets."""
    draw = np.random.default_rng(0)

    def network(nn: Any) -> Any:
        layers = (nn.Linear(width, width, bias=False) for _ in range(2))
        return nn.Sequential(next(layers), nn.ReLU(), next(layers))

    weights = [(draw.standard_normal((width, width)) * width**-0.5).astype("f4") for _ in range(2)]
    x, y = (draw.standard_normal((batch, width)).astype("f4") for _ in range(2))
    return Problem(network, weights, x, y, "mse_loss")


def digits() -> Problem:
    """The LeNet of `lenet`."""
    x, y, weights, biases = lenet.data()
    arrays = [array for pair in zip(weights, biases, strict=True) for array in pair]
    return Problem(lenet._model, arrays, x, y, "cross_entropy")


def block() -> Problem:
    """The block of `transformer`, with ReLU."""
    from tinygrad_edu import nn

    sizes = (transformer.SIZE, transformer.HEADS, transformer.WIDTH)

    def network(nn: Any) -> Any:
        return nn.TransformerEncoderLayer(*sizes, 0.0, "relu", batch_first=True)

    return Problem(
        network, [*transformer._state(network(nn)).values()], *transformer.data(), "mse_loss"
    )


class Case(NamedTuple):
    """A problem, how ours runs it, and at most how many times PyTorch's it may take."""

    problem: Callable[[], Problem]
    how: str
    most: float


CASES = {
    "dense 4096, batch 4096, compiled": Case(lambda: dense(4096, 4096), "compiled", 1.1),
    "dense 256, batch 256, captured": Case(lambda: dense(256, 256), "captured", 0.5),
    "LeNet, compiled": Case(digits, "compiled", 1.5),
    "transformer block, compiled": Case(block, "compiled", 1.5),
}


def tinygrad_edu(problem: Problem, how: str) -> Step:
    """A step of ours on CuPy: "eager", with a "compiled" loss, or "captured" as a whole besides."""
    from tinygrad_edu import Tensor, compile, device, nn, optim

    with device("cuda"):
        model = problem.network(nn)
        x, y = Tensor(problem.x), Tensor(problem.y)
    model.load_state_dict(dict(zip(model.state_dict(), problem.weights, strict=True)))
    optimizer = optim.SGD(model.parameters(), lr=LEARNING_RATE)
    function = getattr(nn.functional, problem.loss)

    def loss(x: Any, y: Any) -> Any:
        return function(model(x), y)

    loss_of = loss if how == "eager" else compile(loss)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        out = loss_of(x, y)
        out.backward()
        optimizer.step()
        return out

    if how == "captured":
        step = compile(step, capture=True)
    return functools.partial(step, x, y)


def pytorch(problem: Problem, device: str = "cuda") -> Step:
    """The same step of PyTorch's, eager."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model = problem.network(torch.nn)
    state = zip(model.state_dict(), map(torch.from_numpy, problem.weights), strict=True)
    model.load_state_dict(dict(state))
    model.to(device)
    x, y = (torch.from_numpy(a).to(device) for a in (problem.x, problem.y))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    function = getattr(torch.nn.functional, problem.loss)

    def step() -> Any:
        optimizer.zero_grad()
        out = function(model(x), y)
        out.backward()
        optimizer.step()
        return out

    return step


def chain(size: int) -> Step:
    """Six elementwise operations, compiled: relu(tanh(x * 2 + 1) * x - x)."""
    from tinygrad_edu import Tensor, compile, no_grad

    x = Tensor(np.linspace(-1.0, 1.0, size, dtype="f4"), device="cuda")
    function = compile(lambda x: ((x * 2.0 + 1.0).tanh() * x - x).relu())

    def step() -> object:
        with no_grad():
            return function(x)

    return step


def copy(size: int) -> Step:
    """A copy of as many numbers: what the card's memory allows."""
    from tinygrad_edu.namespaces.arrays import cupy_arrays

    library = cupy_arrays().library
    return functools.partial(library.copy, library.zeros(size, dtype="f4"))


def ratio(ours: Step, theirs: Step, rounds: int, steps: int) -> float:
    """The median, over rounds, of our time for some steps divided by theirs."""
    for step in (ours, theirs):
        for _ in range(max(steps, 3)):  # compiled by the first, recorded by the third
            step()
    return statistics.median(_turn(ours, steps) / _turn(theirs, steps) for _ in range(rounds))


def _turn(step: Step, steps: int) -> float:
    """The milliseconds that the card, and who sends to it, take."""
    from tinygrad_edu.namespaces.arrays import cupy_arrays

    cuda = cupy_arrays().library.cuda
    began, ended = cuda.Event(), cuda.Event()
    began.record()
    for _ in range(steps):
        step()
    ended.record()
    ended.synchronize()
    return float(cuda.get_elapsed_time(began, ended))


def table(
    cases: dict[str, Case],
    theirs: Callable[[Problem], Step],
    size: int,
    rounds: int,
    steps: int = 20,
) -> list[str]:
    """The rows of the table: every case beside what `theirs` makes, and the chain."""
    lines = ["| case | ratio | target |", "|---|---|---|"]
    for name, case in cases.items():
        problem = case.problem()
        found = ratio(tinygrad_edu(problem, case.how), theirs(problem), rounds, steps)
        verdict = "**holds**" if found <= case.most else "**missed**"
        lines.append(f"| {name}, beside PyTorch | {found:.2f} | {case.most}: {verdict} |")
    share = ratio(copy(size), chain(size), rounds, steps)
    verdict = "**holds**" if share >= 0.8 else "**missed**"
    lines.append(
        f"| a chain of six, share of the bandwidth of a copy | {share:.2f} | 0.8: {verdict} |"
    )
    return lines


def report(rounds: int = 30) -> str:
    """The section of RESULTS.md; a sentence where there is no card."""
    try:
        import cupy
        import torch

        if not (cupy.cuda.runtime.getDeviceCount() and torch.cuda.is_available()):
            raise RuntimeError("no card")
        card = torch.cuda.get_device_name()
    except Exception as error:  # CuPy raises its own where there is no driver
        return f"Not measured: {type(error).__name__}: {error}"
    head = [f"{card}, {time.strftime('%d %B %Y')}, float32 without TF32.", ""]
    return "\n".join(head + table(CASES, pytorch, CHAIN, rounds))
