"""gradcheck accepts right gradients, and rejects each kind of wrong one with its likely cause."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, gradcheck, numeric_grad, op
from tinygrad_edu.engine.gradcheck import GradcheckError

X = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3))


@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (lambda x: x.tanh(), [Value(0.3)]),
        (lambda x, y: x * y + x / y, [Value(0.3), Value(-2.0)]),
        (lambda x: x.exp(), [Tensor(X)]),
        (lambda x, y: (x @ y).sum(), [X, X.T]),
        (lambda x: x.sum(), X),
        (lambda x: x * 0 + 3, [Value(1.0)]),
    ],
)
def test_right_gradients_pass_at_both_orders(f, inputs):
    assert gradcheck(f, inputs, order=2)


def planted(forward, rule):
    """An operation with a rule of its own, registered for one test."""
    made = op(forward)
    made.vjp(rule)
    return made


def test_a_forgotten_factor_is_named():
    def tripled(xp, x):
        """3 x."""
        return 3.0 * x

    wrong = planted(tripled, lambda xp, g, out, x: (1.5 * g,))
    with pytest.raises(GradcheckError, match=r"off by the same factor 0\.5"):
        gradcheck(wrong, [X])


def test_a_wrong_formula_is_shown_with_its_worst_element():
    def squared(xp, x):
        """x^2."""
        return x * x

    wrong = planted(squared, lambda xp, g, out, x: (g * x * x,))
    x = np.array([1.5, 1.9, 5.0])
    with pytest.raises(
        GradcheckError, match=r"input 0 at \(2,\) is .*3 of 3 elements.*formula is wrong"
    ) as caught:
        gradcheck(lambda x: wrong(x).sum(), [x])
    assert "25" in str(caught.value)
    assert "10" in str(caught.value)


def test_a_gradient_that_never_arrives():
    def lost(xp, x):
        """2 x."""
        return 2.0 * x

    wrong = planted(lost, lambda xp, g, out, x: (None,))
    with pytest.raises(GradcheckError, match="no gradient arrives"):
        gradcheck(wrong, [Value(1.0)])


def test_a_detached_input():
    with pytest.raises(GradcheckError, match="does not depend on any input"):
        gradcheck(lambda x: x.detach() * 2, [X])


def test_a_kink_is_recognised():
    with pytest.raises(GradcheckError, match="kink"):
        gradcheck(lambda x: x.relu(), [Value(0.0)])


def test_a_nan_is_recognised():
    def bad(xp, x):
        """x."""
        return 1.0 * x

    wrong = planted(bad, lambda xp, g, out, x: (g * float("nan"),))
    with pytest.raises(GradcheckError, match="nan"):
        gradcheck(wrong, [Value(1.0)])


def test_a_wrong_second_derivative_is_caught_at_order_2_only():
    def cubed(xp, x):
        """x^3."""
        return x * x * x

    def frozen(xp, g, out, x):
        slope = 3.0 * x * x
        plain = slope.detach() if hasattr(slope, "detach") else slope
        return (g * plain,)

    wrong = planted(cubed, frozen)
    assert gradcheck(wrong, [X])
    with pytest.raises(GradcheckError, match="second derivative"):
        gradcheck(wrong, [X], order=2)


def test_float32_is_refused_with_the_reason():
    with pytest.raises(TypeError, match="three digits"):
        gradcheck(lambda x: x, [Tensor([1.0])])


def test_a_tensor_without_axes_stays_one():
    assert gradcheck(lambda x: (x * Tensor(np.array(2.0))).tanh(), [Tensor(np.array(0.3))], order=2)


def test_numeric_grad_has_the_shape_of_its_input():
    assert numeric_grad(lambda x: x**3, 2.0) == pytest.approx(12.0, rel=1e-9)
    assert np.allclose(numeric_grad(lambda x: (x**2).sum(), X), 2 * X, rtol=1e-9)
    assert numeric_grad(lambda x: (x**2).sum(), np.zeros((0, 3))).shape == (0, 3)


def test_numeric_grad_steps_in_proportion_to_large_numbers():
    assert numeric_grad(lambda x: x * x, 1e8) == pytest.approx(2e8, rel=1e-9)
