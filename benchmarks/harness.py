"""Time programs that do the same task: each in its own process, taking turns.

A shared machine gets faster and slower while a measurement runs.  So the engines take short turns
(A B C A B C ...), a ratio is formed within each round, and the median over the rounds is reported.
Every process first runs the task's first steps, and the losses must agree: a wrong program is not
timed.

With one thread a step is timed in processor time, which other programs on the machine disturb
least; with more threads in time of the clock.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TURN = 0.1  # seconds of steps per turn, where a task does not ask for more
REST = 0.1  # seconds before a turn with several threads: those of the turn before it still spin
WARM_UP = 0.5  # seconds of steps before the first turn
OURS = "tinygrad_edu"  # what every module of benchmarks calls this library among its engines
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One engine's result: seconds per step in each round, or why there is none."""

    engine: str
    seconds: tuple[float, ...] = ()
    failure: str = ""

    @property
    def median(self) -> float:
        """Seconds per step."""
        return statistics.median(self.seconds)

    def ratio(self, reference: Row) -> float:
        """Median over the rounds of this engine's time divided by that of `reference`."""
        pairs = zip(self.seconds, reference.seconds, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


class Child:
    """One engine at work in a process of its own.  See `benchmarks.child` for its side."""

    def __init__(self, module: str, case: str, engine: str, threads: int) -> None:
        self.engine = engine
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", module, case, engine],
            cwd=ROOT,
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def first_losses(self) -> list[float] | str:
        """The losses of the checked steps, or why the engine does not run."""
        try:
            return self.read()
        except RuntimeError as error:
            return str(error)

    def ask(self, steps: int) -> float:
        """Seconds that `steps` steps take."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self.read())

    def read(self) -> Any:
        """What the child answers; a RuntimeError with its last line if it has died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            lines = self.process.stderr.read().strip().splitlines() or ["no message"]
            raise RuntimeError(lines[-1])
        return json.loads(line)

    def stop(self) -> None:
        """End the process."""
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.terminate()
        self.process.wait()


def environment(threads: int) -> dict[str, str]:
    """The environment of a child whose BLAS uses `threads` threads.

    Bytecode is written, as it is for NumPy when it is installed: imports are compared.
    """
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return inherited | dict.fromkeys(THREAD_VARIABLES, str(threads))


def threads() -> int:
    """How many threads this process was given by `environment`; 0 if it was not."""
    return int(os.environ.get(THREAD_VARIABLES[0], "0"))


def compare(
    module: str,
    case: str,
    engines: Sequence[str],
    *,
    threads: int = 1,
    rounds: int = 30,
    turn: float = TURN,
    tolerance: float = 1e-4,
) -> list[Row]:
    """Time every engine of ``benchmarks.<module>`` on one case; the first is the reference.

    threads : of BLAS and OpenMP, in every child.
    rounds : turns per engine.
    turn : about how many seconds each lasts.
    tolerance : how far the losses of the first steps may differ, relatively.

    A peer that cannot be imported or run gets a row that says why.  Raises RuntimeError if the
    losses of one differ from those of the reference, or if the reference or this library does not
    run.
    """
    children = [Child(module, case, engine, threads) for engine in engines]
    failures: dict[str, str] = {}
    working: dict[str, Child] = {}
    losses: dict[str, list[float]] = {}
    try:
        for child in children:
            first = child.first_losses()
            if isinstance(first, str):
                failures[child.engine] = first
            else:
                losses[child.engine] = first
                working[child.engine] = child
        for needed in (engines[0], OURS):
            if needed in failures:
                raise RuntimeError(f"{needed} does not run: {failures[needed]}")
        _require_agreement(losses, engines[0], tolerance)
        steps = {name: _steps_per_turn(child, turn) for name, child in working.items()}
        times: dict[str, list[float]] = {name: [] for name in working}
        for _ in range(rounds):
            for name, child in working.items():
                if threads > 1:
                    time.sleep(REST)
                times[name].append(child.ask(steps[name]) / steps[name])
    finally:
        for child in children:
            child.stop()
    return [Row(name, tuple(times.get(name, ())), failures.get(name, "")) for name in engines]


def _steps_per_turn(child: Child, turn: float) -> int:
    """Warm the child up; how many of its steps fill a turn."""
    steps, spent = 1, 0.0
    while spent < WARM_UP:
        seconds = child.ask(steps)
        spent += seconds
        steps = max(1, round(turn / max(seconds / steps, 1e-9)))
    return steps


def _require_agreement(losses: dict[str, list[float]], reference: str, tolerance: float) -> None:
    for engine, given in losses.items():
        for step, (x, y) in enumerate(zip(given, losses[reference], strict=True)):
            if not abs(x - y) <= tolerance * abs(y):
                raise RuntimeError(
                    f"{engine} and {reference} do not compute the same: loss {x!r} and {y!r} at "
                    f"step {step}"
                )


def fresh(module: str, function: str, *arguments: str | int, threads: int = 1) -> Any:
    """What a function of ``benchmarks.<module>`` returns, run in a process of its own."""
    call = f"{module}.{function}(*{arguments!r})"
    program = f"import json; from benchmarks import {module}; print(json.dumps({call}))"
    return json.loads(fresh_output(program, threads=threads))


def fresh_output(program: str, *, threads: int = 1) -> str:
    """The last line printed by a Python program run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment(threads),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"exit status {done.returncode}")
    return done.stdout.strip().splitlines()[-1]


def rows_table(rows: Sequence[Row], *, reference: str) -> str:
    """A Markdown table: engine, median time, the middle half of the times, ratio."""
    by_name = {row.engine: row for row in rows}
    lines = []
    for row in rows:
        if row.failure:
            lines.append([row.engine, "does not run", row.failure.replace("|", "/"), ""])
            continue
        low, _, high = statistics.quantiles(row.seconds, n=4)
        lines.append(
            [
                row.engine,
                duration(row.median),
                f"{duration(low)} to {duration(high)}",
                f"{row.ratio(by_name[reference]):.2f}",
            ]
        )
    return table(["engine", "median step", "middle half", f"time / {reference}"], lines)


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns padded so that it reads as text too."""
    cells = [list(header), *map(list, lines)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    padded = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:]])


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> duration(0.00125)
    '1.25 ms'
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def verdict(claim: str, value: float, limit: float, *, at_least: bool = False) -> str:
    """A list item: the claim, the figure, and whether the target holds.

    >>> verdict("time / NumPy", 1.2, 1.15)
    '- time / NumPy: 1.20, target at most 1.15: **missed**'
    """
    holds = value >= limit if at_least else value <= limit
    bound = "at least" if at_least else "at most"
    return f"- {claim}: {value:.2f}, target {bound} {limit:g}: **{'holds' if holds else 'missed'}**"


def conditions(packages: Sequence[str] = ()) -> str:
    """Date, machine and versions, one line."""
    versions = [f"Python {platform.python_version()}", *map(_version, ("numpy", *packages))]
    today = datetime.now(timezone.utc).date().isoformat()
    return f"{today}; {_processor()}, {os.cpu_count()} cores; {', '.join(versions)}."


def _version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} not installed"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
