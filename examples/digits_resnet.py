"""A residual network reads the digits of people whose writing it has never seen."""

import sys

from tinygrad_edu import Tensor, data, manual_seed, metrics, nn, optim, train
from tinygrad_edu.data import transforms

QUICK = "--quick" in sys.argv  # one epoch, to see that everything runs


class Block(nn.Module):
    """Two convolutions with a bypass around them (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )
        same = channels == out and stride == 1
        self.bypass = nn.Identity() if same else nn.Conv2d(channels, out, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) + self.bypass(x)).relu()


manual_seed(0)
train_set, test_set = data.digits("writer")  # images (1, 8, 8); the last 360 are others' writing
train_set.transform = transforms.RandomShift(1)  # a new one for every image in every epoch
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    Block(16, 16),
    Block(16, 32, stride=2),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 10),
)
loader = data.DataLoader(train_set, batch_size=64, shuffle=True)
epochs = 1 if QUICK else 30
optimizer = optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
history = train.fit(
    model,
    loader,
    loss=nn.CrossEntropyLoss(),
    optimizer=optimizer,
    epochs=epochs,
    validation=data.DataLoader(test_set, batch_size=360),
    metrics={"accuracy": metrics.accuracy},
    scheduler=optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=epochs * len(loader)),
    schedule="step",
)
print(history)
assert QUICK or history["val_accuracy"][-1] >= 0.965
