"""One list of expressions gives the same numbers on plain floats, on Value and on 0-d Tensors.

Plain floats use Python's operators and the `math` module, never this package: they are the judge.
Their derivatives are taken by differences, those of the engines by the backward pass.
"""

import math

import numpy as np
import pytest
from table import package_operations

from tinygrad_edu import Tensor, Value, ops

POINT = {"a": 0.7, "b": -1.3, "c": 2.1}


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def gelu(x, approximate="none"):
    if approximate == "tanh":
        return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + math.erf(x / math.sqrt(2)))


def elu(x, alpha=1.0):
    return x if x > 0 else alpha * math.expm1(x)


def clip(x, min=-math.inf, max=math.inf):
    return min if x < min else max if x > max else x


def hardtanh(x, min_val=-1.0, max_val=1.0):
    return clip(x, min_val, max_val)


MATH = {
    **{name: getattr(math, name) for name in ["exp", "expm1", "log", "log2", "log10", "log1p"]},
    **{name: getattr(math, name) for name in ["sin", "cos", "tan", "sinh", "cosh", "tanh"]},
    **{name: getattr(math, name) for name in ["sqrt", "erf", "floor", "ceil"]},
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "arctan2": math.atan2,
    "exp2": lambda x: 2.0**x,
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "square": lambda x: x**2,
    "sign": lambda x: math.copysign(1.0, x),
    "maximum": max,
    "minimum": min,
    "where": lambda condition, x, y: x if condition else y,
    "clip": clip,
    "logaddexp": lambda x, y: math.log(math.exp(x) + math.exp(y)),
    "sigmoid": sigmoid,
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "leaky_relu": lambda x, negative_slope=0.01: x if x > 0 else negative_slope * x,
    "elu": elu,
    "celu": lambda x, alpha=1.0: x if x > 0 else alpha * math.expm1(x / alpha),
    "selu": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "gelu": gelu,
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "softplus": lambda x, beta=1.0: math.log1p(math.exp(beta * x)) / beta,
    "logsigmoid": lambda x: math.log(sigmoid(x)),
    "hardtanh": hardtanh,
    "hardsigmoid": lambda x: clip(x / 6 + 0.5, 0.0, 1.0),
    "hardswish": lambda x: x * clip(x / 6 + 0.5, 0.0, 1.0),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanhshrink": lambda x: x - math.tanh(x),
    "abs": abs,
}

EXPRESSIONS = [
    line
    for line in """
a + b
a - b
a * b
a / b
a ** c
c ** a
c ** b
-a
+a
--a
abs(b)
a + a
a - a
a * a
a / a
c ** c
a + 2
2 + a
a - 2
2 - a
a * 2
2 * a
a / 2
2 / a
a ** 2
2 ** a
a + 2.5
2.5 + a
a - 2.5
2.5 - a
a * 2.5
2.5 * a
a / 2.5
2.5 / a
c ** 2.5
2.5 ** c
a * -1
-1 * a
-1 / a
1 / a
1 / c ** 2
a ** 1
a ** 0
a ** 3
b ** 2
b ** 3
b ** -1
b ** -2
a ** -1.5
0.5 ** b
1e3 * a
1e-3 * a
a + b + c
a + (b + c)
(a - b) - c
a - (b - c)
a * b * c
a * (b * c)
(a / b) / c
a / (b / c)
a ** b ** 2
(c ** a) ** b
a * b + c
a * (b + c)
a * b - c / a
(a + b) * (a - b)
(a + b) ** 2
(a + b) ** 2 - (a - b) ** 2
a ** 2 + 2 * a * b + b ** 2
a ** 3 - 3 * a + 1
1 + a + a ** 2 / 2 + a ** 3 / 6
((2 * a + 3) * a - 4) * a + 5
(a + 1) / (a - 1)
(a * a + 1) / (b * b + 1)
1 / (1 + a * a)
1 / (1 / a + 1 / c)
a / (a + c)
(a - b) / (a + c) * 3 - 2
-(a + b) * -(a - b)
2 - -a
3 * -b
a * 3 + 2 * b - c / 4
exp(a)
exp(-a)
exp(a) + 1
1 - exp(b)
2 * exp(a * b)
exp(a) / exp(b)
exp(a + b) - exp(a) * exp(b)
exp(-(a ** 2) / 2)
exp(exp(b))
exp2(a)
exp2(b) * 3
expm1(a)
expm1(b / 10)
log(c)
log(a)
log(a * c)
log(c) - log(a)
log(1 + exp(a))
log(exp(a) + exp(b) + exp(c))
log2(c)
log2(8 * c)
log10(c)
log10(100 * a)
log1p(a)
log1p(b / 2)
c * log(c)
-a * log(a) - (1 - a) * log(1 - a)
sqrt(c)
sqrt(a)
sqrt(a * a + b * b)
sqrt(a ** 2 + b ** 2 + c ** 2)
1 / sqrt(c)
sqrt(sqrt(c))
rsqrt(c)
rsqrt(a + c)
reciprocal(a)
reciprocal(b) + 1
square(a)
square(b)
square(a - b)
sin(a)
sin(a) ** 2 + cos(a) ** 2
sin(a) * cos(b)
sin(a + b)
sin(2 * a) - 2 * sin(a) * cos(a)
sin(1 / a)
cos(b)
cos(a * b + c)
cos(cos(cos(a)))
tan(a)
tan(b / 2)
sin(a) / cos(a)
arcsin(a)
arcsin(b / 2)
arccos(a)
arccos(b / 2)
arctan(a)
arctan(b) * 2
arctan2(a, b)
arctan2(b, a)
arctan2(b, c)
arctan2(a, -1)
arctan2(1, b)
sinh(a)
sinh(b)
cosh(a)
cosh(b)
cosh(a) ** 2 - sinh(a) ** 2
tanh(a)
tanh(b)
tanh(a) * tanh(b)
tanh(a * b + c)
1 - tanh(a) ** 2
(exp(a) - exp(-a)) / (exp(a) + exp(-a))
tanh(tanh(tanh(c)))
erf(a)
erf(b)
erf(a / sqrt(c))
sigmoid(a)
sigmoid(b)
sigmoid(a) * (1 - sigmoid(a))
sigmoid(10 * b)
1 / (1 + exp(-a))
relu(a)
relu(b)
relu(a + b)
relu(a * c + b) - 1
leaky_relu(a)
leaky_relu(b)
leaky_relu(b, negative_slope=0.2)
elu(a)
elu(b)
elu(b, alpha=0.5)
selu(a)
selu(b)
celu(a)
celu(b)
celu(b, alpha=2.0)
gelu(a)
gelu(b)
gelu(a, approximate="tanh")
gelu(b, approximate="tanh")
silu(a)
silu(b)
a * sigmoid(a)
mish(a)
mish(b)
softplus(a)
softplus(b)
softplus(b, beta=3.0)
logsigmoid(a)
logsigmoid(b)
hardtanh(a)
hardtanh(b)
hardtanh(c, min_val=-3.0, max_val=3.0)
relu6(a)
relu6(b)
relu6(4 * c)
hardsigmoid(a)
hardsigmoid(3 * b)
hardswish(a)
hardswish(3 * b)
hardswish(2 * c)
softsign(a)
softsign(b)
tanhshrink(a)
tanhshrink(b)
maximum(a, b)
maximum(b, a)
maximum(a, 1)
maximum(0, b)
maximum(a, maximum(b, c))
minimum(a, b)
minimum(b, a)
minimum(a, 0.5)
minimum(1, c)
maximum(a, b) - minimum(a, b)
logaddexp(a, b)
logaddexp(b, c)
logaddexp(a, 0)
logaddexp(1.5, b)
clip(a, min=0.0, max=1.0)
clip(b, min=-1.0, max=1.0)
clip(c, max=2.0)
clip(b, min=-2.0)
where(a > b, a, b)
where(a < b, a, b)
where(a > 1, a * 2, a * 3)
where(c >= 2, log(c), c)
where(b > 0, sqrt(a), a * b)
where(a > 0, 1.0, b) * c
(a > b) * a
(a < b) * a + b
(a >= 0.5) * c
(a <= 0.5) * c
(a == 0.5) * b + a
(a == a) * b + a
(a != 0.5) * b + a
a * (2 > b)
sign(a)
sign(b) * a
a * floor(c)
ceil(c) * b
c - floor(c)
abs(a)
abs(b) + abs(a)
abs(a * b)
abs(b) ** 0.5
abs(a - c) / (abs(a) + abs(c))
tanh(-3 * a + 1 * b + 6.8813735870195432)
tanh(0.5 * a - 0.25 * b + 0.1) * tanh(0.3 * c - 0.2)
relu(2 * a - b) - relu(a + 3 * b) * 0.5
(sigmoid(2 * a + b - 1) - 1) ** 2
-log(sigmoid(a * b + c))
log(1 + exp(-(a * b + c)))
(a * 2 + b - 1) ** 2 + (a * 3 + b - 2) ** 2 + (a * 5 + b - 3) ** 2
exp(a) / (exp(a) + exp(b) + exp(c))
log(exp(a) / (exp(a) + exp(b) + exp(c)))
exp(-((a - b) / c) ** 2 / 2) / (c * (2 * 3.141592653589793) ** 0.5)
100 * (b - a ** 2) ** 2 + (1 - a) ** 2
(a ** 2 + b - 11) ** 2 + (a + b ** 2 - 7) ** 2
sin(a) / a
a * b / (sqrt(a * a + 1) * sqrt(b * b + 1))
((a - b) ** 2 + (b - c) ** 2 + (c - a) ** 2) / 3
(a + b + c) / 3
(a * b * c * c) ** 2
a / b / c
1 / 2 * a
2 / 3 / a
3 - 2 - a
2 ** 3 * a
2 ** (3 * a)
(2 * 3 + a) / (4 - b)
""".splitlines()
    if line
]


OPERATIONS = {op.name: op for op in package_operations() if op.family == "elementwise"}


def evaluate(expression, names, point):
    return eval(expression, {"__builtins__": {}, **names, **point})


def derivative(expression, variable):
    """By central differences of fourth order, on plain floats."""
    step = 1e-3

    def at(shift):
        return float(
            evaluate(expression, MATH, {**POINT, variable: POINT[variable] + shift * step})
        )

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)


def results(expression, make):
    """The value of an expression and its derivatives, through an engine."""
    nodes = {name: make(number) for name, number in POINT.items()}
    out = evaluate(expression, OPERATIONS, nodes)
    if out.requires_grad:
        out.backward()
    slopes = [0.0 if node.grad is None else float(node.grad) for node in nodes.values()]
    return out, slopes


def value(number):
    return Value(number)


def tensor(number):
    return Tensor(np.array(number), requires_grad=True)


def test_the_list_is_long_and_holds_no_line_twice():
    assert len(EXPRESSIONS) == len(set(EXPRESSIONS)) >= 200


def test_every_scalar_operation_is_in_an_expression():
    operators = {"add", "subtract", "multiply", "divide", "power", "negative"}
    comparisons = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"}
    written = {name for name in OPERATIONS if any(f"{name}(" in line for line in EXPRESSIONS)}
    assert OPERATIONS.keys() - written == operators | comparisons | {"zeros_like", "ones_like"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_same_numbers_on_floats_values_and_tensors(expression):
    plain = float(evaluate(expression, MATH, POINT))
    scalar, scalar_slopes = results(expression, value)
    array, array_slopes = results(expression, tensor)
    assert type(scalar.data) is float
    assert array.shape == ()
    assert scalar.data == pytest.approx(plain, rel=1e-13, abs=1e-15)
    assert float(array.data) == pytest.approx(plain, rel=1e-13, abs=1e-15)
    assert scalar_slopes == pytest.approx(array_slopes, rel=1e-12, abs=1e-15)
    expected = [derivative(expression, name) for name in POINT]
    assert scalar_slopes == pytest.approx(expected, rel=1e-6, abs=1e-9)


METHODS = [
    op
    for op in OPERATIONS.values()
    if op.differentiable and op.name not in ("where", "zeros_like", "ones_like")
]


@pytest.mark.parametrize("op", METHODS, ids=lambda op: op.name)
@pytest.mark.parametrize("make", [value, tensor])
def test_every_scalar_operation_is_a_method(op, make):
    operands = [make(0.4), make(1.7)][: len(op.operands)]
    method = getattr(operands[0], op.name)
    assert float(method(*operands[1:]).data) == float(op(*operands).data)


def test_a_wrong_number_or_slope_is_found(monkeypatch):
    tanh = ops.tanh
    monkeypatch.setattr(tanh, "rule", lambda xp, g, out, x: (g * (1.0 - out),))
    with pytest.raises(AssertionError):
        test_the_same_numbers_on_floats_values_and_tensors("tanh(a)")
    monkeypatch.undo()
    test_the_same_numbers_on_floats_values_and_tensors("tanh(a)")
    monkeypatch.setattr(tanh, "forward", lambda xp, x: xp.tanh(x) * (1 + 1e-9))
    with pytest.raises(AssertionError):
        test_the_same_numbers_on_floats_values_and_tensors("tanh(a)")
