"""From a list of examples to one batch."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from tinygrad_edu import ops
from tinygrad_edu.engine.tensor import Tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """Examples of one kind put together along a new first axis.

    Tensors and arrays (shape) -> (batch, shape), in their dtype.  Whole numbers -> (batch,) of
    int64, other numbers of float32, bools of bool.  Tuples, lists and dicts are put together entry
    by entry; strings stay a list.

    Raises ValueError for no examples, and for shapes, lengths or keys that differ; TypeError for
    what none of these is.

    >>> x, y = default_collate([(Tensor([1.0, 2.0]), 0), (Tensor([3.0, 4.0]), 1)])
    >>> x.tolist(), y.tolist(), str(y.dtype)
    ([[1.0, 2.0], [3.0, 4.0]], [0, 1], 'int64')
    """
    if not batch:
        raise ValueError("a batch of no examples has no shape; check the sampler")
    first = batch[0]
    if isinstance(first, Tensor | numpy.ndarray):
        _check_equal("shapes", [x.shape for x in batch])
        if isinstance(first, Tensor):
            return ops.stack(*batch)
        return Tensor._constant(numpy.stack(batch))
    if isinstance(first, str | bytes):
        return [*batch]
    if isinstance(first, bool | numpy.bool):
        return Tensor(numpy.array(batch, dtype=bool))
    if isinstance(first, numpy.number):
        return Tensor(numpy.array(batch))
    if isinstance(first, numbers.Real):
        whole = all(isinstance(x, numbers.Integral) for x in batch)
        return Tensor(numpy.array(batch, dtype=numpy.int64 if whole else numpy.float32))
    if isinstance(first, Mapping):
        _check_equal("keys", [[*x] for x in batch])
        return {key: default_collate([x[key] for x in batch]) for key in first}
    if isinstance(first, Sequence):
        _check_equal("lengths", [len(x) for x in batch])
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        return tuple(parts) if isinstance(first, tuple) else parts
    raise TypeError(
        f"examples of {type(first).__name__} cannot be put into a batch; return Tensors, arrays, "
        "numbers or strings, or pass DataLoader(..., collate_fn=...)"
    )


def _check_equal(what: str, found: list[Any]) -> None:
    for i, other in enumerate(found):
        if other != found[0]:
            hint = " (pad_sequence makes them equal)" if what != "keys" else ""
            raise ValueError(
                f"a batch needs examples with equal {what}, and example 0 has {found[0]}, example "
                f"{i} {other}; pass DataLoader(..., collate_fn=...){hint}"
            )
