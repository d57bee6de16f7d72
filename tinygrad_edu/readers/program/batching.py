"""A program of numbers, run for many samples at once: on arrays, or in a compiled loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy

from tinygrad_edu.engine.value import Value
from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.node import Node, record
from tinygrad_edu.ops.registry import Op, graph
from tinygrad_edu.readers.program.loading import load, load_loop
from tinygrad_edu.readers.program.writer import write_loop

if TYPE_CHECKING:
    from tinygrad_edu.readers.program.compiled import Compiled, Entry

Array = Any


class Vectorized:
    """What `Compiled.vectorize` returns: the function of one sample, called with many."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    def __call__(self, *args: Any) -> Value:
        """The mean of f over the samples, a Value whose gradient reaches what f closes over."""
        entry, samples = self._prepare(args)
        if not any(entry.program.gradients):
            return Value._constant(float(self._values(entry, samples)[0].mean()))
        out, gradients = self._values(entry, samples)
        touched = tuple(entry.captured_wanted)
        data = tuple([x._data for x in touched])
        options = {"gradients": gradients}
        mean: Any = record(_MEAN, Value, float(out.mean()), touched, data, options, True)
        return mean

    def values(self, *args: Any) -> Array:
        """f of every sample, an array (n,) without a history."""
        entry, samples = self._prepare(args)
        return self._values(entry, samples)[0]

    def _prepare(self, args: tuple[Any, ...]) -> tuple[Entry, Array]:
        """The program for one sample, and the samples as an array (arguments, n)."""
        leaves: list[Array] = []
        example = [_first(x, leaves) for x in args]
        sizes = sorted({x.shape[0] for x in leaves if x.ndim})
        if any(x.ndim > 1 for x in leaves) or len(sizes) > 1:
            raise ValueError(
                f"vectorize takes numbers and arrays of one length, not of shapes "
                f"{', '.join(str(x.shape) for x in leaves)}; an array holds one argument for every "
                "sample"
            )
        entry = self._compiled.entry(tuple(example))
        if not entry.scalar or len(entry.program.results) != 1 or entry.program.effects:
            raise TypeError("vectorize needs a function of Values that returns one Value")
        n = sizes[0] if sizes else 1
        return entry, numpy.array([numpy.broadcast_to(x, n) for x in leaves]).reshape(-1, n)

    def _values(self, entry: Entry, samples: Array) -> tuple[Array, Any]:
        """The results, and the gradients of their mean for what f closes over (now or later)."""
        parameters = numpy.array([x._data for x in entry.captured])
        if self._compiled.jit == "numba":
            if entry.loop is None:
                entry.loop = load_loop(write_loop(entry.program, entry.title, len(samples)))
            n = samples.shape[1]
            out, gradients = numpy.empty(n), numpy.zeros(len(entry.captured_wanted))
            entry.loop(samples, parameters, 1.0 / max(n, 1), out, gradients)
            return out, gradients
        if entry.arrays is None:
            entry.arrays = load(entry.written, NUMPY, entry.title)
        loaded = entry.arrays
        with numpy.errstate(all="ignore"):  # a program of numbers does not warn either
            (out,), _, kept = loaded.forward(*samples, *parameters)
        n = samples.shape[1]
        out = numpy.array(numpy.broadcast_to(out, n))

        def pull() -> Array:
            with numpy.errstate(all="ignore"):
                parts = loaded.backward[0](numpy.float64(1.0 / max(n, 1)), kept[0])
            return [numpy.broadcast_to(0.0 if p is None else p, n).sum() for p in parts]

        return out, pull


def _first(x: Any, leaves: list[Array]) -> Any:
    """An argument for the first sample, as Values without gradients; its arrays go to `leaves`.

    A list of numbers is an array; a list of anything else is several arguments.
    """
    if x.__class__ in (list, tuple) and not all(part.__class__ in (int, float) for part in x):
        return x.__class__([_first(part, leaves) for part in x])
    array = numpy.asarray(x._data if isinstance(x, Node) else x, float)
    leaves.append(array)
    return Value._constant(float(array.flat[0]) if array.size else 0.0)


def _operation() -> Op:
    def vectorized(xp: Any, *xs: Any, gradients: Any) -> Any:
        raise TypeError("a mean over samples is computed by its program alone")

    def rule(xp: Any, g: Any, out: Any, *xs: Any, gradients: Any) -> Any:
        if xp is graph:
            raise RuntimeError(
                "a vectorised program is differentiated once; for second derivatives call the "
                "function itself"
            )
        found: Callable[[], Array] | Array = gradients
        return [g * float(part) for part in (found() if callable(found) else found)]

    made = Op(vectorized, symbol="program", latex=None, differentiable=True)
    made.rule = rule
    return made


_MEAN = _operation()
