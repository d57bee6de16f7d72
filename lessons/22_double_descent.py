# %% [markdown]
# # 22 · Double descent
#
# **Question.** More freedom, more variance: that was the U of lesson 21. Why then are networks with
# far more weights than examples any good?
#
# - builds: nothing
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `fit`, `learn`, `manual_seed`,
#   `metrics`, `nn`, `no_grad`, `ops`, `optim`, `sweep`
# - time: 35 minutes to read, 45 s to run
# - covers: B (generalisation), D (overfitting), E (8_3)
#
# The end first: models with more and more features, fitted to 300 examples. Up to 300 features the
# error on new data rises. There it is worst of all, and beyond it **falls again**, below where it
# began. On the right the size of the weights, which peaks at the same place.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, metrics, nn, no_grad, ops, optim
from tinygrad_edu.train import fit, sweep

learn.begin("22")
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#007A59"
SEEDS = learn.pick(full=[0, 1, 2], quick=[0])
n = 300


def arrays(examples):
    return tuple(part.data for part in examples.tensors)


train_set, test_set = data.mnist1d()
(x, y), (x_test, y_test) = arrays(train_set), arrays(test_set)
x, y = x[:n], np.eye(10)[y[:n]]  # a label becomes a row of ten numbers, one of them 1


def features(x, size, seed):
    """relu(x W + b), W and b drawn once and never learned: (n, 40) -> (n, size)."""
    draws = np.random.default_rng(seed)
    weights, bias = draws.normal(size=(40, size)) / np.sqrt(40), draws.normal(size=size)
    return np.maximum(x @ weights + bias, 0.0)


# %%
def random_features(size, seed):
    weights = np.linalg.lstsq(features(x, size, seed), y, rcond=None)[0]
    said = (features(x_test, size, seed) @ weights).argmax(axis=1)
    return {"error": np.mean(said != y_test), "length": np.linalg.norm(weights)}


sizes = learn.pick(
    full=[50, 100, 200, 280, 300, 320, 400, 600, 1000, 2000], quick=[50, 100, 300, 1000]
)
found = sweep(random_features, {"size": sizes}, SEEDS)
_, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.1), layout="constrained")
left.semilogx(sizes, 100 * found.mean("error"), "o-", color=BLUE)
right.loglog(sizes, found.mean("length"), "s-", color=ORANGE)
for axes, text in ((left, "test error in %"), (right, "length of all weights")):
    axes.axvline(n, color="0.6", linestyle=":")
    axes.set(xlabel="features", ylabel=text)
plt.show()
print(found)

# %%
error = dict(zip(sizes, 100 * found.mean("error"), strict=True))
published = {50: 73.0, 100: 73.3, 200: 77.9, 280: 86.2, 300: 89.2, 320: 86.8, 400: 80.1}
published |= {600: 74.6, 1000: 71.3, 2000: 68.8}
assert all(abs(error[size] - published[size]) < 4 for size in sizes)
assert abs(max(error, key=error.get) / n - 1) < 0.1
assert error[sizes[-1]] < min(error[50], error[100])

# %% [markdown]
# These are 300 signals of MNIST-1D (lesson 20) and ten digits to tell apart; by guessing one is
# wrong 90 times in 100.
#
# ## By hand, with five numbers
#
# First, **just enough** features. Two examples with two features each, the second feature nearly
# the same in both: rows $(1, 0)$ and $(1, 0.1)$, with targets 1 and 2. There is exactly one
# solution: the first weight is 1, the second has to make a difference of 1 out of 0.1, so it is
# **10**. Any noise in the targets comes out ten times as large.
#
# Now **more than enough**. One example, with two features $(3, 4)$ and the target 25. The weights
# $(25/3, 0)$ fit it, and so do $(0, 25/4)$, and $(3, 4)$: $3 \cdot 3 + 4 \cdot 4 = 25$. Their
# lengths are 8.33, 6.25 and **5**. The shortest points in the direction of the features. With more
# features to share the work, each weight has less to do.
#
# ## In symbols
#
# Let $F$ hold the features, one row for each of $n$ examples and one column for each of $N$
# features, and $y$ the targets. For $N > n$ many weights fit exactly, $F w = y$. The **shortest**
# of them is made of the examples' own rows, $w = F^\top z$ with one number $z_i$ for each example:
# a part at right angles to all rows would add to the length and change nothing in $F w$. Put that
# into $F w = y$:
#
# $$F F^\top z = y, \qquad w = F^\top z .$$
#
# `np.linalg.lstsq`, used above, returns the shortest solution if there are many. So does gradient
# descent that starts at 0, for each of its steps is made of the rows of $F$, as the graph shows:

# %%
w = Tensor(np.zeros(2), name="w", requires_grad=True)
f = np.array([3.0, 4.0])
loss = ops.square(ops.sum(f * w) - 25.0)
loss.backward()
print("gradient", w.grad, "is", w.grad[0] / 3, "times (3, 4)")
draw(loss, names=locals(), detail="compact")

# %% [markdown]
# ## Exercise A: the shortest weights
#
# Write `shortest(F, y)` for more features than examples, by the two equations above.
# `np.linalg.solve(A, b)` solves $A z = b$; `F` has the shape `(n, N)`, `y` the shape `(n,)` or
# `(n, classes)`.


# %% exercise="22.shortest"
def shortest(F, y):
    # BEGIN SOLUTION
    return F.T @ np.linalg.solve(F @ F.T, y)
    # END SOLUTION


# %%
short = learn.check("22.shortest", shortest).working
many = features(x, 1000, 0).astype(float)
weights = short(many, y)
assert np.allclose(weights, np.linalg.lstsq(many, y, rcond=None)[0], atol=1e-6)
print("largest error on the 300 examples:", f"{np.abs(many @ weights - y).max():.0e}")

# %% [markdown]
# ## An experiment: does a trained network do it too?
#
# Two hidden layers of width $h$, trained with SGD on 4,000 signals, 15 % of whose labels have been
# replaced by a random digit (lab 8_3, cut down to seconds). The network has $h^2 + 52\,h + 10$
# weights: 3,690 for $h = 40$, 50,410 for $h = 200$. It can no longer be solved by an equation, and
# nobody tells SGD to keep the weights short. What will the error on new signals do?

# %%
guess = learn.predict("Of the widths 12, 40 and 200 the worst is", ["12", "40", "200"])

# %%
epochs = learn.pick(full=150, quick=60)
signals, new_signals = (arrays(part) for part in data.mnist1d(8000, train_split=0.5))


def network(width, seed):
    manual_seed(seed)
    linear = [nn.Linear(40, width), nn.Linear(width, width), nn.Linear(width, 10)]
    for layer in linear:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])


def wrong(model, x, y):
    with no_grad():
        return 1 - metrics.accuracy(model(Tensor(x)), Tensor(y))


# %%
def trained(width, noise, seed):
    x, labels = signals
    draws = np.random.default_rng(seed)
    chosen = draws.random(len(labels)) < noise
    labels = np.where(chosen, draws.integers(0, 10, len(labels)), labels)
    model = network(width, seed)
    fit(
        model,
        data.DataLoader(data.TensorDataset(x, labels), batch_size=100, shuffle=True),
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
        epochs=epochs,
        compile=True,  # the steps as one program (lesson 41); the numbers are the same
        progress=False,
    )
    return {"train": wrong(model, x, labels), "test": wrong(model, *new_signals)}


# %%
widths = learn.pick(full=[4, 8, 12, 16, 22, 30, 40, 50, 65, 90, 140, 200], quick=[12, 40])
few = learn.pick(full=[12, 40, 200], quick=[])
points = [{"width": h, "noise": 0.15} for h in widths] + [{"width": h, "noise": 0.0} for h in few]
runs = sweep(trained, points, seeds=[0])
print(runs)

# %%
test, fitted = (100 * runs.mean(name) for name in ("test", "train"))
k = len(widths)
axes = plt.figure(figsize=(6.4, 3.4), layout="constrained").gca()
axes.semilogx(widths, test[:k], "o-", color=BLUE, label="new signals")
axes.semilogx(widths, fitted[:k], "s--", color=ORANGE, label="its own 4,000, wrong labels included")
axes.semilogx(few, test[k:], "^:", color=GREEN, label="new signals, no wrong labels")
axes.set(xlabel="width h", ylabel="error in %", xticks=widths, xticklabels=widths)
axes.minorticks_off()
axes.legend()
plt.show()
by_width = dict(zip(widths, test, strict=False))
if learn.mode() == "full":
    small = min(by_width[h] for h in widths if h <= 20)
    peak = max(by_width[h] for h in widths if 22 <= h <= 65)
    print(f"small {small:.1f} %, peak {peak:.1f} %, widest {by_width[200]:.1f} %")
    assert peak > small + 3
    assert by_width[200] < small + 2
    assert fitted[widths.index(200)] < 0.1
    assert test[k] > test[k + 1] > test[k + 2]
guess.reveal(max(guess.choices, key=lambda words: by_width.get(int(words), 0)))

# %% [markdown]
# Down, up, and down again. The peak is where the network has **just enough** freedom to learn its
# 4,000 labels, the wrong ones too: there is one way to do it, and it is not a smooth one. A wider
# network has many ways, and SGD finds a smooth one; where the train error reaches 0 the test error
# is on its way down.
#
# The curve is that of a single seed, and it is not smooth: single runs differ by a point or two, so
# the code asserts only what is larger. And **what would change it?** The triangles: where no label
# is wrong, the error falls from each of the three widths to the next. The wrong labels are what
# makes an exact fit so rough.
#
# ## Exercise B: take the peak away
#
# The peak is made of long weights. Put a price on length: write `ridge(F, y, strength)`, the
# weights with the smallest
#
# $$|F w - y|^2 + \lambda\, |w|^2 ,$$
#
# where $\lambda$ ("lambda") is `strength`. Its gradient $2 F^\top (F w - y) + 2 \lambda w$ is zero
# there; that is an equation $A w = b$.


# %% exercise="22.ridge"
def ridge(F, y, strength):
    # BEGIN SOLUTION
    return np.linalg.solve(F.T @ F + strength * np.eye(F.shape[1]), F.T @ y)
    # END SOLUTION


# %%
priced = learn.check("22.ridge", ridge).working


def with_price(size, strength, seed):
    weights = priced(features(x, size, seed), y, strength)
    said = (features(x_test, size, seed) @ weights).argmax(axis=1)
    return {"error": np.mean(said != y_test)}


prices = [0.01, 1.0, 30.0]
grid = {"strength": prices, "size": learn.pick(full=[50, 100, 200, 300, 400, 600], quick=[50, 300])}
cheap = 100 * sweep(with_price, grid, SEEDS).mean("error")
axes = plt.figure(figsize=(6.4, 3), layout="constrained").gca()
axes.semilogx(sizes, list(error.values()), "o-", color="0.6", label="no price")
for price, row, mark, colour in zip(prices, cheap, "s^v", (ORANGE, GREEN, BLUE), strict=True):
    axes.semilogx(grid["size"], row, f"{mark}-", color=colour, label=f"λ = {price:g}")
axes.set(xlabel="features", ylabel="test error in %")
axes.legend()
plt.show()
assert cheap[-1].max() < max(error.values()) - 10

# %% [markdown]
# Explain it: a little price is enough to flatten the peak. Why does it hardly matter at 50
# features?
#
# ## A mistake to make once
#
# With more features than examples the equation of exercise B has no single solution at $\lambda =
# 0$: the matrix $F^\top F$ is `(N, N)` and has only $n$ independent rows.

# %%
try:
    ones = np.ones((2, 3))
    print(np.linalg.solve(ones.T @ ones, ones.T @ np.ones(2)))
except np.linalg.LinAlgError as error_raised:
    print("LinAlgError:", error_raised)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `np.linalg.lstsq(F, y)` | `torch.linalg.lstsq(F, y, driver="gelsd")` |
# | the price $\lambda\,\lvert w \rvert^2$ | `weight_decay` of an optimiser (lesson 24) |
#
# ## To read
#
# M. Belkin and others, *Reconciling modern machine-learning practice and the classical
# bias-variance trade-off*, PNAS 116 (2019). The lab is 8_3 of *Understanding Deep Learning*.
#
# ## Recap
#
# - The error is worst where a model can just fit all its examples: there the weights explode.
# - Beyond it there are many fits, and the shortest of them is smooth.
# - Trained networks do the same, most clearly when labels are wrong.
# - A price on the length of the weights removes the peak.
#
# Left out here: the third axis. The same peak appears when one trains for longer, or on *more*
# data.
