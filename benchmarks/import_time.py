"""How long does an import take?  Ours against NumPy's, each in a fresh interpreter.

``import tinygrad_edu`` alone defers the rest to first use, so the line that a program really begins
with, ``from tinygrad_edu import Tensor``, is measured too, and held to the same target.
"""

from __future__ import annotations

from benchmarks import harness

TITLE = "Import time"
PROGRAMS = {
    "import numpy": "import numpy",
    "import tinygrad_edu": "import tinygrad_edu",
    "from tinygrad_edu import Tensor": "from tinygrad_edu import Tensor",
}
LIMIT = 1.35


def seconds(statement: str) -> float:
    """How long `statement` takes in a fresh interpreter, its start not counted."""
    program = (
        f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
    )
    return float(harness.fresh_output(program))


def report(*, rounds: int) -> str:
    """The section of RESULTS.md."""
    for statement in PROGRAMS.values():  # fills the file cache and writes the bytecode
        seconds(statement)
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, statement in PROGRAMS.items():
            times[name].append(seconds(statement))
    rows = [harness.Row(name, tuple(given)) for name, given in times.items()]
    return "\n\n".join(
        [
            harness.conditions(),
            "Processor time of the statement in a fresh interpreter, bytecode already written.",
            harness.rows_table(rows, reference="import numpy"),
            "\n".join(
                harness.verdict(f"{row.engine} / import numpy", row.ratio(rows[0]), LIMIT)
                for row in rows[1:]
            ),
        ]
    )
