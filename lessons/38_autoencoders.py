# %% [markdown]
# # 38 · Autoencoders
#
# **Question.** A digit is 64 numbers. How few numbers say the same, who finds them if nobody gives
# labels, and can one make up digits that nobody wrote?
#
# - builds: nothing
# - uses: `Tensor`, `data`, `draw`, `fit`, `learn`, `manual_seed`, `nn`, `no_grad`, `ops`, `optim`
# - time: 45 minutes to read, 15 s to run
# - covers: B (autoencoders), D (autoencoders, variational autoencoders)
#
# The end first. A network pressed each digit into **two** numbers and made the digit from them
# again. Left: where the digits it never saw landed; it was told no label. Right: what it makes of
# places on a grid. Walk from one digit to another.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, data, draw, learn, manual_seed, nn, no_grad, ops, optim
from tinygrad_edu.train import fit

learn.begin("38")


# %%
train_set, test_set = data.digits("strat", flat=True)
(seen, seen_labels), (new, new_labels) = (
    [part.data for part in s.batch(range(len(s)))] for s in (train_set, test_set)
)


def stack(*sizes):
    layers = [part(n, m) for n, m in pairwise(sizes) for part in (nn.Linear, lambda *_: nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class AutoEncoder(nn.Module):
    """From 64 numbers through the sizes to the last of them, and back."""

    def __init__(self, *sizes):
        super().__init__()
        self.encoder = stack(64, *sizes)
        self.decoder = nn.Sequential(stack(*sizes[::-1], 64), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


def train(model, inputs, loss, epochs=80, lr=4e-3):
    """The model, trained to make the digits again from `inputs`."""
    loader = data.DataLoader(data.TensorDataset(inputs, seen), batch_size=64, shuffle=True)
    optimizer, steps = optim.Adam(model.parameters(), lr=lr), epochs * len(loader)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    options = {"scheduler": schedule, "schedule": "step", "progress": False}
    fit(model, loader, loss=loss, optimizer=optimizer, epochs=epochs, **options)
    return model


# %%
def apply(function, x):
    with no_grad():
        return function(Tensor(x.astype("float32"))).data


def show(axes, rows):
    """Pictures (rows, columns, 64) as one."""
    high, across = len(rows), len(rows[0])
    framed = np.pad(np.reshape(rows, (high, across, 8, 8)), ((0, 0), (0, 0), (1, 1), (1, 1)))
    whole = framed.transpose(0, 2, 1, 3)
    axes.imshow(whole.reshape(10 * high, 10 * across), cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])


# %%
epochs = learn.pick(full=80, quick=2)
manual_seed(0)
flat = train(AutoEncoder(128, 64, 2), seen, nn.MSELoss(), epochs)
codes = apply(flat.encoder, new)
low, high = np.quantile(codes, [0.03, 0.97], axis=0)
grid = [
    [(a, b) for a in np.linspace(low[0], high[0], 12)] for b in np.linspace(high[1], low[1], 12)
]
_, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.7), layout="constrained")
for digit in range(10):
    here = codes[new_labels == digit]
    colour = plt.get_cmap("tab10")(digit)
    left.scatter(*here.T, color=colour, marker=f"${digit}$", s=40)
left.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="first number", ylabel="second")
show(right, apply(flat.decoder, np.array(grid).reshape(-1, 2)).reshape(12, 12, 64))
plt.show()

# %% [markdown]
# ## By hand, with five numbers
#
# Press two numbers into one. Let the data be $(1, 2)$, $(2, 4)$ and $(3, 6)$: the second is always
# twice the first. Keep the first, $c = x_1$; make again $(c, 2c)$. Nothing is lost. With $(1, 2)$,
# $(2, 4)$, $(3, 5)$ the last becomes $(3, 6)$: its squared errors are $0$ and $1$, and the mean
# over all six numbers is $1/6 \approx 0.167$. The **code** $c$ is all one has to keep of data
# that follow a rule; what does not fit the rule is the error.
#
# ## In symbols
#
# An **encoder** $e$ makes a code of $k$ numbers, a **decoder** $d$ the picture from it:
#
# $$c = e(x), \qquad \hat x = d(c), \qquad L = \text{mean}\,(\hat x - x)^2$$
#
# The target is the input; nobody labels anything. If $e$ and $d$ are **linear**, the best they can
# do is known: keep the $k$ directions in which the data spread most (**principal components**,
# PCA). With $V$, $(64, k)$, of those directions and the mean picture $m$:
#
# $$c = (x - m)\,V, \qquad \hat x = m + c\,V^\top$$
#
# ## Exercise A: the linear one
#
# Write `pca(x, k)`: the mean, $(d,)$, and the directions, $(d, k)$, of data $(n, d)$. The
# directions are the first $k$ rows of the last matrix that `np.linalg.svd(...,
# full_matrices=False)` returns for the data less their mean; they come in the order of their
# spread. (It writes a matrix as a product of three: one with orthonormal columns, that is of length
# 1 and at right angles; a diagonal one, the **singular values**; and one with orthonormal rows.)


# %% exercise="38.pca"
def pca(x, k):
    # BEGIN SOLUTION
    mean = x.mean(axis=0)
    return mean, np.linalg.svd(x - mean, full_matrices=False)[2][:k].T
    # END SOLUTION


# %%
my_pca = learn.check("38.pca", pca).working
linear_errors = {}
for k in (2, 8, 16):
    mean, directions = my_pca(seen, k)
    again = mean + (new - mean) @ directions @ directions.T
    linear_errors[k] = ((again - new) ** 2).mean()
print({k: round(float(e), 4) for k, e in linear_errors.items()})
assert np.allclose(list(linear_errors.values()), [0.0532, 0.0247, 0.0116], atol=6e-5)

# %% [markdown]
# Does a linear network find the same? It need not find the same directions, since it may turn and
# stretch its code; but the plane they span must be the same. The **angles** between two planes say
# so: their cosines are the singular values of $V^\top Q$, where $Q$ is an orthonormal basis of the
# decoder's columns.

# %%
manual_seed(0)
linear = nn.Sequential(nn.Linear(64, 2), nn.Linear(2, 64))
train(linear, seen, nn.MSELoss(), learn.pick(full=150, quick=10), lr=3e-2)
basis = np.linalg.qr(linear[1].weight.data)[0]
cosines = np.linalg.svd(my_pca(seen, 2)[1].T @ basis)[1]
print("angles in degrees:", np.degrees(np.arccos(np.clip(cosines, -1, 1))).round(1))
assert cosines.min() > learn.pick(full=0.99, quick=0.1)

# %% [markdown]
# ## An experiment: bent against straight
#
# The encoder above bends, with one hidden layer, or two for a code as narrow as 2. On digits it
# never saw, with a code of 2, 8 and 16 numbers: how far below the error of PCA does it come? With 8
# numbers its error, measured by that of PCA, is ...

# %%
guess = learn.predict("Error at k = 8, bent against straight", ["equal", "two thirds", "a tenth"])

# %%
models = {2: flat}
for k in learn.pick(full=(8, 16), quick=(8,)):
    manual_seed(0)
    models[k] = train(AutoEncoder(128, k), seen, nn.MSELoss(), epochs)
errors = {k: float(((apply(model, new) - new) ** 2).mean()) for k, model in models.items()}
for k, error in errors.items():
    print(f"k = {k:2}: PCA {linear_errors[k]:.4f}, autoencoder {error:.4f}")
    assert error < learn.pick(full={2: 0.037, 8: 0.0167, 16: 0.0099}[k], quick=0.2)
ratio = errors[8] / linear_errors[8]
guess.reveal(guess.choices[int(ratio < 0.85) + int(ratio < 0.3)])


# %%
def nearest(codes, others):
    """The share of digits whose five nearest codes vote for the right label."""
    distances = ((others[:, None] - codes) ** 2).sum(axis=-1)
    votes = seen_labels[distances.argsort(axis=1)[:, :5]]
    return (np.array([np.bincount(v).argmax() for v in votes]) == new_labels).mean()


mean, directions = my_pca(seen, 2)
straight = nearest((seen - mean) @ directions, (new - mean) @ directions)
bent = nearest(apply(flat.encoder, seen), codes)
print(f"two numbers are enough to read {straight:.1%} (PCA) and {bent:.1%} (autoencoder)")
assert 0.61 < straight < 0.625
assert bent > learn.pick(full=0.72, quick=0.1)
_, axes = plt.subplots(figsize=(9, 2.9), layout="constrained")
k = 8
mean, directions = my_pca(seen, k)
show(
    axes,
    [new[:12], mean + (new[:12] - mean) @ directions @ directions.T, apply(models[k], new[:12])],
)
axes.set_yticks([5, 15, 25], ["digit", "PCA, k = 8", "autoencoder"])
plt.show()

# %% [markdown]
# **Denoising.** The input need not be the target. Give it digits with noise and ask for clean ones,
# and it learns what digits look like. It cannot keep the noise: there is no room in the code.

# %%
random = np.random.default_rng(0)
noisy = [(x + random.normal(0, 0.3, x.shape)).clip(0, 1).astype("float32") for x in (seen, new)]
manual_seed(0)
cleaner = train(AutoEncoder(128, 16), noisy[0], nn.MSELoss(), epochs)
before, after = (((x - new) ** 2).mean() for x in (noisy[1], apply(cleaner, noisy[1])))
print(f"error of the noisy digits {before:.4f}, after cleaning {after:.4f}")
assert after < before / learn.pick(full=2, quick=0.5)

# %% [markdown]
# ## Made-up digits: a code with a shape
#
# Decode a random code, and most likely you get no digit: nobody said where codes lie. A
# **variational autoencoder** does. Its encoder gives not a place but a cloud, a mean $\mu$ and a
# spread $\sigma$ for each number, and the code is drawn from it: $c = \mu + \sigma\,\varepsilon$
# with $\varepsilon$ from $\mathcal N(0, 1)$, the normal distribution with mean 0 and spread 1.
# Written so, $\mu$ and $\sigma$ have gradients, though chance is involved. And clouds pay for
# differing from $\mathcal N(0, 1)$, by the **Kullback-Leibler divergence**: how much likelier the
# code is in its own cloud than there, as a logarithm, on average ($\mathbb E$) over codes of the
# cloud:
#
# $$\text{KL} = \mathbb E_{c \sim \mathcal N(\mu, \sigma)}\left[\ln \frac{\mathcal N(c;\, \mu,
# \sigma)}{\mathcal N(c;\, 0, 1)}\right] = \tfrac12 \left(\mu^2 + \sigma^2 - 1 - \ln
# \sigma^2\right)$$
#
# added up over the $k$ numbers. For $\mu = 0$, $\sigma = 1$ it is 0; for $\mu = 2$, $\sigma = 1$ it
# is $\frac12 (4 + 1 - 1 - 0) = 2$. The loss of a picture is its squared error, summed over the 64
# numbers, plus $\beta$ times KL; $\beta$ is the **price**.
#
# ## Exercise B: break it with the wrong price
#
# Write `kl(mean, log_var)` for two tensors $(n, k)$, the second $\ln\sigma^2$; return $(n,)$. It is
# checked against the average $\mathbb E$ itself, added up in small steps. Then the cells below
# train with a price of 0, a good one and one far too high: explain what you see in the samples.


# %% exercise="38.kl"
def kl(mean, log_var):
    # BEGIN SOLUTION
    return 0.5 * (mean * mean + ops.exp(log_var) - 1.0 - log_var).sum(axis=1)
    # END SOLUTION


# %%
price = learn.check("38.kl", kl).working
mu, log_var = (Tensor(np.array([[v]]), requires_grad=True) for v in (2.0, 0.0))
draw(price(mu, log_var), names={"mu": mu, "log_var": log_var}, detail="compact")


# %%
class Variational(AutoEncoder):
    def __init__(self, k):
        super().__init__(128, k)
        self.encoder.append(nn.Linear(k, 2 * k))
        self.k = k

    def forward(self, x):
        code = self.encoder(x)
        mean, log_var = code[:, : self.k], code[:, self.k :]
        drawn = mean + ops.exp(0.5 * log_var) * ops.normal_like(mean)
        return ops.concat(self.decoder(drawn), mean, log_var, axis=1)


def loss_with(beta, k):
    def loss(out, x):
        again, mean, log_var = out[:, :64], out[:, 64 : 64 + k], out[:, 64 + k :]
        return (ops.square(again - x).sum(axis=1) + beta * price(mean, log_var)).mean()

    return loss


# %%
_, row = plt.subplots(1, 3, figsize=(9.6, 3.3), layout="constrained")
drawn, distances, k = np.random.default_rng(1).normal(size=(64, 8)), {}, 8
for axes, beta in zip(row, (0.0, 0.05, 5.0), strict=True):
    manual_seed(0)
    made = apply(train(Variational(k), seen, loss_with(beta, k), epochs).decoder, drawn)
    distances[beta] = float(((made[:, None] - seen) ** 2).mean(axis=-1).min(axis=1).mean())
    show(axes, made.reshape(8, 8, 64))
    axes.set_title(f"price {beta}: {distances[beta]:.3f} to the nearest digit", fontsize=9)
    print(f"price {beta}: spread over the samples {made.std(axis=0).mean():.3f}")
plt.show()
assert distances[0.05] < learn.pick(full=0.75, quick=3) * distances[0.0]
assert made.std(axis=0).mean() < 0.05  # at price 5 every sample is the same

# %% [markdown]
# Without a price the codes lie anywhere, and a draw hits a gap. With too high a price every cloud
# is $\mathcal N(0, 1)$, the code says nothing, and the decoder answers with the mean picture.
#
# ## A mistake to make once
#
# An output of the wrong width is no picture; the loss says which sizes do not fit:

# %%
try:
    nn.MSELoss()(Tensor(codes), Tensor(new))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `nn.Sequential`, `nn.MSELoss` | the same |
# | `ops.normal_like(mean)` | `torch.randn_like(mean)` |
# | `kl(mean, log_var)` | `torch.distributions.kl_divergence(Normal(...), Normal(0, 1))` |

# %%
learn.beside_torch(flat.encoder, Tensor(new[:32]))
learn.beside_torch(flat.decoder, Tensor(codes[:32]))

# %% [markdown]
# ## To read
#
# D. Kingma and M. Welling, *Auto-encoding variational Bayes*, ICLR 2014: sections 2.3 and 2.4, and
# appendix B for the formula of exercise B.
#
# ## Recap
#
# - A narrow middle forces a network to find what the data have in common.
# - Linear, it finds the plane of PCA; bent, it loses less with as few numbers.
# - A variational autoencoder gives its codes a shape, so that random codes become digits.
# - Noise drawn as $\mu + \sigma\,\varepsilon$ lets gradients through.
#
# Left out here: convolutional encoders, and codes that are words of a codebook.
