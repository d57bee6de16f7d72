"""On a graphics card: dense training steps and a chain of elementwise operations, beside PyTorch.

    python -m benchmarks.run gpu --write    # where there is a card, CuPy and PyTorch for CUDA

Both libraries run in one process on one card, in turn.  A turn is a number of steps between two
synchronisations, timed by the clock after a warm-up, so that neither is charged for its compiler.
No card was at hand when this was written: it has run on a stand-in for CuPy alone.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

TITLE = "On a GPU"
Step = Callable[[], None]
Wait = Callable[[], None]
CASES = {  # width, batch, compiled, at most so many times PyTorch's
    "dense 4096, batch 4096": (4096, 4096, False, 1.1),
    "dense 256, batch 256, compiled": (256, 256, True, 0.5),
}
CHAIN = 2**26  # elements
_STEPS = 20


def weights(width: int) -> list[Any]:
    """Two square layers, always the same."""
    draw = np.random.default_rng(0)
    return [(draw.standard_normal((width, width)) * width**-0.5).astype("f4") for _ in range(2)]


def tinygrad_edu(width: int, batch: int, compiled: bool) -> tuple[Step, Wait]:
    """This library on CuPy: relu(x W) V against targets, by gradient descent."""
    from tinygrad_edu import Tensor, compile, optim
    from tinygrad_edu.namespaces.arrays import cupy_arrays

    w, v = (Tensor(array, device="cuda", requires_grad=True) for array in weights(width))
    draw = np.random.default_rng(1)
    x, y = (Tensor(draw.standard_normal((batch, width)).astype("f4")).to("cuda") for _ in range(2))
    optimizer = optim.SGD([w, v], lr=1e-3)

    def loss(x: Any, y: Any) -> Any:
        return (((x @ w).relu() @ v - y) ** 2).mean()

    function = compile(loss) if compiled else loss

    def step() -> None:
        optimizer.zero_grad()
        function(x, y).backward()
        optimizer.step()

    return step, _waiting(cupy_arrays().library)


def pytorch(width: int, batch: int) -> tuple[Step, Wait]:
    """PyTorch on the same card, eager, in full single precision."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    w, v = (torch.tensor(x, device="cuda", requires_grad=True) for x in weights(width))
    x, y = (torch.randn(batch, width, device="cuda") for _ in range(2))
    optimizer = torch.optim.SGD([w, v], lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        loss = (((x @ w).relu() @ v - y) ** 2).mean()
        loss.backward()
        optimizer.step()

    return step, torch.cuda.synchronize


def chain(size: int) -> tuple[Step, Wait]:
    """Six elementwise operations, compiled: tanh(x * 2 + 1) * x - x and its relu."""
    from tinygrad_edu import Tensor, compile, no_grad
    from tinygrad_edu.namespaces.arrays import cupy_arrays

    x = Tensor(np.linspace(-1.0, 1.0, size, dtype="f4")).to("cuda")
    function = compile(lambda x: ((x * 2.0 + 1.0).tanh() * x - x).relu())

    def step() -> None:
        with no_grad():
            function(x)

    return step, _waiting(cupy_arrays().library)


def copy(size: int) -> tuple[Step, Wait]:
    """A copy of as many numbers: what the card's memory allows."""
    from tinygrad_edu.namespaces.arrays import cupy_arrays

    library = cupy_arrays().library
    x = library.zeros(size, dtype="f4")

    def step() -> None:
        library.copy(x)

    return step, _waiting(library)


def _waiting(library: Any) -> Wait:
    """Waits for the card."""
    stream = library.cuda.Stream.null

    def wait() -> None:
        stream.synchronize()

    return wait


def ratio(ours: tuple[Step, Wait], theirs: tuple[Step, Wait], rounds: int) -> float:
    """The median, over rounds, of our time for some steps divided by theirs."""
    for step, wait in (ours, theirs):
        for _ in range(_STEPS):
            step()
        wait()
    return statistics.median(_turn(*ours) / _turn(*theirs) for _ in range(rounds))


def _turn(step: Step, wait: Wait) -> float:
    began = time.perf_counter()
    for _ in range(_STEPS):
        step()
    wait()
    return time.perf_counter() - began


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
    lines = [
        f"{card}, {time.strftime('%d %B %Y')}.",
        "",
        "| case | ratio | target |",
        "|---|---|---|",
    ]
    for name, (width, batch, compiled, most) in CASES.items():
        found = ratio(tinygrad_edu(width, batch, compiled), pytorch(width, batch), rounds)
        verdict = "**holds**" if found <= most else "**missed**"
        lines.append(f"| {name}, beside PyTorch | {found:.2f} | {most}: {verdict} |")
    share = 1.0 / ratio(chain(CHAIN), copy(CHAIN), rounds)
    verdict = "**holds**" if share >= 0.8 else "**missed**"
    lines.append(
        f"| a chain of six, share of the bandwidth of a copy | {share:.2f} | 0.8: {verdict} |"
    )
    return "\n".join(lines)
