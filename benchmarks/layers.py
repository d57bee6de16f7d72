"""How long is a training step of a real network, and how much memory does it take at its peak?

A case is a file with one program per engine: `lenet`, `lstm`, `transformer`, `adamw`.  PyTorch is
the reference.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks import adamw, harness, lenet, lstm, transformer

TITLE = "Layers: one training step"
Step = Callable[[], float]
REFERENCE = "PyTorch"
MEMORY_LIMIT = 2.0  # the target: peak / PyTorch's
LEAST = 1.0  # megabytes: smaller differences are noise
STEPS = 10  # whose peak is taken
REPETITIONS = 5  # processes whose median is reported


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """The programs, PyTorch's first, and the target: time / PyTorch."""

    programs: dict[str, Callable[[], Step]]
    limit: float


CASES = {
    "LeNet, 28x28, batch 64": Case(lenet.PROGRAMS, 3.0),
    "LSTM 1x128, sequence 32, batch 32": Case(lstm.PROGRAMS, 2.2),
    "Transformer block, d=128, 4 heads, length 64, batch 16, ReLU": Case(
        transformer.programs("relu"), 1.5
    ),
    "Transformer block, d=128, 4 heads, length 64, batch 16, GELU": Case(
        transformer.programs("gelu"), 1.5
    ),
    "AdamW, 1M parameters in 20 tensors": Case(adamw.PROGRAMS, 1.1),
}


def _program(engine: str) -> Callable[[Case], Step]:
    return lambda case: case.programs[engine]()


ENGINES = {engine: _program(engine) for case in CASES.values() for engine in case.programs}


def peak(case: str, engine: str) -> tuple[float, float]:
    """Megabytes of this process at the peak of a few steps, and how many it had after the first."""
    return peak_of(ENGINES[engine](CASES[case]))


def peak_of(step: Step) -> tuple[float, float]:
    """The same of some step."""
    step()
    before = _resident("VmRSS")
    for _ in range(STEPS):
        step()
    return _resident("VmHWM"), before


def _resident(field: str) -> float:
    """Megabytes of memory of this process, as Linux counts them."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def memory_verdicts(
    case: str, threads: int, *, module: str = "layers", limit: float = MEMORY_LIMIT
) -> list[str]:
    """The peak beyond the first step and that of the whole process, beside PyTorch's.

    Medians of five processes.  Less than `LEAST` counts as `LEAST`.
    """
    beyond, whole = [], []
    for engine in (harness.OURS, REFERENCE):
        runs = [
            harness.fresh(module, "peak", case, engine, threads=threads) for _ in range(REPETITIONS)
        ]
        beyond.append(statistics.median(high - before for high, before in runs))
        whole.append(statistics.median(high for high, _ in runs))
    verdicts = []
    for what, (ours, theirs) in (("after one step", beyond), ("of the process", whole)):
        claim = f"peak memory {what} ({ours:.1f} MB) / {REFERENCE} ({theirs:.1f} MB)"
        ratio = max(ours, LEAST) / max(theirs, LEAST)
        verdicts.append(harness.verdict(claim, ratio, limit))
    return verdicts


def report(*, rounds: int) -> str:
    """The section of RESULTS.md."""
    parts = [
        harness.conditions(["torch", "numba", "mygrad", "dezero"]),
        "Memory is the peak resident size of a process over ten steps, less what it held after "
        "importing and one step to warm up, and then in all; medians of five processes. DeZero "
        "runs with two repairs from outside, MyGrad with memory guarding off.",
    ]
    for threads in (1, 2):
        for name, case in CASES.items():
            rows = harness.compare(
                "layers", name, list(case.programs), threads=threads, rounds=rounds
            )
            verdicts = [
                harness.verdict(f"{row.engine}: time / {REFERENCE}", row.ratio(rows[0]), case.limit)
                for row in rows
                if row.engine.startswith(harness.OURS)
            ]
            verdicts += memory_verdicts(name, threads)
            heading = f"### {name}; {threads} thread{'s' * (threads > 1)}"
            table = harness.rows_table(rows, reference=REFERENCE)
            parts += [heading, table, "\n".join(verdicts)]
    return "\n\n".join(parts)
