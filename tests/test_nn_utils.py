"""nn.utils against PyTorch, and nn.scalar against the same network of Tensors."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, Value, manual_seed, nn
from tinygrad_edu.nn import utils
from tinygrad_edu.nn.scalar import MLP, Layer, Neuron
from tinygrad_edu.nn.utils import rnn

rng = np.random.default_rng(0)
GRADS = [rng.normal(size=shape) for shape in [(3, 2), (4,), ()]]


def parameters():
    """Three with a gradient and one without."""
    made = [nn.Parameter(np.zeros(g.shape)) for g in GRADS]
    for p, g in zip(made, GRADS, strict=True):
        p.grad = g
    return [*made, nn.Parameter([1.0])]


def in_torch(torch):
    made = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in GRADS]
    for p, g in zip(made, GRADS, strict=True):
        p.grad = torch.tensor(g)
    return made


def assert_same_gradients(mine, theirs):
    assert mine[-1].grad is None
    for p, q in zip(mine, theirs, strict=False):
        assert np.allclose(p.grad, q.grad.numpy(), rtol=1e-12)


@pytest.mark.parity
@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clip_grad_norm(max_norm, norm_type):
    torch = pytest.importorskip("torch")
    mine, theirs = parameters(), in_torch(torch)
    total = utils.clip_grad_norm_(iter(mine), max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert total.item() == pytest.approx(expected.item(), rel=1e-12)
    assert_same_gradients(mine, theirs)


@pytest.mark.parity
def test_clip_grad_value():
    torch = pytest.importorskip("torch")
    mine, theirs = parameters(), in_torch(torch)
    utils.clip_grad_value_(mine, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    assert_same_gradients(mine, theirs)


def test_clipping_leaves_small_gradients_and_other_arrays_alone():
    (p, *_) = parameters()
    array = p.grad
    before = array.copy()
    utils.clip_grad_norm_(p, 0.1)
    assert np.array_equal(array, before)
    assert np.linalg.norm(p.grad) == pytest.approx(0.1, rel=1e-5)
    utils.clip_grad_norm_(p, 1.0)
    assert np.linalg.norm(p.grad) == pytest.approx(0.1, rel=1e-5)


def test_no_gradients_have_norm_zero():
    assert utils.clip_grad_norm_([nn.Parameter([1.0])], 1.0).item() == 0.0


def test_a_norm_that_is_not_finite_is_an_error_on_request():
    p = nn.Parameter([1.0])
    p.grad = [float("inf")]
    with pytest.raises(RuntimeError, match="inf, not a finite number"):
        utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [float("inf")]


def test_parameters_as_one_vector_and_back():
    model = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(model.parameters())
    assert vector.tolist() == [*model.weight.data.reshape(-1), *model.bias.data]
    (vector * Tensor(np.arange(9.0))).sum().backward()
    assert model.bias.grad.tolist() == [6.0, 7.0, 8.0]
    utils.vector_to_parameters(Tensor(np.arange(9.0)), model.parameters())
    assert model.weight.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert model.weight.dtype == np.float32
    with pytest.raises(ValueError, match=r"9 numbers, not shape \(8,\)"):
        utils.vector_to_parameters(Tensor(np.ones(8)), model.parameters())
    assert model.bias.tolist() == [6.0, 7.0, 8.0]


# Single numbers


def test_a_scalar_network_is_the_tensor_network():
    scalar = MLP(3, [4, 2], generator=np.random.default_rng(0))
    tensors = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    for layer, linear in zip(scalar.layers, [tensors[0], tensors[2]], strict=True):
        linear.weight.data = [[w.data for w in n.w] for n in layer.neurons]
        linear.bias.data = [n.b.data for n in layer.neurons]
    x = [0.3, -1.0, 2.0]
    out, expected = scalar(x), tensors(Tensor(np.array(x)))
    assert [o.data for o in out] == pytest.approx(expected.tolist())
    (out[0] * out[1]).backward()
    expected.prod().backward()
    for layer, linear in zip(scalar.layers, [tensors[0], tensors[2]], strict=True):
        for n, row, b in zip(layer.neurons, linear.weight.grad, linear.bias.grad, strict=True):
            assert [w.grad for w in n.w] == pytest.approx(row.tolist())
            assert n.b.grad == pytest.approx(b)
    scalar.zero_grad()
    assert {p.grad for p in scalar.parameters()} == {0.0}


def test_scalar_networks_learn_and_are_seeded():
    manual_seed(0)
    model = MLP(2, [8, 1])
    data = [((0.0, 0.0), -1), ((0.0, 1.0), 1), ((1.0, 0.0), 1), ((1.0, 1.0), -1)]
    for _ in range(300):
        loss = sum(((model(x) - y) ** 2 for x, y in data), Value(0.0))
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.03 * p.grad
    assert loss.data < 0.1
    manual_seed(0)
    assert (
        MLP(2, [8, 1]).parameters()[0].data
        == MLP(2, [8, 1], generator=np.random.default_rng(0)).parameters()[0].data
    )


def test_scalar_networks_print_and_check():
    assert repr(MLP(2, [1, 1])) == "MLP(Layer(Neuron(2, 'tanh')), Layer(Neuron(1, '')))"
    assert len(Layer(2, 3).parameters()) == 9
    assert Neuron(1, "relu")([Value(0.0)]).data == 0.0
    with pytest.raises(ValueError, match="takes 2 numbers, not 3"):
        Neuron(2)([1.0, 2.0, 3.0])
    with pytest.raises(KeyError, match="no operation is called 'tan_h'"):
        Neuron(2, "tan_h")


@pytest.mark.parity
@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("sizes", [[(3,), (1,), (4,)], [(2, 3), (5, 3)], [(2, 2, 1)]])
def test_pad_sequence(sizes, batch_first, padding_side):
    torch = pytest.importorskip("torch")
    arrays = [rng.normal(size=size) for size in sizes]
    mine = [Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    out = rnn.pad_sequence(mine, batch_first, -1.5, padding_side)
    expected = torch.nn.utils.rnn.pad_sequence(theirs, batch_first, -1.5, padding_side)
    assert out.tolist() == expected.tolist()
    weight = rng.normal(size=out.shape)
    (out * weight).sum().backward()
    (expected * torch.tensor(weight)).sum().backward()
    assert [x.grad.tolist() for x in mine] == [x.grad.tolist() for x in theirs]


def test_pad_sequence_keeps_whole_numbers_and_refuses_what_does_not_fit():
    ids = [Tensor(np.array([1, 2])), Tensor(np.array([3]))]
    assert rnn.pad_sequence(ids, padding_value=7).tolist() == [[1, 3], [2, 7]]
    assert rnn.pad_sequence(ids).dtype == np.int64
    with pytest.raises(ValueError, match=r"sequence 0 has shape \(2,\), sequence 1 \(1, 1\)"):
        rnn.pad_sequence([ids[0], Tensor([[1.0]])])
    with pytest.raises(ValueError, match="got no sequences"):
        rnn.pad_sequence([])
    with pytest.raises(ValueError, match="padding_side is 'top'"):
        rnn.pad_sequence(ids, padding_side="top")
