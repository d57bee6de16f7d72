"""Networks of `nn` on real data, to the accuracy they should have.  Slow: ``pytest -m slow``."""

import pytest

from tinygrad_edu import data, manual_seed, metrics, nn, no_grad, optim

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
