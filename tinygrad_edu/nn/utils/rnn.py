"""Sequences of unequal length: padded to one length, or packed without padding.

A packed batch holds first all the sequences' first elements, then all their second ones, and so on,
the longest sequence first, so that those still running at a step are the first of the batch.
`nn.RNN`, `nn.GRU` and `nn.LSTM` take it and return it.

>>> from tinygrad_edu import Tensor
>>> packed = pack_sequence([Tensor([1.0, 2.0, 3.0]), Tensor([4.0])])
>>> packed.data.tolist(), packed.batch_sizes.tolist()
([1.0, 4.0, 2.0, 3.0], [2, 1, 1])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy

from tinygrad_edu import ops
from tinygrad_edu.engine.tensor import Tensor


class PackedSequence(NamedTuple):
    """A batch of sequences without padding: what `pack_padded_sequence` returns.

    data : (total length, ...).
    batch_sizes : (T,), how many sequences have an element at each step.
    sorted_indices : (batch,), the place in the batch of each packed sequence; None if that is its
        own place.
    unsorted_indices : (batch,), the place among the packed sequences of each one in the batch.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def places(self) -> tuple[Any, Any]:
        """The step and the (packed) sequence of every element of `data`, as arrays."""
        sizes = self.batch_sizes.numpy()
        steps = numpy.repeat(numpy.arange(len(sizes)), sizes)
        return steps, numpy.concatenate([numpy.arange(size) for size in sizes])

    def lengths(self) -> Any:
        """The lengths of the packed sequences, the longest first, as an array."""
        sizes = self.batch_sizes.numpy()
        return (sizes[:, None] > numpy.arange(sizes[0])).sum(axis=0)


def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Tensors of shapes (T_i, *) as one of shape (T, batch, *), the shorter ones filled up.

    T is the longest length.  batch_first : give (batch, T, *).  padding_side : "right" fills up at
    the end, "left" at the start.  A gradient reaches the tensors.

    Raises ValueError for no sequences, and for axes after the first that differ.

    >>> pad_sequence([Tensor([1.0, 2.0]), Tensor([3.0])], batch_first=True).tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """
    if not sequences:
        raise ValueError("pad_sequence got no sequences")
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side is {padding_side!r}, not 'right' or 'left'")
    for i, x in enumerate(sequences):
        if x.ndim == 0 or x.shape[1:] != sequences[0].shape[1:]:
            raise ValueError(
                f"pad_sequence: sequence 0 has shape {sequences[0].shape}, sequence {i} {x.shape}; "
                "only the first sizes may differ"
            )
    longest = max(len(x) for x in sequences)
    padded = []
    for x in sequences:
        missing = longest - len(x)
        first = (0, missing) if padding_side == "right" else (missing, 0)
        widths = (first, *((0, 0) for _ in x.shape[1:]))
        padded.append(ops.pad(x, widths=widths, value=padding_value) if missing else x)
    return ops.stack(*padded, axis=0 if batch_first else 1)


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """The sequences in `input` without their padding.

    input : (T, batch, ...), or (batch, T, ...) with `batch_first`.
    lengths : (batch,), each from 1 to T.
    enforce_sorted : refuse lengths that are not in decreasing order, rather than sort them.

    >>> packed = pack_padded_sequence(Tensor([[1.0, 2.0], [3.0, 0.0]]), [2, 1])
    >>> packed.data.tolist()
    [1.0, 2.0, 3.0]
    """
    if input.ndim < 2:
        raise ValueError(f"pack_padded_sequence needs (T, batch, ...), not shape {input.shape}")
    steps, batch = input.shape[1::-1] if batch_first else input.shape[:2]
    given = numpy.asarray(lengths.numpy() if isinstance(lengths, Tensor) else lengths)
    if given.shape != (batch,) or given.dtype.kind not in "iu":
        raise ValueError(
            f"lengths must be {batch} whole numbers, one per sequence of the batch; they are "
            f"{given.dtype} of shape {given.shape}"
        )
    if not batch or given.min() < 1 or given.max() > steps:
        found = f"{given.min()} to {given.max()}" if batch else "of no sequence"
        raise ValueError(f"lengths must be between 1 and {steps}, and these are {found}")
    order = numpy.argsort(-given, kind="stable")
    ordered = given[order]
    if enforce_sorted and (given != ordered).any():
        raise ValueError(
            f"the lengths {given.tolist()} are not in decreasing order; enforce_sorted=False "
            "sorts them"
        )
    sizes = (ordered > numpy.arange(ordered[0])[:, None]).sum(axis=1)
    indices = (None, None) if enforce_sorted else (Tensor(order), Tensor(numpy.argsort(order)))
    at, column = PackedSequence(input, Tensor(sizes)).places()
    rows = order[column]
    return PackedSequence(input[(rows, at) if batch_first else (at, rows)], Tensor(sizes), *indices)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The packed sequences padded to one length, and their lengths (batch,).

    The first result is (T, batch, ...), or (batch, T, ...) with `batch_first`; T is `total_length`,
    or the longest length.

    >>> padded, lengths = pad_packed_sequence(pack_sequence([Tensor([1.0, 2.0]), Tensor([3.0])]))
    >>> padded.tolist(), lengths.tolist()
    ([[1.0, 3.0], [2.0, 0.0]], [2, 1])
    """
    lengths = sequence.lengths()
    longest = int(lengths[0])
    if total_length is not None and total_length < longest:
        raise ValueError(f"total_length is {total_length}, and the longest sequence is {longest}")
    at, column = sequence.places()
    if sequence.sorted_indices is not None and sequence.unsorted_indices is not None:
        column = sequence.sorted_indices.numpy()[column]
        lengths = lengths[sequence.unsorted_indices.numpy()]
    steps, batch = total_length or longest, len(lengths)
    size, index = ((batch, steps), (column, at)) if batch_first else ((steps, batch), (at, column))
    padded = ops.put_add(sequence.data, index=index, shape=(*size, *sequence.data.shape[1:]))
    if padding_value:
        filled = numpy.full(padded.shape, padding_value, padded.dtype)
        filled[index] = 0
        padded = padded + Tensor(filled, device=padded.device)
    return padded, Tensor(lengths)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences of shapes (T_i, ...), packed; `enforce_sorted` as in `pack_padded_sequence`.

    >>> pack_sequence([Tensor([1.0]), Tensor([2.0, 3.0])], enforce_sorted=False).data.tolist()
    [2.0, 1.0, 3.0]
    """
    lengths = [len(x) for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded batch, each of its own length: the inverse of `pad_sequence`.

    >>> [x.tolist() for x in unpad_sequence(Tensor([[1.0, 3.0], [2.0, 0.0]]), [2, 1])]
    [[1.0, 2.0], [3.0]]
    """
    each = [int(n) for n in lengths]
    if batch_first:
        return [padded_sequences[n, :length] for n, length in enumerate(each)]
    return [padded_sequences[:length, n] for n, length in enumerate(each)]


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch: the inverse of `pack_sequence`.

    >>> [x.tolist() for x in unpack_sequence(pack_sequence([Tensor([1.0, 2.0]), Tensor([3.0])]))]
    [[1.0, 2.0], [3.0]]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences))
