"""The scalar engine: a drop-in for micrograd's Value, and honest about what it cannot do."""

import math

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, ops


def test_the_example_of_micrograds_readme():
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


@pytest.mark.parametrize(
    ("expression", "value", "slope"),
    [
        (lambda x: x + 2, 5.0, 1.0),
        (lambda x: 2 + x, 5.0, 1.0),
        (lambda x: x - 2, 1.0, 1.0),
        (lambda x: 2 - x, -1.0, -1.0),
        (lambda x: x * 2, 6.0, 2.0),
        (lambda x: 2 * x, 6.0, 2.0),
        (lambda x: x / 2, 1.5, 0.5),
        (lambda x: 2 / x, 2 / 3, -2 / 9),
        (lambda x: x**2, 9.0, 6.0),
        (lambda x: 2**x, 8.0, 8 * math.log(2)),
        (lambda x: -x, -3.0, -1.0),
        (lambda x: +x, 3.0, 1.0),
        (lambda x: abs(x), 3.0, 1.0),
        (lambda x: x * np.float64(2), 6.0, 2.0),
        (lambda x: np.float32(2) * x, 6.0, 2.0),
        (lambda x: sum([x, x], 1), 7.0, 2.0),
    ],
)
def test_operators_take_numbers_on_either_side(expression, value, slope):
    x = Value(3.0)
    out = expression(x)
    assert out.data == pytest.approx(value)
    out.backward()
    assert x.grad == pytest.approx(slope)


def test_data_is_a_python_float_and_grad_starts_at_zero():
    x = Value(3)
    assert type(x.data) is float
    assert type((x > 1).data) is float
    assert x.grad == 0.0
    assert not x.has_grad
    (x * 0).backward()
    assert x.grad == 0.0
    assert x.has_grad


def test_comparisons_are_truthy_as_their_number_and_have_no_gradient():
    small, large = Value(1.0), Value(2.0)
    assert small < large
    assert not small > large
    assert small == 1
    assert small != large
    assert max([small, large]) is large
    assert not (small < large).requires_grad
    assert small not in (None, "1", [])
    assert len({small, Value(1.0)}) == 2  # hashed by identity


def test_an_update_in_place_as_micrograds_users_write_it():
    w = Value(1.0)
    (w * 3).backward()
    w.data -= 0.1 * w.grad
    assert w.data == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: Value("2"), TypeError, "one real number, not str"),
        (lambda: Value([1.0]), TypeError, "one real number, not list"),
        (lambda: Value(1 + 2j), TypeError, "one real number, not complex"),
        (lambda: Value(1.0) + "2", TypeError, "add of a Value takes numbers and Values, not str"),
        (lambda: Value(1.0) + Tensor(1.0), TypeError, "cannot mix a Value with a Tensor"),
        (lambda: Tensor(1.0) * Value(1.0), TypeError, "cannot mix a Value with a Tensor"),
        (lambda: ops.sum(Value(1.0)), TypeError, "needs an array"),
        (lambda: Value(1.0).gelu(approximate="foo"), ValueError, "not 'none' or 'tanh'"),
        (lambda: ops.tanh(1.0), TypeError, "needs a Value or a Tensor"),
    ],
)
def test_wrong_use_says_what_to_do(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_names_and_representation():
    x = Value(2.0, name="x")
    assert repr(x) == "Value(2, grad=0, name='x')"
    y = x * x
    y.name = "y"
    assert y.name == "y"
    assert float(y) == y.item() == 4.0
