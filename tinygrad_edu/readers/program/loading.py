"""Source -> functions: compiled under a file name of its own, so that tracebacks show its lines."""

from __future__ import annotations

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


class Loaded:
    """The functions of a program, ready to be called: `forward`, and `backward` per result."""

    __slots__ = ("__weakref__", "backward", "forward")

    def __init__(self, forward: Callable[..., Any], backward: dict[int, Callable[..., Any]]):
        self.forward = forward
        self.backward = backward


def load_loop(written: Written) -> Callable[..., Any]:
    """The function of a source made by `write_loop`, compiled to machine code by numba.

    Raises ModuleNotFoundError, with the command that installs numba, if it is missing.
    """
    try:
        import numba
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'jit="numba" needs numba: pip install "tinygrad_edu[jit]"'
        ) from error
    names: dict[str, Any] = {"inf": float("inf"), "nan": float("nan")}
    names |= {name: getattr(numpy, name, None) or getattr(math, name) for name in written.uses}
    exec(compile(written.text, "<loop>", "exec", dont_inherit=True), names)
    # Under numba's "numpy" errors, division and logarithms give inf and nan as ours do.
    compiled: Callable[..., Any] = numba.njit(error_model="numpy")(names["loop"])
    return compiled


def load(written: Written, xp: Any, title: str = "f") -> Loaded:
    """The functions of a source, its words meaning what they mean in namespace `xp`."""
    filename = f"<program {next(_numbers)}: {identifier(title)}>"
    names: dict[str, Any] = {
        "inf": float("inf"),
        "nan": float("nan"),
        **{name: meaning(name, xp) for name in written.uses},
        **written.objects,
    }
    exec(compile(written.text, filename, "exec", dont_inherit=True), names)
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
