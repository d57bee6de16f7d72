"""Networks of `nn` on real data, to the accuracy they should have.  Slow: ``pytest -m slow``."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, compile, data, manual_seed, metrics, nn, no_grad, ops, optim

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


class Generator(nn.Module):
    """Sixteen numbers to a picture of 8 x 8, from -1 to 1."""

    def __init__(self):
        super().__init__()
        self.begin = nn.Sequential(nn.Linear(16, 256), nn.BatchNorm1d(256), nn.ReLU())
        self.grow = nn.Sequential(
            *(nn.ConvTranspose2d(64, 16, 4, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1), nn.Tanh()),
        )

    def forward(self, z):
        return self.grow(self.begin(z).reshape(-1, 64, 2, 2))


def test_two_networks_against_each_other_draw_every_digit():
    manual_seed(1)
    train, test = data.digits("strat")
    real, new = (part.tensors[0].data for part in (train, test))
    judge = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        nn.Linear(128, 10),
    )
    optimizer = optim.Adam(judge.parameters(), lr=2e-3)
    for _ in range(15):
        for images, labels in data.DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(judge(images), labels).backward()
            optimizer.step()

    def judged(pictures):
        with no_grad():
            h = Tensor(pictures.astype("float32"))
            for layer in list(judge)[:-1]:
                h = layer(h)
            return h.data.astype(float), judge[-1](h).data.argmax(axis=1)

    def distance(a, b):
        (c1, v), c2 = np.linalg.eigh(np.cov(a.T) + 1e-6 * np.eye(128)), np.cov(b.T)
        root = v * np.sqrt(c1.clip(0)) @ v.T
        both = np.linalg.eigvalsh(root @ (c2 + 1e-6 * np.eye(128)) @ root).clip(0)
        spread = c1.sum() + np.trace(c2) - 2 * np.sqrt(both).sum()
        return ((a.mean(0) - b.mean(0)) ** 2).sum() + spread

    features = judged(real)[0]
    noise = np.random.default_rng(0).random(new.shape)
    assert distance(judged(new)[0], features) < 4
    assert 60 < distance(judged(noise)[0], features) < 120

    manual_seed(0)
    generator, random = Generator(), np.random.default_rng(0)
    critic = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.LeakyReLU(0.2)),
        *(nn.Flatten(), nn.Linear(128, 1)),
    )
    makes = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    judges = optim.Adam(critic.parameters(), lr=1.5e-3, betas=(0.5, 0.999))
    average = optim.AveragedParameters(generator.parameters(), decay=0.999)

    @compile
    def generators(z):
        made = generator(z)
        return ops.softplus(-critic(made)).mean(), made

    @compile
    def critics(x, made):
        scores = critic(ops.concat(x, made, axis=0))
        on_real = 0.9 * ops.softplus(-scores[:64]) + 0.1 * ops.softplus(scores[:64])
        return 0.5 * on_real.mean() + 0.5 * ops.softplus(scores[64:]).mean()

    for _ in range(5500):
        loss, made = generators(Tensor(random.normal(size=(64, 16)).astype("float32")))
        makes.zero_grad()
        loss.backward()
        makes.step()
        average.update_parameters()
        judges.zero_grad()
        some = real[random.integers(len(real), size=64)]
        critics(Tensor(2 * some - 1), made.detach()).backward()
        judges.step()
    with average.applied(), no_grad():
        drawn = generator(Tensor(random.normal(size=(1000, 16)).astype("float32"))).data
    found, read = judged((drawn + 1) / 2)
    assert distance(found, features) < 8
    assert np.bincount(read, minlength=10).min() > 30
