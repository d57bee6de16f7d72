"""Every checker fails on a planted bug: a check that accepts anything would be worse than none."""

import checks
import numpy as np
import pytest
from samples import positive, s, x
from test_ops_table import EACH

from tinygrad_edu import ops
from tinygrad_edu.ops import Op, lookup

PLANTED: list = []


def plant(check, sample, like):
    """Register a wrong rule for the operation `like`, which `check` must refuse on `sample`."""

    def add(rule):
        PLANTED.append(pytest.param(check, sample, like, rule, id=rule.__name__))
        return rule

    return add


def with_rule(like, rule) -> Op:
    """An operation with the forward of `like` and another rule, outside the registry."""
    original = lookup(like)
    wrong = Op(original.forward, symbol=None, latex=None, differentiable=True)
    wrong.vjp(rule)
    return wrong


@plant(checks.check_rule, s(x(3)), "tanh")
@plant(checks.check_projection, s(x(3)), "tanh")
@plant(checks.check_expansion, s(x(3)), "sigmoid")
def misses_a_square(xp, g, out, x):
    return (g * (1.0 - out),)


@plant(checks.check_rule, s(x(3)), "square")
@plant(checks.check_projection, s(x(3)), "square")
def forgets_a_factor_2(xp, g, out, x):
    return (g * x,)


@plant(checks.check_rule, s(x(2, 3), axis=0), "sum")
@plant(checks.check_projection, s(x(2, 3), axis=0), "sum")
def ignores_the_axis(xp, g, out, x, *, axis, keepdims):
    return (xp.broadcast_to(xp.sum(g) * (1.0 / g.size), shape=x.shape),)


@plant(checks.check_rule, s(x(3), x(3)), "multiply")
@plant(checks.check_projection, s(x(3), x(3)), "multiply")
def forgets_an_operand(xp, g, out, x, y):
    return g * y, None


@plant(checks.check_rule, s(x(3), x(3)), "subtract")
def swaps_the_operands(xp, g, out, x, y):
    return -g, g


@plant(checks.check_expansion, s(x(2, 3), axis=1), "mean")
def forgets_to_divide(xp, g, out, x, *, axis, keepdims):
    return (xp.broadcast_to(xp.reshape(g, shape=(2, 1)), shape=x.shape),)


@plant(checks.check_second_order, s([0.0]), "softplus")
def has_the_right_numbers_and_no_slope_at_0(xp, g, out, x, *, beta):
    small = xp.exp(-xp.abs(x))
    return (g * xp.divide(xp.where(x >= 0, 1.0, small), 1.0 + small),)


@plant(checks.check_rule, s(positive(3)), "log")
def is_not_linear_in_g(xp, g, out, x):
    return (xp.divide(g * g, x),)


@plant(checks.check_graph_reading, s(x(3)), "square")
def differs_as_a_graph(xp, g, out, x):
    return ((2.0 if xp is ops.graph else 2.1) * g * x,)


@plant(checks.check_purity, s(x(3)), "exp")
def changes_g(xp, g, out, x):
    g *= out
    return (g,)


@plant(checks.check_purity, s(x(3)), "exp")
def changes_the_result(xp, g, out, x):
    out *= g
    return (out,)


@plant(checks.check_purity, s(x(3)), "square")
def changes_an_operand(xp, g, out, x):
    x += x
    return (g * x,)


@plant(checks.check_dtype, s(x(3)), "square")
def widens_float32(xp, g, out, x):
    return (np.float64(2.0) * g * x,)


@plant(checks.check_vocabulary, s(x(3)), "square")
def divides_with_an_operator(xp, g, out, x):
    return (g * x / 0.5,)


@plant(checks.check_vocabulary, s(x(3)), "square")
def takes_powers_with_an_operator(xp, g, out, x):
    return (2.0 * g * x**1,)


@plant(checks.check_vocabulary, s(x(3)), "square")
def asks_an_operand(xp, g, out, x):
    return (2.0 * g * x if x > 0 else -2.0 * g * abs(x),)


@plant(checks.check_vocabulary, s(x(3)), "tanh")
def names_something_else(xp, g, out, x):
    return (g * xp.sech(x) * xp.sech(x),)


@plant(checks.check_vocabulary, s(x(3)), "tanh")
def goes_round_the_namespace(xp, g, out, x):
    return (g * (1.0 - np.square(out)),)


@pytest.mark.parametrize(("check", "sample", "like", "rule"), PLANTED)
def test_a_planted_bug_is_found(check, sample, like, rule):
    check(lookup(like), sample)
    with pytest.raises((AssertionError, TypeError, ValueError)):
        check(with_rule(like, rule), sample)


def test_a_forward_that_writes_is_found():
    def doubled(xp, x):
        x += x
        return x

    with pytest.raises(ValueError, match="read-only"):
        checks.check_purity(Op(doubled, symbol=None, latex=None, differentiable=False), s(x(3)))


def test_a_forward_that_widens_is_found():
    def halved(xp, x):
        return x * np.float64(0.5)

    with pytest.raises(AssertionError, match="float32 became float64"):
        checks.check_dtype(Op(halved, symbol=None, latex=None, differentiable=False), s(x(3)))


def test_a_constant_that_is_none_is_found():
    def third(xp, x):
        return x * 3.0

    with pytest.raises(AssertionError, match="no gradient for operand 0, but it has one"):
        checks.check_rule(Op(third, symbol=None, latex=None, differentiable=False), s(x(3)))


def test_every_check_has_a_planted_bug():
    assert {param.values[0] for param in PLANTED} == set(EACH)
