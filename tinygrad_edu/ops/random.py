"""Random numbers, drawn from a generator that is given or from the one `manual_seed` seeds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy

from tinygrad_edu.node import current_mode
from tinygrad_edu.ops.registry import op

_default: dict[str, Any] = {}


def manual_seed(seed: int | None) -> Any:
    """Seed the generator that is used where none is given; returns it.

    >>> from tinygrad_edu import manual_seed, rand
    >>> _ = manual_seed(0); first = rand(3).tolist()
    >>> _ = manual_seed(0); first == rand(3).tolist()
    True
    """
    _default["generator"] = numpy.random.default_rng(seed)
    return _default["generator"]


def generator_or_default(generator: Any = None) -> Any:
    """`generator`, or the default one, seeded from the operating system if nobody seeded it."""
    if generator is None:
        generator = _default.get("generator") or manual_seed(None)
    drawn = _drawn.get()
    if drawn is not None and all(generator is not g for g, _ in drawn):
        drawn.append((generator, generator.bit_generator.state))
    return generator


_drawn: ContextVar[list[tuple[Any, Any]] | None] = ContextVar("drawn", default=None)


@contextlib.contextmanager
def watch_generators() -> Iterator[list[tuple[Any, Any]]]:
    """A list of the generators used inside the block, each with its state before its first use."""
    drawn: list[tuple[Any, Any]] = []
    token = _drawn.set(drawn)
    try:
        yield drawn
    finally:
        _drawn.reset(token)


@contextlib.contextmanager
def replay_generators(drawn: list[tuple[Any, Any]]) -> Iterator[None]:
    """Inside the block those generators draw the same numbers again; afterwards they go on."""
    if drawn and current_mode().capture is not None:
        raise RuntimeError(
            "random numbers that are drawn again, as in a checkpoint, cannot be recorded: a "
            "repetition would draw others; draw them before, and make them an argument"
        )
    now = [(g, g.bit_generator.state) for g, _ in drawn]
    try:
        for g, state in drawn:
            g.bit_generator.state = state
        yield
    finally:
        for g, state in now:
            g.bit_generator.state = state


@op(differentiable=False)
def uniform_like(xp, x, *, generator=None):
    """Numbers drawn evenly from [0, 1), with x's shape and dtype.  No gradient."""
    return xp.uniform_like(x, generator=generator_or_default(generator))


@op(differentiable=False)
def normal_like(xp, x, *, generator=None):
    """Standard normal numbers with x's shape and dtype.  No gradient."""
    return xp.normal_like(x, generator=generator_or_default(generator))
