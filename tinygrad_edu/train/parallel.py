"""Training on several processes: each takes its share of every batch, and gradients are added up.

A mean over a batch is the sum of its parts' means, each times its share of the examples, so the
step is that of one process with the whole batch.  The processes talk through MPI, whose library
(mpi4py) the caller imports: only its communicator comes in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.nn.batch import batch_size
from tinygrad_edu.nn.module import Module

_NEEDED = ("Get_rank", "Get_size", "Allreduce", "Bcast", "Barrier")


class Ranks:
    """The processes of a communicator, and this one's place among them.

    communicator : mpi4py's, such as ``MPI.COMM_WORLD``.

    Raises TypeError for anything else.
    """

    def __init__(self, communicator: Any) -> None:
        missing = [name for name in _NEEDED if not hasattr(communicator, name)]
        if missing:
            raise TypeError(
                f"fit: parallel takes a communicator of mpi4py, such as MPI.COMM_WORLD; a "
                f"{type(communicator).__name__} has no {missing[0]}"
            )
        self.communicator = communicator
        self.rank, self.size = communicator.Get_rank(), communicator.Get_size()

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and shows."""
        return bool(self.rank == 0)

    def share(self, batch: Sequence[Any]) -> Sequence[Any]:
        """This process's examples of a batch: neighbours, as many as the others have, or one more.

        There may be none, in a batch of fewer examples than processes.
        """
        count = batch_size(batch)
        start, stop = (count * rank // self.size for rank in (self.rank, self.rank + 1))
        return tuple([_cut(x, slice(start, stop)) for x in batch])

    def same(self, model: Module) -> None:
        """Give every process the weights and buffers of the first."""
        for tensor in (*model.parameters(), *model.buffers()):
            data = numpy.ascontiguousarray(tensor.data)
            self.communicator.Bcast(data)
            tensor.data = data.reshape(tensor.shape)

    def add_gradients(self, model: Module) -> None:
        """Replace every gradient by the sum over the processes, in one message."""
        wanted = [p for p in model.parameters() if p.requires_grad]
        parts = [p.data * 0 if p.grad is None else p.grad for p in wanted]
        if not parts:
            return
        total = self.add(numpy.concatenate([part.ravel() for part in parts]))
        start = 0
        for parameter in wanted:
            stop = start + parameter.size
            part = total[start:stop].reshape(parameter.shape)
            parameter.grad = part.astype(parameter.dtype, copy=False)
            start = stop

    def add(self, numbers: Any) -> Any:
        """The sum of the processes' arrays."""
        numbers = numpy.ascontiguousarray(numbers)
        total = numpy.empty_like(numbers)
        self.communicator.Allreduce(numbers, total)
        return total

    def sums(self, names: Iterable[str], sums: dict[str, float], count: int) -> tuple[Any, int]:
        """Sums by name, and a count, over the processes: one that had no example brings zeros."""
        names = list(names)
        total = self.add(numpy.array([count, *(sums.get(name, 0.0) for name in names)]))
        return dict(zip(names, total[1:].tolist(), strict=True)), int(total[0])

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        return bool(self.add(numpy.array([float(flag)]))[0])

    def wait(self) -> None:
        """Until every process is here."""
        self.communicator.Barrier()


def _cut(x: Any, part: slice) -> Any:
    """Some examples of one part of a batch."""
    if isinstance(x, Tensor | numpy.ndarray):
        return x[part]
    if isinstance(x, list | tuple) and x and not isinstance(x[0], int | float | str):
        return type(x)([_cut(y, part) for y in x])
    return x[part]
