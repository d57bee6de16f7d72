"""Files of images: IDX, as MNIST has them, and CIFAR-10's binary form.

Nothing in a file is believed: its sizes are compared with its bytes, and no more is read, or
allocated, than the bytes that are there.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO, Any

import numpy

from tinygrad_edu.namespaces.arrays import Array

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_BLOCK = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> Array:
    """The array in an IDX file, which may be compressed by gzip, in the machine's byte order.

    Its shape and dtype are those of the file: (60000, 28, 28) of uint8 for MNIST's pictures.

    Raises ValueError, naming the file, for one that is no IDX file, damaged, or has fewer or more
    bytes than its header announces.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", its last section.

    >>> _ = Path("labels.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3]) + bytes([7, 2, 1]))
    >>> read_idx("labels.idx").tolist()
    [7, 2, 1]
    """
    try:
        with Path(path).open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                return _idx(raw)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _idx(unpacked)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"cannot read '{path}': {error}") from error


def _idx(file: Any) -> Array:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\x00\x00" or head[2] not in _TYPES:
        raise ValueError(f"it is no IDX file; it starts with {head!r}")
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise ValueError(f"it is cut off inside its header of {4 + 4 * head[3]} bytes")
    shape = tuple(int(n) for n in numpy.frombuffer(sizes, ">u4"))
    dtype = numpy.dtype(_TYPES[head[2]])
    size = math.prod(shape) * dtype.itemsize
    data = _at_most(file, size + 1)
    if len(data) != size:
        more = "more" if len(data) > size else f"{len(data)}"
        raise ValueError(f"its header announces {shape}, {size} bytes, and {more} are there")
    return numpy.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _at_most(file: IO[bytes], size: int) -> bytearray:
    """Up to `size` bytes, in blocks: a size that is not true costs no memory."""
    data = bytearray()
    while len(data) < size and (block := file.read(min(_BLOCK, size - len(data)))):
        data += block
    return data


def read_cifar10(path: str | os.PathLike[str]) -> tuple[Array, Array]:
    """The images (N, 3, 32, 32) and labels (N,) in a file of CIFAR-10's binary form, both uint8.

    Each record is a label and the 3072 bytes of an image: all reds, all greens, all blues.
    Raises ValueError, naming the file, for a size that is no multiple of 3073 and labels above 9.

    Source: Krizhevsky, "The CIFAR-10 dataset", section "Binary version".

    >>> _ = Path("batch.bin").write_bytes(bytes([6]) + bytes(3072))
    >>> images, labels = read_cifar10("batch.bin")
    >>> images.shape, labels.tolist()
    ((1, 3, 32, 32), [6])
    """
    data = numpy.frombuffer(Path(path).read_bytes(), "u1")
    if not data.size or data.size % 3073:
        raise ValueError(
            f"cannot read '{path}': it has {data.size} bytes, and records of CIFAR-10 have 3073 "
            "each; it is cut off, or of another kind"
        )
    records = data.reshape(-1, 3073)
    labels = records[:, 0]
    if labels.max() > 9:
        raise ValueError(f"cannot read '{path}': label {labels.max()} is not from 0 to 9")
    return records[:, 1:].reshape(-1, 3, 32, 32), labels.copy()
