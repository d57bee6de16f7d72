"""The configurations of layers over sequences, as `modules_table` has those of all others."""

from collections.abc import Callable
from typing import Any

import numpy as np
from modules_table import Config, Packed, made
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


MODULES: dict[str, list[Config]] = {
    "RNN": [*layer(x), *layer(x, nonlinearity="relu")],
    "GRU": layer(x),
    "LSTM": layer(h_and_c),
    "RNNCell": [*cell(x), *cell(x, nonlinearity="relu")],
    "GRUCell": cell(x),
    "LSTMCell": cell(h_and_c),
}
