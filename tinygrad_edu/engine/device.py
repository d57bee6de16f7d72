"""The device on which new tensors are made, for the length of a ``with`` block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.namespaces.arrays import NUMPY, cupy_arrays
from tinygrad_edu.node import current_mode, mapped, set_mode


@contextlib.contextmanager
def device(name: str, *, tf32: bool | None = None) -> Iterator[None]:
    """A ``with`` block in which tensors and modules are made on "cpu" or "cuda".

    name : where `Tensor` puts numbers, lists and NumPy arrays, and with it the creation functions,
        modules, and the batches of a `DataLoader`.  Tensors that exist stay where they are, and
        what names a device itself is made there.
    tf32 : whether a card multiplies float32 matrices with 10 bits after the point instead of 23,
        several times as fast; None leaves it as it is, which is "no" unless the environment
        variable ``CUPY_TF32`` is set.  It holds for all threads.

    Blocks nest, and end with what was before, after an error too; other threads keep their own
    device.  Half precision is asked for by dtype: ``model.to("float16")``.

    Raises ValueError for another name and for `tf32` with "cpu"; ModuleNotFoundError with the
    command that installs it where CuPy is missing; RuntimeError where it finds no card.

    >>> from tinygrad_edu import device, nn, zeros
    >>> with device("cpu"):
    ...     zeros(2).device, nn.Linear(2, 3).weight.device
    ('cpu', 'cpu')

    Built in lesson 42.
    """
    if name not in ("cpu", "cuda"):
        raise ValueError(f"device is {name!r}, not 'cpu' or 'cuda'")
    if name == "cpu" and tf32 is not None:
        raise ValueError("device: tf32 is about the products of a card; leave it out for 'cpu'")
    xp = NUMPY if name == "cpu" else cupy_arrays()
    with set_mode(device=name), contextlib.nullcontext() if tf32 is None else xp.tf32(tf32):
        yield


def placed(x: Any) -> Any:
    """x with its tensors, in tuples, lists and dictionaries too, on the device of the block.

    >>> placed([Tensor([1.0])])[0].device
    'cpu'
    """
    name = current_mode().device
    if name is None:
        return x
    return mapped(x, lambda part: part.to(name) if isinstance(part, Tensor) else part)
