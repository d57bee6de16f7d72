"""Recurrent layers: what they promise beyond parity, packed batches, and error texts."""

import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, gradcheck, manual_seed, nn, ops
from tinygrad_edu.namespaces.arrays import NUMPY
from tinygrad_edu.nn.utils import rnn
from tinygrad_edu.ops.kept import kept
from tinygrad_edu.ops.recurrent import _gate

rng = np.random.default_rng(0)
LAYERS = [(nn.RNN, nn.RNNCell), (nn.GRU, nn.GRUCell), (nn.LSTM, nn.LSTMCell)]


def first(states):
    """h, of h or of (h, c)."""
    return states[0] if isinstance(states, tuple) else states


@pytest.mark.parametrize(("layer", "cell"), LAYERS)
def test_a_layer_is_its_cell_step_by_step(layer, cell):
    whole, step = layer(3, 4).double(), cell(3, 4).double()
    step.load_state_dict({k.removesuffix("_l0"): v for k, v in whole.state_dict().items()})
    x = Tensor(rng.normal(size=(5, 2, 3)))
    out, last = whole(x)
    state = None
    for t in range(5):
        state = step(x[t], state)
        np.testing.assert_allclose(out.data[t], first(state).data, rtol=1e-12)
    np.testing.assert_allclose(first(last).data[0], first(state).data, rtol=1e-12)


@pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_packed_batch_is_each_sequence_alone(layer):
    model = layer(2, 3, num_layers=2, bidirectional=True).double()
    sequences = [Tensor(rng.normal(size=(n, 2))) for n in (3, 5, 1, 5)]
    out, last = model(rnn.pack_sequence(sequences, enforce_sorted=False))
    for n, (x, y) in enumerate(zip(sequences, rnn.unpack_sequence(out), strict=True)):
        alone, state = model(x)
        np.testing.assert_allclose(y.data, alone.data, rtol=1e-12)
        np.testing.assert_allclose(first(last).data[:, n], first(state).data, rtol=1e-12)


def test_padding_reaches_nothing():
    model = nn.GRU(2, 3, bidirectional=True).double()
    x = Tensor(rng.normal(size=(4, 2, 2)), requires_grad=True)
    out, _ = model(rnn.pack_padded_sequence(x, [4, 2]))
    out.data.sum().backward()
    assert np.all(x.grad[2:, 1] == 0)
    assert np.all(x.grad[:2, 1] != 0)


@pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM])
def test_gradients_to_the_second_order(layer):
    model = layer(2, 2, bidirectional=True).double()
    gradcheck(lambda x: model(x)[0].sum(), Tensor(rng.normal(size=(3, 1, 2))))


def test_a_gate_is_a_sigmoid_to_the_precision_at_1():
    x = np.linspace(-800.0, 800.0, 20001)
    with np.errstate(all="raise", under="ignore"):
        found = _gate(np, x)
    np.testing.assert_allclose(found, ops.sigmoid(Tensor(x)).data, rtol=0, atol=3e-16)


def test_an_lstm_goes_back_with_the_gates_it_kept_or_with_new_ones():
    shapes = [(3, 2, 8), (2, 2), (2, 2), (8, 2)]
    arrays = [rng.normal(size=shape) for shape in shapes]
    out = ops.lstm.forward(NUMPY, *arrays)
    assert len(kept(out)) == 3
    g = rng.normal(size=out.shape)
    for other in (out.copy(), np.stack([*out, out[0]])[:2]):  # without gates
        for found, again in zip(
            ops.lstm.rule(NUMPY, g, out, *arrays),
            ops.lstm.rule(NUMPY, g, other, *arrays),
            strict=True,
        ):
            pair = [part() if callable(part) else part for part in (found, again)]
            np.testing.assert_allclose(*pair, rtol=1e-12)


def test_parameters_are_drawn_from_the_hidden_size():
    manual_seed(0)
    model = nn.LSTM(50, 100)
    for parameter in model.parameters():
        assert abs(parameter.data).max() <= 0.1
        np.testing.assert_allclose(parameter.data.std(), 0.2 / 12**0.5, rtol=0.1)


def test_dropout_is_between_layers_and_in_training_only():
    manual_seed(0)
    model = nn.RNN(3, 64, num_layers=2, dropout=0.5).double()
    x = Tensor(rng.normal(size=(2, 1, 3)))
    assert not np.array_equal(model(x)[0].data, model(x)[0].data)
    model.eval()
    np.testing.assert_array_equal(model(x)[0].data, model(x)[0].data)
    with pytest.warns(UserWarning, match=r"dropout=0\.5 acts between layers, and there is one"):
        nn.RNN(3, 4, dropout=0.5)


# Packing

LENGTHS = [[3], [3, 3], [4, 2, 1], [1, 4, 2, 4]]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_packing_is_undone(lengths, batch_first):
    sequences = [Tensor(rng.normal(size=(n, 2))) for n in lengths]
    padded = rnn.pad_sequence(sequences, batch_first)
    packed = rnn.pack_padded_sequence(padded, lengths, batch_first, enforce_sorted=False)
    assert packed.data.shape == (sum(lengths), 2)
    again, found = rnn.pad_packed_sequence(packed, batch_first)
    assert found.tolist() == lengths
    np.testing.assert_array_equal(again.data, padded.data)
    for x, y in zip(rnn.unpad_sequence(again, found, batch_first), sequences, strict=True):
        np.testing.assert_array_equal(x.data, y.data)


@pytest.mark.parity
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_packing_is_pytorchs(lengths, batch_first):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.rnn
    x = rng.normal(size=(len(lengths), max(lengths), 2) if batch_first else (4, len(lengths), 2))
    mine, other = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    enforce = lengths == sorted(lengths, reverse=True)
    packed = rnn.pack_padded_sequence(mine, Tensor(np.array(lengths)), batch_first, enforce)
    expected = theirs.pack_padded_sequence(other, torch.tensor(lengths), batch_first, enforce)
    for field in rnn.PackedSequence._fields:
        found, wanted = (getattr(p, field) for p in (packed, expected))
        assert (found is None) == (wanted is None)
        assert found is None or found.tolist() == wanted.tolist()
    out, _ = rnn.pad_packed_sequence(packed, batch_first, -1.0, total_length=6)
    reference, _ = theirs.pad_packed_sequence(expected, batch_first, -1.0, 6)
    assert out.tolist() == reference.tolist()
    g = rng.normal(size=out.shape)
    out.backward(g)
    reference.backward(torch.tensor(g))
    assert mine.grad.tolist() == other.grad.tolist()


# Errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: nn.LSTM(3, 4)(Tensor(np.ones((5, 2, 4)))),
            "LSTM takes (T, N, size), or (T, size)",
        ),
        (lambda: nn.GRU(3, 4, batch_first=True)(Tensor(np.ones((0, 2, 3)))), "(N, T, size)"),
        (
            lambda: nn.GRU(3, 4)(Tensor(np.ones((5, 2, 3))), Tensor(np.ones((2, 2, 4)))),
            "a first state of this GRU has shape (2, 2, 4), not (1, 2, 4)",
        ),
        (lambda: nn.RNN(3, 4, nonlinearity="sin"), "nonlinearity is 'sin', not 'tanh' or 'relu'"),
        (lambda: nn.RNN(3, 0), "hidden_size and num_layers must be 1 or more, not 0 and 1"),
        (lambda: nn.RNN(3, 4, 2, dropout=2.0), "a probability between 0 and 1, not 2.0"),
        (lambda: nn.GRUCell(3, 4)(Tensor(np.ones(4))), "takes (N, 3) or (3,), not shape (4,)"),
        (
            lambda: nn.GRUCell(3, 4)(Tensor(np.ones(3)), Tensor(np.ones(3))),
            "hx must have shape (4,), not [(3,)]",
        ),
        (lambda: ops.rnn(Tensor(np.ones((2, 3))), np.ones((3, 3)), np.ones((3, 3))), "(T, N, 1 H)"),
        (
            lambda: ops.gru(Tensor(np.ones((1, 2, 6))), np.ones((2, 2)), np.ones((5, 2))),
            "the weight has shape (5, 2), not (3 H, H) = (6, 2)",
        ),
        (
            lambda: ops.lstm(
                Tensor(np.ones((1, 2, 4))), np.ones((2, 1)), np.ones((1, 1)), np.ones((4, 1))
            ),
            "the first state has shape (1, 1), not (2, 1)",
        ),
        (
            lambda: rnn.pack_padded_sequence(Tensor(np.ones((3, 2))), [1, 2]),
            "the lengths [1, 2] are not in decreasing order; enforce_sorted=False sorts them",
        ),
        (lambda: rnn.pack_padded_sequence(Tensor(np.ones((3, 2))), [4, 2]), "between 1 and 3"),
        (lambda: rnn.pack_padded_sequence(Tensor(np.ones((3, 2))), [3, 0]), "these are 0 to 3"),
        (lambda: rnn.pack_padded_sequence(Tensor(np.ones((3, 2))), [3]), "2 whole numbers"),
        (lambda: rnn.pack_padded_sequence(Tensor(np.ones(3)), [3]), "not shape (3,)"),
        (
            lambda: rnn.pad_packed_sequence(
                rnn.pack_sequence([Tensor([1.0, 2.0])]), total_length=1
            ),
            "total_length is 1, and the longest sequence is 2",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_an_lstm_needs_both_states():
    with pytest.raises(TypeError, match=re.escape("LSTM takes its first states as a pair (h, c)")):
        nn.LSTM(3, 4)(Tensor(np.ones((5, 2, 3))), Tensor(np.ones((1, 2, 4))))
