"""Samples of the operations on sequences; see `samples`."""

from samples import rough, s, x

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
