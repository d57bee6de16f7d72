"""Operations that act on each element alone; operands broadcast.

The engine undoes broadcasting after each rule, so a rule is the formula of calculus and nothing
else.  Kinks and ties: relu'(0) = 0, abs'(0) = 0, `maximum` and `minimum` give each of two equal
operands half.  Where a derivative is infinite at a finite point (log and sqrt at 0, and so on),
`_live` keeps an element that received no gradient from turning 0 * inf into nan: this is what
makes ``where(x > 0, sqrt(x), 0)`` safe at 0.
"""

import math
from typing import Any

from tinygrad_edu.ops.kept import keep, kept
from tinygrad_edu.ops.registry import op

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)
_ROOT_HALF = math.sqrt(0.5)
_ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)
_2_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)
_SELU_ALPHA = 1.6732632423543772  # Klambauer et al. 2017, arXiv:1706.02515, section 2
_SELU_SCALE = 1.0507009873554805


def _live(g: Any, x: Any) -> Any:
    """x, with 1 in place of a 0 at which no gradient arrives."""
    return x + (x == 0) * (g == 0)


# Arithmetic


@op(symbol="+", latex="{x} + {y}")
def add(xp, x, y):
    """Sum of two operands.  Shapes broadcast."""
    return x + y


@add.vjp
def add_vjp(xp, g, out, x, y):
    return g, g


@op(symbol="-", latex="{x} - {y}")
def subtract(xp, x, y):
    """Difference of two operands.  Shapes broadcast."""
    return x - y


@subtract.vjp
def subtract_vjp(xp, g, out, x, y):
    return g, lambda: -g


@op(symbol="*", latex=r"{x} \cdot {y}")
def multiply(xp, x, y):
    """Product of two operands, element by element.  Shapes broadcast."""
    return x * y


@multiply.vjp
def multiply_vjp(xp, g, out, x, y):
    return g * y, g * x


@op(symbol="/", latex=r"\frac{{{x}}}{{{y}}}")
def divide(xp, x, y):
    """Quotient x / y; inf or nan where y is 0.  Shapes broadcast."""
    return xp.divide(x, y)


@divide.vjp
def divide_vjp(xp, g, out, x, y):
    y = _live(g, y)
    return xp.divide(g, y), lambda: -xp.divide(xp.divide(g * x, y), y)


@op(symbol="neg", latex="-{x}")
def negative(xp, x):
    """Minus x."""
    return -x


@negative.vjp
def negative_vjp(xp, g, out, x):
    return (-g,)


@op(symbol="pow", latex="{{{x}}}^{{{y}}}")
def power(xp, x, y):
    """x to the power y; nan where the result is not real.  Shapes broadcast.

    At x = 0 the gradient of x is y * 0^(y-1), and 0 for y = 0; the gradient of y is 0.
    """
    return xp.power(x, y)


@power.vjp
def power_vjp(xp, g, out, x, y):
    def base():
        slope = g * y
        return slope * xp.power(_live(slope, x), y - 1.0)

    def exponent():
        zero = x == 0
        return xp.where(zero, 0.0, g * out * xp.log(x + zero))

    return base, exponent


@op(symbol="1/x", latex=r"\frac{{1}}{{{x}}}")
def reciprocal(xp, x):
    """1 / x; inf at 0."""
    return xp.divide(1.0, x)


@reciprocal.vjp
def reciprocal_vjp(xp, g, out, x):
    x = _live(g, x)
    return (-xp.divide(xp.divide(g, x), x),)


@op(symbol="x^2", latex="{{{x}}}^2")
def square(xp, x):
    """x squared."""
    return x * x


@square.vjp
def square_vjp(xp, g, out, x):
    return (2.0 * g * x,)


@op(latex=r"\sqrt{{{x}}}")
def sqrt(xp, x):
    """Square root; nan below 0.  The gradient at 0 is inf (0 where no gradient arrives)."""
    return xp.sqrt(x)


@sqrt.vjp
def sqrt_vjp(xp, g, out, x):
    return (xp.divide(0.5 * g, _live(g, out)),)


@op(latex=r"\frac{{1}}{{\sqrt{{{x}}}}}")
def rsqrt(xp, x):
    """1 / sqrt(x)."""
    return xp.divide(1.0, xp.sqrt(x))


@rsqrt.vjp
def rsqrt_vjp(xp, g, out, x):
    x = _live(g, x)
    return (xp.divide(-0.5 * g, x * xp.sqrt(x)),)


@op(symbol="|x|", latex=r"\left|{x}\right|")
def abs(xp, x):
    """Absolute value.  The derivative at 0 is 0."""
    return xp.abs(x)


@abs.vjp
def abs_vjp(xp, g, out, x):
    return (g * xp.sign(x),)


@op(latex=r"\operatorname{{sign}}\left({x}\right)")
def sign(xp, x):
    """-1, 0 or 1.  The derivative is 0 everywhere."""
    return xp.sign(x)


@sign.vjp
def sign_vjp(xp, g, out, x):
    return (xp.zeros_like(g),)


@op(latex=r"\left\lfloor {x} \right\rfloor")
def floor(xp, x):
    """The largest integer not above x.  The derivative is 0 everywhere."""
    return xp.floor(x)


@floor.vjp
def floor_vjp(xp, g, out, x):
    return (xp.zeros_like(g),)


@op(latex=r"\left\lceil {x} \right\rceil")
def ceil(xp, x):
    """The smallest integer not below x.  The derivative is 0 everywhere."""
    return xp.ceil(x)


@ceil.vjp
def ceil_vjp(xp, g, out, x):
    return (xp.zeros_like(g),)


# Exponentials and logarithms


@op(latex="e^{{{x}}}")
def exp(xp, x):
    """e to the power x."""
    return xp.exp(x)


@exp.vjp
def exp_vjp(xp, g, out, x):
    return (g * out,)


@op(latex="2^{{{x}}}")
def exp2(xp, x):
    """2 to the power x."""
    return xp.exp2(x)


@exp2.vjp
def exp2_vjp(xp, g, out, x):
    return (_LN2 * g * out,)


@op(latex="e^{{{x}}} - 1")
def expm1(xp, x):
    """exp(x) - 1, exact for small x."""
    return xp.expm1(x)


@expm1.vjp
def expm1_vjp(xp, g, out, x):
    return (g * (out + 1.0),)


@op(latex=r"\ln\left({x}\right)")
def log(xp, x):
    """Natural logarithm; -inf at 0, nan below."""
    return xp.log(x)


@log.vjp
def log_vjp(xp, g, out, x):
    return (xp.divide(g, _live(g, x)),)


@op(latex=r"\log_2\left({x}\right)")
def log2(xp, x):
    """Logarithm to base 2 (bits)."""
    return xp.log2(x)


@log2.vjp
def log2_vjp(xp, g, out, x):
    return (xp.divide(g, _LN2 * _live(g, x)),)


@op(latex=r"\log_{{10}}\left({x}\right)")
def log10(xp, x):
    """Logarithm to base 10."""
    return xp.log10(x)


@log10.vjp
def log10_vjp(xp, g, out, x):
    return (xp.divide(g, _LN10 * _live(g, x)),)


@op(latex=r"\ln\left(1 + {x}\right)")
def log1p(xp, x):
    """log(1 + x), exact for small x."""
    return xp.log1p(x)


@log1p.vjp
def log1p_vjp(xp, g, out, x):
    return (xp.divide(g, _live(g, 1.0 + x)),)


@op(latex=r"\ln\left(e^{{{x}}} + e^{{{y}}}\right)")
def logaddexp(xp, x, y):
    """log(exp(x) + exp(y)) without overflow.  Shapes broadcast."""
    return xp.maximum(x, y) + xp.log1p(xp.exp(-xp.abs(_difference(xp, x, y))))


@logaddexp.vjp
def logaddexp_vjp(xp, g, out, x, y):
    difference = _difference(xp, x, y)
    return g * sigmoid.read(xp, difference), g * sigmoid.read(xp, -difference)


def _difference(xp, x, y):
    """x - y, and 0 rather than nan where they are the same infinity."""
    same = (x == y) * (xp.abs(x) == math.inf)
    return xp.where(same, 0.0, x) - xp.where(same, 0.0, y)


# Angles


@op(latex=r"\sin\left({x}\right)")
def sin(xp, x):
    """Sine of x radians."""
    return xp.sin(x)


@sin.vjp
def sin_vjp(xp, g, out, x):
    return (g * xp.cos(x),)


@op(latex=r"\cos\left({x}\right)")
def cos(xp, x):
    """Cosine of x radians."""
    return xp.cos(x)


@cos.vjp
def cos_vjp(xp, g, out, x):
    return (-g * xp.sin(x),)


@op(latex=r"\tan\left({x}\right)")
def tan(xp, x):
    """Tangent of x radians."""
    return xp.tan(x)


@tan.vjp
def tan_vjp(xp, g, out, x):
    return (g * (1.0 + out * out),)


@op(latex=r"\arcsin\left({x}\right)")
def arcsin(xp, x):
    """Angle in radians whose sine is x; nan outside [-1, 1]."""
    return xp.arcsin(x)


@arcsin.vjp
def arcsin_vjp(xp, g, out, x):
    return (xp.divide(g, xp.sqrt(_live(g, 1.0 - x * x))),)


@op(latex=r"\arccos\left({x}\right)")
def arccos(xp, x):
    """Angle in radians whose cosine is x; nan outside [-1, 1]."""
    return xp.arccos(x)


@arccos.vjp
def arccos_vjp(xp, g, out, x):
    return (-xp.divide(g, xp.sqrt(_live(g, 1.0 - x * x))),)


@op(latex=r"\arctan\left({x}\right)")
def arctan(xp, x):
    """Angle in radians whose tangent is x."""
    return xp.arctan(x)


@arctan.vjp
def arctan_vjp(xp, g, out, x):
    return (xp.divide(g, 1.0 + x * x),)


@op(latex=r"\operatorname{{arctan2}}\left({y}, {x}\right)")
def arctan2(xp, y, x):
    """Angle in radians of the point (x, y).  Both gradients are 0 at the origin."""
    return xp.arctan2(y, x)


@arctan2.vjp
def arctan2_vjp(xp, g, out, y, x):
    radius2 = x * x + y * y
    scaled = xp.divide(g, xp.where(radius2 == 0, 1.0, radius2))
    return scaled * x, -scaled * y


@op(latex=r"\sinh\left({x}\right)")
def sinh(xp, x):
    """Hyperbolic sine."""
    return xp.sinh(x)


@sinh.vjp
def sinh_vjp(xp, g, out, x):
    return (g * xp.cosh(x),)


@op(latex=r"\cosh\left({x}\right)")
def cosh(xp, x):
    """Hyperbolic cosine."""
    return xp.cosh(x)


@cosh.vjp
def cosh_vjp(xp, g, out, x):
    return (g * xp.sinh(x),)


@op(latex=r"\tanh\left({x}\right)")
def tanh(xp, x):
    """Hyperbolic tangent."""
    return xp.tanh(x)


@tanh.vjp
def tanh_vjp(xp, g, out, x):
    return (g * (1.0 - out * out),)


@op(latex=r"\operatorname{{erf}}\left({x}\right)")
def erf(xp, x):
    """Error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return xp.erf(x)


@erf.vjp
def erf_vjp(xp, g, out, x):
    return (_2_OVER_ROOT_PI * g * xp.exp(-x * x),)


# Choices


@op(symbol="max", latex=r"\max\left({x}, {y}\right)")
def maximum(xp, x, y):
    """The larger of two operands; equal ones share the gradient evenly.  Shapes broadcast."""
    return xp.maximum(x, y)


@maximum.vjp
def maximum_vjp(xp, g, out, x, y):
    half = 0.5 * g
    return half * (x >= y) + half * (x > y), half * (y >= x) + half * (y > x)


@op(symbol="min", latex=r"\min\left({x}, {y}\right)")
def minimum(xp, x, y):
    """The smaller of two operands; equal ones share the gradient evenly.  Shapes broadcast."""
    return xp.minimum(x, y)


@minimum.vjp
def minimum_vjp(xp, g, out, x, y):
    half = 0.5 * g
    return half * (x <= y) + half * (x < y), half * (y <= x) + half * (y < x)


@op(latex=r"\operatorname{{clip}}\left({x}\right)")
def clip(xp, x, *, min=None, max=None):
    """x limited to [min, max]; either may be None.  The derivative is 1 inside and at the ends."""
    if min is not None:
        x = xp.maximum(x, min)
    return x if max is None else xp.minimum(x, max)


@clip.vjp
def clip_vjp(xp, g, out, x, *, min, max):
    if min is not None:
        g = xp.where(x < min, 0.0, g)
    return (g if max is None else xp.where(x > max, 0.0, g),)


@op(latex=r"\operatorname{{where}}\left({condition}, {x}, {y}\right)")
def where(xp, condition, x, y):
    """x where the condition holds, y elsewhere; the unselected one gets gradient 0."""
    return xp.where(condition, x, y)


@where.vjp
def where_vjp(xp, g, out, condition, x, y):
    return None, xp.where(condition, g, 0.0), xp.where(condition, 0.0, g)


# Comparisons: results are constants


@op(symbol=">", latex="{x} > {y}", differentiable=False)
def greater(xp, x, y):
    """Whether x > y.  No gradient."""
    return x > y


@op(symbol=">=", latex=r"{x} \ge {y}", differentiable=False)
def greater_equal(xp, x, y):
    """Whether x >= y.  No gradient."""
    return x >= y


@op(symbol="<", latex="{x} < {y}", differentiable=False)
def less(xp, x, y):
    """Whether x < y.  No gradient."""
    return x < y


@op(symbol="<=", latex=r"{x} \le {y}", differentiable=False)
def less_equal(xp, x, y):
    """Whether x <= y.  No gradient."""
    return x <= y


@op(symbol="==", latex="{x} = {y}", differentiable=False)
def equal(xp, x, y):
    """Whether x equals y.  No gradient."""
    return x == y


@op(symbol="!=", latex=r"{x} \ne {y}", differentiable=False)
def not_equal(xp, x, y):
    """Whether x differs from y.  No gradient."""
    return x != y


@op(symbol="0", latex="0", differentiable=False)
def zeros_like(xp, x):
    """Zeros with x's shape, dtype and device.  No gradient."""
    return xp.zeros_like(x)


@op(symbol="1", latex="1", differentiable=False)
def ones_like(xp, x):
    """Ones with x's shape, dtype and device.  No gradient."""
    return xp.ones_like(x)


# Activations


@op(latex=r"\operatorname{{relu}}\left({x}\right)")
def relu(xp, x):
    """max(x, 0).  The derivative at 0 is 0."""
    return xp.maximum(x, 0.0)


@relu.vjp
def relu_vjp(xp, g, out, x):
    return (g * (x > 0),)


@op(latex=r"\operatorname{{leaky\_relu}}\left({x}\right)")
def leaky_relu(xp, x, *, negative_slope=0.01):
    """x above 0, negative_slope * x elsewhere.  Source: Maas et al. 2013."""
    return xp.where(x > 0, x, negative_slope * x)


@leaky_relu.vjp
def leaky_relu_vjp(xp, g, out, x, *, negative_slope):
    return (xp.where(x > 0, g, negative_slope * g),)


@op(latex=r"\operatorname{{elu}}\left({x}\right)")
def elu(xp, x, *, alpha=1.0):
    """x above 0, alpha * (exp(x) - 1) elsewhere.  Source: Clevert et al. 2015, arXiv:1511.07289."""
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0.0)))


@elu.vjp
def elu_vjp(xp, g, out, x, *, alpha):
    return (g * xp.where(x > 0, 1.0, alpha * xp.exp(xp.minimum(x, 0.0))),)


@op(latex=r"\operatorname{{selu}}\left({x}\right)")
def selu(xp, x):
    """Scaled elu that keeps mean 0 and variance 1.  Source: Klambauer et al. 2017."""
    return _SELU_SCALE * xp.where(x > 0, x, _SELU_ALPHA * xp.expm1(xp.minimum(x, 0.0)))


@selu.vjp
def selu_vjp(xp, g, out, x):
    inside = xp.where(x > 0, 1.0, _SELU_ALPHA * xp.exp(xp.minimum(x, 0.0)))
    return (_SELU_SCALE * g * inside,)


@op(latex=r"\operatorname{{celu}}\left({x}\right)")
def celu(xp, x, *, alpha=1.0):
    """max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1).  Source: Barron 2017, arXiv:1704.07483."""
    return xp.maximum(x, 0.0) + alpha * xp.expm1(xp.minimum(x, 0.0) * (1.0 / alpha))


@op(latex=r"\sigma\left({x}\right)")
def sigmoid(xp, x):
    """1 / (1 + exp(-x)), with top and bottom times exp(min(x, 0)) so that neither overflows."""
    return xp.divide(xp.exp(xp.minimum(x, 0.0)), 1.0 + xp.exp(-xp.abs(x)))


@sigmoid.vjp
def sigmoid_vjp(xp, g, out, x):
    return (g * out * (1.0 - out),)


@op(latex=r"\operatorname{{softplus}}\left({x}\right)")
def softplus(xp, x, *, beta=1.0):
    """log(1 + exp(beta * x)) / beta, without overflow."""
    scaled = beta * x
    return (xp.maximum(scaled, 0.0) + xp.log1p(xp.exp(-xp.abs(scaled)))) * (1.0 / beta)


@softplus.vjp
def softplus_vjp(xp, g, out, x, *, beta):
    return (g * sigmoid.read(xp, beta * x),)


@op(latex=r"\ln\sigma\left({x}\right)")
def logsigmoid(xp, x):
    """log(sigmoid(x)), without overflow."""
    return xp.minimum(x, 0.0) - xp.log1p(xp.exp(-xp.abs(x)))


@logsigmoid.vjp
def logsigmoid_vjp(xp, g, out, x):
    return (g * sigmoid.read(xp, -x),)


@op(latex=r"\operatorname{{silu}}\left({x}\right)")
def silu(xp, x):
    """x * sigmoid(x), also called swish.  Source: Elfwing et al. 2017, arXiv:1702.03118."""
    return x * sigmoid.read(xp, x)


@silu.vjp
def silu_vjp(xp, g, out, x):
    s = sigmoid.read(xp, x)
    return (g * (s + x * s * (1.0 - s)),)


@op(latex=r"\operatorname{{mish}}\left({x}\right)")
def mish(xp, x):
    """x * tanh(softplus(x)).  Source: Misra 2019, arXiv:1908.08681."""
    return x * xp.tanh(softplus.read(xp, x))


@mish.vjp
def mish_vjp(xp, g, out, x):
    t = xp.tanh(softplus.read(xp, x))
    return (g * (t + x * (1.0 - t * t) * sigmoid.read(xp, x)),)


@op(latex=r"\operatorname{{gelu}}\left({x}\right)")
def gelu(xp, x, *, approximate="none"):
    """x times the chance that a standard normal number is below x.

    ``approximate="tanh"`` replaces the normal distribution function by a tanh.
    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate is {approximate!r}, not 'none' or 'tanh'")
    if approximate == "tanh":
        return 0.5 * x * (1.0 + xp.tanh(_ROOT_2_OVER_PI * (x + 0.044715 * x * x * x)))
    chance = _normal_chance(xp, x)
    return keep(x * chance, chance)


@gelu.vjp
def gelu_vjp(xp, g, out, x, *, approximate):
    if approximate == "tanh":
        t = xp.tanh(_ROOT_2_OVER_PI * (x + 0.044715 * x * x * x))
        slope = _ROOT_2_OVER_PI * (1.0 + 0.134145 * x * x)
        return (0.5 * g * (1.0 + t + x * (1.0 - t * t) * slope),)
    (chance,) = kept(out) or (_normal_chance(xp, x),)
    exponent = -0.5 * x
    exponent *= x
    slope = xp.exp(exponent)  # in place from here on: a third faster than formulas
    slope *= 0.5 * _ROOT_2_OVER_PI
    slope *= x
    slope += chance
    slope *= g
    return (slope,)


def _normal_chance(xp: Any, x: Any) -> Any:
    """How likely a standard normal number is below x."""
    chance = xp.erf(_ROOT_HALF * x)
    chance += 1.0
    chance *= 0.5
    return chance


@op(latex=r"\operatorname{{hardtanh}}\left({x}\right)")
def hardtanh(xp, x, *, min_val=-1.0, max_val=1.0):
    """x limited to [min_val, max_val].  The derivative at both ends is 0."""
    return xp.where(x <= min_val, min_val, xp.where(x >= max_val, max_val, x))


@op(latex=r"\operatorname{{relu6}}\left({x}\right)")
def relu6(xp, x):
    """min(max(x, 0), 6).  Source: Krizhevsky 2010, Convolutional deep belief networks."""
    return xp.where(x <= 0, 0.0, xp.where(x >= 6.0, 6.0, x))


@op(latex=r"\operatorname{{hardsigmoid}}\left({x}\right)")
def hardsigmoid(xp, x):
    """A sigmoid of three straight pieces: x / 6 + 1 / 2 limited to [0, 1]."""
    return relu6.read(xp, x + 3.0) * (1.0 / 6.0)


@op(latex=r"\operatorname{{hardswish}}\left({x}\right)")
def hardswish(xp, x):
    """x * hardsigmoid(x).  Source: Howard et al. 2019, arXiv:1905.02244, section 5.2."""
    return x * hardsigmoid.read(xp, x)


@op(latex=r"\operatorname{{softsign}}\left({x}\right)")
def softsign(xp, x):
    """x / (1 + |x|)."""
    return xp.divide(x, 1.0 + xp.abs(x))


@op(latex=r"{x} - \tanh\left({x}\right)")
def tanhshrink(xp, x):
    """x - tanh(x)."""
    return x - xp.tanh(x)
