"""How long does a picture take?  ``draw(root).svg``: trace, texts, layout and SVG.

Each graph is drawn in a process of its own, in time of the clock, because Graphviz works in a child
of that process.  The first drawing starts the child; the others find it running.
"""

from __future__ import annotations

import itertools
import random
import time
from typing import TYPE_CHECKING, Any

from benchmarks import harness

if TYPE_CHECKING:
    from tinygrad_edu import Value

TITLE = "Drawing"
ENOUGH = 5.0  # seconds of drawings per graph, after which no further one is begun
UNROLLED = 50
HIDDEN = 2


def neuron() -> Value:
    """A neuron of two inputs and its squared output: 11 nodes."""
    from tinygrad_edu import Value

    x1, x2 = Value(2.0, name="x1"), Value(0.0, name="x2")
    w1, w2 = Value(-3.0, name="w1"), Value(1.0, name="w2")
    b = Value(6.88, name="b")
    return (w1 * x1 + w2 * x2 + b).tanh().square()


def hundred() -> Value:
    """The output of an MLP 2-5-3-1 on one sample: about 100 nodes."""
    return _mlp_loss([2, 5, 3, 1], samples=1)


def small_mlp() -> Value:
    """The output of an MLP 2-11-11-1 on one sample: about 500 nodes."""
    return _mlp_loss([2, 11, 11, 1], samples=1)


def unrolled_rnn() -> Value:
    """A recurrent cell of two units over fifty steps: every weight is used fifty times."""
    from tinygrad_edu import Value

    choose = random.Random(0)
    w = [Value(choose.gauss(0, 1)) for _ in range(HIDDEN)]
    u = [[Value(choose.gauss(0, 1)) for _ in range(HIDDEN)] for _ in range(HIDDEN)]
    b = [Value(choose.gauss(0, 1)) for _ in range(HIDDEN)]
    h = [Value(0.0) for _ in range(HIDDEN)]
    for _ in range(UNROLLED):
        x = Value(choose.gauss(0, 1))
        h = [
            (sum((u[i][j] * h[j] for j in range(HIDDEN)), w[i] * x) + b[i]).tanh()
            for i in range(HIDDEN)
        ]
    return h[0] + h[1]


def large_mlp() -> Value:
    """The loss of the MLP 2-16-16-1 on sixteen samples: over 10,000 nodes."""
    return _mlp_loss([2, 16, 16, 1], samples=16)


def _mlp_loss(sizes: list[int], *, samples: int) -> Any:
    from tinygrad_edu import Value

    choose = random.Random(0)
    layers = [
        [([Value(choose.gauss(0, 1)) for _ in range(n)], Value(0.0)) for _ in range(m)]
        for n, m in itertools.pairwise(sizes)
    ]
    losses = []
    for _ in range(samples):
        h = [Value(choose.gauss(0, 1)) for _ in range(sizes[0])]
        for layer in layers:
            h = [sum((w * x for w, x in zip(ws, h, strict=True)), b).tanh() for ws, b in layer]
        losses.append(h[0] ** 2)
    return sum(losses[1:], losses[0])


GRAPHS = {  # what to draw, and the target in seconds, where there is one
    "neuron": (neuron, 0.020),
    "MLP 2-5-3-1, one sample": (hundred, 0.050),
    "MLP 2-11-11-1, one sample": (small_mlp, 1.0),
    f"RNN of {HIDDEN} units, {UNROLLED} steps": (unrolled_rnn, 1.0),
    "MLP 2-16-16-1, 16 samples": (large_mlp, 1.0),
}


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Draw one of `GRAPHS` up to `rounds` times, at least twice, for about `ENOUGH` seconds."""
    from tinygrad_edu import draw

    root = GRAPHS[name][0]()
    root.backward()
    seconds: list[float] = []
    while len(seconds) < 2 or (len(seconds) <= rounds and sum(seconds[1:]) < ENOUGH):
        start = time.perf_counter()
        drawing = draw(root)
        svg = drawing.svg
        seconds.append(time.perf_counter() - start)
    return {
        "nodes": len(drawing.graph.nodes),
        "shown": len(drawing.shown.nodes),
        "first": seconds[0],
        "warm": seconds[1:],
        "engine": drawing.engine,
        "bytes": len(svg.encode()),
    }


def report(*, rounds: int) -> str:
    """The section of RESULTS.md."""
    lines, verdicts = [], []
    for name, (_, limit) in GRAPHS.items():
        found = harness.fresh("drawing", "measure", name, rounds)
        warm = harness.Row(name, tuple(found["warm"]))
        lines.append(
            [
                name,
                f"{found['nodes']:,}",
                f"{found['shown']:,}",
                harness.duration(found["first"]),
                harness.duration(warm.median),
                f"{found['bytes'] / 1000:,.0f} kB",
                found["engine"],
            ]
        )
        if limit is not None:
            claim = f"{name}, {found['nodes']} nodes: milliseconds"
            verdicts.append(harness.verdict(claim, 1e3 * warm.median, 1e3 * limit))
    return "\n\n".join(
        [
            harness.conditions(["pygraphviz"]),
            "Time of the clock for `draw(root).svg`: the first in a process, and the median of the "
            "later ones. The layout called layered is the one in plain Python, which takes over "
            "when Graphviz has not answered within 2 s; those seconds are counted.",
            harness.table(["graph", "nodes", "shown", "first", "later", "SVG", "layout"], lines),
            "\n".join(verdicts),
        ]
    )
