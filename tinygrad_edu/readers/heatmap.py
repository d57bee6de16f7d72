"""An array as a small picture: a PNG of at most 16 by 16 cells, orange, white and blue.

Written here in a few lines, since a drawing is to need nothing but the standard library: a PNG is a
signature and chunks, and its pixels are rows of indices into a palette, compressed by `zlib`.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy

CELLS = 16  # along each side, at most; larger arrays are averaged in blocks
_NEGATIVE, _ZERO, _POSITIVE, _MISSING = "#B34700", "#FFFFFF", "#005A8F", "#57606A"
_LEVELS = 15  # odd, so that zero has a colour of its own; the sixteenth marks nan and inf


def heat_map(array: Any) -> tuple[bytes, int, int]:
    """The array as a PNG file, its width and its height in cells.

    Orange is negative, blue positive, white zero, and the strongest colour the largest absolute
    value; grey where a number is not finite.  Of an array with more than two axes the first of
    everything but the last two is shown; one with a single axis is a row.

    >>> import numpy
    >>> png, width, height = heat_map(numpy.eye(3))
    >>> png[:4], width, height
    (b'\\x89PNG', 3, 3)
    """
    cells = _blocks(_plane(array))
    finite = numpy.isfinite(cells)
    scale = float(abs(cells[finite]).max(initial=0.0)) or 1.0
    middle = _LEVELS // 2
    with numpy.errstate(invalid="ignore"):
        levels = numpy.where(finite, numpy.round(cells / scale * middle) + middle, _LEVELS)
    height, width = cells.shape
    indices = levels.astype(numpy.uint8)
    if width % 2:  # two cells to a byte
        indices = numpy.pad(indices, ((0, 0), (0, 1)))
    packed = indices[:, ::2] << 4 | indices[:, 1::2]
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)  # 4 bits, palette
    chunks = {b"IHDR": header, b"PLTE": _PALETTE, b"IDAT": zlib.compress(rows, 9), b"IEND": b""}
    return _SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks.items()), width, height


def _plane(array: Any) -> Any:
    """Two axes of an array, as float64."""
    plane = numpy.asarray(array, dtype=float)
    while plane.ndim > 2:
        plane = plane[0]
    return plane.reshape(1, -1) if plane.ndim < 2 else plane


def _blocks(plane: Any) -> Any:
    """The means of blocks, so many that at most `CELLS` stand along each side."""
    for axis in (0, 1):
        size = plane.shape[axis]
        if size > CELLS:
            starts = [i * size // CELLS for i in range(CELLS)]
            sums = numpy.add.reduceat(plane, starts, axis=axis)
            counts = numpy.diff([*starts, size])
            plane = sums / (counts[:, None] if axis == 0 else counts)
    return plane


_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def _mixed(one: str, other: str, share: float) -> bytes:
    pairs = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return bytes(math.floor(a + (b - a) * share + 0.5) for a, b in pairs)


def _colours() -> bytes:
    middle = _LEVELS // 2
    found = [_mixed(_NEGATIVE, _ZERO, i / middle) for i in range(middle)]
    found += [_mixed(_ZERO, _POSITIVE, i / middle) for i in range(middle + 1)]
    return b"".join([*found, _mixed(_MISSING, _MISSING, 0)])


_PALETTE = _colours()
