# %% [markdown]
# # 21 · Too simple, too free
#
# **Question.** A model can be wrong because it is too simple, or because it believes its few
# examples too much. How much of an error is which, and where is the best place between the two?
#
# - builds: nothing
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `draw`, `learn`, `ops`, `sweep`
# - time: 35 minutes to read, 8 s to run
# - covers: B (generalisation), C (overfitting), D (bias and variance), E (8_2)
#
# The end first. A hundred times, fifteen noisy examples of the grey curve were drawn and a model
# was fitted to them; each thin line is one fit. With 1 hidden unit all fits agree, and are wrong.
# With 12 each is wrong in its own way. With 4 they are nearly right.

# %%
import tempfile

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, draw, learn, ops
from tinygrad_edu.train import sweep

learn.begin("21")
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#007A59"
grid = np.linspace(0, 1, 100)


def truth(x):
    return np.exp(np.sin(2 * np.pi * x))


def examples(random, n=15, noise=0.3):
    """One x in each of n equal parts of [0, 1], and the curve there with noise."""
    x = np.array([random.uniform(i / n, (i + 1) / n) for i in range(n)])
    return x, np.array([truth(place) + random.normal(0, noise) for place in x])


def ramps(x, units):
    """A column of ones, and one ramp for each unit: (n,) -> (n, 1 + units)."""
    kinks = np.arange(units) / units
    return np.column_stack([np.ones(len(x)), np.maximum(x[:, None] - kinks, 0)])


# %%
def fits(random, units, n=15, noise=0.3, times=100):
    """The curves that were fitted, on the grid: (times, 100)."""
    curves = []
    for _ in range(times):
        x, y = examples(random, n, noise)
        weights = np.linalg.lstsq(ramps(x, units), y, rcond=None)[0]
        curves.append(ramps(grid, units) @ weights)
    return np.array(curves)


def fan(counts):
    _, row = plt.subplots(1, len(counts), figsize=(9.2, 2.7), sharey=True, layout="constrained")
    for axes, units in zip(row, counts, strict=True):
        curves = fits(np.random.RandomState(1), units)
        axes.plot(grid, curves.T, color=BLUE, alpha=0.15, linewidth=0.7)
        axes.plot(grid, truth(grid), color="0.5", linewidth=4)
        axes.plot(grid, curves.mean(axis=0), "--", color=ORANGE, linewidth=2)
        axes.set(title=f"hidden units: {units}", xlabel="x", ylim=(-1, 4))
    plt.show()


fan([1, 4, 12])

# %% [markdown]
# The model is that of lesson 11: a constant and some ramps (relus) with fixed kinks, equally
# spaced. Only the weights of these columns are fitted, and those with the smallest sum of squared
# errors can be computed at once (`np.linalg.lstsq`, *least squares*). The dashed line is the mean
# of the hundred fits.
#
# ## By hand, with five numbers
#
# At one place the curve is **2**. Four data sets lead to four models, which say there
#
# $$2,\quad 3,\quad 3,\quad 4 .$$
#
# Their mean is 3. It is off by $3 - 2 = 1$: the **bias**, here 1. Around their mean they are off by
# $-1, 0, 0, 1$; the mean of the squares is $2/4 = 0.5$: the **variance**. How far are they from the
# curve? $0, 1, 1, 4$ are the squares, and their mean is $6/4 = 1.5 = 1^2 + 0.5$.
#
# ## In symbols
#
# Let $t$ be the true value at a place, $f$ what a model says there (a matter of chance, since its
# data are), and $\bar f$ the mean of $f$ over all data sets. Write
# $f - t = (f - \bar f) + (\bar f - t)$, square, and take the mean. The mixed term is
# $2\,(\bar f - t)$ times the mean of $f - \bar f$, which is 0:
#
# $$\overline{(f - t)^2} = \underbrace{(\bar f - t)^2}_{\text{bias}^2} +
# \underbrace{\overline{(f - \bar f)^2}}_{\text{variance}} .$$
#
# A new example $y$ is not $t$ but $t$ with noise of variance $\sigma^2$ ("sigma squared"), which no
# model can know. So the expected error on new data is $\text{bias}^2 + \text{variance} + \sigma^2$.
#
# ## Exercise A: the two terms
#
# Write `terms(curves, true)`: the squared bias and the variance, each averaged over the places, as
# two numbers. `curves` has one fit in each row, shape `(fits, places)`; `true` is the curve, shape
# `(places,)`.


# %% exercise="21.terms"
def terms(curves, true):
    # BEGIN SOLUTION
    middle = curves.mean(axis=0)
    return np.mean((middle - true) ** 2), np.mean((curves - middle) ** 2)
    # END SOLUTION


# %%
two = learn.check("21.terms", terms).working

# %% [markdown]
# And the five numbers as a graph. Does it matter for the gradient how an error came about?

# %%
said = Tensor(np.array([2.0, 3.0, 3.0, 4.0]), name="said", requires_grad=True)
error = ops.square(said - 2.0).mean()
error.backward()
print("error", error.item(), " bias^2, variance:", *two(said.numpy()[:, None], np.array([2.0])))
print("gradient", said.grad)
draw(error, names=locals(), detail="compact")

# %% [markdown]
# No: each model is only pulled towards the truth. The split is a way to *look* at errors, over many
# data sets; a single model does not have a variance.
#
# ## An experiment: 1 to 12 units
#
# This is the lab 8_2: 15 examples, noise 0.3, a hundred data sets for each number of units. The
# more units, the smaller the bias and the larger the variance. Where is the sum smallest?

# %%
guess = learn.predict("The smallest sum is at", ["4 units", "8 units", "12 units"])

# %%
random = np.random.RandomState(1)  # the generator of the lab, once through all twelve
table = np.array([two(fits(random, units), truth(grid)) for units in range(1, 13)])
bias, variance = table.T
best = 1 + int(table.sum(axis=1).argmin())
for name, row in (("bias^2", bias), ("variance", variance)):
    print(f"{name:9}", *(f"{value:.3f}" for value in row))
published = """.308 .308 .061 .005 .011 .006 .003 .001 .003 .001 .002 .004
.014 .024 .025 .031 .040 .049 .055 .081 .075 .102 .156 .208"""
published = np.array(published.split(), dtype=float).reshape(2, 12)
assert np.allclose(table.T, published, atol=1.5e-3)
assert best == 4
assert abs(table.sum(axis=1)[3] - 0.036) < 1.5e-3
guess.reveal(f"{best} units")


# %%
def u_curve(axes, units, bias, variance):
    axes.plot(units, bias, "s-", color=GREEN, label="bias²")
    axes.plot(units, variance, "^-", color=ORANGE, label="variance")
    axes.plot(units, bias + variance, "o-", color=BLUE, label="sum")
    axes.axvline(units[int((bias + variance).argmin())], color="0.6", linestyle=":")
    axes.set(xlabel="hidden units", ylim=(0, 0.5))


axes = plt.figure(figsize=(5.6, 3), layout="constrained").gca()
u_curve(axes, np.arange(1, 13), bias, variance)
axes.legend()
plt.show()

# %% [markdown]
# A **U**: too simple on the left, too free on the right. Note that the bias does not fall all the
# way: with 5 units it is larger than with 4. The curve has a hill near $x = 1/4$ and a valley near
# $3/4$, and four units have their kinks just there.
#
# ## What would change it
#
# If variance is believing too few examples, then four times as many should help, and move the best
# place to the right. Less noise should do the same. To see whether that holds, and not only for one
# seed, `sweep` runs a function for every point of a grid and every seed (lesson 17). Each
# result goes into a small file as soon as it is there, so that what was interrupted can go on:


# %%
def run(n, noise, units, seed):
    curves = fits(np.random.RandomState(seed), units, n, noise, times=learn.pick(full=50, quick=15))
    return dict(zip(("bias", "variance"), two(curves, truth(grid)), strict=True))


points = {"n": [15, 60], "noise": [0.3, 0.1], "units": [*range(1, 13)]}
with tempfile.TemporaryDirectory() as folder:
    found = sweep(run, points, seeds=learn.pick(full=range(3), quick=[0]), cache=folder)
    again = sweep(run, points, seeds=[0], cache=folder)
print(len(found), "runs; a second sweep reads", len(again), "of them from their files")

# %%
sums = found.mean("bias") + found.mean("variance")  # (n, noise, units)
_, row = plt.subplots(1, 4, figsize=(9.6, 2.6), sharey=True, layout="constrained")
cases = [(i, j) for i in range(2) for j in range(2)]
for axes, (i, j) in zip(row, cases, strict=True):
    u_curve(axes, points["units"], found.mean("bias")[i, j], found.mean("variance")[i, j])
    axes.set_title(f"{points['n'][i]} examples, noise {points['noise'][j]}", fontsize=10)
row[0].legend()
plt.show()
lowest = 1 + sums.argmin(axis=2)
print("best number of units\n", lowest)
assert lowest.tolist() == [[4, 4], [4, 10]] or learn.mode() == "quick"
assert (found.mean("variance")[1, 0] < found.mean("variance")[0, 0])[3:].all()

# %% [markdown]
# More examples, or less noise, lower the variance and leave the bias alone. The bottom of the U is
# slower to move: either change alone leaves it at 4, since 5 units have the larger bias; both
# together move it to 10. "Too many weights" means nothing without "for how many examples".
#
# ## Exercise B: the error you can measure
#
# In practice nobody knows the true curve. One measures the error on **new noisy examples** instead.
# Check the formula by brute force: write `measured(curves, true, noise, random)`. For every fit
# (row) draw new examples at all places, the true value plus `noise * random.normal(size=...)`, a
# fresh one for each fit and place; return the mean squared difference to the fits. What does it
# come to, when there are many fits?


# %% exercise="21.measured"
def measured(curves, true, noise, random):
    # BEGIN SOLUTION
    fresh = true + noise * random.normal(size=curves.shape)
    return np.mean((curves - fresh) ** 2)
    # END SOLUTION


# %%
brute = learn.check("21.measured", measured).working
curves = fits(np.random.RandomState(2), 4)
left = brute(curves, truth(grid), 0.3, np.random.RandomState(3))
right = sum(two(curves, truth(grid))) + 0.3**2
print(f"measured {left:.4f}; bias² + variance + noise² = {right:.4f}")
assert abs(left / right - 1) < 0.05

# %% [markdown]
# Explain it: how much of this error could the best model in the world save? And what would you
# measure on the *same* examples that a model was fitted to, when it passes through all of them?
#
# ## A mistake to make once
#
# A run that fails does not stop the others. Its point and its seed are named, and what was found
# is kept:


# %%
def broken(units, seed):
    return 1 / (units - seed)


try:
    sweep(broken, {"units": [1, 2]}, seeds=[0, 1], progress=False)
except RuntimeError as error:
    print("\n".join(str(error).splitlines()[:2]))

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `np.linalg.lstsq(A, y)` | `torch.linalg.lstsq(A, y)` |
# | `sweep(run, grid, seeds)` | none; Ray Tune and Optuna are libraries of their own for it |
#
# ## To read
#
# S. Geman, E. Bienenstock and R. Doursat, *Neural networks and the bias/variance dilemma*, Neural
# Computation 4 (1992), the first ten pages. The lab is 8_2 of *Understanding Deep Learning*.
#
# ## Recap
#
# - The expected error is bias² + variance + noise²; nothing helps against the last.
# - Bias: the mean of all fits is off. Variance: the fits differ from each other.
# - More freedom lowers the one and raises the other; more examples lower the variance alone.
# - A sweep runs every point of a grid with several seeds, and can be interrupted.
#
# Left out here: what happens when one goes on to the right, far beyond the end of this picture
# (lesson 22).
