"""nn.utils.spectral_norm against PyTorch's, and what it is for."""

import copy

import numpy as np
import pytest

from tinygrad_edu import Tensor, checkpoint, nn
from tinygrad_edu.nn.utils import remove_spectral_norm, spectral_norm

LAYERS = [
    ("Linear", (4, 3), {}, (2, 4)),
    ("Linear", (4, 3), {"n_power_iterations": 3, "eps": 1e-3}, (2, 4)),
    ("Linear", (4, 3), {"dim": 1}, (2, 4)),
    ("Conv1d", (2, 3, 3), {}, (2, 2, 6)),
    ("Conv2d", (2, 3, 3), {}, (2, 2, 5, 4)),
    ("ConvTranspose2d", (2, 3, 3), {}, (2, 2, 3, 4)),
]


@pytest.mark.parity
@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS)
def test_agrees_with_pytorch(name, args, options, shape):
    torch = pytest.importorskip("torch")
    ours = spectral_norm(getattr(nn, name)(*args).double(), **options)
    theirs = torch.nn.utils.spectral_norm(getattr(torch.nn, name)(*args).double(), **options)
    assert [*ours.state_dict()] == [*theirs.state_dict()]
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(0)
    for training in (True, True, False, True):
        ours.train(training), theirs.train(training)
        x = rng.normal(size=shape)
        out, expected = ours(Tensor(x)), theirs(torch.tensor(x))
        assert np.allclose(out.data, expected.detach().numpy(), rtol=1e-6)
        g = rng.normal(size=out.shape)
        ours.zero_grad(), theirs.zero_grad()
        out.backward(g)
        expected.backward(torch.tensor(g))
        for (_, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            assert np.allclose(p.grad, q.grad.numpy(), rtol=1e-6, atol=1e-12)
        for (_, p), q in zip(ours.named_buffers(), theirs.buffers(), strict=True):
            assert np.allclose(p.data, q.numpy(), rtol=1e-6)


def normalised(steps=0):
    layer = spectral_norm(nn.Linear(4, 3, dtype="float64"))
    for _ in range(steps):
        layer(X)
    return layer


X = Tensor(np.random.default_rng(0).normal(size=(2, 4)))


def test_the_weight_gets_a_largest_singular_value_of_one():
    layer = normalised(steps=100)
    assert np.linalg.norm(layer.weight.data, 2) == pytest.approx(1.0, rel=1e-6)
    ratio = layer.weight_orig.data / layer.weight.data
    assert np.allclose(ratio, np.linalg.norm(layer.weight_orig.data, 2), rtol=1e-6)


def test_evaluation_improves_nothing():
    layer = normalised(steps=1).eval()
    before = layer.weight_u.tolist()
    assert layer(X).tolist() == layer(X).tolist()
    assert layer.weight_u.tolist() == before


def test_two_forwards_then_one_backward():
    layer = normalised()
    (layer(X).sum() - layer.eval()(X + 1.0).sum() + layer.train()(X).sum()).backward()
    assert np.isfinite(layer.weight_orig.grad).all()


def test_a_checkpoint_improves_once_and_gives_the_same_gradient():
    layer = normalised(steps=1)
    twin = copy.deepcopy(layer)
    layer(X).sum().backward()
    checkpoint(twin, X).sum().backward()
    assert twin.weight_u.tolist() == layer.weight_u.tolist()
    assert np.allclose(twin.weight_orig.grad, layer.weight_orig.grad, rtol=1e-12)


def test_copies_are_independent():
    layer = normalised(steps=1)
    twin = copy.deepcopy(layer)
    twin(X)
    assert twin.weight_u.tolist() != layer.weight_u.tolist()


def test_taken_away_the_weight_stays():
    layer = normalised(steps=3)
    out = layer.eval()(X).tolist()
    assert remove_spectral_norm(layer) is layer
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert layer(X).tolist() == out
    assert isinstance(layer.weight, nn.Parameter)
    assert not layer._pre_hooks
    with pytest.raises(ValueError, match="not applied to 'weight' of Linear"):
        remove_spectral_norm(layer)
    assert "weight_u" in spectral_norm(layer).state_dict()


def test_errors():
    with pytest.raises(ValueError, match="Linear has no parameter 'kernel'; it has: weight, bias"):
        spectral_norm(nn.Linear(2, 2), "kernel")
    with pytest.raises(ValueError, match="no parameter 'weight'; it has: bias, weight_orig"):
        spectral_norm(normalised())
    with pytest.raises(ValueError, match="at least 1 iteration, not 0"):
        spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
