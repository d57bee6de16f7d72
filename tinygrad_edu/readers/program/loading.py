"""Source -> functions: compiled under a file name of its own, so that tracebacks show its lines."""

from __future__ import annotations

import functools
import itertools
import linecache
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_edu.readers.program.names import identifier
from tinygrad_edu.readers.program.words import meaning
from tinygrad_edu.readers.program.writer import Written

_numbers = itertools.count(1)

# What a source may say beside the words of the vocabulary.
_WORDS: dict[str, Any] = {
    "inf": float("inf"),
    "nan": float("nan"),
    "empty": numpy.empty,
    "float32": numpy.float32,
    "float64": numpy.float64,
}


class Loaded:
    """The functions of a program, ready to be called: `forward`, and `backward` per result."""

    __slots__ = ("__weakref__", "backward", "forward")

    def __init__(self, forward: Callable[..., Any], backward: dict[int, Callable[..., Any]]):
        self.forward = forward
        self.backward = backward


def need_numba(what: str) -> Any:
    """The package numba, or a ModuleNotFoundError that says how `what` gets it."""
    try:
        import numba
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'{what} needs numba: pip install "tinygrad_edu[jit]"') from error
    return numba


def load_loop(written: Written) -> Callable[..., Any]:
    """The function of a source made by `write_loop`, compiled to machine code by numba.

    Raises ModuleNotFoundError, with the command that installs numba, if it is missing.
    """
    return _machine_code(written.text, written.uses)


@functools.lru_cache(256)
def _machine_code(text: str, uses: frozenset[str]) -> Callable[..., Any]:
    """The function `loop` of a source, to be compiled when it is called."""
    numba = need_numba('jit="numba"')
    names = {name: getattr(numpy, name, None) or getattr(math, name) for name in uses} | _WORDS
    exec(compile(text, "<loop>", "exec", dont_inherit=True), names)
    # Under numba's "numpy" errors, division and logarithms give inf and nan as ours do.
    compiled: Callable[..., Any] = numba.njit(error_model="numpy")(names["loop"])
    return compiled


def load(written: Written, xp: Any, title: str = "f") -> Loaded:
    """The functions of a source, its words meaning what they mean in namespace `xp`."""
    filename = f"<program {next(_numbers)}: {identifier(title)}>"
    names: dict[str, Any] = {
        **_WORDS,
        **{name: meaning(name, xp) for name in written.uses},
        **written.objects,
    }
    if hasattr(xp, "library") and xp.device == "cuda":
        names["ElementwiseKernel"] = xp.library.ElementwiseKernel
    exec(compile(written.text, filename, "exec", dont_inherit=True), names)
    names |= {k: _machine_code(*text) for k, text in written.loops.items()}
    lines = written.text.splitlines(keepends=True)
    linecache.cache[filename] = (len(written.text), None, lines, filename)
    found = {
        int(name.removeprefix("backward_")): function
        for name, function in names.items()
        if name.startswith("backward_") and name not in written.objects
    }
    loaded = Loaded(names["forward"], found)
    weakref.finalize(loaded, linecache.cache.pop, filename, None)
    return loaded
