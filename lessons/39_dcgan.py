# %% [markdown]
# # 39 · Two networks against each other
#
# **Question.** A network shall draw digits that nobody wrote. Which loss says "this looks like a
# digit"? What if that loss is itself a network that learns?
#
# - builds: `ConvTranspose2d`
# - uses: `Tensor`, `Value.backward`, `Value.grad`, `data`, `draw`, `fit`, `learn`, `manual_seed`,
#   `nn`, `no_grad`, `ops`, `ops.conv2d`, `optim`
# - borrowed, built in 41: `compile` - a function's graph, written out once as a plain program.
# - time: 45 minutes to read, 90 s to run
# - covers: B (generative models), D (GANs, assignment 4)
#
# Where it ends (the picture is further down, after the training): a **generator** makes a picture
# out of 16 random numbers. Each row of pictures comes from the same numbers, each column from more
# steps of training; the last column has real digits.

# %%
import matplotlib.pyplot as plt
import numpy as np

from tinygrad_edu import Tensor, compile, data, draw, learn, manual_seed, nn, no_grad, ops, optim
from tinygrad_edu.train import fit

learn.begin("39")
train_set, test_set = data.digits("strat")
(real, _), (new, _) = ([p.data for p in s.batch(range(len(s)))] for s in (train_set, test_set))


class Generator(nn.Module):
    """(batch, 16) -> (batch, 1, 8, 8), from -1 to 1: 2 x 2, then 4 x 4, then 8 x 8."""

    def __init__(self):
        super().__init__()
        self.begin = nn.Sequential(nn.Linear(16, 256), nn.BatchNorm1d(256), nn.ReLU())
        self.grow = nn.Sequential(
            *(nn.ConvTranspose2d(64, 16, 4, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1), nn.Tanh()),
        )

    def forward(self, z):
        return self.grow(self.begin(z).reshape(-1, 64, 2, 2))


def new_critic():
    """(batch, 1, 8, 8) -> (batch, 1): a score, above 0 for "real"."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.LeakyReLU(0.2)),
        *(nn.Flatten(), nn.Linear(128, 1)),
    )


# %% [markdown]
# ## By hand, with five numbers
#
# A second network, the **critic**, gives a picture a score $s$; $D = \sigma(s) = 1 / (1 + e^{-s})$
# is the chance it gives that the picture is real. Early on it sees through everything: let
# $D = 0.01$. The generator wants $D$ to rise. Two losses say so:
#
# | loss | slope in $s$ | at $D = 0.01$ | at $D = 0.9$ |
# |---|---|---|---|
# | $\ln(1 - D)$ | $-D$ | $-0.01$ | $-0.9$ |
# | $-\ln D$ | $-(1 - D)$ | $-0.99$ | $-0.1$ |
#
# Both fall as $s$ rises. But the first hardly moves where most is to be learned: it is
# **saturated**. The second pulls hardest when the generator is worst.
#
# ## In symbols
#
# $x$ is real, $z$ are random numbers, $G(z)$ a made picture, and the critic's score is $s(\cdot)$:
#
# $$L_D = -\tfrac12\,\text{mean}\,[\ell \ln \sigma(s(x)) + (1 - \ell) \ln(1 - \sigma(s(x)))]
# - \tfrac12\,\text{mean}\,\ln(1 - \sigma(s(G(z)))), \qquad L_G = -\,\text{mean}\,\ln
#   \sigma(s(G(z)))$$
#
# with the label $\ell = 0.9$ in place of 1 for real pictures, so that the critic is never too sure.
# In numbers that do not overflow: $-\ln\sigma(s) = \text{softplus}(-s)$ and
# $-\ln(1 - \sigma(s)) = \text{softplus}(s)$, with $\text{softplus}(s) = \ln(1 + e^s)$.
#
# ## Exercise A: two losses
#
# Write both, with `ops.softplus`; scores are tensors $(n, 1)$, `label` is $\ell$.


# %% exercise="39.critic_loss"
def critic_loss(real_scores, made_scores, label):
    # BEGIN SOLUTION
    on_real = label * ops.softplus(-real_scores) + (1 - label) * ops.softplus(real_scores)
    return 0.5 * on_real.mean() + 0.5 * ops.softplus(made_scores).mean()
    # END SOLUTION


# %% exercise="39.generator_loss"
def generator_loss(made_scores):
    # BEGIN SOLUTION
    return ops.softplus(-made_scores).mean()
    # END SOLUTION


# %%
my_critic_loss = learn.check("39.critic_loss", critic_loss).working
my_generator_loss = learn.check("39.generator_loss", generator_loss).working
score = Tensor([[np.log(0.01 / 0.99)]], requires_grad=True, name="score")
loss = my_generator_loss(score)
loss.backward()
assert np.isclose(score.grad.item(), -0.99)
draw(loss, detail="compact")

# %% [markdown]
# ## In code: from small to large
#
# A convolution with stride 2 makes pictures smaller. The generator needs the way back: the
# **transposed** convolution. Every number of the small picture stamps the kernel, times itself,
# onto the large one; stamps overlap and add up. It is what a convolution does to gradients going
# back:


# %%
def stamped(x, kernel, stride, padding):
    """One channel, loops: (h, w) and (k, k) -> the larger picture."""
    k, (h, w) = len(kernel), x.shape
    out = np.zeros((stride * (h - 1) + k, stride * (w - 1) + k))
    for i in range(h):
        for j in range(w):
            out[stride * i : stride * i + k, stride * j : stride * j + k] += x[i, j] * kernel
    return out[padding : len(out) - padding, padding : out.shape[1] - padding]


small, kernel = (
    np.random.default_rng(0).normal(size=(4, 4)),
    np.random.default_rng(1).normal(size=(4, 4)),
)
x, w = Tensor(small[None, None]), Tensor(kernel[None, None])
large = nn.functional.conv_transpose2d(x, w, stride=2, padding=1).data[0, 0]
assert np.allclose(stamped(small, kernel, 2, 1), large, rtol=1e-6)
picture = Tensor(np.zeros((1, 1, 8, 8)), requires_grad=True)
nn.functional.conv2d(picture, w, stride=2, padding=1).backward(x)
assert np.allclose(picture.grad[0, 0], large, rtol=1e-6)

# %% [markdown]
# ## A judge
#
# How good are made digits? Ask a network that reads digits (lesson 29), but not for the digit: take
# the 128 **features** before its last layer, of real and of made pictures, and compare two clouds
# by mean and covariance. With means $m$ and covariances $C$ the **Fréchet distance** is
#
# $$d = |m_1 - m_2|^2 + \text{trace}\,\bigl(C_1 + C_2 - 2\,(C_1 C_2)^{1/2}\bigr)$$
#
# It is 0 for the same clouds. The **covariance** $C$ says how the features scatter together; the
# trace is the sum of the diagonal. The trace of the root is the sum of the roots of the eigenvalues
# of $R\,C_2 R$, where $R$ is the symmetric root of $C_1$: $R R = C_1$. With the eigenvalues
# $\lambda$ of $C_1$ and its eigenvectors as the columns of $U$, which `np.linalg.eigh` gives,
# $R = U\,\text{diag}(\sqrt\lambda)\,U^\top$.
#
# ## Exercise B: the distance
#
# Write `frechet(a, b)` for features $(n, d)$ and $(m, d)$; add $10^{-6}$ to the diagonal of both
# covariances (`np.cov(a.T)`). Then try to break it: does it notice a generator that makes the same
# good picture every time? Explain with $C$.


# %% exercise="39.frechet"
def frechet(a, b):
    # BEGIN SOLUTION
    c1, c2 = (np.cov(x.T) + 1e-6 * np.eye(x.shape[1]) for x in (a, b))
    values, vectors = np.linalg.eigh(c1)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ c2 @ root).clip(0)).sum()
    gap = a.mean(axis=0) - b.mean(axis=0)
    return gap @ gap + np.trace(c1) + np.trace(c2) - 2 * cross
    # END SOLUTION


# %%
my_frechet = learn.check("39.frechet", frechet).working
manual_seed(1)
judge = nn.Sequential(
    *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
    nn.Linear(128, 10),
)
fit(
    judge,
    data.DataLoader(train_set, batch_size=32, shuffle=True),
    loss=nn.CrossEntropyLoss(),
    optimizer=optim.Adam(judge.parameters(), lr=2e-3),
    epochs=learn.pick(full=15, quick=1),
    progress=False,
)


# %%
def judged(pictures):
    """Features (n, 128), and for each digit the share of pictures read as it."""
    with no_grad():
        h = Tensor(pictures.astype("float32"))
        for layer in [*judge][:-1]:
            h = layer(h)
        read = judge[-1](h).data.argmax(axis=1)
    return h.data.astype(float), np.bincount(read, minlength=10) / len(read)


features, _ = judged(real)
noise = np.random.default_rng(0).random(new.shape)
same = np.repeat(real.mean(axis=0, keepdims=True), len(new), axis=0)
scale = {"real": new, "noise": noise, "the mean picture": same}
scale = {name: my_frechet(judged(x)[0], features) for name, x in scale.items()}
print({name: round(float(d), 1) for name, d in scale.items()})
assert (
    2 * scale["real"] < learn.pick(full=8, quick=99) < 0.2 * scale["noise"]
    or learn.mode() == "quick"
)

# %% [markdown]
# ## An experiment: the game
#
# Both step in turn: the generator on $L_G$, then the critic on $L_D$, with the made pictures as
# plain numbers (**detached**), so that the critic's step does not reach into the generator. Going
# back through the critic leaves gradients in it which its own step must forget: `zero_grad`. And
# what is kept is a running average of the generator's weights, which swings less than the weights.
#
# The critic sees single pictures: one perfect 3, drawn for ever, might fool it for a while. Guess:
# after training, how many of the ten digits does the generator draw?

# %%
guess = learn.predict(
    "Digits it draws, each at least 3 % of the time", ["one", "about five", "all"]
)
manual_seed(0)
random, batch = np.random.default_rng(0), 64
generator, critic = Generator(), new_critic()
sizes = [sum(p.size for p in m.parameters()) for m in (generator, critic)]
print(f"{sizes[0]:,} parameters against {sizes[1]:,}")
g_step = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
d_step = optim.Adam(critic.parameters(), lr=1.5e-3, betas=(0.5, 0.999))
average = optim.AveragedParameters(generator.parameters(), decay=0.999)


@compile
def generators(z):
    made = generator(z)
    return my_generator_loss(critic(made)), made


@compile
def critics(x, made):
    scores = critic(ops.concat(x, made, axis=0))
    return my_critic_loss(scores[:batch], scores[batch:], 0.9)


# %%
def play(steps):
    """`steps` steps of both; their last losses."""
    for _ in range(steps):
        some = real[random.integers(len(real), size=batch)]
        loss, made = generators(Tensor(random.normal(size=(batch, 16)).astype("float32")))
        g_step.zero_grad()
        loss.backward()
        g_step.step()
        average.update_parameters()
        d_step.zero_grad()  # what the generator's step left in the critic goes
        found = critics(Tensor(2 * some - 1), made.detach())
        found.backward()
        d_step.step()
    return loss.item(), found.item()


def drawn(z):
    with average.applied(), no_grad():
        return (generator(Tensor(z.astype("float32"))).data + 1) / 2


# %%
z, columns, curve = np.random.default_rng(5).normal(size=(1000, 16)), [], []
total, parts = learn.pick(full=5500, quick=20), 5
for part in range(1, parts + 1):
    losses = play(total // parts)
    made = drawn(z)
    columns.append(made[:8, 0])
    seen, shares = judged(made)
    curve.append(my_frechet(seen, features))
    print(f"{part * total // parts:5} steps: G {losses[0]:.2f}, D {losses[1]:.2f}, ", end="")
    print(f"distance {curve[-1]:5.1f}, rarest digit {shares.min():.1%}")
assert curve[-1] < learn.pick(full=8, quick=1e4)
assert shares.min() > learn.pick(full=0.03, quick=-1)
there = int((shares >= 0.03).sum())
guess.reveal("all" if there == 10 else "about five" if there > 2 else "one")

# %%
columns.append(new[:8, 0])
figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 4.4), layout="constrained")
left.imshow(np.concatenate(np.concatenate(columns, axis=2), axis=0), cmap="gray_r", vmin=0, vmax=1)
left.set_xticks(
    np.arange(4, 48, 8), [f"{total * (i + 1) // parts}" for i in range(parts)] + ["real"]
)
left.set(yticks=[], xlabel="steps")
right.semilogy(np.arange(1, parts + 1) * total // parts, curve, "o-", color="#0072B2")
for (name, distance), style in zip(scale.items(), ("-", "--", ":"), strict=True):
    right.axhline(distance, linestyle=style, color="#D55E00", label=name)
right.set(xlabel="steps", ylabel="Fréchet distance to the training digits")
right.legend()
plt.show()

# %% [markdown]
# The losses do not fall: each network's gain is the other's loss. Only the judge tells that the
# pictures improve. Batch normalisation in the generator works on the batch it is given, here too
# when drawing: a thousand pictures at once. In the critic there is none; real and made pictures
# would be told apart by it.
#
# ## A mistake to make once
#
# A transposed convolution of a shape that cannot be: the error names the sizes.

# %%
try:
    nn.ConvTranspose2d(64, 16, 4, stride=2, padding=1)(Tensor(np.zeros((1, 16, 2, 2))))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## What PyTorch calls this
#
# | here | in PyTorch |
# |---|---|
# | `nn.ConvTranspose2d`, `nn.LeakyReLU(0.2)` | the same |
# | `ops.softplus(-s).mean()` | `F.binary_cross_entropy_with_logits(s, ones)` |
# | `optim.AveragedParameters(...)` | `torch.optim.swa_utils.AveragedModel` |

# %%
learn.beside_torch(generator.grow, Tensor(np.random.default_rng(0).normal(size=(8, 64, 2, 2))))
learn.beside_torch(critic, Tensor(new[:32]))

# %% [markdown]
# ## To read
#
# A. Radford, L. Metz and S. Chintala, *Unsupervised representation learning with deep convolutional
# generative adversarial networks*, ICLR 2016: section 3, the recipe.
#
# ## Recap
#
# - The generator's loss is a critic, and the critic learns too.
# - $-\ln D$ pulls where $\ln(1 - D)$ is saturated.
# - A transposed convolution stamps; it is the gradient of a convolution.
# - Measure with a judge who takes no part: distance, and whether every digit is there.
#
# Left out here: other distances between clouds, and pictures that are asked for by name.
