"""Networks of `nn` on real data, to the accuracy they should have.  Slow: ``pytest -m slow``."""

import numpy as np
import pytest

from tinygrad_edu import data, manual_seed, metrics, nn, no_grad, ops, optim

pytestmark = pytest.mark.slow
pytest.importorskip("sklearn")


def test_a_convolutional_network_reads_digits():
    manual_seed(0)
    train, test = data.digits("strat")
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.3), nn.Linear(128, 10)),
    )
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    epochs = 10
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loader = data.DataLoader(train, batch_size=32, shuffle=True)
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        schedule.step()
    images, labels = test.tensors
    with no_grad():
        scores = model.eval()(images)
    assert metrics.accuracy(scores, labels) >= 0.975


def test_a_gru_adds_numbers_that_are_far_apart():
    manual_seed(0)
    train = data.adding_problem(10000, length=80)
    test = data.adding_problem(1000, length=80, seed=1)
    gru, head = nn.GRU(2, 64, batch_first=True), nn.Linear(64, 1)
    parameters = [*gru.parameters(), *head.parameters()]
    optimizer = optim.Adam(parameters, lr=3e-3)

    def error(x, y):
        states, _ = gru(x)
        return nn.functional.mse_loss(head(states[:, -1]), y)

    for _ in range(8):
        for x, y in data.DataLoader(train, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            error(x, y).backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
    with no_grad():
        assert error(*test.tensors).item() < 0.01  # who always answers 1 has 1/6


class VisionTransformer(nn.Module):
    """Patches of 2 x 2 as words, with learned positions."""

    def __init__(self, size=64):
        super().__init__()
        self.patches = nn.Conv2d(1, size, 2, stride=2)
        self.position = nn.LearnedPositionalEncoding(16, size, batch_first=True)
        nn.init.normal_(self.position.weight, std=0.5)  # with the usual 0.02 it takes longer
        layer = nn.TransformerEncoderLayer(
            size, 4, 2 * size, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(size))
        self.head = nn.Linear(size, 10)

    def forward(self, images):
        words = nn.Flatten(2)(self.patches(images)).mT
        return self.head(self.encoder(self.position(words)).mean(axis=1))


def test_a_vision_transformer_reads_digits():
    manual_seed(0)
    train, test = data.digits("strat")
    model, epochs = VisionTransformer(), 16
    loader = data.DataLoader(train, batch_size=32, shuffle=True)
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, len(loader) * epochs)
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
    images, labels = test.tensors
    with no_grad():
        scores = model.eval()(images)
    assert metrics.accuracy(scores, labels) >= 0.955


def test_a_variational_autoencoder_draws_digits():
    manual_seed(0)
    train, test = data.digits("strat")
    size = 8  # of the code
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 2 * size))
    decoder = nn.Sequential(nn.Linear(size, 128), nn.ReLU(), nn.Linear(128, 64), nn.Sigmoid())
    optimizer = optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-3)

    def cost(images):
        code = encoder(images)
        mean, log_var = code[:, :size], code[:, size:]
        drawn = mean + ops.exp(0.5 * log_var) * ops.normal_like(mean)
        away = 0.5 * (ops.exp(log_var) + ops.square(mean) - 1.0 - log_var).sum(axis=1)
        error = ops.square(decoder(drawn) - images.reshape(-1, 64)).sum(axis=1)
        return (error + 0.05 * away).mean()

    for _ in range(25):
        for images, _ in data.DataLoader(train, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            cost(images).backward()
            optimizer.step()
    seen, new = (part.tensors[0].data.reshape(-1, 64) for part in (train, test))
    with no_grad():
        again = decoder(encoder(test.tensors[0])[:, :size]).data
        drawn = decoder(ops.normal_like(ops.zeros_like(encoder(test.tensors[0])[:, :size]))).data
    _, _, axes = np.linalg.svd(seen - seen.mean(0), full_matrices=False)
    projected = (new - seen.mean(0)) @ axes[:size].T @ axes[:size] + seen.mean(0)
    assert ((again - new) ** 2).mean() < ((projected - new) ** 2).mean()  # better than PCA

    def to_nearest(images):
        return ((images[:, None] - seen) ** 2).mean(axis=-1).min(axis=1).mean()

    assert to_nearest(drawn) < 2 * to_nearest(new)  # samples look like digits
