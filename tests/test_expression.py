"""Expressions given as text: what they mean, and everything they must not mean."""

import math

import pytest

from tinygrad_edu import Value, ops
from tinygrad_edu.expression import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    ExpressionError,
    functions,
    read_expression,
)


def value(text, **values):
    return read_expression(text, values).root.data


def test_a_neuron():
    made = read_expression(
        "tanh(w1*x1 + w2*x2 + b)", {"w1": -3, "x1": 2, "w2": 1, "x2": 0, "b": 6.881373587019543}
    )
    made.root.backward()
    assert made.root.data == pytest.approx(math.sqrt(0.5))
    assert list(made.variables) == ["w1", "x1", "w2", "x2", "b"]
    gradients = {name: x.grad for name, x in made.variables.items()}
    assert gradients == pytest.approx({"w1": 1.0, "x1": -1.5, "w2": 0.0, "x2": 0.5, "b": 0.5})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + 1", 3.0),
        ("1 - -x", 3.0),
        ("+x / 4", 0.5),
        ("-x**2", -4.0),
        ("2**3**x", 512.0),
        ("(x > 1) * x", 2.0),
        ("where(x <= 2, x, 0)", 2.0),
        ("where(x != 2, 1, x)", 2.0),
        ("clip(x, min=-1, max=1.5)", 1.5),
        ("gelu(x, approximate='tanh')", 1.9545977),
        ("sin(pi * x) + x", 2.0),
        ("hardtanh(x) + x", 3.0),
        ("1e3 * x", 2000.0),
        ("  x\n", 2.0),
        ("maximum(x,\n 3) + x", 5.0),
    ],
)
def test_meaning(text, expected):
    assert value(text, x=2) == pytest.approx(expected, abs=1e-6)


def test_a_name_may_be_pi():
    assert value("pi * x", pi=3, x=2) == 6.0


def test_a_name_is_the_same_number_everywhere():
    made = read_expression("x * x + x", {"x": 3.0})
    made.root.backward()
    assert made.variables["x"].grad == 7.0


def test_names_are_compared_as_python_does():
    assert value("ﬁ + 1", fi=1) == 2.0  # the ligature and its two letters
    assert value("fi + 1", ﬁ=1) == 2.0


@pytest.mark.parametrize("name", sorted(functions()))
def test_every_elementwise_operation_can_be_called(name):
    op = ops.lookup(name)
    operands = [Value(x) for x in (0.6, 0.3, 0.2)[: len(op.operands)]]
    text = f"y + {name}({', '.join(str(x.data) for x in operands)})"
    assert value(text, y=0.0) == pytest.approx(float(op(*operands).data))


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("", {}, "the expression is empty; try 'tanh(w*x + b)'"),
        ("x+", {"x": 1}, "cannot read x+: invalid syntax"),
        ("2x", {"x": 1}, "a product is 2*x"),
        ("x^2", {"x": 1}, "a power is x**2"),
        ("tahn(x)", {"x": 1}, "no operation is called 'tahn'; did you mean 'tan' or 'tanh'?"),
        ("max(x, 1)", {"x": 1}, "did you mean 'maximum'"),
        ("qqq(x)", {"x": 1}, "no operation is called 'qqq'; 'tinygrad-edu draw --help' lists them"),
        ("w*x + b", {"x": 1}, "no value for w, b; add w=1.0 b=1.0"),
        ("width * 2", {"widht": 1}, "no value for width; did you mean 'widht'?"),
        ("tanh", {}, "no value for tanh; tanh is an operation: write tanh(...)"),
        ("x", {"x": 1, "y": 2}, "y has a value, but the expression does not use it"),
        ("x1 * 2", {"x1": 1, "x2": 2}, "x2 has a value, but the expression does not use it; did"),
        ("log(x - 3)", {"x": 1}, "log(x - 3) is nan for -2 (log: natural logarithm; -inf at 0"),
        ("x + 1/(2 - 2)", {"x": 1}, "1/(2 - 2) is inf for 1, 0 (divide: quotient x / y; inf or"),
        ("exp(x)", {"x": 1e3}, "exp(x) is inf for 1000 (exp: e to the power x)"),
        ("9**9**9**9 * x", {"x": 1}, "9**9**9 is inf"),
        ("1" * 400 + "*x", {"x": 1}, "is too large for a float"),
        ("1e999*x", {"x": 1}, "1e999 is too large for a float"),
        ("tanh()", {}, "in tanh(): tanh takes 1 operand (x), not 0"),
        ("clip(x, 0, 1)", {"x": 1}, "pass min, max by keyword"),
        ("clip(x, low=0)", {"x": 1}, "clip has no option 'low'; it takes min, max"),
        ("2 + 3", {}, "nothing in 2 + 3 can have a gradient"),
        ("x > 0", {"x": 1}, "nothing in x > 0 can have a gradient"),
    ],
)
def test_complaints(text, values, message):
    with pytest.raises(ExpressionError) as caught:
        read_expression(text, values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "x.__class__",
        "x[0]",
        "[x]",
        "(x, x)",
        "{'a': x}",
        "[y for y in x]",
        "lambda: x",
        "x if x else x",
        "x and x",
        "not x",
        "~x",
        "x // 2",
        "x % 2",
        "x @ x",
        "x << 2",
        "1 < x < 3",
        "x is x",
        "x in x",
        "(y := x)",
        "await x",
        "f'{x}'",
        "'text' * x",
        "True * x",
        "None",
        "...",
        "1j * x",
        "tanh(*x)",
        "tanh(**x)",
        "clip(x, min=x)",
        "clip(x, min=-x)",
        "clip(x, min=exp(1))",
        "(tanh)(x)(x)",
        "x; x",
        "x = 1",
        "import os",
        "x # comment\n+",
        "x\0",
        "sum(x)",
        "softmax(x)",
        "eval('x')",
    ],
)
def test_all_other_syntax_is_refused(text):
    with pytest.raises(ExpressionError):
        read_expression(text, {"x": 1.0})


def test_length_and_depth_are_limited():
    assert value("+" * (MAX_DEPTH - 1) + "x", x=1) == 1.0
    for text in [
        "-" * MAX_DEPTH + "x",
        "+".join(["x"] * (MAX_DEPTH + 1)),
        "tanh(" * MAX_DEPTH + "x" + ")" * MAX_DEPTH,
        "-" * (MAX_CHARACTERS - 1) + "x",
        "(" * 900 + "x" + ")" * 900,
        "x**" * 600 + "x",
        "[" * 1999,
    ]:
        with pytest.raises(ExpressionError, match=r"nest|deep|never closed|cannot read"):
            read_expression(text, {"x": 1.0})
    with pytest.raises(ExpressionError, match="2,001 characters; the limit is 2,000"):
        read_expression("x" * (MAX_CHARACTERS + 1), {"x": 1.0})


def test_a_complaint_shows_no_control_character_and_stays_short():
    with pytest.raises(ExpressionError) as caught:
        read_expression("'\x1b[31m'*" + "x*" * 500 + "x", {"x": 1.0})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
