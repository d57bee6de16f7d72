"""LaTeX: read back as mathematics, it gives the engine's numbers; and it stays short."""

import math
import random
import re

import numpy as np
import pytest
from latex_values import value, values
from table import TABLE, package_operations

from tinygrad_edu import Tensor, Value, latex, op, ops, trace
from tinygrad_edu.namespaces import floats
from tinygrad_edu.ops import registry
from tinygrad_edu.readers.latex import Formula, rule_latex
from tinygrad_edu.readers.symbols import Symbol, Symbols
from tinygrad_edu.readers.templates import ATOM, POWER, PRODUCT, SUM, read

LEAVES = {"a": 0.7, "b": 1.3, "c": -0.4}


def leaves():
    return [Value(x, name=name) for name, x in LEAVES.items()]


# Graphs

EXPRESSIONS = [
    *[lambda a, b, c: a - (b - c), lambda a, b, c: (a - b) - c, lambda a, b, c: a - (b + c)],
    *[lambda a, b, c: -(a + b), lambda a, b, c: (-a) ** 2, lambda a, b, c: -(a**2)],
    *[lambda a, b, c: (a**2) ** 3, lambda a, b, c: a ** (b + c), lambda a, b, c: (a + b) ** 2],
    *[lambda a, b, c: (a / b) ** 2, lambda a, b, c: a / (b / c), lambda a, b, c: a / b / c],
    *[lambda a, b, c: a * (b / c), lambda a, b, c: a * -b, lambda a, b, c: -a * b],
    *[lambda a, b, c: ops.negative(-a), lambda a, b, c: a - (-b), lambda a, b, c: a + (-b)],
    *[lambda a, b, c: (a + b) * c, lambda a, b, c: a * (b - c), lambda a, b, c: 2**a],
    *[lambda a, b, c: (a * b) ** 0.5, lambda a, b, c: a * -3, lambda a, b, c: a + 1e-7],
    *[lambda a, b, c: abs(a - b) ** 2, lambda a, b, c: a.exp() ** 2, lambda a, b, c: 1.5e12 * a],
    *[lambda a, b, c: a.expm1() * b, lambda a, b, c: 1 - a * a, lambda a, b, c: (1 - a) * (1 - a)],
    *[lambda a, b, c: ops.maximum(a - b, -c), lambda a, b, c: (a.tanh() + b).sigmoid()],
    *[lambda a, b, c: (a + b).sqrt() / (a + b), lambda a, b, c: ops.square(a + b).reciprocal()],
    *[
        lambda a, b, c: (b - 1).log1p(),
        lambda a, b, c: -ops.square(a),
        lambda a, b, c: (a + b).log(),
    ],
    *[lambda a, b, c: a - ops.relu(-c) * 2, lambda a, b, c: ops.where(a > b, a, c) + b],
    *[
        lambda a, b, c: a,
        lambda a, b, c: a * 0,
        lambda a, b, c: (a + 0) * 1 - 0,
        lambda a, b, c: a**1,
    ],
]


@pytest.mark.parametrize("make", EXPRESSIONS)
def test_a_formula_means_what_was_computed(make):
    result = make(*leaves())
    text = latex(result)
    known = dict(LEAVES)
    found = values(text, known)["y"] if "aligned" in text else value(text, known)
    assert found == pytest.approx(result.data, rel=1e-5)


def random_expression(choose, depth):
    if depth == 0 or choose.random() < 0.15:
        return choose.choice([*leaves(), choose.choice([0.5, 2.0, -1.5, 1.0])])
    x, y = (random_expression(choose, depth - 1) for _ in range(2))
    if not isinstance(x, Value):
        x = Value(x, name="a")
        x.data = LEAVES["a"]
    kind = choose.choice(["+", "-", "*", "/", "neg", "square", "tanh", "abs", "exp"])
    if kind == "/":
        return x / (y if abs(float(y)) > 0.1 else 2.0)
    if kind in "+-*":
        return {"+": x + y, "-": x - y, "*": x * y}[kind]
    return -x if kind == "neg" else getattr(x.tanh() if kind == "exp" else x, kind)()


@pytest.mark.parametrize("seed", range(300))
def test_random_formulas_mean_what_was_computed(seed):
    result = random_expression(random.Random(seed), 5)
    if not isinstance(result, Value):
        result = Value(result) + 1.0
    text = latex(result)
    known = dict(LEAVES, **{"x_{1}": result.data - 1.0})
    found = values(text, known)["y"] if "aligned" in text else value(text, known)
    assert found == pytest.approx(result.data, rel=1e-4, abs=1e-4)


def test_the_reader_notices_a_missing_parenthesis():
    a, b, c = leaves()
    text = latex(a - (b - c))
    assert value(text, LEAVES) == pytest.approx((a - (b - c)).data)
    bare = text.replace(r"\left(", "").replace(r"\right)", "")
    assert value(bare, LEAVES) != pytest.approx((a - (b - c)).data)
    with pytest.raises(ValueError, match="cannot be read"):
        value("a )", LEAVES)


def test_golden_formulas():
    x1, x2, w1, w2, b = [Value(1.0, name=name) for name in ("x1", "x2", "w1", "w2", "b")]
    out = (w1 * x1 + w2 * x2 + b).tanh()
    assert latex(out) == r"\tanh\left(w_{1} \cdot x_{1} + w_{2} \cdot x_{2} + b\right)"
    out.name = "o"
    assert latex(out).startswith(r"o = \tanh")
    n = out.inputs[0]
    assert latex(out, names={"n": n}) == (
        "\\begin{aligned}\n"
        "n &= w_{1} \\cdot x_{1} + w_{2} \\cdot x_{2} + b \\\\\n"
        "o &= \\tanh\\left(n\\right)\n"
        "\\end{aligned}"
    )


def test_nothing_is_folded_but_0_and_1_and_squares():
    a, b, _ = leaves()
    assert latex(a * 1 + 0) == "a"
    assert latex((a - 0) / 1) == "a"
    assert latex(a**1 * b**0) == "a"
    assert latex(a * 0 + b) == "b"
    assert latex(a * a) == "{a}^2"
    assert latex(a * 2 * 3) == r"a \cdot 2 \cdot 3"
    assert latex(a + a) == "a + a"


def test_a_named_one_is_not_folded():
    a, _, _ = leaves()
    one = Value(1.0, name="s")
    assert latex(a * one) == r"a \cdot s"


def test_what_is_shared_is_written_once():
    y = Value(1.0, name="x")
    for _ in range(20):
        y = y + y
    lines = latex(y).splitlines()
    assert len(lines) == 22
    assert lines[1] == r"t_{1} &= x + x \\"
    assert lines[-2] == "y &= t_{19} + t_{19}"


def test_long_formulas_are_cut_by_naming_parts():
    x = y = Value(1.0, name="x")
    for i in range(2000):
        y = (y + x).tanh() if i % 2 else y * 0.5
    text = latex(y)
    assert max(map(len, text.splitlines())) < 400
    assert len(text) < 2000 * 60


def test_names_already_taken_are_not_given_again():
    t1, y = Value(2.0, name="t1"), Value(3.0, name="y")
    shared = t1 + y
    text = latex(shared * shared.tanh())
    assert values(text, {"t_{1}": 2.0, "y": 3.0})["y_{1}"] == pytest.approx(5 * math.tanh(5))
    assert text.splitlines()[1] == r"t_{2} &= t_{1} + y \\"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("x", "x"), ("W1", "W_{1}"), ("w_12", "w_{12}"), ("alpha", r"\alpha")],
        *[("loss", r"\mathrm{loss}"), ("h_t", r"h_{\mathrm{t}}"), ("beta2", r"\beta_{2}")],
        *[("my var", r"\mathrm{my var}"), ("a_b_c", r"\mathrm{a\_b\_c}")],
        *[("$x^2$", r"\mathrm{\$x\hat{\ }2\$}"), ("{\\x}", r"\mathrm{\{\backslash x\}}")],
        ("\n%", r"\mathrm{\backslash n\%}"),
    ],
)
def test_names(name, text):
    assert latex(Value(1.0, name=name)) == text
    assert latex(-Value(1.0, name=name)) == "-" + text


def test_tensors():
    rng = np.random.default_rng(0)
    x = Tensor(rng.random((4, 3)), name="X")
    w = Tensor(rng.random((3, 2)), requires_grad=True, name="W")
    assert latex(x @ (w + w)) == r"X \left(W + W\right)"
    assert latex((x @ w).T) == r"\left(X W\right)^T"
    assert latex((x @ w).sum(axis=0)) == r"\sum_{\mathrm{axis}=\mathtt{0}} X W"
    assert latex((x @ w).sum() * 2) == r"\left(\sum X W\right) \cdot 2"
    assert latex((x @ w).sum(axis=0, keepdims=True)) == r"\sum_{\mathrm{axis}=\mathtt{0}} X W"
    assert latex(w + Tensor(rng.random(2))) == "W + c_{1}"
    assert latex(ops.concat(w, w, w)) == r"\operatorname{concat}\left(W, W, W\right)"


def test_an_operand_missing_from_a_template_is_not_lost():
    x = Tensor(np.ones((2, 3)), name="X", requires_grad=True)
    weight = Tensor(np.ones(3), name="w", requires_grad=True)
    assert latex(ops.layer_norm(x, weight)) == r"\operatorname{layer\_norm}\left(X, w\right)"


def test_several_roots():
    a, b, _ = leaves()
    assert latex([a + b, a * b]) == (
        "\\begin{aligned}\ny &= a + b \\\\\ny_{1} &= a \\cdot b\n\\end{aligned}"
    )


def test_a_formula_shows_itself_in_a_notebook():
    a, b, _ = leaves()
    text = latex(a + b)
    assert isinstance(text, Formula)
    assert text._repr_latex_() == "$$\na + b\n$$"
    assert latex(trace(a + b)) == text


def test_an_operation_of_ones_own_needs_only_a_template(request):
    @op(latex="{x}^3 - {y}")
    def latex_sample(xp, x, y):
        return x * x * x - y

    request.addfinalizer(lambda: registry._REGISTRY.pop("latex_sample"))

    @latex_sample.vjp
    def latex_sample_vjp(xp, g, out, x, y):
        return 3.0 * g * x * x, -g

    a, b, c = leaves()
    assert latex(latex_sample(a + b, b - c) * c) == (
        r"\left(\left(a + b\right)^3 - \left(b - c\right)\right) \cdot c"
    )
    assert rule_latex(latex_sample).splitlines()[1:3] == [
        r"\bar{x} &= 3 \cdot \bar{z} \cdot x \cdot x \\",
        r"\bar{y} &= -\bar{z}",
    ]


@pytest.mark.parametrize(
    ("template", "level"),
    [
        *[("{x} + {y}", SUM), ("-{x}", PRODUCT), (r"{x} \cdot {y}", PRODUCT), ("{x} {y}", PRODUCT)],
        *[("{{{x}}}^{{{y}}}", POWER), (r"\frac{{{x}}}{{{y}}}", POWER), ("{x}^T", POWER)],
        *[(r"\tanh\left({x}\right)", ATOM), (r"\left|{x}\right|", ATOM), ("e^{{{x}}} - 1", SUM)],
        *[(r"\log_{{10}}\left({x}\right)", ATOM), (r"\sqrt{{{x}}}", ATOM), ("{x}", ATOM)],
    ],
)
def test_how_tightly_templates_bind(template, level):
    assert read(template).level == level


def test_every_template_is_understood():
    for operation in package_operations():
        names = {name.lstrip("*"): ("-a", PRODUCT) for name in operation.operands}
        text = read(operation.latex).fill(names)
        assert text.count("{") == text.count("}")
        assert text.count(r"\left") == text.count(r"\right")


# Rules


def scalar_rules():
    """One smooth sample for every elementwise operation with a rule."""
    for operation in package_operations():
        if operation.family != "elementwise" or operation.rule is None:
            continue
        for sample in TABLE[operation.name]:
            if sample.smooth and all(a.shape == () and a.dtype.kind == "f" for a in sample.args):
                args = [float(a) for a in sample.args]
                options = operation.fill(sample.options)
                yield pytest.param(operation, args, options, id=operation.name)
                break


@pytest.mark.parametrize(("operation", "args", "options"), list(scalar_rules()))
def test_a_rule_means_what_it_computes(operation, args, options):
    text = rule_latex(operation, **options)
    result = next(name for name in ("y", "z", "out") if name not in operation.operands)
    out = operation.forward(floats, *args, **options)
    known = dict(zip(operation.operands, args, strict=True))
    known |= {result: out, rf"\bar{{{result}}}": 0.7}
    known = values(text, known)
    parts = operation.rule(floats, 0.7, out, *args, **options)
    for name, part in zip(operation.operands, parts, strict=True):
        part = part() if callable(part) else part
        assert known[rf"\bar{{{name}}}"] == pytest.approx(float(part), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tanh", r"\bar{x} = \bar{y} \cdot \left(1 - {y}^2\right)"),
        ("exp", r"\bar{x} = \bar{y} \cdot y"),
        ("log", r"\bar{x} = \frac{\bar{y}}{x}"),
        ("sqrt", r"\bar{x} = \frac{0.5 \cdot \bar{y}}{y}"),
        ("relu", r"\bar{x} = \bar{y} \cdot \left(x > 0\right)"),
        ("sigmoid", r"\bar{x} = \bar{y} \cdot y \cdot \left(1 - y\right)"),
        ("cos", r"\bar{x} = -\bar{y} \cdot \sin\left(x\right)"),
        ("floor", r"\bar{x} = 0"),
        (
            "multiply",
            "\\begin{aligned}\n"
            "\\bar{x} &= \\bar{z} \\cdot y \\\\\n"
            "\\bar{y} &= \\bar{z} \\cdot x\n"
            "\\end{aligned}",
        ),
        (
            "matmul",
            "\\begin{aligned}\n"
            "\\bar{x} &= \\bar{z} y^T \\\\\n"
            "\\bar{y} &= x^T \\bar{z}\n"
            "\\end{aligned}",
        ),
        (
            "softmax",
            r"\bar{x} = y \cdot \left(\bar{y} - "
            r"\sum_{\mathrm{axis}=\mathtt{-1}} \bar{y} \cdot y\right)",
        ),
    ],
)
def test_golden_rules(name, text):
    assert rule_latex(name) == text


def test_rules_take_options_and_examples():
    text = rule_latex("reshape", np.ones((2, 3)), shape=(6,))
    assert text == (
        r"\bar{x} = \operatorname{reshape}_{\mathrm{shape}=\mathtt{(2, 3)}}\left(\bar{y}\right)"
    )
    column = Tensor(np.ones((2, 1)))
    assert "sum\\_to" in rule_latex(ops.broadcast_to, column, shape=(2, 3))


def test_every_rule_that_needs_no_option_can_be_read():
    for operation in package_operations():
        if operation.rule is not None and not operation.required:
            # the shapes of a recurrent layer depend on each other: no example fits by chance
            needs = operation.family == "recurrent"
            examples = TABLE[operation.name][0].args if needs else ()
            assert re.search(r"^\\bar\{.*\} &?= ", rule_latex(operation, *examples), re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hardtanh", "hardtanh has no rule of its own: it is made of other operations; draw an"),
        ("greater", "greater has no rule of its own: it has no gradient"),
        ("reshape", "the rule of reshape needs shape=, as a call of it does"),
    ],
)
def test_rules_that_cannot_be_read(name, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        rule_latex(name)


def test_examples_that_do_not_fit():
    with pytest.raises(ValueError, match=r"give examples of its operands: rule_latex\(ops\.matmul"):
        rule_latex("matmul", np.ones((2, 3)), np.ones((2, 3)))


# Symbols


def test_symbols_remember_comparisons():
    xp = Symbols(floats)
    x = Symbol(2.0, floats, name="x")
    for made, name in (
        *[(x == 0, "equal"), (x != 0, "not_equal"), (x > 1, "greater"), (x <= 1, "less_equal")],
        *[(1 - x, "subtract"), (2**x, "power"), (-x, "negative"), (abs(x), "abs")],
        *[(xp.where(x > 1, x, 0.0), "where"), (1 / x, "divide"), (3 * x, "multiply")],
    ):
        assert made.op.name == name
    assert (1 - x).example == -1.0
    assert [i.example for i in (1 - x).inputs] == [1, 2.0]


def test_a_rule_may_not_branch_on_a_symbol():
    with pytest.raises(TypeError, match=r"use xp\.where"):
        bool(Symbol(2.0, floats) > 1)
