# %% [markdown]
# # 23 · High dimensions
#
# **Question.** A digit of 8 by 8 pixels is a point in 64 dimensions. What is space like there, and
# which of the things you know about distances, angles and volumes are no longer so?
#
# - builds: nothing
# - uses: `Value`, `Value.backward`, `Value.grad`, `data`, `draw`, `learn`, `ops`
# - time: 30 minutes to read, 8 s to run
# - covers: E (8_4)
#
# The end first: the distances between all pairs of 1,000 points drawn at random, in 2, 100 and
# 1,000 dimensions, each in units of the mean. On the right every point is almost equally far from
# every other.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Value, data, draw, learn, ops

learn.begin("23")


def distances(points):
    """Every pair once: shape (n, d) -> (n (n - 1) / 2,)."""
    rows = [
        np.sqrt(((points[i + 1 :] - points[i]) ** 2).sum(axis=1)) for i in range(len(points) - 1)
    ]
    return np.concatenate(rows)


random = np.random.RandomState(0)  # the generator of the lab, so that its figures come out
pairs = {d: distances(random.normal(size=(d, 1000)).T) for d in (2, 100, 1000)}
_, row = plt.subplots(1, 3, figsize=(9.2, 2.4), sharex=True, layout="constrained")
for axes, (d, found) in zip(row, pairs.items(), strict=True):
    axes.hist(found / found.mean(), bins=80, range=(0, 2.5), color="#0072B2")
    axes.set(title=f"{d} dimensions", xlabel="distance / mean", yticks=[])
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# Take the corners of a square of side 1. The two nearest are **1** apart, the two furthest
# $\sqrt 2 =$ **1.41**. Of a cube: 1 and $\sqrt 3 =$ **1.73**. In $d$ dimensions a corner differs
# from a neighbour in one coordinate and from its opposite in all $d$, so the distances are 1 and
# $\sqrt d$, which is **10** in 100 dimensions. And two of its corners chosen *at random*? They
# differ in about half of the coordinates, give or take a few: they are about $\sqrt{50} =$
# **7.07** apart. The extremes move apart, and nearly all pairs move to the middle.
#
# ## In symbols
#
# For two points whose coordinates are drawn independently, the squared distance is a sum of $d$
# random numbers. A sum of $d$ of them grows like $d$, and its scatter (the standard deviation) like
# $\sqrt d$. The distance is the root of it, and $\sqrt{d + c \sqrt d} \approx \sqrt d + c/2$: it
# grows like $\sqrt d$, and its scatter does not grow at all. So
#
# $$\frac{\text{scatter of the distance}}{\text{mean distance}} \approx \frac{\text{a constant}}
# {\sqrt d} \to 0 .$$
#
# A distance as a graph, in two dimensions. Its gradient has length 1: a small step straight away
# from the other point makes it longer by as much.

# %%
x1, x2 = Value(0.5, name="x1"), Value(1.0, name="x2")
y1, y2 = Value(2.0, name="y1"), Value(-1.0, name="y2")
distance = ops.sqrt(ops.square(x1 - y1) + ops.square(x2 - y2))
distance.backward()
print("gradients:", x1.grad, x2.grad, " their squares add up to", x1.grad**2 + x2.grad**2)
draw(distance, names=locals(), detail="compact")

# %% [markdown]
# ## Exercise A: how unequal are distances?
#
# Write `spread(points)`: the largest distance between two different points, over the smallest.
# `points` has the shape `(n, d)`.


# %% exercise="23.spread"
def spread(points):
    # BEGIN SOLUTION
    largest, smallest = 0.0, np.inf
    for i in range(len(points) - 1):
        found = np.sqrt(np.sum((points[i + 1 :] - points[i]) ** 2, axis=1))
        largest, smallest = max(largest, found.max()), min(smallest, found.min())
    return largest / smallest
    # END SOLUTION


# %%
ratio = learn.check("23.spread", spread).working

# %% [markdown]
# In the plane, the two furthest of 1,000 random points are thousands of times as far apart as the
# two nearest. In 1,000 dimensions?

# %%
guess = learn.predict(
    "In 1,000 dimensions the largest distance is", ["1.2 times", "30 times", "1000 times"]
)

# %%
random = np.random.RandomState(0)
ratios = {d: ratio(random.normal(size=(d, 1000)).T) for d in (2, 100, 1000)}
for d, r in ratios.items():
    print(f"{d:5} dimensions: {r:8.3f}")
assert round(ratios[2]) == 2840
assert [round(ratios[d], 3) for d in (100, 1000)] == [2.038, 1.221]
guess.reveal(min(guess.choices, key=lambda w: abs(math.log(float(w.split()[0]) / ratios[1000]))))

# %% [markdown]
# These are the figures of the lab 8_4. "The nearest neighbour" means little there: all are
# neighbours. That is one reason why methods that compare distances need data which do *not* fill
# the space.
#
# ## Exercise A, second part: how large is a ball?
#
# A ball of radius $r$ in $d$ dimensions has the volume
#
# $$V_d = \frac{\pi^{d/2}}{\Gamma(d/2 + 1)}\; r^d ,$$
#
# where $\Gamma$ ("gamma"; in Python `math.gamma`) is the factorial, extended to halves: $\Gamma(n +
# 1) = n!$. Write `volume(d)` for the ball of **diameter** 1, which just fits into a cube of side 1.


# %% exercise="23.volume"
def volume(d):
    # BEGIN SOLUTION
    return math.pi ** (d / 2) / math.gamma(d / 2 + 1) * 0.5**d
    # END SOLUTION


# %%
ball = learn.check("23.volume", volume).working
print([round(ball(d), 3) for d in range(1, 11)])
published = [1, 0.785, 0.524, 0.308, 0.164, 0.081, 0.037, 0.016, 0.006, 0.002]
assert [round(ball(d), 3) for d in range(1, 11)] == published

# %% [markdown]
# The ball touches every side of the cube, and in ten dimensions it holds two thousandths of it. The
# rest is in the corners, of which there are $2^{10}$. A random point of a cube lies in a corner.
#
# And where in the ball is its volume? A ball of $0.99$ times the radius has $0.99^d$ times the
# volume. The thin shell outside it, one hundredth of the radius, has the rest:

# %%
shells = {d: 1 - 0.99**d for d in (1, 2, 10, 20, 50, 100, 150, 200, 250, 300)}
print({d: round(share, 3) for d, share in shells.items()})
found = [round(share, 3) for share in shells.values()]
assert found == [0.010, 0.020, 0.096, 0.182, 0.395, 0.634, 0.779, 0.866, 0.919, 0.951]
axes = plt.figure(figsize=(6.0, 2.8), layout="constrained").gca()
axes.plot(range(1, 301), [1 - 0.99**d for d in range(1, 301)], color="#0072B2", label="outer 1 %")
axes.plot(
    range(1, 21), [ball(d) for d in range(1, 21)], "--", color="#D55E00", label="ball in cube"
)
axes.set(xlabel="dimensions", ylabel="share of the volume")
axes.legend()
plt.show()

# %% [markdown]
# An orange in 300 dimensions is 95 % peel.
#
# ## An experiment: right angles everywhere
#
# The cosine of the angle between two vectors is $u \cdot v / (|u|\,|v|)$. For random vectors, with
# coordinates about 0 of size 1, $u \cdot v$ is a sum of $d$ numbers about 0, so it scatters by
# $\sqrt d$, and each length is near $\sqrt d$: the cosine scatters by $\sqrt d / d = 1/\sqrt d$.
# Nearly all angles are nearly right angles. And digits, which are points in 64 dimensions? Two of
# them chosen at random, as they are, and after the mean digit has been subtracted:


# %%
def cosines(points, pairs=2000):
    chosen = np.random.default_rng(0).integers(0, len(points), (2, pairs))
    u, v = points[chosen[0]], points[chosen[1]]
    kept = chosen[0] != chosen[1]
    lengths = np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1)
    return ((u * v).sum(axis=1) / lengths)[kept]


digits = data.digits("strat", flat=True)[0].tensors[0].data
sets = {
    "random, 64-D": np.random.default_rng(1).normal(size=(1437, 64)),
    "digits": digits,
    "digits, centred": digits - digits.mean(axis=0),
}
_, row = plt.subplots(1, 3, figsize=(9.2, 2.2), sharex=True, layout="constrained")
scatter = {}
for axes, (name, points) in zip(row, sets.items(), strict=True):
    found = cosines(points)
    scatter[name] = found.std()
    axes.hist(found, bins=60, range=(-1, 1), color="#0072B2")
    axes.set(title=name, xlabel="cosine", yticks=[])
plt.show()
print({name: round(float(s), 3) for name, s in scatter.items()}, " 1/8 =", 1 / 8)
assert abs(scatter["random, 64-D"] - 1 / 8) < 0.01
assert scatter["digits, centred"] > 1.5 * scatter["random, 64-D"]

# %% [markdown]
# Random vectors behave as predicted. Digits do not: even centred, their angles scatter far more. As
# if they lived in fewer dimensions, $1/s^2$ of them for a scatter of $s$:

# %%
effective = 1 / scatter["digits, centred"] ** 2
print(f"digits behave like about {effective:.0f} dimensions, not 64")
assert effective < 30

# %% [markdown]
# Real data fill very little of the space they lie in. That is what makes learning possible at all.
#
# ## Exercise B: half of it in the peel
#
# From which dimension on does the outer hundredth of the radius hold **more than half** of the
# volume? Give the smallest such `dimension`. (A guess by proportion, "1 % at $d = 1$, so 50 % at $d
# = 50$", breaks. Find out why.)

# %% exercise="23.dimension"
# BEGIN SOLUTION instead of: dimension = "?"
dimension = 69
# END SOLUTION

# %%
learn.check("23.dimension", dimension)

# %% [markdown]
# Explain it: what does each further dimension take away, a hundredth of the whole or of what is
# left?
#
# ## A mistake to make once
#
# Squared distances can be had from one matrix product, $|u|^2 + |v|^2 - 2\,u \cdot v$, which is
# quick. For near points it subtracts nearly equal numbers (lesson 02), and the result can be
# negative:

# %%
u = np.array([1000.1, 2000.2, 3000.3])
v = u + 1e-7
squared = u @ u + v @ v - 2 * u @ v
with np.errstate(invalid="raise"):
    try:
        print("by the product:", np.sqrt(squared), " directly:", np.linalg.norm(u - v))
    except FloatingPointError as error:
        print("FloatingPointError:", error, " directly:", np.linalg.norm(u - v))

# %% [markdown]
# Either way the first answer is useless. The squares are near $10^7$ and have sixteen digits each;
# the difference, $3 \cdot 10^{-14}$, lies beyond the last of them.
#
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `distances(points)` | `torch.pdist(points)` |
# | `cosines` | `torch.nn.functional.cosine_similarity` |
#
# ## To read
#
# S. J. D. Prince, *Understanding Deep Learning* (MIT Press 2023), section 8.4.1 and notebook 8_4.
# Then R. Vershynin, *High-Dimensional Probability* (Cambridge 2018), chapter 3.
#
# ## Recap
#
# - Random points in many dimensions are all about equally far apart.
# - A ball in a cube is almost empty, and its volume lies in its outermost layer.
# - Random directions are nearly at right angles, with a scatter of $1/\sqrt d$.
# - Real data are not random points: digits in 64 dimensions behave as if in far fewer.
#
# Left out here: how to find those fewer dimensions (lesson 38).
