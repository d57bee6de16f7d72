# %% [markdown]
# # 25 · Three ways not to learn by heart
#
# **Question.** A network that is large enough learns its examples by heart, mistakes included. What
# can be done, if neither the network nor the number of examples can be changed?
#
# - builds: `EarlyStopping`, `Dropout`, `RandomShift`
# - introduces: `transforms`
# - uses: `Tensor`, `data`, `draw`, `fit`, `init`, `learn`, `manual_seed`, `metrics`, `nn`,
#   `no_grad`, `optim`, `sweep`
# - time: 40 minutes to read, 45 s to run
# - covers: B (regularisation), C (dropout, part 3), D (regularisation), E (chapter 9)
#
# The end first: 500 digits, of which three in ten carry a random label. The network reads new
# digits better and better, and then worse and worse, while it learns the wrong labels. At the star
# one should have stopped.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, metrics, nn, no_grad, optim
from tinygrad_edu.data import transforms
from tinygrad_edu.nn import init
from tinygrad_edu.train import EarlyStopping, fit, sweep

learn.begin("25")
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#007A59"
EPOCHS, SEEDS = learn.pick(full=50, quick=3), learn.pick(full=[0, 1, 2], quick=[0])
train_set, test_set = data.digits("strat")
images, labels = (part.data for part in train_set.tensors)


def noisy(labels, share, draws):
    """The labels, a share of them replaced by a digit drawn by chance."""
    chosen = draws.random(len(labels)) < share
    return np.where(chosen, draws.integers(0, 10, len(labels)), labels)


def accuracy(model, examples):
    model.eval()
    with no_grad():
        x, y = examples.batch(range(len(examples)))
        return metrics.accuracy(model(x), y)


# %%
def network(*sizes, dropout=0.0):
    """Linear layers with He's weights; a ReLU and a dropout after all but the last."""
    model = nn.Sequential(nn.Flatten())
    for n, m in pairwise(sizes):
        model.append(nn.Linear(n, m))
        init.kaiming_normal_(model[-1].weight, nonlinearity="relu")
        init.zeros_(model[-1].bias)
        if m > 10:
            model.append(nn.ReLU()).append(nn.Dropout(dropout))
    return model


# %%
def train(n, share, seed, epochs=EPOCHS, dropout=0.0, decay=0.0, stop=None, change=None):
    """Train on n digits, as many of each; 300 others, with right labels, are for validation."""
    draws = np.random.default_rng(seed)
    order = draws.permutation(len(labels))
    mine = np.concatenate([order[labels[order] == digit][: n // 10] for digit in range(10)])
    others = order[~np.isin(order, mine)][:300]
    examples = data.TensorDataset(images[mine], noisy(labels[mine], share, draws))
    examples.transform = change and change(draws)
    validation = data.TensorDataset(images[others], labels[others])
    manual_seed(seed)
    model = network(64, 128, 128, 10, dropout=dropout)
    history = fit(
        model,
        data.DataLoader(examples, batch_size=32, shuffle=True),
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.AdamW(model.parameters(), lr=1e-3, weight_decay=decay),
        epochs=epochs,
        metrics={"accuracy": metrics.accuracy},
        validation=[validation.batch(range(300))],
        early_stopping=stop and EarlyStopping(patience=stop),
        compile=True,  # lesson 41
        progress=False,
    )
    return model, history


# %%
model, history = train(500, 0.3, seed=0)
seen, new = history["accuracy"], history["val_accuracy"]
best = int(np.argmax(new))
axes = plt.figure(figsize=(6.4, 3.2), layout="constrained").gca()
axes.plot(range(1, EPOCHS + 1), seen, "--", color=ORANGE, label="its own 500, as labelled")
axes.plot(range(1, EPOCHS + 1), new, color=BLUE, label="300 new digits")
axes.plot(best + 1, new[best], "*", color=GREEN, markersize=14, label="the best epoch")
axes.set(xlabel="epoch", ylabel="accuracy")
axes.legend()
plt.show()
print(f"best epoch {best + 1}: {new[best]:.1%}; last: {new[-1]:.1%}")

# %% [markdown]
# ## By hand, with five numbers
#
# **Stopping.** Five epochs have the validation losses 0.9, 0.6, 0.7, 0.65, 0.5. With a *patience*
# of 2 one stops when two epochs in a row were no better than the best: epochs 3 and 4 are worse
# than 0.6, so after epoch 4 it is over, with the weights of epoch 2. With a patience of 3, epoch 5
# would have come, and been better.
#
# **Dropping.** Of four units with the values 1, 2, 3, 4 half are set to 0 by chance: 1, 0, 0, 4.
# Their sum was 10 and is 5; on average it is halved. So what is left is doubled: 2, 0, 0, 8 has the
# sum 10, which is right **on average**.
#
# ## In symbols
#
# With a probability $p$ a unit is 0. The others are divided by $1 - p$, so that the expected value
# ("E") of the output $\tilde x$ is
#
# $$E[\tilde x] = p \cdot 0 + (1 - p) \cdot \frac{x}{1 - p} = x .$$
#
# In evaluation nothing is dropped and nothing needs to be scaled. No unit can rely on another being
# there, so each has to be of use by itself.
#
# ## Exercise A: dropout
#
# Write `dropout(x, p, random)`. `x` is an array of any shape; `random.random(x.shape)` gives
# numbers from 0 to 1, one for each element.


# %% exercise="25.dropout"
def dropout(x, p, random):
    # BEGIN SOLUTION
    kept = random.random(x.shape) >= p
    return x * kept / (1 - p)
    # END SOLUTION


# %%
drop = learn.check("25.dropout", dropout).working
ones = np.ones((200, 500))
theirs = nn.Dropout(0.25)(Tensor(ones)).data
for name, made in (("yours", drop(ones, 0.25, np.random.default_rng(0))), ("nn", theirs)):
    print(f"{name}: values {np.unique(made.round(4))}, mean {made.mean():.3f}")
    assert abs(made.mean() - 1) < 0.01
small = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Dropout(0.5))
draw(small(Tensor([[1.0, 2.0]])), show=["scopes"], detail="compact")

# %% [markdown]
# In the graph the frame of dropout holds a mask of its own, drawn anew in every step.
#
# ## Exercise A, second part: when to stop
#
# Write `stopping(losses, patience)`: the best epoch and the last one that is run, both counted from
# 1. Stop after the first epoch at which `patience` epochs **in a row** have not been better
# (smaller) than the best so far; if that never happens, the last is `len(losses)`.


# %% exercise="25.stopping"
def stopping(losses, patience):
    # BEGIN SOLUTION
    best = 1
    for epoch, loss in enumerate(losses, 1):
        if loss < losses[best - 1]:
            best = epoch
        if epoch - best >= patience:
            return best, epoch
    return best, len(losses)
    # END SOLUTION


# %%
mine = learn.check("25.stopping", stopping).working
theirs = EarlyStopping(patience=8)
for epoch, value in enumerate(history["val_loss"], 1):
    theirs.update(value, epoch)
    if theirs.stopped:
        break
print("stops after epoch", epoch, "and goes back to", theirs.best_epoch)
assert mine(history["val_loss"], 8) == (theirs.best_epoch, epoch)
learn.source(EarlyStopping.update)

# %% [markdown]
# ## An experiment: 500 digits, three in ten with a random label
#
# Without help the network ends well below its best. How much do early stopping, dropout and weight
# decay (lesson 24) save, each alone? Early stopping needs digits with right labels to watch: the
# 300, or rather the loss on them. The others do not look at them.

# %%
guess = learn.predict("The best of the four reads new digits with", ["78 %", "87 %", "96 %"])

# %%
RECIPES = {"none": {}, "early stopping": {"stop": 8}, "dropout": {"dropout": 0.25}}
RECIPES |= {"weight decay": {"decay": 0.5}}


def run(recipe, seed):
    model, history = train(500, 0.3, seed, **RECIPES[recipe])
    return {"test": accuracy(model, test_set), "peak": max(history["val_accuracy"])}


print(found := sweep(run, {"recipe": [*RECIPES]}, SEEDS))
test, peak = found.mean("test"), found.mean("peak")[0]
axes = plt.figure(figsize=(6.4, 2.2), layout="constrained").gca()
axes.barh([*RECIPES], test, color=BLUE)
axes.axvline(peak, color=ORANGE, linestyle="--")
axes.set(xlim=(0.7, 1), xlabel="accuracy on new digits (dashed: without help, best on the way)")
axes.invert_yaxis()
plt.show()
if learn.mode() == "full":
    assert np.allclose(test, [0.788, 0.855, 0.864, 0.842], atol=0.025)
    assert min(test[1:]) > test[0] + 0.04
    assert abs(peak - 0.918) < 0.015
guess.reveal(min(guess.choices, key=lambda words: abs(int(words[:2]) / 100 - max(test))))

# %% [markdown]
# Each of the three alone saves six to nine points, and none trains on a new example. None gets back
# to the best on the way either: the loss on the 300 is not lowest where most are read right.
#
# ## The third way: more examples from the same ones
#
# A digit moved by a pixel is the same digit. *Augmentation* changes examples a little, anew in
# every epoch, in ways that **keep their labels**. Take 20 of each digit, all labels right, and move
# half of every batch; dropout and moves slow the learning down, so be more patient.


# %%
def half_moved(draws):
    shift = transforms.RandomShift(1, generator=draws)

    def changed(x):
        chosen = draws.random((len(x), 1, 1, 1)) < 0.5
        return Tensor(np.where(chosen, shift(x).data, x.data))

    return changed


two = {"stop": 40, "dropout": 0.25}
FEW = {"none": {}, "dropout, stopping": two, "all three": {**two, "change": half_moved}}


def few(recipe, seed):
    epochs = learn.pick(full=300, quick=3)
    return accuracy(train(200, 0.0, seed, epochs, **FEW[recipe])[0], test_set)


print(clean := sweep(few, {"recipe": [*FEW]}, SEEDS))
if learn.mode() == "full":
    plain, without_moves, all_three = clean.mean()
    assert np.allclose([plain, all_three], [0.939, 0.957], atol=0.013)
    assert all_three > max(plain, without_moves) + 0.012

# %% [markdown]
# With no wrong labels dropout and stopping save little; the moves bring what was missing, other
# digits. But which changes keep a label? MNIST-1D is made of templates that are moved, scaled and
# covered with noise (lesson 20, whose network we take). Try two augmentations of its 4,000 signals:
# moves by at most three places with a scale of 0.8 to 1.2, and *any* move, with what leaves on one
# side coming in on the other. The second is far stronger. Does it help more?

# %%
guess = learn.predict("Lower error on new signals", ["small moves", "any move", "neither helps"])


# %%
def roll(draws):
    """Moves each signal round by any number of places."""

    def moved(x):
        places = np.arange(40) - draws.integers(40, size=(len(x), 1))
        return Tensor(np.take_along_axis(x.data, places % 40, axis=1))

    return moved


def signals(augmentation, epochs, seed):
    draws = np.random.default_rng(seed)
    train_part, test_part = data.mnist1d(learn.pick(full=5000, quick=1250))
    small = [transforms.RandomShift(3, generator=draws), transforms.RandomScale(generator=draws)]
    changes = {"small moves": transforms.Compose(small), "any move": roll(draws)}
    train_part.transform = changes.get(augmentation)
    manual_seed(seed)
    model = network(40, 100, 100, 10)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    halved = optim.lr_scheduler.StepLR(optimizer, step_size=epochs // 5, gamma=0.5)
    loader = data.DataLoader(train_part, batch_size=100, shuffle=True)
    options = {"optimizer": optimizer, "scheduler": halved, "compile": True, "progress": False}
    fit(model, loader, loss=nn.CrossEntropyLoss(), epochs=epochs, **options)
    return 1 - accuracy(model, test_part)


# %%
names = ["none", "small moves", "any move"]
grid = {"epochs": learn.pick(full=[50, 150], quick=[10, 40]), "augmentation": names}
print(errors := sweep(signals, grid, seeds=SEEDS[:2]))
short, (none, small, any_move) = errors.mean()
if learn.mode() == "full":
    assert small < 0.225 < 0.26 < any_move < none < 0.39
    assert 0.35 < short[0] < min(0.39, short[2])
gains = {"neither helps": 0.01, "small moves": none - small, "any move": none - any_move}
guess.reveal(max(gains, key=gains.get))

# %% [markdown]
# Lesson 20's 50 epochs leave 38 % wrong, and three times as many hardly fewer. Small moves need the
# time, since no signal comes twice, and take away four errors in ten. *Any* move does harm at first
# and helps less in the end: where a stroke lies says something about which digit it is. **An
# augmentation must match what really does not matter in the data.**
#
# ## Exercise B: stopped too early
#
# Break early stopping: write `trap(patience)`, a list of losses at which it stops although a
# **later loss in the list is lower** than all it has seen.


# %% exercise="25.trap"
def trap(patience):
    # BEGIN SOLUTION
    return [1.0, *[2.0] * patience, 0.5]
    # END SOLUTION


# %%
trapped = learn.check("25.trap", trap).working
print("losses", trapped(3), "-> best, last epoch:", mine(trapped(3), 3))

# %% [markdown]
# Explain it: what would a larger patience have cost, and how would you choose it?
#
# ## A mistake to make once
#
# What early stopping is to watch must be there to be watched:

# %%
options = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(model.parameters(), lr=0.1)}
watching = EarlyStopping(monitor="val_loss")
try:
    fit(model, [test_set.batch(range(10))], epochs=1, early_stopping=watching, **options)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `nn.Dropout(p)` | the same |
# | `EarlyStopping(patience, monitor="val_accuracy")` | none; Lightning has one of the same name |
# | `transforms.RandomShift(1)` | `torchvision.transforms.RandomAffine(0, translate=...)` |
#
# ## To read
#
# N. Srivastava and others, *Dropout: a simple way to prevent neural networks from overfitting*,
# Journal of Machine Learning Research 15 (2014).
#
# ## Recap
#
# - Wrong labels are learned last: stop before, watching examples that are not trained on.
# - Dropout sets units to 0 by chance, and scales the rest so that the mean stays.
# - Augmentation helps if it changes only what does not matter, and not otherwise.
#
# Left out here: mixing examples, and wrong labels that are found and removed.
