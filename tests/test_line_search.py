"""Line searches: the figures of the labs, the conditions they promise, and their errors."""

import math
import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, optim
from tinygrad_edu.optim.line_search import Point, armijo, bracket_search, strong_wolfe


def shoulder(t):
    """The loss of notebook 6.1."""
    return 1 - 0.5 * math.exp(-((t - 0.65) ** 2) / 0.1) - 0.45 * math.exp(-((t - 0.35) ** 2) / 0.02)


def test_the_bracket_of_notebook_6_1():
    trace = []
    t = bracket_search(shoulder, visit=lambda *bracket: trace.append(bracket))
    assert len(trace) == 10
    assert trace[2] == pytest.approx((0.22, 0.367, 0.513, 0.66), abs=5e-4)
    assert t == pytest.approx(0.3832, abs=5e-5)
    assert shoulder(t) == pytest.approx(0.32876, abs=5e-6)
    trace.clear()
    t = bracket_search(shoulder, max_iter=100, visit=lambda *bracket: trace.append(bracket))
    assert len(trace) == 20
    assert t == pytest.approx(0.38035, abs=5e-6)


def test_a_bracket_closes_in_on_a_minimum_at_its_start():
    assert bracket_search(lambda t: t, max_iter=40) < 2e-4


X = [0.03, 0.19, 0.34, 0.46, 0.78, 0.81, 1.08, 1.18, 1.39, 1.60, 1.65, 1.90]
Y = [0.67, 0.85, 1.05, 1.00, 1.40, 1.50, 1.30, 1.54, 1.55, 1.68, 1.73, 1.60]


@pytest.mark.parametrize("kind", [Tensor, Value])
def test_the_descent_of_notebook_6_2(kind):
    if kind is Tensor:
        line = Tensor(np.array([1.6, -0.5]), requires_grad=True)
        params, parts = [line], [line]
    else:
        params = parts = [Value(1.6), Value(-0.5)]

    def closure():
        optimizer.zero_grad()
        a, b = (parts[0][0], parts[0][1]) if kind is Tensor else parts
        loss = sum((a + b * x - y) ** 2 for x, y in zip(X, Y, strict=True))
        loss.backward()
        return loss

    optimizer = optim.GradientDescent(
        params, lr=0.1, line_search_fn="bracket", thresh=1e-5, max_iter=15
    )
    losses, sizes = [], []
    for _ in range(10):
        losses.append(float(optimizer.step(closure)))
        sizes.append(optimizer.step_size)
    losses.append(float(closure()))
    wanted = [5.020, 2.835, 1.657, 1.006, 0.649, 0.450, 0.340, 0.278, 0.243, 0.224, 0.213]
    assert losses == pytest.approx(wanted, abs=5e-4)
    assert sizes[2::2] == pytest.approx([0.0228] * 4, abs=2e-4)
    assert sizes[3::2] == pytest.approx([0.0966] * 4, abs=2e-4)
    end = line.data if kind is Tensor else [p.data for p in params]
    assert list(end) == pytest.approx([0.868, 0.468], abs=5e-4)


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def descend(optimizer, x, y, limit):
    """Iterations until the gradient is below 1e-4, and evaluations of the loss inside them."""
    evaluations = 0

    def closure():
        nonlocal evaluations
        evaluations += 1
        optimizer.zero_grad()
        loss = rosenbrock(x, y)
        loss.backward()
        return loss

    for iteration in range(limit):
        closure()
        if math.hypot(x.grad, y.grad) < 1e-4:
            return iteration, evaluations - iteration - 1
        optimizer.step(closure)
    raise AssertionError(f"not there after {limit} iterations")


def test_backtracking_crosses_rosenbrocks_valley():
    x, y = Value(-1.2), Value(1.0)
    iterations, evaluations = descend(optim.GradientDescent([x, y]), x, y, limit=200)
    assert iterations == 182
    assert evaluations - 2 * iterations == 1425  # beside one at the start and one per length kept


def test_lbfgs_crosses_it_in_few_iterations():
    x, y = Value(-1.2), Value(1.0)
    optimizer = optim.LBFGS(
        [x, y], max_iter=1, max_eval=30, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )
    iterations, _ = descend(optimizer, x, y, limit=60)
    assert iterations < 50
    assert (x.data, y.data) == pytest.approx((1, 1), abs=1e-3)


def test_sufficient_decrease_is_more_than_decrease():
    # From 0, t = 1 lowers the loss by a tenth of what the slope promises: too little for c = 0.3.
    def f(t):
        return {1.0: 0.9, 0.5: 0.6}[t]

    assert armijo(f, 1.0, -1.0) == 0.5
    assert armijo(f, 1.0, -1.0, c=0.05) == 1.0


def test_a_step_into_nan_is_shortened():
    assert armijo(lambda t: math.nan if t > 0.3 else -t, 0.0, -1.0) == 0.25
    assert armijo(lambda t: math.nan, 0.0, -1.0) == 0.0


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize(
    ("f", "df"),
    [
        (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
        (lambda t: math.cosh(t - 2) - t, lambda t: math.sinh(t - 2) - 1),
    ],
)
def test_the_strong_wolfe_conditions_hold(f, df, first):
    looks = []

    def along(t):
        looks.append(t)
        return Point(t, f(t), None, df(t))

    start = along(0.0)
    point, looked = strong_wolfe(along, start, first, c2=0.1)
    assert point.f <= start.f + 1e-4 * point.t * start.slope
    assert abs(point.slope) <= -0.1 * start.slope
    assert looked == len(looks) - 1


def test_fixed_steps_without_a_line_search():
    w = Value(3.0)
    optimizer = optim.GradientDescent([w], lr=0.25, line_search_fn=None)

    def closure():
        optimizer.zero_grad()
        loss = w * w
        loss.backward()
        return loss

    assert optimizer.step(closure).data == 9.0
    assert (w.data, optimizer.step_size) == (1.5, 0.25)


@pytest.mark.parametrize(
    ("lr", "momentum", "nesterov", "iterations"),
    [
        (2 / 101, 0.0, False, 444),
        (4 / 11**2, (9 / 11) ** 2, False, 69),
        (1 / 100, 9 / 11, True, 83),  # the parameter is already the point looked ahead to
    ],
)
def test_momentum_on_a_long_valley(lr, momentum, nesterov, iterations):
    """A quadratic of condition 100, from (1, 1) to a loss of 1e-6; lr, momentum best in theory."""
    w = Tensor(np.array([1.0, 1.0]), requires_grad=True)
    optimizer = optim.SGD([w], lr=lr, momentum=momentum, nesterov=nesterov)
    curvature = np.array([1.0, 100.0])
    count = 0
    while (curvature * w.data**2).sum() / 2 > 1e-6:
        w.grad = curvature * w.data
        optimizer.step()
        count += 1
    assert count == iterations


w = Tensor([1.0, 2.0], requires_grad=True)

ERRORS = {
    "uphill": (
        lambda: armijo(lambda t: t, 0.0, 1.0),
        ValueError("armijo: the slope is 1.0; the direction must go down"),
    ),
    "no closure": (
        lambda: optim.GradientDescent([w]).step(),
        TypeError(
            "GradientDescent.step needs a closure, since it looks at several points: a function "
            "that calls zero_grad() and backward() and returns the loss"
        ),
    ),
    "two groups": (
        lambda: optim.LBFGS([{"params": [w]}, {"params": [Tensor([1.0], requires_grad=True)]}]),
        ValueError("LBFGS goes the same way in all parameters, so it takes one group only"),
    ),
    "c": (
        lambda: optim.GradientDescent([w], c=1.0),
        ValueError("GradientDescent: c is 1.0; it must be between 0 and 1"),
    ),
    "search": (
        lambda: optim.GradientDescent([w], line_search_fn="strong_wolfe"),
        ValueError(
            "GradientDescent: line_search_fn is 'strong_wolfe'; it must be 'backtracking', "
            "'bracket' or None"
        ),
    ),
    "search of LBFGS": (
        lambda: optim.LBFGS([w], line_search_fn="armijo"),
        ValueError("LBFGS: line_search_fn is 'armijo'; it must be 'strong_wolfe' or None"),
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_say_what_and_what_next(what):
    call, expected = ERRORS[what]
    with pytest.raises(type(expected), match=f"^{re.escape(str(expected))}$"):
        call()


def test_a_state_of_other_sizes_is_refused():
    def closure(optimizer, p):
        optimizer.zero_grad()
        loss = (p**4).sum()
        loss.backward()
        return loss

    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    first, second = optim.LBFGS([a]), optim.LBFGS([b])
    first.step(lambda: closure(first, a))
    message = "has shape (2,), the parameters together (1,)"
    with pytest.raises(ValueError, match=re.escape(message)):
        second.load_state_dict(first.state_dict())
    assert second.state == {}
