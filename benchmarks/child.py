"""The child's side of a comparison: do one engine's task, a number of steps at a time.

``python -m benchmarks.child MODULE CASE ENGINE`` prints the losses of the first steps, then, for
each number read from standard input, runs that many steps and prints the seconds they took: of
this process's processor time with one thread, of the clock with more.

A step returns its loss; where it returns arrays instead, the module's function ``compared`` makes
of them the number that stands for the loss.
"""

import importlib
import json
import sys
import time

from benchmarks import harness

CHECKED_STEPS = 5


def main(module: str, case: str, engine: str) -> None:
    """Serve steps until standard input ends."""
    task = importlib.import_module(f"benchmarks.{module}")
    step = task.ENGINES[engine](task.CASES[case])
    loss = getattr(task, "compared", float)
    print(json.dumps([float(loss(step())) for _ in range(CHECKED_STEPS)]), flush=True)
    clock = time.process_time if harness.threads() == 1 else time.perf_counter
    for line in sys.stdin:
        steps = int(line)
        start = clock()
        for _ in range(steps):
            step()
        print(clock() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
