"""gradcheck: a gradient held against central differences, with a report one can act on."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tinygrad_edu.engine.backprop import grad
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.engine.transforms import as_leaf
from tinygrad_edu.engine.value import Value
from tinygrad_edu.node import Node, no_grad, set_mode

_STEP = 6e-6  # near the cube root of the float64 precision, where both errors are smallest


class GradcheckError(AssertionError):
    """A gradient and its central difference disagree."""


def gradcheck(
    f: Callable[..., Node],
    inputs: Any,
    *,
    order: int = 1,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 0,
) -> bool:
    """True if the gradients of f at `inputs` equal central differences; raises otherwise.

    f : a function of nodes that returns one node of any shape.
    inputs : its argument, or a list of them: Values, Tensors, numbers, arrays; tensors need
        float64, since float32 has too few digits for differences.
    order : 2 checks the second derivatives as well, in a random direction.
    rtol, atol : the gradient a and the difference d agree if |a - d| <= atol + rtol * |d|.

    A result of many elements is reduced to one number with random weights first.

    Raises
    ------
    GradcheckError
        Naming the worst element, both numbers and the likely cause.
    TypeError
        For inputs that cannot be checked.

    >>> from tinygrad_edu import Value, gradcheck
    >>> gradcheck(lambda x, y: (x * y).tanh(), [Value(0.5), Value(-2.0)], order=2)
    True
    """
    given = inputs if isinstance(inputs, list | tuple) else [inputs]
    leaves = [as_leaf(x) for x in given]
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor) and leaf.dtype != numpy.float64:
            raise TypeError(
                f"gradcheck needs float64, and input {i} is {leaf.dtype}: differences in it have "
                "about three digits; pass x.astype('float64')"
            )
    generator = numpy.random.default_rng(seed)
    reduced = _as_number(f, leaves, generator)
    _check(reduced, leaves, rtol, atol, "gradient")
    if order >= 2:
        directions = [_direction(x, generator) for x in leaves]

        def slope(*xs: Node) -> Node:
            """The first derivative of f in a fixed direction."""
            firsts = grad(reduced(*xs), xs, create_graph=True)
            terms = [_total(g * v) for g, v in zip(firsts, directions, strict=True)]
            return functools.reduce(operator.add, terms)

        _check(slope, leaves, 10 * rtol, 10 * atol, "second derivative")
    return True


def _as_number(
    f: Callable[..., Node], leaves: Sequence[Node], generator: Any
) -> Callable[..., Node]:
    """f followed by a sum with fixed random weights, if it returns more than one number."""
    with no_grad():
        shape = f(*leaves).shape
    if shape == ():
        return f
    weights = generator.uniform(0.5, 1.5, shape)
    return lambda *xs: (f(*xs) * weights).sum()


def _direction(x: Node, generator: Any) -> Any:
    drawn = generator.uniform(0.5, 1.5, x.shape)
    return float(drawn) if isinstance(x, Value) else drawn


def _total(x: Any) -> Any:
    return x.sum() if isinstance(x, Tensor) else x


def _check(f: Callable[..., Node], leaves: list[Any], rtol: float, atol: float, what: str) -> None:
    """Compare the gradient of f, which returns one number, with differences, element by element."""
    with set_mode(recording=True):
        out = f(*leaves)
        depends = out.requires_grad
        grads = grad(out, leaves) if depends else [x._constant(x._data * 0) for x in leaves]
    for i, (leaf, g) in enumerate(zip(leaves, grads, strict=True)):
        analytic = numpy.asarray(g.data, dtype=float)
        central, left, right = _differences(f, leaves, i)
        off = numpy.abs(analytic - central) - (atol + rtol * numpy.abs(central))
        off = numpy.where(numpy.isnan(analytic) != numpy.isnan(central), numpy.inf, off)
        if off.size and not numpy.nanmax(off) <= 0:
            at = numpy.unravel_index(numpy.nanargmax(off), off.shape)
            name = f"input {i}" + (f" ('{leaf.name}')" if leaf.name else "")
            place = f" at {tuple(map(int, at))}" if at else ""
            kink = abs(right[at] - left[at]) > 1e-3 * (1 + abs(central[at]))
            cause = _cause(analytic, central, at, kink, depends)
            raise GradcheckError(
                f"the {what} of {name}{place} is {analytic[at]:.10g}, and the central difference "
                f"{central[at]:.10g} ({int((off > 0).sum())} of {off.size} elements disagree); "
                f"{cause}"
            )


def _differences(f: Callable[..., Node], leaves: list[Any], i: int) -> tuple[Any, Any, Any]:
    """Central, left and right differences of f for every element of input i."""
    leaf = leaves[i]
    start = numpy.array(leaf.data, dtype=float)
    central, left, right = (numpy.zeros(start.shape) for _ in range(3))

    def at(values: Any) -> float:
        moved = Value(values.item()) if isinstance(leaf, Value) else Tensor(values)
        moved.requires_grad = True  # order 2 differentiates inside f
        args = [*leaves[:i], moved, *leaves[i + 1 :]]
        return float(f(*args)._data)

    centre = at(start)
    for place in numpy.ndindex(start.shape):
        step = _STEP * max(1.0, abs(start[place]))
        up, down = start.copy(), start.copy()
        up[place] += step
        down[place] -= step
        above, below = at(up), at(down)
        width = up[place] - down[place]  # what was really stepped, after rounding
        central[place] = (above - below) / width
        left[place] = 2 * (centre - below) / width
        right[place] = 2 * (above - centre) / width
    return central, left, right


def _cause(analytic: Any, central: Any, at: Any, kink: bool, depends: bool) -> str:
    """The likeliest reason for a disagreement."""
    a, d = analytic[at], central[at]
    if not depends:
        return "the result does not depend on any input: was something detached, or made by numpy?"
    if numpy.isnan(a):
        return "the rule gives nan: look for 0 * inf or 0 / 0 in it"
    if kink:
        return "left and right differences disagree, so there is a kink or a jump: move the input"
    if a == 0 and numpy.all(analytic == 0):
        return "no gradient arrives: does the rule return None, or is the input detached?"
    live = numpy.abs(central) > 1e-6
    ratios = analytic[live] / central[live]
    if ratios.size and numpy.allclose(ratios, ratios.flat[0], rtol=1e-3):
        return f"every element is off by the same factor {ratios.flat[0]:.4g}: a constant is wrong"
    if abs(a + d) < 1e-5 * abs(d):
        return "the sign is wrong here"
    return "the rule's formula is wrong for this operand"
