# %% [markdown]
# # 12 · How long a step
#
# **Question.** The gradient says which way is down. It does not say how far to go. Too short wastes
# time, too long overshoots. How can a step find its own length?
#
# - builds: `bracket_search`, `armijo`
# - uses: `Value`, `draw`, `learn`, `numeric_grad`, `ops`
# - time: 35 minutes to read, 6 s to run
# - covers: A (backtracking line search), B (optimisation), D (line search), E (6_1)
#
# The end first: a loss along one line, and under it a bracket that closes in on the lowest point, a
# third or a half at a time. Each bar is one iteration; its four marks are the only places at which
# the loss is looked at.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Value, draw, learn, numeric_grad, ops
from tinygrad_edu.optim.line_search import armijo, bracket_search

learn.begin("12")
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#007A59"


def loss(p):
    narrow = math.exp(-((p - 0.35) ** 2) / 0.02)
    return 1 - 0.5 * math.exp(-((p - 0.65) ** 2) / 0.1) - 0.45 * narrow


brackets = []
found = bracket_search(loss, visit=lambda *points: brackets.append(points))
places = np.linspace(0, 1, 300)
figure, (top, below) = plt.subplots(2, 1, figsize=(7, 4.4), sharex=True, layout="constrained")
top.plot(places, [loss(p) for p in places], color=BLUE)
top.axvline(found, color=GREEN, linestyle="--", linewidth=1)
top.set_ylabel("loss")
for row, points in enumerate(brackets):
    below.plot([points[0], points[-1]], [row, row], color=ORANGE, linewidth=5, alpha=0.35)
    below.plot(points, [row] * 4, "|", color="black", markersize=8)
below.set(xlabel="distance along the line", ylabel="iteration", ylim=(len(brackets), -1))
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# Take $f(t) = t^2$ at $t = 1$, where the slope is 2, and go against it. With a step of length $s$
# one arrives at $1 - 2s$:
#
# | $s$ | 0.1 | 0.25 | 0.5 | 0.75 | 1 |
# |---|---|---|---|---|---|
# | arrives at | 0.8 | 0.5 | 0 | $-0.5$ | $-1$ |
# | $f$ there | 0.64 | 0.25 | **0** | 0.25 | 1 |
#
# Five lengths, and one of them is perfect. At $s = 1$ nothing is gained: the step jumps across the
# valley to a place just as high. Beyond it the loss grows. The loss in the direction of the step is
# a curve of its own, and a **line search** looks for a low place on it.
#
# ## The first way: close a bracket
#
# Four points $a < b < c < d$ enclose the minimum of a curve with one valley. Look at the loss at
# each, and draw the bracket closer by three rules:
#
# 1. If $f(a)$ is the lowest of the four: move $b$, $c$ and $d$ half-way to $a$.
# 2. Otherwise, if $f(b) < f(c)$: the minimum lies left of $c$. Let $d = c$.
# 3. Otherwise it lies right of $b$. Let $a = b$.
#
# After 2 and 3, put $b$ and $c$ back at a third and two thirds of the way from $a$ to $d$. In
# symbols, a third is $b = a + (d - a)/3$.
#
# ## Exercise A: three rules
#
# Write `narrow(f, a, b, c, d)`: the next four points, as a tuple `(a, b, c, d)`.


# %% exercise="12.narrow"
def narrow(f, a, b, c, d):
    # BEGIN SOLUTION
    if f(a) < min(f(b), f(c), f(d)):
        return a, (a + b) / 2, (a + c) / 2, (a + d) / 2
    if f(b) < f(c):
        d = c
    else:
        a = b
    return a, a + (d - a) / 3, a + 2 * (d - a) / 3, d
    # END SOLUTION


# %%
closer = learn.check("12.narrow", narrow).working

# %% [markdown]
# The lab 6_1 of *Understanding Deep Learning* starts with $(0, 0.33, 0.66, 1)$ and takes at most 10
# rounds. The true minimum is at 0.3803. How near will ten rounds come?

# %%
guess = learn.predict("After ten rounds the answer is off by about", ["0.1", "0.003", "0.0000001"])


# %%
def search(f, rounds):
    points = (0.0, 0.33, 0.66, 1.0)
    for _ in range(rounds):
        if abs(points[1] - points[2]) <= 1e-4:
            break
        points = closer(f, *points)
    return (points[1] + points[2]) / 2


ten, more = search(loss, 10), search(loss, 100)
print(f"10 rounds: {ten:.4f}, loss {loss(ten):.5f}; until it is small: {more:.5f}")
assert (round(ten, 4), round(loss(ten), 5), round(more, 5)) == (0.3832, 0.32876, 0.38035)
assert math.isclose(ten, found)
assert [round(p, 3) for p in brackets[2]] == [0.22, 0.367, 0.513, 0.66]
guess.reveal(min(guess.choices, key=lambda w: abs(math.log(float(w) / abs(ten - more)))))

# %% [markdown]
# Every number is the lab's. The library's `bracket_search` gives the same:

# %%
learn.source(bracket_search)

# %% [markdown]
# ## The second way: take the first step that is good enough
#
# A bracket of ten rounds costs forty looks at the loss, for one step. That is too careful: the
# direction will be another after the step anyway. **Backtracking** tries a long step, and halves it
# until the loss has fallen *enough*. How much is enough? A small move $d$ from $x$ changes the loss
# by $g \cdot d$, where $g$ is the gradient: each slope times the move in its direction, added up.
# So the slope in the direction $-g$ is $-g \cdot g = -|g|^2$. If the loss went on falling like
# that, a step of length $t$ would gain $t\,|g|^2$. Ask for a part of it, say 0.3:
#
# $$f(x - t g) \le f(x) - 0.3\, t\, |g|^2 .$$
#
# This is **Armijo's condition**. Below, for $f(x) = x^4/4 - x$ from $x = 1.7$, it asks for a place
# under the dashed line. Crosses are lengths that are refused; the first that is not, the dot, is
# taken.

# %%
x, g = 1.7, numeric_grad(lambda x: x**4 / 4 - x, 1.7)
lengths = np.linspace(0, 1.0, 200)
along = [(x - t * g) ** 4 / 4 - (x - t * g) for t in lengths]
limit = along[0] - 0.3 * lengths * g * g
axes = plt.figure(figsize=(6.4, 3.2), layout="constrained").gca()
axes.plot(lengths, along, color=BLUE, label="loss after a step of length t")
axes.plot(lengths, limit, "--", color=ORANGE, label="enough")
for t in (1.0, 0.5, 0.25, 0.125):
    y = (x - t * g) ** 4 / 4 - (x - t * g)
    good = y <= along[0] - 0.3 * t * g * g
    axes.plot(t, y, "o" if good else "x", color=GREEN if good else "black", markersize=8)
axes.set(xlabel="t", ylim=(-2.2, 4))
axes.legend()
plt.show()

# %% [markdown]
# ## Exercise A, second part: backtracking
#
# Write `backtrack(f, f0, slope)`. `f(t)` is the loss after a step of length `t`, `f0` the loss
# before it, `slope` the (negative) slope at 0, which is $-|g|^2$ above. Try $t = 1$, then 0.5, then
# 0.25 and so on, and return the first `t` that fulfils Armijo's condition with 0.3.


# %% exercise="12.backtrack"
def backtrack(f, f0, slope):
    # BEGIN SOLUTION
    t = 1.0
    while f(t) > f0 + 0.3 * t * slope:
        t = t / 2
    return t
    # END SOLUTION


# %%
length = learn.check("12.backtrack", backtrack).working
bowl = (lambda t: (t - 0.1) ** 2, 0.01, -0.2)
assert length(*bowl) == armijo(*bowl)

# %% [markdown]
# ## An experiment: the banana valley
#
# Rosenbrock's function is a narrow, bent valley: $(1 - u)^2 + 100\,(v - u^2)^2$, lowest at $(1,
# 1)$. As a graph:

# %%
u, v = Value(-1.2, name="u"), Value(1.0, name="v")
height = ops.square(1 - u) + 100 * ops.square(v - ops.square(u))
draw(height, names=locals(), show=["data"], detail="compact")

# %% [markdown]
# From $(-1.2, 1)$, with a fixed learning rate of 0.002, it takes 10,233 steps until the gradient is
# shorter than $10^{-4}$; with 0.0021 the steps bounce between the walls and never settle. With
# backtracking? (One step now costs several looks at the loss.)

# %%
guess = learn.predict("Steps with backtracking", ["about 200", "about 2,000", "about 9,000"])


# %%
def valley(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def slopes(p):
    across = p[1] - p[0] ** 2
    return np.array([-2 * (1 - p[0]) - 400 * p[0] * across, 200 * across])


def descend(choose, start=(-1.2, 1.0), most=20_000):
    p, path = np.array(start), []
    while np.linalg.norm(slopes(p)) > 1e-4 and len(path) < most:
        path.append(p)
        p = p - choose(p, slopes(p)) * slopes(p)
    return np.array(path)


def backtracking(p, g):
    return length(lambda t: valley(p - t * g), valley(p), -g @ g)


searched, fixed = descend(backtracking), descend(lambda p, g: 0.002)
print(f"backtracking: {len(searched)} steps; fixed: {len(fixed)} steps")
assert (len(searched), len(fixed)) == (182, 10_233)
guess.reveal(min(guess.choices, key=lambda w: abs(int(w[6:].replace(",", "")) - len(searched))))

# %%
us, vs = np.meshgrid(np.linspace(-1.6, 1.4, 200), np.linspace(-0.5, 1.8, 200))
axes = plt.figure(figsize=(6.4, 3.8), layout="constrained").gca()
axes.contourf(us, vs, np.log10(valley((us, vs)) + 1e-3), levels=20, cmap="cividis")
axes.plot(*searched.T, ".-", color="white", linewidth=0.8, markersize=4)
axes.plot(1, 1, "*", color=ORANGE, markersize=12)
axes.set(xlabel="u", ylabel="v")
plt.show()

# %% [markdown]
# See the long white line: one step leaps from one arm of the valley into the other, and lands right
# beside the star. Is that luck? Try other starts:

# %%
starts = [(-1.1, 1.0), (-1.2, 0.5), (0.0, 0.0)]
counts = [len(descend(backtracking, start)) for start in starts]
print("backtracking from other starts:", counts)
assert 1000 < min(counts) <= max(counts) < 2000
assert len(descend(lambda p, g: 0.0021)) == 20_000  # still bouncing

# %% [markdown]
# It was luck: from elsewhere it takes well over a thousand steps. That is still far below 10,000,
# for a fixed length has to be short enough for the narrowest place on the way, and a searched one
# may be long wherever it pays.
#
# ## Exercise B: always down, and never there
#
# Why ask for a *part* of the promised decrease, and not simply for a decrease? Break it: take $f(x)
# = x^2$ from $x = 1$. Write `shrinking(k)`, the length of step number $k = 0, 1, 2, \dots$ (each
# step is `x = x - shrinking(k) * 2 * x`), so that the loss falls in **every** step, and yet after
# thirty steps $x$ is still above 0.5.


# %% exercise="12.shrinking"
def shrinking(k):
    # BEGIN SOLUTION
    return 0.1 * 0.5**k
    # END SOLUTION


# %%
learn.check("12.shrinking", shrinking)

# %% [markdown]
# Explain it: each step goes down, and all steps together do not get far. Armijo's condition refuses
# steps that gain too little for their length; and since backtracking starts from a long step, they
# do not become short without need.
#
# ## A mistake to make once
#
# A line search needs a direction that goes down. Give it the gradient itself instead of its
# opposite, and the slope is positive:

# %%
try:
    armijo(lambda t: (1 + t) ** 2, 1.0, 2.0)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `armijo`, `bracket_search` | none for gradient descent |
# | a line search | `torch.optim.LBFGS(..., line_search_fn="strong_wolfe")` |
#
# ## To read
#
# L. Armijo, *Minimization of functions having Lipschitz continuous first partial derivatives*,
# Pacific Journal of Mathematics 16 (1966), three pages.
#
# ## Recap
#
# - Along a direction the loss is a curve of one variable; a line search finds a low place on it.
# - A bracket finds the minimum and costs many looks; backtracking takes the first good step.
# - Good means a part of what the slope promises. A mere decrease is not enough.
# - On the banana valley searched steps save at least 80 of 100 steps, and with luck 98.
#
# Left out here: noise. With batches the loss differs from step to step, and no search along one
# line can be trusted (lesson 14).
