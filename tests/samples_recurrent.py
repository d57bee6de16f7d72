"""Samples of the operations on sequences, and what PyTorch calls them; see `samples`."""

from samples import rough, s, x

try:
    import torch
except ModuleNotFoundError:
    torch = None

# steps, batch, size
SIZES = [(1, 1, 1), (1, 2, 2), (2, 1, 2), (2, 2, 1), (3, 1, 1), (3, 2, 2), (2, 3, 1), (4, 1, 1)]


def _sequences(gates, states, *, biased=False):
    return [
        s(
            x(steps, batch, gates * size),
            *(x(batch, size) for _ in range(states)),
            x(gates * size, size, low=-1, high=1),
            *([x(gates * size)] if biased and (steps + batch) % 2 else []),
        )
        for steps, batch, size in [*SIZES, (2, 1, 1), (2, 0, 1)]
    ]


SAMPLES = {
    "rnn": [
        *_sequences(1, 1),
        *(
            s(x(steps, batch, size), x(batch, size), x(size, size), nonlinearity="relu")
            for steps, batch, size in SIZES[:6]
        ),
        rough(x(2, 1, 1, low=5, high=12), x(1, 1), x(1, 1)),
        rough([[[0.0]], [[-1.0]]], [[0.0]], [[1.0]], nonlinearity="relu"),
    ],
    "gru": [*_sequences(3, 1, biased=True), rough(x(2, 1, 3, low=-12, high=12), x(1, 1), x(3, 1))],
    "lstm": [*_sequences(4, 2), rough(x(2, 1, 4, low=-12, high=12), x(1, 1), x(1, 1), x(4, 1))],
}


def _run(kind, x, states, weight, bias=None, **options):
    """PyTorch's layer on inputs multiplied already: its own input weight is the identity."""
    width, size = weight.shape
    layer = kind(width, size, dtype=x.dtype, **options)
    weights = {
        "weight_ih_l0": torch.eye(width, dtype=x.dtype),
        "weight_hh_l0": weight,
        "bias_ih_l0": torch.zeros(width, dtype=x.dtype),
        "bias_hh_l0": torch.zeros(width, dtype=x.dtype) if bias is None else bias,
    }
    return torch.func.functional_call(layer, weights, (x, states))


def _lstm(x, h, c, weight):
    """Every state and every cell; the last cell of each beginning is all that PyTorch gives."""
    runs = [_run(torch.nn.LSTM, x[:t], (h[None], c[None]), weight) for t in range(1, len(x) + 1)]
    return torch.stack([runs[-1][0], torch.cat([cell for _, (_, cell) in runs])])


PARITY = {
    "rnn": lambda x, h, weight, *, nonlinearity: _run(
        torch.nn.RNN, x, h[None], weight, nonlinearity=nonlinearity
    )[0],
    "gru": lambda x, h, weight, bias=None: _run(torch.nn.GRU, x, h[None], weight, bias)[0],
    "lstm": _lstm,
}
