"""A network that writes like the Python manual, one character at a time."""

import sys

import numpy

from tinygrad_edu import Tensor, data, manual_seed, nn, no_grad, optim, train

QUICK = "--quick" in sys.argv  # a few steps, to see that everything runs


class CharLSTM(nn.Module):
    def __init__(self, characters: int, hidden_size: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.lstm = nn.LSTM(32, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, characters)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.lstm(self.embedding(x))  # (batch, length, hidden_size)
        return self.head(h).mT  # (batch, characters, length)

    def write(self, start: list[int], count: int, temperature: float = 0.6) -> list[int]:
        """`start`, gone on with: each next character drawn from what the network expects."""
        generator, written, state = numpy.random.default_rng(0), [*start], None
        with no_grad():
            for _ in range(count):
                read = written if state is None else written[-1:]
                h, state = self.lstm(self.embedding(Tensor([read], dtype="int64")), state)
                chances = (self.head(h[0, -1]) / temperature).softmax(axis=0).data.astype(float)
                written.append(int(generator.choice(len(chances), p=chances / chances.sum())))
        return written


manual_seed(0)
text = data.python_manual()[: 5_000 if QUICK else None]
tokenizer = data.CharTokenizer(text)
tokens = tokenizer.encode(text)
cut = len(tokens) * 9 // 10
model = CharLSTM(len(tokenizer))
optimizer = optim.Adam(model.parameters(), lr=8e-3)
loader = data.DataLoader(data.TokenWindows(tokens[:cut], length=64), 32, shuffle=True)
epochs = 1 if QUICK else 4
history = train.fit(
    model,
    loader,
    loss=nn.CrossEntropyLoss(),
    optimizer=optimizer,
    epochs=epochs,
    validation=data.DataLoader(data.TokenWindows(tokens[cut:], length=64), 32),
    scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader)),
    schedule="step",
    clip_norm=1.0,
)
print(history)  # losses in nats per character; counting letter triples gets to 1.73
assert QUICK or history["val_loss"][-1] < 1.5
print(tokenizer.decode(model.write(tokenizer.encode("The "), 400)))
