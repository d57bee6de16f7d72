"""Where a derivative does not exist, or is infinite: what each operation gives there, stated.

Kinks and ties as in PyTorch: relu'(0) = 0, abs'(0) = 0, equal operands share evenly, the ends of a
clip belong to the inside.  At a pole the gradient is infinite, and 0 if no gradient arrives there,
so that the branch that `where` left out stays silent.
"""

import math

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, grad, hessian, ops

INF, NAN = math.inf, math.nan
T = 1.0507009873554805 * 1.6732632423543772  # selu's slope below 0

# name, operands, options, gradients for an incoming gradient of ones
TABLE = [
    # kinks
    ("abs", [[0.0, -0.0]], {}, [[0, 0]]),
    ("sign", [[0.0, 2.0]], {}, [[0, 0]]),
    ("floor", [[0.0, 2.0, 2.5]], {}, [[0, 0, 0]]),
    ("ceil", [[0.0, 2.0, 2.5]], {}, [[0, 0, 0]]),
    ("relu", [[0.0, -0.0]], {}, [[0, 0]]),
    ("leaky_relu", [[0.0]], {"negative_slope": 0.2}, [[0.2]]),
    ("elu", [[0.0]], {"alpha": 0.5}, [[0.5]]),
    ("selu", [[0.0]], {}, [[T]]),
    ("celu", [[0.0]], {"alpha": 0.5}, [[1]]),
    ("hardtanh", [[-1.0, 1.0]], {}, [[0, 0]]),
    ("relu6", [[0.0, 6.0]], {}, [[0, 0]]),
    ("hardsigmoid", [[-3.0, 3.0]], {}, [[0, 0]]),
    ("hardswish", [[-3.0, 3.0]], {}, [[0, 1]]),
    ("clip", [[-1.0, 1.0, 0.0, -2.0, 2.0]], {"min": -1.0, "max": 1.0}, [[1, 1, 1, 0, 0]]),
    ("softsign", [[0.0]], {}, [[1]]),
    # ties
    ("maximum", [[1.0, 0.0], [1.0, -0.0]], {}, [[0.5, 0.5], [0.5, 0.5]]),
    ("minimum", [[1.0, 0.0], [1.0, -0.0]], {}, [[0.5, 0.5], [0.5, 0.5]]),
    ("maximum", [[INF], [INF]], {}, [[0.5], [0.5]]),
    ("max", [[3.0, 1.0, 3.0, 3.0]], {}, [[1 / 3, 0, 1 / 3, 1 / 3]]),
    ("max", [[[1.0, 1.0], [0.0, 2.0]]], {"axis": 1}, [[[0.5, 0.5], [0, 1]]]),
    ("min", [[3.0, 1.0, 1.0]], {}, [[0, 0.5, 0.5]]),
    ("norm", [[2.0, -2.0, 1.0]], {"ord": INF}, [[0.5, -0.5, 0]]),
    ("logaddexp", [[5.0], [5.0]], {}, [[0.5], [0.5]]),
    # poles
    ("log", [[0.0]], {}, [[INF]]),
    ("log2", [[0.0]], {}, [[INF]]),
    ("log10", [[0.0]], {}, [[INF]]),
    ("log1p", [[-1.0]], {}, [[INF]]),
    ("sqrt", [[0.0]], {}, [[INF]]),
    ("rsqrt", [[0.0]], {}, [[-INF]]),
    ("reciprocal", [[0.0]], {}, [[-INF]]),
    ("divide", [[3.0, -3.0], [0.0, 0.0]], {}, [[INF, INF], [-INF, INF]]),
    ("arcsin", [[1.0, -1.0]], {}, [[INF, INF]]),
    ("arccos", [[1.0, -1.0]], {}, [[-INF, -INF]]),
    ("power", [[0.0, 0.0], [0.5, -1.0]], {}, [[INF, -INF], [0, 0]]),
    # zeros
    ("power", [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0]], {}, [[0, 1, 0, 0], [0, 0, 0, 0]]),
    ("power", [[-2.0, -2.0], [3.0, 0.0]], {}, [[12, 0], [NAN, NAN]]),
    ("prod", [[2.0, 0.0, 3.0]], {}, [[0, 6, 0]]),
    ("prod", [[2.0, 0.0, 0.0]], {}, [[0, 0, 0]]),
    ("prod", [[[0.0, 3.0], [0.0, 0.0]]], {"axis": 1}, [[[3, 0], [0, 0]]]),
    ("norm", [[0.0, 0.0]], {}, [[0, 0]]),
    ("norm", [[0.0, 0.0]], {"ord": 1}, [[0, 0]]),
    ("norm", [[0.0, 0.0]], {"ord": 3}, [[0, 0]]),
    ("norm", [[0.0, 0.0]], {"ord": INF}, [[0, 0]]),
    ("norm", [[0.0, 2.0]], {"ord": 3}, [[0, 1]]),
    ("std", [[2.0, 2.0, 2.0]], {}, [[0, 0, 0]]),
    ("var", [[2.0, 2.0, 2.0]], {}, [[0, 0, 0]]),
    ("var", [[2.0]], {"correction": 1}, [[NAN]]),
    ("arctan2", [[0.0], [0.0]], {}, [[0], [0]]),
    # infinities
    ("logsumexp", [[-INF, -INF]], {}, [[0, 0]]),
    ("logsumexp", [[-INF, 0.0]], {}, [[0, 1]]),
    ("logaddexp", [[-INF, INF], [-INF, INF]], {}, [[0.5, 0.5], [0.5, 0.5]]),
    ("logaddexp", [[-INF], [2.0]], {}, [[0], [1]]),
    ("sigmoid", [[INF, -INF]], {}, [[0, 0]]),
    ("softplus", [[INF, -INF]], {}, [[1, 0]]),
    ("tanh", [[INF, -INF]], {}, [[0, 0]]),
    ("relu", [[INF, -INF]], {}, [[1, 0]]),
]
CASES = [pytest.param(*row, id=f"{row[0]}{row[1]}") for row in TABLE]


@pytest.mark.parametrize(("name", "operands", "options", "expected"), CASES)
def test_gradients_on_tensors(name, operands, options, expected):
    leaves = [Tensor(np.array(x), requires_grad=True) for x in operands]
    with np.errstate(all="ignore"):
        out = ops.lookup(name)(*leaves, **options)
        out.backward(np.ones(out.shape))
    for leaf, gradient in zip(leaves, expected, strict=True):
        np.testing.assert_allclose(leaf.grad, gradient, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "operands", "options", "expected"),
    [case for case in CASES if ops.lookup(case.values[0]).family == "elementwise"],
)
def test_gradients_on_values(name, operands, options, expected):
    for place in range(len(operands[0])):
        leaves = [Value(x[place]) for x in operands]
        ops.lookup(name)(*leaves, **options).backward()
        assert [leaf.grad for leaf in leaves] == pytest.approx(
            [gradient[place] for gradient in expected], rel=1e-12, nan_ok=True
        )


# The branch that where leaves out

LEFT_OUT = [
    ("log", 0.0),
    ("log2", 0.0),
    ("log10", 0.0),
    ("log1p", -1.0),
    ("sqrt", 0.0),
    ("rsqrt", 0.0),
    ("reciprocal", 0.0),
    ("arcsin", 1.0),
    ("arccos", -1.0),
]


@pytest.mark.parametrize(("name", "pole"), LEFT_OUT)
def test_a_pole_in_the_branch_left_out_is_silent(name, pole):
    x = Tensor(np.array([pole, 0.5]), requires_grad=True)
    f = ops.lookup(name)
    with np.errstate(divide="ignore"):  # the forward does meet the pole
        y = ops.where(x != pole, f(x), 7.0)
    y.sum().backward()  # warnings are errors: the rule must not
    alone = Tensor(np.array([0.5]), requires_grad=True)
    f(alone).sum().backward()
    np.testing.assert_array_equal(x.grad, [0.0, alone.grad[0]])


def test_a_division_and_a_power_in_the_branch_left_out_are_silent():
    x = Tensor(np.array([0.0, 2.0]), requires_grad=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = ops.where(x > 0, x / x + x**-0.5 + 1.0 / x, 0.0)
    y.sum().backward()
    np.testing.assert_allclose(x.grad, [0.0, -0.5 * 2**-1.5 - 0.25])


def test_an_infinite_gradient_passes_where_and_not_relu():
    """relu multiplies by 0, and 0 * inf is nan: keep away from the pole with where."""
    x = Tensor(np.array([0.0]), requires_grad=True)
    ops.where(x > 0, ops.sqrt(x), 0.0).sum().backward()
    assert x.grad == [0.0]
    x.grad = None
    with np.errstate(invalid="ignore", divide="ignore"):
        ops.sqrt(ops.relu(x)).sum().backward()
    assert math.isnan(x.grad[0])


# Overflow


@pytest.mark.parametrize(("name", "large"), [("exp", 710.0), ("exp2", 1024.0), ("cosh", 711.0)])
def test_overflow_is_infinity_and_arrays_say_so(name, large):
    f = ops.lookup(name)
    number = Value(large)
    out = f(number)
    out.backward()
    assert out.data == number.grad == INF
    x = Tensor(np.array([large]), requires_grad=True)
    with pytest.warns(RuntimeWarning, match=f"overflow encountered in {name}"):
        out = f(x)
    assert out.data == [INF]


QUIET = ["sigmoid", "softplus", "logsigmoid", "silu", "mish", "tanh", "gelu", "elu", "selu", "celu"]


@pytest.mark.parametrize("name", [*QUIET, "erf", "softmax", "log_softmax", "logsumexp"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_numbers_do_not_overflow(name, dtype):
    x = Tensor(np.array([-1e18, -1e5, -800.0, 800.0, 1e5, 1e18], dtype), requires_grad=True)
    out = ops.lookup(name)(x) * 1e-3
    out.sum().backward()  # warnings are errors
    assert np.isfinite(out.data).all()
    assert np.isfinite(x.grad).all()


# Second derivatives at special points


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("sigmoid", 0.0, [1 / 4, 0, -1 / 8, 0, 1 / 4]),
        ("softplus", 0.0, [1 / 2, 1 / 4, 0, -1 / 8, 0]),
        ("logsigmoid", 0.0, [1 / 2, -1 / 4, 0, 1 / 8, 0]),
        ("tanh", 0.0, [1, 0, -2, 0, 16]),
        ("silu", 0.0, [1 / 2, 1 / 2, 0, -1 / 2, 0]),
        ("mish", 0.0, [0.6, 0.64]),
        ("gelu", 0.0, [0.5, 2 / math.sqrt(2 * math.pi)]),
        ("erf", 0.0, [2 / math.sqrt(math.pi), 0, -4 / math.sqrt(math.pi)]),
        ("square", 0.0, [0, 2, 0]),
    ],
)
@pytest.mark.parametrize("make", [Value, lambda v: Tensor(np.array(v), requires_grad=True)])
def test_derivatives_of_every_order_at_zero(name, at, expected, make):
    x = make(at)
    y = ops.lookup(name)(x)
    for derivative in expected:
        y = grad(y, x, create_graph=True) if y.requires_grad else y * 0.0
        assert float(y.data) == pytest.approx(derivative, rel=1e-12, abs=1e-15)


def test_second_derivatives_where_the_first_is_zero():
    """At g = 0 a rule must still know its slope in g: mixed second derivatives go through it."""

    def mixed(f, h, x):
        h, x = Value(h), Value(x)
        return grad(grad(f(h, x), x, create_graph=True), h).data

    assert mixed(lambda h, x: h * ops.log(x), 0.0, 2.0) == 0.5
    assert mixed(lambda h, x: h * ops.sqrt(x), 0.0, 4.0) == 0.25
    assert mixed(lambda h, x: h / x, 0.0, 2.0) == -0.25
    assert mixed(lambda h, x: h * ops.reciprocal(x), 0.0, 2.0) == -0.25
    assert mixed(lambda h, x: h * ops.rsqrt(x), 0.0, 4.0) == -0.0625
    assert mixed(lambda h, x: h * x**3, 0.0, 2.0) == 12.0
    assert mixed(lambda h, x: x**h, 0.0, 2.0) == 0.5  # d/dx d/dh x^h = 1/x at h = 0
    assert mixed(lambda h, x: x**h, 1.0, 2.0) == pytest.approx(1 + math.log(2))


def test_second_derivatives_at_ties_and_zeros():
    quarter = [[0.25, -0.25], [-0.25, 0.25]]
    both = hessian(lambda x: ops.logaddexp(x[0], x[1]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(both.data, quarter)
    both = hessian(lambda x: ops.logsumexp(x), np.array([1.0, 1.0]))
    np.testing.assert_allclose(both.data, quarter)
    zeros = hessian(lambda x: ops.prod(x), np.array([0.0, 0.0, 3.0]))
    np.testing.assert_allclose(zeros.data, [[0, 3, 0], [3, 0, 0], [0, 0, 0]])
    loss = hessian(
        lambda x: ops.binary_cross_entropy_with_logits(x, np.array([0.0, 1.0])), np.zeros(2)
    )
    np.testing.assert_allclose(loss.data, [[0.125, 0], [0, 0.125]])
    loss = hessian(lambda x: ops.cross_entropy(x, np.array(1)), np.zeros(2))
    np.testing.assert_allclose(loss.data, quarter)


# The table fails when it should


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("relu", lambda xp, g, out, x: (g * (x >= 0),)),
        ("abs", lambda xp, g, out, x: (g * xp.where(x >= 0, 1.0, -1.0),)),
        ("maximum", lambda xp, g, out, x, y: (g * (x >= y), g * (x < y))),
        ("sqrt", lambda xp, g, out, x: (xp.divide(0.5 * g, out + (out == 0)),)),
    ],
)
def test_another_choice_at_a_kink_is_found(name, rule, monkeypatch):
    monkeypatch.setattr(ops.lookup(name), "rule", rule)
    row = next(row for row in TABLE if row[0] == name)
    with pytest.raises(AssertionError):
        test_gradients_on_tensors(*row)
    with pytest.raises(AssertionError):
        test_gradients_on_values(*row)
