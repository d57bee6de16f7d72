"""Both engines learn: Tensor reads handwritten digits, Value separates two moons."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, ops

datasets = pytest.importorskip("sklearn.datasets")
model_selection = pytest.importorskip("sklearn.model_selection")


def test_a_tensor_network_reads_handwritten_digits():
    pixels, labels = datasets.load_digits(return_X_y=True)
    pixels = (pixels / 16.0).astype("float32")
    train_x, test_x, train_y, test_y = model_selection.train_test_split(
        pixels, labels, test_size=360, stratify=labels, random_state=0
    )
    rng = np.random.default_rng(0)

    def weight(rows, columns):  # He et al. 2015: variance 2 / inputs before a relu
        drawn = rng.normal(size=(rows, columns)) * np.sqrt(2.0 / rows)
        return Tensor(drawn.astype("float32"), requires_grad=True)

    w1, b1 = weight(64, 64), Tensor(np.zeros(64, "float32"), requires_grad=True)
    w2, b2 = weight(64, 10), Tensor(np.zeros(10, "float32"), requires_grad=True)
    parameters = [w1, b1, w2, b2]

    def network(x):
        return (x @ w1 + b1).relu() @ w2 + b2

    velocity = [np.zeros_like(p.data) for p in parameters]
    for _ in range(60):
        order = rng.permutation(len(train_x))
        for start in range(0, len(order), 32):
            batch = order[start : start + 32]
            loss = ops.cross_entropy(network(Tensor(train_x[batch])), train_y[batch])
            loss.backward()
            for p, v in zip(parameters, velocity, strict=True):
                v *= 0.9
                v += p.grad
                p.data -= 0.02 * v
                p.grad = None
    predicted = network(Tensor(test_x)).data.argmax(axis=1)
    assert (predicted == test_y).mean() >= 0.965


def test_a_value_network_separates_two_moons():
    points, labels = datasets.make_moons(n_samples=50, noise=0.05, random_state=0)
    rng = np.random.default_rng(0)

    def neuron(size):
        return [Value(v) for v in rng.normal(size=size) * 0.7], Value(0.0)

    hidden = [neuron(2) for _ in range(8)]
    out_weights, out_bias = neuron(8)
    parameters = [p for w, b in [*hidden, (out_weights, out_bias)] for p in (*w, b)]

    def network(x):
        h = [sum((wi * xi for wi, xi in zip(w, x, strict=True)), b).tanh() for w, b in hidden]
        return sum((wi * hi for wi, hi in zip(out_weights, h, strict=True)), out_bias)

    signs = 2.0 * labels - 1.0
    for step in range(120):
        # log(1 + exp(-y * score)): the logistic loss of a label y in {-1, 1}
        losses = [(network(x) * -y).softplus() for x, y in zip(points, signs, strict=True)]
        loss = sum(losses) * (1.0 / len(losses))
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data -= (3.0 - step / 60) * p.grad
    right = [(network(x).data > 0) == (y > 0) for x, y in zip(points, signs, strict=True)]
    assert np.mean(right) >= 0.95
