"""Runs for test_sweep.py that can be imported by other processes, and a sweep to be killed.

Arguments of the script: a folder, and how many jobs.
"""

import os
import sys
import time
from pathlib import Path

from tinygrad_edu.train import sweep


def note(folder, x, seed, seconds=0.0):
    """A run that writes down, in a file of its own for each time, that it was done."""
    time.sleep(seconds)
    name = f"{x}-{seed}-{os.getpid()}-{time.monotonic_ns()}"
    result = {"square": x * x + seed, "process": os.getpid()}
    Path(folder, name).touch()
    return result


if __name__ == "__main__":
    folder, jobs = Path(sys.argv[1]), int(sys.argv[2])
    grid = {"folder": [str(folder / "done")], "x": [*range(10)], "seconds": [0.02]}
    sweep(note, grid, [0, 1], jobs=jobs, cache=folder / "kept", progress=False)
