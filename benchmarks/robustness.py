"""How far does it go?  Deep graphs, shared graphs, long training: seconds and megabytes.

Every figure comes from a process of its own.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from typing import Any

from benchmarks import harness

TITLE = "Deep graphs, shared graphs, long training"
CHAIN = 1_000_000
STEPS = 10_000
INSTANT = 0.01  # seconds for the shared graph
GROWTH = 1.0  # megabytes of peak memory that training may add


def chain() -> dict[str, float]:
    """A chain of a million additions: forward, backward, freeing, and memory at the peak."""
    from tinygrad_edu import Value

    x = Value(1.0)
    before = _peak_megabytes()
    start = time.perf_counter()
    y = x
    for _ in range(CHAIN):
        y = y + x
    middle = time.perf_counter()
    y.backward()
    end = time.perf_counter()
    assert x.grad == CHAIN + 1
    peak = _peak_megabytes() - before
    start_freeing = time.perf_counter()
    del y
    freed = time.perf_counter() - start_freeing
    return {"forward": middle - start, "backward": end - middle, "free": freed, "peak": peak}


def doubling() -> dict[str, float]:
    """``y = y + y`` sixty times: 2^60 paths, 60 nodes."""
    from tinygrad_edu import Value

    x = Value(1.0)
    start = time.perf_counter()
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60
    return {"seconds": time.perf_counter() - start}


def value_training() -> dict[str, float]:
    """Growth over 10,000 steps of the scalar MLP, one sample each, collector off."""
    from benchmarks import scalar_mlp

    return _growth(scalar_mlp.tinygrad_edu(scalar_mlp.CASES["2-16-16-1"], samples=1))


def tensor_training() -> dict[str, float]:
    """Growth over 10,000 steps of the smallest tensor MLP, collector off."""
    from benchmarks import tensor_mlp

    return _growth(tensor_mlp.tinygrad_edu(tensor_mlp.CASES["2-16-16-1, batch 16"]))


def _growth(step: Any) -> dict[str, float]:
    """Megabytes of peak memory and objects gained by `STEPS` steps.

    The collector is off, so what reference counting does not free shows.
    """
    gc.disable()
    for _ in range(200):
        step()
    memory, objects = _peak_megabytes(), len(gc.get_objects())
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "megabytes": _peak_megabytes() - memory,
        "objects": len(gc.get_objects()) - objects,
    }


def _peak_megabytes() -> float:
    """The most memory this process has held, in units of 10^6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def report(*, rounds: int) -> str:
    """The section of RESULTS.md.  `rounds` is not used: every figure is one run."""
    deep = harness.fresh("robustness", "chain")
    shared = harness.fresh("robustness", "doubling")["seconds"]
    verdicts = [
        f"- a chain of {CHAIN:,} operations runs forward and backward: **holds**",
        harness.verdict("y = y + y, 60 deep: milliseconds", 1e3 * shared, 1e3 * INSTANT),
    ]
    lines = [
        ["1,000,000 operations in a chain, forward", harness.duration(deep["forward"])],
        ["the same, backward", harness.duration(deep["backward"])],
        ["the same, freeing the graph", harness.duration(deep["free"])],
        ["the same, memory at the peak", f"{deep['peak']:.0f} MB"],
        ["y = y + y, 60 deep, forward and backward", harness.duration(shared)],
    ]
    for what, function in (("Value", "value_training"), ("Tensor", "tensor_training")):
        long = harness.fresh("robustness", function)
        lines += [
            [f"{STEPS:,} training steps, {what}", harness.duration(long["seconds"])],
            ["the same, growth of peak memory", f"{long['megabytes']:.1f} MB"],
            ["the same, growth in objects", f"{long['objects']:.0f}"],
        ]
        verdicts += [
            harness.verdict(f"training, {what}: megabytes of growth", long["megabytes"], GROWTH),
            harness.verdict(f"training, {what}: objects of growth", long["objects"], 0),
        ]
    note = (
        "Training runs with the garbage collector off: reference counting alone frees the graphs."
    )
    table = harness.table(["task", "figure"], lines)
    return "\n\n".join([harness.conditions(), note, table, "\n".join(verdicts)])
