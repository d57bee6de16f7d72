"""A training under mpiexec: ``mpiexec -n 2 python parallel_training.py FOLDER [STOP]``.

Writes the last weights to FOLDER; with STOP the last process kills itself in that step.
"""

import os
import signal
import sys
from pathlib import Path

from mpi4py import MPI

from tinygrad_edu import data, manual_seed, nn, optim, save, train

folder, stop = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None
comm = MPI.COMM_WORLD
manual_seed(comm.Get_rank())  # the first process's weights count
model = nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))
digits, _ = data.digits(flat=True)
manual_seed(7)
loader = data.DataLoader(data.Subset(digits, range(330)), batch_size=33, shuffle=True)


class Killed:
    """Ends the last process without a word."""

    def on_step_end(self, run):
        if run.step == stop and comm.Get_rank() == comm.Get_size() - 1:
            os.kill(os.getpid(), signal.SIGKILL)


history = train.fit(
    model,
    loader,
    loss=nn.CrossEntropyLoss(),
    optimizer=optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    epochs=5,
    metrics={"right": lambda output, target: (output.argmax(axis=1).data == target.data).mean()},
    checkpoint=folder / "run",
    checkpoint_every=3,
    callbacks=[Killed()],
    parallel=comm,
    progress=False,
    resume=True,
)
if comm.Get_rank() == 0:
    save({**model.state_dict(), "history": dict(history.epochs)}, folder / "weights.safetensors")
