# %% [markdown]
# # 16 · A step for every weight
#
# **Question.** One learning rate for all weights is too long for some and too short for others. Can
# each weight find its own?
#
# - builds: `optim`, `Adagrad`, `RMSprop`, `Adam`, `AdamW`
# - uses: `Tensor`, `Value`, `Value.backward`, `Value.grad`, `data`, `descent`, `draw`, `learn`,
#   `manual_seed`, `nn`, `numeric_grad`, `ops`, `ops.cross_entropy`
# - time: 40 minutes to read, 16 s to run
# - covers: A (Adam), B (optimisation), C (RMSprop), D (Adagrad, RMSprop, Adam), E (6_5)
#
# The end first: a loss that is steep in one direction and flat in the other, lowest at $(0.7, 0)$.
# A short step creeps, a long one bounces between the walls, a step of fixed size in both directions
# cannot stop. Adam sets out straight for the lowest point, swings past it and comes back. Move the
# slider to watch all four.

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, Value, data, draw, learn, manual_seed, nn, numeric_grad, ops, optim
from tinygrad_edu.widgets import descent

learn.begin("16")
BLUE, ORANGE = "#0072B2", "#D55E00"


def loss(p):
    return 1 - np.exp(-2 * p[1] ** 2) * np.exp(-((p[0] - 0.7) ** 2) / 8)


def walk(steps, rule):
    """The places from (-0.7, -0.9); `rule(g, t)` is what is taken away in step t = 1, 2, ..."""
    path = [np.array([-0.7, -0.9])]
    for t in range(1, steps + 1):
        path.append(path[-1] - rule(numeric_grad(loss, path[-1]), t))
    return np.array(path)


def adams(steps, lr, betas):
    place = Tensor(np.array([-0.7, -0.9]), requires_grad=True)
    optimizer, path = optim.Adam([place], lr=lr, betas=betas), [place.numpy()]
    for _ in range(steps):
        place.grad = numeric_grad(loss, place.numpy())
        optimizer.step()
        path.append(place.numpy())
    return np.array(path)


# %%
paths = {
    "plain, 0.08": walk(200, lambda g, t: 0.08 * g),
    "plain, 1.0": walk(40, lambda g, t: 1.0 * g),
    "signs, 0.08": walk(40, lambda g, t: 0.08 * np.sign(g)),
    "Adam, 0.05": adams(60, lr=0.05, betas=(0.9, 0.99)),
}
descent(lambda a, b: loss((a, b)), paths, x=(-1, 1), y=(-1, 1), labels=("p0", "p1"))

# %% [markdown]
# These are the lab 6_5 and its figures:

# %%
creep, bounce, signs, straight = paths.values()
flips = int((np.diff(np.sign(bounce[:, 1])) != 0).sum())
losses = [float(f"{loss(path[-1]):.2g}") for path in paths.values()]
print(f"losses {losses}; the long steps cross the valley {flips} times")
assert (flips, *losses[:2], losses[3]) == (39, 1.2e-4, 0.073, 0.0019)
assert np.allclose(creep[-1], (0.668, 0), atol=6e-4)
assert np.allclose(signs[-4:], [(0.66, -0.02), (0.74, 0.06)] * 2, atol=1e-6)
assert np.allclose(straight[-1], (0.667, 0.030), atol=6e-4)

# %% [markdown]
# And this is the loss as a graph, at the start. The second gradient is ten times the first: a step
# that suits one cannot suit the other.

# %%
p0, p1 = Value(-0.7, name="p0"), Value(-0.9, name="p1")
value = 1 - ops.exp(-2 * ops.square(p1)) * ops.exp(-ops.square(p0 - 0.7) / 8)
value.backward()
draw(value, names=locals(), detail="compact", direction="TB")

# %% [markdown]
# ## By hand, with five numbers
#
# A weight sees the gradient 3, then 4. Add up the squares: 9, then $9 + 16 =$ 25. Divide each
# gradient by the root of the sum so far: $3/3 = 1$, then $4/5 = 0.8$. A weight that sees 0.03 and
# then 0.04 gets the same: 1 and 0.8. **The size of the gradients has dropped out**; what is left is
# a direction, and how large this gradient is beside the earlier ones.
#
# ## In symbols
#
# All operations are for each weight by itself; $\epsilon$ ("epsilon") is tiny and avoids $0/0$.
#
# $$\text{Adagrad:}\quad s \leftarrow s + g^2, \qquad x \leftarrow x - \alpha\, g / (\sqrt{s} +
# \epsilon)$$
#
# The sum only grows, so in time the steps shrink. RMSprop forgets, with $\rho$ ("rho") near 1:
#
# $$\text{RMSprop:} \quad v \leftarrow \rho\, v + (1 - \rho)\, g^2, \qquad x \leftarrow x -
# \alpha\, g / (\sqrt{v} + \epsilon)$$
#
# Adam takes such a mean of the gradient itself too, as momentum does. Both means start at 0 and are
# too small at first: if all gradients are $g$, after step $t = 1, 2, \dots$ the first mean is only
# $(1 - \beta_1^t)\, g$ and the second $(1 - \beta_2^t)\, g^2$. So Adam divides by these factors:
#
# $$\text{Adam:}\quad m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \quad
# v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2, \quad
# x \leftarrow x - \alpha\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$
#
# ## Exercise A: four rules
#
# Write the first two. Each returns the new `x` and its new state; arrays go in and come out.


# %% exercise="16.adagrad"
def adagrad(x, s, g, lr, eps):
    # BEGIN SOLUTION
    s = s + g * g
    return x - lr * g / (np.sqrt(s) + eps), s
    # END SOLUTION


# %% exercise="16.rmsprop"
def rmsprop(x, v, g, lr, rho, eps):
    # BEGIN SOLUTION
    v = rho * v + (1 - rho) * g * g
    return x - lr * g / (np.sqrt(v) + eps), v
    # END SOLUTION


# %%
my_adagrad = learn.check("16.adagrad", adagrad).working
my_rmsprop = learn.check("16.rmsprop", rmsprop).working

# %% [markdown]
# Now Adam. `betas` is the pair $(\beta_1, \beta_2)$; return `x, m, v`.


# %% exercise="16.adam"
def adam(x, m, v, g, t, lr, betas, eps):
    # BEGIN SOLUTION
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g * g
    mean, spread = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return x - lr * mean / (np.sqrt(spread) + eps), m, v
    # END SOLUTION


# %%
my_adam = learn.check("16.adam", adam).working

# %% [markdown]
# **Weight decay** pulls every weight towards 0. Put into the gradient, it would be divided by
# $\sqrt{v}$ like everything else, and weights with large gradients would hardly feel it. AdamW
# shrinks the weight itself: first $x \leftarrow x - \alpha\,\lambda\,x$, with the decay $\lambda$
# ("lambda"), then a step of Adam. Write it; you may call your `adam`.


# %% exercise="16.adamw"
def adamw(x, m, v, g, t, lr, betas, eps, decay):
    # BEGIN SOLUTION
    return adam(x - lr * decay * x, m, v, g, t, lr, betas, eps)
    # END SOLUTION


# %%
my_adamw = learn.check("16.adamw", adamw).working
gradients = np.random.default_rng(0).normal(size=(20, 3)) * [0.01, 1, 100]
lr, betas, eps = 0.1, (0.9, 0.999), 1e-8
adam_state = (np.zeros(3), np.zeros(3))
rules = {
    "Adagrad": (lambda x, s, g, t: my_adagrad(x, s, g, lr, 1e-10), adam_state[:1]),
    "RMSprop": (lambda x, v, g, t: my_rmsprop(x, v, g, lr, 0.99, eps), adam_state[:1]),
    "Adam": (lambda x, m, v, g, t: my_adam(x, m, v, g, t, lr, betas, eps), adam_state),
    "AdamW": (lambda x, m, v, g, t: my_adamw(x, m, v, g, t, lr, betas, eps, 0.01), adam_state),
}


# %%
def mine(rule, state):
    x, path = np.ones(3), []
    for t, g in enumerate(gradients, 1):
        x, *state = rule(x, *state, g, t)
        path.append(x)
    return path


def theirs(module, tensor, name):
    """Twenty steps of an optimiser of this library, or of PyTorch: they have the same names."""
    x, path = tensor(np.ones(3)), []
    optimizer = getattr(module, name)([x], lr=lr)
    for g in gradients:
        x.grad = tensor(g)
        optimizer.step()
        path.append(np.array(x.tolist()))
    return path


for name, (rule, state) in rules.items():
    assert np.allclose(mine(rule, state), theirs(optim, Tensor, name), rtol=1e-6)

# %% [markdown]
# Your four are the library's, over twenty steps, although the gradients of the three weights are as
# 1 to 100 to 10,000. The library's Adam takes a shorter way to the same numbers; what is the
# same for all weights it works out once in each step:

# %%
learn.source(optim.Adam._factors)
learn.source(optim.Adam._update)

# %% [markdown]
# ## An experiment: a race on the digits
#
# A network like that of lesson 10, with 72 hidden units, reads digits in batches of 32. Every
# method gets its own best learning rate out of three. Compare the loss on the training set during
# the fifth epoch: Adam's, measured by that of momentum with Nesterov's look ahead, is ...

# %%
guess = learn.predict("Adam against Nesterov", ["less than half", "about equal", "over twice"])


# %%
train_set, test_set = data.digits("strat", flat=True)
test_x, test_y = test_set.batch(range(len(test_set)))


def train(make, seed, epochs=5):
    """A trained model, and its mean loss during the last epoch."""
    manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 72), nn.ReLU(), nn.Linear(72, 10))
    optimizer = make(model.parameters())
    for _ in range(epochs):
        losses = []
        for images, labels in data.DataLoader(train_set, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = ops.cross_entropy(model(images), labels)
            losses.append(loss.item())
            loss.backward()
            optimizer.step()
    return model, np.mean(losses)


def score(make, epochs=5):
    """Loss in the last epoch and accuracy on the test set, means over the seeds."""
    runs = [train(make, seed, epochs) for seed in range(learn.pick(full=3, quick=1))]
    right = [(model(test_x).numpy().argmax(axis=1) == test_y.data).mean() for model, _ in runs]
    return float(np.mean([loss for _, loss in runs])), float(np.mean(right))


# %%
large, small = (0.01, 0.03, 0.1), (0.001, 0.003, 0.01)
entries = {
    "SGD": (optim.SGD, (0.02, 0.06, 0.2)),
    "momentum": (partial(optim.SGD, momentum=0.9), large),
    "Nesterov": (partial(optim.SGD, momentum=0.9, nesterov=True), large),
    "Adagrad": (optim.Adagrad, large),
    "RMSprop": (partial(optim.RMSprop, alpha=0.9), small),
    "Adam": (optim.Adam, small),
}
losses, right = {}, {}
for name, (make, rates) in entries.items():
    tried = {r: score(partial(make, lr=r)) for r in rates[learn.pick(full=0, quick=1) :]}
    rate = min(tried, key=tried.get)
    (losses[name], five), (_, right[name]) = tried[rate], score(partial(make, lr=rate), epochs=20)
    print(f"{name:9} lr {rate:<6}loss {losses[name]:.3f}  test {five:.1%}, later {right[name]:.1%}")
    assert rate == rates[-1]

# %% [markdown]
# Tuned momentum is level with Adam, and with Nesterov's look ahead a little in front of it; RMSprop
# and Adagrad come behind, the plain step last. They differ in speed: after 20 epochs all read 96 to
# 97.5 % of the test set. And each did best with the largest of its three rates, so a longer list
# may change the places: try Adam with 0.02. What then is Adam good for? Look at how far the weights
# of each of the 64 pixels travel in the first epoch:

# %%
ratio = losses["Adam"] / losses["Nesterov"]
guess.reveal(guess.choices[int(ratio > 0.5) + int(ratio > 2)])
for name, loss in zip(entries, (0.208, 0.083, 0.078, 0.105, 0.112, 0.098), strict=True):
    assert abs(losses[name] / loss - 1) < learn.pick(full=0.2, quick=0.3), name
    assert abs(right[name] - 0.9675) < learn.pick(full=0.01, quick=0.015), name
assert losses["Nesterov"] < losses["Adam"] < losses["Adagrad"] < losses["SGD"]
assert max(losses["momentum"], losses["Adam"]) < losses["RMSprop"] < losses["SGD"]
manual_seed(0)
start = nn.Linear(64, 72).weight.numpy()
figure, rows = plt.subplots(2, 1, figsize=(7.5, 3.6), sharex=True, layout="constrained")
runs = {"SGD": lambda p: optim.SGD(p, lr=0.5), "Adam": lambda p: optim.Adam(p, lr=0.005)}
for axes, (name, make), colour in zip(rows, runs.items(), (BLUE, ORANGE), strict=True):
    end = next(iter(train(make, seed=0, epochs=1)[0].parameters())).numpy()
    axes.bar(range(64), np.abs(end - start).mean(axis=0), color=colour)
    axes.set_ylabel(name)
rows[0].set_title("how far the weights of each pixel move in one epoch", fontsize=10)
rows[1].set_xlabel("pixel, row by row")
plt.show()

# %% [markdown]
# With SGD the pixels in the middle move far, and those at the edges, which are seldom dark, hardly
# at all. Adam lets the rare ones move as well. Where rare inputs matter, as words in a text do, or
# where layers differ much in size, that decides. And its learning rate means the same everywhere:
# about how far a weight moves in a step.
#
# ## Exercise B: the first step
#
# Break Adam: leave out both corrections. Write `first_step(lr, beta1, beta2)`: how far the first
# step then goes, with $\epsilon = 0$, for any gradient above 0.


# %% exercise="16.first_step"
def first_step(lr, beta1, beta2):
    # BEGIN SOLUTION
    return lr * (1 - beta1) / np.sqrt(1 - beta2)
    # END SOLUTION


# %%
length = learn.check("16.first_step", first_step).working
print(f"with the usual betas: {length(1.0, 0.9, 0.999):.2f} times lr")

# %% [markdown]
# Explain it: why is it more than `lr`, when both means are too *small*?
#
# ## A mistake to make once
#
# A beta of 1 would keep everything and learn nothing:

# %%
try:
    optim.Adam([p0], betas=(0.9, 1.0))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `torch.optim` has the same four, with the same names and defaults; $\rho$ is `alpha` in both
# libraries. If it is installed, it takes the same twenty steps:

# %%
try:
    import torch
except ModuleNotFoundError:
    print("PyTorch is not installed; nothing is compared.")
else:
    for name, (rule, state) in rules.items():
        assert np.allclose(mine(rule, state), theirs(torch.optim, torch.tensor, name), rtol=1e-6)
    print("four rules, twenty steps: the same in PyTorch")

# %% [markdown]
# ## To read
#
# D. Kingma and J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015: the rule stands on
# its second page.
#
# ## Recap
#
# - Divide each gradient by the root of its mean square: the size drops out.
# - Adagrad remembers all, RMSprop forgets, Adam averages the gradient too and corrects both means.
# - AdamW shrinks the weights themselves.
# - On these digits tuned momentum is as good as Adam. Try both.
#
# Left out here: learning rates that change (lesson 17).
