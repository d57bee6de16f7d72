"""A transformer learns to say 20 letters from the last to the first."""

import sys

import numpy

from tinygrad_edu import Tensor, data, manual_seed, metrics, nn, no_grad, ops, optim, train

QUICK = "--quick" in sys.argv  # a few steps, to see that everything runs


class Reverser(nn.Module):
    def __init__(self, letters: int, words: int, size: int = 64) -> None:
        super().__init__()
        self.read = nn.Embedding(letters, size)
        self.said = nn.Embedding(words, size)
        self.place = nn.LearnedPositionalEncoding(32, size, batch_first=True)
        nn.init.normal_(self.place.weight, std=0.5)  # the usual 0.02 drowns in the letters
        options = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        self.transformer = nn.Transformer(size, 4, 1, 1, 2 * size, **options)
        self.head = nn.Linear(size, words)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores of what comes after each token of y: (batch, length, words)."""
        x, y = self.place(self.read(x)), self.place(self.said(y))
        return self.head(self.transformer(x, y, tgt_is_causal=True))

    def say(self, x: Tensor, begin: int, length: int) -> Tensor:
        """The most likely answer, token by token, with nothing to go by but what it has said."""
        y = Tensor(numpy.full((len(x), 1), begin))
        with no_grad():
            for _ in range(length):
                y = ops.concat(y, self(x, y)[:, -1:].argmax(axis=-1), axis=1)
        return y[:, 1:]


manual_seed(0)
pairs = data.reversals(300 if QUICK else 20_000, length=20)
x, y = pairs.tensors  # (N, 20), and (N, 22): "<bos>", the letters, "<eos>"
examples = data.TensorDataset(x, y[:, :-1], y[:, 1:])  # read, said so far, to be said next
train_set, test_set = data.random_split(examples, [0.95, 0.05])
model = Reverser(len(pairs.source_tokenizer), len(pairs.target_tokenizer))
loader = data.DataLoader(train_set, batch_size=128, shuffle=True)
epochs = 1 if QUICK else 2
optimizer = optim.AdamW(model.parameters(), lr=4e-3)
history = train.fit(
    model,
    loader,
    loss=lambda scores, y: nn.functional.cross_entropy(scores.mT, y),
    optimizer=optimizer,
    epochs=epochs,
    metrics={"accuracy": metrics.accuracy},
    scheduler=optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * len(loader)),
    schedule="step",
)
x, _, y = test_set.batch(range(len(test_set)))
right = (model.say(x, pairs.target_tokenizer.vocabulary["<bos>"], 21).data == y.data).all(axis=1)
print(history, f"\nsaid without a mistake: {right.mean():.1%}")
assert QUICK or right.mean() >= 0.99
