"""Initial values by their statistics, and against PyTorch's formulas."""

import inspect
import math
from statistics import NormalDist

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, ops, zeros
from tinygrad_edu.nn import init

SHAPE = (200, 50, 3)  # fan in 150, fan out 600


def drawn(fill, *args, shape=SHAPE, **options):
    tensor = zeros(*shape, dtype="float64")
    assert fill(tensor, *args, generator=np.random.default_rng(0), **options) is tensor
    return tensor.data


def assert_uniform(data, bound, center=0.0):
    """Within the bounds, reaching them, with their mean and variance."""
    assert (abs(data - center) <= bound).all()
    assert abs(data - center).max() > 0.999 * bound
    assert abs(data.mean() - center) < 4 * bound / math.sqrt(3 * data.size)
    assert data.var() == pytest.approx(bound**2 / 3, rel=4 * math.sqrt(0.8 / data.size))


def assert_normal(data, std, mean=0.0):
    assert abs(data.mean() - mean) < 4 * std / math.sqrt(data.size)
    assert data.std() == pytest.approx(std, rel=4 / math.sqrt(2 * data.size))
    z = (data - mean) / std
    assert (z**4).mean() == pytest.approx(3.0, abs=4 * math.sqrt(96 / data.size))


def test_uniform_and_normal():
    assert_uniform(drawn(init.uniform_), 0.5, 0.5)
    assert_uniform(drawn(init.uniform_, -2.0, 4.0), 3.0, 1.0)
    assert_normal(drawn(init.normal_), 1.0)
    assert_normal(drawn(init.normal_, 2.0, 0.3), 0.3, 2.0)


def test_the_checkers_find_another_distribution():
    with pytest.raises(AssertionError):
        assert_uniform(drawn(init.normal_, 0.0, math.sqrt(1 / 3)), 1.0)
    with pytest.raises(AssertionError):
        assert_normal(drawn(init.uniform_, -math.sqrt(3), math.sqrt(3)), 1.0)
    with pytest.raises(AssertionError):
        assert_uniform(drawn(init.uniform_, -1.0, 1.0), 1.02)


def test_constants():
    tensor = zeros(2, 3)
    assert init.constant_(tensor, 0.5) is tensor
    assert tensor.tolist() == [[0.5] * 3] * 2
    assert init.ones_(tensor).tolist() == [[1.0] * 3] * 2
    assert init.zeros_(tensor).tolist() == [[0.0] * 3] * 2
    assert init.eye_(tensor).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert tensor.dtype == np.float32


def test_xavier():
    assert_uniform(drawn(init.xavier_uniform_), math.sqrt(6 / 750))
    assert_uniform(drawn(init.xavier_uniform_, gain=2.0), 2 * math.sqrt(6 / 750))
    assert_normal(drawn(init.xavier_normal_, gain=3.0), 3 * math.sqrt(2 / 750))


def test_kaiming():
    assert_uniform(drawn(init.kaiming_uniform_, nonlinearity="relu"), math.sqrt(6 / 150))
    assert_uniform(drawn(init.kaiming_uniform_, math.sqrt(5.0)), math.sqrt(1 / 150))
    assert_normal(drawn(init.kaiming_normal_, mode="fan_out"), math.sqrt(2 / 600))
    assert_normal(drawn(init.kaiming_normal_, nonlinearity="linear"), math.sqrt(1 / 150))


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"), [(0.0, 1.0, -2.0, 2.0), (0.5, 0.3, 0.0, 0.6), (0.0, 0.02, -2, 2)]
)
def test_trunc_normal(mean, std, a, b):
    data = drawn(init.trunc_normal_, mean, std, a, b)
    assert ((data >= a) & (data <= b)).all()
    low, high = (a - mean) / std, (b - mean) / std
    normal = NormalDist()
    inside = normal.cdf(high) - normal.cdf(low)
    expected = mean + std * (normal.pdf(low) - normal.pdf(high)) / inside
    assert abs(data.mean() - expected) < 4 * std / math.sqrt(data.size)


def test_orthogonal():
    for shape in [(4, 4), (3, 5), (5, 3), (4, 2, 3)]:
        q = drawn(init.orthogonal_, gain=2.0, shape=shape).reshape(shape[0], -1)
        small = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        assert np.allclose(small, 4.0 * np.eye(min(q.shape)))
    rng, tensor = np.random.default_rng(0), zeros(2, 2)
    signs = [np.sign(init.orthogonal_(tensor, generator=rng).data[0, 0]) for _ in range(200)]
    assert abs(np.mean(signs)) < 0.3  # both signs: every rotation is as likely
    assert init.orthogonal_(zeros(0, 3)).shape == (0, 3)


def test_sparse():
    data = drawn(init.sparse_, 0.3, 2.0, shape=(25, 2000))
    zeros_in_each_column = (data == 0).sum(axis=0)
    assert (zeros_in_each_column == 8).all()  # 0.3 x 25, rounded up
    assert_normal(data[data != 0], 2.0)
    share = (data == 0).mean(axis=1)  # no row is preferred
    assert abs(share - 8 / 25).max() < 4 * math.sqrt(0.32 * 0.68 / 2000)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("shape", "groups"), [((3, 3, 3), 1), ((4, 2, 3, 2), 2), ((2, 3, 4, 5, 1), 1), ((6, 1, 5), 3)]
)
def test_dirac_is_pytorchs(shape, groups):
    torch = pytest.importorskip("torch")
    mine = init.dirac_(zeros(*shape), groups)
    assert mine.tolist() == torch.nn.init.dirac_(torch.empty(shape), groups).tolist()


def test_dirac_passes_on_its_input():
    layer = nn.Conv2d(3, 3, 3, padding="same", bias=False)
    init.dirac_(layer.weight)
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype("float32")
    assert np.array_equal(layer(Tensor(x)).data, x)


def test_the_seed_decides():
    ops.manual_seed(1)
    first = nn.Linear(3, 3).weight.tolist()
    assert nn.Linear(3, 3).weight.tolist() != first
    ops.manual_seed(1)
    assert nn.Linear(3, 3).weight.tolist() == first


def test_layers_begin_as_pytorchs_do():
    assert_uniform(nn.Linear(100, 300).weight.data.astype("float64"), 0.1)
    assert_uniform(nn.Linear(100, 30_000).bias.data.astype("float64"), 0.1)
    assert_uniform(nn.Bilinear(100, 10, 30).weight.data.astype("float64"), 0.1)
    assert_uniform(nn.Conv2d(8, 300, 5, groups=2).weight.data.astype("float64"), 0.1)
    assert_uniform(nn.Conv1d(4, 30_000, 25).bias.data.astype("float64"), 0.1)
    assert_uniform(nn.ConvTranspose2d(300, 8, 5, groups=2).weight.data.astype("float64"), 0.1)
    assert_normal(nn.Embedding(100, 300).weight.data, 1.0)
    assert nn.Embedding(3, 2, padding_idx=1).weight.tolist()[1] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: init.eye_(zeros(3)), r"\(3,\)"),
        (lambda: init.orthogonal_(zeros(3)), r"\(3,\)"),
        (lambda: init.sparse_(zeros(3), 0.5), r"\(3,\)"),
        (lambda: init.dirac_(zeros(3, 3)), r"\(3, 3\)"),
        (lambda: init.dirac_(zeros(3, 3, 3), 2), r"2 groups, not shape \(3, 3, 3\)"),
        (lambda: init.xavier_normal_(zeros(3)), r"\(3,\)"),
        (lambda: init.kaiming_normal_(zeros(3, 3), mode="in"), "'in'"),
        (lambda: init.calculate_gain("softmax"), "'softmax'"),
        (lambda: init.trunc_normal_(zeros(3), 0.0, 1.0, 5.0, 6.0), r"mean 0.0 and std 1.0"),
    ],
)
def test_errors_say_what_is_wrong(call, text):
    with pytest.raises(ValueError, match=text):
        call()


CONSTANTS = ["zeros_", "ones_", "constant_"]
FILLS = [name for name in vars(init) if name.endswith("_") and not name.startswith("_")]


@pytest.mark.parity
@pytest.mark.parametrize("name", FILLS)
def test_arguments_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    mine = inspect.signature(getattr(init, name)).parameters
    theirs = inspect.signature(getattr(torch.nn.init, name)).parameters
    assert [*mine] == [*theirs]
    assert [p.default for p in mine.values()] == [p.default for p in theirs.values()]


@pytest.mark.parity
@pytest.mark.parametrize("name", sorted(set(FILLS) - {"eye_", "dirac_", "sparse_", *CONSTANTS}))
def test_statistics_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    for options in [{}, {"gain": 2.0}, {"a": 0.5}, {"nonlinearity": "relu", "mode": "fan_out"}]:
        if not options.keys() <= inspect.signature(getattr(init, name)).parameters.keys():
            continue
        mine = drawn(getattr(init, name), shape=(60, 40, 5), **options)
        torch.manual_seed(0)
        other = getattr(torch.nn.init, name)(torch.empty(60, 40, 5), **options).numpy()
        for share in (0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0):
            apart = np.quantile(mine, share) - np.quantile(other, share)
            assert abs(apart) < (0.4 if share in (0.0, 1.0) else 0.1) * mine.std() * 3


@pytest.mark.parity
def test_gains_are_pytorchs():
    torch = pytest.importorskip("torch")
    for name in [*init._GAINS, "leaky_relu"]:
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(
        torch.nn.init.calculate_gain("leaky_relu", 0.3)
    )
    weight = Tensor(np.zeros((8, 3, 5, 2)))
    assert init.fans(weight) == torch.nn.init._calculate_fan_in_and_fan_out(torch.zeros(8, 3, 5, 2))
