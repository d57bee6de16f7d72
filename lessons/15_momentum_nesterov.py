# %% [markdown]
# # 15 · Momentum
#
# **Question.** Gradient descent forgets each step as soon as it is taken, and so it zig-zags. What
# does it gain from a memory of where it has been going?
#
# - builds: `momentum`, `nesterov`
# - uses: `SGD`, `Tensor`, `Value.backward`, `Value.grad`, `descent`, `draw`, `learn`, `ops`
# - time: 35 minutes to read, 8 s to run
# - covers: A (momentum), B (optimisation), C (part 2), D (momentum, Nesterov), E (6_4)
#
# The end first: a valley that bends thirty times as much across as along, lowest at $(0, 0)$, and
# 25 steps of three methods. The first crawls along the valley. The second has the weight of a ball:
# it swings far out, and arrives. The third looks where the ball is about to roll. The slider goes
# back to any step.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, draw, learn, ops
from tinygrad_edu.optim import SGD
from tinygrad_edu.widgets import descent

learn.begin("15")
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#007A59"


def roll(kappa, steps, lr, **options):
    """The library's SGD on (u^2 + kappa v^2) / 2, from (1, 1)."""
    place = Tensor(np.array([1.0, 1.0]), requires_grad=True)
    optimizer, path = SGD([place], lr=lr, **options), [place.numpy()]
    for _ in range(steps):
        optimizer.zero_grad()
        (ops.square(place) * np.array([0.5, kappa / 2])).sum().backward()
        optimizer.step()
        path.append(place.numpy())
    return np.array(path)


def best(kappa):
    """The best lengths and memories for such a valley; the papers are named at the end."""
    root = kappa**0.5
    return {
        "gradient descent": {"lr": 2 / (1 + kappa)},
        "momentum": {"lr": 4 / (root + 1) ** 2, "momentum": ((root - 1) / (root + 1)) ** 2},
        "Nesterov": {"lr": 1 / kappa, "momentum": (root - 1) / (root + 1), "nesterov": True},
    }


# %%
paths = {name: roll(30, 25, **options) for name, options in best(30).items()}
ranges = {"x": (-0.5, 1.2), "y": (-2.5, 2.5), "labels": ("u", "v"), "logarithmic": True}
descent(lambda u, v: (u**2 + 30 * v**2) / 2, paths, **ranges)

# %% [markdown]
# ## By hand, with five numbers
#
# Keep a running sum $b$ of the gradients. Before each new one is added, take half of the sum away:
# $b \leftarrow 0.5\,b + g$. Along the valley the gradient always points the same way; across it the
# signs alternate.
#
# | gradient | 1. | 2. | 3. | 4. | 5. | in the end |
# |---|---|---|---|---|---|---|
# | $1, 1, 1, \dots$ | 1 | 1.5 | 1.75 | 1.875 | 1.9375 | 2 |
# | $1, -1, 1, \dots$ | 1 | $-0.5$ | 0.75 | $-0.625$ | 0.6875 | $\pm 0.67$ |
#
# Where the gradients agree the sum is twice as long as each; where they quarrel it is shorter. So
# the learning rate may be larger.
#
# ## In symbols
#
# With a memory $\beta$ ("beta") between 0 and 1, in place of the half, and the learning rate
# $\alpha$ of lesson 14, from $b = 0$ on:
#
# $$b \leftarrow \beta\, b + \nabla L(x), \qquad x \leftarrow x - \alpha\, b .$$
#
# This is **momentum**, or the *heavy ball*. **Nesterov's** variant says: of the old sum, $\beta b$
# will be taken in any case. So take the gradient where that leads:
#
# $$b \leftarrow \beta\, b + \nabla L(x - \alpha \beta\, b), \qquad x \leftarrow x - \alpha\, b .$$
#
# ## Exercise A: the heavy ball
#
# Write `heavy(x, b, g, lr, beta)`: the new `x` and the new `b`, as a pair. `g` is the gradient at
# `x`.


# %% exercise="15.heavy"
def heavy(x, b, g, lr, beta):
    # BEGIN SOLUTION
    b = beta * b + g
    return x - lr * b, b
    # END SOLUTION


# %% [markdown]
# ## Exercise A, second part: look ahead
#
# Write `ahead(x, b, slopes, lr, beta)` by Nesterov's rule: again the new `x` and `b`.
# `slopes(place)` is the gradient at a place.


# %% exercise="15.ahead"
def ahead(x, b, slopes, lr, beta):
    # BEGIN SOLUTION
    b = beta * b + slopes(x - lr * beta * b)
    return x - lr * b, b
    # END SOLUTION


# %%
push = learn.check("15.heavy", heavy).working
look = learn.check("15.ahead", ahead).working
bends = np.array([1.0, 30.0])


def mine(name, lr, momentum=0.0, **_):
    """The places of your two functions; for Nesterov those where the gradient is taken."""
    x, b, path = np.ones(2), np.zeros(2), [np.ones(2)]
    for _ in range(25):
        if name == "Nesterov":
            x, b = look(x, b, lambda place: bends * place, lr, momentum)
            path.append(x - lr * momentum * b)
        else:
            x, b = push(x, b, bends * x, lr, momentum)
            path.append(x)
    return np.array(path)


for name, options in best(30).items():
    assert np.allclose(mine(name, **options), paths[name])

# %% [markdown]
# Your steps are the library's. It writes Nesterov's rule otherwise: its parameter is the place $y =
# x - \alpha\beta\,b$ at which the gradient is taken, so that no gradient is needed anywhere else.
# Put $x = y + \alpha\beta\,b$ into the rule, before the step with the old $b$ and after it with the
# new one, and $y \leftarrow y - \alpha\,(g + \beta\,b)$ is left: the line with `nesterov`.

# %%
learn.source(SGD._update)

# %% [markdown]
# ## An experiment: a hundred times as long as wide
#
# The valley of lesson 13, $\frac{1}{2}(u^2 + 100 v^2)$, cost gradient descent 444 steps until the
# loss was below $10^{-6}$, at its best length. With momentum, at its best:

# %%
guess = learn.predict("Steps with momentum at kappa = 100", ["about 70", "about 220", "about 400"])


# %%
def needed(kappa, name):
    bends, settings = np.array([1.0, kappa]), best(kappa)[name]
    lr, beta = settings["lr"], settings.get("momentum", 0.0)
    x, b, steps = np.ones(2), np.zeros(2), 0
    while np.sum(bends * x**2) / 2 > 1e-6:
        if name == "Nesterov":
            x, b = look(x, b, lambda place: bends * place, lr, beta)
        else:
            x, b = push(x, b, bends * x, lr, beta)
        steps += 1
    return steps


kappas = (3, 10, 30, 100, 300, 1000)
counts = {name: [needed(kappa, name) for kappa in kappas] for name in best(1)}
at_100 = [row[kappas.index(100)] for row in counts.values()]
print(dict(zip(counts, at_100, strict=True)))
assert at_100 == [444, 69, 84]
guess.reveal(min(guess.choices, key=lambda w: abs(int(w[6:]) - at_100[1])))

# %%
axes = plt.figure(figsize=(5.6, 3), layout="constrained").gca()
looks = zip(counts.items(), ("o-", "s-", "^--"), (BLUE, ORANGE, GREEN), strict=True)
for (name, row), style, colour in looks:
    axes.loglog(kappas, row, style, color=colour, label=name)
axes.set(xlabel="condition number $\\kappa$", ylabel="steps")
axes.legend()
plt.show()

# %% [markdown]
# A hundred times the condition number costs gradient descent a hundred times the steps, and the
# other two ten times: they feel its square root.
#
# ## With noise: the lab 6_4
#
# Now the thirty points of lesson 14, in batches of five, from $(-1.5, 6.5)$ and with seed 1. Here
# there is no ideal valley. As a graph, for the first three points:

# %%
text_x = """-1.920 -14.22 1.490 -1.940 -2.389 -5.090 -8.861 3.578 -6.010 -6.995 3.634 .8743 -10.96
.4073 -9.467 8.560 10.62 -.1729 10.40 -12.61 .1574 -13.04 -2.156 -12.10 -11.19 2.902 -8.220 -11.79
-8.391 -4.505"""
text_y = """-1.051 -.02482 .8896 -.4943 -.9371 .4306 .009577 -.07944 .1624 -.2682 -.3129 .8303
-.02365 .5098 -.2777 .3367 .1927 -.2222 .06352 .006888 .03224 .01091 -.5706 -.05258 -.03666 .1709
-.04805 .2008 -.1904 .5952"""
x, y = (np.array(text.split(), dtype=float) for text in (text_x, text_y))


def gradient(phi, x, y):
    u = phi[0] + 0.06 * phi[1] * x
    fade = np.exp(-u * u / 32)
    common = 2 * (np.sin(u) * fade - y) * (np.cos(u) - np.sin(u) * u / 16) * fade
    return np.array([common.sum(), (common * 0.06 * x).sum()])


def heights(offset, frequency):
    u = np.multiply.outer(frequency, 0.06 * x) + np.asarray(offset)[..., None]
    return ((np.sin(u) * np.exp(-u * u / 32) - y) ** 2).sum(axis=-1)


phi = Tensor(np.array([-1.5, 6.5]), name="phi", requires_grad=True)
u = phi[0] + 0.06 * phi[1] * x[:3]
value = ops.square(ops.sin(u) * ops.exp(-u * u / 32) - y[:3]).sum()
value.backward()
assert np.allclose(phi.grad, gradient((-1.5, 6.5), x[:3], y[:3]))
draw(value, names=locals(), detail="compact", direction="TB")

# %% [markdown]
# The lab takes a mean in place of a sum, $m \leftarrow \beta m + (1 - \beta)\,g$, which is $b$
# times $1 - \beta$. So its learning rate 0.6 with $\beta = 0.6$ is our $0.6 \cdot 0.4 = 0.24$. And
# it looks ahead by all of $\alpha b$, not by $\alpha \beta b$.


# %%
def train(name, seed, far=1.0):
    phi, b, path = np.array([-1.5, 6.5]), np.zeros(2), [np.array([-1.5, 6.5])]
    draws, (lr, beta) = np.random.RandomState(seed), (0.6, 0.0) if name == "SGD" else (0.24, 0.6)
    for _ in range(81):
        batch = draws.permutation(30)[:5]
        place = phi - far * lr * b if name == "Nesterov" else phi
        phi, b = push(phi, b, gradient(place, x[batch], y[batch]), lr, beta)
        path.append(phi)
    return np.array(path)


paths = {name: train(name, seed=1) for name in ("SGD", "momentum", "Nesterov")}
final = {name: round(float(heights(*path[-1])), 3) for name, path in paths.items()}
print("seed 1:  ", final)
assert final == {"SGD": 0.936, "momentum": 0.746, "Nesterov": 0.803}
descent(heights, paths, x=(-10, 10), y=(2.5, 22.5), labels=("offset", "frequency"))

# %% [markdown]
# The figures are the lab's. But one seed is an anecdote. The medians of 50:

# %%
runs = {"SGD": {}, "momentum": {}, "Nesterov": {"far": 0.6}, "Nesterov, as in the lab": {}}
medians = {}
for name, options in runs.items():
    ends = [train(name.partition(",")[0], seed, **options)[-1] for seed in range(50)]
    medians[name] = round(float(np.median([heights(*end) for end in ends])), 2)
print("50 seeds:", medians)
assert list(medians.values()) == [1.72, 1.26, 1.41, 1.28]

# %% [markdown]
# Momentum helps: it averages the noise of the batches. Looking ahead gains nothing over it here; by
# how far one looks matters little, and one seed shows neither.
#
# ## Exercise B: for ever back and forth, with a memory
#
# On $f(x) = \frac{k}{2}x^2$ plain steps of length $2/k$ bounce for ever (lesson 13). Break momentum
# too: write `bounce(k, beta)`, the learning rate at which the heavy ball jumps from $x$ to $-x$ and
# back. Then $b$ also changes its sign in every step, and keeps its size.


# %% exercise="15.bounce"
def bounce(k, beta):
    # BEGIN SOLUTION
    return 2 * (1 + beta) / k
    # END SOLUTION


# %%
learn.check("15.bounce", bounce)

# %% [markdown]
# Explain it: why may the step be longer than without a memory? Look at the second row of the table
# at the beginning.
#
# ## A mistake to make once
#
# Nesterov's rule without a memory has nothing to look ahead with:

# %%
try:
    SGD([phi], lr=0.1, nesterov=True)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# `torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True)`, with the same rules. If it is
# installed, it goes the same 25 steps as your functions:


# %%
def theirs(torch, name, options):
    place = torch.ones(2, dtype=torch.float64, requires_grad=True)
    optimizer, path = torch.optim.SGD([place], **options), [np.ones(2)]
    for _ in range(25):
        optimizer.zero_grad()
        ((place * place * torch.tensor(bends)).sum() / 2).backward()
        optimizer.step()
        path.append(place.detach().numpy().copy())
    return np.allclose(path, mine(name, **options), rtol=1e-9, atol=1e-12)


try:
    import torch
except ModuleNotFoundError:
    print("PyTorch is not installed; nothing is compared.")
else:
    assert all(theirs(torch, *pair) for pair in best(30).items())
    print("25 steps of three methods: the same in PyTorch")

# %% [markdown]
# ## To read
#
# I. Sutskever, J. Martens, G. Dahl and G. Hinton, *On the importance of initialization and momentum
# in deep learning*, ICML 2013: both rules side by side, in four equations. The best lengths are
# from B. Polyak's paper of 1964 and Y. Nesterov's *Introductory lectures on convex optimization*.
#
# ## Recap
#
# - Momentum is a fading sum of gradients: long where they agree, short where they quarrel.
# - Nesterov takes the gradient where the memory is about to lead.
# - Both feel the square root of the condition number: 444 steps become 69 and 84.
# - With noisy batches momentum helps, and looking ahead hardly.
#
# Left out here: a step for every weight (lesson 16).
