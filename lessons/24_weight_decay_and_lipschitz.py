# %% [markdown]
# # 24 · How steep can a network be?
#
# **Question.** How far can the answer of a network change when its input changes a little? Is there
# a bound that can be read off the weights, and does it help to keep it low?
#
# - builds: `spectral_norm`, `weight_decay`, `lipschitz_bound`
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `fit`, `init`, `learn`,
#   `manual_seed`, `metrics`, `nn`, `no_grad`, `ops`, `ops.cross_entropy`, `optim`, `sweep`
# - time: 40 minutes to read, 25 s to run
# - covers: A (Lipschitz continuity, weight decay), B (regularisation), D (regularisation)
#
# The end first: a digit, and the same digit with every pixel changed by at most 0.1, in the
# direction that hurts most. You read it as before; the network reads something else.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, metrics, nn, no_grad, ops, optim
from tinygrad_edu.nn import init
from tinygrad_edu.train import fit, sweep

learn.begin("24")
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#007A59"
train_set, test_set = data.digits("strat", flat=True)
images, labels = test_set.batch(range(len(test_set)))


# %%
def train(decay, seed):
    manual_seed(seed)
    layers = [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)]
    for layer in layers[::2]:
        init.kaiming_normal_(layer.weight, nonlinearity="relu")
        init.zeros_(layer.bias)
    model = nn.Sequential(*layers)
    fit(
        model,
        data.DataLoader(train_set, batch_size=32, shuffle=True),
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.AdamW(
            model.parameters(), lr=learn.pick(full=1e-3, quick=5e-3), weight_decay=decay
        ),
        epochs=learn.pick(full=60, quick=5),
        compile=True,  # lesson 41
        progress=False,
    )
    return model.eval()


def attacked(model, size=0.1):
    """The test images, every pixel moved by `size` to where the loss grows."""
    x = Tensor(images.numpy(), requires_grad=True)
    nn.functional.cross_entropy(model(x), labels).backward()
    return Tensor(x.data + size * np.sign(x.grad))


# %%
model = train(0.0, seed=0)
moved = attacked(model)
before, after = (model(x).data.argmax(axis=1) for x in (images, moved))
chosen = np.flatnonzero((before == labels.data) & (after != labels.data))[:4]
_, rows = plt.subplots(2, 4, figsize=(6.4, 3.5), layout="constrained")
for column, i in zip(rows.T, chosen, strict=False):
    for axes, x, said in zip(column, (images, moved), (before, after), strict=True):
        axes.imshow(x.data[i].reshape(8, 8), cmap="gray_r", vmin=-0.1, vmax=1.1)
        axes.set(title=f"read as {said[i]}", xticks=[], yticks=[])
plt.show()
shares = [np.mean(said == labels.data) for said in (before, after)]
print(f"right before: {shares[0]:.1%}, after: {shares[1]:.1%}")

# %% [markdown]
# The direction is the sign of the loss's gradient, with respect to the *input* (the "fast gradient
# sign method", FGSM). The pixels go from 0 to 1.
#
# ## By hand, with five numbers
#
# A layer multiplies by a matrix $W$. How long can $W x$ become for an $x$ of length 1? Take
#
# $$W = \begin{pmatrix} 3 & 0 \\ 4 & 0 \end{pmatrix}, \qquad W \begin{pmatrix} 1 \\ 0
# \end{pmatrix} = \begin{pmatrix} 3 \\ 4 \end{pmatrix}, \qquad W \begin{pmatrix} 0 \\ 1
# \end{pmatrix} = \begin{pmatrix} 0 \\ 0 \end{pmatrix} .$$
#
# Along the first axis a length of **1** becomes $\sqrt{9 + 16} =$ **5**, along the second **0**.
# Nothing becomes longer than 5: that is the **spectral norm** of $W$. After it a relu: two numbers
# are never further apart after it than before, so its factor is 1. Then a layer of norm 2: together
# at most $5 \cdot 1 \cdot 2 = 10$.
#
# ## In symbols
#
# $|x|$ is the length of $x$. A function $f$ has the **Lipschitz constant** $L$ if for all inputs
#
# $$|f(x) - f(x')| \le L\,|x - x'| .$$
#
# The spectral norm of $W$, written $\sigma(W)$, is the smallest $L$ of $x \mapsto W x$. Constants
# of functions one after the other multiply. So for layers $W_1, \dots, W_k$ with relus in between
#
# $$L \le \sigma(W_1) \cdot \sigma(W_2) \cdots \sigma(W_k) .$$
#
# To find $\sigma(W)$, begin with any direction $v$ and repeat $v \leftarrow W^\top W v / |W^\top W
# v|$. Each time the part of $v$ that $W$ stretches most gains on the rest: **power iteration**. At
# the end $|W v| = \sigma(W)$.
#
# ## Exercise A: power iteration
#
# Write `spectral_norm(W, v, steps)`: start at the vector `v`, do so many steps, and return $|W v|$.
# `np.linalg.norm(v)` is the length of a vector.


# %% exercise="24.spectral_norm"
def spectral_norm(W, v, steps):
    # BEGIN SOLUTION
    for _ in range(steps):
        v = W.T @ (W @ v)
        v = v / np.linalg.norm(v)
    return np.linalg.norm(W @ v)
    # END SOLUTION


# %%
norm = learn.check("24.spectral_norm", spectral_norm).working
linear = [layer for layer in model if isinstance(layer, nn.Linear)]
start = np.random.default_rng(0).normal(size=64)
for layer in linear:
    W = layer.weight.data
    found = [norm(W, start[: W.shape[1]], steps) for steps in (1, 5, 200)]
    print("after 1, 5, 200 steps:", np.round(found, 3), " exactly:", np.linalg.norm(W, 2).round(3))
    assert abs(found[-1] / np.linalg.norm(W, 2) - 1) < 1e-3

# %% [markdown]
# `np.linalg.norm(W, 2)` finds it by a decomposition, which costs more. In the library,
# `nn.utils.spectral_norm` does one such step in each forward pass and divides the weight by what it
# found.
#
# ## Exercise A, second part: the bound
#
# Write `lipschitz_bound(weights)` for a network of linear layers with relus in between, from the
# list of their matrices.


# %% exercise="24.bound"
def lipschitz_bound(weights):
    # BEGIN SOLUTION
    return np.prod([np.linalg.norm(W, 2) for W in weights])
    # END SOLUTION


# %%
bound = learn.check("24.bound", lipschitz_bound).working


def steepest(model, x, others):
    """The largest slope |f(x) - f(x')| / |x - x'| over the rows of two arrays."""
    with no_grad():
        out, out_of_others = (model(Tensor(rows)).data for rows in (x, others))
    rise = np.linalg.norm(out - out_of_others, axis=1)
    return (rise / np.linalg.norm(x - others, axis=1)).max()


x = np.repeat(images.data, 10, axis=0)
noise = np.random.default_rng(0).normal(scale=0.1, size=x.shape).astype("float32")
print(f"bound {bound([layer.weight.data for layer in linear]):.1f}")
print(f"steepest between two digits: {steepest(model, x, np.roll(x, 10, axis=0)):.1f}")
print(f"between a digit and itself with noise: {steepest(model, x, x + noise):.1f}")

# %% [markdown]
# Each of the 360 digits was compared with another one, and with ten noisy copies of itself. Noise
# goes in any direction, and most directions matter to no digit, so it meets lower slopes than the
# way from one digit to another. Both stay well under the bound.
#
# ## Weights that shrink
#
# *Weight decay* makes every weight smaller by the factor $1 - \alpha \lambda$ in each step, where
# $\alpha$ is the learning rate and $\lambda$ the decay. For plain SGD that is the gradient of a
# price $\frac{\lambda}{2} |w|^2$ on the weights (lesson 22). As a graph, with its gradient:

# %%
w = Tensor(np.array([3.0, -4.0]), name="w", requires_grad=True)
price = 0.5 * 0.1 * ops.sum(ops.square(w))
price.backward()
print("gradient of the price:", w.grad, "= 0.1 w")
draw(price, names=locals(), detail="compact")

# %% [markdown]
# For Adam it is **not** the same. Adam divides each gradient by its usual size, and the price with
# it. In the first step nothing is left of it at all:

# %%
ends = {}
for kind in (optim.Adam, optim.AdamW):
    for decay in (0.0, 0.5):
        p = Tensor(np.array([3.0, -4.0]), requires_grad=True)
        p.grad = np.array([100.0, -0.01])
        optimizer = kind([p], lr=0.1, weight_decay=decay)
        optimizer.step()
        ends[kind.__name__, decay] = p.numpy()
        print(f"{kind.__name__:5} decay {decay}: {p.data.round(3)}")
assert np.allclose(ends["Adam", 0.0][0], ends["Adam", 0.5][0], atol=1e-6)
assert np.allclose(ends["AdamW", 0.0] - ends["AdamW", 0.5], [0.15, -0.2], atol=1e-6)

# %% [markdown]
# Look at the first weight: with Adam it is 2.9 with and without decay. AdamW takes away $0.1 \cdot
# 0.5$ of each weight, as it was meant.
#
# ## An experiment: the price of being flat
#
# Five decays, three seeds each. The bound will fall; how far, from no decay to a decay of 1? And
# the slope, between a digit and itself with noise?

# %%
guess = learn.predict("A decay of 1 divides the bound by about", ["1.2", "3", "100"])


# %%
def run(decay, seed):
    model = train(decay, seed)
    weights = [layer.weight.data for layer in model if isinstance(layer, nn.Linear)]
    moved = attacked(model)
    with no_grad():
        return {
            "bound": bound(weights),
            "steepest": steepest(model, x, x + noise),
            "test": metrics.accuracy(model(images), labels),
            "attacked": metrics.accuracy(model(moved), labels),
        }


decays = learn.pick(full=[0.0, 0.1, 0.5, 1.0, 2.0], quick=[0.0, 1.0])
found = sweep(run, {"decay": decays}, seeds=learn.pick(full=[0, 1, 2], quick=[0]))
print(found)

# %%
_, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3), layout="constrained")
for axes, names in ((left, ("bound", "steepest")), (right, ("test", "attacked"))):
    for name, style, colour in zip(names, ("o-", "s--"), (BLUE, ORANGE), strict=True):
        axes.plot(decays, found.mean(name), style, color=colour, label=name)
    axes.set(xlabel="weight decay")
    axes.legend()
left.set(yscale="log", ylabel="slope")
right.set(ylabel="accuracy", ylim=(0, 1))
plt.show()
bounds, slopes = found.mean("bound"), found.mean("steepest")
assert (found.values("bound") >= found.values("steepest")).all()
assert (np.diff(bounds) < 0).all()
if learn.mode() == "full":
    test, attack = 100 * found.mean("test"), 100 * found.mean("attacked")
    assert np.allclose(bounds, [57, 46, 28, 19, 12.5], rtol=0.1)
    assert np.allclose(slopes, [14.7, 11.2, 6.7, 5.5, 4.6], rtol=0.2)
    assert np.allclose(test, [96.7, 97.2, 96.9, 95.8, 93.9], atol=1.2)
    assert np.allclose(attack, [20, 20, 20, 26, 30], atol=4)
    assert max(attack[:3]) < attack[3] < attack[4]
ratio = bounds[0] / bounds[decays.index(1.0)]
guess.reveal(min(guess.choices, key=lambda words: abs(np.log(float(words) / ratio))))

# %% [markdown]
# With a decay of 1 the bound is a third of what it was, and the steepest slope less than half; it
# always lies under the bound. Up to 0.5 that costs no accuracy here; a decay of 2 costs about two
# points. And the attacked digits? Without decay the network reads a fifth of them. From a decay of
# 1 on it reads more, but hardly three in ten: **a flatter network is not by itself a robust one.**
# Its answers lie closer together as well, so less is needed to mix them up. What counts is the
# distance between the answers *over* the slope.
#
# **What would change it:** training on attacked digits would, and so would an attack half as large.
#
# ## Exercise B: a bound that is far too high
#
# The bound multiplies the worst cases of all layers, though they need not meet. Break it: write
# `far_off()`, two matrices $W_1$, $W_2$ (as a pair) such that the bound of the network $W_2\,
# \text{relu}(W_1 x)$ is at least 1, and no slope is above 0.01.


# %% exercise="24.far_off"
def far_off():
    # BEGIN SOLUTION
    return np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
    # END SOLUTION


# %%
first, second = learn.check("24.far_off", far_off).working()
print("bound", bound([first, second]), " norm of the product:", np.linalg.norm(second @ first, 2))

# %% [markdown]
# Explain it: into which directions does the first layer stretch, and from which does the second?
#
# ## A mistake to make once
#
# A decay below 0 would make weights grow:

# %%
try:
    optim.AdamW(model.parameters(), weight_decay=-0.1)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `optim.AdamW(params, weight_decay=...)` | the same |
# | `nn.utils.spectral_norm(layer)` | the same |
# | `np.linalg.norm(W, 2)` | `torch.linalg.matrix_norm(W, 2)` |
#
# ## To read
#
# I. Loshchilov and F. Hutter, *Decoupled weight decay regularization*, ICLR 2019; for the bound T.
# Miyato and others, *Spectral normalization for generative adversarial networks*, ICLR 2018.
#
# ## Recap
#
# - The spectral norm says how much a matrix can stretch; power iteration finds it.
# - Norms of layers multiply to a bound on every slope, which may be far from reached.
# - Weight decay lowers both. In Adam it must be done apart from the gradient: AdamW.
# - Low slopes help a network little against an attack, and do not make it robust.
#
# Left out here: bounds that are nearly reached; they cost far more to compute.
