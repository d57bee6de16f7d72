"""Every elementwise derivative is what SymPy finds by differentiating the forward.

Forward and rule run on symbols.  A comparison is decided at a point, so that each proof holds on
the open region around its point on which the comparisons come out alike: an operation of several
pieces has one proof per piece.
"""

import math
import types
from fractions import Fraction

import pytest
from table import package_operations

from tinygrad_edu.ops import Op, lookup

sympy = pytest.importorskip("sympy")

a, b, c, g = sympy.symbols("a b c g", real=True)
SYMBOLS = (a, b, c)

# Constants that the operations hold as floats, recognised and made exact.
CONSTANTS = [
    sympy.S.One,
    sympy.log(2),
    sympy.log(10),
    sympy.sqrt(2),
    1 / sympy.sqrt(sympy.pi),
    sympy.sqrt(2 / sympy.pi),
]


def exact(value):
    """The expression that a Python number stands for: a short fraction, of a known constant."""
    if not isinstance(value, float):
        return sympy.Integer(value) if isinstance(value, bool) else sympy.sympify(value)
    if math.isinf(value):
        return sympy.oo if value > 0 else -sympy.oo
    for constant in CONSTANTS:
        ratio = Fraction(value / float(constant)).limit_denominator(10**6)
        if abs(float(ratio) * float(constant) - value) <= 4e-16 * abs(value):
            return sympy.Rational(ratio) * constant
    return sympy.Rational(value)  # of no known origin (selu's constants): as it is


class Symbolic:
    """An expression that knows its value at a point; comparisons are decided there."""

    def __init__(self, expression, point):
        self.expression = expression
        self.point = point

    def of(self, function, *others):
        return Symbolic(function(self.expression, *(plain(other) for other in others)), self.point)

    def sign_against(self, other):
        difference = sympy.N((self.expression - plain(other)).subs(self.point), 30)
        return 0 if abs(difference) < 1e-20 else 1 if difference > 0 else -1

    def __add__(self, other):
        return self.of(lambda x, y: x + y, other)

    def __sub__(self, other):
        return self.of(lambda x, y: x - y, other)

    def __rsub__(self, other):
        return self.of(lambda x, y: y - x, other)

    def __mul__(self, other):
        return self.of(lambda x, y: x * y, other)

    def __neg__(self):
        return self.of(lambda x: -x)

    __radd__, __rmul__ = __add__, __mul__

    def __gt__(self, other):
        return self.sign_against(other) > 0

    def __ge__(self, other):
        return self.sign_against(other) >= 0

    def __lt__(self, other):
        return self.sign_against(other) < 0

    def __le__(self, other):
        return self.sign_against(other) <= 0

    def __eq__(self, other):
        return self.sign_against(other) == 0

    __hash__ = None  # type: ignore[assignment]


def plain(x):
    return x.expression if isinstance(x, Symbolic) else exact(x)


def smooth(function):
    def call(*args):
        point = next(x.point for x in args if isinstance(x, Symbolic))
        return Symbolic(function(*map(plain, args)), point)

    return call


# The vocabulary over symbols.
SYMPY = types.SimpleNamespace(
    divide=smooth(lambda x, y: x / y),
    power=smooth(lambda x, y: x**y),
    exp=smooth(sympy.exp),
    exp2=smooth(lambda x: sympy.Integer(2) ** x),
    expm1=smooth(lambda x: sympy.exp(x) - 1),
    log=smooth(sympy.log),
    log2=smooth(lambda x: sympy.log(x) / sympy.log(2)),
    log10=smooth(lambda x: sympy.log(x) / sympy.log(10)),
    log1p=smooth(lambda x: sympy.log(1 + x)),
    sqrt=smooth(sympy.sqrt),
    sin=smooth(sympy.sin),
    cos=smooth(sympy.cos),
    tan=smooth(sympy.tan),
    arcsin=smooth(sympy.asin),
    arccos=smooth(sympy.acos),
    arctan=smooth(sympy.atan),
    arctan2=smooth(sympy.atan2),
    sinh=smooth(sympy.sinh),
    cosh=smooth(sympy.cosh),
    tanh=smooth(sympy.tanh),
    erf=smooth(sympy.erf),
    abs=lambda x: x if x > 0 else -x,
    sign=lambda x: x.of(lambda _: sympy.Integer(x.sign_against(0))),
    floor=lambda x: x.of(lambda y: sympy.floor(y.subs(x.point))),
    ceil=lambda x: x.of(lambda y: sympy.ceiling(y.subs(x.point))),
    maximum=lambda x, y: x.of(lambda _: plain(x if x >= y else y)),
    minimum=lambda x, y: x.of(lambda _: plain(x if x <= y else y)),
    where=lambda condition, x, y: x if condition else y,
    zeros_like=lambda x: x.of(lambda _: sympy.Integer(0)),
    ones_like=lambda x: x.of(lambda _: sympy.Integer(1)),
)


def is_zero(expression, point):
    """Whether SymPy proves it: as a fraction of exponentials, or with all it has."""
    if abs(sympy.N(expression.subs(point))) > 1e-9:
        return False
    top, _ = sympy.fraction(sympy.together(expression.rewrite(sympy.exp)))
    return sympy.expand(sympy.powsimp(sympy.expand(top))) == 0 or sympy.simplify(expression) == 0


def prove(op: Op, *point, **options):
    """The rule is g times the derivative of the forward, on the region around a point."""
    options = op.fill(options)
    at = dict(zip(SYMBOLS, map(exact, point), strict=False)) | {g: sympy.Rational(3, 7)}
    operands = [Symbolic(symbol, at) for symbol in SYMBOLS[: len(point)]]
    out = op.forward(SYMPY, *operands, **options)
    parts = op.rule(SYMPY, Symbolic(g, at), out, *operands, **options)
    assert len(parts) == len(operands)
    for operand, part in zip(operands, parts, strict=True):
        expected = g * sympy.diff(plain(out), operand.expression)
        part = part() if isinstance(part, types.FunctionType) else part
        assert is_zero(plain(part) - expected, at), (
            f"{op.name}, for {operand.expression} around {point}: {plain(part)}, not {expected}"
        )


# A point in each region, and options to try there.
ANYWHERE = [(0.3,)]
BOTH_SIDES = [(0.3,), (-0.7,)]
PROOFS: dict[str, list] = {
    "add": [(0.3, -0.7)],
    "subtract": [(0.3, -0.7)],
    "multiply": [(0.3, -0.7)],
    "divide": [(0.3, -0.7)],
    "negative": ANYWHERE,
    "power": [(0.3, -0.7), (1.5, 2.5)],
    "reciprocal": BOTH_SIDES,
    "square": ANYWHERE,
    "sqrt": ANYWHERE,
    "rsqrt": ANYWHERE,
    "abs": BOTH_SIDES,
    "sign": BOTH_SIDES,
    "floor": BOTH_SIDES,
    "ceil": BOTH_SIDES,
    "exp": ANYWHERE,
    "exp2": ANYWHERE,
    "expm1": ANYWHERE,
    "log": ANYWHERE,
    "log2": ANYWHERE,
    "log10": ANYWHERE,
    "log1p": BOTH_SIDES,
    "logaddexp": [(0.3, -0.7), (-0.7, 0.3)],
    "sin": ANYWHERE,
    "cos": ANYWHERE,
    "tan": ANYWHERE,
    "arcsin": ANYWHERE,
    "arccos": ANYWHERE,
    "arctan": ANYWHERE,
    "arctan2": [(0.3, -0.7)],
    "sinh": ANYWHERE,
    "cosh": ANYWHERE,
    "tanh": ANYWHERE,
    "erf": ANYWHERE,
    "maximum": [(0.3, -0.7), (-0.7, 0.3)],
    "minimum": [(0.3, -0.7), (-0.7, 0.3)],
    "clip": [(-3.0,), (0.3,), (3.0,)],
    "relu": BOTH_SIDES,
    "leaky_relu": BOTH_SIDES,
    "elu": BOTH_SIDES,
    "selu": BOTH_SIDES,
    "sigmoid": BOTH_SIDES,
    "softplus": BOTH_SIDES,
    "logsigmoid": BOTH_SIDES,
    "silu": BOTH_SIDES,
    "mish": BOTH_SIDES,
    "gelu": ANYWHERE,
}
SYMBOLIC_OPTIONS = {
    "clip": [{"min": -1, "max": 2}],
    "leaky_relu": [{}, {"negative_slope": sympy.Symbol("s", positive=True)}],
    "elu": [{}, {"alpha": sympy.Symbol("s", positive=True)}],
    "softplus": [{}, {"beta": sympy.Integer(3)}],
    "gelu": [{"approximate": "none"}, {"approximate": "tanh"}],
}


def test_every_elementwise_rule_is_proved():
    rules = {op.name for op in package_operations() if op.family == "elementwise" and op.rule}
    assert set(PROOFS) == rules - {"where"}  # where is in the test below


@pytest.mark.parametrize("name", PROOFS)
def test_the_rule_is_the_derivative(name):
    for point in PROOFS[name]:
        for options in SYMBOLIC_OPTIONS.get(name, [{}]):
            prove(lookup(name), *point, **options)


@pytest.mark.parametrize("condition", [True, False])
def test_where_passes_the_gradient_to_the_chosen_one(condition):
    at = {a: 1, b: 2, g: 3}
    x, y = Symbolic(a, at), Symbolic(b, at)
    op = lookup("where")
    out = op.forward(SYMPY, condition, x, y)
    _, for_x, for_y = op.rule(SYMPY, Symbolic(g, at), out, condition, x, y)
    assert plain(for_x) == g * sympy.diff(plain(out), a)
    assert plain(for_y) == g * sympy.diff(plain(out), b)


def test_constants_become_exact():
    assert exact(2.0 / math.sqrt(math.pi)) == 2 / sympy.sqrt(sympy.pi)
    assert exact(0.5 * math.sqrt(2.0 / math.pi)) == sympy.sqrt(2 / sympy.pi) / 2
    assert exact(0.044715) == sympy.Rational(44715, 1000000)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("tanh", lambda xp, g, out, x: (g * (1.0 - out),)),
        ("square", lambda xp, g, out, x: (g * x,)),
        ("exp2", lambda xp, g, out, x: (0.6931471 * g * out,)),
        ("abs", lambda xp, g, out, x: (g,)),
        ("erf", lambda xp, g, out, x: (g * xp.exp(-x * x),)),
    ],
)
def test_the_proof_fails_for_a_wrong_rule(name, rule):
    wrong = Op(lookup(name).forward, symbol=None, latex=None, differentiable=True)
    wrong.rule = rule
    point = PROOFS[name][-1]
    with pytest.raises(AssertionError, match=f"{name}, for a around"):
        prove(wrong, *point)
