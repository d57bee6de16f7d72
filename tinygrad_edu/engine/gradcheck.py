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

_STEP = 6e-6


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
        start = numpy.array(leaf.data, dtype=float)
        at_input = _at(f, leaves, i)
        central = numpy.asarray(numeric_grad(at_input, start))
        off = numpy.abs(analytic - central) - (atol + rtol * numpy.abs(central))
        off = numpy.where(numpy.isnan(analytic) != numpy.isnan(central), numpy.inf, off)
        if off.size and not numpy.nanmax(off) <= 0:
            at = tuple(map(int, numpy.unravel_index(numpy.nanargmax(off), off.shape)))
            name = f"input {i}" + (f" ('{leaf.name}')" if leaf.name else "")
            place = f" at {at}" if at else ""
            cause = _cause(analytic, central, at, _has_kink(at_input, start, at), depends)
            raise GradcheckError(
                f"the {what} of {name}{place} is {analytic[at]:.10g}, and the central difference "
                f"{central[at]:.10g} ({int((off > 0).sum())} of {off.size} elements disagree); "
                f"{cause}"
            )


def _at(f: Callable[..., Node], leaves: list[Any], i: int) -> Callable[[Any], Any]:
    """f as a function from the numbers of input i to the number it returns."""

    def number(x: Any) -> Any:
        is_value = isinstance(leaves[i], Value)
        moved = Value(x) if is_value else Tensor(numpy.asarray(x), requires_grad=True)
        return f(*leaves[:i], moved, *leaves[i + 1 :])._data

    return number


def numeric_grad(f: Callable[[Any], Any], x: Any, *, step: float = _STEP) -> Any:
    """The gradient of f at x by central differences: (f(x + h) - f(x - h)) / 2h, per element.

    f : a function of a number, or of an array, that returns one number.
    x : a number or an array; the gradient has its shape, in float64.
    step : h is `step` for elements up to 1 in size, and in proportion beyond.  The default is near
        the cube root of the float64 precision, where the errors of a step too long and of rounding
        are smallest together: about ten digits are right.

    Costs two calls of f per element.  Built in lesson 02.

    >>> import math
    >>> round(numeric_grad(math.sin, 0.0), 8)
    1.0
    >>> numeric_grad(lambda x: (x**2).sum(), [1.0, 3.0]).round(6).tolist()
    [2.0, 6.0]
    """
    start = numpy.array(x, dtype=float)
    gradient = numpy.zeros(start.shape)
    for place in numpy.ndindex(start.shape):
        up, down = _moved(start, place, step), _moved(start, place, -step)
        width = up[place] - down[place]  # what was really stepped, after rounding
        gradient[place] = (_call(f, up) - _call(f, down)) / width
    return gradient if gradient.shape else gradient.item()


def _moved(start: Any, place: tuple[int, ...], step: float) -> Any:
    moved = start.copy()
    moved[place] += step * max(1.0, abs(start[place]))
    return moved


def _call(f: Callable[[Any], Any], at: Any) -> float:
    return float(f(at if at.shape else at.item()))


def _has_kink(f: Callable[[Any], Any], start: Any, place: tuple[int, ...]) -> bool:
    """Whether the slope to the left of an element differs from the slope to its right."""
    h = _STEP * max(1.0, abs(start[place]))
    centre = _call(f, start)
    right = (_call(f, _moved(start, place, _STEP)) - centre) / h
    left = (centre - _call(f, _moved(start, place, -_STEP))) / h
    return abs(right - left) > 1e-3 * (1 + abs(left + right) / 2)


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
