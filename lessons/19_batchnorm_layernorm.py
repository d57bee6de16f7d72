# %% [markdown]
# # 19 · Layers that keep the measure
#
# **Question.** A good start keeps the numbers in bounds, until the first long step moves the
# weights. Can a layer keep its own measure, whatever the weights do?
#
# - builds: `BatchNorm1d`, `LayerNorm`
# - uses: `Adam`, `SGD`, `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `fit`, `init`,
#   `learn`, `manual_seed`, `metrics`, `nn`, `no_grad`, `sweep`
# - time: 40 minutes to read, 30 s to run
# - covers: B (batch normalisation), C (part 2), D (batch normalisation), E (chapter 11)
#
# The end first: a network of eight layers reads digits, with steps of 0.5, far too long for it. The
# same network, with one more small layer after each of its own, learns at once.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, metrics, nn, no_grad
from tinygrad_edu.nn import init
from tinygrad_edu.optim import SGD, Adam
from tinygrad_edu.train import fit, sweep

learn.begin("19")
train_set, test_set = data.digits("strat", flat=True)
images, labels = test_set.batch(range(len(test_set)))
norms = {"none": None, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def network(norm, depth, seed):
    """So many layers of 64 units with He's weights, a layer of the given kind after each sum."""
    manual_seed(seed)
    layers = []
    for _ in range(depth - 1):
        layers.append(nn.Linear(64, 64))
        init.kaiming_normal_(layers[-1].weight, nonlinearity="relu")
        init.zeros_(layers[-1].bias)
        layers += [nn.ReLU()] if norms[norm] is None else [norms[norm](64), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


# %%
def train(model, optimizer, batch_size=32):
    loader = data.DataLoader(train_set, batch_size=batch_size, shuffle=True)
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "compile": True}  # lesson 41
    epochs = learn.pick(full=15, quick=2)
    with np.errstate(all="ignore"):  # without a norm some runs are thrown out
        return fit(model, loader, epochs=epochs, progress=False, **options)


axes = plt.figure(figsize=(6.4, 3), layout="constrained").gca()
for name, style in (("none", "x--"), ("batch", "o-")):
    model = network(name, depth=8, seed=0)
    history = train(model, SGD(model.parameters(), lr=0.5))
    axes.plot(range(1, len(history) + 1), history["loss"], style, label=f"norm: {name}")
axes.set(xlabel="epoch", ylabel="loss", ylim=(0, 2.6))
axes.legend()
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# A unit gives 1, 2, 3, 4 and 10 for the five examples of a batch. The mean is 4. The differences
# are $-3, -2, -1, 0, 6$, their squares 9, 4, 1, 0, 36, the mean of these, the **variance**, 10. Its
# root is the standard deviation, 3.16. Take the mean away and divide:
#
# $$-0.95, \quad -0.63, \quad -0.32, \quad 0, \quad 1.90$$
#
# Mean 0, variance 1. Had the unit given 100, 200, 300, 400 and 1000, the result would be the same:
# the size of the weights has dropped out.
#
# ## In symbols
#
# **Batch norm** does this for each unit, over the $n$ examples of a batch, with the mean $\mu$
# ("mu") and a tiny $\epsilon$ ("epsilon") against division by zero:
#
# $$\hat x_i = \frac{x_i - \mu}{s}, \qquad s = \sqrt{\sigma^2 + \epsilon}, \qquad
# \sigma^2 = \frac{1}{n} \sum_i (x_i - \mu)^2, \qquad y_i = \gamma \hat x_i + \beta .$$
#
# $\gamma$ ("gamma") and $\beta$ ("beta"), two parameters for each unit, let it choose another
# measure, if that is better. **Layer norm** does the same over the units of one example.
#
# ## Exercise A: forward
#
# Write `normalise(x, eps)`: $\hat x$ for an array of shape (n, units), each column over its n
# examples.


# %% exercise="19.normalise"
def normalise(x, eps):
    # BEGIN SOLUTION
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
    # END SOLUTION


# %%
my_norm = learn.check("19.normalise", normalise).working
rows = np.random.default_rng(0).normal(3, 5, size=(32, 4))
assert np.allclose(my_norm(rows, 1e-5), nn.BatchNorm1d(4, dtype="float64")(Tensor(rows)).data)
assert np.allclose(my_norm(rows.T, 1e-5).T, nn.LayerNorm(4, dtype="float64")(Tensor(rows)).data)

# %% [markdown]
# Yours is the library's batch norm, and, turned on its side, its layer norm. As a graph:

# %%
x = Tensor(np.array([[1.0, 4.0], [2.0, 0.0], [6.0, 2.0]]), name="x", requires_grad=True)
norm = nn.BatchNorm1d(2, dtype="float64")
value = (norm(x) * Tensor(np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]]))).sum()
value.backward()
draw(value, names=locals(), detail="compact", direction="TB")

# %% [markdown]
# ## Exercise A, second part: backward, in one formula
#
# An example now reaches the loss in three ways: through itself, through the mean, through the
# variance. Let $g_i$ be the gradient for $\hat x_i$. Two facts shorten the work. Add a constant to
# all $x_i$: nothing changes, so the gradients for $x$ must **sum to 0**. Multiply all $x_i - \mu$
# by a number: nothing changes (but for $\epsilon$), so the products of these gradients with
# $\hat x$ must sum to 0 too. For fixed $\mu$ and $s$ the gradient would be $g_i / s$; both facts
# come out if from $g_i$ the mean of $g$ is taken away, and $\hat x_i$ times the mean of $g \hat x$:
#
# $$\bar x_i = \frac{1}{s}\Bigl( g_i - \frac{1}{n}\sum_j g_j - \hat x_i\,\frac{1}{n}\sum_j g_j \hat
# x_j \Bigr)$$
#
# Write `normalise_vjp(g, x, eps)`: the gradient for `x`, with `g` and `x` of shape (n, units).


# %% exercise="19.normalise_vjp"
def normalise_vjp(g, x, eps):
    # BEGIN SOLUTION
    s = np.sqrt(x.var(axis=0) + eps)
    unit = (x - x.mean(axis=0)) / s
    return (g - g.mean(axis=0) - unit * (g * unit).mean(axis=0)) / s
    # END SOLUTION


# %%
my_vjp = learn.check("19.normalise_vjp", normalise_vjp).working
weights = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
print(my_vjp(weights, x.data, 1e-5).round(4).tolist())
assert np.allclose(my_vjp(weights, x.data, 1e-5), x.grad)

# %% [markdown]
# ## One example has no batch
#
# In use there may be a single digit, and its answer must not depend on which others come with it.
# So while training, the layer keeps **running statistics**: each batch moves them a tenth of the
# way towards its own mean and variance. In evaluation they take the place of the batch's. Of a
# batch of $n$ the variance that is kept is $\sum (x - \mu)^2 / (n - 1)$, which is right on average
# for all examples, not only those drawn.
#
# Write `running(mean, var, x, momentum)`: the new pair, where `momentum` (0.1 above) is the part of
# the way. `x.var(axis=0, ddof=1)` divides by $n - 1$.


# %% exercise="19.running"
def running(mean, var, x, momentum):
    # BEGIN SOLUTION
    mean = mean + momentum * (x.mean(axis=0) - mean)
    return mean, var + momentum * (x.var(axis=0, ddof=1) - var)
    # END SOLUTION


# %%
my_running = learn.check("19.running", running).working
layer, kept = nn.BatchNorm1d(4, dtype="float64"), (np.zeros(4), np.ones(4))
for _ in range(3):
    layer(Tensor(rows))
    kept = my_running(*kept, rows, 0.1)
assert np.allclose(kept, (layer.running_mean.data, layer.running_var.data))
one = Tensor(rows[:1])
print("train:", layer(Tensor(rows)).data[0].round(2), " eval:", layer.eval()(one).data[0].round(2))

# %% [markdown]
# ## An experiment: how long a step, how deep a network
#
# First eight layers, three kinds of norm, and plain SGD with ever longer steps:


# %%
def score(model):
    model.eval()
    with no_grad():
        return 100 * metrics.accuracy(model(images), labels)


def run(norm, lr, seed):
    model = network(norm, 8, seed)
    train(model, SGD(model.parameters(), lr=lr))
    return score(model)


rates = learn.pick(full=[0.01, 0.1, 0.5, 1.0], quick=[0.1, 1.0])
seeds = learn.pick(full=[0, 1, 2], quick=[0])
found = sweep(run, {"norm": [*norms], "lr": rates}, seeds, progress=False).mean()
axes = plt.figure(figsize=(6.4, 3), layout="constrained").gca()
for name, row, style in zip(norms, found, ("x--", "o-", "s:"), strict=True):
    axes.semilogx(rates, row, style, label=f"norm: {name}")
axes.set(xlabel="learning rate", ylabel="accuracy, %")
axes.legend()
plt.show()
none, batch, _ = (dict(zip(rates, row, strict=True)) for row in found)
for lr in rates:
    print(f"lr {lr:<4}: none {none[lr]:.1f} %, batch norm {batch[lr]:.1f} %")

# %%
assert none[1.0] < 20
assert batch[1.0] > learn.pick(full=95.5, quick=50)
assert learn.mode() == "quick" or none[0.5] < 35 < 96.5 < batch[0.5]

# %% [markdown]
# With batch norm the learning rate may be wrong by a factor of ten and more. Why? A step that makes
# all weights of a unit twice as large changes nothing in what follows, and halves their gradient:
# the layer brakes itself. (Layer norm does so for a layer as a whole, and helps less here.)
#
# The thirty layers of lesson 18 failed with a bad start and did well with He's, trained by Adam.
# Now with He's start **and** batch norm, by Adam at 0.001 (all the time, and in batches of 128,
# which is faster), they read ...

# %%
guess = learn.predict("Thirty layers with batch norm", ["below 25 %", "about 85 %", "over 95 %"])


# %%
def deep(norm, seed):
    model = network(norm, 30, seed)
    train(model, Adam(model.parameters(), lr=1e-3), batch_size=128)
    return score(model)


thirty = sweep(deep, {"norm": ["none", "batch"]}, seeds, progress=False)
print(thirty)
without, mean = thirty.mean()
guess.reveal(guess.choices[int(mean > 50) + int(mean > 90)])
assert mean < 20
assert without > learn.pick(full=80, quick=0)

# %% [markdown]
# By guessing one is right one time in ten. Batch norm keeps the measure of every layer on the way
# forward. What does it do on the way back? Here is the gradient of each layer's weights, before the
# first step, for both networks:

# %%
axes = plt.figure(figsize=(6.4, 2.6), layout="constrained").gca()
sizes, moves = {}, {}
for name, style in (("none", "x--"), ("batch", "o-")):
    model = network(name, depth=30, seed=0)
    nn.CrossEntropyLoss()(model(images), labels).backward()
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    sizes[name] = [np.linalg.norm(layer.weight.grad) for layer in linear]
    axes.semilogy(range(1, 31), sizes[name], style, markersize=4, label=f"norm: {name}")
    before = model(images).data
    for number in (1, 29):
        w = linear[number - 1].weight
        step = 0.001 * np.sign(w.grad)
        w.data -= step
        moves[name, number] = np.linalg.norm(model(images).data - before) / np.linalg.norm(before)
        w.data += step
axes.set(xlabel="layer", ylabel="size of the gradient")
axes.legend()
plt.show()

# %%
growth = (sizes["batch"][0] / sizes["batch"][28]) ** (1 / 28)
print(f"{growth:.2f} times as large with each layer towards the input, {growth**28:.0f} in all")
for (name, number), share in moves.items():
    print(f"norm {name:5}: every weight of layer {number:2} by 0.001 moves the answers {share:.1%}")
assert 1.1 < growth < 1.35
assert growth**28 > 100
assert moves["batch", 1] > 20 * moves["batch", 29]

# %% [markdown]
# Each ReLU and each division by $s$ together make a gradient about a fifth larger, and twenty-eight
# of them more than a hundred times. Adam moves every weight by about the same length (lesson 16). A
# first step of it in the first layer alone turns the answers into others, the same step in the last
# but one hardly shows: no learning rate suits both. Without the norm all layers matter alike. **A
# norm does not make a network deep.** A road past the layers does (lesson 30).
#
# ## Exercise B: a bad neighbourhood
#
# In training an example is seen through its batch. Break it: write `hidden(row, n)`, a batch of `n`
# rows of which the first is `row`, such that batch norm turns **the first row into zeros**:
# whatever it says, nothing is left.


# %% exercise="19.hidden"
def hidden(row, n):
    # BEGIN SOLUTION
    return np.tile(row, (n, 1))
    # END SOLUTION


# %%
learn.check("19.hidden", hidden)

# %% [markdown]
# Explain it: what would batches do that hold one class each, as in exercise B of lesson 10?
#
# ## A mistake to make once
#
# A batch of one has no variance, so in training the layer refuses it:

# %%
try:
    nn.BatchNorm1d(4, dtype="float64")(one)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `torch.nn.BatchNorm1d` and `torch.nn.LayerNorm`, with the same state: weight ($\gamma$), bias
# ($\beta$), running_mean, running_var. `momentum` there means the same as here.
#
# ## To read
#
# S. Ioffe and C. Szegedy, *Batch normalization*, ICML 2015: algorithms 1 and 2 are this lesson. J.
# Ba, J. Kiros and G. Hinton, *Layer normalization*, 2016.
#
# ## Recap
#
# - Take the mean away, divide by the deviation: over the batch, or over the units.
# - Backward, the mean of $g$ and its part along $\hat x$ are taken away.
# - Batch norm remembers statistics for use; forget `eval()`, and answers depend on their
#   neighbours.
# - It allows long steps. It does not allow any depth.
#
# Left out here: norms of pictures (lesson 30), and of words (lesson 36).
