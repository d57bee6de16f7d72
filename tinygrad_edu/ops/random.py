"""Random numbers, drawn from a generator that is given or from the one `manual_seed` seeds."""

from typing import Any

from tinygrad_edu.ops.registry import op

_default: dict[str, Any] = {}


def manual_seed(seed: int) -> Any:
    """Seed the generator that is used where none is given; returns it.

    >>> from tinygrad_edu import manual_seed, rand
    >>> _ = manual_seed(0); first = rand(3).tolist()
    >>> _ = manual_seed(0); first == rand(3).tolist()
    True
    """
    import numpy

    _default["generator"] = numpy.random.default_rng(seed)
    return _default["generator"]


def generator_or_default(generator: Any = None) -> Any:
    """`generator`, or the default one, seeded from the operating system if nobody seeded it."""
    if generator is not None:
        return generator
    return _default.get("generator") or manual_seed(None)  # type: ignore[arg-type]


@op(differentiable=False)
def uniform_like(xp, x, *, generator=None):
    """Numbers drawn evenly from [0, 1), with x's shape and dtype.  No gradient."""
    return xp.uniform_like(x, generator=generator_or_default(generator))


@op(differentiable=False)
def normal_like(xp, x, *, generator=None):
    """Standard normal numbers with x's shape and dtype.  No gradient."""
    return xp.normal_like(x, generator=generator_or_default(generator))
