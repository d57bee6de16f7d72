"""The learning-rate range test: what it sees, and that it leaves no trace."""

import numpy as np
import pytest
from test_files import same

from tinygrad_edu import Tensor, data, manual_seed, nn, optim, rand
from tinygrad_edu.nn import functional as F

X = np.random.default_rng(0).normal(size=(32, 2))
CURVATURE = float(2 * np.linalg.eigvalsh(X.T @ X / len(X)).max())


def find(model=None, loader=None, **options):
    model = model or nn.Linear(2, 1).double()
    optimizer = options.pop("optimizer", None) or optim.SGD(model.parameters(), lr=0.1)
    options = {"loss": F.mse_loss, "smoothing": 0.0, **options}
    goal = X @ np.array([[3.0], [-2.0]])
    return optim.lr_finder(model, loader or [(X, goal)], optimizer=optimizer, **options)


def test_the_loss_rises_where_gradient_descent_is_known_to_diverge():
    curve = find(num_steps=400, end_lr=100.0, diverged=1e6)
    lowest = int(np.argmin(curve.losses))
    # A quadratic of curvature k grows in that direction from the rate 2 / k, at first from little.
    assert 2.0 < curve.lrs[lowest] * CURVATURE < 4.0
    assert curve.suggestion < curve.lrs[lowest]
    assert max(curve.losses[lowest:]) > 10 * curve.losses[lowest]


def test_the_rates_grow_by_a_factor():
    curve = find(start_lr=1e-4, end_lr=1e-1, num_steps=4)
    np.testing.assert_allclose(curve.lrs, [1e-4, 1e-3, 1e-2, 1e-1])


class Constant(nn.Module):
    """Gives its input, with a parameter that changes nothing."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.zeros(1))

    def forward(self, x):
        return x + 0.0 * self.weight


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_smoothing_is_a_running_mean_without_bias(smoothing):
    batches = [(np.full((2, 1), v), np.zeros((2, 1))) for v in (1.0, 2.0, 3.0)]
    curve = find(Constant(), batches, smoothing=smoothing, num_steps=4, diverged=100.0)
    losses = np.array([1.0, 4.0, 9.0, 1.0])
    weights = [smoothing ** np.arange(i, -1, -1.0) for i in range(4)]
    expected = [(w * losses[: len(w)]).sum() / w.sum() for w in weights]
    np.testing.assert_allclose(curve.losses, expected)


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_afterwards_as_before(fails):
    manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    model.double()[1].eval()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    optimizer.step(lambda: F.mse_loss(model(Tensor(X)), X[:, :1]).backward())
    loader = data.DataLoader(data.TensorDataset(X, X[:, :1]), 8, shuffle=True)
    generator = np.random.default_rng(5)
    manual = manual_seed(7)

    def state():
        modes = [module.training for module in model.modules()]
        return [
            *(part.state_dict() for part in (model, optimizer, loader)),
            *(modes, generator.bit_generator.state, manual.bit_generator.state),
        ]

    calls = []

    def loss(output, target):
        calls.append(rand(1, generator=generator))
        if fails and len(calls) == 3:
            raise ZeroDivisionError
        return F.mse_loss(output, target)

    before = state()
    if fails:
        with pytest.raises(ZeroDivisionError):
            find(model, loader, optimizer=optimizer, loss=loss)
    else:
        find(model, loader, optimizer=optimizer, loss=loss)
    assert len(calls) > 2
    assert same(state(), before)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_lr": 1.0, "end_lr": 0.1}, r"start_lr 1\.0, end_lr 0\.1"),
        ({"num_steps": 1}, "at least 2 steps"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"diverged": 1.0}, "diverged"),
        ({"loss": lambda output, target: F.mse_loss(output, target) * np.nan}, "the loss is nan"),
        ({"loader": iter(())}, "the loader gives no batch"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        find(**options)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_marks_the_suggestion(theme):
    curve = find()
    line, mark = curve.plot(theme).axes[0].lines
    assert line.get_ydata().tolist() == curve.losses
    assert mark.get_xdata() == [curve.suggestion, curve.suggestion]
