"""Training: one loop, `fit`, and what hangs on it.

`loop` is the loop and `step` one step of it, to be read first; `history` what it writes down,
`stopping` when it has seen enough, `checkpoints` how it goes on after a crash, `surroundings` the
progress bar and Ctrl-C.
"""

from tinygrad_edu.train.history import History
from tinygrad_edu.train.loop import Run, fit
from tinygrad_edu.train.step import evaluate, training_step
from tinygrad_edu.train.stopping import EarlyStopping

__all__ = ["EarlyStopping", "History", "Run", "evaluate", "fit", "training_step"]
