"""A small project: train a network, save it, load it where it is needed, predict."""

import numpy

from tinygrad_edu import Tensor, load, manual_seed, nn, no_grad, optim, save, train
from tinygrad_edu.data import DataLoader, TensorDataset


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))


manual_seed(0)
points = numpy.random.default_rng(0).normal(size=(500, 2)).astype("float32")
inside = (numpy.linalg.norm(points, axis=1) < 1.0).astype("int64")  # the unit circle

model = network()
history = train.fit(
    model,
    DataLoader(TensorDataset(points, inside), batch_size=32, shuffle=True),
    loss=nn.CrossEntropyLoss(),
    optimizer=optim.Adam(model.parameters(), lr=0.01),
    epochs=30,
)
save(model.state_dict(), "circle.safetensors")

loaded = network().eval()
loaded.load_state_dict(load("circle.safetensors"))
with no_grad():
    scores: Tensor = loaded(Tensor([[0.1, 0.2], [2.0, 2.0]]))
print(history["loss"][-1], scores.argmax(axis=1).tolist())  # [1, 0]: inside, outside
