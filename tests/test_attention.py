"""Attention, transformers, positions and the cache: what they promise beyond parity."""

import math
import re

import numpy as np
import pytest

from tinygrad_edu import Tensor, gradcheck, manual_seed, nn, no_grad, ops
from tinygrad_edu.nn import functional as F

rng = np.random.default_rng(0)


def t(*shape):
    return Tensor(rng.normal(size=shape))


# Positions


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("shape", [(5, 6), (5, 2, 6), (2, 5, 6)])
def test_sinusoids_are_the_papers(shape, start):
    first = shape[0] == 2
    encoding = nn.SinusoidalPositionalEncoding(6, batch_first=first)
    x = t(*shape)
    added = encoding(x, start=start).data - x.data
    added = added if first or added.ndim == 2 else added.swapaxes(0, 1)
    for step in range(5):
        for i in range(3):
            angle = (start + step) / 10000 ** (2 * i / 6)
            np.testing.assert_allclose(added[..., step, 2 * i], math.sin(angle), atol=1e-12)
            np.testing.assert_allclose(added[..., step, 2 * i + 1], math.cos(angle), atol=1e-12)
    assert encoding(Tensor(np.ones(shape, "float32"))).dtype == np.float32


def test_learned_positions_are_rows_of_the_table():
    encoding = nn.LearnedPositionalEncoding(7, 4).double()
    x = t(3, 2, 4)
    out = encoding(x, start=2)
    rows = encoding.weight.data[2:5, None] + np.zeros((3, 2, 4))
    np.testing.assert_allclose(out.data - x.data, rows)
    out.sum().backward()
    assert encoding.weight.grad.sum(axis=1).tolist() == [0, 0, 8, 8, 8, 0, 0]
    assert list(encoding.state_dict()) == ["weight"]
    first = nn.LearnedPositionalEncoding(7, 4, batch_first=True).double()
    first.load_state_dict(encoding.state_dict())
    swapped = first(Tensor(x.data.swapaxes(0, 1)), start=2)
    np.testing.assert_array_equal(swapped.data.swapaxes(0, 1), out.data)


def test_turned_queries_and_keys_see_their_distance_alone():
    turn = nn.RotaryPositionalEncoding(6)
    q, k = t(1, 6), t(1, 6)

    def product(s, at):
        return float((turn(q, s) * turn(k, at)).sum())

    for distance in (-4, 0, 3):
        products = [product(s, s - distance) for s in (4, 5, 11, 300)]
        np.testing.assert_allclose(products, products[0], rtol=1e-10)
    assert abs(product(4, 4) - product(4, 5)) > 1e-3


def test_turning_is_the_papers_and_keeps_lengths():
    turn = nn.RotaryPositionalEncoding(4, base=100.0)
    x = t(2, 3, 4)
    out = turn(x, start=5)
    for step in range(3):
        for i in range(2):
            angle = (5 + step) * 100.0 ** (-2 * i / 4)
            pair = x.data[:, step, 2 * i] + 1j * x.data[:, step, 2 * i + 1]
            turned = pair * np.exp(1j * angle)
            np.testing.assert_allclose(out.data[:, step, 2 * i], turned.real, rtol=1e-10)
            np.testing.assert_allclose(out.data[:, step, 2 * i + 1], turned.imag, rtol=1e-10)
    gradcheck(lambda x: (turn(x) * turn(x, 1)).sum(), x)


# The cache


class Decoder(nn.Module):
    """A small language model: logits of the next of 5 letters."""

    def __init__(self, *, rotary=False):
        super().__init__()
        self.embed = nn.Embedding(5, 8)
        self.position = nn.SinusoidalPositionalEncoding(8, batch_first=True)
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(8))
        if rotary:
            for layer in self.layers.layers:
                layer.self_attn.rotary = nn.RotaryPositionalEncoding(4)
        self.head = nn.Linear(8, 5)

    def forward(self, letters, cache=None):
        x = self.position(self.embed(letters), start=0 if cache is None else len(cache))
        return self.head(self.layers(x, is_causal=True, cache=cache))


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("chunks", [[1] * 7, [3, 1, 2, 1], [7], [2, 5]])
def test_decoding_step_by_step_gives_the_logits_of_the_whole(chunks, rotary):
    model = Decoder(rotary=rotary).double()
    letters = Tensor(rng.integers(0, 5, (3, 7)))
    whole = model(letters).data
    cache, start, parts = nn.KVCache(), 0, []
    with no_grad():
        for size in chunks:
            parts.append(model(letters[:, start : start + size], cache).data)
            start += size
            assert len(cache) == start
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-10, atol=1e-12)


def test_a_cache_keeps_the_memorys_keys_and_values(monkeypatch):
    layer = nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True)
    model = nn.TransformerDecoder(layer, 2).double()
    target, memory = t(2, 4, 8), t(2, 5, 8)
    hidden = Tensor(np.array([[False] * 5, [False] * 3 + [True] * 2]))
    options = {"tgt_is_causal": True, "memory_key_padding_mask": hidden}
    whole = model(target, memory, **options).data
    cache = nn.KVCache()
    with no_grad():
        first = model(target[:, :1], memory, cache=cache, **options).data
        for layer in model.layers:  # from here on the memory is not looked at again
            monkeypatch.setattr(layer.multihead_attn, "_heads", only_queries(layer.multihead_attn))
        rest = [
            model(target[:, i : i + 1], memory, cache=cache, **options).data for i in range(1, 4)
        ]
    np.testing.assert_allclose(np.concatenate([first, *rest], axis=1), whole, rtol=1e-10)


def only_queries(module):
    heads = module._heads

    def refuse(x, which):
        assert which == 0
        return heads(x, which)

    return refuse


def test_a_cache_that_forgets_is_found():
    class Forgetful(nn.KVCache):
        def extend(self, module, keys, values):
            super().extend(module, keys, values)
            return keys, values

    model = Decoder().double()
    letters = Tensor(rng.integers(0, 5, (1, 3)))
    cache = Forgetful()
    steps = [model(letters[:, i : i + 1], cache).data for i in range(3)]
    assert not np.allclose(np.concatenate(steps, axis=1), model(letters).data)


# Masks


def test_true_hides_in_modules_and_shows_in_the_function():
    model = nn.MultiheadAttention(4, 1, bias=False).double()
    for name, parameter in model.named_parameters():
        eye = np.eye(4)
        parameter.data = np.concatenate([eye] * 3) if name == "in_proj_weight" else eye
    q, k, v = t(2, 4), t(3, 4), t(3, 4)
    hides = np.array([[False, True, False], [True, False, False]])
    out, _ = model(q, k, v, attn_mask=Tensor(hides))
    same = F.scaled_dot_product_attention(q, k, v, Tensor(~hides))
    np.testing.assert_allclose(out.data, same.data, rtol=1e-12)


def test_causal_is_the_mask_that_hides_what_comes_later():
    model = nn.MultiheadAttention(4, 2).double()
    x = t(3, 2, 4)
    later = nn.Transformer.generate_square_subsequent_mask(3, dtype="float64")
    hidden = Tensor(later.data < 0)
    expected, weights = model(x, x, x, attn_mask=hidden)
    assert np.all(weights.data[:, 0, 1:] == 0)
    causal, masked = {"is_causal": True}, {"attn_mask": later}
    for options in (causal, masked, causal | masked):
        for need_weights in (True, False):
            out, _ = model(x, x, x, need_weights=need_weights, **options)
            np.testing.assert_allclose(out.data, expected.data, rtol=1e-12)


def test_a_query_that_sees_nothing_gives_0_and_no_nan():
    model = nn.MultiheadAttention(4, 2).double()
    x = Tensor(rng.normal(size=(3, 2, 4)), requires_grad=True)
    padding = Tensor(np.array([[True] * 3, [False] * 3]))
    out, weights = model(x, x, x, key_padding_mask=padding)
    assert np.all(weights.data[0] == 0)
    np.testing.assert_array_equal(out.data[:, 0], np.zeros((3, 4)))
    out.sum().backward()
    assert np.all(np.isfinite(x.grad))


# Dropout, initial values, parts


def test_attention_drops_weights():
    q, k = t(400, 2), t(50, 2)
    v = Tensor(np.ones((50, 1)))
    out = F.scaled_dot_product_attention(q, k, v, None, 0.3, generator=np.random.default_rng(0))
    again = F.scaled_dot_product_attention(q, k, v, None, 0.3, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(out.data, again.data)
    assert out.data.std() > 0.05  # without dropout every mean of ones is 1
    np.testing.assert_allclose(out.data.mean(), 1.0, atol=0.02)


def test_a_layer_drops_in_training_only():
    manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.5).double()
    x = t(3, 2, 8)
    assert not np.array_equal(layer(x).data, layer(x).data)
    layer.eval()
    np.testing.assert_array_equal(layer(x).data, layer(x).data)


def test_initial_values():
    manual_seed(0)
    attention = nn.MultiheadAttention(64, 4)
    bound = math.sqrt(6 / (64 + 3 * 64))
    assert abs(attention.in_proj_weight.data).max() <= bound
    np.testing.assert_allclose(attention.in_proj_weight.data.std(), bound / 3**0.5, rtol=0.05)
    assert not attention.in_proj_bias.data.any()
    assert not attention.out_proj.bias.data.any()
    model = nn.Transformer(16, 2, 1, 2, 32)
    first, second = model.decoder.layers
    assert not np.array_equal(first.linear1.weight.data, second.linear1.weight.data)
    copies = nn.TransformerEncoder(model.encoder.layers[0], 2).layers
    np.testing.assert_array_equal(copies[0].linear1.weight.data, copies[1].linear1.weight.data)
    assert copies[0].linear1.weight is not copies[1].linear1.weight


@pytest.mark.parametrize("activation", [nn.Tanh(), F.silu])
def test_an_activation_of_ones_own(activation):
    layer = nn.TransformerEncoderLayer(4, 2, 8, 0.0, activation)
    seen = layer.linear2.register_forward_pre_hook(lambda module, args: found.append(args[0]))
    found: list = []
    with seen:
        layer(Tensor(np.ones((2, 1, 4), "float32")))
    assert (found[0].op.name) == ("tanh" if isinstance(activation, nn.Tanh) else "silu")


def test_attention_to_the_second_order():
    model = nn.TransformerEncoderLayer(2, 1, 2, 0.0, "gelu").double()
    weight = np.arange(4.0).reshape(2, 1, 2)
    gradcheck(lambda x: ops.sum(model(x, is_causal=True) * weight), t(2, 1, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.MultiheadAttention(5, 2), "embed_dim 5 does not divide into 2 heads"),
        (
            lambda: nn.MultiheadAttention(4, 2)(t(3, 1, 4), t(3, 1, 5), t(3, 1, 4)),
            "key as (length, N, size), or (length, size), with size 4, not shape (3, 1, 5)",
        ),
        (
            lambda: nn.TransformerEncoderLayer(4, 2, activation="sin"),
            "'sin', not 'relu', 'gelu' or",
        ),
        (lambda: nn.SinusoidalPositionalEncoding(5), "d_model must be even"),
        (lambda: nn.SinusoidalPositionalEncoding(4)(t(3, 2)), "(T, N, d) or (T, d) with d = 4"),
        (lambda: nn.RotaryPositionalEncoding(4)(t(3, 6)), "turns (..., T, 4), not shape (3, 6)"),
        (
            lambda: nn.LearnedPositionalEncoding(5, 4)(t(3, 4), start=4),
            "positions 4 to 6 are not all in a table of 5; make it longer: max_len=7",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
