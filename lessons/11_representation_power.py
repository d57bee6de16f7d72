# %% [markdown]
# # 11 · What a network can represent
#
# **Question.** A layer of relus is a handful of straight ramps. Which curves can be built from
# ramps, how many does a given accuracy need, and what does a second layer buy?
#
# - builds: nothing
# - uses: `Value`, `Value.backward`, `Value.grad`, `draw`, `learn`, `ops`
# - time: 35 minutes to read, 6 s to run
# - covers: B (universal approximation), D (representation power), E (chapters 3 and 4)
#
# The end first. On the left five ramps, each flat up to its kink and straight after it. On the
# right the same five added up: a curve of straight pieces that follows the grey one.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Value, draw, learn, ops

learn.begin("11")
BLUE, ORANGE = "#0072B2", "#D55E00"


def relu(x):
    return np.maximum(x, 0.0)


def target(x):
    return np.sin(3 * x) + 0.3 * np.sin(9 * x)


xs = np.linspace(-1, 1, 2001)
kinks = np.linspace(-1, 1, 6)
slopes = np.diff(target(kinks)) / np.diff(kinks)
changes = np.diff(slopes, prepend=0.0)
ramps = [a * relu(xs - k) for a, k in zip(changes, kinks[:-1], strict=True)]
_, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.2), layout="constrained")
for ramp in ramps:
    left.plot(xs, ramp, color=BLUE, linewidth=1)
right.plot(xs, target(xs), color="0.6", linewidth=4, label="target")
right.plot(xs, target(-1.0) + sum(ramps), color=BLUE, label="five ramps, added")
right.legend()
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# $\text{relu}(x)$ is 0 up to $x = 0$ and rises with slope 1 after it; $\text{relu}(x - 1)$ does the
# same from $x = 1$ on. Take
#
# $$f(x) = \text{relu}(x) - 2\,\text{relu}(x - 1) + \text{relu}(x - 2)$$
#
# at five places:
#
# | $x$ | 0 | 0.5 | 1 | 1.5 | 2 |
# |---|---|---|---|---|---|
# | $f(x)$ | 0 | 0.5 | 1 | $1.5 - 2 \cdot 0.5 = 0.5$ | $2 - 2 \cdot 1 + 0 = 0$ |
#
# It rises, falls, and is flat after 2: a hat. Between kinks the slope is what has been added so
# far: 1, then $1 - 2 = -1$, then $-1 + 1 = 0$.
#
# ## In symbols
#
# A network with one hidden layer of $h$ relus, all of whose inner weights are 1, is
#
# $$f(x) = c + \sum_{i=1}^{h} a_i\, \text{relu}(x - k_i) .$$
#
# At the kink $k_i$ the slope **changes by** $a_i$. So any curve made of straight pieces is such a
# network: put a kink at every corner, and let $a_i$ be the slope after it minus the slope before
# it. And any smooth curve can be followed by straight pieces, as closely as you like. That is the
# whole of the **universal approximation theorem**, in one dimension.

# %%
x = Value(1.5, name="x")
f = ops.relu(x) - 2.0 * ops.relu(x - 1.0) + ops.relu(x - 2.0)
f.backward()
print("f(1.5) =", f.data, " slope", x.grad)
draw(f, names=locals(), detail="compact")


# %% [markdown]
# ## Exercise A: follow the points
#
# Write `fit(xs, ys)` for increasing `xs`: the pair `(c, a)` for which the network with the kinks
# `xs[0], xs[1], ..., xs[-2]` passes through all the points. `a` has one entry fewer than there are
# points. (`np.diff(v)` gives the differences of neighbours. The first cell did it in passing; write
# it without looking.)


# %% exercise="11.fit"
def fit(xs, ys):
    # BEGIN SOLUTION
    slopes = np.diff(ys) / np.diff(xs)
    return ys[0], np.concatenate([slopes[:1], np.diff(slopes)])
    # END SOLUTION


# %%
solve = learn.check("11.fit", fit).working


# %% [markdown]
# ## An experiment: how many ramps?
#
# The curve above, followed by 8 ramps, 16, 32 and 64. The error is the largest distance anywhere.
# Straight pieces leave a curve by the square of their length. (`x[:, None]` makes a column of x, so
# that each place meets each kink.) So:


# %%
def network(c, a, kinks, x):
    return c + relu(x[:, None] - kinks) @ a


guess = learn.predict(
    "Twice as many ramps: the error becomes", ["half as large", "a quarter as large", "no smaller"]
)

# %%
errors = {}
for h in (8, 16, 32, 64):
    points = np.linspace(-1, 1, h + 1)
    c, a = solve(points, target(points))
    errors[h] = np.abs(network(c, a, points[:-1], xs) - target(xs)).max()
    print(f"{h:3} ramps: largest error {errors[h]:.4f}")
order = np.polyfit(np.log(list(errors)), np.log(list(errors.values())), 1)[0]
print(f"slope on log-log axes: {order:.2f}")
assert abs(order + 2) < 0.1
assert errors[8] < 0.225
assert errors[64] <= 0.0036
guess.reveal("a quarter as large" if order < -1.5 else "half as large")

# %% [markdown]
# A hundred times more accurate costs ten times as many units. That is in one dimension. In two, the
# pieces must cover a square, and ten times as many along each side are a hundred; in 64 dimensions,
# those of the digits, no number of pieces would do. That networks work there all the same is not
# the theorem's doing: real data fill very little of the space.
#
# ## Two dimensions: regions
#
# In the plane a relu unit has no kink but a **line**: on one side it is off, on the other on. The
# lines cut the plane into regions, and on each region the network is a plane, tilted in its own
# way. Count the regions by which units are on:


# %%
def patterns(layers, points):
    """For each point one number for the units that are on."""
    h, on = points, []
    for w, b in layers:
        h = h @ w + b
        on.append(h > 0)
        h = relu(h)
    return np.unique(np.column_stack(on), axis=0, return_inverse=True)[1].ravel()


def layer(random, n, m):
    w = random.normal(size=(n, m))
    return w / np.linalg.norm(w, axis=0), random.uniform(-0.6, 0.6, m)


# %%
side = learn.pick(full=500, quick=200)
u, v = np.meshgrid(np.linspace(-1.5, 1.5, side), np.linspace(-1.5, 1.5, side))
plane = np.column_stack([u.ravel(), v.ravel()])
random = np.random.default_rng(3)
first, second = layer(random, 2, 8), layer(random, 8, 8)
_, row = plt.subplots(1, 2, figsize=(7.6, 3.9), layout="constrained")
counts = []
stacks = {"one layer of 8": [first], "two layers of 8": [first, second]}
for axes, (name, layers) in zip(row, stacks.items(), strict=True):
    found = patterns(layers, plane)
    counts.append(found.max() + 1)
    shuffled = np.random.default_rng(0).permutation(counts[-1])
    axes.imshow(shuffled[found].reshape(side, side), cmap="cividis", origin="lower")
    axes.set(xticks=[], yticks=[], title=f"{name}: {counts[-1]} regions")
plt.show()
assert counts[0] <= 1 + 8 + 8 * 7 // 2
assert counts[1] > counts[0]

# %% [markdown]
# Eight lines cut a plane into at most $1 + 8 + \frac{8 \cdot 7}{2} = 37$ regions; some of them lie
# outside the picture. The second layer cuts each of these regions again, along lines that **bend**
# where they cross the first ones.
#
# ## Depth folds
#
# What can a second layer do that more units in the first cannot do as cheaply? It can use one fold
# twice. Fold a strip of paper, fold the folded strip again, and cut a notch: unfolded, there are
# four notches for one cut. The fold is the hat from above, on the strip from 0 to 1:


# %%
def hat(x):
    return 2 * relu(x) - 4 * relu(x - 0.5)


strip = np.linspace(0, 1, 2**12 + 1)
_, row = plt.subplots(1, 3, figsize=(9.2, 2.2), layout="constrained")
folded = strip
for depth, axes in enumerate(row, 1):
    folded = hat(folded)
    axes.plot(strip, folded, color=ORANGE)
    axes.set(title=f"depth {depth}: {2 * depth} units", xticks=[0, 1], yticks=[0, 1])
plt.show()

# %% [markdown]
# Each layer doubles the number of pieces. Ten layers of two units make $2^{10} = 1024$ pieces; one
# layer needs about 1,024 units for that.
#
# ## Exercise B: a fold that does not fold
#
# Not every hat works. Break it: write `weak(x)` for an array `x`, made of two relus, a hat **on the
# strip from 0 to 1** with a rising and a falling piece, such that three of them in a row still make
# **only two pieces**.


# %% exercise="11.weak"
def weak(x):
    # BEGIN SOLUTION
    return np.maximum(x, 0.0) - 2 * np.maximum(x - 0.5, 0.0)
    # END SOLUTION


# %%
learn.check("11.weak", weak)

# %% [markdown]
# Explain it: what does the second hat see of the first one? A fold pays only if what comes out
# fills the strip again. Networks at random do not fold so neatly, and how much depth helps in
# practice has to be measured (lessons 29 and 30).
#
# ## A mistake to make once
#
# Two points at the same place would need an infinite slope. NumPy only warns of a division by zero,
# and goes on with `inf`. One can ask for an error:

# %%
with np.errstate(divide="raise"):
    try:
        solve(np.array([0.0, 0.5, 0.5]), np.array([0.0, 1.0, 2.0]))
    except FloatingPointError as error:
        print("FloatingPointError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `relu(x[:, None] - kinks) @ a + c` | `torch.nn.Sequential(Linear(1, h), ReLU(), Linear(h, 1))` |
# | which units are on | no name; read it off the outputs of the hidden layers |
#
# ## To read
#
# G. Cybenko, *Approximation by superpositions of a sigmoidal function*, Mathematics of Control,
# Signals and Systems 2 (1989). On folds: M. Telgarsky, *Benefits of depth in neural networks*,
# arXiv:1602.04485 (2016). On regions: G. Montúfar and others, arXiv:1402.1869 (2014).
#
# ## Recap
#
# - One layer of relus is a sum of ramps; at each kink the slope changes by that unit's weight.
# - With $h$ ramps the error falls like $h^{-2}$, in one dimension.
# - In the plane units are lines, and the lines make regions; a second layer cuts them again.
# - Depth can double the pieces with two units, if each fold fills the strip.
#
# Left out here: finding the weights by training, which is a different question from whether they
# exist (lessons 12 to 19).
