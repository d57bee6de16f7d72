# %% [markdown]
# # 10 · A network that reads digits
#
# **Question.** So far every network came with loops of its own: over its weights, over its data,
# over its epochs. Which three small inventions make those loops the same for every network?
#
# - builds: `nn`, `data`, `fit`, `metrics`, `save`, `load`, `no_grad`
# - introduces: `manual_seed`
# - uses: `Tensor`, `Value.backward`, `draw`, `learn`, `ops`
# - borrowed, built in 16: `optim` - Adam, a way to choose the step for each weight.
# - time: 40 minutes to read, 15 s to run
# - covers: A (a network from scratch), B (MLP), C (parts 1 and 2), D (assignment 1), E (chapter 5)
#
# The end first: a network with one hidden layer reads 360 digits it has never seen. The table
# counts what was read for what was written; beside it are some of those it got wrong. Would you
# have known?

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import (
    Tensor,
    data,
    draw,
    learn,
    load,
    manual_seed,
    metrics,
    nn,
    no_grad,
    ops,
    optim,
    save,
)
from tinygrad_edu.train import fit

learn.begin("10")
epochs = learn.pick(full=60, quick=20)


# %%
def new_model(seed):
    manual_seed(seed)  # the same seed, the same chance: a run that can be repeated
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def train_it(model, examples):
    return fit(
        model,
        data.DataLoader(examples, batch_size=32, shuffle=True),
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(model.parameters(), lr=2e-3),
        epochs=epochs,
        progress=False,
    )


# %%
def show_mistakes(images, labels, read):
    counts = metrics.confusion_matrix(read, labels)
    figure = plt.figure(figsize=(9.6, 3.9), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    axes.imshow(np.log1p(counts), cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if row == column else "black"
            axes.text(column, row, count, ha="center", va="center", color=colour)
    axes.set(xlabel="read", ylabel="written", xticks=range(10), yticks=range(10))
    wrong = np.flatnonzero(read != labels)[:8]
    for axes in right.subplots(2, 4).flat:
        axes.axis("off")
    for axes, i in zip(right.axes, wrong, strict=False):
        axes.imshow(images[i].reshape(8, 8), cmap="gray_r")
        axes.set_title(f"{labels[i]}, read as {read[i]}", fontsize=10)
    plt.show()


train_set, test_set = data.digits("strat", flat=True)
images, labels = (part.data for part in test_set.batch(range(len(test_set))))
model = new_model(0)
history = train_it(model, train_set)
read = model(Tensor(images)).data.argmax(axis=1)
show_mistakes(images, labels, read)

# %% [markdown]
# ## By hand, with five numbers
#
# There are **1437** digits to learn from. Computing a gradient from all of them for every step is
# more than is needed; one takes **batches** of **32**. $1437 / 32 = 44.9$, so there are **45**
# batches, the last of only $1437 - 44 \cdot 32 = 29$. Going through all of them once is an
# **epoch**. After **60** epochs the network has made $60 \cdot 45 =$ **2700** steps.
#
# And how many weights are there to move? The first layer has a weight for each of 64 pixels and
# each of 64 units, and a bias for each unit; the second the same from 64 to 10.

# %%
guess = learn.predict("Parameters of a 64-64-10 network", ["640", "4,810", "41,000"])

# %%
sizes = {name: p.shape for name, p in model.named_parameters()}
print(sizes)
guess.reveal(f"{sum(p.size for p in model.parameters()):,}")


# %% [markdown]
# ## In symbols
#
# $$\text{for each batch:}\quad \bar\theta \leftarrow 0, \quad
# L = \text{loss}(\text{model}_\theta(x), y), \quad \bar\theta \leftarrow \partial L /
# \partial\theta, \quad \theta \leftarrow \theta - \text{step}(\bar\theta)$$
#
# $\theta$ ("theta") stands for all parameters together. To write this once for every model, a model
# has to be able to say what its parameters are.
#
# ## In code: a module
#
# A **module** has parameters, perhaps other modules inside, and a `forward`. It finds its
# parameters among its own attributes (`vars(self)` holds them; `yield` hands out one at a time):


# %%
class ToyModule:
    def parameters(self):
        for part in vars(self).values():
            if isinstance(part, Tensor):
                yield part
            for inner in part if isinstance(part, list) else [part]:
                if isinstance(inner, ToyModule):
                    yield from inner.parameters()

    def __call__(self, x):
        return self.forward(x)


class ToyLinear(ToyModule):
    def __init__(self, n, m):
        limit = 1 / np.sqrt(n)
        self.weight = Tensor(np.random.default_rng(n).uniform(-limit, limit, (m, n)))
        self.bias = Tensor(np.zeros(m))
        self.weight.requires_grad = self.bias.requires_grad = True

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %%
class ToySequential(ToyModule):
    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


toy = ToySequential(ToyLinear(64, 64), ops.relu, ToyLinear(64, 10))
theirs = new_model(0)
for p, q in zip(toy.parameters(), theirs.parameters(), strict=True):
    p.data = q.data
assert np.allclose(toy(Tensor(images)).data, theirs(Tensor(images)).data, atol=1e-5)
learn.source(nn.Linear.forward)

# %% [markdown]
# The library's `nn.Module` does the same, and more: names (`"0.weight"`), saving, moving, printing,
# and one switch. Some layers behave differently while training, such as **dropout**, which then
# sets a random part of its inputs to 0 (lesson 25). `model.train()` and `model.eval()` say which it
# is. The picture after it puts a frame round what each module computed; θ marks a parameter:

# %%
layer = nn.Dropout(0.5)
ones = Tensor(np.ones(6))
print("train:", layer.train()(ones).data, "  eval:", layer.eval()(ones).data)

# %%
x, y = train_set.batch(range(4))
loss = nn.CrossEntropyLoss()(model(x), y)
draw(loss, show=["scopes"], detail="compact", direction="TB")

# %% [markdown]
# ## Exercise A: the training loop
#
# Write `train(model, loader, loss, optimizer, epochs)`. `loss(model(x), y)` is the loss of a batch
# as a tensor; `for x, y in loader:` gives the batches of one epoch, every time anew;
# `optimizer.zero_grad()` forgets the gradients, `optimizer.step()` moves the parameters. Switch the
# model to training at the start, and to evaluation at the end. Return a list: for each epoch the
# mean of its batches' losses (`loss.item()` is a loss as a number).


# %% exercise="10.train"
def train(model, loader, loss, optimizer, epochs):
    # BEGIN SOLUTION
    model.train()
    means = []
    for _ in range(epochs):
        losses = []
        for x, y in loader:
            optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            optimizer.step()
            losses.append(value.item())
        means.append(sum(losses) / len(losses))
    model.eval()
    return means
    # END SOLUTION


# %%
loop = learn.check("10.train", train).working

# %% [markdown]
# `fit`, with which the first cell trained, is this loop with a progress bar, metrics, checkpoints
# and a way to stop. With the same seed it arrives at the same weights as yours, bit for bit:

# %%
mine = new_model(0)
batches = data.DataLoader(train_set, batch_size=32, shuffle=True)
means = loop(mine, batches, nn.CrossEntropyLoss(), optim.Adam(mine.parameters(), lr=2e-3), epochs)
same = [
    np.array_equal(p.data, q.data)
    for p, q in zip(mine.parameters(), model.parameters(), strict=True)
]
print("same weights:", all(same), " loss of the last epoch:", round(means[-1], 4))
assert all(same)
history.plot()

# %% [markdown]
# ## An experiment: digits, and other people's digits
#
# One layer read 96 % of the digits in *strat* and about 90 % of strangers' in *writer* (lesson 09).
# Will a hidden layer of 64 units close that gap? Write down two numbers, then run three seeds each:

# %%
guess = learn.predict("With a hidden layer, strangers' digits", ["80 %", "91 %", "97 %"])

# %%
found = {}
for name in ("strat", "writer"):
    train_part, test_part = data.digits(name, flat=True)
    x, y = test_part.batch(range(len(test_part)))
    scores = []
    for seed in learn.pick(full=(0, 1, 2), quick=(0,)):
        trained = new_model(seed)
        train_it(trained, train_part)
        with no_grad():
            scores.append(metrics.accuracy(trained(x), y))
    found[name] = np.mean(scores)
    print(f"{name}: {found[name]:.1%}  (seeds: {', '.join(f'{s:.1%}' for s in scores)})")
assert found["strat"] >= learn.pick(full=0.965, quick=0.95)
assert found["writer"] >= learn.pick(full=0.89, quick=0.88)
guess.reveal(min(guess.choices, key=lambda words: abs(int(words[:2]) / 100 - found["writer"])))

# %% [markdown]
# A little, not much: what is missing is not units but an idea of what a picture is (lesson 28).
# `no_grad` leaves out the recording, for nobody will ask for gradients there. Note how far seeds
# differ: by half a percent. A single run proves no difference smaller than that.
#
# A trained model is its numbers, under their names:

# %%
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "digits.safetensors")
    save(model.state_dict(), file)
    again = new_model(99)
    again.load_state_dict(load(file))
    print(file.stat().st_size, "bytes;", list(load(file)))
assert np.array_equal(again(Tensor(images)).data, model(Tensor(images)).data)

# %% [markdown]
# ## Exercise B: an order that ruins it
#
# `shuffle=True` in the first cell is no detail. Break it: write `order(labels)`, a permutation of
# the numbers 0 to n - 1, in which a network that sees the examples in that order learns **badly**,
# though it sees every one as often as before. `labels` is the array of the right digits.


# %% exercise="10.order"
def order(labels):
    # BEGIN SOLUTION
    return np.argsort(labels)
    # END SOLUTION


# %%
learn.check("10.order", order)

# %% [markdown]
# Explain it: what does the gradient of a batch say, if all its examples are nines? The small steps
# of training are a good substitute for large ones only if each batch is a fair sample.
#
# ## A mistake to make once
#
# Weights fit only the model that they were saved from. The error lists what differs, and the model
# stays as it was:

# %%
try:
    nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).load_state_dict(
        model.state_dict()
    )
except RuntimeError as error:
    print("RuntimeError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `nn.Module`, `nn.Linear`, `nn.Sequential` | the same |
# | `data.DataLoader(set, batch_size=32, shuffle=True)` | `torch.utils.data.DataLoader(...)` |
# | `fit(model, loader, ...)` | none: everybody writes the loop, or takes Lightning |
# | `save(model.state_dict(), file)` | `torch.save`; `safetensors.torch.save_file` for this format |
#
# ## To read
#
# Y. LeCun and others, *Backpropagation applied to handwritten zip code recognition*, Neural
# Computation 1 (1989): the experiment of this lesson, on 9,298 digits from envelopes.
#
# ## Recap
#
# - A module knows its parameters; a loader gives batches; a loop joins them.
# - An epoch is once through the data, in batches drawn afresh.
# - `train()` and `eval()` are a switch for layers that behave differently.
# - Measure on data that were not trained on, and with more than one seed.
#
# Left out here: what Adam does (lesson 16), and how to choose sizes and rates (lesson 17).
