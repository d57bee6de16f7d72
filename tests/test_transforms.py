"""Transforms of functions, held against derivatives known otherwise."""

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import (
    Tensor,
    Value,
    checkpoint,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    nn,
    no_grad,
    ops,
)
from tinygrad_edu.engine.transforms import value_and_grad

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 3))
X = RNG.normal(size=3)


def quadratic(x):
    return (x @ A @ x) + (x**3).sum()


def test_value_and_grad_leaves_its_arguments_alone():
    x = Tensor(X, requires_grad=True)
    value, g = value_and_grad(quadratic)(x)
    assert value.item() == pytest.approx(X @ A @ X + (X**3).sum())
    assert np.allclose(g.data, (A + A.T) @ X + 3 * X**2)
    assert x.grad is None


def test_jacobian():
    j = jacobian(lambda x: (A @ x).tanh(), Tensor(X))
    t = np.tanh(A @ X)
    assert np.allclose(j.data, (1 - t**2)[:, None] * A)
    assert jacobian(lambda x: x.reshape(3, 1) * x, Tensor(X)).shape == (3, 3, 3)
    assert jacobian(lambda x: Tensor(np.ones(2)), Tensor(X)).tolist() == [[0, 0, 0]] * 2
    assert jacobian(lambda x: x * x, Value(3.0)).data == 6.0


def test_hessian():
    assert np.allclose(hessian(quadratic, Tensor(X)).data, A + A.T + np.diag(6 * X))
    assert np.allclose(hessian(lambda x: x.sum(), Tensor(X)).data, 0)
    assert hessian(lambda x: x**3, Value(2.0)).data == 12.0


def test_jvp_and_hvp_are_products_with_what_they_avoid():
    v = RNG.normal(size=3)

    def f(x):
        return (A @ x).sin() * x

    value, tangent = jvp(f, Tensor(X), v)
    assert np.allclose(value.data, np.sin(A @ X) * X)
    assert np.allclose(tangent.data, jacobian(f, Tensor(X)).data @ v)
    assert np.allclose(hvp(quadratic, Tensor(X), v).data, (A + A.T + np.diag(6 * X)) @ v)
    assert jvp(lambda x: x**3, Value(2.0), 1.0)[1].data == 12.0
    assert hvp(lambda x: x.sum(), Tensor(X), v).tolist() == [0, 0, 0]


class TestCheckpoint:
    @staticmethod
    def block(x, w):
        return ((x @ w).tanh() @ w).relu()

    def test_gradients_are_equal_to_the_last_bit(self):
        w = Tensor(A, requires_grad=True)
        results = []
        for wrapped in (False, True):
            x = Tensor(np.eye(3), requires_grad=True)
            w.grad = None
            h = x * 2
            h = checkpoint(lambda h: self.block(h, w), h) if wrapped else self.block(h, w)
            (h * h).sum().backward()
            results.append((x.grad, w.grad))
        for plain, saved in zip(*results, strict=True):
            assert np.array_equal(plain, saved)

    def test_the_inside_is_dropped(self):
        w = Tensor(A, requires_grad=True)
        out = checkpoint(lambda x: self.block(x, w), Tensor(np.eye(3), requires_grad=True))
        assert out.op.name == "checkpoint"
        assert all(x.is_leaf for x in out.inputs)

    def test_random_numbers_are_drawn_again(self):
        generator = np.random.default_rng(1)

        def noisy(x):
            return x * ops.uniform_like(x, generator=generator)

        x = Tensor(np.ones(5), requires_grad=True)
        out = checkpoint(noisy, x)
        following = generator.random()
        out.sum().backward()
        assert np.array_equal(x.grad, out.data)
        again = np.random.default_rng(1)
        again.random(5)
        assert following == again.random()
        assert generator.random() == again.random()  # the replay left no trace

    def test_running_statistics_move_once(self):
        layer = nn.BatchNorm1d(2)
        x = Tensor([[1.0, 2.0], [3.0, 6.0]], requires_grad=True)
        out = checkpoint(layer, x)
        moved = layer.running_mean.tolist(), layer.running_var.tolist()
        assert moved[0] == pytest.approx([0.2, 0.4])
        (out * Tensor([[1.0, 2.0], [3.0, 5.0]])).sum().backward()
        assert (layer.running_mean.tolist(), layer.running_var.tolist()) == moved
        assert layer.num_batches_tracked.item() == 1

    def test_second_order(self):
        def f(x):
            return checkpoint(lambda x: (x**3).sum(), x)

        x = Tensor(X, requires_grad=True)
        first = grad(f(x), x, create_graph=True)
        assert np.allclose(grad(first.sum(), x).data, 6 * X)

    def test_a_result_closed_over_is_refused(self):
        x = Tensor(X, requires_grad=True)
        h = x * 2
        with pytest.raises(RuntimeError, match="result of multiply, made outside"):
            checkpoint(lambda x: x * h, x)

    def test_values_too(self):
        w = Value(3.0)
        checkpoint(lambda x: (x * w).tanh(), Value(0.1)).backward()
        assert w.grad == pytest.approx(0.1 * (1 - np.tanh(0.3) ** 2))

    def test_without_recording_it_is_the_function(self):
        with no_grad():
            assert checkpoint(lambda x: x * 2, te.ones(2)).tolist() == [2, 2]
