"""Training: one loop, `fit`, and what hangs on it.

`loop` is the loop and `step` one step of it, to be read first; `history` what it writes down,
`stopping` when it has seen enough, `checkpoints` how it goes on after a crash, `surroundings` the
progress bar and Ctrl-C.  `sweeps` has `sweep`, which does many runs; `results` is what it returns,
`kept` how it goes on after an interruption.
"""

from tinygrad_edu.train.history import History
from tinygrad_edu.train.loop import Run, fit
from tinygrad_edu.train.results import Results
from tinygrad_edu.train.step import evaluate, training_step
from tinygrad_edu.train.stopping import EarlyStopping
from tinygrad_edu.train.sweeps import SweepError, sweep

__all__ = [
    "EarlyStopping",
    "History",
    "Results",
    "Run",
    "SweepError",
    "evaluate",
    "fit",
    "sweep",
    "training_step",
]
