"""Source -> functions: compiled under a file name of its own, so that tracebacks show its lines."""

from __future__ import annotations

import itertools
import linecache
import weakref
from collections.abc import Callable
from typing import Any

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
