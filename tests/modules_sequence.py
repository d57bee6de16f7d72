"""The configurations of layers over sequences, as `modules_table` has those of all others."""

from collections.abc import Callable
from typing import Any

import numpy as np
from modules_table import Config, Fixed, Packed, made, part
from samples import x


def packed(*shape: int, lengths: list[int], batch_first: bool = False) -> Packed:
    """A padded batch, (T, N, ...) or (N, T, ...); its lengths are sorted if they are in order."""
    ordered = lengths == sorted(lengths, reverse=True)
    return Packed(x(*shape), lengths, {"batch_first": batch_first, "enforce_sorted": ordered})


def layer(states: Callable[..., Any], **choice: Any) -> list[Config]:
    """Sizes, layers, directions, biases, batch orders, first states, lengths, one sequence."""
    return [
        made(2, 3, **choice)(x(4, 2, 2)),
        made(2, 3, num_layers=2, bidirectional=True, **choice)(x(3, 2, 2), states(4, 2, 3)),
        made(2, 3, batch_first=True, bidirectional=True, **choice)(x(2, 4, 2)),
        made(2, 2, 2, bias=False, batch_first=True, **choice)(x(2, 3, 2), states(2, 2, 2)),
        made(3, 2, num_layers=2, dropout=1.0, **choice)(x(3, 1, 3)),
        made(2, 3, **choice)(x(4, 2), states(1, 3)),
        made(2, 3, bidirectional=True, batch_first=True, **choice)(x(4, 2)),
        made(2, 3, **choice)(packed(4, 3, 2, lengths=[4, 2, 1])),
        made(2, 3, num_layers=2, bidirectional=True, **choice)(
            packed(4, 3, 2, lengths=[2, 4, 3]), states(4, 3, 3)
        ),
        made(2, 2, batch_first=True, bidirectional=True, **choice)(
            packed(3, 5, 2, lengths=[1, 3, 3], batch_first=True), states(2, 3, 2)
        ),
        made(input_size=1, hidden_size=1, num_layers=3, **choice)(x(1, 1, 1), states(3, 1, 1)),
    ]


def cell(states: Callable[..., Any], **choice: Any) -> list[Config]:
    return [
        made(2, 3, **choice)(x(4, 2)),
        made(2, 3, **choice)(x(4, 2), states(4, 3)),
        made(2, 3, **choice)(x(2), states(3)),
        made(3, 2, bias=False, **choice)(x(1, 3), states(1, 2)),
        made(input_size=1, hidden_size=4, **choice)(x(3, 1)),
    ]


def h_and_c(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    return x(*shape), x(*shape)


def hidden(*shape: int) -> np.ndarray:
    """A bool mask in which no row hides everything."""
    masked = np.zeros(shape, bool)
    masked[..., 1::2] = True
    masked[..., 0, -1] = True
    return masked


def padding(batch: int, length: int) -> np.ndarray:
    """A bool mask that hides the ends of all sequences but the first."""
    return np.arange(length) >= length - np.minimum(np.arange(batch), length - 1)[:, None]


def added(*shape: int) -> np.ndarray:
    """Numbers to add to scores, -inf among them."""
    numbers = x(*shape)
    numbers[..., 0, -1] = -np.inf
    return numbers


LATER = np.triu(np.ones((3, 3), bool), 1)  # hides what comes later
LATER_ADDED = np.where(LATER, -np.inf, 0.0)


def attention(**choice: Any) -> list[Config]:
    return [
        made(4, 2, **choice)(x(3, 2, 4), x(5, 2, 4), x(5, 2, 4), need_weights=False),
        made(4, 2, **choice)(x(3, 2, 4), x(5, 2, 4), x(5, 2, 4)),
        made(4, 4, bias=False, **choice)(
            x(3, 2, 4), x(5, 2, 4), x(5, 2, 4), average_attn_weights=False
        ),
        made(4, 2, kdim=3, vdim=2, **choice)(x(3, 2, 4), x(5, 2, 3), x(5, 2, 2)),
        made(4, 2, batch_first=True, **choice)(
            x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), key_padding_mask=padding(2, 5)
        ),
        made(4, 2, **choice)(x(3, 4), x(5, 4), x(5, 4), attn_mask=hidden(3, 5)),
        made(4, 2, batch_first=True, kdim=2, **choice)(x(3, 4), x(5, 2), x(5, 4)),
        made(4, 2, **choice)(
            x(3, 2, 4), x(5, 2, 4), x(5, 2, 4), attn_mask=hidden(4, 3, 5), need_weights=False
        ),
        made(4, 1, **choice)(x(3, 2, 4), x(5, 2, 4), x(5, 2, 4), attn_mask=Fixed(added(3, 5))),
        made(4, 2, **choice)(
            x(3, 2, 4), x(5, 2, 4), x(5, 2, 4), padding(2, 5), True, hidden(3, 5), False
        ),
        made(4, 2, batch_first=True, **choice)(
            x(2, 3, 4),
            x(2, 5, 4),
            x(2, 5, 4),
            key_padding_mask=Fixed(np.where(padding(2, 5), -np.inf, 0.5)),
            attn_mask=x(3, 5),
        ),
        made(4, 2, **choice)(
            x(3, 2, 4), x(3, 2, 4), x(3, 2, 4), attn_mask=LATER, is_causal=True, need_weights=False
        ),
    ]


def encoder_layer() -> list[Config]:
    return [
        made(4, 2, 5, 0.0)(x(3, 2, 4)),
        made(4, 2, 5, 0.0, "gelu", 0.1, True, True)(x(2, 3, 4)),
        made(4, 1, dim_feedforward=3, dropout=0.0, bias=False)(x(3, 4), src_mask=LATER),
        made(4, 2, 3, 0.0, batch_first=True)(
            x(2, 3, 4), src_mask=LATER, src_key_padding_mask=padding(2, 3), is_causal=True
        ),
        made(4, 4, 5, 1.0, norm_first=True)(x(3, 2, 4), Fixed(LATER_ADDED)),
        made(4, 2, 5, 0.0, norm_first=True)(x(3, 2, 4), hidden(4, 3, 3), padding(2, 3)),
    ]


def decoder_layer() -> list[Config]:
    return [
        made(4, 2, 5, 0.0)(x(3, 2, 4), x(5, 2, 4)),
        made(4, 2, 5, 0.0, "gelu", 0.1, True, True)(x(2, 3, 4), x(2, 5, 4)),
        made(4, 1, dim_feedforward=3, dropout=0.0, bias=False)(x(3, 4), x(2, 4), tgt_mask=LATER),
        made(4, 2, 3, 0.0, batch_first=True)(
            x(2, 3, 4),
            x(2, 5, 4),
            LATER,
            hidden(3, 5),
            padding(2, 3),
            padding(2, 5),
            tgt_is_causal=True,
        ),
        made(4, 4, 5, 1.0, norm_first=True)(x(3, 2, 4), x(5, 2, 4), Fixed(LATER_ADDED)),
    ]


def stack(kind: str, inputs: Callable[..., Any]) -> list[Config]:
    """Several copies of a layer, with and without a norm at the end."""

    def layer(*args: Any, **options: Any) -> Any:
        return part(f"Transformer{kind}Layer", *args, **options)

    return [
        made(layer(4, 2, 5, 0.0), 1)(*inputs(2)),
        made(layer(4, 2, 5, 0.0), 2, part("LayerNorm", 4))(*inputs(2)),
        made(layer(4, 1, 3, 0.0, norm_first=True), num_layers=3)(*inputs(1), LATER),
        made(layer(4, 2, 5, 1.0, "gelu"), 2, norm=part("LayerNorm", 4))(*inputs(3)),
        made(layer(4, 2, 5, 0.0, bias=False), 2)(*inputs(2), Fixed(LATER_ADDED)),
    ]


def whole() -> list[Config]:
    small = {"dim_feedforward": 5, "dropout": 0.0}
    return [
        made(4, 2, 1, 1, **small)(x(5, 2, 4), x(3, 2, 4)),
        made(4, 2, 2, 1, 5, 0.0, "gelu", batch_first=True)(x(2, 5, 4), x(2, 3, 4)),
        made(4, 1, 1, 2, norm_first=True, bias=False, **small)(
            x(5, 2, 4), x(3, 2, 4), tgt_mask=LATER
        ),
        made(4, 2, 1, 1, batch_first=True, layer_norm_eps=0.1, **small)(
            x(2, 5, 4),
            x(2, 3, 4),
            tgt_mask=LATER,
            src_key_padding_mask=padding(2, 5),
            tgt_key_padding_mask=padding(2, 3),
            memory_key_padding_mask=padding(2, 5),
        ),
        made(4, 2, 1, 1, 5, 1.0)(x(5, 2, 4), x(3, 2, 4), hidden(5, 5), None, hidden(3, 5)),
    ]


MODULES: dict[str, list[Config]] = {
    "RNN": [*layer(x), *layer(x, nonlinearity="relu")],
    "GRU": layer(x),
    "LSTM": layer(h_and_c),
    "RNNCell": [*cell(x), *cell(x, nonlinearity="relu")],
    "GRUCell": cell(x),
    "LSTMCell": cell(h_and_c),
    "MultiheadAttention": [*attention(), *attention(dropout=1.0)],
    "TransformerEncoderLayer": encoder_layer(),
    "TransformerDecoderLayer": decoder_layer(),
    "TransformerEncoder": stack("Encoder", lambda n: (x(3, n, 4),)),
    "TransformerDecoder": stack("Decoder", lambda n: (x(3, n, 4), x(5, n, 4))),
    "Transformer": whole(),
}
