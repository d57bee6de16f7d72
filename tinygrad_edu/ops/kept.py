"""What a forward has computed on the way, kept for its rule where computing it again is dear.

A rule is given the result alone.  Of an array, what was kept lies behind the result in the same
memory, and goes when the result goes; in a program it is the steps themselves.  Where there is
neither, as for nodes in derivatives of derivatives, a rule computes it again.
"""

import math
from typing import Any


def keep(xp: Any, out: Any, *more: Any) -> Any:
    """`out`, from which `kept` finds `more`: arrays of one shape and of its dtype."""
    if hasattr(out, "rest"):  # the result of a step of a program
        out.rest = more
    elif hasattr(out, "base"):
        flat = xp.concat(*[xp.reshape(x, shape=(x.size,)) for x in (out, *more)])
        out = xp.reshape(xp.getitem(flat, index=slice(out.size)), shape=out.shape)
    return out


def kept(out: Any, count: int = 1, shape: tuple[int, ...] | None = None) -> list[Any] | None:
    """The `count` arrays of this shape, `out`'s by default, that `keep` left; None if it left none.

    >>> import numpy
    >>> from tinygrad_edu.namespaces.arrays import NUMPY
    >>> out = keep(NUMPY, numpy.ones((2, 3)), numpy.zeros(2), numpy.ones(2))
    >>> [part.tolist() for part in kept(out, 2, (2,))], kept(out.copy(), 2, (2,))
    ([[0.0, 0.0], [1.0, 1.0]], None)
    """
    if getattr(out, "rest", ()):
        return [*out.rest]
    flat = getattr(out, "base", None)
    if flat is None:
        return None
    shape = out.shape if shape is None else shape
    if flat.shape != (out.size + count * math.prod(shape),):
        return None
    return [*flat[out.size :].reshape(count, *shape)]
