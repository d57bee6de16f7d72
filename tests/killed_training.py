"""A training killed at random moments: run by test_train.py, in a process without threads.

Arguments: a folder, how many kills, a seed, and a part of the state to forget, as a planted bug.
Prints how far each killed process had come.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy

from tinygrad_edu import Tensor, data, load, manual_seed, nn, optim, save, train


class Averaged(optim.AveragedParameters):
    """A callback with a state of its own."""

    def on_step_end(self, run):
        self.update_parameters()


class Noise:
    """A transform with a generator of its own."""

    def __init__(self):
        self.generator = numpy.random.default_rng(3)

    def __call__(self, x):
        return x + 0.1 * Tensor(self.generator.normal(size=x.shape))


def experiment(folder):
    """A little of everything, to the end; writes the weights and the history into the folder."""
    drawn = numpy.random.default_rng(0)
    x, y = drawn.normal(size=(40, 4)), drawn.integers(0, 3, 40)
    manual_seed(1)
    model = nn.Sequential(
        nn.Linear(4, 8),
        nn.BatchNorm1d(8),
        nn.Dropout(0.2, generator=numpy.random.default_rng(2)),
        nn.Dropout(0.1),
        nn.Linear(8, 3),
    ).double()
    optimizer = optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    average = Averaged(model.parameters(), decay=0.9)
    examples = data.TensorDataset(x, y, transform=Noise())
    history = train.fit(
        model,
        data.DataLoader(examples, 4, shuffle=True),
        loss=lambda out, target: nn.functional.cross_entropy(out, target) + random.random(),
        optimizer=optimizer,
        epochs=6,
        validation=[(x[:10], y[:10])],
        metrics={"accuracy": lambda out, target: (out.data.argmax(1) == target.data).mean()},
        scheduler=optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=40),
        schedule="step",
        clip_norm=1.0,
        accumulate=2,
        early_stopping=train.EarlyStopping(4, monitor="val_accuracy", mode="max"),
        checkpoint=Path(folder) / "checkpoint",
        checkpoint_every=1,
        resume=True,
        callbacks=[average],
        seed=4,
        progress=False,
    )
    ends = {
        "model": model.state_dict(),
        "average": average.averages,
        "optimizer": optimizer.state_dict(),
        "history": history.state_dict(),
    }
    save(ends, Path(folder) / "end.safetensors")


def in_child(folder, lifetime=None):
    """Run the experiment in a child process, killed after a time; returns whether it ended."""
    child = os.fork()
    if child == 0:
        random.seed(0)
        try:
            experiment(folder)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(0)
    if lifetime is not None:
        time.sleep(lifetime)
        os.kill(child, signal.SIGKILL)
    return os.WIFEXITED(os.waitpid(child, 0)[1])


def main():
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if sys.argv[4:]:
        part = {"generators": train.checkpoints.Generators, "loader": data.DataLoader}[sys.argv[4]]
        part.load_state_dict = lambda self, state: None
    whole, killed = folder / "whole", folder / "killed"
    whole.mkdir()
    killed.mkdir()
    began = time.perf_counter()
    in_child(whole)
    longest = (time.perf_counter() - began) / 5
    moments, before = random.Random(seed), 0
    while kills:
        if in_child(killed, moments.uniform(0, longest)):  # it was through: begin another run
            (killed / "end.safetensors").unlink()
            (killed / "checkpoint" / "last.safetensors").unlink()
            continue
        kills -= 1
        last = killed / "checkpoint" / "last.safetensors"
        step = load(last)["progress"]["step"] if last.exists() else 0
        print("steps", step)
        if step == before:  # a busier machine than at first: children need longer to get on
            longest *= 1.3
        before = step
    in_child(killed)


if __name__ == "__main__":
    main()
