"""What a forward has computed on the way, kept for its rule where computing it again is dear.

A rule is given the result alone.  An array of NumPy rests on the memory of the array that was
computed, and what was kept lies beside that and goes when the result goes; in a program it is the
steps themselves.  Where there is neither, as for nodes in derivatives of derivatives and on a GPU,
a rule computes it again.
"""

from typing import Any

import numpy


class Memory:
    """An array, what was computed with it, and how NumPy makes another array of its memory."""

    def __init__(self, array: Any, rest: tuple[Any, ...]) -> None:
        self.array, self.rest = array, rest
        self.__array_interface__ = array.__array_interface__

    @property
    def nbytes(self) -> int:
        """How large all of them are."""
        return sum(x.nbytes for x in (self.array, *self.rest))


def keep(out: Any, *more: Any) -> Any:
    """`out`, from which `kept` finds `more`, as long as nobody writes into these."""
    if hasattr(out, "rest"):  # the result of a step of a program
        out.rest = more
    elif out.__class__ is numpy.ndarray:
        out = numpy.asarray(Memory(out, more))
    return out


def kept(out: Any) -> tuple[Any, ...] | None:
    """What `keep` left with this very array; None if it left nothing.

    >>> out = keep(numpy.ones((2, 3)), numpy.zeros(2))
    >>> kept(out), kept(out.copy()), kept(out[:1])
    ((array([0., 0.]),), None, None)
    """
    memory = getattr(out, "base", None)
    return memory.rest if isinstance(memory, Memory) else getattr(out, "rest", None) or None
