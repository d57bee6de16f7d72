"""Dates as people write them become dates as computers sort them: translation with attention."""

import sys

import numpy

from tinygrad_edu import Tensor, data, manual_seed, metrics, nn, no_grad, ops, optim, train

QUICK = "--quick" in sys.argv  # a few steps, to see that everything runs


class Translator(nn.Module):
    def __init__(self, letters: int, words: int, size: int = 96) -> None:
        super().__init__()
        self.read = nn.Embedding(letters, size)
        self.said = nn.Embedding(words, size)
        self.encoder = nn.GRU(size, size // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(size, size, batch_first=True)
        self.head = nn.Sequential(nn.Linear(2 * size, size), nn.Tanh(), nn.Linear(size, words))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores of what comes after each token of y: (batch, length, words)."""
        memory, last = self.encoder(self.read(x))  # (batch, letters, size), (2, batch, size / 2)
        start = ops.concat(last[0], last[1], axis=-1).expand_dims(axis=0)
        h, _ = self.decoder(self.said(y), start)  # (batch, length, size)
        seen = ops.not_equal(x, 0).expand_dims(axis=1)  # the letters, not what fills up the row
        found = nn.functional.scaled_dot_product_attention(h, memory, memory, seen)
        return self.head(ops.concat(h, found, axis=-1))

    def say(self, x: Tensor, begin: int, length: int) -> Tensor:
        """The most likely answer, token by token, with nothing to go by but what it has said."""
        y = Tensor(numpy.full((len(x), 1), begin))
        with no_grad():
            for _ in range(length):
                y = ops.concat(y, self(x, y)[:, -1:].argmax(axis=-1), axis=1)
        return y[:, 1:]


manual_seed(0)
pairs = data.dates(300 if QUICK else 10_000)
x, y = pairs.tensors  # (N, letters), and (N, 12): "<bos>", 2026-11-24, "<eos>"
examples = data.TensorDataset(x, y[:, :-1], y[:, 1:])  # read, said so far, to be said next
train_set, test_set = data.random_split(examples, [0.9, 0.1])
model = Translator(len(pairs.source_tokenizer), len(pairs.target_tokenizer))
history = train.fit(
    model,
    data.DataLoader(train_set, batch_size=64, shuffle=True),
    loss=lambda scores, y: nn.functional.cross_entropy(scores.mT, y),
    optimizer=optim.Adam(model.parameters(), lr=3e-3),
    epochs=1 if QUICK else 6,
    metrics={"accuracy": metrics.accuracy},
    clip_norm=1.0,
)
x, _, y = test_set.batch(range(len(test_set)))
said = model.say(x, pairs.target_tokenizer.vocabulary["<bos>"], 11)
right = (said.data == y.data).all(axis=1)
print(pairs.source_tokenizer.decode(x[0]), "->", pairs.target_tokenizer.decode(said[0]))
print(history, f"\nsaid without a mistake: {right.mean():.1%}")
assert QUICK or right.mean() >= 0.99
