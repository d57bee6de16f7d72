"""Line searches: how far to go in a given direction.

Each takes a function of one number, the loss ``f(t)`` after a step of length t, and nothing else
about the problem; `GradientDescent` and `LBFGS` use them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from tinygrad_edu.namespaces.arrays import Array


def bracket_search(
    f: Callable[[float], float],
    *,
    max_dist: float = 1.0,
    thresh: float = 1e-4,
    max_iter: int = 10,
    visit: Callable[[float, float, float, float], object] | None = None,
) -> float:
    """The t in [0, `max_dist`] at which `f` is smallest, if it has one valley there.

    Four points a < b < c < d enclose the minimum and close in on it:

    1. f(a) is the lowest: b, c, d move half-way to a;
    2. f(b) < f(c): the minimum is below c, which becomes d;
    3. otherwise it is above b, which becomes a;

    in 2 and 3, b and c again cut the bracket into thirds.

    Parameters
    ----------
    f : the function; called four times per iteration.
    max_dist : where the bracket ends at first.
    thresh, max_iter : stop when b and c are this close, or after so many iterations.
    visit : called with a, b, c, d at the start of each iteration, for pictures.

    Source: Prince, "Understanding deep learning", 2023, notebook 6.1.

    >>> round(bracket_search(lambda t: (t - 0.3) ** 2, max_iter=30), 3)
    0.3

    Built in lesson 12.
    """
    a, b, c, d = 0.0, 0.33 * max_dist, 0.66 * max_dist, max_dist
    for _ in range(max_iter):
        if abs(b - c) <= thresh:
            break
        if visit is not None:
            visit(a, b, c, d)
        fa, fb, fc, fd = f(a), f(b), f(c), f(d)
        if fa < min(fb, fc, fd):
            b, c, d = (a + b) / 2, (a + c) / 2, (a + d) / 2
            continue
        if fb < fc:
            d = c
        else:
            a = b
        b, c = a + (d - a) / 3, a + 2 * (d - a) / 3
    return (b + c) / 2


def armijo(
    f: Callable[[float], float],
    f0: float,
    slope: float,
    *,
    t: float = 1.0,
    c: float = 0.3,
    rho: float = 0.5,
    max_iter: int = 60,
) -> float:
    """The first of t, ``rho * t``, ``rho**2 * t``, ... at which `f` has fallen enough.

    Enough is a part `c` of what the slope at 0 promises: ``f(t) <= f0 + c * t * slope``.  (Any
    decrease would not do: steps could shrink so fast that they never arrive.)

    Parameters
    ----------
    f : the function.
    f0, slope : its value and its derivative at 0; the slope is negative, or zero at a minimum.
    t : the length tried first.
    max_iter : how often it is shortened at most; 0.0 is returned after that.

    Raises ValueError for a direction that goes up.

    Source: Armijo, "Minimization of functions having Lipschitz continuous first partial
    derivatives", 1966; Nocedal and Wright, "Numerical optimization", 2006, algorithm 3.1 (their
    alpha is our t).

    >>> armijo(lambda t: (t - 0.25) ** 2, 0.0625, -0.5)
    0.25

    Built in lesson 12.
    """
    if slope > 0:
        raise ValueError(f"armijo: the slope is {slope}; the direction must go down")
    for _ in range(max_iter + 1):
        if f(t) <= f0 + c * t * slope:  # false for nan: a step too far is shortened too
            return t
        t *= rho
    return 0.0


class Point(NamedTuple):
    """A place on the line: how far, the loss there, its gradient, its derivative along the line."""

    t: float
    f: float
    g: Array
    slope: float


def strong_wolfe(
    along: Callable[[float], Point],
    start: Point,
    t: float,
    *,
    size: float = 1.0,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_ls: int = 25,
) -> tuple[Point, int]:
    """A point where the loss has fallen enough and has become flat enough; how often it looked.

    Fallen enough: ``f(t) <= f(0) + c1 * t * f'(0)``.  Flat enough: ``|f'(t)| <= c2 * |f'(0)|``.
    First t grows until such points lie behind it; then the bracket is cut at the minimum of the
    cubic polynomial through its ends, until one is hit.

    Parameters
    ----------
    along : evaluates the point at t.
    start : the point at 0; its slope is negative.
    t : the length tried first.
    size : the largest element of the direction; the search ends when the bracket times this is
        below `tolerance_change`.
    max_ls : how often the first phase, and both together, may go on; then the lowest point counts.

    Source: Nocedal and Wright, "Numerical optimization", 2006, algorithms 3.5 and 3.6 and eq. 3.59
    (their alpha is our t, their phi our f).

    >>> def along(t):
    ...     return Point(t, (t - 3) ** 2, None, 2 * (t - 3))
    >>> point, looked = strong_wolfe(along, along(0.0), 0.1)
    >>> point.t, looked
    (1.0, 2)

    Built in lesson 12.
    """

    def fallen(point: Point) -> bool:
        return point.f <= start.f + c1 * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -c2 * start.slope

    last, now, looked, tries = start, along(t), 1, 0
    low, high = start, now
    while tries < max_ls:
        low, high = last, now
        if not fallen(now) or (tries > 1 and now.f >= last.f):
            break
        if flat(now):
            return now, looked
        if now.slope >= 0:
            break
        t = _cubic_minimum(last, now, now.t + 0.01 * (now.t - last.t), now.t * 10)
        last, now = now, along(t)
        looked, tries = looked + 1, tries + 1
    else:
        low, high = start, now

    if not low.f <= high.f:
        low, high = high, low
    near_end = False
    while tries < max_ls and abs(high.t - low.t) * size >= tolerance_change:
        first, final = min(low.t, high.t), max(low.t, high.t)
        t = _cubic_minimum(low, high, first, final)
        # Twice in a row near an end, or at one: go a tenth of the bracket into it instead.
        margin = 0.1 * (final - first)
        close = min(final - t, t - first) < margin
        if close and (near_end or not first < t < final):
            t = final - margin if final - t < t - first else first + margin
            close = False
        near_end = close
        now = along(t)
        looked, tries = looked + 1, tries + 1
        if not fallen(now) or now.f >= low.f:
            low, high = (low, now) if low.f <= now.f else (now, low)
        elif flat(now):
            return now, looked
        else:
            if now.slope * (high.t - low.t) >= 0:
                high = low
            low = now
    return low, looked


def _cubic_minimum(p: Point, q: Point, first: float, final: float) -> float:
    """Where the cubic with the values and slopes of `p` and `q` is lowest in [`first`, `final`]."""
    if p.t > q.t:
        p, q = q, p
    d1 = p.slope + q.slope - 3 * (p.f - q.f) / (p.t - q.t) if p.t != q.t else math.nan
    under = d1 * d1 - p.slope * q.slope
    if not 0 <= under < math.inf:
        return (first + final) / 2
    d2 = math.sqrt(under)
    divisor = q.slope - p.slope + 2 * d2
    if divisor == 0:
        return (first + final) / 2
    t = q.t - (q.t - p.t) * (q.slope + d2 - d1) / divisor
    return min(max(t, first), final)
