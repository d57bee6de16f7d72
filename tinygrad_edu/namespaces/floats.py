"""The vocabulary over Python floats: the arithmetic of the scalar engine.

Results follow IEEE 754 as arrays do: ``log(0.0)`` is ``-inf`` and ``sqrt(-1.0)`` is ``nan`` where
the `math` module would raise.  A condition is a Python bool.  Names that need an array exist too,
and say so when called.
"""

import math
from collections.abc import Callable
from typing import Any, NoReturn

from tinygrad_edu.namespaces.vocabulary import ARRAY

arctan = math.atan
arctan2 = math.atan2
erf = math.erf
tanh = math.tanh


def _ieee(function: Callable[[float], float], overflow: float) -> Callable[[float], float]:
    """`function` with nan outside its domain and `overflow` where the result is too large."""

    def safe(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return math.nan
        except OverflowError:
            return overflow

    safe.__name__ = function.__name__
    return safe


def _log(function: Callable[[float], float], pole: float) -> Callable[[float], float]:
    """A logarithm that is -inf at its pole and nan below it."""

    def safe(x: float) -> float:
        if x > pole:
            return function(x)
        return -math.inf if x == pole else math.nan

    safe.__name__ = function.__name__
    return safe


exp = _ieee(math.exp, math.inf)
expm1 = _ieee(math.expm1, math.inf)
cosh = _ieee(math.cosh, math.inf)
sqrt = _ieee(math.sqrt, math.inf)
sin = _ieee(math.sin, math.nan)
cos = _ieee(math.cos, math.nan)
tan = _ieee(math.tan, math.nan)
arcsin = _ieee(math.asin, math.nan)
arccos = _ieee(math.acos, math.nan)
log = _log(math.log, 0.0)
log2 = _log(math.log2, 0.0)
log10 = _log(math.log10, 0.0)
log1p = _log(math.log1p, -1.0)


def exp2(x: float) -> float:
    return power(2.0, x)


def sinh(x: float) -> float:
    try:
        return math.sinh(x)
    except OverflowError:
        return math.copysign(math.inf, x)


def divide(x: float, y: float) -> float:
    try:
        return x / y
    except ZeroDivisionError:
        if x == 0 or x != x:
            return math.nan
        return math.copysign(math.inf, x) * math.copysign(1.0, y)


def power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0 and y % 2 == 1 else math.inf
    except ValueError:
        if x != 0:  # a negative number to a fractional power
            return math.nan
        odd = y % 2 == 1  # zero to a negative power: only an odd one keeps the sign of zero
        return math.copysign(math.inf, x) if odd else math.inf


def sign(x: float) -> float:
    return x if x != x else float((x > 0) - (x < 0))


def floor(x: float) -> float:
    return math.copysign(math.floor(x), x) if math.isfinite(x) else x  # floor(-0.0) is -0.0


def ceil(x: float) -> float:
    return math.copysign(math.ceil(x), x) if math.isfinite(x) else x


def maximum(x: float, y: float) -> float:
    return x if x >= y or x != x else y


def minimum(x: float, y: float) -> float:
    return x if x <= y or x != x else y


def where(condition: float, x: float, y: float) -> float:
    return x if condition else y


def zeros_like(x: float) -> float:
    return 0.0


def ones_like(x: float) -> float:
    return 1.0


def abs(x: float) -> float:
    return math.fabs(x)


def _needs_array(name: str) -> Callable[..., NoReturn]:
    def refuse(*operands: Any, **options: Any) -> NoReturn:
        raise TypeError(f"{name} needs an array, and a Value is one number; use Tensor")

    refuse.__name__ = name
    return refuse


globals().update({name: _needs_array(name) for name in ARRAY})
