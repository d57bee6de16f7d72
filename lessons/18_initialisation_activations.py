# %% [markdown]
# # 18 · How to begin
#
# **Question.** Fifty layers, each multiplying what it is given. Why does almost every choice of
# random weights end in zeros or in infinity, and which one does not?
#
# - builds: `init`
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `fit`, `learn`, `lr_scheduler`,
#   `manual_seed`, `metrics`, `nn`, `no_grad`, `ops`, `optim`
# - time: 35 minutes to read, 40 s to run
# - covers: A (initialisation), B (initialisation, activations), D (initialisation), E (7_3)
#
# The end first: numbers on their way through fifty layers with ReLU, and gradients on their way
# back, for five variances of the weights. Both scales are logarithmic. Four of the five leave the
# road; one stays on it.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, metrics, nn, no_grad, ops, optim
from tinygrad_edu.nn import init
from tinygrad_edu.optim import lr_scheduler
from tinygrad_edu.train import fit

learn.begin("18")


def draw_weights(K, D, variance):
    """K + 1 matrices for one input, K layers of D units, one output, in the order of the lab."""
    sizes = [(D, 1), (1, D)] + [(D, D)] * (K - 1)
    first, last, *between = [np.random.normal(size=size) for size in sizes]
    return [w * math.sqrt(variance) for w in (first, *between, last)]


def forward(weights, x):
    """What each layer adds up, and what ReLU leaves of it, the input first."""
    sums, outs = [weights[0] @ x], [x]
    for w in weights[1:]:
        outs.append(np.maximum(sums[-1], 0))
        sums.append(w @ outs[-1])
    return sums, outs


# %%
def spread(K, D, variance):
    """The standard deviation of each layer's units, and of the loss's slopes for its sums."""
    np.random.seed(0)  # the lab's own stream of random numbers
    weights = draw_weights(K, D, variance)
    _, outs = forward(weights, np.random.normal(size=(1, 1000)))
    sums, _ = forward(weights, np.random.normal(size=(1, 100)))
    slope, slopes = 2 * sums[-1], []  # of the loss f^2, example by example
    for w, below in zip(weights[:0:-1], sums[-2::-1], strict=True):
        slope = (below > 0) * (w.T @ slope)
        slopes.append(slope.std())
    return [h.std() for h in outs[1:]], slopes[-2::-1]


variances = (0.01, 0.02, 0.025, 0.03, 1.0)
found = {variance: spread(50, 80, variance) for variance in variances}
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for variance, style in zip(variances, ("-", "--", "-", "-.", ":"), strict=True):
    for axes, values in zip(panels, found[variance], strict=True):
        width = 3 if variance == 0.025 else 1.5
        axes.semilogy(range(1, len(values) + 1), values, style, linewidth=width, label=variance)
panels[0].set(title="units, on the way forward", xlabel="layer", ylabel="standard deviation")
panels[1].set(title="slopes, on the way back", xlabel="layer")
panels[1].legend(title="variance", loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()

# %% [markdown]
# These are the network and the random numbers of the lab 7_3, and its figures:

# %%
small = spread(5, 8, 1.0)
print("5 layers of 8:  ", [f"{part[i]:.3g}" for part in small for i in (0, -1)])
for variance, (units, slopes) in found.items():
    print(f"50 of 80, {variance:<5}:", f"{units[-1]:.2g}, {slopes[-1]:.3g} -> {slopes[0]:.3g}")
assert np.allclose([small[0][0], small[0][-1]], (0.811, 10.1), rtol=5e-3)
assert np.allclose([small[1][-1], small[1][0]], (54.5, 431), rtol=2e-3)
ends = [found[variance][0][-1] for variance in variances]
assert np.allclose(ends, (7.53e-12, 2.53e-4, 0.0669, 6.38, 7.53e38), rtol=2e-3)
assert np.allclose(found[0.025][1][::-48], (0.0305, 0.0426)[::-1], rtol=3e-3)
assert np.allclose(found[0.03][1][::-48], (4.88, 278), rtol=3e-3)

# %% [markdown]
# With variance 1 the numbers grow to $10^{39}$, which float32 can no longer hold. With 0.01 nothing
# is left of the input. And the good one, 0.025, is 2 divided by 80, the number of units. Why?
#
# ## By hand, with five numbers
#
# Four units hold 1, 2, 0, 2, and each of the four weights to the next unit is $+s$ or $-s$ with
# equal chance. What is the square of their sum, on average? The mixed products cancel, since their
# signs are as often $+$ as $-$. What is left is $s^2 (1 + 4 + 0 + 4) = 9 s^2$. For numbers
# with mean 0 the mean square, here $s^2$, is their **variance**, and its root $s$ their **standard
# deviation**. So the result is **the variance of a weight, times the sum of the squares**, which is
# 4 times their mean $9/4$. To give the new unit the same mean square as the four have, $9/4$, one
# needs $s^2 = 1/4$.
#
# Then comes ReLU. The sum is as often below 0 as above, so half of the mean square is cut away, and
# to make up for it $s^2$ must be twice as large: $2/4$.
#
# ## In symbols
#
# Let a layer have $n$ inputs $h_j$ and weights of mean 0 and variance $\sigma^2$ ("sigma squared").
# For its sum $f$ and its output $h' = \max(0, f)$, with $E$ for the mean over the weights:
#
# $$E f^2 = n\,\sigma^2\,E h^2, \qquad E h'^2 = \tfrac{1}{2} E f^2 = \tfrac{n\,\sigma^2}{2} E h^2
# .$$
#
# Each layer multiplies the mean square by $n \sigma^2 / 2$. Fifty layers multiply it by the
# fiftieth power of that. It stays what it is if $\sigma^2 = 2/n$: **He's** rule. Without the cut of
# ReLU it is $1/n$. On the way back the sums go over the $m$ outputs of the layer, which asks for
# $1/m$; **Xavier's** rule takes the middle, $2/(n + m)$.
#
# ## Exercise A: two rules
#
# Write `he(n)`, the **standard deviation** of the weights of a layer with $n$ inputs and ReLU; and
# `growth(n, variance, layers)`: by what factor the standard deviation of the units grows over so
# many layers of $n$ units, with ReLU.


# %% exercise="18.he"
def he(n):
    # BEGIN SOLUTION
    return math.sqrt(2 / n)
    # END SOLUTION


# %% exercise="18.growth"
def growth(n, variance, layers):
    # BEGIN SOLUTION
    return math.sqrt(n * variance / 2) ** layers
    # END SOLUTION


# %%
my_he = learn.check("18.he", he).working
my_growth = learn.check("18.growth", growth).working
for variance in (0.01, 0.02, 0.025, 0.03):
    units = found[variance][0]
    print(f"{variance:<5}: {units[-1] / units[0]:.2e} measured, {my_growth(80, variance, 49):.2e}")
    assert 0.5 < units[-1] / units[0] / my_growth(80, variance, 49) < 1

# %% [markdown]
# Your factor over 49 layers agrees with the measured one to within a factor of 2, although this is
# one sample of the weights, with 49 layers of chance in it. Your `he` is the library's
# `init.kaiming_normal_` (Kaiming is He's first name), and Xavier's is `init.xavier_normal_`:

# %%
wide = Tensor(np.zeros((300, 400)), requires_grad=True)
init.kaiming_normal_(wide, nonlinearity="relu", generator=np.random.default_rng(0))
assert abs(wide.numpy().std() / my_he(400) - 1) < 0.01
learn.source(init.xavier_normal_)

# %% [markdown]
# ## Other shapes than ReLU
#
# A unit whose sum is negative for every example gives 0 and gets no gradient: it is **dead**. Two
# newer functions leave a way back. **LeakyReLU** keeps a hundredth of what is negative. **GELU**
# multiplies $x$ by the chance $\Phi(x)$ ("phi") that a normal number (mean 0, variance 1) is below
# $x$. Their slopes:

# %%
places = np.linspace(-3, 3, 121)
shapes = {
    "ReLU": nn.ReLU(),
    "LeakyReLU": nn.LeakyReLU(),
    "GELU": nn.GELU(),
    "sigmoid": nn.Sigmoid(),
}
figure, panels = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for (name, shape), style in zip(shapes.items(), ("-", "--", "-.", ":"), strict=True):
    x = Tensor(places, requires_grad=True)
    out = shape(x)
    out.sum().backward()
    panels[0].plot(places, out.numpy(), style, label=name)
    panels[1].plot(places, x.grad, style)
panels[0].set(title="value", ylim=(-1, 3))
panels[1].set(title="slope", ylim=(-0.3, 1.2))
panels[0].legend()
plt.show()

# %% [markdown]
# The sigmoid's slope is at most 0.25. Thirty of them one after the other multiply a gradient by at
# most $0.25^{30} \approx 10^{-18}$, whatever the input. Here are two layers of each kind:

# %%
z = Tensor(np.array([[0.5, -1.0]]), name="z", requires_grad=True)
w = Tensor(np.array([[1.0, 0.5], [-0.5, 1.0]]), name="w", requires_grad=True)
value = ops.sum(ops.sigmoid(ops.sigmoid(z @ w) @ w))
value.backward()
draw(value, names=locals(), detail="compact", direction="TB")

# %% [markdown]
# ## An experiment: thirty layers on the digits
#
# The digits again, with thirty layers of 64 units, 15 epochs of Adam, its rate falling along a
# cosine (lesson 17). Only the beginning differs: besides the two rules, one takes weights too
# small, and one matrices whose rows stand at right angles (**orthogonal**) and are as long as He's
# rule makes them. A last one has the weights that are too small, but what comes into a layer also
# goes past it and is added to what comes out. Guessing at random is right in 10 % of all cases.
# With Xavier's rule, which is right for tanh (near 0 it hardly changes a number), and ReLU, which
# cuts half away in every layer, you reach ...

# %%
guess = learn.predict("Xavier's rule with ReLU", ["10 to 75 %", "over 90 %"])


# %%
class Past(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return x + ops.relu(self.layer(x))


def deep(start, shape, seed):
    manual_seed(seed)
    layers = []
    for _ in range(29):
        layer = nn.Linear(64, 64)
        layers += [Past(layer)] if shape is Past else [layer, shape()]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    for parameter in model.parameters():
        start(parameter) if parameter.ndim == 2 else init.zeros_(parameter)
    return model


def small_start(p):
    init.normal_(p, 0.0, 0.01)


def he_start(p):
    init.kaiming_normal_(p, nonlinearity="relu")


def orthogonal(p):
    init.orthogonal_(p, gain=math.sqrt(2))


# %%
train_set, test_set = data.digits("strat", flat=True)
images, labels = test_set.batch(range(len(test_set)))


def accuracy(start, shape, seed):
    model = deep(start, shape, seed)
    loader = data.DataLoader(train_set, batch_size=32, shuffle=True)
    epochs = learn.pick(full=15, quick=1)
    adam = optim.Adam(model.parameters(), lr=1e-3)
    falling = lr_scheduler.CosineAnnealingLR(adam, epochs)
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": adam, "scheduler": falling}
    fit(model, loader, epochs=epochs, compile=True, progress=False, **options)  # lesson 41
    with no_grad():
        return metrics.accuracy(model(images), labels)


# %%
entries = {
    "N(0, 0.01), ReLU": (small_start, nn.ReLU),
    "Xavier, sigmoid": (init.xavier_normal_, nn.Sigmoid),
    "Xavier, ReLU": (init.xavier_normal_, nn.ReLU),
    "Xavier, tanh": (init.xavier_normal_, nn.Tanh),
    "He, ReLU": (he_start, nn.ReLU),
    "orthogonal, ReLU": (orthogonal, nn.ReLU),
    "N(0, 0.01), past": (small_start, Past),
}
scores = {}
for name in learn.pick(full=[*entries], quick=["Xavier, ReLU", "He, ReLU"]):
    start, shape = entries[name]
    runs = [accuracy(start, shape, seed) for seed in learn.pick(full=(0, 1, 2), quick=(0,))]
    scores[name] = float(np.mean(runs))
    print(f"{name:17} {scores[name]:.1%}  ({', '.join(f'{run:.0%}' for run in runs)})")

# %%
guess.reveal(guess.choices[int(scores["Xavier, ReLU"] > 0.8)])
if learn.pick(full=True, quick=False):
    assert max(scores["N(0, 0.01), ReLU"], scores["Xavier, sigmoid"]) < 0.15
    assert scores["Xavier, ReLU"] < 0.7
    assert scores["Xavier, tanh"] > 0.75
    assert scores["N(0, 0.01), past"] > 0.94
assert scores["He, ReLU"] > learn.pick(full=0.9, quick=0.2)

# %% [markdown]
# Same network (but for the last line), same data, same optimiser, same number of steps: only the
# size of the first random numbers differs. Note how far the seeds of the same wrong start lie
# apart: chance decides where the rule does not. And He's rule is half the story: thirty layers
# still read worse than the one hidden layer of lesson 10. The last line starts with the weights
# with which the first learned nothing, and reads more than nine in ten: with weights near 0 such a
# layer begins as doing nothing, and nothing fades on the way, forward or back. It is a **residual**
# network (lesson 30).
#
# ## Exercise B: all units the same
#
# The simplest start gives every weight of every layer the same number. Break the network: write
# `same(n, m)`, an array of shape (m, n) that is **not** all zeros, and with which every unit of the
# layer computes the same for any input. If the layer after it also treats them alike, they get the
# same gradient, and stay the same for ever.


# %% exercise="18.same"
def same(n, m):
    # BEGIN SOLUTION
    return np.ones((m, n)) / n
    # END SOLUTION


# %%
learn.check("18.same", same)

# %% [markdown]
# Explain it: such a layer of 64 units can do no more than one of a single unit. Random numbers are
# there to make units **different**; the rules of this lesson only say how large they may be.
#
# ## A mistake to make once
#
# The rules need to know how many inputs a unit has. A bias has none:

# %%
try:
    init.kaiming_normal_(Tensor(np.zeros(3)))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `torch.nn.init` has the same functions, with the same underscore at the end: they change the
# tensor they are given. Its `nn.Linear` starts, as ours does, with numbers evenly spread around 0,
# of variance $1/(3n)$, a sixth of He's: good for few layers, and too small for thirty.
#
# ## To read
#
# K. He, X. Zhang, S. Ren and J. Sun, *Delving deep into rectifiers*, 2015: section 2.2 is the
# derivation above, on one page, and figure 3 the thirty layers.
#
# ## Recap
#
# - A layer multiplies the mean square by $n\sigma^2$, and ReLU halves it.
# - $\sigma^2 = 2/n$ keeps it; anything else grows or fades with the power of the depth.
# - The same holds for gradients on the way back, with the number of outputs.
# - Weights must differ: equal ones stay equal.
#
# Left out here: layers that keep the size of their outputs by themselves (lesson 19).
