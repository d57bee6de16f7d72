# %% [markdown]
# # 13 · Gradient descent
#
# **Question.** Go against the gradient, as far as is good, and again. Why does this simplest of all
# methods zig-zag, and what decides how long it takes?
#
# - builds: `GradientDescent`
# - introduces: `descent`
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `bracket_search`, `draw`, `learn`
# - time: 35 minutes to read, 6 s to run
# - covers: A (gradient descent), B (optimisation), D (gradient descent), E (6_2)
#
# The end first: the loss of a straight line through twelve points, for every intercept and slope.
# Ten steps, each as far as it pays, go back and forth across a valley instead of along it, towards
# the star at its lowest point.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, draw, learn
from tinygrad_edu.optim import GradientDescent
from tinygrad_edu.optim.line_search import bracket_search
from tinygrad_edu.widgets import descent

learn.begin("13")
x = np.array([0.03, 0.19, 0.34, 0.46, 0.78, 0.81, 1.08, 1.18, 1.39, 1.60, 1.65, 1.90])
y = np.array([0.67, 0.85, 1.05, 1.00, 1.40, 1.50, 1.30, 1.54, 1.55, 1.68, 1.73, 1.60])


# %%
def loss(phi):
    return np.sum((phi[0] + phi[1] * x - y) ** 2)


def descend(start, steps):
    """The library's gradient descent with the settings of the lab: the path, losses, lengths."""
    phi = Tensor(np.array(start), name="phi", requires_grad=True)
    optimizer = GradientDescent([phi], lr=0.1, line_search_fn="bracket", thresh=1e-5, max_iter=15)

    def closure():
        optimizer.zero_grad()
        value = ((phi[0] + phi[1] * x - y) ** 2).sum()
        value.backward()
        return value

    path, lengths = [phi.numpy()], []
    for _ in range(steps):
        optimizer.step(closure)
        path.append(phi.numpy())
        lengths.append(optimizer.step_size)
    return np.array(path), lengths


# %%
def valley(path):
    across, up = np.meshgrid(np.linspace(0, 2, 200), np.linspace(-1, 1, 200))
    heights = sum((across + up * a - b) ** 2 for a, b in zip(x, y, strict=True))
    axes = plt.figure(figsize=(6.2, 4.2), layout="constrained").gca()
    axes.contourf(across, up, np.log10(heights), levels=25, cmap="cividis")
    axes.plot(*path.T, "o-", color="white", markersize=4, linewidth=1)
    axes.plot(0.826, 0.522, "*", color="#D55E00", markersize=12)
    axes.set(xlabel="intercept", ylabel="slope", xlim=(0, 2), ylim=(-1, 1))
    plt.show()


path, lengths = descend((1.6, -0.5), 10)
valley(path)

# %% [markdown]
# ## By hand, with five numbers
#
# Fit a line through the origin, $\phi x$, to the single point $x = 2$, $y = 6$. Start at $\phi =
# 1$. The five numbers: the prediction $1 \cdot 2 = 2$; the difference $2 - 6 = -4$; the loss $16$;
# its slope for $\phi$, by the chain rule $2 \cdot (-4) \cdot 2 = -16$; and the new $\phi = 1 + 0.1
# \cdot 16 = 2.6$ after a step of length 0.1. The prediction is now 5.2, and the loss 0.64.
#
# ## In symbols
#
# For the line $\phi_0 + \phi_1 x$ and the loss $L = \sum_i (\phi_0 + \phi_1 x_i - y_i)^2$, write
# $r_i = \phi_0 + \phi_1 x_i - y_i$ for what is left over. By the rules of lesson 07
#
# $$\frac{\partial L}{\partial \phi_0} = \sum_i 2 r_i, \qquad
# \frac{\partial L}{\partial \phi_1} = \sum_i 2 r_i x_i, \qquad
# \phi \leftarrow \phi - t\, \nabla L .$$
#
# $\nabla L$ ("nabla L") is the two slopes together, the gradient. The length $t$ comes from a line
# search (lesson 12).
#
# ## Exercise A: two slopes
#
# Write `gradient(phi, x, y)`: a NumPy array of the two slopes. `x` and `y` are arrays.


# %% exercise="13.gradient"
def gradient(phi, x, y):
    # BEGIN SOLUTION
    r = phi[0] + phi[1] * x - y
    return np.array([np.sum(2 * r), np.sum(2 * r * x)])
    # END SOLUTION


# %%
slopes = learn.check("13.gradient", gradient).working
print("loss at (0.6, -0.2):", round(loss((0.6, -0.2)), 3), " gradient:", slopes((0.6, -0.2), x, y))
assert round(loss((0.6, -0.2)), 3) == 12.367
assert np.allclose(slopes((0.6, -0.2), x, y), (-21.904, -26.840), atol=1e-3)

# %% [markdown]
# Both are the figures of the lab 6_2 of *Understanding Deep Learning*. The engine reads the same
# off this graph:

# %%
phi = Tensor(np.array([0.6, -0.2]), name="phi", requires_grad=True)
value = ((phi[0] + phi[1] * x - y) ** 2).sum()
value.backward()
assert np.allclose(phi.grad, slopes((0.6, -0.2), x, y))
draw(value, names=locals(), detail="compact", direction="TB")

# %% [markdown]
# ## Exercise A, second part: a step
#
# Write `step(f, g, phi)`: one step of gradient descent. `f` is the loss and `g` the gradient, both
# functions of `phi`, an array. Find the length with `bracket_search(h, max_dist=0.1, thresh=1e-5,
# max_iter=15)`, where `h(t)` is the loss after a step of length `t` (`max_dist` is the longest that
# is tried). Return the new `phi`.


# %% exercise="13.step"
def step(f, g, phi):
    # BEGIN SOLUTION
    direction = -g(phi)
    t = bracket_search(lambda t: f(phi + t * direction), max_dist=0.1, thresh=1e-5, max_iter=15)
    return phi + t * direction
    # END SOLUTION


# %%
go = learn.check("13.step", step).working
here, losses = np.array([1.6, -0.5]), []
for _ in range(11):
    losses.append(loss(here))
    here = go(loss, lambda p: slopes(p, x, y), here)
print("losses: ", np.round(losses, 3))
print("lengths:", np.round(lengths, 4))
published = [5.020, 2.835, 1.657, 1.006, 0.649, 0.450, 0.340, 0.278, 0.243, 0.224, 0.213]
assert np.allclose(losses, published, atol=6e-4)
assert np.allclose([loss(p) for p in path], losses)

# %% [markdown]
# Eleven losses, as the lab publishes them, and your steps are the library's. Look at the lengths:
# short, long, short, long. And look at the picture: each step turns by a right angle (drawn a
# little wider, since the two axes differ in scale). It must, for a step ends where the loss no
# longer falls in its direction; there the slope along it is 0, and so the new gradient stands
# square to it.
#
# ## What decides the speed
#
# A valley has a narrow and a long side. How strongly a curve bends is how fast its slope changes:
# the slope of the slope, its **second derivative**. Here there are two slopes, and each changes
# with both numbers. Differentiate the two sums above once more, by $\phi_0$ and by $\phi_1$, and
# the four second derivatives make the matrix below. How strongly the loss bends along the valley
# and across it can be read off that matrix: they are its two **eigenvalues**, which NumPy finds.

# %%
second = 2 * np.array([[len(x), x.sum()], [x.sum(), (x * x).sum()]])
low, high = np.linalg.eigvalsh(second)
print(
    f"it bends by {low:.2f} along the valley and {high:.2f} across: {high / low:.1f} times as much"
)
assert (round(low, 2), round(high, 2)) == (3.99, 50.03)

# %% [markdown]
# And this is what it does to steps of one fixed length. Move the slider back to the start, and walk
# beside all three: the search, a short length, and one just below $2/50 = 0.04$, above which the
# steps would lead away (exercise B).


# %%
def heights(intercept, slope):
    return sum((intercept + slope * a - b) ** 2 for a, b in zip(x, y, strict=True))


def fixed(length):
    places = [np.array([1.6, -0.5])]
    for _ in range(10):
        places.append(places[-1] - length * slopes(places[-1], x, y))
    return np.array(places)


ways = {"searched": path, "fixed, 0.01": fixed(0.01), "fixed, 0.038": fixed(0.038)}
ends = {name: float(heights(*way[-1])) for name, way in ways.items()}
assert ends["searched"] < ends["fixed, 0.038"] < ends["fixed, 0.01"]
axes = {"x": (0, 2), "y": (-1, 1), "labels": ("intercept", "slope"), "logarithmic": True}
descent(heights, ways, **axes)

# %% [markdown]
# The short steps come down at once and then creep; the long ones jump from wall to wall, and yet
# get further along the valley. The ratio of the two eigenvalues is the **condition number**
# $\kappa$ ("kappa"), here 12.5. The step has to be short enough for the steep side, at most $2 /
# 50$, and is then too short for the flat one.
#
# ## An experiment: a valley a hundred times as long as wide
#
# Take $f = \frac{1}{2}(u^2 + 100\,v^2)$, with $\kappa = 100$, from $(1, 1)$. The slopes are $u$ and
# $100\,v$, so a step of length $t$ multiplies $u$ by $1 - t$ and $v$ by $1 - 100\,t$. The best
# fixed length makes both equally small, $t = 2 / (1 + 100)$: then they are $99/101$ and $-99/101$.
# How many steps until $f$ is below $10^{-6}$?

# %%
guess = learn.predict("Steps at kappa = 100", ["about 20", "about 450", "about 10,000"])


# %%
def steps_needed(kappa):
    bends = np.array([1.0, kappa])
    here, steps = np.array([1.0, 1.0]), 0
    while np.sum(bends * here**2) / 2 > 1e-6:
        here, steps = here - 2 / (1 + kappa) * bends * here, steps + 1
    return steps


counts = {kappa: steps_needed(kappa) for kappa in (1, 10, 100, 1000)}
print(counts)
assert counts[100] == 444
guess.reveal(min(guess.choices, key=lambda w: abs(int(w[6:].replace(",", "")) - counts[100])))

# %% [markdown]
# Ten times as long and narrow takes about ten times as many steps; a round valley takes one. So one
# wants methods that do not feel the shape so much. Momentum needs 69 steps here (lesson 15). And
# one can change the shape: inputs of similar size make rounder valleys.
#
# ## Exercise B: for ever back and forth
#
# On $f(x) = \frac{k}{2} x^2$ a step of length $t$ multiplies $x$ by $1 - t k$. Break the descent:
# write `bounce(k)`, the length at which it neither comes nearer nor goes away, but jumps from $x$
# to $-x$ and back for ever.


# %% exercise="13.bounce"
def bounce(k):
    # BEGIN SOLUTION
    return 2 / k
    # END SOLUTION


# %%
learn.check("13.bounce", bounce)

# %% [markdown]
# Explain it: what happens at half that length, and what just above it? This is the limit that every
# learning rate meets, in the direction in which the loss bends most.
#
# ## A mistake to make once
#
# A line search asks for the loss again and again, so the optimiser needs a function that computes
# it, such as the `closure` in the first cell. Without one it says so:

# %%
try:
    GradientDescent([phi]).step()
except TypeError as error:
    print("TypeError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `GradientDescent` with a line search | none; `torch.optim.LBFGS` searches along a line |
# | a closure | `optimizer.step(closure)`, for `LBFGS` |
#
# ## To read
#
# A. Cauchy, *Méthode générale pour la résolution des systèmes d'équations simultanées*, Comptes
# rendus 25 (1847): three pages, from which all of this comes.
#
# ## Recap
#
# - Go against the gradient; let a line search say how far.
# - With the best length, each step stands square to the last: a zig-zag.
# - The number of steps grows with the condition number, the shape of the valley.
# - On a curve that bends by $k$, a length above $2/k$ leads away.
#
# Left out here: losses with several valleys, and data too many to add up in every step (lesson 14).
